//! Comma-separated values, as RFC 4180 has them: one row a series and statistic.

use super::quantiles::Quantiles;
use super::rows::{Named, Row, Rows, rejected};
use super::{Encoder, Sink, digits};
use crate::Error;
use crate::registry::{Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::io;

/// Writes snapshots as comma-separated values. Keep one: it remembers what it rendered, and a page costs no allocation once
/// warm (`tests/encoding_allocations.rs`).
///
/// The first row has the columns' names; every other is one statistic of one series. Rows end in CR LF; fields with a comma,
/// a quote or a line's end are quoted, and quotes inside doubled.
///
/// | column | content |
/// |---|---|
/// | `unix_time_ns` | the snapshot's time, in nanoseconds since 1970-01-01 UTC |
/// | `name` | the metric |
/// | `type` | `counter`, `up_down_counter`, `gauge` or `histogram` |
/// | `unit` | of the value: `seconds`, `bytes`, `ratio`, or nothing |
/// | `labels` | `path="/a",peer="n1"`, escaped as on a Prometheus page: backslash, quote and newline |
/// | `statistic` | `value`; of a histogram `count`, `sum`, `min`, `max`, `p50`, `p90`, `p99`, `p999`, `hdr` |
/// | `value` | a decimal number, exact for everything that was counted; `NaN`, `+Inf`, `-Inf` for a gauge without one |
///
/// An empty histogram has `count` and `sum` alone. `hdr` is there if it was asked for: all buckets, see
#[cfg_attr(feature = "json", doc = "[`CsvEncoder::with_hdr`].")]
#[cfg_attr(not(feature = "json"), doc = "`CsvEncoder::with_hdr` (feature `json`).")]
///
/// ```
/// use std::time::Duration;
/// use tachometer::{CsvEncoder, Encoder, Engine, ManualClock, Registry};
/// let registry = Registry::new();
/// registry.metric("requests_total", "Requests.").label("path", "/a").counter()?.add(3);
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let page = CsvEncoder::new().to_vec(&engine.refresh());
/// let rows: Vec<_> = std::str::from_utf8(&page).unwrap().lines().collect();
/// assert_eq!(rows[0], "unix_time_ns,name,type,unit,labels,statistic,value");
/// assert_eq!(rows[1], r#"1700000000000000000,requests_total,counter,,"path=""/a""",value,3"#);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct CsvEncoder {
    rows: Rows,
    quantiles: Quantiles,
    /// The snapshot's time, as rows begin with it.
    time: Vec<u8>,
    #[cfg(feature = "json")]
    hdr: Option<super::hdr_v2::HdrV2>,
}

/// What stands before a row.
struct Begin<'a> {
    time: &'a [u8],
    identity: &'a [u8],
}

impl Begin<'_> {
    fn statistic(&self, out: &mut Vec<u8>, name: &str) {
        out.extend_from_slice(self.time);
        out.extend_from_slice(self.identity);
        out.extend_from_slice(name.as_bytes());
        out.push(b',');
    }
}

const END: &[u8] = b"\r\n";

impl CsvEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "text/csv; charset=utf-8; header=present";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        CsvEncoder::default()
    }

    /// Which quantiles a histogram has, from 0 to 1: 0.999 becomes `p999`.
    ///
    /// # Errors
    /// One is not from 0 to 1 or there twice, or there are more than [`MAX_QUANTILES`](crate::limits::MAX_QUANTILES).
    pub fn quantiles(mut self, quantiles: &[f64]) -> Result<Self, Error> {
        self.quantiles = Quantiles::new(quantiles)?;
        Ok(self)
    }

    /// Whether each histogram has a row `hdr`: its buckets in the compressed V2 form of HdrHistogram, in Base64. What it
    /// holds is in the *recorded* unit (nanoseconds where the column `unit` says `seconds`).
    #[cfg(feature = "json")]
    pub fn with_hdr(mut self, hdr: bool) -> Self {
        self.hdr = hdr.then(Default::default);
        self
    }
}

