//! Keeping a store within its bytes: packing closed columns, as much in each generation, and letting old blocks go.
//!
//! Blocks go when their tier's span is over, their columns a part of them in each generation. When all bytes are taken,
//! the oldest block of the coarsest tier that has a closed one goes at once, then the next; when there are only open blocks
//! left, all of them go, and the store begins with the next generation as one that has seen nothing.

use super::column::DensePacking;
use super::log::Log;
use super::series::{Grown, Series};
use super::store::Store;
use super::tier::Tier;
use crate::limits::{
    HISTORY_AGING_GENERATIONS, HISTORY_BLOCK_ROWS, HISTORY_PACKING_GENERATIONS,
    HISTORY_PACKING_WORK,
};

impl Store {
    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        let times: usize = self.tiers.iter().map(Tier::heap).sum();
        let log = self.log.as_ref().map_or(0, Log::heap);
        let packing: usize = self.packing.iter().map(Packing::heap).sum();
        self.fixed + self.definitions + self.columns + times + packing + log
    }

    /// Lets go what is too old or too much at `now`.
    pub(super) fn let_go(&mut self, now: i64) {
        for tier in 0..self.tiers.len() {
            while self.tiers[tier].is_past(now) {
                self.tiers[tier].drop_oldest();
                self.tiers[tier].aging.1 = self.series.len();
            }
            let most = self.series.len().div_ceil(HISTORY_AGING_GENERATIONS);
            self.counts.aged += self.age(tier, most);
        }
        if self.bytes() <= self.max_bytes {
            return;
        }
        // What is half done is done first.
        for tier in 0..self.tiers.len() {
            self.counts.aged += self.age(tier, usize::MAX);
        }
        self.finish_packing();
        while self.bytes() > self.max_bytes {
            match self.tiers.iter().rposition(Tier::has_closed) {
                Some(tier) => {
                    // A series may have begun anew in what goes, and coarser tiers do not show that before their next row.
                    for coarser in tier + 1..self.tiers.len() {
                        if self.tiers[coarser].shown < self.counts.generations {
                            self.counts.early_rows += 1;
                            self.push_row(coarser, now);
                        }
                    }
                    self.tiers[tier].drop_oldest();
                    self.tiers[tier].aging.1 = self.series.len();
                    self.counts.displaced += self.age(tier, usize::MAX);
                }
                None => {
                    self.show_to_the_end(now);
                    self.clear();
                    break;
                }
            }
        }
    }

    /// Lets so many series, at most, let go what lies before a tier's oldest block; how many chunks went.
    fn age(&mut self, tier: usize, most: usize) -> u64 {
        let Store { tiers, series, .. } = self;
        if tiers[tier].aging.1 == 0 {
            return 0;
        }
        let (mut grown, mut dropped, mut freed) = (Grown::default(), 0, 0);
        let (block, open) = (tiers[tier].first_block, tiers[tier].open_block());
        let Tier { aging: (next, left), staged, .. } = &mut tiers[tier];
        for _ in 0..most.min(*left) {
            let places = series.len();
            if let Some(series) = &mut series[*next % places] {
                // Nothing of what goes comes to it later.
                grown.add(series.push_staged(tier, staged));
                grown.add(series.tracks[tier].turn(open));
                let (chunks, bytes) = series.tracks[tier].drop_before(block, HISTORY_BLOCK_ROWS);
                (dropped, freed) = (dropped + chunks, freed + bytes);
            }
            *next = (*next + 1) % places;
            *left -= 1;
        }
        let over = *left == 0;
        self.columns = self.columns.saturating_add_signed(grown.bytes).saturating_sub(freed);
        self.chunks = self.chunks + grown.chunks - dropped;
        if over {
            self.forget();
        }
        dropped as u64
    }

    /// Packs some of what waits for it.
    pub(super) fn pack(&mut self) {
        for at in 0..self.packing.len() {
            let mut left = self.packing[at].quota;
            while left > 0 && self.packing[at].next < self.series.len() {
                left = left.saturating_sub(self.pack_next(at, left));
            }
        }
        self.packing.retain(|packing| packing.next < self.series.len());
    }

    /// Packs something of what is next to be packed, of about so much work; how much it was.
    fn pack_next(&mut self, at: usize, most: usize) -> usize {
        let Store { tiers, series, packing, .. } = self;
        let Packing { tier, block, next, dense, .. } = &mut packing[at];
        let coarsest = tiers.len() - 1;
        let Some(series) = &mut series[*next] else {
            (*next, *dense) = (*next + 1, None);
            return Packing::VISIT;
        };
        let mut grown = series.push_staged(*tier, &tiers[*tier].staged);
        let (float, precision) = (series.key.is_float(), series.key.definition.precision);
        let track = &mut series.tracks[*tier];
        grown.add(track.turn(*block + 1));
        let before = track.head.heap();
        track.head.settle(precision);
        grown.bytes += track.head.heap() as isize - before as isize;
        let mut work = Packing::VISIT;
        match track.chunks.iter_mut().find(|chunk| chunk.is_loose()) {
            None => (*next, *dense) = (*next + 1, None),
            Some(chunk) => {
                let before = chunk.heap();
                *dense = dense.take().filter(|packing| chunk.is_of(packing)).or_else(|| {
                    (*tier == coarsest).then(|| chunk.dense_packing(precision)).flatten()
                });
                match dense.take() {
                    Some(mut packing) => {
                        let done = packing.advance(most);
                        work += done;
                        if done == 0 {
                            chunk.take_dense(packing);
                        } else {
                            *dense = Some(packing);
                        }
                    }
                    None => {
                        work += chunk.work(false);
                        chunk.pack(float, precision);
                    }
                }
                grown.bytes += chunk.heap() as isize - before as isize;
            }
        }
        self.columns = self.columns.saturating_add_signed(grown.bytes);
        self.chunks += grown.chunks;
        work
    }

    /// Packs to their ends the columns of which a part is packed.
    fn finish_packing(&mut self) {
        for at in 0..self.packing.len() {
            while self.packing[at].dense.is_some() {
                self.pack_next(at, usize::MAX);
            }
        }
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
        for tier in &mut self.tiers {
            tier.clear();
            // The last generation went, too: no row is made of it later.
            tier.shown = self.counts.generations;
        }
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
        let packing: usize = self.packing.iter().map(Packing::heap).sum();
        (
            times + fixed + self.definitions + columns + packing,
            tracks().map(|(_, track)| track.chunks.len()).sum(),
        )
    }
}

