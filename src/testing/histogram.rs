//! Assertions on what a histogram recorded.

use super::accuracy::Workload;
use super::recorded::{Checked, held};
use crate::HistogramSnapshot;
use crate::snapshot::histogram::bucket_bounds;
use std::fmt::Debug;
use std::ops::RangeBounds;

/// What a histogram recorded between two cuts, from
/// [`Recorded::assert_histogram`](super::Recorded::assert_histogram). Values are in the recorded unit: nanoseconds, bytes, items.
/// Each method asserts one thing and gives the histogram on.
#[derive(Clone, Debug)]
pub struct RecordedHistogram {
    what: String,
    found: HistogramSnapshot,
}

impl RecordedHistogram {
    pub(super) fn new(what: String, found: HistogramSnapshot) -> RecordedHistogram {
        RecordedHistogram { what, found }
    }

    /// What it recorded, to read from.
    pub fn snapshot(&self) -> &HistogramSnapshot {
        &self.found
    }

    /// It recorded so many values.
    ///
    /// # Panics
    /// It did not; as all of these.
    #[track_caller]
    pub fn count(self, expected: u64) -> Self {
        let count = self.found.count();
        self.exactly("count", count, expected)
    }

    /// They add up to so much: exactly.
    ///
    /// # Panics
    /// They do not.
    #[track_caller]
    pub fn sum(self, expected: u128) -> Self {
        let sum = self.found.sum();
        self.exactly("sum", sum, expected)
    }

    /// The smallest is in the same bucket as this.
    ///
    /// # Panics
    /// It is not, or there is none.
    #[track_caller]
    pub fn min(self, expected: u64) -> Self {
        held(self.within("minimum", self.found.min(), expected));
        self
    }

    /// The largest is in the same bucket as this.
    ///
    /// # Panics
    /// It is not, or there is none.
    #[track_caller]
    pub fn max(self, expected: u64) -> Self {
        held(self.within("maximum", self.found.max(), expected));
        self
    }

    /// The fraction `q` (0 to 1) of all values lies at or below this, within the histogram's precision: it is in the same bucket.
    ///
    /// # Panics
    /// It is not, or there are no values.
    #[track_caller]
    pub fn quantile(self, q: f64, expected: u64) -> Self {
        held(self.within(&format!("quantile {q}"), self.found.quantile(q), expected));
        self
    }

    /// The fraction `q` (0 to 1) of all values lies at or below one of these.
    ///
    /// # Panics
    /// It does not, or there are no values.
    #[track_caller]
    pub fn quantile_in(self, q: f64, expected: impl RangeBounds<u64> + Debug) -> Self {
        match self.found.quantile(q) {
            Some(is) if expected.contains(&is) => self,
            is => panic!("{}", self.told(&format!("quantile {q}"), &is, &expected)),
        }
    }

    /// It recorded this workload: count and sum exactly, extremes and all quantiles within its precision. See
    /// [`Workload::accuracy`].
    ///
    /// # Panics
    /// It did not; the message says where it is worst.
    #[track_caller]
    pub fn workload(self, expected: &Workload) -> Self {
        let accuracy = expected.accuracy(&self.found);
        if !accuracy.holds() {
            panic!("{}: {accuracy}", self.what);
        }
        self
    }

    #[track_caller]
    fn exactly<T: PartialEq + Debug>(self, part: &str, is: T, expected: T) -> Self {
        if is != expected {
            panic!("{}", self.told(part, &Some(is), &expected));
        }
        self
    }

    fn within(&self, part: &str, is: Option<u64>, expected: u64) -> Checked {
        let (low, high) = bucket_of(&self.found, expected);
        match is {
            Some(is) if (low..=high).contains(&is) => Ok(()),
            _ => Err(format!(
                "{} (whose bucket is {low} to {high})",
                self.told(part, &is, &expected)
            )),
        }
    }

    fn told(&self, part: &str, is: &Option<impl Debug>, expected: &impl Debug) -> String {
        let found = &self.found;
        let (what, count, sum) = (&self.what, found.count(), found.sum());
        let is = is.as_ref().map_or("nothing".to_owned(), |is| format!("{is:?}"));
        let quantiles = [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
        let quantiles = quantiles.map(|(name, q)| {
            found.quantile(q).map_or(String::new(), |value| format!(", {name} {value}"))
        });
        let all = quantiles.concat();
        format!(
            "{what} recorded {count} values, sum {sum}{all}: the {part} is {is}, not {expected:?}"
        )
    }
}

/// The bucket of a histogram that holds `value`.
pub(super) fn bucket_of(histogram: &HistogramSnapshot, value: u64) -> (u64, u64) {
    let shape = histogram.precision().shape();
    let octave = shape.octave(value);
    let first = if octave == 0 { 0 } else { 1 << shape.half_bits() };
    bucket_bounds(shape, octave as usize, (value >> octave) as usize - first)
}
