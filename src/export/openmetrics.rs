//! OpenMetrics 1.0 as text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! As the Prometheus text ([`super::text`]), with units, the time since which a counter or histogram counts, and exemplars;
//! numbers are the same to the last digit. Rendered once for each [layout](crate::registry::layout), `_created` lines
//! included: a series begins once.

mod names;

use super::exemplars::{hex, of_bucket};
use super::number::{decimal, escape, seconds};
use super::plan::{Plan, What};
use super::{Encoder, REJECTED, REJECTED_FAMILY, REJECTED_HELP, Sink};
use crate::registry::layout::{FamilyLayout, Layout, SeriesLayout};
use crate::registry::{Kind, Unit};
use crate::snapshot::Snapshot;
use crate::{Definition, Exemplar};
use names::{Shown, shown};
use std::io::{self, Write as _};

/// Writes snapshots as OpenMetrics 1.0. Keep one: it remembers what it rendered, and a page costs no allocation once warm.
///
/// - A counter's family is called as the counter without `_total`, and its samples end in `_total`, whether the name that
///   was registered does or not. [Info metrics](crate::Registry::info) and [state sets](crate::StateSet) have types of their
///   own; up-down counters are gauges.
/// - Counters and histograms say since when they count ([`SeriesView::created`](crate::SeriesView::created)), in a line
///   `_created`; see [`OpenMetricsEncoder::created`].
/// - A bucket shows the latest [exemplar](crate::Exemplar) that lies between its bounds, with `trace_id` and `span_id`.
/// - Where two families would lead to one name, as a gauge `x` and a counter `x_total` do, the lesser of the two is shown
///   under its registered name as of type `unknown`.
/// - Bounds are written as the specification asks for, `le="1.0"`, where the Prometheus text has `le="1"`.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Encoder, Engine, ManualClock, OpenMetricsEncoder, Registry};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let page = OpenMetricsEncoder::new().to_vec(&engine.refresh());
/// assert_eq!(
///     String::from_utf8_lossy(&page),
///     "# TYPE requests counter\n# HELP requests Requests.\nrequests_total 3\n\
///      requests_created 1700000000\n# EOF\n"
/// );
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct OpenMetricsEncoder {
    created: bool,
    /// The layout that the rest is for; zero for none.
    layout: u64,
    plan: Plan,
    /// By histogram: its family's place in the layout, which knows the bounds.
    families: Vec<usize>,
}

impl Default for OpenMetricsEncoder {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenMetricsEncoder {
    /// The `Content-Type` of the format.
    pub const CONTENT_TYPE: &'static str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// An encoder that has rendered nothing yet.
    pub fn new() -> Self {
        OpenMetricsEncoder { created: true, layout: 0, plan: Plan::default(), families: Vec::new() }
    }

    /// Whether counters and histograms have a line `_created`. They do by default; Prometheus before 3.0 stores it as a
    /// series of its own, and a page is larger by a line for each of them.
    pub fn created(mut self, wanted: bool) -> Self {
        self.created = wanted;
        self.layout = 0;
        self
    }
}

impl Encoder for OpenMetricsEncoder {
    fn content_type(&self) -> &str {
        Self::CONTENT_TYPE
    }

    /// Cost: about 12 ns a counter and 12 ns a line of a histogram, and about 60 ns an exemplar.
    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        if self.layout != snapshot.layout.id {
            self.render(&snapshot.layout);
            self.layout = snapshot.layout.id;
        }
        let mut from = 0;
        for step in &self.plan.steps {
            let page = &mut *sink.buffer;
            page.extend_from_slice(&self.plan.fixed[from..step.end]);
            from = step.end;
            step.what.write(page, snapshot);
            if let What::Bucket(at, bound) = step.what
                && let Some(exemplars) = &snapshot.exemplars[at]
            {
                let bounds = &snapshot.layout.families[self.families[at]].bounds;
                if let Some(exemplar) = of_bucket(exemplars, bounds, bound) {
                    write_exemplar(page, exemplar, snapshot.histograms[at].unit());
                }
            }
            sink.pause()?;
        }
        sink.buffer.extend_from_slice(&self.plan.fixed[from..]);
        rejected(sink.buffer, snapshot);
        sink.buffer.extend_from_slice(b"# EOF\n");
        Ok(())
    }
}

impl OpenMetricsEncoder {
    fn render(&mut self, layout: &Layout) {
        self.plan = Plan::default();
        self.families = vec![0; layout.histograms];
        for (at, (family, shown)) in layout.families.iter().zip(shown(layout)).enumerate() {
            header(&mut self.plan.fixed, &family.definition, &shown);
            for series in in_page_order(family, &shown) {
                match family.definition.kind {
                    Kind::Histogram => {
                        self.families[series.value] = at;
                        self.histogram(family, &shown, series);
                    }
                    _ => self.scalar(&family.definition, &shown, series),
                }
            }
        }
    }

