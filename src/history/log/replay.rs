//! A log's rows into the store, one after the other, as when they were made.
//!
//! Coarse tiers come first, then finer ones: so the store has at each moment what a running one would have, and its bound
//! holds. After that it stands as if the process that wrote the log had just published its last generation: what a
//! coarser tier has not shown yet waits to be shown, and what comes next begins anew.
//!
//! Where rows are missing (they were damaged, dropped, deleted), a series goes on from the last row that is there if the
//! log says that it began before that: what it counted in between is told by the next row, as after any gap. If it began
//! in between, it begins anew.

use super::decode::{Came, Content, Decoder, Row};
use crate::history::column::Origin;
use crate::history::series::{Current, Logged};
use crate::history::sparse::Gain;
use crate::history::store::{REFUSED, Store};
use crate::registry::layout::Identity;
use crate::snapshot::histogram::parts::{Parts, Sums};
use crate::{Definition, HistogramSnapshot};
use std::collections::HashMap;
use std::sync::Arc;

/// What a series had in the last row of a tier that was read.
#[derive(Clone, Debug)]
struct Memory {
    bits: u64,
    all: Gain,
    /// Values of `all`.
    count: u64,
    began: i64,
    unknown: bool,
    /// The fine row that had it last.
    row: u64,
}

impl Memory {
    const NONE: Memory = Memory {
        bits: 0,
        all: Gain { buckets: Vec::new(), sum: 0 },
        count: 0,
        began: i64::MIN,
        unknown: true,
        row: 0,
    };

    /// Adds what a histogram has more; `false` if that cannot be.
    fn add(&mut self, gain: &Gain) -> bool {
        let more = gain.buckets.iter().try_fold(0u64, |sum, bucket| sum.checked_add(bucket.1));
        let Some(count) = more.and_then(|more| self.count.checked_add(more)) else { return false };
        self.count = count;
        let buckets = &mut self.all.buckets;
        for &(ordinal, count) in &gain.buckets {
            match buckets.binary_search_by_key(&ordinal, |bucket| bucket.0) {
                Ok(at) => buckets[at].1 += count,
                Err(at) => buckets.insert(at, (ordinal, count)),
            }
        }
        self.all.sum = self.all.sum.wrapping_add(gain.sum);
        true
    }

    /// What `now` has more; `None` if it has less of something.
    fn until(&self, now: &Gain) -> Option<Gain> {
        let mut before = self.all.buckets.iter().peekable();
        let mut buckets = Vec::new();
        for &(ordinal, count) in &now.buckets {
            let then = before.next_if(|then| then.0 <= ordinal);
            match then {
                Some(then) if then.0 < ordinal || then.1 > count => return None,
                Some(then) if then.1 == count => {}
                Some(then) => buckets.push((ordinal, count - then.1)),
                None => buckets.push((ordinal, count)),
            }
        }
        let sum = now.sum.wrapping_sub(self.all.sum);
        before.next().is_none().then_some(Gain { buckets, sum })
    }

    fn histogram(&self, definition: &Definition) -> Arc<HistogramSnapshot> {
        let buckets: Vec<(usize, u64)> =
            self.all.buckets.iter().map(|&(at, count)| (at as usize, count)).collect();
        Arc::new(HistogramSnapshot::from_parts(Parts {
            precision: definition.precision,
            unit: definition.unit,
            buckets: &buckets,
            sums: Sums::Total(self.all.sum),
            extremes: None,
        }))
    }
}

/// A row says what its segment contradicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contradiction(pub(super) &'static str);

/// A store that is being filled.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    store: &'a mut Store,
    /// By tier and the store's number of the series.
    memories: Vec<Vec<Memory>>,
    /// One of each, however many segments have it.
    definitions: HashMap<String, Arc<Definition>, foldhash::fast::RandomState>,
    /// The time of each tier's last row.
    last: Vec<Option<i64>>,
    /// How many fine rows each tier has shown.
    shown: Vec<u64>,
    pub(super) rows: u64,
}

