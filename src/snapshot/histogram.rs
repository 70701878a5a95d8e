//! A histogram as a snapshot has it: sparse HDR buckets with exact count, sum, minimum and maximum.

#[cfg(any(feature = "history", feature = "json"))]
pub(crate) mod parts;

use crate::Error;
use crate::aggregate::sums::{Extremes, HeadSums, octaves};
use crate::registry::{Precision, Unit};
use crate::shard::layout::Shape;
use std::sync::Arc;
use std::time::Duration;

/// A distribution at one moment: cumulative since its series began.
///
/// Values are in the unit that was recorded (nanoseconds, bytes, items). Buckets are those of the `hdrhistogram` crate at
/// the same significant figures, so that [`HistogramSnapshot::to_hdr`] and [`HistogramSnapshot::from_hdr`] keep every
/// count. Merging loses nothing: snapshots of other threads, times and machines add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistogramSnapshot {
    precision: Precision,
    unit: Unit,
    /// By ascending octave; only octaves with a count.
    blocks: Vec<Block>,
    /// The blocks' buckets, one after the other.
    cells: Vec<u64>,
    count: u64,
    sum: u128,
    extremes: Extremes,
}

/// One octave's buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    octave: u8,
    /// Index of the first bucket.
    at: u32,
    count: u64,
    sum: u128,
}

impl HistogramSnapshot {
    /// A histogram without values.
    pub fn empty(precision: Precision, unit: Unit) -> Self {
        HistogramSnapshot {
            precision,
            unit,
            blocks: Vec::new(),
            cells: Vec::new(),
            count: 0,
            sum: 0,
            extremes: Extremes::default(),
        }
    }

    /// The histogram whose cells, by bank, are `banks`, and whose extremes are `seen`; `last` itself if nothing was added
    /// to it. `still` tells whether the cells stood still when they were read.
    pub(crate) fn advance(
        last: &Arc<HistogramSnapshot>,
        banks: [&HeadSums; 2],
        seen: Extremes,
        still: bool,
    ) -> Arc<HistogramSnapshot> {
        let shape = last.precision.shape();
        let mut next = HistogramSnapshot::empty(last.precision, last.unit);
        next.cells.reserve_exact(last.cells.len());
        next.blocks.reserve_exact(last.blocks.len());
        for octave in octaves(banks[0].mask | banks[1].mask) {
            let banks = banks.map(|bank| bank.block(shape, octave));
            next.push_octave(last, shape, octave, banks, still);
        }
        next.extremes = seen;
        // Counts only rise: where the totals differ, so do the cells, and they need not be compared.
        let same = next.count == last.count && next.extremes == last.extremes;
        if same && next.cells == last.cells {
            return last.clone();
        }
        Arc::new(next)
    }

    fn push_octave(
        &mut self,
        last: &HistogramSnapshot,
        shape: Shape,
        octave: usize,
        banks: [Option<&[u64]>; 2],
        still: bool,
    ) {
        let (at, buckets) = (self.cells.len(), shape.buckets(octave));
        match banks {
            [Some(a), Some(b)] => self
                .cells
                .extend(a[..buckets].iter().zip(&b[..buckets]).map(|(a, b)| a.wrapping_add(*b))),
            [Some(one), None] | [None, Some(one)] => self.cells.extend_from_slice(&one[..buckets]),
            [None, None] => return,
        }
        let count = self.cells[at..].iter().sum();
        if count == 0 {
            self.cells.truncate(at);
            return;
        }
        let low_bits = banks.iter().flatten().fold(0u64, |sum, b| sum.wrapping_add(b[buckets]));
        let block = Block { octave: octave as u8, at: at as u32, count, sum: 0 };
        let sum =
            whole_sum(last.octave(octave), low_bits, (block, &self.cells[at..]), shape, still);
        self.blocks.push(Block { sum, ..block });
        self.count += count;
        self.sum += sum;
    }

    fn octave(&self, octave: usize) -> Option<(Block, &[u64])> {
        let block = *self.blocks.iter().find(|block| usize::from(block.octave) == octave)?;
        Some((block, self.buckets_of(block)))
    }

    fn buckets_of(&self, block: Block) -> &[u64] {
        let buckets = self.precision.shape().buckets(block.octave.into());
        &self.cells[block.at as usize..block.at as usize + buckets]
    }

