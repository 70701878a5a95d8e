//! One tier's rows: their times, in blocks, shared by all series.

use super::column::ALLOCATION;
use super::scalars;
use super::staged::{Place, Staged};
use crate::limits::HISTORY_BLOCK_ROWS;
use std::collections::VecDeque;
use std::sync::Arc;

/// A tier: rows of one resolution.
#[derive(Debug)]
pub(super) struct Tier {
    /// Rows stand at least so far apart, in milliseconds; in the finest tier each generation is a row.
    pub(super) step: i64,
    /// How far back it reaches, in milliseconds.
    pub(super) span: i64,
    /// Closed blocks, all of them full.
    blocks: VecDeque<Closed>,
    /// Bytes of them.
    packed: usize,
    /// The number of the first of them.
    pub(super) first_block: u32,
    /// Times of the open block's rows.
    open: Vec<i64>,
    /// Rows there ever were.
    pub(super) rows: u64,
    /// The generation that the last row shows.
    pub(super) shown: u64,
    /// The generation in which the last block closed.
    pub(super) closed_at: u64,
    /// How many generations the last row came after the one before.
    pub(super) pace: u64,
    /// Rows that their series' columns do not have yet.
    pub(super) staged: Staged,
    /// Whether in the next row each series of the last generation goes on from the last.
    pub(super) regular: bool,
    /// Which series is the next to let go what has aged, and how many are still to do so.
    pub(super) aging: (usize, usize),
}

/// The times of a closed block, packed: evenly spaced ones take next to nothing.
#[derive(Debug)]
struct Closed {
    first: i64,
    last: i64,
    times: Box<[u8]>,
}

impl Closed {
    fn new(times: &[i64]) -> Self {
        let bits: Vec<u64> = times.iter().map(|&time| time as u64).collect();
        let ends = times.first().copied().zip(times.last().copied());
        let (first, last) = ends.unwrap_or_default();
        Closed { first, last, times: scalars::pack(&bits, false).into() }
    }

    fn times(&self) -> Arc<[i64]> {
        scalars::unpack(&self.times, HISTORY_BLOCK_ROWS)
            .into_iter()
            .map(|time| time as i64)
            .collect()
    }
}

/// Rows of one block, as a reader sees them.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) tier: usize,
    pub(super) block: u32,
    /// Times of all rows of the block.
    pub(super) times: Arc<[i64]>,
    /// The rows that are meant: `lo..hi`.
    pub(super) lo: usize,
    pub(super) hi: usize,
}

impl Tier {
    pub(super) fn new(step: i64, span: i64) -> Self {
        Tier {
            step,
            span,
            blocks: VecDeque::new(),
            packed: 0,
            first_block: 0,
            open: Vec::new(),
            rows: 0,
            shown: 0,
            closed_at: 0,
            pace: 1,
            staged: Staged::default(),
            regular: false,
            aging: (0, 0),
        }
    }

    /// The number of the open block.
    pub(super) fn open_block(&self) -> u32 {
        self.first_block + self.blocks.len() as u32
    }

    /// Adds a row to the open block; where it stands.
    pub(super) fn push(&mut self, time: i64) -> Place {
        let (number, index) = (self.rows, self.open.len() as u16);
        self.open.push(time);
        self.rows += 1;
        Place { number, block: self.open_block(), index }
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() == HISTORY_BLOCK_ROWS
    }

    /// Closes the open block; the number of it.
    pub(super) fn close(&mut self) -> u32 {
        let number = self.open_block();
        self.packed += size_of::<Closed>() + ALLOCATION;
        self.blocks.push_back(Closed::new(&std::mem::take(&mut self.open)));
        self.packed += self.blocks.back().map_or(0, |closed| closed.times.len());
        number
    }

    /// Whether the oldest closed block lies behind the span.
    pub(super) fn is_past(&self, now: i64) -> bool {
        self.blocks.front().is_some_and(|closed| closed.last < now.saturating_sub(self.span))
    }

    pub(super) fn has_closed(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Drops the oldest closed block.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(closed) = self.blocks.pop_front() {
            self.packed -= size_of::<Closed>() + ALLOCATION + closed.times.len();
            self.first_block += 1;
        }
    }

    /// Drops all rows.
    pub(super) fn clear(&mut self) {
        self.first_block = self.open_block() + 1;
        self.blocks.clear();
        self.packed = 0;
        self.open = Vec::new();
        self.staged.clear();
        (self.regular, self.aging) = (false, (0, 0));
    }

    /// Bytes of the times, and of rows that wait.
    pub(super) fn heap(&self) -> usize {
        let places = (self.blocks.capacity() - self.blocks.len()) * size_of::<Closed>();
        self.packed + 8 * self.open.capacity() + places + self.staged.heap()
    }

    /// The step in which a time lies.
    pub(super) fn step_of(&self, time: i64) -> i64 {
        time.div_euclid(self.step)
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        self.blocks.front().map(|closed| closed.first).or_else(|| self.open.first().copied())
    }

    pub(super) fn newest(&self) -> Option<i64> {
        self.open.last().copied().or_else(|| self.blocks.back().map(|closed| closed.last))
    }

    /// The time of the first row that is not before `time`.
    pub(super) fn row_from(&self, time: i64) -> Option<i64> {
        let from = |times: &[i64]| times.get(times.partition_point(|&row| row < time)).copied();
        let at = self.blocks.partition_point(|closed| closed.last < time);
        self.blocks.get(at).map_or_else(|| from(&self.open), |closed| from(&closed.times()))
    }

    /// The first row from `time` on that both tiers have.
    pub(super) fn first_in_common(&self, coarser: &Tier, time: i64) -> Option<i64> {
        let mut row = coarser.row_from(time)?;
        loop {
            let mine = self.row_from(row)?;
            if mine == row {
                return Some(row);
            }
            row = coarser.row_from(mine)?;
        }
    }

    /// Adds to `parts`, newest first, the rows of `after` (exclusive) to `to` (inclusive), and if `before` is asked for
    /// the row before them.
    pub(super) fn parts(
        &self,
        tier: usize,
        after: i64,
        to: i64,
        before: bool,
        parts: &mut Vec<Part>,
    ) {
        let closed = self.blocks.len();
        for index in (0..=closed).rev() {
            let block = self.blocks.get(index);
            let first = block.map(|closed| closed.first).or_else(|| self.open.first().copied());
            if first.is_none_or(|first| first > to) {
                continue;
            }
            let times: Arc<[i64]> =
                block.map_or_else(|| self.open.as_slice().into(), Closed::times);
            let behind = times.partition_point(|&time| time <= after);
            let lo = behind.saturating_sub(usize::from(before));
            let hi = times.partition_point(|&time| time <= to);
            if lo < hi {
                parts.push(Part { tier, block: self.first_block + index as u32, times, lo, hi });
            }
            if behind > 0 {
                break;
            }
        }
    }
}
