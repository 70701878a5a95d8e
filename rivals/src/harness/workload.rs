//! The workloads, which are the table's columns, and the data they use: the same for every rival.

use std::sync::LazyLock;

use super::Format::{self, OpenMetrics, Otlp, Protobuf};

/// How many latencies the histogram workloads go through; a power of two.
pub const LATENCIES: usize = 1 << 16;

/// How many finite bucket bounds an explicit histogram has.
pub const BUCKETS: usize = 16;

/// How many combinations of label values there are: ten procedures times ten peers.
pub const LABEL_PAIRS: usize = 100;

/// How many families the page of counters has: 100 series each, 10,000 in all.
pub const COUNTER_FAMILIES: usize = 100;

/// How many families the page of histograms has: 100 series each, 1,000 in all.
pub const HISTOGRAM_FAMILIES: usize = 10;

/// How many values each histogram of the page of histograms holds.
pub const VALUES_PER_HISTOGRAM: usize = 64;

/// What a column measures.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Adding one to `count` counters in turn.
    Counters { count: usize },
    /// Recording a latency.
    Histogram,
    /// Adding one to the counter of two label values that the caller borrows.
    Labels,
    /// Rendering 10,000 counters as Prometheus text.
    ScrapeCounters,
    /// Rendering 1,000 histograms of 16 buckets as Prometheus text.
    ScrapeHistograms,
    /// Rendering the counters in another format.
    EncodeCounters(Format),
    /// Rendering the histograms in another format.
    EncodeHistograms(Format),
}

/// One column of the table.
#[derive(Clone, Copy)]
pub struct Workload {
    /// The name in the raw results.
    pub id: &'static str,
    /// The column's heading.
    pub title: &'static str,
    pub kind: Kind,
    pub threads: usize,
}

impl Workload {
    /// Whether the column is a page in milliseconds and not a call in nanoseconds.
    pub fn is_scrape(&self) -> bool {
        !matches!(self.kind, Kind::Counters { .. } | Kind::Histogram | Kind::Labels)
    }
}

const fn column(id: &'static str, title: &'static str, kind: Kind, threads: usize) -> Workload {
    Workload { id, title, kind, threads }
}

const fn encoding(id: &'static str, title: &'static str, kind: Kind) -> Workload {
    column(id, title, kind, 1)
}

/// The columns from left to right.
pub const WORKLOADS: [Workload; 16] = [
    column("counter_1t_same", "counter 1T same", Kind::Counters { count: 1 }, 1),
    column("counter_1t_16", "counter 1T 16", Kind::Counters { count: 16 }, 1),
    column("counter_1t_64", "counter 1T 64", Kind::Counters { count: 64 }, 1),
    column("counter_2t_same", "counter 2T same", Kind::Counters { count: 1 }, 2),
    column("histogram_1t", "histogram 1T", Kind::Histogram, 1),
    column("histogram_2t", "histogram 2T", Kind::Histogram, 2),
    column("labels_1t", "labels 1T", Kind::Labels, 1),
    column("labels_2t", "labels 2T", Kind::Labels, 2),
    column("scrape_counters", "10k counters, ms", Kind::ScrapeCounters, 1),
    column("scrape_histograms", "1k histograms, ms", Kind::ScrapeHistograms, 1),
    encoding("openmetrics_counters", "OpenMetrics, 10k", Kind::EncodeCounters(OpenMetrics)),
    encoding("openmetrics_histograms", "OpenMetrics, 1k", Kind::EncodeHistograms(OpenMetrics)),
    encoding("protobuf_counters", "protobuf, 10k", Kind::EncodeCounters(Protobuf)),
    encoding("protobuf_histograms", "protobuf, 1k", Kind::EncodeHistograms(Protobuf)),
    encoding("otlp_counters", "OTLP, 10k", Kind::EncodeCounters(Otlp)),
    encoding("otlp_histograms", "OTLP, 1k", Kind::EncodeHistograms(Otlp)),
];

