//! `metrics` with `metrics-exporter-prometheus`.
//!
//! Counters and histograms are recorded through handles kept by the caller, the crate's faster way.
//! Labels that the caller only borrows cannot be kept in a handle and go through the `counter!`
//! macro and the process's global recorder, as an application would install it.
//!
//! The exporter keeps every sample of a histogram until its upkeep runs. No upkeep runs during a
//! lap: its time, which an application pays elsewhere, is not in the numbers.

use std::sync::OnceLock;

use metrics::{Counter, Histogram, counter, histogram, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::harness::workload::{
    self, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_NAMES, bounds_seconds, label_pairs,
    latencies_seconds,
};
use crate::harness::{Recording, Rival, Scrape, page};

pub struct Metrics;

fn recorder() -> PrometheusRecorder {
    let builder = PrometheusBuilder::new().set_buckets(&bounds_seconds());
    builder.expect("there are bounds").build_recorder()
}

/// The process's recorder, installed once and used by the look-up of labels alone.
fn global() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("nothing else installs one");
        handle
    })
}

impl Rival for Metrics {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["metrics", "metrics-exporter-prometheus"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let recorder = recorder();
        let counters: Vec<Counter> = with_local_recorder(&recorder, || {
            (0..count).map(|i| counter!(format!("counter_{i}"))).collect()
        });
        Some(Recording::new(
            (recorder.handle(), counters),
            |(_, counters), lap| lap.in_turn(counters, |counter| counter.increment(1)),
            |(handle, _)| page::sum_of(&handle.render(), ""),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        let recorder = recorder();
        let histogram: Histogram = with_local_recorder(&recorder, || histogram!("latency_seconds"));
        Some(Recording::new(
            (recorder.handle(), histogram),
            |(_, histogram), lap| lap.latencies_in_seconds(histogram, Histogram::record),
            |(handle, _)| page::sum_of(&handle.render(), "_count"),
        ))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            global(),
            |_, lap| {
                lap.label_pairs(|rpc, peer| {
                    counter!("calls_total", "rpc" => rpc.to_owned(), "peer" => peer.to_owned())
                        .increment(1);
                });
            },
            |handle| page::sum_of(&handle.render(), "calls_total"),
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let recorder = recorder();
        with_local_recorder(&recorder, || {
            for family in 0..COUNTER_FAMILIES {
                let name = format!("{}_total", workload::counter_family(family));
                metrics::describe_counter!(name.clone(), workload::HELP);
                workload::each_counter(family..family + 1, |_, rpc, peer, value| {
                    counter!(name.clone(), &labels(rpc, peer)).increment(value);
                });
            }
        });
        Some(scrape(recorder.handle()))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let recorder = recorder();
        with_local_recorder(&recorder, || {
            for family in 0..HISTOGRAM_FAMILIES {
                let name = format!("{}_seconds", workload::histogram_family(family));
                metrics::describe_histogram!(name.clone(), workload::HELP);
                for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
                    let histogram = histogram!(name.clone(), &labels(rpc, peer));
                    workload::histogram_values(family, pair)
                        .for_each(|index| histogram.record(latencies_seconds()[index]));
                }
            }
        });
        Some(scrape(recorder.handle()))
    }
}

fn labels(rpc: &str, peer: &str) -> [(&'static str, String); 2] {
    [(LABEL_NAMES[0], rpc.to_owned()), (LABEL_NAMES[1], peer.to_owned())]
}

fn scrape(handle: PrometheusHandle) -> Scrape {
    let mut page = Vec::new();
    Box::new(move |deliver| {
        page.clear();
        handle.render_to_write(&mut page).expect("writing to memory");
        deliver(&page);
    })
}
