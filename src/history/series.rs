//! One series of a history: who it is, what it shows now, and its columns in each tier.

use super::column::{ALLOCATION, Chunk, Head, Origin, weight};
use super::sparse::Gain;
use super::staged::{Place, Staged};
use crate::limits::HISTORY_BLOCK_ROWS;
use crate::registry::layout::{Identity, Labels};
use crate::{Definition, HistogramSnapshot};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What tells series apart, over time: one that expired and came back is the same.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) definition: Arc<Definition>,
    pub(super) labels: Labels,
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let (mine, theirs) = (&self.definition, &other.definition);
        let same = Arc::ptr_eq(mine, theirs)
            || mine.name == theirs.name
                && (mine.kind, mine.unit, mine.precision)
                    == (theirs.kind, theirs.unit, theirs.precision);
        same && (Arc::ptr_eq(&self.labels, &other.labels) || self.labels == other.labels)
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
        self.labels.hash(state);
    }
}

impl Key {
    pub(super) fn is_histogram(&self) -> bool {
        self.definition.kind == crate::registry::Kind::Histogram
    }

    /// Whether the numbers are bits of floats.
    pub(super) fn is_float(&self) -> bool {
        self.definition.kind.is_gauge()
    }

    pub(super) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.0 == name).map(|label| label.1.as_str())
    }
}

/// What a series shows.
#[derive(Clone, Debug)]
pub(super) enum Current {
    Scalar(u64),
    Histogram(Arc<HistogramSnapshot>),
}

/// A series' columns in one tier.
#[derive(Debug)]
pub(super) struct Track {
    /// Columns of closed blocks, by time.
    pub(super) chunks: VecDeque<Chunk>,
    pub(super) head: Head,
    /// How many rows the tier had once this one had its last.
    last_row: u64,
    /// What its next row begins with, if that is known not to go on from the last.
    pub(super) broken: Option<Origin>,
    /// Whether that is so only because all rows were let go: a log still has them.
    cleared: bool,
    /// What a histogram had in its last row.
    mark: Option<Arc<HistogramSnapshot>>,
}

#[derive(Debug)]
pub(super) struct Series {
    pub(super) key: Key,
    /// Its number in the store.
    place: u32,
    /// Its column among the last generation's numbers, if it has one.
    pub(super) column: Option<u32>,
    /// Whether its numbers are bits of floats.
    floats: bool,
    pub(super) identity: Identity,
    /// Whether the last generation has it.
    pub(super) live: bool,
    /// The last generation that had it, and what it showed then. While it is live, up to date only where a layout
    /// changes: see [`Store`](super::store::Store).
    pub(super) seen: u64,
    pub(super) current: Current,
    pub(super) tracks: Box<[Track]>,
}

impl Series {
    pub(super) fn new(
        (place, key): (u32, Key),
        identity: Identity,
        origin: Origin,
        tiers: usize,
    ) -> Self {
        let track = || Track {
            chunks: VecDeque::new(),
            head: Head::EMPTY,
            last_row: 0,
            broken: Some(origin),
            cleared: false,
            mark: None,
        };
        let tracks = (0..tiers).map(|_| track()).collect();
        let (floats, current) = (key.is_float(), Current::Scalar(0));
        Series { key, place, column: None, floats, identity, live: false, seen: 0, current, tracks }
    }

    /// Whether it is there, and not as another one of the same name and labels.
    pub(super) fn is(&self, identity: Identity) -> bool {
        self.live && self.identity == identity
    }

    /// The series begins anew, after that.
    pub(super) fn restart(&mut self, origin: Origin) {
        self.tracks.iter_mut().for_each(|track| track.breaks(origin));
    }

    /// Bytes that it takes for as long as history has it.
    pub(super) fn cost(key: &Key, tiers: usize) -> usize {
        let labels: usize =
            key.labels.iter().map(|(name, value)| 48 + name.len() + value.len()).sum();
        // In the map and in lists, which may be half empty, and what it showed last; in the table, which is nearly full.
        let lists = 5 * size_of::<u32>() + size_of::<Current>();
        let places = 2 * (2 * size_of::<Key>() + lists) + size_of::<Option<Series>>() * 9 / 8;
        labels + ALLOCATION * (2 + 2 * key.labels.len()) + places + tiers * size_of::<Track>()
    }

    /// Whether history has nothing of it any more.
    pub(super) fn is_spent(&self) -> bool {
        !self.live
            && self.tracks.iter().all(|track| track.chunks.is_empty() && track.head.is_empty())
    }