    /// How finely values are told apart.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The unit that was recorded.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// How many values were recorded.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nothing was recorded: then there is no minimum, maximum, mean or quantile.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The exact sum of all values, in the recorded unit.
    ///
    /// Exact as long as fewer than 2⁶⁴⁻ᵇ values that need more than `b` bits at the histogram's precision are recorded in
    /// one generation: 500 million spans of an hour in nanoseconds, say. Beyond that it is a lower bound.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// The sum in the exported unit: seconds for nanoseconds.
    pub fn sum_exported(&self) -> f64 {
        self.sum as f64 / self.unit.divisor() as f64
    }

    /// The mean value, in the recorded unit.
    pub fn mean(&self) -> Option<f64> {
        (!self.is_empty()).then(|| self.sum as f64 / self.count as f64)
    }

    /// The exact smallest value.
    pub fn min(&self) -> Option<u64> {
        (!self.is_empty()).then_some(!self.extremes.not_min)
    }

    /// The exact largest value.
    pub fn max(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.extremes.max)
    }

    /// The value below or at which the fraction `q` (0 to 1) of all values lies: the upper end of its bucket, or the
    /// exact minimum or maximum where that is closer. Off by at most the precision (0.8 % at two figures).
    ///
    /// `None` without values: empty is not zero.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        if self.is_empty() || q.is_nan() {
            return None;
        }
        if q <= 0.0 {
            return self.min();
        }
        let rank = ((q.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut below = 0;
        for &block in &self.blocks {
            if below + block.count < rank {
                below += block.count;
                continue;
            }
            for (index, count) in self.buckets_of(block).iter().enumerate() {
                below += count;
                if below >= rank {
                    let (_, high) = self.bounds_of(block, index);
                    return Some(high.clamp(!self.extremes.not_min, self.extremes.max));
                }
            }
        }
        self.max()
    }

    /// A quantile of a histogram of nanoseconds, as a duration.
    pub fn quantile_duration(&self, q: f64) -> Option<Duration> {
        self.quantile(q).map(Duration::from_nanos)
    }

    /// The buckets that have counts, ascending: smallest value, largest value, count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.blocks.iter().flat_map(move |&block| {
            self.buckets_of(block).iter().enumerate().filter(|(_, count)| **count > 0).map(
                move |(index, &count)| {
                    let (low, high) = self.bounds_of(block, index);
                    (low, high, count)
                },
            )
        })
    }

    /// The octaves that have counts, ascending: the octave, and the counts of all of its buckets.
    pub(crate) fn octaves(&self) -> impl DoubleEndedIterator<Item = (usize, &[u64])> + Clone {
        self.blocks.iter().map(|&block| (block.octave.into(), self.buckets_of(block)))
    }

    /// As [`HistogramSnapshot::octaves`], with the number of the octave's values and their sum.
    #[cfg(feature = "history")]
    pub(crate) fn counted_octaves(
        &self,
    ) -> impl Iterator<Item = (usize, (u64, u128), &[u64])> + '_ {
        let octave = |&block: &Block| {
            (block.octave.into(), (block.count, block.sum), self.buckets_of(block))
        };
        self.blocks.iter().map(octave)
    }

    /// The buckets that have counts, by ordinal: 0 is that of the value zero, and each octave's follow the last's.
    #[cfg(any(feature = "history", feature = "json"))]
    pub(crate) fn ordinals(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        let shape = self.precision.shape();
        self.blocks.iter().flat_map(move |&block| {
            let first = match block.octave {
                0 => 0,
                later => shape.buckets(0) + (usize::from(later) - 1) * shape.buckets(1),
            };
            let cells = self.buckets_of(block).iter().enumerate();
            cells.filter(|(_, count)| **count > 0).map(move |(at, &count)| (first + at, count))
        })
    }

    fn bounds_of(&self, block: Block, index: usize) -> (u64, u64) {
        bucket_bounds(self.precision.shape(), block.octave.into(), index)
    }

    /// For each bound (ascending, in the recorded unit) the number of values in the buckets up to the one that holds it.
    pub(crate) fn cumulative(&self, bounds: &[u64]) -> Arc<[u64]> {
        let shape = self.precision.shape();
        let mut blocks = self.blocks.iter();
        let mut block = blocks.next();
        // Counted so far: whole octaves, and of the current one the first `upto` buckets.
        let (mut below, mut partial, mut upto) = (0, 0, 0);
        let count = |&bound: &u64| {
            let octave = shape.octave(bound);
            while let Some(done) = block.filter(|b| u32::from(b.octave) < octave) {
                below += done.count;
                (partial, upto) = (0, 0);
                block = blocks.next();
            }
            if let Some(&here) = block.filter(|b| u32::from(b.octave) == octave) {
                let first = if octave == 0 { 0 } else { 1 << shape.half_bits() };
                let end = (bound >> octave) as usize - first + 1;
                partial += self.buckets_of(here)[upto..end].iter().sum::<u64>();
                upto = end;
            }
            below + partial
        };
        bounds.iter().map(count).collect()
    }

    /// Adds another histogram's values.
    ///
    /// # Errors
    /// The two differ in precision.
    pub fn merge(&mut self, other: &HistogramSnapshot) -> Result<(), Error> {
        self.check_shape(other)?;
        *self = self.combine(other, |a, b| a + b, |a, b| a + b);
        self.extremes.widen(other.extremes);
        Ok(())
    }

    /// What was recorded since `earlier`, an older snapshot of the same series. Minimum and maximum are then those of the
    /// buckets, within the precision. A series that began anew in between (its counts fell) counts as a whole.
    ///
    /// # Errors
    /// The two differ in precision.
    pub fn since(&self, earlier: &HistogramSnapshot) -> Result<HistogramSnapshot, Error> {
        self.check_shape(earlier)?;
        let fell = |block: &Block| {
            let now = self.octave(block.octave.into()).map(|(_, buckets)| buckets);
            let then = earlier.buckets_of(*block);
            now.is_none_or(|now| now.iter().zip(then).any(|(now, then)| now < then))
        };
        if earlier.blocks.iter().any(fell) {
            return Ok(self.clone());
        }
        let mut since = self.combine(earlier, |a, b| a - b, |a, b| a.saturating_sub(b));
        since.extremes = Extremes::default();
        let ends = since.buckets().next().zip(since.buckets().last());
        if let Some(((low, _, _), (_, high, _))) = ends {
            // The exact extremes of all time bound those of any part of it.
            let min = low.max(!self.extremes.not_min);
            since.extremes = Extremes { max: high.min(self.extremes.max), not_min: !min };
        }
        Ok(since)
    }

    fn check_shape(&self, other: &HistogramSnapshot) -> Result<(), Error> {
        let (left, right) = (self.precision.figures(), other.precision.figures());
        if left == right { Ok(()) } else { Err(Error::ShapeMismatch { left, right }) }
    }

    fn combine(
        &self,
        other: &HistogramSnapshot,
        count: impl Fn(u64, u64) -> u64,
        sum: impl Fn(u128, u128) -> u128,
    ) -> HistogramSnapshot {
        let shape = self.precision.shape();
        let mask = |h: &Self| h.blocks.iter().fold(0u64, |mask, block| mask | 1 << block.octave);
        let mut out = HistogramSnapshot::empty(self.precision, self.unit);
        out.extremes = self.extremes;
        let zero = vec![0; shape.buckets(0)];
        for octave in octaves(mask(self) | mask(other)) {
            let (mine, theirs) = (self.octave(octave), other.octave(octave));
            let buckets =
                |found: Option<(Block, _)>| found.map_or(&zero[..], |(_, buckets)| buckets);
            let at = out.cells.len();
            let pairs = buckets(mine).iter().zip(buckets(theirs)).take(shape.buckets(octave));
            out.cells.extend(pairs.map(|(a, b)| count(*a, *b)));
            let total = out.cells[at..].iter().sum();
            if total == 0 {
                out.cells.truncate(at);
                continue;
            }
            let sums = [mine, theirs].map(|found| found.map_or(0, |(block, _)| block.sum));
            let sum = sum(sums[0], sums[1]);
            out.blocks.push(Block { octave: octave as u8, at: at as u32, count: total, sum });
            out.count += total;
            out.sum += sum;
        }
        out
    }

    /// The same counts in an `hdrhistogram::Histogram` over the whole 64-bit range. It keeps no exact sum, and its
    /// minimum and maximum are those of the buckets.
    pub fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let figures = self.precision.figures();
        let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, u64::MAX, figures)
            .expect("1..=u64::MAX at 1 to 3 figures is what the crate allows");
        for (low, _, count) in self.buckets() {
            hdr.record_n(low, count).expect("every 64-bit value is within its bounds");
        }
        hdr
    }

    /// The counts of an `hdrhistogram::Histogram` that tells single values apart at the bottom (its lowest discernible
    /// value is 1) and has 1 to 3 significant figures. Its buckets keep no exact sum: each counts with its middle, its extremes
    /// with those of the buckets.
    ///
    /// # Errors
    /// Its precision is not one of ours.
    pub fn from_hdr(hdr: &hdrhistogram::Histogram<u64>, unit: Unit) -> Result<Self, Error> {
        let precision = match (hdr.sigfig(), hdr.low()) {
            (1, 1) => Precision::One,
            (2, 1) => Precision::Two,
            (3, 1) => Precision::Three,
            (figures, low) => {
                return Err(Error::InvalidSetting {
                    setting: "hdrhistogram",
                    reason: format!(
                        "it has {figures} significant figures from {low} on; 1, 2 or 3 from 1 on can be taken over"
                    ),
                });
            }
        };
        let mut out = HistogramSnapshot::empty(precision, unit);
        for value in hdr.iter_recorded() {
            let at = hdr.lowest_equivalent(value.value_iterated_to());
            out.add(at, value.count_at_value(), u128::from(hdr.median_equivalent(at)));
        }
        Ok(out)
    }

    /// Adds `count` to the bucket of `value`, each counting as `each` in the sum. Values come in ascending order.
    fn add(&mut self, value: u64, count: u64, each: u128) {
        let shape = self.precision.shape();
        let octave = shape.octave(value) as usize;
        if self.blocks.last().is_none_or(|block| usize::from(block.octave) != octave) {
            let at = self.cells.len();
            self.cells.resize(at + shape.buckets(octave), 0);
            self.blocks.push(Block { octave: octave as u8, at: at as u32, count: 0, sum: 0 });
        }
        let block = self.blocks.last_mut().expect("pushed above");
        let first = if octave == 0 { 0 } else { 1 << shape.half_bits() };
        let index = (value >> octave) as usize - first;
        let sum = each * u128::from(count);
        self.cells[block.at as usize + index] += count;
        block.count += count;
        block.sum += sum;
        self.count += count;
        self.sum += sum;
        let (low, high) = bucket_bounds(shape, octave, index);
        self.extremes.widen(Extremes { max: high, not_min: !low });
    }
}

