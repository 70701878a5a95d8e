//! OTLP requests under criterion: 10,000 counters, 1,000 histograms.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tachometer::{Encoder, Engine, ManualClock, OtlpEncoder, Registry, Temporality, Unit};

fn engine(counters: usize, histograms: usize) -> (Engine, impl Fn()) {
    let registry = Registry::new();
    let counters: Vec<_> = (0..counters)
        .map(|at| registry.counter(&format!("c{at}_total"), "A counter.").expect("fresh"))
        .collect();
    let histograms: Vec<_> = (0..histograms)
        .map(|at| {
            let metric = registry.metric(format!("h{at}_seconds"), "A histogram.");
            metric.unit(Unit::Nanoseconds).histogram().expect("fresh")
        })
        .collect();
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("fresh");
    let work = move || {
        counters.iter().enumerate().for_each(|(at, counter)| counter.add(at as u64));
        histograms.iter().for_each(|h| (1..1_000).for_each(|value| h.record(value * value)));
    };
    (engine, work)
}

fn requests(c: &mut Criterion) {
    for (name, counters, histograms) in
        [("10,000 counters", 10_000, 0), ("1,000 histograms", 0, 1_000)]
    {
        let (engine, work) = engine(counters, histograms);
        work();
        let before = engine.refresh();
        work();
        let now = engine.refresh();
        let mut body = Vec::new();
        let mut bench = |what: &str, mut encoder: OtlpEncoder| {
            encoder.encode(&before, &mut body);
            encoder.commit();
            c.bench_function(&format!("otlp {what}, {name}"), |b| {
                b.iter(|| {
                    body.clear();
                    encoder.encode(black_box(&now), &mut body);
                });
            });
        };
        bench("protobuf", OtlpEncoder::protobuf());
        bench("protobuf delta", OtlpEncoder::protobuf().temporality(Temporality::Delta));
        bench("json", OtlpEncoder::json());
    }
}

criterion_group!(benches, requests);
criterion_main!(benches);