    fn scalar(&mut self, definition: &Definition, shown: &Shown, series: &SeriesLayout) {
        let suffix = match shown.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let value = What::Scalar(series.value, definition.kind, definition.unit);
        self.plan.line((&shown.name, suffix), series, None, value);
        if shown.kind == "counter" {
            self.begin(shown, series);
        }
    }

    fn histogram(&mut self, family: &FamilyLayout, shown: &Shown, series: &SeriesLayout) {
        let (name, at) = (shown.name.as_str(), series.value);
        let bounds = family.definition.buckets.bounds(family.definition.unit);
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        for (index, bound) in bounds.enumerate() {
            let bucket = What::Bucket(at, index);
            self.plan.line((name, "_bucket"), series, Some(&canonical(bound)), bucket);
        }
        self.plan.line((name, "_count"), series, None, What::Count(at));
        self.plan.line((name, "_sum"), series, None, What::Sum(at));
        self.begin(shown, series);
    }

    /// The line `_created`.
    fn begin(&mut self, shown: &Shown, series: &SeriesLayout) {
        if self.created {
            self.plan.series((&shown.name, "_created"), series, None);
            seconds(&mut self.plan.fixed, series.created);
            self.plan.fixed.push(b'\n');
        }
    }
}

fn header(page: &mut Vec<u8>, definition: &Definition, shown: &Shown) {
    let name = shown.name.as_bytes();
    let mut line = |keyword: &str, text: &dyn Fn(&mut Vec<u8>)| {
        page.extend_from_slice(keyword.as_bytes());
        page.extend_from_slice(name);
        page.push(b' ');
        text(page);
        page.push(b'\n');
    };
    line("# TYPE ", &|page| page.extend_from_slice(shown.kind.as_bytes()));
    let is_suffix =
        |unit: &&str| shown.name.strip_suffix(unit).is_some_and(|stem| stem.ends_with('_'));
    if let Some(unit) = definition.unit.suffix().filter(is_suffix) {
        line("# UNIT ", &|page| page.extend_from_slice(unit.as_bytes()));
    }
    if !definition.help.is_empty() {
        line("# HELP ", &|page| escape(page, &definition.help, true));
    }
}

/// The series of a family. Those of a state set that differ in the state alone stand together.
fn in_page_order<'a>(family: &'a FamilyLayout, shown: &Shown) -> Vec<&'a SeriesLayout> {
    let mut all: Vec<&SeriesLayout> = family.series.iter().collect();
    if family.definition.kind == Kind::StateSet {
        let others = |series: &SeriesLayout| -> Vec<(String, String)> {
            series.labels.iter().filter(|label| label.0 != shown.name).cloned().collect()
        };
        all.sort_by_cached_key(|series| others(series));
    }
    all
}

fn write_exemplar(page: &mut Vec<u8>, exemplar: &Exemplar, unit: Unit) {
    // In one piece: a page can have thousands.
    let mut text =
        *b" # {trace_id=\"................................\",span_id=\"................\"} ";
    hex(&mut text[14..46], &exemplar.trace_id);
    hex(&mut text[57..73], &exemplar.span_id);
    page.extend_from_slice(&text);
    decimal(page, exemplar.value.into(), unit);
    page.push(b' ');
    seconds(page, exemplar.unix_time);
}

/// A bound as the specification's "canonical numbers" have it: as Go writes it, and always with a point or an exponent.
fn canonical(bound: f64) -> String {
    if bound.is_infinite() {
        return "+Inf".to_owned();
    }
    let scientific = format!("{bound:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent @ ..-4) => format!("{mantissa}e-{:02}", exponent.unsigned_abs()),
        Ok(exponent @ 6..) => format!("{mantissa}e+{exponent:02}"),
        _ => format!("{bound:?}"),
    }
}

/// What refused `static` handles recorded: there only if there is one.
fn rejected(page: &mut Vec<u8>, snapshot: &Snapshot) {
    if snapshot.rejected.is_empty() {
        return;
    }
    // Writing to a vector does not fail.
    let _ = writeln!(
        page,
        "# TYPE {REJECTED_FAMILY} counter\n# HELP {REJECTED_FAMILY} {REJECTED_HELP}"
    );
    for (index, (name, count)) in snapshot.rejected.iter().enumerate() {
        let _ = write!(page, "{REJECTED}{{index=\"{index}\",metric=\"");
        escape(page, name, true);
        let _ = writeln!(page, "\"}} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_canonical() {
        // The specification's own examples, and what Go's %g makes of others.
        for (bound, text) in [
            (0.0, "0.0"),
            (0.001, "0.001"),
            (0.01, "0.01"),
            (9.999, "9.999"),
            (10.0, "10.0"),
            (1e-10, "1e-10"),
            (1e-9, "1e-09"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (2.5e-6, "2.5e-06"),
            (100_000.0, "100000.0"),
            (123_456.75, "123456.75"),
            (1e6, "1e+06"),
            (1e10, "1e+10"),
            (268_435_456.0, "2.68435456e+08"),
            (1e100, "1e+100"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(canonical(bound), text);
        }
    }
}
