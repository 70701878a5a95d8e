//! Any names, labels and units through the facades for the `metrics` crate and for OpenTelemetry: the page is one that a
//! strict reader ([`crate::page`]) takes, metrics of different names stay apart on it, and what each recorded is there to
//! the last digit, unless it was refused, which is counted.
//!
//! The names on the page are not worked out a second time: each metric is told by its total, of which no two are alike.

use crate::page;
use crate::text::{LabelName, MetricName, Text};
use arbitrary::Arbitrary;
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use std::collections::BTreeMap;
use std::time::Duration;
use tachometer::facade::{metrics::Recorder, opentelemetry::MeterProvider};
use tachometer::{Engine, ManualClock, Registry, TextEncoder};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    limit: u8,
    records: Vec<Record>,
}

#[derive(Arbitrary, Debug)]
struct Record {
    name: Name,
    kind: Kind,
    unit: u8,
    help: Text,
    labels: Vec<(LabelName, Text)>,
}

/// Whatever a program may call a metric.
#[derive(Arbitrary, Clone, Debug)]
enum Name {
    Any(String),
    Likely(MetricName),
    /// One of those that read the same.
    Near(Near),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Near {
    Dot,
    Dash,
    Line,
    Blank,
    Long(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Metrics of an input, and records of each: so many that every total is a number of its own.
const MOST_NAMES: usize = 10;
const MOST_RECORDS: u32 = 7;
const UNITS: [(Option<metrics::Unit>, Option<&str>, f64); 5] = [
    (None, None, 1.0),
    (Some(metrics::Unit::Seconds), Some("s"), 1.0),
    (Some(metrics::Unit::Milliseconds), Some("ms"), 1e-3),
    (Some(metrics::Unit::Bytes), Some("By"), 1.0),
    (Some(metrics::Unit::Count), Some("{request}"), 1.0),
];
const REFUSED: &str = "tachometer_facade_refused_total";

impl Name {
    fn text(&self) -> String {
        match self {
            Name::Any(text) => text.clone(),
            Name::Likely(name) => name.0.clone(),
            Name::Near(Near::Dot) => "a.b".to_owned(),
            Name::Near(Near::Dash) => "a-b".to_owned(),
            Name::Near(Near::Line) => "a_b".to_owned(),
            Name::Near(Near::Blank) => "a b".to_owned(),
            Name::Near(Near::Long(more)) => "n".repeat(240 + usize::from(more % 40)),
        }
    }
}

/// What is known of a name.
struct Known {
    kind: Kind,
    /// What one record adds, and how much of the exported unit that is.
    weight: u64,
    scale: f64,
    records: u32,
}

/// A way in.
trait Facade {
    fn record(&self, name: &str, record: &Record, kind: Kind, weight: u64);
    /// Says what a metric is, before its first record.
    fn describe(&self, _: &str, _: &Record) {}
}

impl Facade for Recorder {
    fn record(&self, name: &str, record: &Record, kind: Kind, weight: u64) {
        let labels = record.labels.iter().map(|(k, v)| Label::new(k.0.clone(), v.0.clone()));
        let key = Key::from_parts(name.to_owned(), labels.collect::<Vec<_>>());
        let metadata = Metadata::new("", Level::INFO, None);
        match kind {
            Kind::Counter => self.register_counter(&key, &metadata).increment(weight),
            Kind::Gauge => self.register_gauge(&key, &metadata).increment(weight as f64),
            Kind::Histogram => self.register_histogram(&key, &metadata).record(weight as f64),
        }
    }

    fn describe(&self, name: &str, record: &Record) {
        let (name, help) = (name.to_owned().into(), record.help.0.clone().into());
        let unit = UNITS[usize::from(record.unit) % UNITS.len()].0;
        match record.kind {
            Kind::Counter => self.describe_counter(name, unit, help),
            Kind::Gauge => self.describe_gauge(name, unit, help),
            Kind::Histogram => self.describe_histogram(name, unit, help),
        }
    }
}

impl Facade for Meter {
    fn record(&self, name: &str, record: &Record, kind: Kind, weight: u64) {
        let pair = |(k, v): &(LabelName, Text)| KeyValue::new(k.0.clone(), v.0.clone());
        let attributes: Vec<_> = record.labels.iter().map(pair).collect();
        let name = name.to_owned();
        let help = record.help.0.clone();
        let unit = UNITS[usize::from(record.unit) % UNITS.len()].1.unwrap_or_default();
        match kind {
            Kind::Counter => self
                .u64_counter(name)
                .with_description(help)
                .with_unit(unit)
                .build()
                .add(weight, &attributes),
            Kind::Gauge => self
                .f64_up_down_counter(name)
                .with_description(help)
                .with_unit(unit)
                .build()
                .add(weight as f64, &attributes),
            Kind::Histogram => self
                .f64_histogram(name)
                .with_description(help)
                .with_unit(unit)
                .build()
                .record(weight as f64, &attributes),
        }
    }
}

/// Runs one input.
pub fn run(plan: &Plan) {
    let registry = Registry::new();
    let recorder = Recorder::new(&registry).expect("a registry of its own");
    check(plan, &registry, &recorder.limit(usize::from(plan.limit)));
    let registry = Registry::new();
    let provider = MeterProvider::new(&registry).expect("a registry of its own");
    check(plan, &registry, &provider.limit(usize::from(plan.limit)).meter("fuzz"));
}

fn check(plan: &Plan, registry: &Registry, facade: &dyn Facade) {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let mut conflicts = 0;
    for record in &plan.records {
        let name = record.name.text();
        if !known.contains_key(&name) {
            if known.len() == MOST_NAMES {
                continue;
            }
            facade.describe(&name, record);
            let scale = match record.kind {
                Kind::Histogram => UNITS[usize::from(record.unit) % UNITS.len()].2,
                _ => 1.0,
            };
            let weight = 1 << (3 * known.len());
            known.insert(name.clone(), Known { kind: record.kind, weight, scale, records: 0 });
        }
        let entry = known.get_mut(&name).expect("inserted above");
        if entry.kind != record.kind {
            facade.record(&name, record, record.kind, entry.weight);
            conflicts += 1;
        } else if entry.records < MOST_RECORDS {
            facade.record(&name, record, record.kind, entry.weight);
            entry.records += 1;
        }
    }
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(registry).manual(&clock).start();
    let mut bytes = Vec::new();
    let mut encoder = TextEncoder::new();
    encoder.encode(&engine.expect("a registry of its own").refresh(), &mut bytes);
    let families = page::read(&bytes)
        .unwrap_or_else(|error| panic!("{error}:\n{}", String::from_utf8_lossy(&bytes)));
    let mut totals: Vec<(f64, String)> = Vec::new();
    let mut refused = 0;
    for family in &families {
        let value = |sample: &page::Sample| sample.value.parse::<f64>().expect("a number");
        if family.name == REFUSED {
            let is = |sample: &&page::Sample| sample.labels.contains(&pair("reason", "conflict"));
            refused = family.samples.iter().filter(is).map(value).sum::<f64>() as u32;
            continue;
        }
        let sum = format!("{}_sum", family.name);
        let is_histogram = family.kind.as_deref() == Some("histogram");
        let counts = |sample: &&page::Sample| !is_histogram || sample.name == sum;
        totals.push((family.samples.iter().filter(counts).map(value).sum(), family.name.clone()));
    }
    // Each metric is on the page by itself, or nowhere, and then all of its records were refused.
    for (name, entry) in &known {
        let expected = (entry.weight * u64::from(entry.records)) as f64 * entry.scale;
        let is = |(total, _): &(f64, String)| (total - expected).abs() <= expected * 1e-12;
        match totals.iter().position(is) {
            Some(at) => drop(totals.swap_remove(at)),
            None => {
                assert!(
                    conflicts + entry.records <= refused,
                    "{name:?} ({expected}) is lost: {totals:?}\n{}",
                    String::from_utf8_lossy(&bytes)
                );
                conflicts += entry.records;
            }
        }
    }
    assert!(totals.is_empty(), "nobody recorded {totals:?}");
    assert_eq!(conflicts, refused);
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}
