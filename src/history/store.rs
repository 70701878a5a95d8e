//! The store: all series' columns in all tiers. Generations are appended at one end; at the other, old blocks leave.
//!
//! A generation is a row of the finest tier. A row of a coarser tier is the last generation of a step: it is made when
//! the first generation of another step comes, from what all series showed before that one. Where a series begins anew
//! in the middle of a step (it expired and came back, a counter fell), the step's row is made early, before that, and
//! another at its end: so what a series counted before it began anew is in every tier.

use super::axis::Axis;
use super::bound::Packing;
use super::column::Origin;
use super::log::Log;
use super::series::{Current, Grown, Key, Series};
use super::sparse::Gain;
use super::tier::{Part, Tier};
use crate::Snapshot;
use crate::limits::{HISTORY_BLOCK_ROWS, HISTORY_STAGED_ROWS};
use crate::registry::Kind;
use crate::registry::layout::{Identity, Layout};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Where rows of a coarser tier come at least so many generations apart, nothing is packed in a generation with one.
const PACE_OF_REST: u64 = 8;

/// Stands for a series that was refused.
pub(super) const REFUSED: u32 = u32::MAX;

/// How often something happened in a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) generations: u64,
    /// Rows of coarser tiers that were made before their step was over: as a series began anew, or at the bound.
    pub(super) early_rows: u64,
    /// Chunks that left because their tier's span was over.
    pub(super) aged: u64,
    /// Chunks that left because all bytes were taken.
    pub(super) displaced: u64,
    /// Series that there was no room for.
    pub(super) refused: u64,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) tiers: Vec<Tier>,
    pub(super) series: Vec<Option<Series>>,
    pub(super) free: Vec<u32>,
    pub(super) by_key: HashMap<Key, u32, foldhash::fast::RandomState>,
    /// The layout of the last generation, and which series its scalars and histograms are.
    layout: Arc<Layout>,
    scalars: Vec<u32>,
    histograms: Vec<u32>,
    /// What the last generation showed, side by side as it came: its series are told where the layout changes.
    values: Vec<u64>,
    distributions: Vec<Current>,
    /// Which of the scalars are counters.
    counters: Vec<u32>,
    /// Of each of the scalars whether it is the bits of a float.
    floats: Vec<bool>,
    /// Series that the last generation does not have, and that some tier has not shown to the end.
    pub(super) leaving: Vec<u32>,
    axis: Axis,
    /// What came before the series of the first generation. All later ones are new.
    pub(super) first: Origin,
    /// What came before series that a log had, where the next generation has them: nothing, as it is another process's;
    /// or what history did not see.
    pub(super) anew: Origin,
    /// The time of the last row that a log had.
    pub(super) replayed: Option<i64>,
    /// Where rows are written down, too.
    pub(super) log: Option<Log>,
    pub(super) max_bytes: usize,
    /// Bytes of series that they take as long as they are here.
    pub(super) fixed: usize,
    /// Bytes of definitions that came from a log.
    pub(super) definitions: usize,
    /// Bytes of columns.
    pub(super) columns: usize,
    pub(super) chunks: usize,
    /// Closed blocks whose columns are not all packed.
    pub(super) packing: VecDeque<Packing>,
    pub(super) counts: Counts,
    /// Kept for its memory.
    gain: Gain,
}

impl Store {
    /// A store with tiers of these steps and spans, in milliseconds, finest first.
    pub(super) fn new(tiers: &[(i64, i64)], max_bytes: usize) -> Self {
        Store {
            tiers: tiers.iter().map(|&(step, span)| Tier::new(step, span)).collect(),
            series: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::default(),
            layout: Arc::default(),
            scalars: Vec::new(),
            histograms: Vec::new(),
            values: Vec::new(),
            distributions: Vec::new(),
            counters: Vec::new(),
            floats: Vec::new(),
            leaving: Vec::new(),
            axis: Axis::default(),
            first: Origin::New,
            anew: Origin::New,
            replayed: None,
            log: None,
            max_bytes,
            fixed: 0,
            definitions: 0,
            columns: 0,
            chunks: 0,
            packing: VecDeque::new(),
            counts: Counts::default(),
            gain: Gain::default(),
        }
    }

