//! A histogram as one would write it without a thought for speed: what the engine's must agree with.
//!
//! Which values share a bucket is asked of the `hdrhistogram` crate.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use tachometer::{HistogramSnapshot, Precision};

type Hdr = hdrhistogram::Histogram<u64>;

/// A precision by its significant figures.
pub fn precision(figures: u8) -> Precision {
    match figures {
        1 => Precision::One,
        2 => Precision::Two,
        _ => Precision::Three,
    }
}

/// An empty histogram of the `hdrhistogram` crate over the whole range.
pub fn hdr(figures: u8) -> Hdr {
    Hdr::new_with_bounds(1, u64::MAX, figures).expect("valid bounds")
}

/// Smallest and largest value of the bucket that `value` falls into.
pub fn bucket(figures: u8, value: u64) -> (u64, u64) {
    static RULES: OnceLock<[Hdr; 3]> = OnceLock::new();
    let rule = &RULES.get_or_init(|| [1, 2, 3].map(hdr))[usize::from(figures) - 1];
    let low = rule.lowest_equivalent(value);
    // Not `highest_equivalent`, which is one too small in the very last bucket.
    (low, low + (rule.equivalent_range(value) - 1))
}

/// Values, counted.
#[derive(Clone, Debug)]
pub struct Spread {
    figures: u8,
    /// Counts by the smallest value of the bucket.
    buckets: BTreeMap<u64, u64>,
    pub count: u64,
    sum: u128,
    extremes: Option<(u64, u64)>,
    /// What the values exceed their buckets' smallest by, in all: below 2⁶⁴ the engine's sum is exact.
    blur: u128,
    /// The extremes since [`Spread::end_generation`].
    fresh: Option<(u64, u64)>,
}

fn widened(extremes: Option<(u64, u64)>, (min, max): (u64, u64)) -> Option<(u64, u64)> {
    Some(extremes.map_or((min, max), |(low, high)| (low.min(min), high.max(max))))
}

impl Spread {
    pub fn new(figures: u8) -> Self {
        Spread {
            figures,
            buckets: BTreeMap::new(),
            count: 0,
            sum: 0,
            extremes: None,
            blur: 0,
            fresh: None,
        }
    }

    /// One of the same precision, without values.
    pub fn emptied(&self) -> Self {
        Spread::new(self.figures)
    }

    /// Records `value` `times` times.
    pub fn record(&mut self, value: u64, times: u64) {
        if times == 0 {
            return;
        }
        let (low, _) = bucket(self.figures, value);
        *self.buckets.entry(low).or_default() += times;
        self.count += times;
        self.sum += u128::from(value) * u128::from(times);
        self.blur += u128::from(value - low) * u128::from(times);
        self.extremes = widened(self.extremes, (value, value));
        self.fresh = widened(self.fresh, (value, value));
    }

    /// Adds another one's values.
    pub fn add(&mut self, other: &Spread) {
        for (low, count) in &other.buckets {
            *self.buckets.entry(*low).or_default() += count;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.blur += other.blur;
        if let Some(extremes) = other.extremes {
            self.extremes = widened(self.extremes, extremes);
            self.fresh = widened(self.fresh, extremes);
        }
    }

    pub fn end_generation(&mut self) {
        self.fresh = None;
    }

    /// Extremes of the values since the last generation.
    pub fn fresh(&self) -> Option<(u64, u64)> {
        self.fresh
    }

    /// How many values lie in the buckets up to the one that holds `bound`.
    pub fn up_to(&self, bound: u64) -> u64 {
        let (_, last) = bucket(self.figures, bound);
        self.buckets.range(..=last).map(|(_, count)| count).sum()
    }

    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Whether the engine promises the sum to the last digit.
    pub fn is_sum_exact(&self) -> bool {
        self.blur < 1 << 64
    }

    /// Panics unless `seen` has exactly these values.
    pub fn check(&self, seen: &HistogramSnapshot) {
        assert_eq!(seen.precision(), precision(self.figures));
        assert_eq!(seen.count(), self.count, "count");
        assert_eq!(seen.is_empty(), self.count == 0, "emptiness");
        let buckets: Vec<_> = seen.buckets().collect();
        let expected = self.buckets.iter().map(|(&low, &count)| {
            let (low, high) = bucket(self.figures, low);
            (low, high, count)
        });
        assert!(expected.clone().eq(buckets.iter().copied()), "buckets {buckets:?}, not {self:?}");
        self.check_sum(seen);
        assert_eq!(seen.min().zip(seen.max()), self.extremes, "extremes");
    }

    fn check_sum(&self, seen: &HistogramSnapshot) {
        if self.is_sum_exact() {
            assert_eq!(seen.sum(), self.sum, "sum");
        } else {
            assert!(seen.sum() <= self.sum, "a sum is a lower bound");
            assert_eq!((self.sum - seen.sum()) % (1 << 64), 0, "a sum is right modulo 2⁶⁴");
        }
    }

    /// Panics unless `seen` has at least these values and at most those of `all`.
    pub fn check_between(&self, all: &Spread, seen: &HistogramSnapshot) {
        assert!((self.count..=all.count).contains(&seen.count()), "count between");
        let mut total = 0;
        for (low, _, count) in seen.buckets() {
            let least = self.buckets.get(&low).copied().unwrap_or(0);
            let most = all.buckets.get(&low).copied().unwrap_or(0);
            assert!((least..=most).contains(&count), "bucket {low} between: {count}");
            total += count;
        }
        assert_eq!(total, seen.count(), "count and buckets belong together");
        // An incomplete snapshot takes the upper half of the range for a sum that lags behind its buckets.
        if all.blur < 1 << 63 {
            assert!((self.sum..=all.sum).contains(&seen.sum()), "sum between");
        }
        let bounds = seen.min().zip(seen.max()).zip(all.extremes);
        assert_eq!(bounds.is_some(), seen.count() > 0, "extremes exist with values");
        if let Some(((min, max), (least, most))) = bounds {
            assert!(least <= min && max <= most, "extremes between");
            let (low, high) = self.extremes.unwrap_or((u64::MAX, 0));
            assert!(min <= low && max >= high, "extremes of what is surely there");
        }
    }
}
