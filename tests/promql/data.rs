//! The series that Prometheus and the evaluator are both given: everything that makes answers differ.

use crate::common::random::Random;
use crate::memory::{Memory, Stored};
use std::sync::Arc;
use tachometer::query::{Bucket, Distribution, Labels, STALE};

/// The first sample; a multiple of an hour.
pub const START: i64 = 1_700_002_800_000;
/// How long there are samples.
pub const SPAN: i64 = 100 * 60_000;
const SCRAPE: i64 = 15_000;

/// A native histogram as remote write has it.
#[derive(Clone, Debug)]
pub struct Native {
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: u64,
    /// Index and count, ascending.
    pub positive: Vec<(i32, u64)>,
    pub negative: Vec<(i32, u64)>,
    pub sum: f64,
}

impl Native {
    pub fn count(&self) -> u64 {
        self.zero_count
            + self.positive.iter().chain(&self.negative).map(|(_, count)| count).sum::<u64>()
    }

    pub fn distribution(&self) -> Distribution {
        let bound = |index: i32| 2f64.powf(f64::from(index) * 2f64.powi(-self.schema));
        let positive = self.positive.iter().map(|&(index, count)| Bucket {
            lower: bound(index - 1),
            upper: bound(index),
            count: count as f64,
        });
        let negative = self.negative.iter().map(|&(index, count)| Bucket {
            lower: -bound(index),
            upper: -bound(index - 1),
            count: count as f64,
        });
        let zero = self.zero_threshold;
        let zero = Bucket { lower: -zero, upper: zero, count: self.zero_count as f64 };
        let buckets = positive.chain(negative).chain([zero]).collect();
        Distribution::new(self.count() as f64, self.sum, buckets)
    }
}

/// A series as it is sent. A native histogram that is `None` is a stale marker.
pub struct Sent {
    pub labels: Labels,
    pub floats: Vec<(i64, f64)>,
    pub natives: Vec<(i64, Option<Native>)>,
}

/// All of them as the evaluator reads them.
pub fn memory(sent: &[Sent]) -> Memory {
    let stored = sent.iter().map(|series| {
        let mut floats = series.floats.clone();
        let mut histograms = Vec::new();
        for (time, native) in &series.natives {
            match native {
                Some(native) => histograms.push((*time, Arc::new(native.distribution()))),
                None => floats.push((*time, STALE)),
            }
        }
        Arc::new(Stored { labels: series.labels.clone(), floats, histograms })
    });
    Memory(stored.collect())
}

fn times() -> impl Iterator<Item = i64> {
    (0..=SPAN / SCRAPE).map(|index| START + index * SCRAPE)
}

struct Build {
    random: Random,
    sent: Vec<Sent>,
}

impl Build {
    fn floats(&mut self, labels: &[(&str, &str)], floats: Vec<(i64, f64)>) {
        let labels = Labels::new(labels.iter().copied());
        self.sent.push(Sent { labels, floats, natives: Vec::new() });
    }

    fn unit(&mut self) -> f64 {
        self.random.below(1 << 30) as f64 / f64::from(1 << 30)
    }

    /// Counters with resets and gaps.
    fn counters(&mut self) {
        let instances = [("api", "a"), ("api", "b"), ("api", "c"), ("db", "a"), ("db", "d")];
        for (job, instance) in instances {
            for code in ["200", "404", "500"] {
                let (mut value, mut samples, mut gap) = (0.0, Vec::new(), 0u64);
                let phase = self.random.below(SCRAPE as u64) as i64;
                for time in times() {
                    value += self.random.magnitude(6) as f64;
                    if self.random.below(150) == 0 {
                        value = self.random.below(5) as f64;
                    }
                    if self.random.below(90) == 0 {
                        gap = self.random.below(40);
                    }
                    gap = gap.saturating_sub(1);
                    if gap == 0 && time + phase <= START + SPAN {
                        samples.push((time + phase, value));
                    }
                }
                let labels = [
                    ("__name__", "http_requests_total"),
                    ("job", job),
                    ("instance", instance),
                    ("code", code),
                ];
                self.floats(&labels, samples);
            }
        }
    }

    /// Gauges: below zero, NaN, infinite, integers, single ones.
    fn gauges(&mut self) {
        for (room, special) in
            [("kitchen", ""), ("hall", "nan"), ("attic", "inf"), ("cellar", ""), ("none", "all")]
        {
            let mut value = 20.0 * self.unit() - 5.0;
            let mut samples = Vec::new();
            for time in times() {
                value += self.unit() - 0.5;
                let shown = match (special, self.random.below(12)) {
                    ("nan", 0) | ("all", _) => f64::NAN,
                    ("inf", 0) => f64::INFINITY,
                    ("inf", 1) => f64::NEG_INFINITY,
                    _ => value,
                };
                samples.push((time, shown));
            }
            self.floats(&[("__name__", "temperature"), ("room", room)], samples);
        }
        for (job, instance) in [("api", "a"), ("api", "b"), ("db", "a"), ("web", "z")] {
            let samples = times().map(|time| (time, self.random.below(7) as f64)).collect();
            self.floats(
                &[("__name__", "queue_length"), ("job", job), ("instance", instance)],
                samples,
            );
        }
        let constants =
            [("zero", 0.0), ("minus_zero", -0.0), ("one", 1.0), ("huge", 1e300), ("tiny", 5e-324)];
        for (kind, value) in constants {
            let samples = times().map(|time| (time, value)).collect();
            self.floats(&[("__name__", "constant"), ("kind", kind)], samples);
        }
        for (index, version) in ["1.0", "1.1", "2.0"].iter().enumerate() {
            let job = ["api", "db", "api"][index];
            let samples = times().map(|time| (time, 1.0)).collect();
            let instance = ["a", "a", "b"][index];
            let labels = [
                ("__name__", "build_info"),
                ("job", job),
                ("instance", instance),
                ("version", *version),
            ];
            self.floats(&labels, samples);
        }
        let samples = times().map(|time| (time, (time / 1000) as f64)).collect();
        self.floats(&[("__name__", "start_time_seconds")], samples);
        self.floats(&[("__name__", "lonely"), ("a", "b")], vec![(START + 3_000_000, 42.5)]);
    }