    /// Appends a generation. `origin` is what came before series that no generation had yet.
    pub(super) fn append(&mut self, snapshot: &Snapshot, origin: Origin) {
        let last = self.axis.last();
        let time = self.axis.place(snapshot.moment);
        let found = (snapshot.layout.id != self.layout.id).then(|| {
            self.tell();
            self.find(&snapshot.layout)
        });
        let breaks = found.as_ref().is_some_and(|found| self.begins_anew(&snapshot.layout, found))
            || self.falls(found.as_deref(), snapshot);
        let mut rare = false;
        for tier in 1..self.tiers.len() {
            let Some(last) = last else { break };
            let over = self.tiers[tier].step_of(last) != self.tiers[tier].step_of(time);
            if self.tiers[tier].shown < self.counts.generations && (over || breaks) {
                self.counts.early_rows += u64::from(!over);
                self.push_row(tier, last);
                rare |= self.tiers[tier].pace >= PACE_OF_REST;
            }
        }
        self.counts.generations += 1;
        self.first = Origin::New;
        if let Some(found) = found {
            self.adopt(&snapshot.layout, found, origin);
        }
        self.anew = Origin::New;
        self.take(snapshot);
        self.push_row(0, time);
        let shown = self.tiers.iter().map(|tier| tier.shown).min().unwrap_or_default();
        let Store { leaving, series, .. } = self;
        leaving.retain(|&id| {
            series[id as usize].as_ref().is_some_and(|series| !series.live && series.seen > shown)
        });
        for tier in 0..self.tiers.len() {
            let rows = HISTORY_STAGED_ROWS as u64 * self.tiers[tier].pace;
            self.hand_out(tier, self.scalars.len().div_ceil(rows as usize));
        }
        // A generation that has a row of a coarser tier has enough to do.
        if !rare {
            self.pack();
        }
        self.let_go(time);
    }

    /// Which series of ours the series of a layout are.
    fn find(&self, layout: &Layout) -> Vec<Option<u32>> {
        let keys = layout.families.iter().flat_map(|family| {
            family.series.iter().map(|series| Key {
                definition: family.definition.clone(),
                labels: series.labels.clone(),
            })
        });
        keys.map(|key| self.by_key.get(&key).copied()).collect()
    }

    /// Whether a series of a new layout begins anew although a coarser tier has not shown it to the end.
    fn begins_anew(&self, layout: &Layout, found: &[Option<u32>]) -> bool {
        let coarser = self.tiers.get(1..).unwrap_or_default();
        let shown = coarser.iter().map(|tier| tier.shown).min().unwrap_or(u64::MAX);
        layout.series().zip(found).any(|((_, series), found)| {
            let known = found.and_then(|id| self.series[id as usize].as_ref());
            known.is_some_and(|known| !known.is(series.identity()) && known.seen > shown)
        })
    }

    /// Tells all series what they showed in the last generation.
    fn tell(&mut self) {
        let Store { scalars, histograms, values, distributions, series, counts, .. } = self;
        let values = values.iter().map(|&value| Current::Scalar(value));
        let all = scalars.iter().zip(values);
        for (&id, current) in all.chain(histograms.iter().zip(distributions.iter().cloned())) {
            if let Some(series) = series.get_mut(id as usize).and_then(Option::as_mut) {
                (series.current, series.seen) = (current, counts.generations);
            }
        }
    }

    /// Whether a counter fell, which an engine's own never do.
    fn falls(&self, found: Option<&[Option<u32>]>, snapshot: &Snapshot) -> bool {
        let Some(found) = found else { return self.fallen(snapshot).next().is_some() };
        let mut all = snapshot.layout.series().zip(found);
        all.any(|((definition, series), id)| {
            let known = id.and_then(|id| self.series.get(id as usize)?.as_ref());
            definition.kind == Kind::Counter
                && known.is_some_and(|known| {
                    let now = snapshot.scalars[series.value];
                    matches!(known.current, Current::Scalar(last) if now < last)
                })
        })
    }

