//! Any definitions, labels, values and exemplars: the OpenMetrics page is one that a strict reader ([`crate::metrics_page`])
//! takes, whatever the names do to each other, and it has every series with its value, and exemplars that were recorded.

use crate::metrics_page::{self, Family, Labels, Sample};
use crate::text::{LabelName, MetricName, Text};
use arbitrary::Arbitrary;
use std::collections::BTreeSet;
use std::time::Duration;
use tachometer::{
    Buckets, Definition, Encoder, Engine, Error, Kind, ManualClock, OpenMetricsEncoder, Registry,
    SeriesView, Snapshot, StateSet, Unit, Value, labels,
};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    metrics: Vec<Metric>,
    /// Generations between which the metrics record.
    rounds: u8,
    created: bool,
}

#[derive(Arbitrary, Debug)]
struct Metric {
    name: MetricName,
    help: Text,
    kind: Type,
    unit: u8,
    buckets: u8,
    labels: Vec<(LabelName, Text)>,
    values: Vec<u64>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Type {
    Counter,
    UpDown,
    Gauge,
    Histogram,
    Info,
    States,
}

labels! { enum State("state") { First = "first", Odd = "\"odd\"\n\\", Empty = "" } }

const UNITS: [Unit; 5] = [Unit::None, Unit::Nanoseconds, Unit::Seconds, Unit::Bytes, Unit::Ratio];
const BUCKETS: [Buckets; 4] = [
    Buckets::Auto,
    Buckets::Fixed(&[]),
    Buckets::Fixed(&[0.0, 1e-9, 0.1, 0.3, 2.5, 1e9, 1e300]),
    Buckets::Fixed(&[1.0 / 3.0, 123456.789, f64::MAX]),
];
/// Longer inputs are cut short.
const MOST_METRICS: usize = 24;
const MOST_VALUES: usize = 16;

/// Runs one input; panics if the page is not what it must be.
pub fn run(plan: &Plan) {
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::from_nanos(1_700_000_000_123_456_789));
    let engine = Engine::builder().registry(&registry).manual(&clock).start();
    let engine = engine.expect("a fresh registry");
    let mut encoder = OpenMetricsEncoder::new().created(plan.created);
    for _ in 0..=plan.rounds % 3 {
        for metric in plan.metrics.iter().take(MOST_METRICS) {
            // What is refused is the business of `exposition`.
            let _ = metric.record(&registry);
        }
        clock.advance(Duration::from_millis(1_500));
        let now = engine.refresh();
        let page = encoder.to_vec(&now);
        let families = metrics_page::read(&page).unwrap_or_else(|error| {
            panic!("{error}, on the page {}", String::from_utf8_lossy(&page));
        });
        check(&now, &families, plan.created);
        // An encoder that remembers an older layout writes what a new one does.
        assert_eq!(OpenMetricsEncoder::new().created(plan.created).to_vec(&now), page);
    }
}

/// The trace and span of a value's exemplar.
pub(crate) fn ids(value: u64) -> ([u8; 16], [u8; 8]) {
    ((u128::from(value) << 64 | 1).to_be_bytes(), (!value).to_be_bytes())
}

impl Metric {
    fn record(&self, registry: &Registry) -> Result<(), Error> {
        let unit = UNITS[usize::from(self.unit) % UNITS.len()];
        let buckets = BUCKETS[usize::from(self.buckets) % BUCKETS.len()];
        let metric = registry.metric(&self.name.0, &self.help.0).unit(unit).buckets(buckets);
        let metric = self.labels.iter().fold(metric, |m, (k, v)| m.label(&k.0, &v.0));
        let values = self.values.iter().take(MOST_VALUES).copied();
        match self.kind {
            Type::Counter => values.for_each({
                let counter = metric.counter()?;
                move |value| counter.add(value >> 20)
            }),
            Type::UpDown => values.for_each({
                let counter = metric.up_down_counter()?;
                move |value| counter.add(value as i64 >> 20)
            }),
            Type::Gauge => values.for_each({
                let gauge = metric.gauge()?;
                move |value| gauge.set(f64::from_bits(value))
            }),
            Type::Histogram => values.for_each({
                let histogram = metric.histogram()?;
                move |value| match value % 3 {
                    0 => histogram.record(value),
                    _ => histogram.record_with_exemplar(value, ids(value).0, ids(value).1),
                }
            }),
            Type::Info => metric.info()?,
            Type::States => {
                let states: StateSet<State> = metric.state_set()?;
                values.for_each(|value| {
                    states.set([State::First, State::Odd, State::Empty][value as usize % 3]);
                });
            }
        }
        Ok(())
    }
}

fn check(now: &Snapshot, families: &[Family], created: bool) {
    let values = |suffixes: &'static [&'static str]| {
        let all =
            families.iter().flat_map(|family| family.samples.iter().map(move |s| (family, s)));
        all.filter(|(family, sample)| suffixes.contains(&&sample.name[family.name.len()..])).count()
    };
    assert_eq!(values(&["", "_total", "_info", "_count"]), now.len(), "a line for each series");
    // Families are in the order of the names that were registered, whatever they are called on the page.
    let mut shown = families.iter();
    let mut current: Option<(&Definition, &Family)> = None;
    let mut since = 0;
    for series in now.series() {
        let family = match current {
            Some((definition, family)) if definition.name == series.definition.name => family,
            _ => {
                let family = shown.next().expect("a family for each definition");
                check_name(series.definition, family, families);
                assert_eq!(family.help.as_deref().unwrap_or(""), series.definition.help);
                family
            }
        };
        current = Some((series.definition, family));
        // One whose name belongs to another is of unknown type, and does not say since when.
        since += usize::from(["counter", "histogram"].contains(&family.kind.as_str()));
        check_series(family, &series);
    }
    assert!(shown.next().is_none(), "families that nobody registered");
    assert_eq!(values(&["_created"]), if created { since } else { 0 });
}