/// Lognormal latencies in nanoseconds: median 50 µs, sigma 0.8, the same sequence in every run.
pub fn latencies_ns() -> &'static [u64; LATENCIES] {
    static TABLE: LazyLock<Box<[u64; LATENCIES]>> = LazyLock::new(|| {
        let mut state = 88_172_645_463_325_252_u64;
        let mut uniform = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut lognormal = || {
            // The sum of twelve uniform numbers, less six, is near enough to a standard normal one.
            let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
            ((normal * 0.8).exp() * 50_000.0) as u64
        };
        let values: Vec<u64> = (0..LATENCIES).map(|_| lognormal()).collect();
        values.try_into().expect("LATENCIES values")
    });
    &TABLE
}

/// The same latencies in seconds, for crates that record floating-point seconds.
pub fn latencies_seconds() -> &'static [f64; LATENCIES] {
    static TABLE: LazyLock<Box<[f64; LATENCIES]>> = LazyLock::new(|| {
        let values: Vec<f64> = latencies_ns().iter().map(|&ns| ns as f64 / 1e9).collect();
        values.try_into().expect("LATENCIES values")
    });
    &TABLE
}

/// Upper bounds of the explicit buckets in nanoseconds: 1 µs, doubling up to 32.8 ms.
pub const BOUNDS_NS: [u64; BUCKETS] = {
    let mut bounds = [0; BUCKETS];
    let mut bucket = 0;
    while bucket < BUCKETS {
        bounds[bucket] = 1_000 << bucket;
        bucket += 1;
    }
    bounds
};

/// The same bounds in seconds.
pub fn bounds_seconds() -> [f64; BUCKETS] {
    BOUNDS_NS.map(|ns| ns as f64 / 1e9)
}

/// The names of the two labels.
pub const LABEL_NAMES: [&str; 2] = ["rpc", "peer"];

/// The combinations of label values, as strings that the caller owns and lends.
pub fn label_pairs() -> &'static [(String, String); LABEL_PAIRS] {
    const RPCS: [&str; 10] = [
        "append_entries",
        "install_snapshot",
        "pre_vote",
        "propose",
        "read_index",
        "request_vote",
        "status",
        "timeout_now",
        "transfer_leader",
        "watch",
    ];
    static TABLE: LazyLock<Box<[(String, String); LABEL_PAIRS]>> = LazyLock::new(|| {
        let pairs: Vec<_> = (0..LABEL_PAIRS)
            .map(|i| (RPCS[i % 10].to_owned(), format!("node-{:02}", i / 10)))
            .collect();
        pairs.try_into().expect("LABEL_PAIRS pairs")
    });
    &TABLE
}

/// The name of a family on the page of counters, without `_total`.
pub fn counter_family(family: usize) -> String {
    format!("component_{family:02}_requests")
}

/// The name of a family on the page of histograms, without its unit.
pub fn histogram_family(family: usize) -> String {
    format!("component_{family:02}_latency")
}

/// The help text of every family.
pub const HELP: &str = "Requests by procedure and peer";

/// What the counter of `pair` in `family` holds: numbers of one to eight digits.
pub fn counter_value(family: usize, pair: usize) -> u64 {
    let series = (family * LABEL_PAIRS + pair) as u64;
    1 + series * 7_919 % 10_u64.pow(1 + (series % 8) as u32)
}

/// What the histogram of `pair` in `family` holds: `VALUES_PER_HISTOGRAM` indices into the
/// latencies.
pub fn histogram_values(family: usize, pair: usize) -> impl Iterator<Item = usize> {
    let first = (family * LABEL_PAIRS + pair) * VALUES_PER_HISTOGRAM;
    (first..first + VALUES_PER_HISTOGRAM).map(|i| i % LATENCIES)
}

/// Calls `set` for every series of the page of counters: family, pair, its labels and its value.
pub fn each_counter(families: std::ops::Range<usize>, mut set: impl FnMut(usize, &str, &str, u64)) {
    for family in families {
        for (pair, (rpc, peer)) in label_pairs().iter().enumerate() {
            set(family, rpc, peer, counter_value(family, pair));
        }
    }
}