    /// Series that end and begin, are rare, or irregular.
    fn odd_times(&mut self) {
        for pod in ["p1", "p2", "p3"] {
            let (mut samples, mut alive, mut value) = (Vec::new(), true, 0.0);
            for time in times() {
                value += self.random.below(10) as f64;
                if self.random.below(25) == 0 {
                    if alive {
                        samples.push((time, STALE));
                    }
                    alive = !alive;
                    value = 0.0;
                } else if alive {
                    samples.push((time, value));
                }
            }
            self.floats(&[("__name__", "pod_restarts_total"), ("pod", pod)], samples);
        }
        let samples = (0..SPAN / 240_000).map(|i| (START + i * 240_000, (i * i) as f64)).collect();
        self.floats(&[("__name__", "rare")], samples);
        let (mut time, mut samples) = (START, Vec::new());
        while time < START + SPAN {
            samples.push((time, self.unit() * 1e6));
            time += 1 + self.random.below(40_000) as i64;
        }
        self.floats(
            &[("__name__", "irregular"), ("empty", ""), ("text", "ünï \"q\" \\ \n")],
            samples,
        );
    }

    /// Classic histograms, one of them with a bucket missing now and then.
    fn classic(&mut self) {
        let bounds = ["0.1", "0.25", "0.5", "1", "2.5", "+Inf"];
        for (job, path) in [("api", "/"), ("api", "/x"), ("db", "/")] {
            let mut counts = [0u64; 6];
            let (mut sum, mut rows, mut sums) = (0.0, vec![Vec::new(); 6], Vec::new());
            for time in times() {
                for _ in 0..self.random.below(30) {
                    let bucket = self.random.below(6) as usize;
                    counts[bucket..].iter_mut().for_each(|count| *count += 1);
                    sum += self.unit() * 3.0;
                }
                for (row, count) in rows.iter_mut().zip(counts) {
                    if path != "/x" || self.random.below(20) > 0 {
                        row.push((time, count as f64));
                    }
                }
                sums.push((time, sum));
            }
            for (bound, row) in bounds.iter().zip(rows) {
                let labels = [
                    ("__name__", "latency_seconds_bucket"),
                    ("job", job),
                    ("path", path),
                    ("le", bound),
                ];
                if *bound == "+Inf" {
                    let mut labels = labels;
                    labels[0].1 = "latency_seconds_count";
                    self.floats(&labels[..3], row.clone());
                }
                self.floats(&labels, row);
            }
            self.floats(&[("__name__", "latency_seconds_sum"), ("job", job), ("path", path)], sums);
        }
        for (bound, count) in [("-1", 3.0), ("1", 5.0), ("oops", 1.0), ("Inf", 9.0)] {
            let samples = times().map(|time| (time, count)).collect();
            self.floats(&[("__name__", "negative_bucket"), ("le", bound)], samples);
        }
    }

    /// Native histograms that rise, are reset, end and come back.
    fn natives(&mut self) {
        for (job, schema, odd) in [("api", 3, false), ("db", 3, true), ("web", 0, false)] {
            let fresh = Native {
                schema,
                zero_threshold: 1e-3,
                zero_count: 0,
                positive: (-6..10).map(|index| (index, 1)).collect(),
                negative: if odd { vec![(1, 1), (4, 1)] } else { Vec::new() },
                sum: 10.0,
            };
            let (mut native, mut natives) = (fresh.clone(), Vec::new());
            for time in times() {
                for (_, count) in native.positive.iter_mut().chain(&mut native.negative) {
                    *count += self.random.below(4);
                }
                native.zero_count += self.random.below(2);
                native.sum += self.unit() * 30.0;
                match self.random.below(60) {
                    0 if odd => native = fresh.clone(),
                    1 if odd => {
                        natives.push((time, None));
                        continue;
                    }
                    _ => {}
                }
                natives.push((time, Some(native.clone())));
            }
            let labels = Labels::new([("__name__", "native_seconds"), ("job", job)]);
            self.sent.push(Sent { labels, floats: Vec::new(), natives });
        }
    }
}

/// The same series each time.
pub fn series() -> Vec<Sent> {
    let mut build = Build { random: Random::new(4), sent: Vec::new() };
    build.counters();
    build.gauges();
    build.odd_times();
    build.classic();
    build.natives();
    build.sent
}
