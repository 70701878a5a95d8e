//! OTLP: a series that went is ended, once, by a point without a value, so that no receiver goes on showing its last one.

mod common;
#[path = "otlp/oracle.rs"]
mod oracle;

use common::by_hand_with;
use common::random::Random;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value as Number};
use oracle::{Receiver, decode};
use std::time::Duration;
use tachometer::{
    Counter, Encoder, Engine, Family, Gauge, Histogram, ManualClock, OtlpEncoder, Registry, Sink,
    Snapshot, Temporality, UpDownCounter, limits,
};

const START: Duration = Duration::from_secs(1_700_000_000);
const SECOND: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(60);
const NAME: (&str, &str) = ("service.name", "orders");
const BOTH: [Temporality; 2] = [Temporality::Cumulative, Temporality::Delta];

fn encoders(temporality: Temporality) -> [OtlpEncoder; 2] {
    [OtlpEncoder::protobuf(), OtlpEncoder::json()]
        .map(|encoder| encoder.resource(NAME.0, NAME.1).unwrap().temporality(temporality))
}

fn receiver(temporality: Temporality) -> Receiver {
    Receiver::new(temporality, limits::DEFAULT_OTLP_BUCKETS, &[NAME])
}

fn request(encoder: &mut OtlpEncoder, snapshot: &Snapshot) -> ExportMetricsServiceRequest {
    let body = encoder.to_vec(snapshot);
    decode(encoder.content_type(), &body)
}

/// Encodes, and lets the receiver look at it. Returns how many series it ended.
fn send(encoder: &mut OtlpEncoder, receiver: &mut Receiver, snapshot: &Snapshot) -> usize {
    receiver.receive(&request(encoder, snapshot), snapshot);
    receiver.ended
}

/// Families of each kind.
struct Families {
    counters: Family<Counter, 1>,
    up_downs: Family<UpDownCounter, 1>,
    gauges: Family<Gauge, 1>,
    histograms: Family<Histogram, 1>,
}

impl Families {
    fn new(registry: &Registry) -> Families {
        let metric = |name: &str| registry.metric(name, "By key.").limit(5_000).expire_after(IDLE);
        Families {
            counters: metric("count_total").family(["key"]).unwrap(),
            up_downs: metric("balance").family(["key"]).unwrap(),
            gauges: metric("level").family(["key"]).unwrap(),
            histograms: metric("sizes").family(["key"]).unwrap(),
        }
    }

    fn record(&self, key: &str, value: u64) {
        self.counters.at([key]).add(value);
        self.up_downs.at([key]).add(-(value as i64));
        self.gauges.at([key]).set(value as f64 / 3.0);
        self.histograms.at([key]).record(value);
    }
}

fn engine() -> (ManualClock, Families, Engine) {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let families = Families::new(&registry);
    let engine = by_hand_with(&registry, &clock);
    (clock, families, engine)
}

#[test]
fn what_expires_is_ended_once_and_may_come_back() {
    for temporality in BOTH {
        for mut encoder in encoders(temporality) {
            let (clock, families, engine) = engine();
            let mut receiver = receiver(temporality);
            // Without counters and histograms, whose deltas just stop.
            let ends = if temporality == Temporality::Delta { 2 } else { 4 };
            let mut ended = [0, 0];
            for round in 0..20 {
                families.record("stays", round);
                // Idle for longer than it may be, twice.
                if round % 10 < 2 {
                    families.record("goes", round + 100);
                }
                clock.advance(IDLE / 4);
                let now = engine.refresh();
                ended[round as usize / 10] += send(&mut encoder, &mut receiver, &now);
                encoder.commit();
            }
            assert_eq!(ended, [ends, ends], "{temporality:?}, {}", encoder.content_type());
        }
    }
}

#[test]
fn random_series_come_and_go() {
    for seed in 0..12 {
        let random = &mut Random::new(seed);
        let temporality = BOTH[seed as usize % 2];
        for mut encoder in encoders(temporality) {
            let (clock, families, engine) = engine();
            let mut receiver = receiver(temporality);
            let mut ended = 0;
            for _ in 0..20 {
                for key in 0..10 {
                    families.record(&format!("{key}"), random.below(1_000));
                }
                clock.advance(SECOND);
                let share = random.below(5);
                let now = engine.refresh().filtered(|_, _| random.below(4) < share);
                let mut next = receiver.clone();
                send(&mut encoder, &mut next, &now);
                // One of three is lost. Where only deltas are acknowledged, others must be told.
                if random.below(3) == 0 {
                    encoder.rollback();
                    continue;
                }
                if temporality == Temporality::Delta || random.below(2) == 0 {
                    encoder.commit();
                }
                ended += next.ended;
                receiver = next;
            }
            assert!(ended > 20, "only {ended} series ended");
        }
    }
}

