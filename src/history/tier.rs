//! One tier's rows: their times, in blocks, shared by all series.

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
    /// Times of closed blocks, all of them full.
    blocks: VecDeque<Arc<[i64]>>,
    /// The number of the first of them.
    pub(super) first_block: u32,
    /// Times of the open block's rows.
    open: Vec<i64>,
    /// Rows there ever were.
    pub(super) rows: u64,
    /// The generation that the last row shows.
    pub(super) shown: u64,
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
        Tier { step, span, blocks: VecDeque::new(), first_block: 0, open: Vec::new(), rows: 0, shown: 0 }
    }

    /// The number of the open block.
    pub(super) fn open_block(&self) -> u32 {
        self.first_block + self.blocks.len() as u32
    }

    /// Adds a row to the open block; its index there.
    pub(super) fn push(&mut self, time: i64) -> u16 {
        self.open.push(time);
        self.rows += 1;
        (self.open.len() - 1) as u16
    }

    pub(super) fn is_full(&self) -> bool {
        self.open.len() == HISTORY_BLOCK_ROWS
    }

    /// Closes the open block; the number of it.
    pub(super) fn close(&mut self) -> u32 {
        let number = self.open_block();
        self.blocks.push_back(std::mem::take(&mut self.open).into());
        number
    }

    /// Whether the oldest closed block lies behind the span.
    pub(super) fn is_past(&self, now: i64) -> bool {
        let last = self.blocks.front().and_then(|times| times.last());
        last.is_some_and(|&last| last < now.saturating_sub(self.span))
    }

    pub(super) fn has_closed(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// Drops the oldest closed block.
    pub(super) fn drop_oldest(&mut self) {
        if self.blocks.pop_front().is_some() {
            self.first_block += 1;
        }
    }

    /// Drops all rows.
    pub(super) fn clear(&mut self) {
        self.first_block = self.open_block() + 1;
        self.blocks.clear();
        self.open = Vec::new();
    }

    /// Bytes of the times.
    pub(super) fn heap(&self) -> usize {
        self.blocks.len() * (8 * HISTORY_BLOCK_ROWS + 32)
            + 8 * self.open.capacity()
            + self.blocks.capacity() * size_of::<Arc<[i64]>>()
    }

    /// The step in which a time lies.
    pub(super) fn step_of(&self, time: i64) -> i64 {
        time.div_euclid(self.step)
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        let first = self.blocks.front().map_or(&self.open[..], |times| times);
        first.first().copied()
    }

    pub(super) fn newest(&self) -> Option<i64> {
        let closed = || self.blocks.back().and_then(|times| times.last());
        self.open.last().or_else(closed).copied()
    }

    /// The time of the first row that is not before `time`.
    pub(super) fn row_from(&self, time: i64) -> Option<i64> {
        let at = self.blocks.partition_point(|times| times.last().is_some_and(|&last| last < time));
        let times = self.blocks.get(at).map_or(&self.open[..], |times| times);
        times.get(times.partition_point(|&row| row < time)).copied()
    }

    /// Adds to `parts`, newest first, the rows of `after` (exclusive) to `to` (inclusive), and if `before` is asked for the
    /// row before them.
    pub(super) fn parts(&self, tier: usize, after: i64, to: i64, before: bool, parts: &mut Vec<Part>) {
        let closed = self.blocks.iter().map(Some).chain([None]);
        for (index, closed) in closed.enumerate().collect::<Vec<_>>().into_iter().rev() {
            let times = closed.map_or(&self.open[..], |times| times);
            if times.first().is_none_or(|&first| first > to) {
                continue;
            }
            let behind = times.partition_point(|&time| time <= after);
            let lo = behind.saturating_sub(usize::from(before));
            let hi = times.partition_point(|&time| time <= to);
            if lo < hi {
                let times = closed.map_or_else(|| times.into(), Arc::clone);
                parts.push(Part { tier, block: self.first_block + index as u32, times, lo, hi });
            }
            if behind > 0 {
                break;
            }
        }
    }
}
