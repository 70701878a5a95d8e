//! Pages of formats by line under criterion: 10,000 counters, and 1,000 histograms of 999 values.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tachometer::{
    CsvEncoder, Encoder, Engine, GraphiteEncoder, InfluxEncoder, ManualClock, Registry, Snapshot,
    StatsdEncoder, Unit,
};

/// Two snapshots of so many counters and histograms, of which the second has as much again.
fn snapshots(counters: usize, histograms: usize) -> [Arc<Snapshot>; 2] {
    let registry = Registry::new();
    let counters: Vec<_> = (0..counters)
        .map(|i| {
            let metric = registry.metric(format!("c{}_total", i % 100), "A counter.");
            metric.label("index", format!("{i}")).counter().expect("fresh")
        })
        .collect();
    let histograms: Vec<_> = (0..histograms)
        .map(|i| {
            let metric = registry.metric(format!("h{i}_seconds"), "A histogram.");
            metric.unit(Unit::Nanoseconds).histogram().expect("fresh")
        })
        .collect();
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("fresh");
    std::array::from_fn(|_| {
        counters.iter().enumerate().for_each(|(i, counter)| counter.add(i as u64 + 1));
        histograms.iter().for_each(|h| (1..1_000).for_each(|i| h.record(i * i)));
        engine.refresh()
    })
}

fn pages(c: &mut Criterion) {
    for (what, counters, histograms) in
        [("10,000 counters", 10_000, 0), ("1,000 histograms", 0, 1_000)]
    {
        let [before, snapshot] = snapshots(counters, histograms);
        let mut statsd = StatsdEncoder::new();
        statsd.acknowledge(&before);
        let mut encoders: Vec<(&str, Box<dyn Encoder>)> = vec![
            ("influx", Box::new(InfluxEncoder::new())),
            ("influx with buckets", Box::new(InfluxEncoder::new().with_buckets(true))),
            ("graphite", Box::new(GraphiteEncoder::new())),
            ("statsd", Box::new(statsd)),
            ("csv", Box::new(CsvEncoder::new())),
        ];
        #[cfg(feature = "json")]
        encoders.push(("json", Box::new(tachometer::JsonEncoder::new())));
        let mut page = Vec::new();
        for (name, encoder) in &mut encoders {
            encoder.encode(&snapshot, &mut page);
            c.bench_function(&format!("{name}, {what}"), |b| {
                b.iter(|| {
                    page.clear();
                    encoder.encode(black_box(&snapshot), &mut page);
                });
            });
        }
    }
}

criterion_group!(benches, pages);
criterion_main!(benches);
