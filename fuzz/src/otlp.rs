//! Any metrics, values, exemplars, series that come and go, requests that are lost and requests that arrive: what a receiver has ([`crate::oracle`], which decodes
//! with `opentelemetry-proto`) is what the snapshot says, in protobuf and in JSON, cumulative and delta.

use crate::naive::precision;
use crate::operations::Amount;
use crate::oracle::{Receiver, decode};
use crate::text::{LabelName, Text};
use arbitrary::Arbitrary;
use std::time::Duration;
use tachometer::{
    Counter, Encoder, Engine, Gauge, Histogram, ManualClock, OtlpEncoder, Registry, Temporality,
    Unit, UpDownCounter, limits,
};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    delta: bool,
    max_buckets: u16,
    resource: Option<(LabelName, Text)>,
    metrics: Vec<Metric>,
    rounds: Vec<Round>,
}

#[derive(Arbitrary, Debug)]
struct Metric {
    kind: u8,
    unit: u8,
    figures: u8,
    help: Text,
    labels: Vec<(LabelName, Text)>,
}

/// What happens between two requests, and what becomes of the second.
#[derive(Arbitrary, Debug)]
struct Round {
    milliseconds: u16,
    records: Vec<(u8, Amount, Option<u8>)>,
    /// One more series: the layout changes.
    late: bool,
    /// Every which series is not there.
    gone: u16,
    fate: Fate,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Arrives,
    IsLost,
    IsRolledBack,
}

/// What is registered of a metric.
enum Handle {
    Counter(Counter),
    UpDown(UpDownCounter),
    Gauge(Gauge),
    Histogram(Histogram),
}

const UNITS: [(Unit, &str); 5] = [
    (Unit::None, ""),
    (Unit::Nanoseconds, "_fine_seconds"),
    (Unit::Seconds, "_seconds"),
    (Unit::Bytes, "_bytes"),
    (Unit::Ratio, "_ratio"),
];
/// Longer inputs are cut short.
const MOST_METRICS: usize = 12;
const MOST_ROUNDS: usize = 8;
const MOST_RECORDS: usize = 32;

/// Runs one input; panics if a receiver is told anything but what was recorded.
pub fn run(plan: &Plan) {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1 << 30)));
    let metrics = plan.metrics.iter().take(MOST_METRICS).enumerate();
    let handles: Vec<Handle> =
        metrics.filter_map(|(index, metric)| metric.register(&registry, index)).collect();
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("fresh");
    let temporality = if plan.delta { Temporality::Delta } else { Temporality::Cumulative };
    let buckets = usize::from(plan.max_buckets).max(limits::MIN_OTLP_BUCKETS);
    let mut attributes = vec![("service.name", "fuzz")];
    // One more, where it is one; `tests/otlp.rs` looks at those that are refused.
    attributes.extend(plan.resource.iter().map(|(key, value)| (&*key.0, &*value.0)).filter(
        |(key, value)| {
            (1..=limits::MAX_NAME_BYTES).contains(&key.len())
                && value.len() <= limits::MAX_LABEL_VALUE_BYTES
                && *key != "service.name"
        },
    ));
    let mut pairs = [OtlpEncoder::protobuf(), OtlpEncoder::json()].map(|encoder| {
        let encoder = encoder.temporality(temporality).max_buckets(buckets).expect("enough");
        let encoder = attributes
            .iter()
            .fold(encoder, |encoder, (key, value)| encoder.resource(key, value).expect("it fits"));
        (encoder, Receiver::new(temporality, buckets, &attributes))
    });
    for (index, round) in plan.rounds.iter().take(MOST_ROUNDS).enumerate() {
        clock.advance(Duration::from_millis(round.milliseconds.into()));
        for &(at, amount, trace) in round.records.iter().take(MOST_RECORDS) {
            if !handles.is_empty() {
                handles[usize::from(at) % handles.len()].record(amount, trace);
            }
        }
        if round.late {
            registry.counter(&format!("late{index}"), "").expect("a name of its own").inc();
        }
        let whole = engine.refresh();
        let mut series = 0..;
        let mut is_there = || round.gone >> (series.next().unwrap_or(0) % 16) & 1 == 0;
        let some = (round.gone != 0).then(|| whole.filtered(|_, _| is_there()));
        let snapshot = some.as_ref().unwrap_or(&whole);
        for (encoder, receiver) in &mut pairs {
            let body = encoder.to_vec(snapshot);
            let mut next = receiver.clone();
            next.receive(&decode(encoder.content_type(), &body), snapshot);
            match round.fate {
                Fate::Arrives => {
                    encoder.commit();
                    *receiver = next;
                }
                Fate::IsLost if plan.delta => {}
                // Where nobody acknowledges, what is lost must be told: else an end is not said again.
                Fate::IsLost => encoder.rollback(),
                Fate::IsRolledBack => {
                    encoder.rollback();
                    encoder.commit();
                }
            }
        }
    }
}

impl Metric {
    /// `None` where the registry refuses it: that is not what this target is about.
    fn register(&self, registry: &Registry, index: usize) -> Option<Handle> {
        let (unit, suffix) = UNITS[usize::from(self.unit) % UNITS.len()];
        let metric = registry.metric(format!("metric{index}{suffix}"), &self.help.0).unit(unit);
        let metric = metric.precision(precision(self.figures % 3 + 1));
        let labels = self.labels.iter();
        let metric = labels.fold(metric, |metric, (key, value)| metric.label(&key.0, &value.0));
        match self.kind % 4 {
            0 => metric.counter().ok().map(Handle::Counter),
            1 => metric.up_down_counter().ok().map(Handle::UpDown),
            2 => metric.gauge().ok().map(Handle::Gauge),
            _ => metric.histogram().ok().map(Handle::Histogram),
        }
    }
}

impl Handle {
    fn record(&self, amount: Amount, trace: Option<u8>) {
        match self {
            Handle::Counter(counter) => counter.add(amount.count()),
            Handle::UpDown(counter) => counter.add(amount.signed()),
            Handle::Gauge(gauge) => gauge.set(amount.level().1),
            Handle::Histogram(histogram) => match trace {
                // A trace of zeros, or a span, is none.
                Some(id) => {
                    histogram.record_with_exemplar(amount.value, [id; 16], [id.min(1); 8]);
                }
                None => histogram.record_n(amount.value, amount.times.into()),
            },
        }
    }
}
