//! PromQL over series in memory under criterion: what the evaluator itself costs.

#[path = "../tests/promql/memory.rs"]
mod memory;

use criterion::{Criterion, criterion_group, criterion_main};
use memory::Memory;
use std::hint::black_box;
use tachometer::query::{Bucket, Distribution, Query, Settings};

const END: i64 = 1_700_003_600_000;

/// Counters and gauges, a sample each 15 s for an hour; one histogram for each hundred of them.
fn series(count: usize) -> Memory {
    let mut memory = Memory::default();
    for index in 0..count {
        let sample =
            |step: i64| (END - 3_600_000 + step * 15_000, (step * (index as i64 % 7 + 1)) as f64);
        let samples: Vec<_> = (0..=240).map(sample).collect();
        let (instance, job) = (index.to_string(), (index % 10).to_string());
        let labels = [("__name__", "requests_total"), ("instance", &*instance), ("job", &*job)];
        memory = memory.with(&labels, &samples);
        if index % 100 == 0 {
            let buckets = |n: f64| {
                (0..200).map(move |i| Bucket {
                    lower: f64::from(i),
                    upper: f64::from(i + 1),
                    count: n * f64::from(i),
                })
            };
            let histogram = |step: i64| {
                let n = step as f64;
                let all = Distribution::new(n * 19_900.0, n * 1e6, buckets(n).collect());
                (sample(step).0, all)
            };
            let histograms: Vec<_> = (1..=240).map(histogram).collect();
            let labels =
                [("__name__", "latency_seconds"), ("instance", &*instance), ("job", &*job)];
            memory = memory.with_histograms(&labels, &histograms);
        }
    }
    memory
}

fn instant(c: &mut Criterion) {
    let (memory, settings) = (series(1_000), Settings::default());
    for text in [
        "requests_total",
        "rate(requests_total[5m])",
        "sum by (job) (rate(requests_total[5m]))",
        "histogram_quantile(0.99, sum(rate(latency_seconds[5m])))",
        "requests_total / on (instance, job) requests_total offset 5m",
    ] {
        let query = Query::parse(text).expect(text);
        let name = format!("instant, 1,000 series: {text}");
        c.bench_function(&name, |b| {
            b.iter(|| black_box(query.instant(&memory, END, &settings).expect(text)))
        });
    }
    c.bench_function("parse sum by (job) (rate(requests_total[5m]))", |b| {
        b.iter(|| Query::parse(black_box("sum by (job) (rate(requests_total[5m]))")));
    });
}

fn range(c: &mut Criterion) {
    let (memory, settings) = (series(100), Settings::default());
    for text in [
        "rate(requests_total[5m])",
        "sum by (job) (rate(requests_total[5m]))",
        "max_over_time(rate(requests_total[1m])[5m:1m])",
    ] {
        let query = Query::parse(text).expect(text);
        let name = format!("an hour at 15 s, 100 series: {text}");
        let times = (END - 3_600_000, END);
        c.bench_function(&name, |b| {
            b.iter(|| black_box(query.range(&memory, times, 15_000, &settings).expect(text)))
        });
    }
}

criterion_group!(benches, instant, range);
criterion_main!(benches);
