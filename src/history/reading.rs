//! What a reader takes out of a store, under its lock, and reads without it: rows and columns, shared with the store.

use super::column::{Chunk, Origin, Run};
use super::series::{Key, Series};
use super::sparse::Gain;
use super::store::Store;
use super::tier::Part;
use crate::snapshot::histogram::parts::{Parts, Sums};
use crate::{HistogramSnapshot, Precision, Unit};
use std::sync::Arc;

/// Rows of one reading, shared by all of its series.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub(super) parts: Arc<[Part]>,
    /// Rows at or before this are there to go on from.
    pub(super) after: i64,
}

/// One series' columns of a reading.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) key: Key,
    pub(super) rows: Rows,
    /// One for each part of the rows.
    columns: Box<[Option<Chunk>]>,
}

impl Store {
    pub(super) fn rows(&self, after: i64, to: i64) -> Rows {
        Rows { parts: self.parts(after, to).into(), after }
    }

    /// The columns of a series; `None` if it has none in these rows.
    pub(super) fn read(&self, series: &Series, rows: &Rows) -> Option<Reading> {
        let column =
            |part: &Part| series.column(part.tier, part.block, &self.tiers[part.tier].staged);
        let columns: Box<[_]> = rows.parts.iter().map(column).collect();
        let any = columns.iter().any(Option::is_some);
        any.then(|| Reading { key: series.key.clone(), rows: rows.clone(), columns })
    }
}

impl Reading {
    fn parts(&self) -> impl Iterator<Item = (&Part, Option<&Chunk>)> {
        self.rows.parts.iter().zip(self.columns.iter().map(Option::as_ref))
    }

    /// Calls `each` with all rows by time: the time, and what the series had, if it was there: a number, and what came
    /// before it.
    pub(super) fn scalars(&self, mut each: impl FnMut(i64, Option<(u64, Origin)>)) {
        for (part, chunk) in self.parts() {
            let mut next = part.lo;
            if let Some(chunk) = chunk {
                let (values, mut index) = (chunk.values(), 0);
                for run in chunk.runs(part.block, part.times.len()) {
                    for row in within(run, part) {
                        part.times[next..row].iter().for_each(|&time| each(time, None));
                        let value = values.at(index + row - usize::from(run.start));
                        each(part.times[row], Some((value, origin(run, row))));
                        next = row + 1;
                    }
                    index += usize::from(run.len);
                }
            }
            part.times[next..part.hi].iter().for_each(|&time| each(time, None));
        }
    }

    /// As [`Reading::scalars`], of where the series was alone.
    #[cfg(feature = "promql")]
    pub(super) fn presence(&self, mut each: impl FnMut(i64, Option<Origin>)) {
        for (part, chunk) in self.parts() {
            let mut next = part.lo;
            for run in chunk.into_iter().flat_map(|chunk| chunk.runs(part.block, part.times.len()))
            {
                for row in within(run, part) {
                    part.times[next..row].iter().for_each(|&time| each(time, None));
                    each(part.times[row], Some(origin(run, row)));
                    next = row + 1;
                }
            }
            part.times[next..part.hi].iter().for_each(|&time| each(time, None));
        }
    }

    /// What a histogram gained in the rows after `after` up to `to`: where the rows begin and end, or within.
    pub(super) fn gained(&self, after: i64, to: i64) -> Total {
        let precision = self.key.definition.precision;
        let mut total = Total::default();
        let base = |chunk: &Chunk| chunk.base(precision).unwrap_or_default();
        // What this part begins with is to be added. Where the next block's beginning is, too, neither is looked at.
        let mut owed = None;
        for (index, (part, chunk)) in self.parts().enumerate() {
            let Some(chunk) = chunk else { continue };
            let rows = part.times.len();
            let lo = self.first_counted(index, after);
            let hi = part.hi.min(part.times.partition_point(|&time| time <= to));
            let is_owed = owed == Some(index);
            if hi == rows && self.goes_on_behind(index) {
                // What was gained to the end of a block is what the next one begins with, less what this one did and
                // what its rows before had.
                if !is_owed {
                    total.sub(&base(chunk));
                }
                if lo > 0 {
                    chunk.gained(part.block, precision, 0..lo, |gain| total.sub(gain));
                }
                owed = Some(index + 1);
            } else {
                if is_owed {
                    total.add(&base(chunk));
                }
                if lo < hi {
                    chunk.gained(part.block, precision, lo..hi, |gain| total.add(gain));
                }
            }
        }
        total
    }

