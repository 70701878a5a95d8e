//! `prometheus-client` (prometheus/client_rust).
//!
//! Label sets are typed, as the crate recommends for speed. A family is looked up by a reference to
//! the label set that it stores, so values that the caller only borrows are copied into one first.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::harness::workload::{
    self, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, bounds_seconds, label_pairs, latencies_seconds,
};
use crate::harness::{Format, Recording, Rival, Scrape, page};

pub struct PrometheusClient;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    rpc: String,
    peer: String,
}

impl Call {
    fn new(rpc: &str, peer: &str) -> Self {
        Self { rpc: rpc.to_owned(), peer: peer.to_owned() }
    }
}

fn histogram() -> Histogram {
    Histogram::new(bounds_seconds())
}

fn render(registry: &Registry) -> String {
    let mut page = String::new();
    text::encode(&mut page, registry).expect("writing to memory");
    page
}

impl Rival for PrometheusClient {
    fn name(&self) -> &'static str {
        "prometheus-client"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["prometheus-client"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let counters: Vec<Counter> = (0..count).map(|_| Counter::default()).collect();
        Some(Recording::new(
            counters,
            |counters, lap| lap.in_turn(counters, |counter| _ = counter.inc()),
            |counters| counters.iter().map(|counter| counter.get()).sum(),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let mut registry = Registry::default();
        let histogram = histogram();
        registry.register("latency", workload::HELP, histogram.clone());
        Some(Recording::new(
            (registry, histogram),
            |(_, histogram), lap| lap.latencies_in_seconds(histogram, Histogram::observe),
            |(registry, _)| page::sum_of(&render(registry), "_count"),
        ))
    }

    fn labels(&self) -> Option<Recording> {
        let mut registry = Registry::default();
        let calls = Family::<Call, Counter>::default();
        registry.register("calls", workload::HELP, calls.clone());
        Some(Recording::new(
            (registry, calls),
            |(_, calls), lap| {
                lap.label_pairs(|rpc, peer| _ = calls.get_or_create(&Call::new(rpc, peer)).inc());
            },
            |(registry, _)| page::sum_of(&render(registry), "calls_total"),
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let mut registry = Registry::default();
        for family in 0..COUNTER_FAMILIES {
            let counters = Family::<Call, Counter>::default();
            workload::each_counter(family..family + 1, |_, rpc, peer, value| {
                counters.get_or_create(&Call::new(rpc, peer)).inc_by(value);
            });
            registry.register(workload::counter_family(family), workload::HELP, counters);
        }
        Some(scrape(registry))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let mut registry = Registry::default();
        for family in 0..HISTOGRAM_FAMILIES {
            let histograms = Family::<Call, Histogram>::new_with_constructor(histogram);
            for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
                let histogram = histograms.get_or_create_owned(&Call::new(rpc, peer));
                workload::histogram_values(family, pair)
                    .for_each(|index| histogram.observe(latencies_seconds()[index]));
            }
            let name = workload::histogram_family(family);
            registry.register_with_unit(name, workload::HELP, Unit::Seconds, histograms);
        }
        Some(scrape(registry))
    }

    /// The crate's text is OpenMetrics, which Prometheus text's readers take too.
    fn encode_counters(&self, format: Format) -> Option<Scrape> {
        (format == Format::OpenMetrics).then(|| self.scrape_counters()).flatten()
    }

    fn encode_histograms(&self, format: Format) -> Option<Scrape> {
        (format == Format::OpenMetrics).then(|| self.scrape_histograms()).flatten()
    }
}

fn scrape(registry: Registry) -> Scrape {
    let mut page = String::new();
    Box::new(move |deliver| {
        page.clear();
        text::encode(&mut page, &registry).expect("writing to memory");
        deliver(page.as_bytes());
    })
}
