//! The Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! Everything on a page but its numbers is the same from one scrape to the next. The encoder renders it once for each
//! [layout](crate::registry::layout): headers, names, escaped labels, `le` bounds, as one long buffer with a mark where
//! each number belongs. A page is then copies and integers.

use super::{Encoder, Sink};
use crate::registry::layout::{FamilyLayout, Layout, SeriesLayout};
use crate::registry::{Definition, Kind, Unit};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::fmt::Write as _;
use std::io::{self, Write as _};

/// Writes snapshots as Prometheus text. Keep one: it remembers what it rendered, and a page costs no allocation once warm.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Engine, ManualClock, Registry, TextEncoder};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let clock = ManualClock::at(Duration::ZERO);
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let mut page = Vec::new();
/// TextEncoder::new().encode(&engine.refresh(), &mut page);
/// assert_eq!(page, b"# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total 3\n");
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct TextEncoder {
    /// The layout that `plan` is for; zero for none.
    layout: u64,
    plan: Plan,
}

/// A page without its numbers.
#[derive(Debug, Default)]
struct Plan {
    /// All fixed text, in page order.
    fixed: Vec<u8>,
    steps: Vec<Step>,
}

/// What follows a stretch of fixed text that ends at `end`.
#[derive(Clone, Copy, Debug)]
struct Step {
    end: usize,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The value of a scalar.
    Scalar(usize, Kind, Unit),
    /// The cumulative count of histogram `.0` at bound `.1`.
    Bucket(usize, usize),
    /// The count, or the sum, of histogram `.0`.
    Count(usize),
    Sum(usize),
}

impl TextEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str = "text/plain; version=0.0.4; charset=utf-8";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        TextEncoder::default()
    }

    /// Writes the page of `snapshot` at the end of `page`.
    ///
    /// Cost: about 12 ns a counter and 12 ns a line of a histogram; no allocation if `page` has room and the series are
    /// those of the last call.
    pub fn encode(&mut self, snapshot: &Snapshot, page: &mut Vec<u8>) {
        Encoder::encode(self, snapshot, page);
    }
}

impl Encoder for TextEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        let layout = &snapshot.layout;
        if self.layout != layout.id {
            self.plan = Plan::of(layout);
            self.layout = layout.id;
        }
        let mut from = 0;
        for step in &self.plan.steps {
            let page = &mut *sink.buffer;
            page.extend_from_slice(&self.plan.fixed[from..step.end]);
            from = step.end;
            match step.what {
                What::Scalar(at, kind, unit) => scalar(page, snapshot.scalars[at], kind, unit),
                What::Bucket(at, bound) => integer(page, snapshot.cumulative[at][bound]),
                What::Count(at) => integer(page, snapshot.histograms[at].count()),
                What::Sum(at) => sum(page, &snapshot.histograms[at]),
            }
            sink.pause()?;
        }
        sink.buffer.extend_from_slice(&self.plan.fixed[from..]);
        rejected(sink.buffer, snapshot);
        Ok(())
    }
}

impl Plan {
    fn of(layout: &Layout) -> Plan {
        let mut plan = Plan::default();
        for FamilyLayout { definition, series, .. } in &layout.families {
            plan.header(definition);
            for series in series {
                match definition.kind {
                    Kind::Histogram => plan.histogram(definition, series),
                    kind => {
                        plan.series(&definition.name, "", series, None);
                        plan.step(What::Scalar(series.value, kind, definition.unit));
                        plan.fixed.push(b'\n');
                    }
                }
            }
        }
        plan
    }

    fn step(&mut self, what: What) {
        self.steps.push(Step { end: self.fixed.len(), what });
    }

    fn header(&mut self, definition: &Definition) {
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::UpDownCounter | Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let name = definition.name.as_bytes();
        self.fixed.extend_from_slice(b"# HELP ");
        self.fixed.extend_from_slice(name);
        self.fixed.push(b' ');
        escape(&mut self.fixed, &definition.help, false);
        self.fixed.extend_from_slice(b"\n# TYPE ");
        self.fixed.extend_from_slice(name);
        self.fixed.push(b' ');
        self.fixed.extend_from_slice(kind.as_bytes());
        self.fixed.push(b'\n');
    }

