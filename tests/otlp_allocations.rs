//! A warm protobuf encoder of OTLP allocates nothing, whether it counts from the begin or from the last request.

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::by_hand;
use counting::allocations;
use tachometer::{
    Counter, Encoder, Family, Histogram, OtlpEncoder, Precision, Registry, Temporality, Unit,
};

#[test]
fn a_warm_request_does_not_allocate() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1, "the allocator counts");
    let registry = Registry::new();
    let peers = registry.metric("peers_total", "By peer.").limit(1_000);
    let peers: Family<Counter, 1> = peers.family(["peer"]).unwrap();
    let level = registry.gauge("level", "Set.").unwrap();
    let precisions = [Precision::One, Precision::Two, Precision::Three];
    let histograms: [Histogram; 3] = precisions.map(|precision| {
        let name = format!("wait{}_seconds", precision.figures());
        let metric = registry.metric(name, "Waited.").unit(Unit::Nanoseconds);
        metric.precision(precision).histogram().unwrap()
    });
    let record = |round: u64| {
        (0..1_000).for_each(|peer| peers.at([&format!("a \"peer\" {peer}")]).add(round));
        level.set(1.0 / round as f64);
        let values = (0..1_000u64).map(|value| value * value * value * round);
        values.for_each(|value| histograms.iter().for_each(|h| h.record(value)));
    };
    let engine = by_hand(&registry);
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        let mut encoder = OtlpEncoder::protobuf().temporality(temporality);
        let mut body = Vec::with_capacity(1 << 20);
        // The second of deltas is the first with something before it, and both have their memory then.
        for round in 1..=3 {
            record(round);
            encoder.encode(&engine.refresh(), &mut body);
            encoder.commit();
        }
        for round in 4..8 {
            record(round);
            let now = engine.refresh();
            body.clear();
            let warm = allocations(|| {
                encoder.encode(&now, &mut body);
                encoder.commit();
            });
            assert_eq!(warm, 0, "round {round}, {temporality:?}");
        }
        assert!(body.len() > 50_000, "a request worth measuring: {} bytes", body.len());
    }
}
