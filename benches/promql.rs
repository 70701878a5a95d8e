//! PromQL under criterion: over series in memory, what the evaluator itself costs; over a history, what a query costs a process.

#[path = "../tests/promql/memory.rs"]
mod memory;

use criterion::{Criterion, criterion_group, criterion_main};
use memory::Memory;
use std::hint::black_box;
use std::time::Duration;
use tachometer::query::{Answer, Bucket, Distribution, Query, Settings};
use tachometer::{Engine, History, ManualClock, Registry, Unit};

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

/// A history of `generations`, each `every` after the one before, in which `record` is called before each: asked at its end, to
/// which it is as old as the generations.
fn over_a_history(
    c: &mut Criterion,
    (generations, every): (u64, Duration),
    fill: impl FnOnce(&Registry) -> Box<dyn FnMut(u64)>,
    queries: &[(&str, usize)],
) {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1_700_000_000)));
    let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(false);
    let engine = engine.start().expect("its own registry");
    let history = History::builder().max_bytes(4 << 30).start(&engine).expect("default settings");
    let mut record = fill(&registry);
    for generation in 0..generations {
        record(generation);
        clock.advance(every);
        engine.refresh();
    }
    let (_, end) = history.kept().expect("generations");
    let (end, settings) = (end.as_millis() as i64, Settings::default());
    for (text, series) in queries {
        let query = Query::parse(text).expect(text);
        let Answer::Vector(samples) = query.instant(&history, end, &settings).expect(text) else {
            panic!("{text} is no vector")
        };
        assert_eq!(samples.len(), *series, "{text}");
        let name = format!("a history with a generation each {every:?}: {text}");
        c.bench_function(&name, |b| {
            b.iter(|| black_box(query.instant(&history, end, &settings).expect(text)))
        });
    }
}

/// What a latency is in nanoseconds, about 100 µs to 10 ms and mostly below 1 ms; the same in every run.
fn latency(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let part = (*seed >> 33) as f64 / (1u64 << 31) as f64;
    (100_000.0 * 100f64.powf(part * part)) as u64
}

fn history(c: &mut Criterion) {
    let counters = |registry: &Registry| -> Box<dyn FnMut(u64)> {
        let counter = |at: usize| {
            let metric = registry.metric("work_total", "Work.").label("at", at.to_string());
            metric.counter().expect("a counter")
        };
        let all: Vec<_> = (0..1_000).map(counter).collect();
        Box::new(move |generation| {
            (0u64..)
                .zip(&all)
                .for_each(|(at, one)| one.add(900 + (generation * 31 + at * 17) % 200));
        })
    };
    let queries = [("rate(work_total[5m])", 1_000), ("sum(rate(work_total[5m]))", 1)];
    over_a_history(c, (900, Duration::from_secs(1)), counters, &queries);
    let wait = |values: u64| {
        move |registry: &Registry| -> Box<dyn FnMut(u64)> {
            let metric = registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds);
            let (wait, mut seed) = (metric.histogram().expect("a histogram"), 7);
            Box::new(move |_| (0..values).for_each(|_| wait.record(latency(&mut seed))))
        }
    };
    let five_minutes = [("histogram_quantile(0.99, increase(wait_seconds[5m]))", 1)];
    over_a_history(c, (900, Duration::from_secs(1)), wait(100), &five_minutes);
    let day = [
        ("histogram_quantile(0.99, increase(wait_seconds[24h]))", 1),
        ("histogram_quantile(0.99, rate(wait_seconds[24h]))", 1),
        // Both ends within packed blocks.
        ("histogram_quantile(0.99, rate(wait_seconds[22h] offset 100m))", 1),
    ];
    over_a_history(c, (5_760, Duration::from_secs(15)), wait(1_000), &day);
}

criterion_group!(benches, instant, range, history);
criterion_main!(benches);
