//! `fast-telemetry`: counters and histograms of padded atomics, one per thread modulo the number of
//! shards.
//!
//! Counters and histograms are used directly, which is the crate's hottest path. Labels that are
//! known only at run time go through `DynamicCounter::inc`, whose cache of 64 entries a thread is
//! part of what is measured.

use std::sync::Arc;

use fast_telemetry::{Counter, DynamicCounter, DynamicHistogram, Histogram, PrometheusExport};

use crate::harness::workload::{
    self, BOUNDS_NS, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_NAMES, label_pairs, latencies_ns,
};
use crate::harness::{Recording, Rival, Scrape};

/// What the crate's own `Default` uses; enough for the two threads here.
const SHARDS: usize = 4;

pub struct FastTelemetry;

fn labels<'a>(rpc: &'a str, peer: &'a str) -> [(&'static str, &'a str); 2] {
    [(LABEL_NAMES[0], rpc), (LABEL_NAMES[1], peer)]
}

impl Rival for FastTelemetry {
    fn name(&self) -> &'static str {
        "fast-telemetry"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["fast-telemetry"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let counters: Vec<Arc<Counter>> =
            (0..count).map(|_| Arc::new(Counter::new(SHARDS))).collect();
        Some(Recording::new(
            counters,
            |counters, lap| lap.in_turn(counters, |counter| counter.inc()),
            |counters| counters.iter().map(|counter| counter.sum() as u64).sum(),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            Histogram::new(&BOUNDS_NS, SHARDS),
            |histogram, lap| lap.latencies(histogram, |histogram, ns| histogram.record(ns)),
            Histogram::count,
        ))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            DynamicCounter::new(SHARDS),
            |counters, lap| lap.label_pairs(|rpc, peer| counters.inc(&labels(rpc, peer))),
            |counters| counters.sum_all() as u64,
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let family = |family| {
            let counters = DynamicCounter::new(SHARDS);
            workload::each_counter(family..family + 1, |_, rpc, peer, value| {
                counters.add(&labels(rpc, peer), value as isize);
            });
            (format!("{}_total", workload::counter_family(family)), counters)
        };
        Some(scrape((0..COUNTER_FAMILIES).map(family).collect()))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let family = |family| {
            let histograms = DynamicHistogram::new(&BOUNDS_NS, SHARDS);
            for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
                let histogram = histograms.series(&labels(rpc, peer));
                workload::histogram_values(family, pair)
                    .for_each(|index| histogram.record(latencies_ns()[index]));
            }
            (format!("{}_nanoseconds", workload::histogram_family(family)), histograms)
        };
        Some(scrape((0..HISTOGRAM_FAMILIES).map(family).collect()))
    }
}

fn scrape<M: PrometheusExport + 'static>(families: Vec<(String, M)>) -> Scrape {
    let mut page = String::new();
    Box::new(move |deliver| {
        page.clear();
        for (name, metric) in &families {
            metric.export_prometheus(&mut page, name, workload::HELP);
        }
        deliver(page.as_bytes());
    })
}