/// Smallest and largest value of bucket `index` of an octave's block.
pub(crate) fn bucket_bounds(shape: Shape, octave: usize, index: usize) -> (u64, u64) {
    let low = shape.low(octave) + ((index as u64) << octave);
    (low, low + ((1u64 << octave) - 1))
}

/// An octave's sum without the wrap at 2⁶⁴.
///
/// The cells keep it modulo 2⁶⁴. The counts say which bucket each new value is in, so what was added lies between known
/// bounds; if they are less than 2⁶⁴ apart, exactly one number between them has the right remainder. Of cells that moved
/// while they were read, the sum may be behind the counts: then the lower bound must do.
fn whole_sum(
    last: Option<(Block, &[u64])>,
    low_bits: u64,
    (block, cells): (Block, &[u64]),
    shape: Shape,
    still: bool,
) -> u128 {
    let octave = usize::from(block.octave);
    let (base, counted, before) =
        last.map_or((0, 0, &[][..]), |(last, buckets)| (last.sum, last.count, buckets));
    let added = u128::from(low_bits.wrapping_sub(base as u64));
    // Fewer values than could wrap: the common case, decided without a look at each bucket.
    let highest = shape.low(octave).saturating_mul(2).max(shape.linear_max());
    if block.count.saturating_sub(counted).checked_mul(highest).is_some() {
        return base + added;
    }
    let before = before.iter().chain(std::iter::repeat(&0));
    let floor: u128 = cells
        .iter()
        .zip(before)
        .enumerate()
        .map(|(index, (now, then))| {
            let (low, _) = bucket_bounds(shape, octave, index);
            u128::from(low) * u128::from(now.saturating_sub(*then))
        })
        .sum();
    let above = (added as u64).wrapping_sub(floor as u64);
    let behind = !still && above > u64::MAX / 2;
    base + floor + if behind { 0 } else { u128::from(above) }
}