#[test]
fn a_request_made_again_says_the_same() {
    for temporality in BOTH {
        for mut encoder in encoders(temporality) {
            let (clock, families, engine) = engine();
            let mut receiver = receiver(temporality);
            families.record("goes", 1);
            send(&mut encoder, &mut receiver, &engine.refresh());
            encoder.commit();
            clock.advance(SECOND);
            let gone = engine.refresh().filtered(|_, _| false);
            let first = encoder.to_vec(&gone);
            assert_eq!(encoder.to_vec(&gone), first, "the same snapshot once more");
            encoder.rollback();
            clock.advance(SECOND);
            let later = engine.refresh().filtered(|_, _| false);
            assert!(send(&mut encoder, &mut receiver, &later) > 0, "after one that was lost");
            encoder.commit();
            let request = request(&mut encoder, &later);
            assert!(request.resource_metrics.is_empty(), "{request:?}");
        }
    }
}

#[test]
fn many_ends_are_written_in_parts() {
    for mut encoder in encoders(Temporality::Cumulative) {
        let (clock, families, engine) = engine();
        for key in 0..2_000 {
            families.record(&format!("{key:0>100}"), key);
        }
        let mut receiver = receiver(Temporality::Cumulative);
        send(&mut encoder, &mut receiver, &engine.refresh());
        clock.advance(SECOND);
        let gone = engine.refresh().filtered(|name, _| name == "level");
        let request = request(&mut encoder, &gone);
        let parts = request.resource_metrics.len();
        assert!(parts > 5, "{parts} parts");
        // And to a sink that takes them one by one.
        encoder.rollback();
        let (mut all, mut buffer) = (Vec::new(), Vec::new());
        encoder.write(&gone, &mut buffer, &mut all).unwrap();
        assert!(buffer.capacity() < 4 * Sink::FULL, "{} bytes", buffer.capacity());
        receiver.receive(&decode(encoder.content_type(), &all), &gone);
        assert_eq!(receiver.ended, 3 * 2_000);
    }
}

#[test]
fn a_series_of_another_kind_is_another() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    registry.gauge("value", "A gauge.").unwrap().set(1.0);
    let before = by_hand_with(&registry, &clock).refresh();
    let registry = Registry::new();
    registry.counter("value", "A counter.").unwrap().add(2);
    clock.advance(SECOND);
    let after = by_hand_with(&registry, &clock).refresh();
    for mut encoder in encoders(Temporality::Cumulative) {
        encoder.to_vec(&before);
        let request = request(&mut encoder, &after);
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let data: Vec<_> = metrics.iter().map(|metric| metric.data.as_ref().unwrap()).collect();
        let [Data::Sum(sum), Data::Gauge(gauge)] = data[..] else { panic!("{metrics:?}") };
        assert_eq!(sum.data_points[0].flags, 0);
        assert_eq!((gauge.data_points[0].flags, gauge.data_points[0].value), (1, None));
    }
}

#[test]
fn a_series_that_came_back_counts_from_zero() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let metric = registry.metric("count_total", "By key.").limit(10).expire_after(IDLE);
    let family: Family<Counter, 1> = metric.family(["key"]).unwrap();
    let metric = registry.metric("sizes", "By key.").limit(10).expire_after(IDLE);
    let sizes: Family<Histogram, 1> = metric.family(["key"]).unwrap();
    let engine = by_hand_with(&registry, &clock);
    let mut encoder = OtlpEncoder::protobuf().temporality(Temporality::Delta);
    let after = |by: Duration| {
        clock.advance(by);
        engine.refresh()
    };
    family.at(["a"]).add(5);
    (0..5).for_each(|_| sizes.at(["a"]).record(100));
    let first = after(SECOND);
    encoder.to_vec(&first);
    encoder.commit();
    for by in [SECOND, IDLE, SECOND, SECOND] {
        after(by);
    }
    assert!(engine.snapshot().is_empty(), "it has expired");
    let gone = engine.snapshot();
    family.at(["a"]).add(7);
    (0..7).for_each(|_| sizes.at(["a"]).record(100));
    // It has more than before, and still nothing of it was there before.
    let back = after(SECOND);
    let request = request(&mut encoder, &back);
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let Some(Data::Sum(sum)) = &metrics[0].data else { panic!("{metrics:?}") };
    assert_eq!(sum.data_points[0].value, Some(Number::AsInt(7)));
    let start = sum.data_points[0].start_time_unix_nano;
    assert_eq!(u128::from(start), gone.unix_time().as_nanos());
    let Some(Data::ExponentialHistogram(sizes)) = &metrics[1].data else { panic!("{metrics:?}") };
    assert_eq!((sizes.data_points[0].count, sizes.data_points[0].sum), (7, Some(700.0)));
    assert_eq!(sizes.data_points[0].start_time_unix_nano, start);
}
