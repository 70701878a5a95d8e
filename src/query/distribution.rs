//! A histogram as queries see it: count, sum and sparse buckets of any layout, all of them `f64`, so that it can be added to,
//! taken away from and scaled. Of HDR buckets, exponential ones and others alike.

use crate::snapshot::HistogramSnapshot;

/// The values between two bounds. Values at the bounds belong to this bucket or to its neighbour, as its layout has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// The smallest value, or where the bucket begins.
    pub lower: f64,
    /// The largest value.
    pub upper: f64,
    /// How many values; a fraction once it was scaled.
    pub count: f64,
}

/// A distribution of values: what `rate` makes of a histogram, and `histogram_quantile` reads.
///
/// ```
/// use tachometer::query::{Bucket, Distribution};
/// let bucket = |lower, upper, count| Bucket { lower, upper, count };
/// let mut latency = Distribution::new(4.0, 6.0, vec![bucket(0.0, 1.0, 2.0), bucket(1.0, 3.0, 2.0)]);
/// assert_eq!(latency.quantile(0.75), 2.0);
/// latency.add(&Distribution::new(4.0, 2.0, vec![bucket(0.0, 1.0, 4.0)]));
/// assert_eq!((latency.count(), latency.sum(), latency.fraction(0.0, 1.0)), (8.0, 8.0, 0.75));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Distribution {
    count: f64,
    sum: f64,
    /// Ascending, not overlapping.
    buckets: Vec<Bucket>,
}

impl Distribution {
    /// A distribution with these buckets, in any order. The count is given, too: values that are in no bucket (NaN) count.
    /// Buckets that overlap become one; empty ones and those without order in their bounds are left out.
    pub fn new(count: f64, sum: f64, mut buckets: Vec<Bucket>) -> Self {
        buckets.retain(|bucket| bucket.lower <= bucket.upper && bucket.count != 0.0);
        let ascending = |a: &Bucket, b: &Bucket| before(a, b) && !overlap(a, b);
        if !buckets.is_sorted_by(ascending) {
            buckets.sort_by(|a, b| a.lower.total_cmp(&b.lower).then(a.upper.total_cmp(&b.upper)));
            let mut joined = Vec::with_capacity(buckets.len());
            buckets.into_iter().for_each(|bucket| push(&mut joined, bucket));
            buckets = joined;
        }
        Distribution { count, sum, buckets }
    }

    /// What a snapshot has of a histogram, in the exported unit: seconds for nanoseconds.
    pub fn of_snapshot(histogram: &HistogramSnapshot) -> Self {
        let divisor = histogram.unit().divisor() as f64;
        let scaled = |(low, high, count)| Bucket {
            lower: low as f64 / divisor,
            upper: high as f64 / divisor,
            count: count as f64,
        };
        let buckets = histogram.buckets().map(scaled).collect();
        Distribution::new(histogram.count() as f64, histogram.sum_exported(), buckets)
    }

    /// How many values there are.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// The sum of all values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The buckets that have counts, ascending.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    /// Adds the values of another. Where bounds differ, buckets that overlap become one: of nested layouts (HDR of other
    /// precision, exponential of another schema) the coarser one's.
    pub fn add(&mut self, other: &Distribution) {
        self.combine(other, 1.0);
    }

    /// Takes the values of another away; buckets as in [`Distribution::add`].
    pub fn sub(&mut self, other: &Distribution) {
        self.combine(other, -1.0);
    }

    /// Multiplies all counts and the sum.
    pub fn scale(&mut self, factor: f64) {
        self.count *= factor;
        self.sum *= factor;
        self.buckets.iter_mut().for_each(|bucket| bucket.count *= factor);
    }

    /// Drops buckets that have become empty.
    pub fn compact(&mut self) {
        self.buckets.retain(|bucket| bucket.count != 0.0);
    }

