//! What a receiver has: the last snapshot that it acknowledged.
//!
//! An encoder sees snapshots by reference, so it keeps what a difference needs of one: the numbers, and the histograms,
//! which are shared. Which series of the present is which of the past is worked out once for each pair of layouts. Where
//! everything is cumulative, only the layout is kept, which tells which series went.

use super::plan::nanoseconds;
use crate::registry::layout::{Identity, Layout};
use crate::snapshot::{HistogramSnapshot, Snapshot};
use std::collections::HashMap;
use std::sync::Arc;

/// The last acknowledged snapshot, and the last one that was encoded.
#[derive(Debug, Default)]
pub(super) struct History {
    acknowledged: Past,
    /// Good if `has_proposal`; else its memory, for the next one.
    proposed: Past,
    has_proposal: bool,
    matches: Matches,
}

/// What is kept of a snapshot.
#[derive(Debug, Default)]
struct Past {
    /// Keeps the identities good. With id zero: nothing was acknowledged yet.
    layout: Arc<Layout>,
    generation: u64,
    time: u64,
    scalars: Vec<u64>,
    histograms: Vec<Arc<HistogramSnapshot>>,
}

/// Where a series of the present was in the past.
#[derive(Debug, Default)]
struct Matches {
    /// The layouts of past and present.
    layouts: (u64, u64),
    /// By the present index; [`NEW`] for a series that was not there.
    scalars: Vec<usize>,
    histograms: Vec<usize>,
}

const NEW: usize = usize::MAX;

impl History {
    pub(super) fn commit(&mut self) {
        if std::mem::take(&mut self.has_proposal) {
            std::mem::swap(&mut self.acknowledged, &mut self.proposed);
            // Histograms of the past are not kept alive for nothing.
            self.proposed.histograms.clear();
        }
    }

    pub(super) fn rollback(&mut self) {
        if std::mem::take(&mut self.has_proposal) {
            self.proposed.histograms.clear();
        }
    }

    /// Where nobody has to say what arrived: takes the last one as arrived, unless it is `snapshot` itself, or was rolled
    /// back.
    pub(super) fn settle(&mut self, snapshot: &Snapshot) {
        let last = (self.proposed.layout.id, self.proposed.generation);
        if last != (snapshot.layout.id, snapshot.generation) {
            self.commit();
        }
    }

    /// Keeps `snapshot` as the one that [`History::commit`] is about; its values if they are wanted.
    pub(super) fn propose(&mut self, snapshot: &Snapshot, values: bool) {
        let past = &mut self.proposed;
        past.layout.clone_from(&snapshot.layout);
        past.generation = snapshot.generation;
        past.time = nanoseconds(snapshot.moment.unix);
        past.scalars.clear();
        past.histograms.clear();
        if values {
            past.scalars.extend_from_slice(&snapshot.scalars);
            past.histograms.extend(snapshot.histograms.iter().cloned());
        }
        self.has_proposal = true;
    }

    /// The layout of the acknowledged snapshot.
    pub(super) fn told(&self) -> &Layout {
        &self.acknowledged.layout
    }

    /// Makes ready for questions about the series of `snapshot`.
    pub(super) fn compare(&mut self, snapshot: &Snapshot) {
        let layouts = (self.acknowledged.layout.id, snapshot.layout.id);
        if self.matches.layouts != layouts {
            self.matches = Matches::of(&self.acknowledged.layout, &snapshot.layout);
        }
    }

    /// The time and the value of a scalar in the acknowledged snapshot.
    #[inline]
    pub(super) fn scalar(&self, now: usize) -> Option<(u64, u64)> {
        let at = *self.matches.scalars.get(now)?;
        Some((self.acknowledged.time, *self.acknowledged.scalars.get(at)?))
    }

    /// The time and the value of a histogram in the acknowledged snapshot.
    pub(super) fn histogram(&self, now: usize) -> Option<(u64, &Arc<HistogramSnapshot>)> {
        let at = *self.matches.histograms.get(now)?;
        Some((self.acknowledged.time, self.acknowledged.histograms.get(at)?))
    }

    /// Whether `snapshot` is the generation after the acknowledged one.
    pub(super) fn is_next(&self, snapshot: &Snapshot) -> bool {
        self.acknowledged.generation + 1 == snapshot.generation
    }
}

impl Matches {
    fn of(past: &Layout, present: &Layout) -> Matches {
        let was: HashMap<Identity, usize> =
            past.series().map(|(_, series)| (series.identity(), series.value)).collect();
        let mut matches = Matches {
            layouts: (past.id, present.id),
            scalars: vec![NEW; present.scalars],
            histograms: vec![NEW; present.histograms],
        };
        for (definition, series) in present.series() {
            let places = match definition.kind {
                crate::registry::Kind::Histogram => &mut matches.histograms,
                _ => &mut matches.scalars,
            };
            if let Some(&at) = was.get(&series.identity()) {
                places[series.value] = at;
            }
        }
        matches
    }
}