    /// `name_suffix{labels,le="…"} `
    fn series(&mut self, name: &str, suffix: &str, series: &SeriesLayout, le: Option<&str>) {
        self.fixed.extend_from_slice(name.as_bytes());
        self.fixed.extend_from_slice(suffix.as_bytes());
        let labels = series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let mut separator = b'{';
        for (key, value) in labels.chain(le.map(|bound| ("le", bound))) {
            self.fixed.push(separator);
            self.fixed.extend_from_slice(key.as_bytes());
            self.fixed.extend_from_slice(b"=\"");
            escape(&mut self.fixed, value, true);
            self.fixed.push(b'"');
            separator = b',';
        }
        if separator == b',' {
            self.fixed.push(b'}');
        }
        self.fixed.push(b' ');
    }

    fn histogram(&mut self, definition: &Definition, series: &SeriesLayout) {
        let bounds = definition.buckets.bounds(definition.unit);
        let (name, at) = (&definition.name, series.value);
        for (index, &bound) in bounds.iter().enumerate() {
            let mut le = String::new();
            let _ = write!(le, "{bound}");
            self.series(name, "_bucket", series, Some(&le));
            self.step(What::Bucket(at, index));
            self.fixed.push(b'\n');
        }
        self.series(name, "_bucket", series, Some("+Inf"));
        self.step(What::Count(at));
        self.fixed.push(b'\n');
        self.series(name, "_sum", series, None);
        self.step(What::Sum(at));
        self.fixed.push(b'\n');
        self.series(name, "_count", series, None);
        self.step(What::Count(at));
        self.fixed.push(b'\n');
    }
}

/// Escapes a help text, or a label's value (which also escapes quotes).
fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for &byte in text.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[inline]
fn integer(page: &mut Vec<u8>, value: u64) {
    page.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn scalar(page: &mut Vec<u8>, bits: u64, kind: Kind, unit: Unit) {
    match kind {
        Kind::Counter if unit == Unit::Nanoseconds => decimal(page, bits.into(), unit),
        Kind::Counter => integer(page, bits),
        Kind::UpDownCounter => {
            let value = bits as i64;
            if value < 0 {
                page.push(b'-');
            }
            decimal(page, value.unsigned_abs().into(), unit);
        }
        _ => float(page, f64::from_bits(bits) / unit.divisor() as f64),
    }
}

fn sum(page: &mut Vec<u8>, histogram: &HistogramSnapshot) {
    decimal(page, histogram.sum(), histogram.unit());
}

/// An integer of the recorded unit, exactly, in the exported one.
fn decimal(page: &mut Vec<u8>, value: u128, unit: Unit) {
    let divisor = u128::from(unit.divisor());
    page.extend_from_slice(itoa::Buffer::new().format(value / divisor).as_bytes());
    let rest = (value % divisor) as u64;
    if rest != 0 {
        // The digits behind the point, with the leading zeros that the divisor asks for, without trailing ones.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(unit.divisor() + rest);
        page.push(b'.');
        page.extend_from_slice(digits[1..].trim_end_matches('0').as_bytes());
    }
}

fn float(page: &mut Vec<u8>, value: f64) {
    // Writing to a vector does not fail.
    let _ = match value {
        _ if value.is_nan() => page.write_all(b"NaN"),
        f64::INFINITY => page.write_all(b"+Inf"),
        f64::NEG_INFINITY => page.write_all(b"-Inf"),
        _ if value == value.trunc() && value.abs() < 1e15 => {
            page.write_all(itoa::Buffer::new().format(value as i64).as_bytes())
        }
        _ => write!(page, "{value}"),
    };
}

/// The counter of what refused `static` handles recorded.
pub(super) const REJECTED: &str = "tachometer_rejected_records_total";
pub(super) const REJECTED_HELP: &str =
    "What static handles recorded that could not be registered as they stand.";

/// What refused `static` handles recorded: there only if there is one.
fn rejected(page: &mut Vec<u8>, snapshot: &Snapshot) {
    if snapshot.rejected.is_empty() {
        return;
    }
    let _ = writeln!(page, "# HELP {REJECTED} {REJECTED_HELP}\n# TYPE {REJECTED} counter");
    for (index, (name, count)) in snapshot.rejected.iter().enumerate() {
        let _ = write!(page, "{REJECTED}{{index=\"{index}\",metric=\"");
        escape(page, name, true);
        let _ = writeln!(page, "\"}} {count}");
    }
}
