//! Workloads whose every quantile is known, and how near a histogram comes to them.

use super::histogram::bucket_of;
use super::load::Values;
use super::random::Random;
use crate::HistogramSnapshot;
use std::fmt;

/// The values of a workload, all of them: 8 bytes each.
///
/// ```
/// use tachometer::{Registry, testing::{Collector, Values, Workload}};
/// let test = Collector::new();
/// let latency = test.registry().histogram("latency", "Latency.")?;
/// let known = Workload::draw(42, &Values::log_normal(1e6, 1.0)?, 10_000);
/// known.values().for_each(|value| latency.record(value));
/// test.cut().assert_histogram("latency", &[]).workload(&known);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// In the order in which they were given.
    values: Vec<u64>,
    sorted: Vec<u64>,
    sum: u128,
}

/// What an [accurate](Workload::accuracy) measurement is compared at: from the median to the far tail.
const QUANTILES: [f64; 10] = [0.0, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];

impl Workload {
    /// These values.
    pub fn new(values: impl IntoIterator<Item = u64>) -> Workload {
        let values: Vec<u64> = values.into_iter().collect();
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let sum = values.iter().map(|value| u128::from(*value)).sum();
        Workload { values, sorted, sum }
    }

    /// `count` values of a distribution, drawn from `seed`.
    pub fn draw(seed: u64, values: &Values, count: u64) -> Workload {
        let mut random = Random::stream(seed, "workload", 0);
        Workload::new((0..count).map(|number| values.draw(&mut random, number)))
    }

    /// Its values, in the order in which they were given.
    pub fn values(&self) -> impl Iterator<Item = u64> + '_ {
        self.values.iter().copied()
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.values.len() as u64
    }

    /// What they add up to.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The value below or at which the fraction `q` (0 to 1) lies: exactly. `None` without values.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = (q.clamp(0.0, 1.0) * self.count() as f64).ceil() as usize;
        self.sorted.get(rank.saturating_sub(1)).copied()
    }

    /// How near `measured` comes: count, sum (exact within the bounds of [`HistogramSnapshot::sum`]), and quantiles from the
    /// smallest value to the largest.
    pub fn accuracy(&self, measured: &HistogramSnapshot) -> Accuracy {
        let mut accuracy = Accuracy {
            counts: (self.count(), measured.count()),
            sums: (self.sum, measured.sum()),
            worst: None,
            outside: Vec::new(),
        };
        for q in QUANTILES {
            let (Some(exact), Some(is)) = (self.quantile(q), measured.quantile(q)) else {
                continue;
            };
            let (low, high) = bucket_of(measured, exact);
            let error = (is as f64 - exact as f64).abs() / (exact as f64).max(1.0);
            if accuracy.worst.is_none_or(|worst| worst.error < error) {
                accuracy.worst = Some(QuantileError { q, exact, measured: is, error });
            }
            if !(low..=high).contains(&is) {
                accuracy.outside.push(QuantileError { q, exact, measured: is, error });
            }
        }
        accuracy
    }
}

/// How near a histogram comes to a [`Workload`].
#[derive(Clone, Debug, PartialEq)]
pub struct Accuracy {
    /// Values of the workload, and measured.
    pub counts: (u64, u64),
    /// Sums of the workload, and measured.
    pub sums: (u128, u128),
    /// The quantile that is furthest off.
    pub worst: Option<QuantileError>,
    /// The quantiles that are not in the bucket of the exact value: there should be none.
    pub outside: Vec<QuantileError>,
}

/// A quantile, as it is and as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileError {
    /// Which one, 0 to 1.
    pub q: f64,
    /// What it is.
    pub exact: u64,
    /// What was measured.
    pub measured: u64,
    /// How far that is off, as a part of the exact one.
    pub error: f64,
}

impl Accuracy {
    /// Whether count and sum are exact and each quantile is within the histogram's precision.
    pub fn holds(&self) -> bool {
        self.counts.0 == self.counts.1 && self.sums.0 == self.sums.1 && self.outside.is_empty()
    }
}

impl fmt::Display for QuantileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QuantileError { q, exact, measured, error } = self;
        write!(f, "quantile {q} is {measured}, not {exact} ({:.3} % off)", 100.0 * error)
    }
}

impl fmt::Display for Accuracy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict =
            if self.holds() { "as precise as it should be" } else { "not what was recorded" };
        write!(f, "{verdict}: {} of {} values", self.counts.1, self.counts.0)?;
        write!(f, ", sum {} of {}", self.sums.1, self.sums.0)?;
        if let Some(worst) = self.worst {
            write!(f, ", at worst {worst}")?;
        }
        self.outside.iter().try_for_each(|one| write!(f, "\n  outside its bucket: {one}"))
    }
}
