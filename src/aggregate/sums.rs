//! Cells of one bank, summed over shards: plain memory of the cutter's own.

use crate::shard::arena::Cells;
use crate::shard::entry::Bank;
use crate::shard::layout::{DIRECTORY, HEADER, LOWEST, MASK, MAX, NOT_MIN, Shape, WIDTH, head};
use crate::sync::Ordering;

/// The sums of one bank over a set of shards.
#[derive(Debug, Default)]
pub(crate) struct Sums {
    pub(crate) scalars: Vec<u64>,
    pub(crate) heads: Vec<HeadSums>,
}

/// One histogram's cells, as sparse as in a shard: blocks of buckets with the octave's sum behind them.
#[derive(Clone, Debug)]
pub(crate) struct HeadSums {
    /// Octaves that have a block here.
    pub(crate) mask: u64,
    /// Where each octave's block begins in `cells`.
    at: [u32; 64],
    cells: Vec<u64>,
}

impl Default for HeadSums {
    fn default() -> Self {
        HeadSums { mask: 0, at: [0; 64], cells: Vec::new() }
    }
}

impl HeadSums {
    /// The buckets of `octave`, and behind them its sum.
    pub(crate) fn block(&self, shape: Shape, octave: usize) -> Option<&[u64]> {
        (self.mask >> octave & 1 == 1).then(|| {
            let at = self.at[octave] as usize;
            &self.cells[at..at + shape.cells(octave)]
        })
    }

    fn block_mut(&mut self, shape: Shape, octave: usize) -> &mut [u64] {
        if self.mask >> octave & 1 == 0 {
            self.mask |= 1 << octave;
            self.at[octave] = self.cells.len() as u32;
            self.cells.resize(self.cells.len() + shape.cells(octave), 0);
        }
        let at = self.at[octave] as usize;
        &mut self.cells[at..at + shape.cells(octave)]
    }

    fn zero(&mut self) {
        self.cells.fill(0);
    }

    fn copy_from(&mut self, other: &HeadSums) {
        self.mask = other.mask;
        self.at = other.at;
        self.cells.clone_from(&other.cells);
    }
}

/// The octaves in a mask.
pub(crate) fn octaves(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let octave = (mask != 0).then(|| mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(octave)
    })
}

/// The largest value and the complement of the smallest that a histogram saw; zeros mean none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extremes {
    pub(crate) max: u64,
    pub(crate) not_min: u64,
}

impl Extremes {
    pub(crate) fn widen(&mut self, other: Extremes) {
        self.max = self.max.max(other.max);
        self.not_min = self.not_min.max(other.not_min);
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Extremes::default()
    }
}

impl Sums {
    pub(crate) const fn new() -> Self {
        Sums { scalars: Vec::new(), heads: Vec::new() }
    }

    /// Makes room for all slots that were ever allotted.
    pub(crate) fn fit(&mut self, scalars: usize, heads: usize) {
        self.scalars.resize(scalars, 0);
        self.heads.resize_with(heads, HeadSums::default);
    }

    /// Zeroes all sums, and keeps their memory.
    pub(crate) fn zero(&mut self) {
        self.scalars.fill(0);
        self.heads.iter_mut().for_each(HeadSums::zero);
    }

    /// The scalars, and the `changed` histograms, become those of `idle`, or zero.
    pub(crate) fn begin_from(&mut self, idle: Option<&Sums>, changed: &[bool]) {
        match idle {
            Some(idle) => self.scalars.clone_from(&idle.scalars),
            None => self.scalars.fill(0),
        }
        for (at, head) in self.heads.iter_mut().enumerate().filter(|(at, _)| changed[*at]) {
            match idle {
                Some(idle) => head.copy_from(&idle.heads[at]),
                None => head.zero(),
            }
        }
    }

    /// Adds one shard's cells of `bank`: all scalars, and the histograms that are `wanted`. `still`: see
    /// [`Cells::add_run`].
    pub(crate) fn add_shard(
        &mut self,
        cells: Cells,
        bank: Bank,
        shapes: &[Shape],
        wanted: impl Fn(usize) -> bool,
        still: bool,
    ) {
        cells.add_run(HEADER + bank, &mut self.scalars, still);
        let heads = self.heads.iter_mut().zip(shapes).enumerate();
        for (index, (sums, &shape)) in heads.filter(|(index, _)| wanted(*index)) {
            let at = head(index) + bank;
            // Acquire, partner the releases in `octave`, for a moving shard: these octaves' entries are set.
            let mask = cells.cell(at + MASK).load(Ordering::Acquire);
            for octave in octaves(mask) {
                // Relaxed: as above.
                let entry = cells.entry(at + DIRECTORY + 4 * octave).load(Ordering::Relaxed);
                let block = entry as usize + shape.bias(octave);
                cells.add_run(block, sums.block_mut(shape, octave), still);
            }
        }
    }

    /// Zeroes one slot's sums.
    pub(crate) fn clear_scalar(&mut self, index: usize) {
        if let Some(scalar) = self.scalars.get_mut(index) {
            *scalar = 0;
        }
    }

    /// Zeroes one histogram's sums.
    pub(crate) fn clear_head(&mut self, index: usize) {
        if let Some(head) = self.heads.get_mut(index) {
            head.zero();
        }
    }
}

/// Reads a generation's extremes of one histogram from one shard.
pub(crate) fn extremes(cells: Cells, at: usize) -> Extremes {
    // Relaxed: the bank stands still, or the cut says that it did not.
    let load = |offset| cells.cell(at + offset).load(Ordering::Relaxed);
    Extremes { max: load(MAX), not_min: load(NOT_MIN) }
}

/// Resets them, in a bank that stands still, for the generation that will be recorded there next.
pub(crate) fn reset_extremes(cells: Cells, at: usize) {
    for offset in [MAX, NOT_MIN, LOWEST, WIDTH] {
        // Relaxed: released to the writers by the next flip (`Domain::flip`), acquired by `entry::enter`.
        cells.cell(at + offset).store(0, Ordering::Relaxed);
    }
}