    /// Adds a row to tier `at`, in which it shows `now`; what it took more, and what came before the row; `None` if
    /// history has let that go, and nothing but that is amiss.
    pub(super) fn push(
        &mut self,
        at: usize,
        row: Place,
        now: &Current,
        gain: &mut Gain,
    ) -> (Grown, Option<Origin>) {
        let track = &mut self.tracks[at];
        let mut grown = track.turn(row.block);
        let before = track.heap(at);
        let goes_on = track.last_row == row.number && row.number > 0;
        let mut origin = match track.broken.take() {
            Some(origin) => origin,
            None if goes_on => Origin::Continues,
            None => Origin::New,
        };
        track.last_row = row.number + 1;
        let cleared = std::mem::take(&mut track.cleared);
        let (index, stagger) = ((row.block, row.index), self.place as usize);
        match now {
            Current::Scalar(value) => {
                track.head.push_scalar(index, *value, origin, (self.floats, stagger));
            }
            Current::Histogram(now) => {
                // What did not change is not even looked at.
                let same = track.mark.as_ref().is_some_and(|mark| Arc::ptr_eq(mark, now));
                let mark = if same { Some(now.clone()) } else { track.mark.replace(now.clone()) };
                match (origin, &mark) {
                    (Origin::Continues, Some(mark)) if Arc::ptr_eq(mark, now) => gain.clear(),
                    (Origin::Continues, Some(mark)) => {
                        if !gain.set(now, mark) {
                            origin = Origin::New;
                        }
                    }
                    (Origin::Unknown, _) => gain.clear(),
                    _ => *gain = Gain::whole(now),
                }
                let known = || if origin == Origin::Continues { mark } else { Some(now.clone()) };
                track.head.push_histogram(index, (gain, stagger), origin, known);
            }
        }
        grown.bytes += track.heap(at) as isize - before as isize;
        (grown, (!cleared).then_some(origin))
    }

    /// Adds the rows that wait for it in tier `at`; what it took more.
    pub(super) fn push_staged(&mut self, at: usize, staged: &Staged) -> Grown {
        let mut grown = Grown::default();
        let Some(column) = self.column.filter(|_| !staged.is_empty()) else { return grown };
        let (track, kind) = (&mut self.tracks[at], (self.floats, self.place as usize));
        let mut before = track.head.heap();
        for (row, value) in staged.of(column as usize, track.last_row) {
            debug_assert_eq!((row.number, track.broken), (track.last_row, None));
            if row.block != track.head.block {
                grown.bytes += track.head.heap() as isize - before as isize;
                grown.add(track.turn(row.block));
                before = 0;
            }
            track.head.push_scalar((row.block, row.index), value, Origin::Continues, kind);
            track.last_row = row.number + 1;
        }
        grown.bytes += track.head.heap() as isize - before as isize;
        grown
    }

    /// The column of a block in tier `at`.
    pub(super) fn column(&self, at: usize, block: u32, staged: &Staged) -> Option<Chunk> {
        let track = &self.tracks[at];
        let mut waits = self.column.into_iter().flat_map(|column| {
            let rows = staged.of(column as usize, track.last_row);
            rows.filter(|(row, _)| row.block == block)
        });
        let grows = !track.head.is_empty() && track.head.block == block;
        let first = waits.next();
        if grows || first.is_some() {
            let mut head = if grows { track.head.clone() } else { Head::EMPTY };
            let kind = (self.floats, self.place as usize);
            for (row, value) in first.into_iter().chain(waits) {
                head.push_scalar((block, row.index), value, Origin::Continues, kind);
            }
            return head.finish();
        }
        let at = track.chunks.partition_point(|chunk| chunk.last < block);
        track.chunks.get(at).filter(|chunk| chunk.first <= block).cloned()
    }

    /// As [`Series::push`], of a row that was read from a log; what it took more.
    pub(super) fn push_logged(
        &mut self,
        at: usize,
        row: Place,
        origin: Origin,
        shown: Logged<'_>,
    ) -> Grown {
        let track = &mut self.tracks[at];
        let mut grown = track.turn(row.block);
        let before = track.heap(at);
        let origin = match track.broken.take() {
            Some(broken) if origin == Origin::Continues => broken,
            _ => origin,
        };
        track.last_row = row.number + 1;
        track.cleared = false;
        let (index, stagger) = ((row.block, row.index), self.place as usize);
        match shown {
            Logged::Scalar(value) => {
                track.head.push_scalar(index, value, origin, (self.floats, stagger));
            }
            Logged::Histogram(gain, histogram) => {
                let none = Gain::default();
                let gain = if origin == Origin::Unknown { &none } else { gain };
                let known = || Some(histogram(origin == Origin::Continues));
                track.head.push_histogram(index, (gain, stagger), origin, known);
            }
        }
        grown.bytes += track.heap(at) as isize - before as isize;
        grown
    }
}

