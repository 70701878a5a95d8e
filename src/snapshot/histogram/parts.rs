//! A histogram taken apart and put together again, for formats that carry it whole.

use super::{Block, HistogramSnapshot};
use crate::aggregate::sums::Extremes;
use crate::registry::{Precision, Unit};

/// What a histogram consists of beside its buckets. It fits them: minimum and maximum are there if there are values, and the
/// one is not above the other.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) precision: Precision,
    pub(crate) unit: Unit,
    /// Ordinals (see [`HistogramSnapshot::ordinals`]) and counts, ascending, no count zero.
    pub(crate) buckets: &'a [(usize, u64)],
    /// The exact sum of each octave with values, ascending; if they are not known, the sum of all.
    pub(crate) sums: Sums<'a>,
    pub(crate) extremes: Option<(u64, u64)>,
}

/// The sum of a histogram that is put together.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "json"), allow(dead_code, reason = "history knows totals only"))]
pub(crate) enum Sums<'a> {
    /// By octave, in the order of the buckets.
    Octaves(&'a [u128]),
    /// All in one.
    Total(u128),
    /// Not known: each value counts with the middle of its bucket.
    Middles,
}

impl HistogramSnapshot {
    /// The exact sum of each octave that has values, ascending.
    #[cfg(feature = "json")]
    pub(crate) fn octave_sums(&self) -> impl Iterator<Item = u128> + '_ {
        self.blocks.iter().map(|block| block.sum)
    }

    /// How many ordinals a precision has.
    pub(crate) fn most_ordinals(precision: Precision) -> usize {
        let shape = precision.shape();
        shape.buckets(0) + (shape.octaves() - 1) * shape.buckets(1)
    }

    /// How many octaves have values if these are all buckets.
    #[cfg(feature = "json")]
    pub(crate) fn octaves_of(precision: Precision, buckets: &[(usize, u64)]) -> usize {
        let octave = |ordinal| place(precision, ordinal).0;
        buckets.chunk_by(|a, b| octave(a.0) == octave(b.0)).count()
    }

    /// The histogram that has these parts.
    pub(crate) fn from_parts(parts: Parts<'_>) -> HistogramSnapshot {
        let Parts { precision, unit, buckets, sums, extremes } = parts;
        let mut out = HistogramSnapshot::empty(precision, unit);
        for &(ordinal, count) in buckets {
            let (low, high) = ends(precision, ordinal);
            out.add(low, count, u128::from(low + (high - low).div_ceil(2)));
        }
        match sums {
            Sums::Octaves(sums) => {
                debug_assert_eq!(sums.len(), out.blocks.len(), "a sum for each octave");
                out.blocks.iter_mut().zip(sums).for_each(|(block, &sum)| block.sum = sum);
                out.sum = sums.iter().sum();
            }
            Sums::Total(total) => out.spread(total),
            Sums::Middles => {}
        }
        if let Some((min, max)) = extremes {
            out.extremes = Extremes { max, not_min: !min };
        }
        out
    }

    /// Gives the octaves sums that add up to `total`, each as near as may be to what its buckets allow.
    fn spread(&mut self, total: u128) {
        let shape = self.precision.shape();
        let mut rest = total;
        for block in &mut self.blocks {
            block.sum =
                (u128::from(shape.low(block.octave.into())) * u128::from(block.count)).min(rest);
            rest -= block.sum;
        }
        let last = self.blocks.len().saturating_sub(1);
        for (at, block) in self.blocks.iter_mut().enumerate() {
            let low = u128::from(shape.low(block.octave.into()));
            let highest = (2 * low).max(u128::from(shape.linear_max()) + 1) - 1;
            let room = (highest * u128::from(block.count)).saturating_sub(block.sum);
            let more = if at == last { rest } else { room.min(rest) };
            block.sum += more;
            rest -= more;
        }
        self.sum = self.blocks.iter().map(|block: &Block| block.sum).sum();
    }
}

/// Smallest and largest value of a bucket.
pub(crate) fn ends(precision: Precision, ordinal: usize) -> (u64, u64) {
    let (octave, index) = place(precision, ordinal);
    super::bucket_bounds(precision.shape(), octave, index)
}

/// The octave of a bucket, and its place in it.
fn place(precision: Precision, ordinal: usize) -> (usize, usize) {
    let half_bits = precision.shape().half_bits();
    // Octave 0 has two halves of as many buckets as each other octave.
    match ordinal >> half_bits {
        0 | 1 => (0, ordinal),
        half => (half - 1, ordinal & ((1 << half_bits) - 1)),
    }
}
