//! Warm encoders of lines and rows allocate nothing: not for new values, not for histograms, not for deltas. Neither does OTLP
//! for exemplars; the rest of it is in `otlp_allocations.rs`.
//!
//! An allocator counts what the measuring thread asks for.

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::by_hand_with;
use counting::allocations;
use std::sync::Arc;
use std::time::Duration;
use tachometer::{
    Counter, CsvEncoder, Encoder, Engine, Family, Gauge, GraphiteEncoder, Histogram, InfluxEncoder,
    ManualClock, OtlpEncoder, Precision, Registry, Snapshot, StatsdEncoder, Temporality, Unit,
    UpDownCounter,
};

const START: Duration = Duration::from_secs(1_700_000_000);

/// A metric of each kind, and one of a hundred series.
struct Work {
    peers: Family<Counter, 1>,
    balance: UpDownCounter,
    level: Gauge,
    busy: Counter,
    histograms: [Histogram; 3],
    clock: ManualClock,
    engine: Engine,
}

impl Work {
    fn new() -> Work {
        let (registry, clock) = (Registry::new(), ManualClock::at(START));
        let peers = registry.metric("peers_total", "By peer.");
        let busy = registry.metric("busy_seconds_total", "Busy.").unit(Unit::Nanoseconds);
        let precisions = [Precision::One, Precision::Two, Precision::Three];
        let histograms = precisions.map(|precision| {
            let name = format!("wait{}_seconds", precision.figures());
            let metric = registry.metric(name, "Waited.").unit(Unit::Nanoseconds);
            metric.precision(precision).histogram().unwrap()
        });
        Work {
            peers: peers.family(["peer"]).unwrap(),
            balance: registry.up_down_counter("balance", "Up and down.").unwrap(),
            level: registry.gauge("level", "Set.").unwrap(),
            busy: busy.counter().unwrap(),
            histograms,
            engine: by_hand_with(&registry, &clock),
            clock,
        }
    }

    fn after(&self, round: u64) -> Arc<Snapshot> {
        (0..100).for_each(|peer| self.peers.at([&format!("a \"peer\", {peer}")]).add(round));
        self.balance.add(-(round as i64) * 3);
        self.level.set(-1.0 / round as f64);
        self.busy.add(round * 123_456_789);
        let values = (0..1_000u64).map(|value| value * value * value * round);
        values.for_each(|value| {
            self.histograms.iter().for_each(|h| h.record_n(value, 1 + value % 9))
        });
        let (trace, span) = ([round as u8; 16], [7; 8]);
        self.histograms[1].record_with_exemplar(round << 20, trace, span);
        self.clock.advance(Duration::from_secs(1));
        self.engine.refresh()
    }
}

/// How often an encoder allocates in each of some rounds, after some more.
fn warm<E: Encoder>(mut encoder: E, mut sent: impl FnMut(&mut E, &Arc<Snapshot>)) {
    let work = Work::new();
    let mut page = Vec::with_capacity(1 << 20);
    for round in 1..=3 {
        let now = work.after(round);
        encoder.encode(&now, &mut page);
        sent(&mut encoder, &now);
    }
    for round in 4..8 {
        let now = work.after(round);
        page.clear();
        let count = allocations(|| {
            encoder.encode(&now, &mut page);
            sent(&mut encoder, &now);
        });
        assert_eq!(count, 0, "round {round}, {}", std::any::type_name::<E>());
    }
    assert!(page.len() > 3_000, "a page worth measuring: {} bytes", page.len());
}

#[test]
fn the_allocator_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn influx() {
    warm(InfluxEncoder::new(), |_, _| {});
    warm(InfluxEncoder::new().with_buckets(true), |_, _| {});
}

#[test]
fn graphite() {
    warm(GraphiteEncoder::new(), |_, _| {});
}

#[test]
fn csv() {
    warm(CsvEncoder::new(), |_, _| {});
}

#[test]
fn statsd() {
    warm(StatsdEncoder::new(), StatsdEncoder::acknowledge);
    warm(StatsdEncoder::plain(), StatsdEncoder::acknowledge);
    // Everything since the begin.
    warm(StatsdEncoder::new(), |_, _| {});
}

#[test]
fn otlp_with_exemplars() {
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        for encoder in [OtlpEncoder::protobuf(), OtlpEncoder::json()] {
            warm(encoder.temporality(temporality), |encoder, _| encoder.commit());
        }
    }
}

#[cfg(feature = "json")]
#[test]
fn lossless_histograms() {
    warm(tachometer::JsonEncoder::new(), |_, _| {});
    warm(CsvEncoder::new().with_hdr(true), |_, _| {});
}