    /// The first row of a part of which a window that begins after `after` has what was gained in it.
    fn first_counted(&self, index: usize, after: i64) -> usize {
        let (part, chunk) = (&self.rows.parts[index], &self.columns[index]);
        let lo = part.lo.max(part.times.partition_point(|&time| time <= after));
        // The first row that is kept, and none before it: what it gained lies before the window's bounds.
        if index > 0 || part.times[part.lo] <= after {
            return lo;
        }
        let goes_on = |run: Run| run.origin == Origin::Continues || usize::from(run.start) < lo;
        let runs = chunk.iter().flat_map(|chunk| chunk.runs(part.block, part.times.len()));
        let mut at = runs.filter(|run| run.end() > lo && usize::from(run.start) <= lo);
        lo + usize::from(at.next().is_some_and(goes_on))
    }

    /// Whether a series is in a part's block to its end without a break, and goes on in the next one: then all that the
    /// block's rows gained is the difference between what the two begin with.
    fn goes_on_behind(&self, index: usize) -> bool {
        let (part, next) = (&self.rows.parts[index], self.rows.parts.get(index + 1));
        let then = self.columns.get(index + 1).and_then(Option::as_ref);
        let (Some(chunk), Some((next, then))) = (&self.columns[index], next.zip(then)) else {
            return false;
        };
        let rows = part.times.len();
        let mut runs = chunk.runs(part.block, rows);
        let unbroken = runs.next().is_some_and(|run| run.end() == rows) && runs.next().is_none();
        unbroken
            && (next.tier, next.block) == (part.tier, part.block + 1)
            && then.continues(next.block)
    }

    /// Calls `each` with the rows of parts from `first` on in which a histogram was there: the time, and all that it
    /// had then.
    #[cfg(feature = "promql")]
    pub(super) fn cumulative(&self, first: usize, mut each: impl FnMut(i64, &Total)) {
        let precision = self.key.definition.precision;
        for (part, chunk) in self.parts().skip(first) {
            let Some(chunk) = chunk else { continue };
            let mut gains = Vec::new();
            chunk
                .gains(part.block, precision, part.hi, |row, gain| gains.push((row, gain.clone())));
            let mut gains = gains.into_iter().peekable();
            let mut total = Total::default();
            total.add(&chunk.base(precision).unwrap_or_default());
            for run in chunk.runs(part.block, part.times.len()) {
                for row in usize::from(run.start)..run.end().min(part.hi) {
                    if origin(run, row) == Origin::New {
                        total = Total::default();
                    }
                    while let Some((_, gain)) = gains.next_if(|(at, _)| *at <= row) {
                        total.add(&gain);
                    }
                    if row >= part.lo {
                        each(part.times[row], &total);
                    }
                }
            }
        }
    }
}

/// The rows of a part in which the series was there in this run.
fn within(run: Run, part: &Part) -> std::ops::Range<usize> {
    usize::from(run.start).max(part.lo)..run.end().min(part.hi)
}

/// What came before a row of a run.
fn origin(run: Run, row: usize) -> Origin {
    if row == usize::from(run.start) { run.origin } else { Origin::Continues }
}

/// Gains, added up.
#[derive(Clone, Debug, Default)]
pub(super) struct Total {
    /// By ordinal. Wraps, as differences are added one side after the other.
    counts: Vec<u64>,
    sum: u128,
}

impl Total {
    pub(super) fn add(&mut self, gain: &Gain) {
        self.fit(gain);
        for &(ordinal, count) in &gain.buckets {
            let cell = &mut self.counts[ordinal as usize];
            *cell = cell.wrapping_add(count);
        }
        self.sum = self.sum.wrapping_add(gain.sum);
    }

    fn sub(&mut self, gain: &Gain) {
        self.fit(gain);
        for &(ordinal, count) in &gain.buckets {
            let cell = &mut self.counts[ordinal as usize];
            *cell = cell.wrapping_sub(count);
        }
        self.sum = self.sum.wrapping_sub(gain.sum);
    }

    fn fit(&mut self, gain: &Gain) {
        let most = HistogramSnapshot::most_ordinals(Precision::Three);
        let needed = gain.buckets.last().map_or(0, |bucket| (bucket.0 as usize + 1).min(most));
        if self.counts.len() < needed {
            self.counts.resize(needed, 0);
        }
    }

    /// As a histogram. Its minimum and maximum are those of its buckets.
    pub(super) fn histogram(&self, precision: Precision, unit: Unit) -> HistogramSnapshot {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let buckets: Vec<(usize, u64)> = counted.map(|(at, &count)| (at, count)).collect();
        let sums = Sums::Total(self.sum);
        HistogramSnapshot::from_parts(Parts {
            precision,
            unit,
            buckets: &buckets,
            sums,
            extremes: None,
        })
    }
}