/// What columns took more.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub(super) struct Grown {
    pub(super) bytes: isize,
    pub(super) chunks: usize,
}

impl Grown {
    pub(super) fn add(&mut self, more: Grown) {
        self.bytes += more.bytes;
        self.chunks += more.chunks;
    }
}

/// What a log's row has of a series.
pub(super) enum Logged<'a> {
    Scalar(u64),
    /// What a histogram has more, and what it has: before that, if that is asked for.
    Histogram(&'a Gain, &'a dyn Fn(bool) -> Arc<HistogramSnapshot>),
}

impl Track {
    /// Bytes of the open block's column, and of what it is compared with. In the finest tier that is the engine's own.
    fn heap(&self, tier: usize) -> usize {
        let mark = self.mark.as_deref().filter(|_| tier > 0);
        self.head.heap() + mark.map_or(0, weight)
    }

    /// What comes next begins anew, after that.
    pub(super) fn breaks(&mut self, origin: Origin) {
        (self.broken, self.cleared) = (Some(origin), false);
    }

    /// Whether it has the last of so many rows.
    pub(super) fn has_row(&self, rows: u64) -> bool {
        rows > 0 && self.last_row == rows
    }

    /// Goes on from what a log had in the last row; how many bytes that takes.
    pub(super) fn resume(&mut self, tier: usize, mark: Arc<HistogramSnapshot>) -> isize {
        let before = self.heap(tier);
        self.mark = Some(mark);
        self.heap(tier) as isize - before as isize
    }

    /// Bytes of all of it.
    #[cfg(test)]
    pub(super) fn bytes(&self, tier: usize) -> usize {
        let chunks: usize = self.chunks.iter().map(Chunk::heap).sum();
        self.heap(tier) + chunks + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Closes the column if it is of a block before this one; what it took more.
    pub(super) fn turn(&mut self, block: u32) -> Grown {
        if self.head.is_empty() || self.head.block >= block {
            return Grown::default();
        }
        let places = |track: &Track| track.chunks.capacity() * size_of::<Chunk>();
        let before = self.head.heap() + places(self);
        let chunks = self.close();
        let closed = self.chunks.back().filter(|_| chunks > 0).map_or(0, Chunk::heap);
        Grown { bytes: (places(self) + closed) as isize - before as isize, chunks }
    }

    /// How many chunks there are more.
    fn close(&mut self) -> usize {
        let head = std::mem::replace(&mut self.head, Head::EMPTY);
        let Some(chunk) = head.finish() else { return 0 };
        let rows = [HISTORY_BLOCK_ROWS; 2];
        if self.chunks.back_mut().is_some_and(|last| last.extend(&chunk, rows)) {
            return 0;
        }
        if self.chunks.len() == self.chunks.capacity() {
            self.chunks.reserve_exact(1 + self.chunks.len() / 16);
        }
        self.chunks.push_back(chunk);
        1
    }

    /// Drops what lies before `block`; how many chunks and bytes there are fewer.
    pub(super) fn drop_before(&mut self, block: u32, rows: usize) -> (usize, usize) {
        let (mut dropped, mut bytes, places) = (0, 0, self.chunks.capacity());
        while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.last < block) {
            bytes += chunk.heap();
            dropped += 1;
        }
        if let Some(chunk) = self.chunks.front_mut() {
            bytes += chunk.heap();
            chunk.advance(block, rows);
            bytes -= chunk.heap();
        }
        if places > 2 * self.chunks.len() + 4 {
            self.chunks.shrink_to(self.chunks.len() + 1);
        }
        (dropped, bytes + (places - self.chunks.capacity()) * size_of::<Chunk>())
    }

    /// Drops all rows; what comes next begins after something that history no longer has. How many chunks there were.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.chunks.len();
        self.chunks = VecDeque::new();
        self.head = Head::EMPTY;
        self.cleared |= self.broken.is_none();
        self.broken = Some(self.broken.unwrap_or(Origin::Unknown));
        self.mark = None;
        dropped
    }
}
