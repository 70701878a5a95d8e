//! `measured`: typed label groups over dense or sharded tables of atomics.
//!
//! Label values that are known only at run time are interned by `paracord`, as in the crate's own
//! benchmarks.

use measured::metric::MetricFamilyEncoding;
use measured::metric::group::Encoding;
use measured::metric::histogram::Thresholds;
use measured::metric::name::MetricName;
use measured::text::BufferedTextEncoder;
use measured::{Counter, CounterVec, Histogram, HistogramVec, LabelGroup};
use paracord::ParaCord;

use crate::harness::workload::{
    self, BUCKETS, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, bounds_seconds, label_pairs,
    latencies_seconds,
};
use crate::harness::{Recording, Rival, Scrape};

pub struct Measured;

#[derive(Clone, Copy, LabelGroup)]
#[label(set = CallSet)]
struct Call<'a> {
    #[label(dynamic_with = ParaCord)]
    rpc: &'a str,
    #[label(dynamic_with = ParaCord)]
    peer: &'a str,
}

fn calls() -> CallSet {
    CallSet { rpc: ParaCord::default(), peer: ParaCord::default() }
}

fn thresholds() -> Thresholds<BUCKETS> {
    Thresholds::with_buckets(bounds_seconds())
}

impl Rival for Measured {
    fn name(&self) -> &'static str {
        "measured"
    }

    fn crates(&self) -> &'static [&'static str] {
        &["measured", "paracord"]
    }

    fn counters(&self, count: usize) -> Option<Recording> {
        let counters: Vec<Counter> = (0..count).map(|_| Counter::new()).collect();
        Some(Recording::new(
            counters,
            |counters, lap| lap.in_turn(counters, Counter::inc),
            |counters| counters.iter().map(count_of).sum(),
        ))
    }

    fn histogram(&self) -> Option<Recording> {
        Some(Recording::new(
            Histogram::with_metadata(thresholds()),
            |histogram, lap| lap.latencies_in_seconds(histogram, Histogram::observe),
            |histogram| {
                let state = histogram.get_metric();
                let state = state.inner.read();
                let cells = state.buckets.iter().chain([&state.inf]);
                cells.map(|cell| cell.load(std::sync::atomic::Ordering::Relaxed)).sum()
            },
        ))
    }

    fn labels(&self) -> Option<Recording> {
        Some(Recording::new(
            CounterVec::with_label_set(calls()),
            |counters, lap| lap.label_pairs(|rpc, peer| counters.inc(Call { rpc, peer })),
            |counters| {
                let values = label_pairs().iter().map(|(rpc, peer)| {
                    let series = counters.with_labels(Call { rpc, peer });
                    counters.get_metric(series).count.load(std::sync::atomic::Ordering::Relaxed)
                });
                values.sum()
            },
        ))
    }

    fn scrape_counters(&self) -> Option<Scrape> {
        let family = |family| {
            let counters = CounterVec::with_label_set(calls());
            workload::each_counter(family..family + 1, |_, rpc, peer, value| {
                counters.inc_by(Call { rpc, peer }, value);
            });
            (format!("{}_total", workload::counter_family(family)), counters)
        };
        Some(scrape((0..COUNTER_FAMILIES).map(family).collect()))
    }

    fn scrape_histograms(&self) -> Option<Scrape> {
        let family = |family| {
            let histograms = HistogramVec::with_label_set_and_metadata(calls(), thresholds());
            for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
                workload::histogram_values(family, pair).for_each(|index| {
                    histograms.observe(Call { rpc, peer }, latencies_seconds()[index]);
                });
            }
            (format!("{}_seconds", workload::histogram_family(family)), histograms)
        };
        Some(scrape((0..HISTOGRAM_FAMILIES).map(family).collect()))
    }
}

fn count_of(counter: &Counter) -> u64 {
    counter.get_metric().count.load(std::sync::atomic::Ordering::Relaxed)
}

fn scrape<M>(families: Vec<(String, M)>) -> Scrape
where
    M: MetricFamilyEncoding<BufferedTextEncoder> + 'static,
{
    let mut encoder = BufferedTextEncoder::new();
    Box::new(move |deliver| {
        for (name, metric) in &families {
            let name = MetricName::try_from_str(name).expect("a valid name");
            encoder.write_help(name, workload::HELP).expect("the buffer grows");
            metric.collect_family_into(name, &mut encoder).expect("the buffer grows");
        }
        deliver(&encoder.finish());
    })
}
