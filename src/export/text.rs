//! The Prometheus text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
//!
//! Everything on a page but its numbers is the same from one scrape to the next. The encoder renders it once for each
//! [layout](crate::registry::layout): headers, names, escaped labels, `le` bounds, as one long buffer with a mark where
//! each number belongs. A page is then copies and integers.

use super::number::escape;
use super::plan::{Plan, What};
use super::{Encoder, REJECTED, REJECTED_HELP, Sink};
use crate::registry::layout::{FamilyLayout, Layout, SeriesLayout};
use crate::registry::{Definition, Kind};
use crate::snapshot::Snapshot;
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
            step.what.write(page, snapshot);
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
                        let value = What::Scalar(series.value, kind, definition.unit);
                        plan.line((&definition.name, ""), series, None, value);
                    }
                }
            }
        }
        plan
    }

    fn header(&mut self, definition: &Definition) {
        let kind = match definition.kind {
            Kind::Counter => "counter",
            Kind::UpDownCounter | Kind::Gauge | Kind::Info | Kind::StateSet => "gauge",
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

    fn histogram(&mut self, definition: &Definition, series: &SeriesLayout) {
        let bounds = definition.buckets.bounds(definition.unit);
        let (name, at) = (&definition.name, series.value);
        for (index, &bound) in bounds.iter().enumerate() {
            let mut le = String::new();
            let _ = write!(le, "{bound}");
            self.line((name, "_bucket"), series, Some(&le), What::Bucket(at, index));
        }
        self.line((name, "_bucket"), series, Some("+Inf"), What::Count(at));
        self.line((name, "_sum"), series, None, What::Sum(at));
        self.line((name, "_count"), series, None, What::Count(at));
    }
}

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