    fn combine(&mut self, other: &Distribution, sign: f64) {
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        let same = |(a, b): (&Bucket, &Bucket)| a.lower == b.lower && a.upper == b.upper;
        let alike = self.buckets.len() == other.buckets.len();
        if alike && self.buckets.iter().zip(&other.buckets).all(same) {
            for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
                mine.count += sign * theirs.count;
            }
            return;
        }
        let mut joined = Vec::with_capacity(self.buckets.len().max(other.buckets.len()) + 8);
        let (mut mine, mut theirs) = (&self.buckets[..], &other.buckets[..]);
        loop {
            let next = match (mine, theirs) {
                ([a, rest @ ..], [b, ..]) if before(a, b) => {
                    mine = rest;
                    *a
                }
                (_, [b, rest @ ..]) => {
                    theirs = rest;
                    Bucket { count: sign * b.count, ..*b }
                }
                ([a, rest @ ..], []) => {
                    mine = rest;
                    *a
                }
                ([], []) => break,
            };
            push(&mut joined, next);
        }
        self.buckets = joined;
    }

    /// Whether a cumulative histogram began anew between `earlier` and this: a count fell.
    pub fn is_reset_of(&self, earlier: &Distribution) -> bool {
        if self.count < earlier.count {
            return true;
        }
        let mut rest = &self.buckets[..];
        for bucket in &earlier.buckets {
            let within = rest.iter().take_while(|now| now.upper < bucket.upper).count();
            let passed = rest[..within].iter().filter(|now| now.lower >= bucket.lower);
            let mut now: f64 = passed.map(|now| now.count).sum();
            rest = &rest[within..];
            if let Some(last) = rest.first().filter(|now| now.lower <= bucket.upper) {
                now += last.count;
            }
            if now < bucket.count {
                return true;
            }
        }
        false
    }

    /// The value below which the fraction `q` (0 to 1) of all values lies, on a straight line through its bucket, as
    /// Prometheus 2.x has it; −∞ and +∞ for `q` out of range; NaN without values.
    pub fn quantile(&self, q: f64) -> f64 {
        if q < 0.0 {
            return f64::NEG_INFINITY;
        }
        if q > 1.0 {
            return f64::INFINITY;
        }
        if q.is_nan() || self.count == 0.0 {
            return f64::NAN;
        }
        let mut rank = q * self.count;
        let mut below: f64 = 0.0;
        let mut found = None;
        for bucket in &self.buckets {
            found = Some(*bucket);
            below += bucket.count;
            if below >= rank {
                break;
            }
        }
        let Some(bucket) = found.map(|bucket| self.one_sided(bucket)) else { return f64::NAN };
        below = below.min(self.count);
        if below < rank {
            return bucket.upper;
        }
        rank -= below - bucket.count;
        bucket.lower + (bucket.upper - bucket.lower) * (rank / bucket.count)
    }

    /// The fraction of all values that lie between `lower` and `upper`, with values spread evenly within a bucket; NaN without
    /// values.
    pub fn fraction(&self, lower: f64, upper: f64) -> f64 {
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return f64::NAN;
        }
        if lower >= upper {
            return 0.0;
        }
        (self.rank_of(upper) - self.rank_of(lower)) / self.count
    }

    /// How many values lie below `value`.
    fn rank_of(&self, value: f64) -> f64 {
        let mut rank: f64 = 0.0;
        for bucket in self.buckets.iter().map(|bucket| self.one_sided(*bucket)) {
            if bucket.lower >= value {
                return rank.min(self.count);
            }
            if bucket.upper > value {
                let part = (value - bucket.lower) / (bucket.upper - bucket.lower);
                return (rank + bucket.count * part).min(self.count);
            }
            rank += bucket.count;
        }
        self.count
    }

    /// A bucket around zero ends at zero where all others lie on the other side.
    fn one_sided(&self, mut bucket: Bucket) -> Bucket {
        if bucket.lower < 0.0 && bucket.upper > 0.0 {
            let negative = self.buckets.first().is_some_and(|first| first.upper <= 0.0);
            let positive = self.buckets.last().is_some_and(|last| last.lower >= 0.0);
            if positive && !negative {
                bucket.lower = 0.0;
            } else if negative && !positive {
                bucket.upper = 0.0;
            }
        }
        bucket
    }
}

fn before(a: &Bucket, b: &Bucket) -> bool {
    (a.lower, a.upper) < (b.lower, b.upper)
}

/// Whether `next`, which begins where `last` does or later, has values that could be in `last`.
fn overlap(last: &Bucket, next: &Bucket) -> bool {
    next.lower < last.upper || next.lower == last.lower || next.upper == last.upper
}