    /// The series of counters that fell since the last generation, whose layout was the same.
    fn fallen(&self, snapshot: &Snapshot) -> impl Iterator<Item = u32> {
        let fell = |at: &&u32| snapshot.scalars[**at as usize] < self.values[**at as usize];
        let series = self.counters.iter().filter(fell).map(|at| self.scalars[*at as usize]);
        series.filter(|id| *id != REFUSED)
    }

    /// Takes over a new layout. The one before is still here, and keeps its identities apart from the new ones.
    fn adopt(&mut self, layout: &Arc<Layout>, found: Vec<Option<u32>>, origin: Origin) {
        self.hand_out_all();
        let before = std::mem::take(&mut self.scalars)
            .into_iter()
            .chain(std::mem::take(&mut self.histograms));
        let before: Vec<u32> = before.filter(|id| *id != REFUSED).collect();
        for &id in &before {
            if let Some(series) = &mut self.series[id as usize] {
                (series.live, series.column) = (false, None);
            }
        }
        let (mut scalars, mut histograms) =
            (vec![REFUSED; layout.scalars], vec![REFUSED; layout.histograms]);
        let mut counters = Vec::new();
        let mut floats = vec![false; layout.scalars];
        let last = self.counts.generations - 1;
        let all = layout
            .families
            .iter()
            .flat_map(|family| family.series.iter().map(move |s| (family, s)));
        for ((family, one), found) in all.zip(found) {
            let id = match found {
                Some(id) => id,
                None => {
                    let key =
                        Key { definition: family.definition.clone(), labels: one.labels.clone() };
                    self.admit(key, one.identity(), origin)
                }
            };
            let histogram = family.definition.kind == Kind::Histogram;
            let list = if histogram { &mut histograms } else { &mut scalars };
            list[one.value] = id;
            if !histogram {
                floats[one.value] = family.definition.kind.is_gauge();
            }
            if family.definition.kind == Kind::Counter {
                counters.push(one.value as u32);
            }
            let Some(series) = self.series.get_mut(id as usize).and_then(Option::as_mut) else {
                continue;
            };
            if series.identity == Identity::NOBODY {
                // A log knows it, and the program may say more of it by now.
                series.key.definition = family.definition.clone();
                series.restart(self.anew);
            } else if found.is_some() && (series.seen != last || series.identity != one.identity())
            {
                series.restart(Origin::New);
            }
            series.identity = one.identity();
            (series.live, series.column) = (true, (!histogram).then_some(one.value as u32));
        }
        let gone = |id: &u32| self.series[*id as usize].as_ref().is_some_and(|series| !series.live);
        let gone: Vec<u32> = before.into_iter().filter(gone).collect();
        // What has come back no longer leaves: before this, all tiers have shown what it was.
        self.leaving
            .retain(|&id| self.series[id as usize].as_ref().is_some_and(|series| !series.live));
        self.leaving.extend(gone);
        let shown = |id: &u32| match self.series.get(*id as usize).and_then(Option::as_ref) {
            Some(Series { current: Current::Scalar(value), .. }) => *value,
            _ => 0,
        };
        self.values = scalars.iter().map(shown).collect();
        self.distributions = Vec::new();
        (self.counters, self.floats) = (counters, floats);
        (self.scalars, self.histograms, self.layout) = (scalars, histograms, layout.clone());
    }

    /// A place for a new series.
    pub(super) fn admit(&mut self, key: Key, identity: Identity, origin: Origin) -> u32 {
        let cost = Series::cost(&key, self.tiers.len());
        // Half of the bytes are for what series were, not for who they are.
        if self.fixed + cost > self.max_bytes / 2 {
            self.counts.refused += 1;
            return REFUSED;
        }
        self.fixed += cost;
        let id = self.free.pop().unwrap_or_else(|| {
            if self.series.len() == self.series.capacity() {
                // As `Series::cost` has it.
                self.series.reserve_exact(1 + self.series.len() / 8);
            }
            self.series.push(None);
            (self.series.len() - 1) as u32
        });
        self.by_key.insert(key.clone(), id);
        self.series[id as usize] = Some(Series::new((id, key), identity, origin, self.tiers.len()));
        id
    }

