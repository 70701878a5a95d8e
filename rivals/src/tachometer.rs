//! `tachometer`, this repository's engine, without features.
//!
//! Handles are kept where the crate's documentation keeps them; families are looked up by lent strings. A reader takes a
//! fresh snapshot, a causal cut over all threads; a page is rendered from one, as a scrape would, cut and merge included.

use std::time::Duration;

use ::tachometer::{
    Buckets, Counter, Encoder, Engine, Family, Histogram, ManualClock, OpenMetricsEncoder,
    OtlpEncoder, ProtobufEncoder, Registry, TextEncoder, Unit,
};

use crate::harness::workload::{
    self, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_NAMES, bounds_seconds, label_pairs,
    latencies_ns,
};
use crate::harness::{Format, Recording, Rival, Scrape};

pub struct Tachometer;

/// An engine that makes snapshots when it is asked to, and only then.
fn engine(registry: &Registry) -> Engine {
    let clock = ManualClock::at(Duration::ZERO);
    Engine::builder().registry(registry).manual(&clock).start().expect("a fresh registry")
}

fn histogram(registry: &Registry, name: &str) -> Histogram {
    let metric = registry.metric(name, workload::HELP).unit(Unit::Nanoseconds);
    metric.histogram().expect("valid")
}

impl Rival for Tachometer {
    fn name(&self) -> &'static str {
        "tachometer"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["tachometer"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let registry = Registry::new();
        let counter = |i| registry.counter(&format!("counter_{i}"), workload::HELP).expect("valid");
        let counters: Vec<Counter> = (0..count).map(counter).collect();
        Some(Recording::new(
            (counters, engine(&registry)),
            |(counters, _), lap| lap.in_turn(counters, Counter::inc),
            |(counters, engine)| {
                let snapshot = engine.refresh();
                let value = |i| snapshot.counter(&format!("counter_{i}")).expect("registered");
                (0..counters.len()).map(value).sum()
            },
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let registry = Registry::new();
        Some(Recording::new(
            (histogram(&registry, "latency_seconds"), engine(&registry)),
            |(histogram, _), lap| lap.latencies(histogram, Histogram::record),
            |(_, engine)| {
                engine.refresh().histogram("latency_seconds").expect("registered").count()
            },
        ))
    }

    fn labels(&self) -> Option<Recording> {
        let registry = Registry::new();
        let metric = registry.metric("calls_total", workload::HELP);
        let family: Family<Counter, 2> = metric.family(LABEL_NAMES).expect("valid");
        Some(Recording::new(
            (family, engine(&registry)),
            |(family, _), lap| lap.label_pairs(|rpc, peer| family.at([rpc, peer]).inc()),
            |(_, engine)| engine.refresh().counter("calls_total").unwrap_or(0),
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        Some(scrape(page_of_counters(), TextEncoder::new()))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        Some(scrape(page_of_histograms(), TextEncoder::new()))
    }

    fn encode_counters(&self, format: Format) -> Option<Scrape> {
        Some(encode(page_of_counters(), format))
    }

    fn encode_histograms(&self, format: Format) -> Option<Scrape> {
        Some(encode(page_of_histograms(), format))
    }
}

fn page_of_counters() -> Registry {
    let registry = Registry::new();
    for family in 0..COUNTER_FAMILIES {
        let name = format!("{}_total", workload::counter_family(family));
        let metric = registry.metric(name, workload::HELP);
        let counters: Family<Counter, 2> = metric.family(LABEL_NAMES).expect("valid");
        workload::each_counter(family..family + 1, |_, rpc, peer, value| {
            counters.at([rpc, peer]).add(value);
        });
    }
    registry
}

fn page_of_histograms() -> Registry {
    let registry = Registry::new();
    let bounds: &'static [f64] = bounds_seconds().to_vec().leak();
    for family in 0..HISTOGRAM_FAMILIES {
        let name = format!("{}_seconds", workload::histogram_family(family));
        let metric = registry.metric(name, workload::HELP).unit(Unit::Nanoseconds);
        let metric = metric.buckets(Buckets::Fixed(bounds));
        let histograms: Family<Histogram, 2> = metric.family(LABEL_NAMES).expect("valid");
        for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
            let histogram = histograms.handle([rpc, peer]);
            workload::histogram_values(family, pair)
                .for_each(|index| histogram.record(latencies_ns()[index]));
        }
    }
    registry
}

fn encode(registry: Registry, format: Format) -> Scrape {
    match format {
        // Without `_created`, which the others leave out.
        Format::OpenMetrics => scrape(registry, OpenMetricsEncoder::new().created(false)),
        Format::Protobuf => scrape(registry, ProtobufEncoder::new()),
        Format::Otlp => scrape(registry, OtlpEncoder::protobuf()),
    }
}

fn scrape(registry: Registry, mut encoder: impl Encoder + 'static) -> Scrape {
    let (engine, mut page) = (engine(&registry), Vec::new());
    Box::new(move |deliver| {
        page.clear();
        encoder.encode(&engine.refresh(), &mut page);
        deliver(&page);
    })
}
