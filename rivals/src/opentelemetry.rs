//! `opentelemetry_sdk`, read through `opentelemetry-prometheus`, and as OTLP through
//! `opentelemetry-proto`, whose messages its exporters send.
//!
//! Two rows: instruments bound to their attributes beforehand (an experimental feature, and the
//! fastest way), and plain instruments that are given their attributes at each call.
//!
//! Attributes whose values the caller only borrows need an owned copy each, and cannot be bound.
//! The page leaves out the label with the meter's name, which no other page has.

use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundHistogram, Counter, Histogram, Meter, MeterProvider,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality,
};
use prometheus::{Registry, TextEncoder};
use prost::Message as _;

use crate::harness::workload::{
    self, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_NAMES, bounds_seconds, label_pairs,
    latencies_seconds,
};
use crate::harness::{Format, Recording, Rival, Scrape, page};

pub struct Bound;

pub struct Plain;

/// A provider with a Prometheus reader, and the registry that the reader fills.
struct Pages {
    registry: Registry,
    provider: SdkMeterProvider,
}

impl Pages {
    fn new() -> Self {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build();
        let reader = exporter.expect("a fresh registry");
        Self { registry, provider: SdkMeterProvider::builder().with_reader(reader).build() }
    }

    fn meter(&self) -> Meter {
        self.provider.meter("rivals")
    }

    fn counter(&self, name: String) -> Counter<u64> {
        counter(&self.meter(), name)
    }

    fn histogram(&self, name: String) -> Histogram<f64> {
        histogram(&self.meter(), name)
    }

    fn render(&self, page: &mut String) {
        let families = self.registry.gather();
        TextEncoder::new().encode_utf8(&families, page).expect("valid families");
    }

    fn sum_of(&self, suffix: &str) -> u64 {
        let mut page = String::new();
        self.render(&mut page);
        page::sum_of(&page, suffix)
    }

    fn scrape(self) -> Scrape {
        let mut page = String::new();
        Box::new(move |deliver| {
            page.clear();
            self.render(&mut page);
            deliver(page.as_bytes());
        })
    }
}

fn counter(meter: &Meter, name: String) -> Counter<u64> {
    meter.u64_counter(name).with_description(workload::HELP).build()
}

fn histogram(meter: &Meter, name: String) -> Histogram<f64> {
    let histogram = meter.f64_histogram(name).with_description(workload::HELP);
    histogram.with_unit("s").with_boundaries(bounds_seconds().to_vec()).build()
}

/// A reader that provider and page share.
#[derive(Clone, Debug)]
struct Reader(Arc<ManualReader>);

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

/// What `fill` records, as an exporter sends it: collected, made into messages, encoded.
fn otlp(fill: impl FnOnce(&Meter)) -> Scrape {
    let reader = Reader(Arc::new(ManualReader::default()));
    let provider = SdkMeterProvider::builder().with_reader(reader.clone()).build();
    fill(&provider.meter("rivals"));
    let (mut collected, mut page) = (ResourceMetrics::default(), Vec::new());
    Box::new(move |deliver| {
        // Kept alive, since the reader reads it.
        let _ = &provider;
        reader.collect(&mut collected).expect("a pipeline");
        page.clear();
        let request = ExportMetricsServiceRequest::from(&collected);
        request.encode(&mut page).expect("memory has room");
        deliver(&page);
    })
}

fn fill_counters(meter: &Meter) {
    for family in 0..COUNTER_FAMILIES {
        let counter = counter(meter, workload::counter_family(family));
        workload::each_counter(family..family + 1, |_, rpc, peer, value| {
            counter.add(value, &attributes(rpc, peer));
        });
    }
}

fn fill_histograms(meter: &Meter) {
    for family in 0..HISTOGRAM_FAMILIES {
        let histogram = histogram(meter, workload::histogram_family(family));
        for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
            let attributes = attributes(rpc, peer);
            workload::histogram_values(family, pair)
                .for_each(|index| histogram.record(latencies_seconds()[index], &attributes));
        }
    }
}

impl Rival for Bound {
    fn name(&self) -> &'static str {
        "opentelemetry_sdk, bound"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["opentelemetry", "opentelemetry_sdk"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let pipeline = Pages::new();
        let counter = |i| pipeline.counter(format!("counter_{i}")).bind(&[]);
        let counters: Vec<BoundCounter<u64>> = (0..count).map(counter).collect();
        Some(Recording::new(
            (pipeline, counters),
            |(_, counters), lap| lap.in_turn(counters, |counter| counter.add(1)),
            |(pipeline, _)| pipeline.sum_of("_total"),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let pipeline = Pages::new();
        let histogram: BoundHistogram<f64> = pipeline.histogram("latency".to_owned()).bind(&[]);
        Some(Recording::new(
            (pipeline, histogram),
            |(_, histogram), lap| lap.latencies_in_seconds(histogram, BoundHistogram::record),
            |(pipeline, _)| pipeline.sum_of("_count"),
        ))
    }
}

impl Rival for Plain {
    fn name(&self) -> &'static str {
        "opentelemetry_sdk"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["opentelemetry", "opentelemetry_sdk", "opentelemetry-prometheus", "opentelemetry-proto"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let pipeline = Pages::new();
        let counters: Vec<Counter<u64>> =
            (0..count).map(|i| pipeline.counter(format!("counter_{i}"))).collect();
        Some(Recording::new(
            (pipeline, counters),
            |(_, counters), lap| lap.in_turn(counters, |counter| counter.add(1, &[])),
            |(pipeline, _)| pipeline.sum_of("_total"),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let pipeline = Pages::new();
        let histogram = pipeline.histogram("latency".to_owned());
        Some(Recording::new(
            (pipeline, histogram),
            |(_, histogram), lap| {
                lap.latencies_in_seconds(histogram, |histogram, s| histogram.record(s, &[]));
            },
            |(pipeline, _)| pipeline.sum_of("_count"),
        ))
    }

    fn labels(&self) -> Option<Recording> {
        let pipeline = Pages::new();
        let counter = pipeline.counter("calls".to_owned());
        Some(Recording::new(
            (pipeline, counter),
            |(_, counter), lap| {
                lap.label_pairs(|rpc, peer| counter.add(1, &attributes(rpc, peer)));
            },
            |(pipeline, _)| pipeline.sum_of("calls_total"),
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let pipeline = Pages::new();
        fill_counters(&pipeline.meter());
        Some(pipeline.scrape())
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let pipeline = Pages::new();
        fill_histograms(&pipeline.meter());
        Some(pipeline.scrape())
    }

    fn encode_counters(&self, format: Format) -> Option<Scrape> {
        (format == Format::Otlp).then(|| otlp(fill_counters))
    }

    fn encode_histograms(&self, format: Format) -> Option<Scrape> {
        (format == Format::Otlp).then(|| otlp(fill_histograms))
    }
}

fn attributes(rpc: &str, peer: &str) -> [KeyValue; 2] {
    [KeyValue::new(LABEL_NAMES[0], rpc.to_owned()), KeyValue::new(LABEL_NAMES[1], peer.to_owned())]
}
