//! Snapshots as JSON, whole and without loss, and back.

pub(crate) mod node;
mod read;

pub use read::{JsonFamily, JsonSeries, JsonSnapshot, JsonValue};

use super::hdr_v2::HdrV2;
use super::{Encoder, Sink, digits};
use crate::registry::layout::{FamilyLayout, Layout};
use crate::registry::{Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::io::{self, Write as _};

/// Writes snapshots as JSON, so that another process can read all of it, and merge it, with [`JsonSnapshot::parse`]. Keep one:
/// it remembers what it rendered. Feature `json`.
///
/// ```json
/// {"format":"tachometer","version":1,"generation":7,"unix_time_ns":"1700000000000000000","complete":true,"moving_shards":0,
/// "families":[
/// {"name":"wait_seconds","type":"histogram","unit":"nanoseconds","help":"Waited.","series":[
/// {"labels":{"path":"/a"},"created_ns":"1700000000000000000",
///  "value":{"count":2,"sum":"30","min":10,"max":20,"octave_sums":["30"],"hdr":"HISTFAAA…"}}]}],
/// "rejected":[]}
/// ```
///
/// Values are in the *recorded* unit, `unit`: `nanoseconds`, `seconds`, `bytes`, `ratio` or `none`. Types are `counter`,
/// `up_down_counter`, `gauge` and `histogram`. An integer beyond ±2⁵³, which not every reader of JSON holds exactly, is a
/// string of its digits; times and sums always are. A gauge that is not finite is `"NaN"`, `"+Inf"` or `"-Inf"`.
///
/// `hdr` has all buckets in the compressed V2 form of HdrHistogram (see [`HistogramSnapshot::to_hdr_v2`]), in Base64.
/// `octave_sums` has the exact sum of each octave with values, ascending; a reader that does not subtract snapshots can pass it
/// over. `min` and `max` are `null` without values. `rejected` lists what `static` handles recorded that were refused.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Encoder, Engine, JsonEncoder, JsonSnapshot, JsonValue, ManualClock, Registry};
/// let registry = Registry::new();
/// registry.histogram("size", "Sizes.")?.record(12);
/// let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
/// let now = engine.refresh();
/// let page = JsonEncoder::new().to_vec(&now);
/// let again = JsonSnapshot::parse(&page)?;
/// let JsonValue::Histogram(sizes) = &again.families[0].series[0].value else { unreachable!() };
/// assert_eq!(sizes, &*now.histogram("size")?);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct JsonEncoder {
    /// The layout that `plan` is for; zero for none.
    layout: u64,
    plan: Plan,
    hdr: HdrV2,
}

/// A page without its numbers.
#[derive(Debug, Default)]
struct Plan {
    /// All fixed text, in page order.
    fixed: Vec<u8>,
    steps: Vec<Step>,
}

/// The value that follows a stretch of fixed text that ends at `end`.
#[derive(Clone, Copy, Debug)]
struct Step {
    end: usize,
    kind: Kind,
    /// Index among the snapshot's scalars, or among its histograms.
    at: usize,
}

/// The largest integer up to which a float holds all.
const EXACT: u64 = 1 << 53;

impl JsonEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "application/json";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        JsonEncoder::default()
    }
}

impl Encoder for JsonEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        let layout = &snapshot.layout;
        if self.layout != layout.id {
            self.plan = Plan::of(layout);
            self.layout = layout.id;
        }
        write!(
            sink.buffer,
            "{{\"format\":\"tachometer\",\"version\":1,\"generation\":{},\"unix_time_ns\":\"{}\",\
             \"complete\":{},\"moving_shards\":{},\n\"families\":[",
            snapshot.generation(),
            snapshot.unix_time().as_nanos(),
            snapshot.is_complete(),
            snapshot.moving_shards(),
        )?;
        let mut from = 0;
        for step in &self.plan.steps {
            let page = &mut *sink.buffer;
            page.extend_from_slice(&self.plan.fixed[from..step.end]);
            from = step.end;
            match step.kind {
                Kind::Counter => integer(page, false, snapshot.scalars[step.at]),
                Kind::UpDownCounter => {
                    let value = snapshot.scalars[step.at] as i64;
                    integer(page, value < 0, value.unsigned_abs());
                }
                Kind::Gauge | Kind::Info | Kind::StateSet => {
                    float(page, f64::from_bits(snapshot.scalars[step.at]))
                }
                Kind::Histogram => histogram(page, &snapshot.histograms[step.at], &mut self.hdr),
            }
            sink.pause()?;
        }
        sink.buffer.extend_from_slice(&self.plan.fixed[from..]);
        sink.buffer.extend_from_slice(b"],\n\"rejected\":[");
        for (index, (metric, count)) in snapshot.rejected.iter().enumerate() {
            sink.buffer.extend_from_slice(if index == 0 {
                b"{\"metric\":"
            } else {
                b",{\"metric\":"
            });
            string(sink.buffer, metric);
            sink.buffer.extend_from_slice(b",\"records\":");
            integer(sink.buffer, false, *count);
            sink.buffer.push(b'}');
        }
        sink.buffer.extend_from_slice(b"]}\n");
        Ok(())
    }
}