/// What the rows of a segment are to the store.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) decoder: Decoder,
    /// By the segment's number of the series.
    ids: Vec<u32>,
    gains: Vec<Gain>,
    origins: Vec<Origin>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(store: &'a mut Store) -> Self {
        let tiers = store.tiers.len();
        Replay {
            store,
            memories: vec![Vec::new(); tiers],
            definitions: HashMap::default(),
            last: vec![None; tiers],
            shown: vec![0; tiers],
            rows: 0,
        }
    }

    /// Adds a row of a segment to a tier.
    pub(super) fn row(
        &mut self,
        tier: usize,
        segment: &mut Segment,
        row: Row,
    ) -> Result<(), Contradiction> {
        if self.last[tier].is_some_and(|last| row.time <= last) {
            return Err(Contradiction("a row is not later than the one before"));
        }
        self.settle(tier, segment);
        let Segment { decoder, ids, gains, origins, .. } = segment;
        for came in &row.came {
            let id = ids[came.number];
            (gains[came.number], origins[came.number]) = self.came(tier, id, came)?;
        }
        for (number, content) in row.changed {
            let Some(memory) = self.memories[tier].get_mut(ids[number] as usize) else { continue };
            match content {
                Content::Scalar(bits) => memory.bits = bits,
                Content::Histogram(gain) => {
                    if !memory.add(&gain) {
                        return Err(Contradiction("a histogram has too many values"));
                    }
                    gains[number] = gain;
                }
            }
        }
        self.push(tier, row.time, decoder, ids, gains, origins);
        Ok(())
    }

    /// Gives the series of a segment that are named by now their places in the store.
    fn settle(&mut self, tier: usize, segment: &mut Segment) {
        for named in &mut segment.decoder.series[segment.ids.len()..] {
            let definition = &mut named.key.definition;
            match self.definitions.get(&definition.name) {
                Some(known) if **known == **definition => *definition = known.clone(),
                _ => {
                    self.store.definitions += weight(definition);
                    self.definitions.insert(definition.name.clone(), definition.clone());
                }
            }
            let known = self.store.by_key.get(&named.key).copied();
            let id = known.unwrap_or_else(|| {
                self.store.admit(named.key.clone(), Identity::NOBODY, Origin::Unknown)
            });
            if let Some(Some(series)) = self.store.series.get_mut(id as usize) {
                // So that it is not forgotten while it is read.
                series.live = true;
                let memories = &mut self.memories[tier];
                if memories.len() <= id as usize {
                    memories.resize(id as usize + 1, Memory::NONE);
                }
            }
            segment.ids.push(id);
        }
        segment.gains.resize(segment.ids.len(), Gain::default());
        segment.origins.resize(segment.ids.len(), Origin::Continues);
    }

    /// What a series that came has more than in the row before, and what came before it.
    fn came(&mut self, tier: usize, id: u32, came: &Came) -> Result<(Gain, Origin), Contradiction> {
        let last = self.last[tier];
        let Some(memory) = self.memories[tier].get_mut(id as usize) else {
            return Ok((Gain::default(), came.origin));
        };
        let series = self.store.series.get_mut(id as usize).and_then(Option::as_mut);
        let Some(series) = series else { return Ok((Gain::default(), came.origin)) };
        let there = series.tracks[tier].has_row(self.store.tiers[tier].rows);
        let began = if came.unknown { Origin::Unknown } else { Origin::New };
        let mut origin = match (came.origin, last) {
            (Origin::Continues, Some(last)) if came.began > last => began,
            (Origin::Continues, _) if !there => Origin::Unknown,
            (origin, _) => origin,
        };
        (memory.began, memory.unknown) = (came.began, came.unknown);
        for coarser in tier + 1..self.store.tiers.len() {
            if self.last[coarser].is_none_or(|last| came.began > last) {
                series.tracks[coarser].breaks(began);
            }
        }
        let gain = match &came.content {
            Content::Scalar(bits) => {
                memory.bits = *bits;
                Gain::default()
            }
            Content::Histogram(all) => {
                let more = if origin == Origin::Continues { memory.until(all) } else { None };
                if origin == Origin::Continues && more.is_none() {
                    origin = Origin::New;
                }
                (memory.all, memory.count) = Default::default();
                if !memory.add(all) {
                    return Err(Contradiction("a histogram has too many values"));
                }
                match origin {
                    Origin::Unknown => Gain::default(),
                    _ => more.unwrap_or_else(|| all.clone()),
                }
            }
        };
        Ok((gain, origin))
    }

    fn push(
        &mut self,
        tier: usize,
        time: i64,
        decoder: &Decoder,
        ids: &[u32],
        gains: &mut [Gain],
        origins: &mut [Origin],
    ) {
        let store = &mut *self.store;
        let row = store.tiers[tier].push(time);
        let rows = row.number;
        self.rows += 1;
        for (number, named) in decoder.series.iter().enumerate().filter(|(_, named)| named.there) {
            let Some(Some(series)) = store.series.get_mut(ids[number] as usize) else { continue };
            let memory = &mut self.memories[tier][ids[number] as usize];
            // One that the store had let go has a second name when it comes back; no sound row has both.
            if std::mem::replace(&mut memory.row, rows + 1) == rows + 1 {
                continue;
            }
            let origin = std::mem::replace(&mut origins[number], Origin::Continues);
            let histogram = named.key.is_histogram();
            let definition = series.key.definition.clone();
            let shown = if histogram {
                Logged::Histogram(&gains[number], &|before| {
                    let known = if before { memory.before(&gains[number]) } else { memory.clone() };
                    known.histogram(&definition)
                })
            } else {
                Logged::Scalar(memory.bits)
            };
            let grown = series.push_logged(tier, row, origin, shown);
            store.columns = store.columns.saturating_add_signed(grown.bytes);
            store.chunks += grown.chunks;
            if histogram {
                gains[number].clear();
            }
        }
        self.last[tier] = Some(time);
        store.replayed = store.replayed.max(Some(time));
        if tier == 0 {
            for (shown, last) in self.shown.iter_mut().zip(&self.last) {
                *shown += u64::from(last.is_some_and(|last| time <= last));
            }
        }
        if store.tiers[tier].is_full() {
            store.close(tier);
        }
        store.pack();
        store.let_go(time);
    }

    /// Leaves the store as if the last generation that was read had just been published. Calls `began` with the tier, the
    /// series and its beginning, for the log that goes on.
    pub(super) fn finish(self, mut began: impl FnMut(usize, u32, i64, bool)) {
        let Replay { store, memories, shown, .. } = self;
        let generations = store.tiers[0].rows;
        store.counts.generations = generations;
        for (tier, shown) in store.tiers.iter_mut().zip(&shown) {
            tier.shown = *shown;
        }
        let least = shown.iter().copied().min().unwrap_or_default();
        for (id, series) in store.series.iter_mut().enumerate() {
            let Some(series) = series else { continue };
            series.live = false;
            let definition = series.key.definition.clone();
            for (tier, memories) in memories.iter().enumerate() {
                let Some(memory) = memories.get(id).filter(|memory| memory.row > 0) else {
                    continue;
                };
                began(tier, id as u32, memory.began, memory.unknown);
                if tier == 0 {
                    series.seen = memory.row;
                }
                let goes_on = series.tracks[tier].has_row(store.tiers[tier].rows);
                if series.key.is_histogram() && tier > 0 && goes_on {
                    let more = series.tracks[tier].resume(tier, memory.histogram(&definition));
                    store.columns = store.columns.saturating_add_signed(more);
                }
            }
            let fine = memories[0].get(id).filter(|_| series.seen > least);
            if let Some(memory) = fine {
                series.current = if series.key.is_histogram() {
                    Current::Histogram(memory.histogram(&definition))
                } else {
                    Current::Scalar(memory.bits)
                };
                store.leaving.push(id as u32);
            }
        }
        if let Some(last) = store.replayed {
            store.resume(last);
        }
        store.forget();
    }
}

impl Memory {
    /// As it was before it gained that.
    fn before(&self, gain: &Gain) -> Memory {
        let mut before = self.clone();
        let mut gained = gain.buckets.iter().peekable();
        for bucket in &mut before.all.buckets {
            if let Some(gain) = gained.next_if(|gain| gain.0 == bucket.0) {
                bucket.1 = bucket.1.saturating_sub(gain.1);
            }
        }
        before.all.buckets.retain(|bucket| bucket.1 > 0);
        before.all.sum = before.all.sum.wrapping_sub(gain.sum);
        before
    }
}

/// Bytes of a definition that no program holds.
fn weight(definition: &Definition) -> usize {
    size_of::<Definition>() + definition.name.len() + definition.help.len() + 64
}

const _: () = assert!(REFUSED == u32::MAX, "no series has this number");