fn push(buckets: &mut Vec<Bucket>, next: Bucket) {
    match buckets.last_mut().filter(|last| overlap(last, &next)) {
        Some(last) => {
            last.upper = last.upper.max(next.upper);
            last.count += next.count;
        }
        None => buckets.push(next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Precision, Unit};

    fn of(buckets: &[(f64, f64, f64)]) -> Distribution {
        let count = buckets.iter().map(|b| b.2).sum();
        let sum = buckets.iter().map(|b| b.1 * b.2).sum();
        let buckets = buckets.iter();
        let buckets = buckets.map(|&(lower, upper, count)| Bucket { lower, upper, count });
        Distribution::new(count, sum, buckets.collect())
    }

    fn bounds(of: &Distribution) -> Vec<(f64, f64, f64)> {
        of.buckets().iter().map(|b| (b.lower, b.upper, b.count)).collect()
    }

    #[test]
    fn nested_layouts_add_up_to_the_coarser() {
        let mut fine = of(&[(1.0, 1.5, 3.0), (1.5, 2.0, 1.0), (2.0, 2.5, 4.0)]);
        fine.add(&of(&[(0.5, 1.0, 1.0), (1.0, 2.0, 10.0)]));
        assert_eq!(bounds(&fine), [(0.5, 1.0, 1.0), (1.0, 2.0, 14.0), (2.0, 2.5, 4.0)]);
        assert_eq!(fine.count(), 19.0);
        fine.sub(&of(&[(2.0, 2.5, 4.0)]));
        fine.compact();
        assert_eq!(bounds(&fine), [(0.5, 1.0, 1.0), (1.0, 2.0, 14.0)]);
        // Single values, as HDR has them at the bottom.
        let mut exact = of(&[(64.0, 64.0, 1.0), (65.0, 65.0, 1.0), (127.0, 127.0, 1.0)]);
        exact.add(&of(&[(64.0, 127.0, 5.0)]));
        assert_eq!(bounds(&exact), [(64.0, 127.0, 8.0)]);
    }

    #[test]
    fn resets_are_seen_in_any_bucket() {
        let before = of(&[(0.0, 1.0, 2.0), (1.0, 2.0, 3.0)]);
        assert!(!of(&[(0.0, 1.0, 2.0), (1.0, 2.0, 3.0), (4.0, 8.0, 1.0)]).is_reset_of(&before));
        assert!(of(&[(0.0, 1.0, 9.0), (1.0, 2.0, 2.0)]).is_reset_of(&before));
        assert!(of(&[(0.0, 1.0, 9.0)]).is_reset_of(&before));
        assert!(of(&[(0.0, 1.0, 1.0), (1.0, 2.0, 3.0)]).is_reset_of(&before));
        assert!(!of(&[(0.0, 2.0, 5.0)]).is_reset_of(&before), "a coarser layout lost nothing");
    }

    #[test]
    fn quantiles_lie_on_lines() {
        let some = of(&[(0.0, 1.0, 2.0), (1.0, 2.0, 2.0)]);
        assert_eq!(some.quantile(0.0), 0.0);
        assert_eq!(some.quantile(0.25), 0.5);
        assert_eq!(some.quantile(1.0), 2.0);
        assert_eq!(some.quantile(-1.0), f64::NEG_INFINITY);
        assert!(some.quantile(f64::NAN).is_nan() && Distribution::default().quantile(0.5).is_nan());
        assert_eq!(some.fraction(0.5, 1.5), 0.5);
        assert_eq!(some.fraction(f64::NEG_INFINITY, f64::INFINITY), 1.0);
        // A zero bucket is one-sided where no value can be negative.
        assert_eq!(of(&[(-1.0, 1.0, 2.0), (1.0, 2.0, 2.0)]).quantile(0.25), 0.5);
    }

    #[test]
    fn a_snapshot_keeps_every_count() {
        let mut hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(1, u64::MAX, 2).unwrap();
        for value in 1..=100_000u64 {
            hdr.record(value * 1_000).unwrap();
        }
        let snapshot = HistogramSnapshot::from_hdr(&hdr, Unit::Nanoseconds).unwrap();
        assert_eq!(snapshot.precision(), Precision::Two);
        let distribution = Distribution::of_snapshot(&snapshot);
        assert_eq!(distribution.count(), 100_000.0);
        assert_eq!(distribution.buckets().iter().map(|b| b.count).sum::<f64>(), 100_000.0);
        for q in [0.01, 0.5, 0.99] {
            let (own, exact) = (distribution.quantile(q), q * 0.1);
            assert!((own - exact).abs() <= 0.008 * exact, "{q}: {own}, not {exact}");
        }
    }
}
