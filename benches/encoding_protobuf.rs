//! Protobuf pages and remote write requests under criterion: 10,000 counters and 1,000 histograms, each apart.
//!
//! Latencies of a lognormal kind, as a service has them: 10,000 in each histogram, most within some octaves. "All changed" is
//! two snapshots in turns, between which every series recorded once; "none changed" is one and the same, of which the encoders
//! keep the histograms.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tachometer::{
    Counter, Encoder as _, Engine, ManualClock, ProtobufEncoder, Registry, RemoteWriteEncoder,
    RemoteWriteVersion, Snapshot, Unit,
};

fn snapshots(counters: usize, histograms: usize) -> [Arc<Snapshot>; 2] {
    let registry = Registry::new();
    let (mut all_counters, mut all_histograms) = (Vec::new(), Vec::new());
    for i in 0..counters {
        let metric = registry.metric("requests_total", "Requests.").label("peer", i.to_string());
        let counter = metric.counter().expect("fresh");
        counter.add(i as u64);
        all_counters.push(counter);
    }
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    for i in 0..histograms {
        let metric = registry.metric("latency_seconds", "Latency.").unit(Unit::Nanoseconds);
        let histogram = metric.label("peer", i.to_string()).histogram().expect("fresh");
        for _ in 0..10_000 {
            // The sum of twelve even numbers is nearly normal; it is the logarithm.
            let normal: f64 = (0..12)
                .map(|_| {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    random as f64 / u64::MAX as f64
                })
                .sum();
            histogram.record((200_000.0 * ((normal - 6.0) * 0.5).exp()) as u64);
        }
        all_histograms.push(histogram);
    }
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("fresh");
    let first = engine.refresh();
    all_counters.iter().for_each(Counter::inc);
    all_histograms.iter().for_each(|histogram| histogram.record(200_000));
    clock.advance(Duration::from_secs(1));
    [first, engine.refresh()]
}

fn encoding(c: &mut Criterion) {
    for (counters, histograms) in [(10_000, 0), (0, 1_000)] {
        let pair = snapshots(counters, histograms);
        let what = if counters > 0 { "10,000 counters" } else { "1,000 histograms" };
        for (changed, snapshots) in [("all changed", &pair[..]), ("none changed", &pair[..1])] {
            let mut next = snapshots.iter().cycle().map(|snapshot| &**snapshot);
            let mut next = move || next.next().expect("it goes on for ever");
            let (mut encoder, mut page) = (ProtobufEncoder::new(), Vec::new());
            c.bench_function(&format!("protobuf, {what}, {changed}"), |b| {
                b.iter(|| {
                    page.clear();
                    encoder.encode(black_box(next()), &mut page);
                });
            });
            for version in [RemoteWriteVersion::V1, RemoteWriteVersion::V2] {
                let mut encoder = RemoteWriteEncoder::new(version);
                c.bench_function(&format!("remote write {version:?}, {what}, {changed}"), |b| {
                    b.iter(|| encoder.encode_messages(next(), |message| _ = black_box(message)));
                });
                let name = format!("remote write {version:?} with snappy, {what}, {changed}");
                c.bench_function(&name, |b| {
                    b.iter(|| encoder.encode(next()).map(<[u8]>::len).sum::<usize>());
                });
            }
        }
    }
}

criterion_group!(benches, encoding);
criterion_main!(benches);