    /// What all series show now.
    fn take(&mut self, snapshot: &Snapshot) {
        let fallen: Vec<u32> = self.fallen(snapshot).collect();
        if !fallen.is_empty() {
            self.hand_out_all();
        }
        for id in fallen {
            if let Some(series) = &mut self.series[id as usize] {
                series.restart(Origin::New);
            }
        }
        self.values.copy_from_slice(&snapshot.scalars);
        let same = |mine: &Current, now| matches!(mine, Current::Histogram(mine) if Arc::ptr_eq(mine, now));
        self.distributions.truncate(snapshot.histograms.len());
        for (mine, now) in self.distributions.iter_mut().zip(&snapshot.histograms) {
            if !same(mine, now) {
                *mine = Current::Histogram(now.clone());
            }
        }
        let more = &snapshot.histograms[self.distributions.len()..];
        self.distributions.extend(more.iter().cloned().map(Current::Histogram));
    }

    /// Adds a row to a tier, of what all series that it has not shown to the end show now.
    pub(super) fn push_row(&mut self, tier: usize, time: i64) {
        let shown = self.tiers[tier].shown;
        self.hand_out(tier, self.tiers[tier].staged.excess());
        let row = self.tiers[tier].push(time);
        let Store { scalars, histograms, values, distributions, .. } = self;
        let Store { leaving, series, gain, log, floats, tiers, .. } = self;
        if let Some(log) = log {
            log.begin(tier, time);
        }
        // What the last generation has, no tier has shown yet.
        let regular = std::mem::replace(&mut tiers[tier].regular, true);
        if regular {
            tiers[tier].staged.push(row, values);
            if let Some(log) = log {
                gain.clear();
                let all = scalars.iter().zip(&*values).zip(&*floats);
                for ((&id, &value), &float) in all.filter(|scalar| *scalar.0.0 != REFUSED) {
                    let known = || Some(&series.get(id as usize)?.as_ref()?.key);
                    let shown = (&Current::Scalar(value), float);
                    log.show(tier, id, known, shown, Some(Origin::Continues), gain);
                }
            }
        }
        let mut grown = Grown::default();
        let mut push = |id: u32, series: &mut Series, now: &Current| {
            let (more, origin) = series.push(tier, row, now, gain);
            grown.add(more);
            if let Some(log) = log {
                let float = series.key.is_float();
                log.show(tier, id, || Some(&series.key), (now, float), origin, gain);
            }
        };
        if !regular {
            for (&id, &value) in scalars.iter().zip(&*values) {
                if let Some(series) = series.get_mut(id as usize).and_then(Option::as_mut) {
                    push(id, series, &Current::Scalar(value));
                }
            }
        }
        for (&id, now) in histograms.iter().zip(&*distributions) {
            if let Some(series) = series.get_mut(id as usize).and_then(Option::as_mut) {
                push(id, series, now);
            }
        }
        for &id in &*leaving {
            let series = series.get_mut(id as usize).and_then(Option::as_mut);
            if let Some(series) = series.filter(|series| series.seen > shown) {
                let last = series.current.clone();
                push(id, series, &last);
            }
        }
        self.columns = self.columns.saturating_add_signed(grown.bytes);
        self.chunks += grown.chunks;
        if let Some(log) = log {
            log.end(tier, time);
        }
        self.tiers[tier].pace = self.counts.generations.saturating_sub(shown).max(1);
        self.tiers[tier].shown = self.counts.generations;
        if self.tiers[tier].is_full() {
            self.close(tier);
        }
    }

    /// Gives the next so many columns of a tier the rows that wait for them.
    fn hand_out(&mut self, tier: usize, columns: usize) {
        let Store { tiers, series, scalars, .. } = self;
        let staged = &mut tiers[tier].staged;
        let (mut grown, mut passed) = (Grown::default(), 0);
        for column in staged.turns(columns) {
            let id = scalars[column];
            if let Some(series) = series.get_mut(id as usize).and_then(Option::as_mut) {
                grown.add(series.push_staged(tier, staged));
            }
            passed += 1;
        }
        staged.pass(passed);
        self.columns = self.columns.saturating_add_signed(grown.bytes);
        self.chunks += grown.chunks;
    }

    /// Gives all columns all rows that wait, as a series begins anew.
    fn hand_out_all(&mut self) {
        for tier in 0..self.tiers.len() {
            self.hand_out(tier, usize::MAX);
            self.tiers[tier].regular = false;
        }
    }

