//! Keeping a store within its bytes: packing closed columns, a few series at a time, and letting old blocks go.
//!
//! Blocks go when their tier's span is over. When all bytes are taken, the oldest block of the coarsest tier that has a
//! closed one goes, then the next; when there are only open blocks left, all of them go, and the store begins with the
//! next generation as one that has seen nothing.

use super::column::Chunk;
use super::series::{Series, Track};
use super::store::Store;
use super::tier::Tier;
use crate::limits::{HISTORY_BLOCK_ROWS, HISTORY_PACKED_SERIES};

impl Store {
    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        let times: usize = self.tiers.iter().map(Tier::heap).sum();
        self.fixed + self.columns + times
    }

    /// Packs some of what waits for it, and lets go what is too old or too much at `now`.
    pub(super) fn let_go(&mut self, now: i64) {
        self.pack();
        for tier in 0..self.tiers.len() {
            while self.tiers[tier].is_past(now) {
                self.counts.aged += self.drop_oldest(tier);
            }
        }
        while self.bytes() > self.max_bytes {
            match self.tiers.iter().rposition(Tier::has_closed) {
                Some(tier) => self.counts.displaced += self.drop_oldest(tier),
                None => {
                    self.clear();
                    break;
                }
            }
        }
    }

    fn pack(&mut self) {
        let (least, part) = HISTORY_PACKED_SERIES;
        let mut budget = least.max(self.series.len() / part);
        while let Some(next) = self.packing.front_mut() {
            let from = *next;
            *next = (from + budget).min(self.series.len());
            let to = *next;
            for series in self.series[from..to].iter_mut().flatten() {
                let (floats, precision) = (series.key.is_float(), series.key.definition.precision);
                let coarsest = series.tracks.len() - 1;
                for (tier, track) in series.tracks.iter_mut().enumerate() {
                    let before = track.loose_bytes();
                    track.head.settle(precision);
                    track.loose().for_each(|chunk| chunk.pack(floats, precision, tier == coarsest));
                    let packed = track.packed_bytes(before.1);
                    self.columns = (self.columns + packed).saturating_sub(before.0);
                }
            }
            budget -= to - from;
            if to < self.series.len() {
                break;
            }
            self.packing.pop_front();
        }
    }

    /// How many chunks went.
    fn drop_oldest(&mut self, tier: usize) -> u64 {
        self.tiers[tier].drop_oldest();
        let block = self.tiers[tier].first_block;
        let mut dropped = 0;
        for series in self.series.iter_mut().flatten() {
            let track = &mut series.tracks[tier];
            if track.chunks.front().is_none_or(|chunk| chunk.first >= block) {
                continue;
            }
            let before = track.bytes(tier);
            dropped += track.drop_before(block, HISTORY_BLOCK_ROWS);
            self.columns = (self.columns + track.bytes(tier)).saturating_sub(before);
        }
        self.chunks -= dropped;
        self.forget();
        dropped as u64
    }

    /// Lets all rows go.
    fn clear(&mut self) {
        for series in self.series.iter_mut().flatten() {
            for track in &mut series.tracks {
                self.counts.displaced += 1 + track.clear() as u64;
            }
        }
        self.tiers.iter_mut().for_each(Tier::clear);
        self.packing.clear();
        self.leave_at_once();
        (self.columns, self.chunks) = (0, 0);
        self.forget();
    }

    /// Drops series that have nothing left, and nothing to come.
    fn forget(&mut self) {
        let shown = self.tiers.iter().map(|tier| tier.shown).min().unwrap_or_default();
        for (id, place) in self.series.iter_mut().enumerate() {
            let spent = |series: &mut Series| series.is_spent() && series.seen <= shown;
            let Some(series) = place.take_if(spent) else { continue };
            self.fixed -= Series::cost(&series.key, self.tiers.len());
            self.by_key.remove(&series.key);
            self.free.push(id as u32);
        }
    }

    /// [`Store::bytes`] and the number of chunks, counted anew.
    #[cfg(test)]
    pub(super) fn counted(&self) -> (usize, usize) {
        let times: usize = self.tiers.iter().map(Tier::heap).sum();
        let series = || self.series.iter().flatten();
        let fixed: usize = series().map(|series| Series::cost(&series.key, self.tiers.len())).sum();
        let tracks = || series().flat_map(|series| series.tracks.iter().enumerate());
        let columns: usize = tracks().map(|(tier, track)| track.bytes(tier)).sum();
        (times + fixed + columns, tracks().map(|(_, track)| track.chunks.len()).sum())
    }
}

impl Track {
    /// Chunks that wait to be packed: the last ones.
    fn loose(&mut self) -> impl Iterator<Item = &mut Chunk> {
        self.chunks.iter_mut().rev().take_while(|chunk| chunk.is_loose())
    }

    /// Bytes of what [`Store::pack`] may change, and how many chunks that are.
    fn loose_bytes(&mut self) -> (usize, usize) {
        let head = self.head.heap();
        self.loose().fold((head, 0), |(bytes, chunks), chunk| (bytes + chunk.heap(), chunks + 1))
    }

    /// Bytes of the open column and of the last `chunks`.
    fn packed_bytes(&self, chunks: usize) -> usize {
        self.head.heap() + self.chunks.iter().rev().take(chunks).map(Chunk::heap).sum::<usize>()
    }
}
