//! Any definitions, labels and values: what must be refused is refused and leaves no trace, and everything else stands on
//! the page as a strict reader ([`crate::page`]) expects it, to the last digit.
//!
//! What must be refused is decided here a second time, from the documentation: the rules for names of Prometheus, and the
//! engine's own for units, limits and conflicting definitions.

use crate::histogram::expected_below;
use crate::naive::{Spread, precision};
use crate::openmetrics::ids;
use crate::operations::Amount;
use crate::page::{self, Sample};
use crate::text::{LabelName, MetricName, Text};
use arbitrary::Arbitrary;
use std::collections::BTreeMap;
use std::time::Duration;
use tachometer::{
    Buckets, Counter, Engine, Error, Family, Gauge, Histogram, Kind, ManualClock, MetricBuilder,
    Registry, Snapshot, TextEncoder, Unit, UpDownCounter, limits,
};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    /// Labels of the engine, and of the view of the registry through which everything is registered.
    engine: Vec<(LabelName, Text)>,
    scope: Vec<(LabelName, Text)>,
    metrics: Vec<Metric>,
}

/// A metric, and what is recorded in it.
#[derive(Arbitrary, Clone, Debug)]
pub struct Metric {
    name: MetricName,
    help: Text,
    kind: Type,
    unit: u8,
    figures: u8,
    buckets: u8,
    labels: Vec<(LabelName, Text)>,
    amounts: Vec<Amount>,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Counter,
    UpDown,
    Gauge,
    Callback,
    Histogram,
    /// A family with a dynamic label, whose values are those of the metric's labels.
    Family,
}

const UNITS: [Unit; 5] = [Unit::None, Unit::Nanoseconds, Unit::Seconds, Unit::Bytes, Unit::Ratio];
const KEY: &str = "key";
/// Bounds, and whether they are valid: finite, not negative, strictly ascending.
const BUCKETS: [(Buckets, bool); 9] = [
    (Buckets::Auto, true),
    (Buckets::Fixed(&[]), true),
    (Buckets::Fixed(&[0.0, 1e-9, 0.1, 0.3, 2.5, 1e9, 1e300]), true),
    (Buckets::Fixed(&[1.0 / 3.0, 123456.789, f64::MAX]), true),
    (Buckets::Fixed(&[1.0, 1.0]), false),
    (Buckets::Fixed(&[2.0, 1.0]), false),
    (Buckets::Fixed(&[-1.0, 1.0]), false),
    (Buckets::Fixed(&[1.0, f64::INFINITY]), false),
    (Buckets::Fixed(&[1.0, f64::NAN]), false),
];
/// Longer inputs are cut short.
const MOST_METRICS: usize = 24;
const MOST_AMOUNTS: usize = 16;

type Labels = Vec<(String, String)>;

/// A series as it must be on the page.
#[derive(Debug)]
enum Expected {
    Integer(i128, Unit),
    Float(f64),
    Histogram(Spread),
}

/// What is registered, by the model.
#[derive(Debug)]
struct Model {
    scope: Labels,
    families: BTreeMap<String, ModelFamily>,
}

#[derive(Debug)]
struct ModelFamily {
    kind: Kind,
    unit: Unit,
    help: String,
    figures: u8,
    buckets: Buckets,
    series: BTreeMap<Labels, (Type, Expected)>,
    /// It was registered as a family with the dynamic label.
    dynamic: bool,
}

/// Runs one input; panics if the page is not what the model says.
pub fn run(plan: &Plan) {
    let registry = Registry::new();
    let scope = pairs(&plan.scope);
    let view = registry.scope(scope.clone());
    assert_eq!(view.is_ok(), labels_are_valid(&scope, true), "{view:?}");
    let (scope, view) = view.map_or((Vec::new(), registry.clone()), |view| (scope, view));
    let mut model = Model { scope, families: BTreeMap::new() };
    for metric in plan.metrics.iter().take(MOST_METRICS) {
        let expected = model.accepts(metric);
        let result = metric.register(&view);
        if let Err(error) = &result {
            assert!(!error.to_string().is_empty());
        }
        assert_eq!(result.is_ok(), expected, "{metric:?}: {result:?}");
        if expected {
            model.register(metric);
        }
    }
    let clock = ManualClock::at(Duration::ZERO);
    let start = |labels: &[(String, String)]| {
        let builder = Engine::builder().registry(&registry).manual(&clock);
        labels.iter().fold(builder, |builder, (k, v)| builder.label(k, v)).start()
    };
    let mut constant = pairs(&plan.engine);
    let mut engine = start(&constant);
    assert_eq!(engine.is_ok(), labels_are_valid(&constant, true), "{engine:?}");
    // Two series that only a constant label would make the same are the host's mistake.
    if engine.is_err() || model.collides(&constant) {
        drop(engine);
        constant.clear();
        engine = start(&constant);
    }
    let engine = engine.expect("no labels");
    let first = engine.refresh();
    let mut encoder = TextEncoder::new();
    let text = page(&mut encoder, &first);
    model.check(&text, &constant);
    // An encoder that remembers another layout writes what a new one does.
    registry.gauge("another", "Another.").ok();
    let second = engine.refresh();
    assert_eq!(page(&mut encoder, &second), page(&mut TextEncoder::new(), &second));
    assert_eq!(page(&mut encoder, &first), text);
}

