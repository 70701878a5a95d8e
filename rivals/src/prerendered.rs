//! What a page costs at least: its every byte but the numbers was written beforehand.
//!
//! The values are relaxed loads: a page of a metrics crate orders nothing either.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::harness::workload::{
    self, BOUNDS_NS, BUCKETS, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_PAIRS, label_pairs,
    latencies_ns,
};
use crate::harness::{Rival, Scrape};

/// Prefixes and `itoa`.
pub struct Prerendered;

impl Rival for Prerendered {
    fn name(&self) -> &'static str {
        "limit: pre-rendered + itoa"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["itoa"]
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let mut lines: Vec<(String, AtomicU64)> = Vec::new();
        for family in 0..COUNTER_FAMILIES {
            let name = workload::counter_family(family);
            let mut heading = heading(&name, "counter");
            workload::each_counter(family..family + 1, |_, rpc, peer, value| {
                let heading = std::mem::take(&mut heading);
                let prefix = format!("{heading}{name}_total{{rpc=\"{rpc}\",peer=\"{peer}\"}} ");
                lines.push((prefix, AtomicU64::new(value)));
            });
        }
        let mut page = Vec::new();
        Some(Box::new(move |deliver| {
            page.clear();
            for (prefix, value) in &lines {
                append(&mut page, prefix, value.load(Relaxed));
            }
            deliver(&page);
        }))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let mut histograms = Vec::new();
        for family in 0..HISTOGRAM_FAMILIES {
            let name = format!("{}_seconds", workload::histogram_family(family));
            let mut heading = heading(&name, "histogram");
            for pair in 0..LABEL_PAIRS {
                let heading = std::mem::take(&mut heading);
                histograms.push(PrerenderedHistogram::new(&heading, &name, family, pair));
            }
        }
        let mut page = Vec::new();
        Some(Box::new(move |deliver| {
            page.clear();
            histograms.iter().for_each(|histogram| histogram.append_to(&mut page));
            deliver(&page);
        }))
    }
}

fn heading(name: &str, kind: &str) -> String {
    format!("# HELP {name} {}\n# TYPE {name} {kind}\n", workload::HELP)
}

fn append(page: &mut Vec<u8>, prefix: &str, value: u64) {
    page.extend_from_slice(prefix.as_bytes());
    page.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    page.push(b'\n');
}

/// A histogram's values, and the text that stands before each of them.
struct PrerenderedHistogram {
    buckets: [(String, AtomicU64); BUCKETS + 1],
    sum: (String, AtomicU64),
    count: String,
}

impl PrerenderedHistogram {
    fn new(heading: &str, name: &str, family: usize, pair: usize) -> Self {
        let (rpc, peer) = &label_pairs()[pair];
        let labels = format!("rpc=\"{rpc}\",peer=\"{peer}\"");
        let buckets = std::array::from_fn(|bucket| {
            let heading = if bucket == 0 { heading } else { "" };
            let bound = match BOUNDS_NS.get(bucket) {
                Some(&ns) => (ns as f64 / 1e9).to_string(),
                None => "+Inf".to_owned(),
            };
            let prefix = format!("{heading}{name}_bucket{{{labels},le=\"{bound}\"}} ");
            (prefix, AtomicU64::new(0))
        });
        let sum = (format!("{name}_sum{{{labels}}} "), AtomicU64::new(0));
        let histogram = Self { buckets, sum, count: format!("{name}_count{{{labels}}} ") };
        for index in workload::histogram_values(family, pair) {
            let ns = latencies_ns()[index];
            let bucket = BOUNDS_NS.partition_point(|&bound| bound < ns);
            histogram.buckets[bucket].1.fetch_add(1, Relaxed);
            histogram.sum.1.fetch_add(ns, Relaxed);
        }
        histogram
    }

    fn append_to(&self, page: &mut Vec<u8>) {
        let mut count = 0;
        for (prefix, value) in &self.buckets {
            count += value.load(Relaxed);
            append(page, prefix, count);
        }
        // Nanoseconds as seconds: digits and a decimal exponent, without a floating-point number.
        append(page, &self.sum.0, self.sum.1.load(Relaxed));
        page.pop();
        page.extend_from_slice(b"e-9\n");
        append(page, &self.count, count);
    }
}
