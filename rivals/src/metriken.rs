//! `metriken` with `metriken-exposition`.
//!
//! The sharded kinds are used throughout: they are the crate's own for many threads. A histogram is
//! recorded with buckets 0.8 % wide, as in the crate's examples, and without a sum; the page's
//! histograms have 16 buckets of an octave each, in microseconds, and sums that the exposition
//! estimates.
//!
//! A family's member is created from labels and then kept; there is no look-up by labels.

use std::collections::HashMap;

use metriken::{
    DynBoxedMetric, Metric, MetricBuilder, ShardedCounterGroup, ShardedCounterHistogram,
    ShardedCounterHistogramGroup,
};
use metriken_exposition::{PrometheusOptions, prometheus_text};

use crate::harness::workload::{
    self, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_NAMES, LABEL_PAIRS, label_pairs, latencies_ns,
};
use crate::harness::{Recording, Rival, Scrape};

pub struct Metriken;

impl Rival for Metriken {
    fn name(&self) -> &'static str {
        "metriken"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["metriken", "metriken-exposition"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        Some(Recording::new(
            registered("counters".to_owned(), ShardedCounterGroup::new(count)),
            move |group, lap| {
                let slots: Vec<usize> = (0..count).collect();
                lap.in_turn(&slots, |&slot| _ = group.increment(slot));
            },
            |group| group.load().unwrap_or_default().iter().sum(),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            registered("latency".to_owned(), ShardedCounterHistogram::new(7, 64)),
            |histogram, lap| {
                lap.latencies(&**histogram, |histogram, ns| {
                    histogram.increment(ns).expect("every u64 is in range");
                });
            },
            |histogram| histogram.load().map_or(0, |loaded| loaded.as_slice().iter().sum()),
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let family = |family| {
            let group = ShardedCounterGroup::new(LABEL_PAIRS);
            for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
                group.set_metadata(pair, labels(rpc, peer));
                group.add(pair, workload::counter_value(family, pair));
            }
            registered(format!("{}_total", workload::counter_family(family)), group)
        };
        Some(scrape((0..COUNTER_FAMILIES).map(family).collect()))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let family = |family| {
            let group = ShardedCounterHistogramGroup::new(LABEL_PAIRS, 0, 15);
            for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
                group.set_metadata(pair, labels(rpc, peer));
                for index in workload::histogram_values(family, pair) {
                    group.increment(pair, latencies_ns()[index] / 1_000).expect("below 2^15 µs");
                }
            }
            registered(format!("{}_microseconds", workload::histogram_family(family)), group)
        };
        Some(scrape((0..HISTOGRAM_FAMILIES).map(family).collect()))
    }
}

/// In the process's registry for as long as it lives.
fn registered<M: Metric>(name: String, metric: M) -> DynBoxedMetric<M> {
    MetricBuilder::new(name).description(workload::HELP).build(metric)
}

fn labels(rpc: &str, peer: &str) -> HashMap<String, String> {
    LABEL_NAMES.map(str::to_owned).into_iter().zip([rpc.to_owned(), peer.to_owned()]).collect()
}

fn scrape<M: Metric>(families: Vec<DynBoxedMetric<M>>) -> Scrape {
    let options = PrometheusOptions::default();
    Box::new(move |deliver| {
        // The registry is global: the page has what is alive, which is these families.
        let _alive = &families;
        deliver(prometheus_text(&options).as_bytes());
    })
}
