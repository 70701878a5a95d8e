//! The rows of a dense column's segment, written once it is known what they add up to.
//!
//! [`dense`](super::dense) tells of each segment what all of its rows gained, bucket by bucket. The rows divide that among
//! themselves: of what is left of a bucket, a row gets its share or nearly so, and no more than is left; the last row gets
//! the rest, which takes no bytes. So what a segment adds up to costs next to nothing, and whoever wants all of a segment
//! need not read its rows. A segment is read without those before it.

use super::counts::{ANY, CROWDED, Counts, FIRSTS, PHASES, RATIOS, class, phase};
use super::dense::{STRETCH, Share, Stretches, Sums};
use super::range::{Chance, Coder, Numbers};
use super::sparse::Gain;
use crate::Precision;

/// What is left of a segment for rows to come, and what was learned from those before.
#[derive(Debug)]
pub(super) struct Segment<'a> {
    precision: Precision,
    stretches: &'a Stretches,
    rows: u64,
    sum: u128,
    /// By bucket, by stretch, and of all.
    left: Vec<u64>,
    stretch_left: Vec<u64>,
    all_left: u64,
    /// The row's counts, and which stretches have any. Zero between rows.
    cells: Vec<u64>,
    filled: Vec<bool>,
    gaps: Numbers,
    totals: Counts,
    counts: Counts,
    any: [[Chance; class(CROWDED) + 1]; PHASES],
    firsts: [[Chance; RATIOS]; 4],
    sums: Sums,
}

impl<'a> Segment<'a> {
    /// A segment of so many rows that add up to `whole`, whose buckets all lie in `stretches`.
    pub(super) fn new(
        precision: Precision,
        stretches: &'a Stretches,
        rows: u64,
        whole: &Gain,
    ) -> Segment<'a> {
        let many = stretches.len();
        let mut left = vec![0; many * STRETCH];
        stretches.places(&whole.buckets, |at, count| left[at] = count);
        let stretch_left: Vec<u64> =
            left.chunks_exact(STRETCH).map(|cells| cells.iter().sum()).collect();
        Segment {
            precision,
            stretches,
            rows,
            sum: whole.sum,
            all_left: stretch_left.iter().sum(),
            cells: vec![0; left.len()],
            left,
            stretch_left,
            filled: vec![false; many],
            gaps: Numbers::NEW,
            totals: Counts::new(),
            counts: Counts::new(),
            any: ANY,
            firsts: FIRSTS,
            sums: Sums::new(),
        }
    }

    /// One row: its place behind `next`, its counts, its sum. `false` where it lies behind `until`, or there is none.
    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        next: u32,
        row: &mut u32,
        until: u32,
        gain: &mut Gain,
    ) -> bool {
        if self.rows == 0 {
            return false;
        }
        let gap = self.gaps.code(coder, u64::from(row.wrapping_sub(next)));
        *row = next.saturating_add(gap.min(u32::MAX.into()) as u32);
        if *row >= until {
            return false;
        }
        let mut total = 0;
        self.stretches.places(&gain.buckets, |at, count| {
            (self.cells[at], self.filled[at / STRETCH]) = (count, true);
            total += count;
        });
        let last = self.rows == 1;
        if last {
            total = self.all_left;
        } else {
            let about = (u128::from(self.all_left) << 16) / u128::from(self.rows);
            total = self.totals.code(coder, 0, about as u64, (0, self.all_left), total);
        }
        self.code_cells(coder, total);
        self.gather(&mut gain.buckets);
        if last {
            gain.sum = self.sum;
        } else {
            self.sums.code(coder, self.precision, total, gain);
        }
        self.sum = self.sum.wrapping_sub(gain.sum);
        self.rows -= 1;
        true
    }

    /// The row's buckets, which are taken from what is left, and forgotten.
    fn gather(&mut self, buckets: &mut Vec<(u32, u64)>) {
        buckets.clear();
        for (at, filled) in self.filled.iter_mut().enumerate() {
            if !std::mem::take(filled) {
                continue;
            }
            let first = self.stretches.first_ordinal(at);
            let cells = &mut self.cells[at * STRETCH..][..STRETCH];
            let left = &mut self.left[at * STRETCH..][..STRETCH];
            for ((cell, left), ordinal) in cells.iter_mut().zip(left).zip(first..) {
                let count = std::mem::take(cell);
                if count > 0 {
                    *left -= count;
                    self.stretch_left[at] -= count;
                    self.all_left -= count;
                    buckets.push((ordinal, count));
                }
            }
        }
    }

    /// Divides a row's values among the stretches. No bucket gets more than is left of it, and all that are behind it
    /// can take what it does not.
    fn code_cells(&mut self, coder: &mut impl Coder, total: u64) {
        let (mut wanted, mut rest) = (total, self.all_left);
        for at in 0..self.stretches.len() {
            if wanted == 0 {
                break;
            }
            let own = self.stretch_left[at];
            if own == 0 {
                continue;
            }
            let share = Share::new(wanted, rest);
            let (all, phase) = (share.of(own), phase(wanted, rest));
            let asked = all < CROWDED && wanted <= rest - own;
            if asked && !coder.bit(&mut self.any[phase][class(all)], self.filled[at]) {
                self.filled[at] = false;
                rest -= own;
                continue;
            }
            self.filled[at] = true;
            let crowd = (class(all) / 12).min(3);
            let (mut within, mut none_yet, mut share) = (own, asked, share);
            let cells = self.cells[at * STRETCH..][..STRETCH].iter_mut();
            for (cell, &left) in cells.zip(&self.left[at * STRETCH..][..STRETCH]) {
                if left == 0 {
                    continue;
                }
                let least = wanted.saturating_sub(rest - left);
                let most = left.min(wanted);
                let about = share.of(left);
                let count = if least == most {
                    least
                } else if none_yet && least == 0 {
                    let ratio = class(share.of(within)).saturating_sub(class(about));
                    let chance = &mut self.firsts[crowd][ratio.min(RATIOS - 1)];
                    if within == left || coder.bit(chance, *cell > 0) {
                        self.counts.code(coder, phase, about, (1, most), *cell)
                    } else {
                        0
                    }
                } else {
                    self.counts.code(coder, phase, about, (least, most), *cell)
                };
                *cell = count;
                wanted -= count;
                rest -= left;
                within -= left;
                if none_yet && count > 0 {
                    none_yet = false;
                    share = Share::new(wanted, rest);
                }
                if wanted == 0 {
                    break;
                }
            }
        }
    }
}
