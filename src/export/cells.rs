//! A histogram's cells, octave by octave: where they stand among all, and what was added between two histograms.

use crate::registry::Precision;
use crate::snapshot::HistogramSnapshot;
use std::ops::Range;

/// What was recorded between two histograms. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(super) struct Difference {
    octaves: Vec<(usize, Range<usize>)>,
    cells: Vec<u64>,
}

impl Difference {
    /// Becomes empty; says that it can be so, as [`Difference::fill`] does.
    pub(super) fn clear(&mut self) -> bool {
        self.octaves.clear();
        self.cells.clear();
        true
    }

    /// Becomes what `now` has and `before` had not; says whether that can be: no count fell.
    pub(super) fn fill(&mut self, now: &HistogramSnapshot, before: &HistogramSnapshot) -> bool {
        self.clear();
        if now.sum() < before.sum() || now.precision() != before.precision() {
            return false;
        }
        let mut was = before.octaves().peekable();
        for (octave, cells) in now.octaves() {
            let from = self.cells.len();
            self.cells.extend_from_slice(cells);
            if let Some((_, was)) = was.next_if(|was| was.0 == octave)
                && !subtract(&mut self.cells[from..], was)
            {
                return false;
            }
            self.octaves.push((octave, from..self.cells.len()));
        }
        // An octave that is gone.
        was.next().is_none()
    }

    /// As [`HistogramSnapshot::octaves`].
    pub(super) fn octaves(&self) -> impl DoubleEndedIterator<Item = (usize, &[u64])> + Clone {
        self.octaves.iter().map(|(octave, cells)| (*octave, &self.cells[cells.clone()]))
    }
}

/// Takes `was` away from `cells`; says whether none of them fell below zero.
fn subtract(cells: &mut [u64], was: &[u64]) -> bool {
    // One that fell has wrapped around, which shows in the highest bit, of it or of what was taken away: so there is one
    // question for all of them, and processors subtract several at once.
    let mut highest = 0;
    for (cell, was) in cells.iter_mut().zip(was) {
        *cell = cell.wrapping_sub(*was);
        highest |= *cell | was;
    }
    // A count that really is as large: whether it wrapped shows when it is put back.
    highest >> 63 == 0 || cells.iter().zip(was).all(|(cell, was)| cell.checked_add(*was).is_some())
}

/// The ordinal of an octave's first cell: cells are counted through all octaves.
pub(super) fn first_ordinal(precision: Precision, octave: usize) -> usize {
    let shape = precision.shape();
    if octave == 0 { 0 } else { shape.buckets(0) + (octave - 1) * shape.buckets(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_tell_whether_a_count_fell() {
        let large = 1 << 63;
        for (is, was, rose) in [
            (&[5, 7, 0, 9][..], &[5, 6, 0, 0][..], true),
            (&[5, 7, 0, 9], &[5, 8, 0, 0], false),
            (&[5, 7, large + 3, 9], &[5, 0, 2, 9], true),
            (&[u64::MAX, 7], &[1, 7], true),
            (&[u64::MAX, 7], &[1, 8], false),
            (&[0], &[u64::MAX], false),
        ] {
            let mut cells = is.to_vec();
            assert_eq!(subtract(&mut cells, was), rose, "{is:?} after {was:?}");
            let wanted = is.iter().zip(was).map(|(is, was)| is.wrapping_sub(*was));
            assert!(!rose || cells.iter().copied().eq(wanted), "{cells:?}");
        }
    }
}
