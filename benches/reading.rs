//! Snapshots and pages under criterion: a refresh, a quantile, a page.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::Duration;
use tachometer::{Engine, ManualClock, Registry, TextEncoder, Unit};

fn engine(counters: usize, histograms: usize) -> Engine {
    let registry = Registry::new();
    for i in 0..counters {
        registry.counter(&format!("c{i}_total"), "A counter.").expect("fresh").add(i as u64);
    }
    for i in 0..histograms {
        let metric =
            registry.metric(format!("h{i}_seconds"), "A histogram.").unit(Unit::Nanoseconds);
        let histogram = metric.histogram().expect("fresh");
        (1..1_000).for_each(|i| histogram.record(i * i));
    }
    let clock = ManualClock::at(Duration::ZERO);
    Engine::builder().registry(&registry).manual(&clock).start().expect("a fresh registry")
}

fn snapshots(c: &mut Criterion) {
    let small = engine(100, 10);
    c.bench_function("refresh, 100 counters and 10 histograms", |b| b.iter(|| small.refresh()));
    let large = engine(10_000, 1_000);
    c.bench_function("refresh, 10,000 counters and 1,000 histograms", |b| {
        b.iter(|| large.refresh())
    });
    let snapshot = large.refresh();
    let histogram = snapshot.histogram("h0_seconds").expect("registered above");
    c.bench_function("quantile", |b| b.iter(|| black_box(&histogram).quantile(black_box(0.99))));
    c.bench_function("latest snapshot", |b| b.iter(|| large.snapshot()));
}

fn pages(c: &mut Criterion) {
    let (engine, mut encoder, mut page) = (engine(10_000, 1_000), TextEncoder::new(), Vec::new());
    let snapshot = engine.refresh();
    c.bench_function("text, 10,000 counters and 1,000 histograms", |b| {
        b.iter(|| {
            page.clear();
            encoder.encode(black_box(&snapshot), &mut page);
        });
    });
}

criterion_group!(benches, snapshots, pages);
criterion_main!(benches);
