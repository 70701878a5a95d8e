//! OpenMetrics pages under criterion: counters, histograms of sixteen buckets, and histograms with exemplars; the Prometheus
//! text of the same beside them.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tachometer::{
    Encoder, Engine, ManualClock, OpenMetricsEncoder, Registry, Snapshot, TextEncoder,
};

const COUNTERS: usize = 10_000;
const HISTOGRAMS: usize = 1_000;

/// A snapshot of counters and histograms, whose default bounds for plain numbers are sixteen.
fn snapshot(counters: usize, histograms: usize, exemplars: bool) -> Arc<Snapshot> {
    let registry = Registry::new();
    for i in 0..counters {
        let metric = registry.metric(format!("c{}_total", i / 10), "A counter.");
        metric.label("peer", (i % 10).to_string()).counter().expect("fresh").add(i as u64);
    }
    for i in 0..histograms {
        let metric = registry.metric(format!("h{}", i / 10), "A histogram.");
        let histogram = metric.label("peer", (i % 10).to_string()).histogram().expect("fresh");
        for value in (1..1_000u64).map(|i| i * i / 10) {
            match exemplars {
                true => histogram.record_with_exemplar(value, [1; 16], [2; 8]),
                false => histogram.record(value),
            }
        }
    }
    let clock = ManualClock::at(Duration::from_millis(1_700_000_000_123));
    let engine = Engine::builder().registry(&registry).manual(&clock).start();
    engine.expect("a fresh registry").refresh()
}

fn measure(c: &mut Criterion, name: &str, mut encoder: impl Encoder, snapshot: &Snapshot) {
    let mut page = Vec::new();
    encoder.encode(snapshot, &mut page);
    println!("{name}: {} bytes", page.len());
    c.bench_function(name, |b| {
        b.iter(|| {
            page.clear();
            encoder.encode(black_box(snapshot), &mut page);
        });
    });
}

fn pages(c: &mut Criterion) {
    let bare = || OpenMetricsEncoder::new().created(false);
    let counters = snapshot(COUNTERS, 0, false);
    measure(c, "OpenMetrics, 10,000 counters", OpenMetricsEncoder::new(), &counters);
    measure(c, "OpenMetrics, 10,000 counters, without _created", bare(), &counters);
    measure(c, "Prometheus text, 10,000 counters", TextEncoder::new(), &counters);
    let histograms = snapshot(0, HISTOGRAMS, false);
    measure(c, "OpenMetrics, 1,000 histograms", OpenMetricsEncoder::new(), &histograms);
    measure(c, "OpenMetrics, 1,000 histograms, without _created", bare(), &histograms);
    measure(c, "Prometheus text, 1,000 histograms", TextEncoder::new(), &histograms);
    let traced = snapshot(0, HISTOGRAMS, true);
    measure(c, "OpenMetrics, 1,000 histograms with exemplars", OpenMetricsEncoder::new(), &traced);
}

/// What an exemplar adds to a record.
fn records(c: &mut Criterion) {
    let registry = Registry::new();
    let histogram = registry.histogram("h", "A histogram.").expect("fresh");
    let mut value = 0u64;
    c.bench_function("record", |b| {
        b.iter(|| {
            value = (value + 1) & 1023;
            black_box(&histogram).record(value);
        });
    });
    c.bench_function("record with an exemplar", |b| {
        b.iter(|| {
            value = (value + 1) & 1023;
            black_box(&histogram).record_with_exemplar(value, black_box([1; 16]), [2; 8]);
        });
    });
}

criterion_group!(benches, pages, records);
criterion_main!(benches);
