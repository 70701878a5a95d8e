//! Which exemplars a receiver was sent: each goes with one snapshot's requests, and again only if one of them was lost.
//!
//! A receiver takes the exemplars of a series in the order of their times, and drops what is not later than the last; most of
//! a snapshot's have one time. So each is sent with a time of its own, the next millisecond that is free, and keeps it.

use super::SMALL_STEP_MS;
use crate::Exemplar;
use crate::registry::Kind;
use crate::registry::layout::{Identity, Layout};
use crate::snapshot::Snapshot;
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// The layout; kept, since identities are good for as long as it is.
    layout: Arc<Layout>,
    /// By histogram of the layout.
    series: Vec<Series>,
}

/// What is known of one histogram's exemplars.
#[derive(Debug, Default)]
struct Series {
    /// What the last snapshot had.
    list: Option<Arc<[Exemplar]>>,
    /// One for each of them, by time.
    entries: Vec<Entry>,
    /// The time of the last one that was sent.
    last: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) exemplar: Exemplar,
    /// In ms since 1970.
    pub(super) time: u64,
    /// Of the snapshot that it was sent with.
    generation: u64,
    /// Whether it goes with the requests for the present snapshot.
    is_due: bool,
    is_lost: bool,
}

impl Ledger {
    /// Goes on to the next snapshot.
    pub(super) fn proceed(&mut self, snapshot: &Snapshot) {
        if self.layout.id != snapshot.layout.id {
            self.take_over(&snapshot.layout);
        }
        for (series, list) in self.series.iter_mut().zip(&snapshot.exemplars) {
            series.proceed(list.as_ref(), snapshot.generation);
        }
    }

    /// What was sent with the snapshot of `generation` is to be sent again.
    pub(super) fn lose(&mut self, generation: u64) {
        let entries = self.series.iter_mut().flat_map(|series| &mut series.entries);
        entries
            .filter(|entry| entry.generation == generation)
            .for_each(|entry| entry.is_lost = true);
    }

    /// The exemplars of a histogram that go with the requests for the present snapshot, by time.
    pub(super) fn due(&self, histogram: usize) -> impl Iterator<Item = &Entry> {
        let entries = self.series.get(histogram).map(|series| &series.entries[..]);
        entries.unwrap_or_default().iter().filter(|entry| entry.is_due)
    }

    fn take_over(&mut self, layout: &Arc<Layout>) {
        let mut before: HashMap<Identity, Series> = HashMap::new();
        for (identity, value) in histograms(&self.layout) {
            let series = mem::take(&mut self.series[value]);
            if series.list.is_some() {
                before.insert(identity, series);
            }
        }
        self.series.clear();
        self.series.resize_with(layout.histograms, Series::default);
        for (identity, value) in histograms(layout) {
            self.series[value] = before.remove(&identity).unwrap_or_default();
        }
        self.layout = layout.clone();
    }
}

/// Identity and place of each histogram.
fn histograms(layout: &Layout) -> impl Iterator<Item = (Identity, usize)> {
    let all = layout.series().filter(|(definition, _)| definition.kind == Kind::Histogram);
    all.map(|(_, series)| (series.identity(), series.value))
}

impl Series {
    fn proceed(&mut self, list: Option<&Arc<[Exemplar]>>, generation: u64) {
        for entry in &mut self.entries {
            entry.is_due = mem::take(&mut entry.is_lost);
            if entry.is_due {
                entry.generation = generation;
            }
        }
        let Some(list) = list else { return };
        if self.list.as_ref().is_some_and(|last| Arc::ptr_eq(last, list)) {
            return;
        }
        self.entries.retain(|entry| list.contains(&entry.exemplar));
        let known = self.entries.len();
        for exemplar in list.iter() {
            if self.entries[..known].iter().all(|entry| entry.exemplar != *exemplar) {
                let (exemplar, time) = (*exemplar, exemplar.unix_time.as_millis() as u64);
                let (is_due, is_lost) = (true, false);
                self.entries.push(Entry { exemplar, time, generation, is_due, is_lost });
            }
        }
        let fresh = &mut self.entries[known..];
        fresh.sort_unstable_by_key(|entry| (entry.time, entry.exemplar.value));
        for entry in fresh {
            match self.last {
                Some(last) if entry.time <= last && last - entry.time < SMALL_STEP_MS => {
                    entry.time = last + 1;
                }
                _ => {}
            }
            self.last = Some(entry.time);
        }
        self.list = Some(list.clone());
    }
}
