//! The InfluxDB line protocol (<https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/>), as
//! InfluxDB 1.x takes it at `/write`, 2.x at `/api/v2/write`, and VictoriaMetrics at both.

use super::quantiles::Quantiles;
use super::rows::{Named, Row, Rows, rejected};
use super::{Encoder, Sink, digits};
use crate::Error;
use crate::limits::MAX_INFLUX_KEY_BYTES;
use crate::registry::{Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::io;

/// Writes snapshots in the InfluxDB line protocol. Keep one: it remembers what it rendered, and a page costs no allocation
/// once warm (`tests/encoding_allocations.rs`).
///
/// One line a series: the metric's name is the measurement, labels are tags, the time is the snapshot's, in nanoseconds (the
/// precision `ns`, which is the default of `/write` and `/api/v2/write`).
///
/// | metric | fields |
/// |---|---|
/// | counter, up-down counter | `value`, an integer (in seconds, if it counts nanoseconds: a float) |
/// | gauge | `value`, a float |
/// | histogram | `count`, an integer; `sum`, `min`, `max`, `p50`, `p90`, `p99`, `p999`, floats in the exported unit; with [`InfluxEncoder::with_buckets`] also `le_0.005`, …: how many values are not above the bound, integers |
///
/// What the protocol cannot carry:
/// - A value that is not finite: the field is left out, and a gauge's line with it. An empty histogram has `count` and `sum`
///   alone.
/// - A counter above `i64::MAX` is written as a float. InfluxDB refuses that line if the field was an integer before; it does
///   not know unsigned integers by default.
/// - An empty label value: the tag is left out. A control character becomes its escape: a newline `\n`, two characters. A
///   backslash before a comma, a space, an equals sign or the end gets an underscore behind it, since readers disagree on
///   what it hides (and VictoriaMetrics reads two in a row as one). Labels that Influx reserves (`time`, `_field`,
///   `_measurement`) get an underscore behind their name. Series that this would make one are kept apart by a tag
///   `collision`; one whose labels exceed [`MAX_INFLUX_KEY_BYTES`] goes by that tag alone.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Encoder, Engine, InfluxEncoder, ManualClock, Registry};
/// let registry = Registry::new();
/// registry.metric("requests_total", "Requests.").label("path", "/a b").counter()?.add(3);
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let body = InfluxEncoder::new().to_vec(&engine.refresh());
/// assert_eq!(body, b"requests_total,path=/a\\ b value=3i 1700000000000000000\n");
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct InfluxEncoder {
    rows: Rows,
    quantiles: Quantiles,
    buckets: bool,
    /// For each family the keys of its buckets' fields, `,le_0.005=`, if they are wanted.
    bucket_keys: Vec<Vec<String>>,
    /// The snapshot's time, as lines end with it.
    end: Vec<u8>,
}

/// Tags that Influx uses itself.
const RESERVED: [&str; 3] = ["time", "_field", "_measurement"];
/// The latest time that Influx can store.
const LATEST_NS: u128 = i64::MAX as u128 - 1;

impl InfluxEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "text/plain; charset=utf-8";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        InfluxEncoder::default()
    }

    /// Which quantiles a histogram has as fields, from 0 to 1: 0.999 becomes `p999`.
    ///
    /// # Errors
    /// One is not from 0 to 1 or there twice, or there are more than [`MAX_QUANTILES`](crate::limits::MAX_QUANTILES).
    pub fn quantiles(mut self, quantiles: &[f64]) -> Result<Self, Error> {
        self.quantiles = Quantiles::new(quantiles)?;
        Ok(self)
    }

    /// Whether histograms have their cumulative buckets as fields, at the bounds of their [`Buckets`](crate::Buckets).
    pub fn with_buckets(mut self, buckets: bool) -> Self {
        self.buckets = buckets;
        self
    }

    fn fields(&self, out: &mut Vec<u8>, snapshot: &Snapshot, row: &Row) -> bool {
        if row.kind != Kind::Histogram {
            out.extend_from_slice(b"value=");
            return scalar(out, snapshot.scalars[row.at], row);
        }
        let histogram = &*snapshot.histograms[row.at];
        self.histogram(out, histogram, row.unit);
        if self.buckets {
            let counts = snapshot.cumulative[row.at].iter();
            for (key, &count) in self.bucket_keys[row.family].iter().zip(counts) {
                out.extend_from_slice(key.as_bytes());
                unsigned(out, count);
            }
        }
        true
    }

    fn histogram(&self, out: &mut Vec<u8>, histogram: &HistogramSnapshot, unit: Unit) {
        out.extend_from_slice(b"count=");
        unsigned(out, histogram.count());
        let mut field = |name: &str, value: u128| {
            out.push(b',');
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            digits::decimal(out, value, unit.divisor());
        };
        field("sum", histogram.sum());
        if let (Some(min), Some(max)) = (histogram.min(), histogram.max()) {
            field("min", min.into());
            field("max", max.into());
        }
        for (q, name) in self.quantiles.iter() {
            if let Some(value) = histogram.quantile(q) {
                field(name, value.into());
            }
        }
    }
}