impl Encoder for CsvEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        self.rows.fit(&snapshot.layout, usize::MAX, identity);
        self.time.clear();
        digits::decimal(&mut self.time, snapshot.unix_time().as_nanos(), 1);
        self.time.push(b',');
        sink.buffer.extend_from_slice(b"unix_time_ns,name,type,unit,labels,statistic,value\r\n");
        for (identity, row) in self.rows.iter() {
            let begin = Begin { time: &self.time, identity };
            match row.kind {
                Kind::Histogram => {
                    let histogram = &*snapshot.histograms[row.at];
                    statistics(sink.buffer, histogram, row.unit, &begin, &self.quantiles);
                    #[cfg(feature = "json")]
                    if let Some(hdr) = &mut self.hdr {
                        begin.statistic(sink.buffer, "hdr");
                        hdr.write_base64(histogram, sink.buffer);
                        sink.buffer.extend_from_slice(END);
                    }
                }
                _ => scalar(sink.buffer, snapshot.scalars[row.at], row, &begin),
            }
            sink.pause()?;
        }
        rejected(&snapshot.rejected, |named, _, count| {
            sink.buffer.extend_from_slice(&self.time);
            identity(sink.buffer, named);
            sink.buffer.extend_from_slice(b"value,");
            digits::integer(sink.buffer, count);
            sink.buffer.extend_from_slice(END);
        });
        Ok(())
    }
}

fn scalar(out: &mut Vec<u8>, bits: u64, row: &Row, begin: &Begin<'_>) {
    begin.statistic(out, "value");
    if !digits::scalar(out, bits, row.kind, row.unit) {
        out.extend_from_slice(match f64::from_bits(bits) {
            f64::INFINITY => b"+Inf",
            f64::NEG_INFINITY => b"-Inf",
            _ => b"NaN",
        });
    }
    out.extend_from_slice(END);
}

fn statistics(
    out: &mut Vec<u8>,
    histogram: &HistogramSnapshot,
    unit: Unit,
    begin: &Begin<'_>,
    quantiles: &Quantiles,
) {
    let mut write = |name, value, divisor| {
        begin.statistic(out, name);
        digits::decimal(out, value, divisor);
        out.extend_from_slice(END);
    };
    let divisor = unit.divisor();
    write("count", histogram.count().into(), 1);
    write("sum", histogram.sum(), divisor);
    if let (Some(min), Some(max)) = (histogram.min(), histogram.max()) {
        write("min", min.into(), divisor);
        write("max", max.into(), divisor);
    }
    for (q, name) in quantiles.iter() {
        if let Some(value) = histogram.quantile(q) {
            write(name, value.into(), divisor);
        }
    }
}

/// `name,type,unit,labels,`
fn identity(out: &mut Vec<u8>, named: Named<'_>) {
    let kind = match named.kind {
        Kind::Counter => "counter",
        Kind::UpDownCounter => "up_down_counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::StateSet => "state_set",
        Kind::Histogram => "histogram",
    };
    let unit = Unit::suffix(named.unit).unwrap_or("");
    for text in [named.name, kind, unit] {
        out.extend_from_slice(text.as_bytes());
        out.push(b',');
    }
    let mut separator = &b"\""[..];
    for (name, value) in named.labels() {
        out.extend_from_slice(separator);
        out.extend_from_slice(name.as_bytes());
        // Quotes are doubled, since the whole field is quoted.
        out.extend_from_slice(b"=\"\"");
        for &byte in value.as_bytes() {
            match byte {
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'"' => out.extend_from_slice(b"\\\"\""),
                byte => out.push(byte),
            }
        }
        out.extend_from_slice(b"\"\"");
        separator = b",";
    }
    if separator == b"," {
        out.push(b'"');
    }
    out.push(b',');
}