/// What the names of a family's samples can end in.
fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["", "_total", "_created"],
        "histogram" => &["", "_bucket", "_count", "_sum", "_created"],
        "info" => &["", "_info"],
        _ => &[""],
    }
}

fn names(name: &str, kind: &str) -> BTreeSet<String> {
    suffixes(kind).iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// A family is called as its type asks for: a counter `x_total` as `x`, and so is a counter `x`. If that leads to a name of
/// another family, as of two such counters one does, it goes by the name that was registered, as of unknown type, and with
/// `_value` behind it as often as that is another's too.
fn check_name(definition: &Definition, family: &Family, all: &[Family]) {
    let name = definition.name.as_str();
    let stem = |suffix| name.strip_suffix(suffix).filter(|stem| !stem.is_empty()).unwrap_or(name);
    let natural = match definition.kind {
        Kind::Counter => (stem("_total"), "counter"),
        Kind::Histogram => (name, "histogram"),
        Kind::Info => (stem("_info"), "info"),
        Kind::StateSet => (name, "stateset"),
        _ => (name, "gauge"),
    };
    let others = all.iter().filter(|other| other.name != family.name);
    let mut taken: BTreeSet<String> =
        others.flat_map(|other| names(&other.name, &other.kind)).collect();
    // Of the engine's own, there or not.
    taken.extend(names("tachometer_rejected_records", "counter"));
    let is_taken = |name: &str, kind: &str| !names(name, kind).is_disjoint(&taken);
    let seen = (family.name.as_str(), family.kind.as_str());
    if seen == natural {
        return;
    }
    assert!(is_taken(natural.0, natural.1), "{definition} is shown as {seen:?} for no reason");
    let kind = if natural.1 == "histogram" { "histogram" } else { "unknown" };
    assert_eq!(seen.1, kind, "{definition}");
    let mut renamed = name.to_owned();
    while renamed != seen.0 {
        assert!(is_taken(&renamed, kind), "{definition} is shown as {seen:?}, not as {renamed}");
        renamed.push_str("_value");
        assert!(renamed.len() <= seen.0.len(), "{definition} is shown as {seen:?}");
    }
}

/// The line of a series that has its value, or its count.
fn find<'a>(family: &'a Family, series: &SeriesView<'_>) -> &'a Sample {
    let labels: Labels = series.labels.iter().cloned().collect();
    let suffix = match family.kind.as_str() {
        "counter" => "_total",
        "histogram" => "_count",
        "info" => "_info",
        _ => "",
    };
    let wanted = format!("{}{suffix}", family.name);
    let found = family.samples.iter().find(|s| s.name == wanted && s.labels == labels);
    found.unwrap_or_else(|| panic!("{} {labels:?} is not on the page", series.definition))
}

fn check_series(family: &Family, series: &SeriesView<'_>) {
    let sample = find(family, series);
    let divisor = series.definition.unit.divisor() as f64;
    let near = |seen: f64, wanted: f64| {
        let same = seen == wanted || seen.is_nan() && wanted.is_nan();
        assert!(same || (seen - wanted).abs() <= 1e-12 * wanted.abs(), "{seen}, not {wanted}");
    };
    match series.value {
        Value::Counter(count) => near(sample.value, count as f64 / divisor),
        Value::UpDownCounter(count) => near(sample.value, count as f64 / divisor),
        Value::Gauge(level) => near(sample.value, level / divisor),
        Value::Histogram(histogram) => {
            near(sample.value, histogram.count() as f64);
            let mine = |s: &&Sample| {
                let mut labels = s.labels.clone();
                labels.remove("le");
                labels == sample.labels
            };
            let shown: Vec<_> =
                family.samples.iter().filter(mine).filter_map(|s| s.exemplar.as_ref()).collect();
            assert_eq!(shown.is_empty(), series.exemplars().is_empty(), "some exemplars are shown");
            for exemplar in shown {
                check_exemplar(series, exemplar, divisor);
            }
        }
        _ => panic!("{}", series.definition),
    }
}

fn check_exemplar(series: &SeriesView<'_>, shown: &metrics_page::Exemplar, divisor: f64) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let found = series.exemplars().iter().any(|known| {
        let (trace, span) = ids(known.value);
        (known.trace_id, known.span_id) == (trace, span)
            && shown.labels["trace_id"] == hex(&trace)
            && shown.labels["span_id"] == hex(&span)
            && (shown.value - known.value as f64 / divisor).abs() <= 1e-12 * shown.value
            && (shown.time - known.unix_time.as_secs_f64()).abs() < 1e-6
    });
    assert!(found, "{shown:?} is none of {:?}", series.exemplars());
}

#[cfg(test)]
mod tests {
    use super::*;
    use arbitrary::Unstructured;

    #[test]
    fn some_thousand_inputs() {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        for _ in 0..3_000 {
            let bytes: Vec<u8> = (0..1_500)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 32) as u8
                })
                .collect();
            if let Ok(plan) = Plan::arbitrary(&mut Unstructured::new(&bytes)) {
                run(&plan);
            }
        }
    }
}