    /// Waits for no tier any more to show what has gone.
    pub(super) fn leave_at_once(&mut self) {
        for id in std::mem::take(&mut self.leaving) {
            if let Some(series) = &mut self.series[id as usize] {
                series.seen = 0;
            }
        }
    }

    /// Closes a tier's open block. Its columns are closed when the next row comes to them, or when they are packed.
    pub(super) fn close(&mut self, tier: usize) {
        let block = self.tiers[tier].close();
        let dense = tier + 1 == self.tiers.len();
        let work = |series: &Series| series.tracks[tier].head.work(dense);
        let work = if self.scalars.len() + self.histograms.len() == 0 {
            // While a log is read.
            self.series.iter().flatten().map(work).sum()
        } else {
            let histograms = self.histograms.iter();
            let histograms = histograms.filter_map(|id| self.series.get(*id as usize)?.as_ref());
            8 * HISTORY_BLOCK_ROWS * self.scalars.len() + histograms.map(work).sum::<usize>()
        };
        let work = work + Packing::VISIT * self.series.len();
        let generations = self.counts.generations - self.tiers[tier].closed_at;
        self.tiers[tier].closed_at = self.counts.generations;
        self.packing.iter_mut().filter(|packing| packing.tier == tier).for_each(Packing::hurry);
        self.packing.push_back(Packing::new((tier, block), work, generations));
    }

    /// The rows of `after` (exclusive) to `to` (inclusive) and the one before them: of the finest tier as far as it
    /// reaches, and before that of coarser ones. By time.
    pub(super) fn parts(&self, after: i64, to: i64) -> Vec<Part> {
        let (mut newest_first, mut to) = (Vec::new(), to);
        for (at, tier) in self.tiers.iter().enumerate() {
            let Some(oldest) = tier.oldest() else { continue };
            let coarser = self.tiers.get(at + 1);
            if oldest <= after
                || coarser
                    .is_none_or(|coarser| coarser.oldest().is_none_or(|first| first >= oldest))
            {
                tier.parts(at, after, to, true, &mut newest_first);
                break;
            }
            // Both tiers have this row: up to it the coarser one tells, from there on this one, and nothing is told
            // twice. Rows of this one may be missing, where a log was damaged.
            let seam = coarser.and_then(|coarser| tier.first_in_common(coarser, oldest));
            if seam.is_none_or(|seam| seam < to) {
                let from = seam.unwrap_or(oldest - 1).max(after);
                tier.parts(at, from, to, false, &mut newest_first);
                to = seam.unwrap_or(oldest - 1);
            }
        }
        newest_first.reverse();
        newest_first
    }

    /// As [`Store::parts`], of one tier alone: the finest that reaches that far. Its rows are evenly spaced, which
    /// those who extrapolate need.
    #[cfg(feature = "promql")]
    pub(super) fn even_parts(&self, after: i64, to: i64) -> Vec<Part> {
        let reaching =
            self.tiers.iter().position(|tier| tier.oldest().is_some_and(|oldest| oldest <= after));
        let furthest =
            || (0..self.tiers.len()).min_by_key(|&at| self.tiers[at].oldest().unwrap_or(i64::MAX));
        let mut newest_first = Vec::new();
        if let Some(at) = reaching.or_else(furthest) {
            self.tiers[at].parts(at, after, to, true, &mut newest_first);
        }
        newest_first.reverse();
        newest_first
    }

    /// The time of the last generation.
    pub(super) fn now(&self) -> Option<i64> {
        self.axis.last()
    }

    /// Goes on in time from a generation that a log had.
    pub(super) fn resume(&mut self, last: i64) {
        self.axis.resume(last);
    }

    /// How often the wall's clock went backwards.
    pub(super) fn steps_back(&self) -> u64 {
        self.axis.steps_back
    }

    /// The times between which rows are kept.
    pub(super) fn kept(&self) -> Option<(i64, i64)> {
        let oldest = self.tiers.iter().filter_map(Tier::oldest).min()?;
        let newest = self.tiers.iter().filter_map(Tier::newest).max()?;
        Some((oldest, newest))
    }
}