/// What of a closed block waits to be packed: the columns of all series from one on.
#[derive(Debug)]
pub(super) struct Packing {
    pub(super) tier: usize,
    block: u32,
    next: usize,
    /// A part of the next series' column that is packed already.
    dense: Option<DensePacking>,
    /// Work of each generation, in about as many bytes as are packed in the same time.
    quota: usize,
}

impl Packing {
    /// Looking after a series that has nothing to pack.
    pub(super) const VISIT: usize = 64;

    /// So much work, of a block that took so many generations: over before as many come again.
    pub(super) fn new((tier, block): (usize, u32), work: usize, generations: u64) -> Self {
        let (least, most) = HISTORY_PACKING_GENERATIONS;
        let over = (generations * 5 / 6).clamp(least, most);
        let quota = (work / over as usize).max(HISTORY_PACKING_WORK);
        Packing { tier, block, next: 0, dense: None, quota }
    }

    /// Whether a part of a column is packed.
    #[cfg(test)]
    pub(super) fn is_amid(&self) -> bool {
        self.dense.is_some()
    }

    /// Bytes of what is half packed.
    fn heap(&self) -> usize {
        self.dense.as_ref().map_or(0, DensePacking::heap)
    }

    /// The next block has closed already: generations come more slowly than before.
    pub(super) fn hurry(&mut self) {
        let (least, most) = HISTORY_PACKING_GENERATIONS;
        self.quota *= most.div_ceil(least) as usize;
    }
}