impl Plan {
    fn of(layout: &Layout) -> Plan {
        let mut plan = Plan::default();
        for (index, family) in layout.families.iter().enumerate() {
            plan.fixed.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
            plan.family(family);
        }
        plan
    }

    fn family(&mut self, FamilyLayout { definition, series, .. }: &FamilyLayout) {
        let fields = [
            ("{\"name\":", definition.name.as_str()),
            (",\"type\":", kind_name(definition.kind)),
            (",\"unit\":", unit_name(definition.unit)),
            (",\"help\":", definition.help.as_str()),
        ];
        for (key, value) in fields {
            self.fixed.extend_from_slice(key.as_bytes());
            string(&mut self.fixed, value);
        }
        self.fixed.extend_from_slice(b",\"series\":[");
        for (index, one) in series.iter().enumerate() {
            let begin = if index == 0 { "\n{\"labels\":{" } else { ",\n{\"labels\":{" };
            self.fixed.extend_from_slice(begin.as_bytes());
            for (at, (name, value)) in one.labels.iter().enumerate() {
                if at > 0 {
                    self.fixed.push(b',');
                }
                string(&mut self.fixed, name);
                self.fixed.push(b':');
                string(&mut self.fixed, value);
            }
            // Writing to a vector does not fail.
            let _ =
                write!(self.fixed, "}},\"created_ns\":\"{}\",\"value\":", one.created.as_nanos());
            let end = self.fixed.len();
            self.steps.push(Step { end, kind: definition.kind, at: one.value });
            self.fixed.push(b'}');
        }
        self.fixed.extend_from_slice(b"]}");
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::UpDownCounter => "up_down_counter",
        Kind::Gauge => "gauge",
        Kind::Info => "info",
        Kind::StateSet => "state_set",
        Kind::Histogram => "histogram",
    }
}

fn unit_name(unit: Unit) -> &'static str {
    match unit {
        Unit::None => "none",
        Unit::Nanoseconds => "nanoseconds",
        Unit::Seconds => "seconds",
        Unit::Bytes => "bytes",
        Unit::Ratio => "ratio",
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..0x20 | 0x7F => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

fn integer(out: &mut Vec<u8>, negative: bool, value: u64) {
    let quote = value > EXACT;
    if quote {
        out.push(b'"');
    }
    if negative {
        out.push(b'-');
    }
    digits::integer(out, value);
    if quote {
        out.push(b'"');
    }
}

fn float(out: &mut Vec<u8>, value: f64) {
    match value {
        _ if value.is_finite() => digits::float(out, value),
        f64::INFINITY => out.extend_from_slice(b"\"+Inf\""),
        f64::NEG_INFINITY => out.extend_from_slice(b"\"-Inf\""),
        _ => out.extend_from_slice(b"\"NaN\""),
    }
}

fn histogram(out: &mut Vec<u8>, histogram: &HistogramSnapshot, hdr: &mut HdrV2) {
    let optional = |out: &mut Vec<u8>, value: Option<u64>| match value {
        Some(value) => integer(out, false, value),
        None => out.extend_from_slice(b"null"),
    };
    out.extend_from_slice(b"{\"count\":");
    integer(out, false, histogram.count());
    out.extend_from_slice(b",\"sum\":\"");
    digits::decimal(out, histogram.sum(), 1);
    out.extend_from_slice(b"\",\"min\":");
    optional(out, histogram.min());
    out.extend_from_slice(b",\"max\":");
    optional(out, histogram.max());
    out.extend_from_slice(b",\"octave_sums\":[");
    for (index, sum) in histogram.octave_sums().enumerate() {
        out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
        digits::decimal(out, sum, 1);
        out.push(b'"');
    }
    out.extend_from_slice(b"],\"hdr\":\"");
    hdr.write_base64(histogram, out);
    out.extend_from_slice(b"\"}");
}