impl Encoder for InfluxEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        if self.rows.fit(&snapshot.layout, MAX_INFLUX_KEY_BYTES, identity) {
            let families = snapshot.layout.families.iter().map(|family| &*family.definition);
            let keys = families.map(|definition| match definition.kind {
                Kind::Histogram if self.buckets => {
                    let bounds = definition.buckets.bounds(definition.unit);
                    bounds.iter().map(|bound| format!(",le_{bound}=")).collect()
                }
                _ => Vec::new(),
            });
            self.bucket_keys = keys.collect();
        }
        self.end.clear();
        self.end.push(b' ');
        let time = snapshot.unix_time().as_nanos().min(LATEST_NS);
        digits::integer(&mut self.end, time as u64);
        self.end.push(b'\n');
        for (identity, row) in self.rows.iter() {
            let from = sink.buffer.len();
            sink.buffer.extend_from_slice(identity);
            match self.fields(sink.buffer, snapshot, row) {
                true => sink.buffer.extend_from_slice(&self.end),
                false => sink.buffer.truncate(from),
            }
            sink.pause()?;
        }
        rejected(&snapshot.rejected, |named, _, count| {
            identity(sink.buffer, named);
            sink.buffer.extend_from_slice(b"value=");
            unsigned(sink.buffer, count);
            sink.buffer.extend_from_slice(&self.end);
        });
        Ok(())
    }
}

/// `measurement,tag=value `
fn identity(out: &mut Vec<u8>, named: Named<'_>) {
    out.extend_from_slice(named.name.as_bytes());
    for (name, value) in named.filled() {
        let (name, underscores) = named.free(name, &RESERVED);
        out.push(b',');
        out.extend_from_slice(name.as_bytes());
        out.extend(std::iter::repeat_n(b'_', underscores));
        out.push(b'=');
        tag(out, value);
    }
    out.push(b' ');
}

fn tag(out: &mut Vec<u8>, value: &str) {
    let mut hides = false;
    for c in value.chars() {
        let special = matches!(c, ',' | ' ' | '=');
        if special && hides {
            out.push(b'_');
        }
        hides = c == '\\';
        match c {
            _ if special => out.extend_from_slice(&[b'\\', c as u8]),
            _ if c.is_control() => out.extend(c.escape_default().map(|c| c as u8)),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if hides {
        out.push(b'_');
    }
}

/// An integer where Influx can store it, else a float.
fn unsigned(out: &mut Vec<u8>, value: u64) {
    digits::integer(out, value);
    if i64::try_from(value).is_ok() {
        out.push(b'i');
    }
}

fn scalar(out: &mut Vec<u8>, bits: u64, row: &Row) -> bool {
    match row.kind {
        Kind::Counter if row.unit.divisor() == 1 => unsigned(out, bits),
        Kind::UpDownCounter if row.unit.divisor() == 1 => {
            digits::signed(out, bits as i64);
            out.push(b'i');
        }
        _ => return digits::scalar(out, bits, row.kind, row.unit),
    }
    true
}
