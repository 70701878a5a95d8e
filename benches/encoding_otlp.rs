//! OTLP requests under criterion: 10,000 counters, 1,000 histograms, each with everything changed since the last request, and
//! with nothing changed.

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
        let [before, now, later] = std::array::from_fn(|_| {
            work();
            engine.refresh()
        });
        let mut body = Vec::new();
        let mut bench = |what: &str, changed: bool, mut encoder: OtlpEncoder| {
            encoder.encode(&before, &mut body);
            encoder.commit();
            // Two in turn: each time everything has changed since the last.
            let snapshots = [&now, if changed { &later } else { &now }];
            let mut turn = 0;
            let state = if changed { "all changed" } else { "none changed" };
            c.bench_function(&format!("otlp {what}, {name}, {state}"), |b| {
                b.iter(|| {
                    turn ^= 1;
                    body.clear();
                    encoder.encode(black_box(snapshots[turn]), &mut body);
                });
            });
        };
        bench("protobuf", true, OtlpEncoder::protobuf());
        bench("protobuf", false, OtlpEncoder::protobuf());
        // Since the same commit always: all of it is new.
        bench("protobuf delta", true, OtlpEncoder::protobuf().temporality(Temporality::Delta));
        bench("json", true, OtlpEncoder::json());
    }
}

fn exemplars(c: &mut Criterion) {
    let registry = Registry::new();
    let metric = registry.metric("wait_seconds", "A histogram.").unit(Unit::Nanoseconds);
    let histogram = metric.histogram().expect("fresh");
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("fresh");
    let snapshots: [_; 2] = std::array::from_fn(|_| {
        (10..20).for_each(|bit| histogram.record_with_exemplar(1 << bit, [7; 16], [1; 8]));
        engine.refresh()
    });
    let (mut encoder, mut body, mut turn) = (OtlpEncoder::protobuf(), Vec::new(), 0);
    c.bench_function("otlp protobuf, a histogram with 10 exemplars", |b| {
        b.iter(|| {
            turn ^= 1;
            body.clear();
            encoder.encode(black_box(&snapshots[turn]), &mut body);
        });
    });
}

criterion_group!(benches, requests, exemplars);
criterion_main!(benches);