fn page(encoder: &mut TextEncoder, snapshot: &Snapshot) -> Vec<u8> {
    let mut text = Vec::new();
    encoder.encode(snapshot, &mut text);
    text
}

fn pairs(labels: &[(LabelName, Text)]) -> Labels {
    let mut pairs: Labels = labels.iter().map(|(k, v)| (k.0.clone(), v.0.clone())).collect();
    // Duplicates are a case to try, not the usual one.
    pairs.dedup_by(|a, b| a.0 == b.0 && a.1 == b.1);
    pairs
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`, with colons too for a metric.
fn name_is_valid(name: &str, metric: bool) -> bool {
    let bytes = name.as_bytes();
    let fits = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || (metric && *b == b':');
    (1..=limits::MAX_NAME_BYTES).contains(&bytes.len())
        && !bytes[0].is_ascii_digit()
        && bytes.iter().all(fits)
}

/// Whether a series may have all of these labels; `le` belongs to histograms.
fn labels_are_valid(labels: &[(String, String)], histogram: bool) -> bool {
    let mut names: Vec<_> = labels.iter().map(|label| &label.0).collect();
    names.sort();
    names.dedup();
    names.len() == labels.len()
        && labels.len() <= limits::MAX_LABELS
        && labels.iter().all(|(name, value)| {
            name_is_valid(name, false)
                && !name.starts_with("__")
                && !(histogram && name == "le")
                && value.len() <= limits::MAX_LABEL_VALUE_BYTES
        })
}

impl Metric {
    fn kind(&self) -> Kind {
        match self.kind {
            Type::Counter | Type::Family => Kind::Counter,
            Type::UpDown => Kind::UpDownCounter,
            Type::Gauge | Type::Callback => Kind::Gauge,
            Type::Histogram => Kind::Histogram,
        }
    }

    fn unit(&self) -> Unit {
        UNITS[usize::from(self.unit) % UNITS.len()]
    }

    fn figures(&self) -> u8 {
        if self.kind == Type::Histogram { self.figures % 3 + 1 } else { 2 }
    }

    fn buckets(&self) -> (Buckets, bool) {
        match self.kind {
            Type::Histogram => BUCKETS[usize::from(self.buckets) % BUCKETS.len()],
            _ => BUCKETS[0],
        }
    }

    fn amounts(&self) -> &[Amount] {
        &self.amounts[..self.amounts.len().min(MOST_AMOUNTS)]
    }

    /// The labels that the metric is registered with; a family's are those of its members.
    fn labels(&self) -> Labels {
        if self.kind == Type::Family { Vec::new() } else { pairs(&self.labels) }
    }

    /// The values of a family's label.
    fn members(&self) -> impl Iterator<Item = &str> {
        let values = self.labels.iter().map(|label| label.1.0.as_str());
        values.filter(|value| value.len() <= limits::MAX_LABEL_VALUE_BYTES).take(4)
    }

    /// What the callback of a gauge gives.
    fn level(&self) -> f64 {
        self.amounts().last().map_or(0.0, |amount| amount.level().1)
    }

    /// Registers it, and records in it.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), Error> {
        let metric = registry.metric(&self.name.0, &self.help.0).unit(self.unit());
        let metric = metric.precision(precision(self.figures())).buckets(self.buckets().0);
        let labels = self.labels();
        let metric = labels.iter().fold(metric, |metric, (k, v)| metric.label(k, v));
        self.finish(metric)
    }

    fn finish(&self, metric: MetricBuilder<'_>) -> Result<(), Error> {
        match self.kind {
            Type::Counter => {
                let counter: Counter = metric.counter()?;
                self.amounts().iter().for_each(|amount| counter.add(amount.count()));
            }
            Type::UpDown => {
                let counter: UpDownCounter = metric.up_down_counter()?;
                self.amounts().iter().for_each(|amount| counter.add(amount.signed()));
            }
            Type::Gauge => {
                let gauge: Gauge = metric.gauge()?;
                self.amounts().iter().for_each(|amount| gauge.set(amount.level().1));
            }
            Type::Callback => {
                let level = self.level();
                metric.gauge_from(move || level)?;
            }
            Type::Histogram => {
                let histogram: Histogram = metric.histogram()?;
                for amount in self.amounts() {
                    let (trace, span) = ids(amount.value);
                    match amount.times {
                        // Some with an exemplar, for the formats that have them.
                        1 => histogram.record_with_exemplar(amount.value, trace, span),
                        times => histogram.record_n(amount.value, times.into()),
                    }
                }
            }
            Type::Family => {
                let family: Family<Counter, 1> = metric.family([KEY])?;
                for value in self.members() {
                    // Handles, since a look-up would leave a table of this family with the thread for ever.
                    let counter = family.handle([value]);
                    self.amounts().iter().for_each(|amount| counter.add(amount.count()));
                }
            }
        }
        Ok(())
    }
}

impl Model {
    /// Whether `metric` must be accepted.
    fn accepts(&self, metric: &Metric) -> bool {
        let histogram = metric.kind == Type::Histogram;
        let labels = self.labels_of(metric.labels());
        let name = &metric.name.0;
        let reserved = ["_bucket", "_count", "_sum"];
        let suffix = match metric.unit() {
            Unit::None => "",
            Unit::Nanoseconds | Unit::Seconds => "_seconds",
            Unit::Bytes => "_bytes",
            _ => "_ratio",
        };
        let alone = name_is_valid(name, true)
            && metric.help.0.len() <= limits::MAX_HELP_BYTES
            && !(histogram && reserved.iter().any(|suffix| name.ends_with(suffix)))
            && name.strip_suffix("_total").unwrap_or(name).ends_with(suffix)
            && metric.buckets().1
            && labels_are_valid(&labels, histogram)
            && (metric.kind != Type::Family || self.accepts_family());
        alone && self.agrees(metric, &labels)
    }

    /// A family needs names of its own on top of the view's.
    fn accepts_family(&self) -> bool {
        let mut names = self.scope.iter().map(|label| label.0.as_str());
        names.all(|name| name != KEY && name != "overflow")
            && self.scope.len() + 2 <= limits::MAX_LABELS
    }

    /// Whether the metric goes with what is registered.
    fn agrees(&self, metric: &Metric, labels: &Labels) -> bool {
        if let Some(family) = self.families.get(&metric.name.0) {
            let same = family.kind == metric.kind()
                && family.unit == metric.unit()
                && family.help == metric.help.0
                && family.figures == metric.figures()
                && family.buckets == metric.buckets().0;
            let taken = family
                .series
                .get(labels)
                .is_some_and(|(kind, _)| metric.kind == Type::Callback || *kind == Type::Callback);
            return same && !taken;
        }
        let shown = |name: &str, kind: Kind| -> Vec<String> {
            let suffixes: &[&str] = match kind {
                Kind::Histogram => &["_bucket", "_count", "_sum"],
                _ => &[""],
            };
            suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
        };
        let mine = shown(&metric.name.0, metric.kind());
        let theirs = self.families.iter().flat_map(|(name, family)| shown(name, family.kind));
        theirs.into_iter().all(|name| !mine.contains(&name))
    }

    fn labels_of(&self, own: Labels) -> Labels {
        let mut labels = [&self.scope[..], &own[..]].concat();
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        labels
    }

    fn register(&mut self, metric: &Metric) {
        let labels = self.labels_of(metric.labels());
        let members: Vec<_> = match metric.kind {
            Type::Family => metric
                .members()
                .map(|value| self.labels_of(vec![(KEY.to_owned(), value.to_owned())]))
                .collect(),
            _ => vec![labels],
        };
        let family = self.families.entry(metric.name.0.clone()).or_insert_with(|| ModelFamily {
            kind: metric.kind(),
            unit: metric.unit(),
            help: metric.help.0.clone(),
            figures: metric.figures(),
            buckets: metric.buckets().0,
            series: BTreeMap::new(),
            dynamic: false,
        });
        family.dynamic |= metric.kind == Type::Family;
        for labels in members {
            let zero = || (metric.kind, Expected::zero(metric));
            let (_, series) = family.series.entry(labels).or_insert_with(zero);
            series.record(metric);
        }
    }

    /// Whether the engine's labels make two series of one metric the same.
    fn collides(&self, constant: &Labels) -> bool {
        self.families.values().any(|family| {
            let mut all: Vec<_> =
                family.series.keys().map(|labels| with_constant(labels, constant)).collect();
            all.sort();
            all.windows(2).any(|pair| pair[0] == pair[1])
        })
    }

    fn check(&self, text: &[u8], constant: &Labels) {
        let families = page::read(text).unwrap_or_else(|error| {
            panic!("{error}, on the page {}", String::from_utf8_lossy(text));
        });
        let expected = self.families.iter().filter(|(_, family)| !family.series.is_empty());
        let names: Vec<_> = expected.clone().map(|(name, _)| name).collect();
        assert!(names.iter().copied().eq(families.iter().map(|f| &f.name)), "{names:?}");
        for ((_, expected), seen) in expected.zip(&families) {
            expected.check(seen, constant);
        }
    }
}

/// A label of the series' own wins over a constant one.
fn with_constant(labels: &Labels, constant: &Labels) -> Labels {
    let absent = constant.iter().filter(|c| labels.iter().all(|label| label.0 != c.0));
    let mut all: Labels = labels.iter().chain(absent).cloned().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

impl Expected {
    fn zero(metric: &Metric) -> Expected {
        match metric.kind {
            Type::Counter | Type::UpDown | Type::Family => Expected::Integer(0, metric.unit()),
            Type::Gauge | Type::Callback => Expected::Float(0.0),
            Type::Histogram => Expected::Histogram(Spread::new(metric.figures())),
        }
    }

    fn record(&mut self, metric: &Metric) {
        for amount in metric.amounts() {
            match self {
                Expected::Integer(sum, _) if metric.kind == Type::UpDown => {
                    *sum += i128::from(amount.signed());
                }
                Expected::Integer(sum, _) => *sum += i128::from(amount.count()),
                Expected::Float(level) => *level = amount.level().1,
                Expected::Histogram(spread) => spread.record(amount.value, amount.times.into()),
            }
        }
    }

    fn check_scalar(&self, sample: &Sample, unit: Unit) {
        match self {
            Expected::Integer(value, unit) => {
                assert_eq!(page::in_units(&sample.value, unit.divisor()), Some(*value));
            }
            Expected::Float(value) => {
                let value = value / unit.divisor() as f64;
                let seen: f64 = sample.value.parse().expect("the reader has looked at it");
                assert!(seen == value || (seen.is_nan() && value.is_nan()), "{seen}, not {value}");
            }
            Expected::Histogram(_) => panic!("a histogram among the scalars"),
        }
    }
}

impl ModelFamily {
    fn check(&self, seen: &page::Family, constant: &Labels) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            _ => "gauge",
        };
        assert_eq!(seen.kind.as_deref(), Some(kind), "{}", seen.name);
        // A reader takes blanks at its begin for the space before it.
        let help = self.help.trim_start_matches([' ', '\t']);
        assert_eq!(seen.help.as_deref(), Some(help), "{}", seen.name);
        // Constant labels can change the order.
        let mut expected: Vec<(Labels, &Expected)> = self
            .series
            .iter()
            .map(|(labels, (_, value))| (with_constant(labels, constant), value))
            .collect();
        expected.sort_by(|a, b| a.0.cmp(&b.0));
        if self.kind == Kind::Histogram {
            return self.check_histograms(seen, &expected);
        }
        assert_eq!(seen.samples.len(), expected.len());
        for ((labels, value), sample) in expected.iter().zip(&seen.samples) {
            assert_eq!((&sample.name, &sample.labels), (&seen.name, labels));
            value.check_scalar(sample, self.unit);
        }
    }

    fn check_histograms(&self, seen: &page::Family, expected: &[(Labels, &Expected)]) {
        let histograms = page::histograms(seen).expect("the reader has looked at them");
        assert_eq!(histograms.len(), expected.len());
        let bounds = self.buckets.bounds(self.unit).iter().copied().chain([f64::INFINITY]);
        for ((labels, spread), seen) in expected.iter().zip(&histograms) {
            let Expected::Histogram(spread) = spread else { panic!("{spread:?} in a histogram") };
            assert_eq!(&seen.labels, labels);
            assert!(bounds.clone().eq(seen.buckets.iter().map(|bucket| bucket.0)), "bounds");
            assert_eq!(seen.count, spread.count, "count");
            for &(bound, count) in &seen.buckets {
                assert_eq!(count, expected_below(spread, bound, self.unit.divisor()), "{bound}");
            }
            if spread.is_sum_exact() {
                let sum = page::in_units(&seen.sum, self.unit.divisor());
                assert_eq!(sum, i128::try_from(spread.sum()).ok(), "sum");
            }
        }
    }
}
