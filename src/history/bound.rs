//! Keeping a store within its bytes: packing closed columns, as much in each generation, and letting old blocks go.
//!
//! Blocks go when their tier's span is over. When all bytes are taken, the oldest block of the coarsest tier that has a
//! closed one goes, then the next; when there are only open blocks left, all of them go, and the store begins with the
//! next generation as one that has seen nothing.

use super::log::Log;
use super::series::{Series, Track};
use super::store::Store;
use super::tier::Tier;
use crate::Precision;
use crate::limits::{HISTORY_BLOCK_ROWS, HISTORY_PACKING_GENERATIONS, HISTORY_PACKING_WORK};

impl Store {
    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        let times: usize = self.tiers.iter().map(Tier::heap).sum();
        let log = self.log.as_ref().map_or(0, Log::heap);
        self.fixed + self.definitions + self.columns + times + log
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
                    self.show_to_the_end(now);
                    self.clear();
                    break;
                }
            }
        }
    }

    fn pack(&mut self) {
        let coarsest = self.tiers.len() - 1;
        for packing in &mut self.packing {
            let (tier, mut done) = (packing.tier, 0);
            let dense = tier == coarsest;
            while done < packing.quota && packing.next < self.series.len() {
                done += Packing::VISIT;
                if let Some(series) = &mut self.series[packing.next] {
                    let (floats, definition) = (series.key.is_float(), &series.key.definition);
                    let track = &mut series.tracks[tier];
                    let (before, after, work) = track.pack(floats, definition.precision, dense);
                    self.columns = (self.columns + after).saturating_sub(before);
                    done += work;
                }
                packing.next += 1;
            }
        }
        self.packing.retain(|packing| packing.next < self.series.len());
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
            let (chunks, bytes) = track.drop_before(block, HISTORY_BLOCK_ROWS);
            dropped += chunks;
            self.columns = self.columns.saturating_sub(bytes);
        }
        self.chunks -= dropped;
        self.forget();
        dropped as u64
    }

    /// Before all rows go: gives each tier of a log a row of what it has not shown yet. Series that have ended would be in
    /// none later.
    fn show_to_the_end(&mut self, now: i64) {
        for tier in 1..self.tiers.len() {
            if self.log.is_some() && self.tiers[tier].shown < self.counts.generations {
                self.push_row(tier, now);
            }
        }
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
    pub(super) fn forget(&mut self) {
        let shown = self.tiers.iter().map(|tier| tier.shown).min().unwrap_or_default();
        for (id, place) in self.series.iter_mut().enumerate() {
            let spent = |series: &mut Series| series.is_spent() && series.seen <= shown;
            let Some(series) = place.take_if(spent) else { continue };
            self.fixed -= Series::cost(&series.key, self.tiers.len());
            self.by_key.remove(&series.key);
            self.free.push(id as u32);
            if let Some(log) = &mut self.log {
                log.forget(id as u32);
            }
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
        (
            times + fixed + self.definitions + columns,
            tracks().map(|(_, track)| track.chunks.len()).sum(),
        )
    }
}

impl Track {
    /// Packs what waits for it. Bytes of that before and after, and the work that it was.
    fn pack(&mut self, floats: bool, precision: Precision, dense: bool) -> (usize, usize, usize) {
        let (mut before, mut work) = (self.head.heap(), 0);
        self.head.settle(precision);
        let mut after = self.head.heap();
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.is_loose()) {
            before += chunk.heap();
            work += chunk.work(dense);
            chunk.pack(floats, precision, dense);
            after += chunk.heap();
        }
        (before, after, work)
    }
}

/// What of a closed block waits to be packed: the columns of all series from one on.
#[derive(Debug)]
pub(super) struct Packing {
    pub(super) tier: usize,
    next: usize,
    /// Work of each generation, in about as many bytes as are packed in the same time.
    quota: usize,
}

impl Packing {
    /// Looking after a series that has nothing to pack.
    pub(super) const VISIT: usize = 64;

    /// So much work, of a block that took so many generations: over before as many come again.
    pub(super) fn new(tier: usize, work: usize, generations: u64) -> Self {
        let (least, most) = HISTORY_PACKING_GENERATIONS;
        let over = (generations * 3 / 4).clamp(least, most);
        Packing { tier, next: 0, quota: (work / over as usize).max(HISTORY_PACKING_WORK) }
    }

    /// The next block has closed already: generations come more slowly than before.
    pub(super) fn hurry(&mut self) {
        let (least, most) = HISTORY_PACKING_GENERATIONS;
        self.quota *= most.div_ceil(least) as usize;
    }
}
