//! `prometheus` (tikv/rust-prometheus), with its default feature `protobuf`.
//!
//! Two rows: shared metrics, and the `local()` ones that a thread buffers and that no scrape sees
//! until the thread flushes them by hand. The local row flushes once, after the clock has stopped.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts,
    ProtobufEncoder, Registry, TextEncoder,
};

use crate::harness::workload::{
    self, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_NAMES, bounds_seconds, label_pairs,
    latencies_seconds,
};
use crate::harness::{Format, Recording, Rival, Scrape};

pub struct Shared;

pub struct Local;

fn counters(count: usize) -> Vec<IntCounter> {
    let counter = |i| IntCounter::new(format!("counter_{i}"), workload::HELP).expect("valid");
    (0..count).map(counter).collect()
}

fn total_of(counters: &[IntCounter]) -> u64 {
    counters.iter().map(IntCounter::get).sum()
}

fn histogram_options(name: &str) -> HistogramOpts {
    HistogramOpts::new(name, workload::HELP).buckets(bounds_seconds().to_vec())
}

fn histogram() -> Histogram {
    Histogram::with_opts(histogram_options("latency_seconds")).expect("valid")
}

fn counter_vec(name: String) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, workload::HELP), &LABEL_NAMES).expect("valid")
}

fn total_of_vec(counters: &IntCounterVec) -> u64 {
    let families = counters.collect();
    let series = families.iter().flat_map(|family| family.get_metric());
    series.map(|series| series.get_counter().value() as u64).sum()
}

impl Rival for Shared {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["prometheus"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::new(
            counters(count),
            |counters, lap| lap.in_turn(counters, IntCounter::inc),
            |counters| total_of(counters),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            histogram(),
            |histogram, lap| lap.latencies_in_seconds(histogram, Histogram::observe),
            Histogram::get_sample_count,
        ))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            counter_vec("calls_total".to_owned()),
            |counters, lap| {
                lap.label_pairs(|rpc, peer| counters.with_label_values(&[rpc, peer]).inc());
            },
            total_of_vec,
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        Some(scrape(page_of_counters()))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        Some(scrape(page_of_histograms()))
    }

    fn encode_counters(&self, format: Format) -> Option<Scrape> {
        (format == Format::Protobuf).then(|| protobuf(page_of_counters()))
    }

    fn encode_histograms(&self, format: Format) -> Option<Scrape> {
        (format == Format::Protobuf).then(|| protobuf(page_of_histograms()))
    }
}

fn page_of_counters() -> Registry {
    let registry = Registry::new();
    for family in 0..COUNTER_FAMILIES {
        let counters = counter_vec(format!("{}_total", workload::counter_family(family)));
        workload::each_counter(family..family + 1, |_, rpc, peer, value| {
            counters.with_label_values(&[rpc, peer]).inc_by(value);
        });
        registry.register(Box::new(counters)).expect("a fresh name");
    }
    registry
}

fn page_of_histograms() -> Registry {
    let registry = Registry::new();
    for family in 0..HISTOGRAM_FAMILIES {
        let name = format!("{}_seconds", workload::histogram_family(family));
        let histograms = HistogramVec::new(histogram_options(&name), &LABEL_NAMES);
        let histograms = histograms.expect("valid");
        for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
            let histogram = histograms.with_label_values(&[rpc, peer]);
            workload::histogram_values(family, pair)
                .for_each(|index| histogram.observe(latencies_seconds()[index]));
        }
        registry.register(Box::new(histograms)).expect("a fresh name");
    }
    registry
}

fn protobuf(registry: Registry) -> Scrape {
    let mut page = Vec::new();
    Box::new(move |deliver| {
        page.clear();
        ProtobufEncoder::new().encode(&registry.gather(), &mut page).expect("valid families");
        deliver(&page);
    })
}

fn scrape(registry: Registry) -> Scrape {
    let mut page = String::new();
    Box::new(move |deliver| {
        page.clear();
        TextEncoder::new().encode_utf8(&registry.gather(), &mut page).expect("valid families");
        deliver(page.as_bytes());
    })
}

impl Rival for Local {
    fn name(&self) -> &'static str {
        "prometheus local (unpublished)"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["prometheus"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::new(
            counters(count),
            |counters, lap| {
                let locals: Vec<_> = counters.iter().map(IntCounter::local).collect();
                lap.in_turn(&locals, |counter| counter.inc());
                locals.iter().for_each(|counter| counter.flush());
            },
            |counters| total_of(counters),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            histogram(),
            |histogram, lap| {
                let local = histogram.local();
                lap.latencies_in_seconds(&local, |local, seconds| local.observe(seconds));
                local.flush();
            },
            Histogram::get_sample_count,
        ))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            Arc::new(counter_vec("calls_total".to_owned())),
            |counters, lap| {
                let mut local = counters.local();
                lap.label_pairs(|rpc, peer| local.with_label_values(&[rpc, peer]).inc());
                local.flush();
            },
            |counters| total_of_vec(counters),
        ))
    }
}
