//! Series that went: what the receiver was told of, and the snapshot has no longer.
//!
//! Each gets one last point without a value, whose flags say so. Otherwise a receiver that keeps the last value of a series
//! shows it until it loses patience, minutes later. A stream of deltas needs no such end: nothing of it goes on when no more
//! points come.

use super::plan::fitting;
use super::{Settings, Temporality};
use crate::registry::layout::{Labels, Layout, SeriesLayout};
use crate::registry::{Definition, Kind, Unit};
use std::collections::HashSet;
use std::sync::Arc;

/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`
pub(super) const NO_RECORDED_VALUE: u64 = 1;

/// What ended between two layouts.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// The ids of the two.
    layouts: (u64, u64),
    pub(super) metrics: Vec<EndedMetric>,
}

/// Series of one family that ended, as many as go together.
#[derive(Debug)]
pub(super) struct EndedMetric {
    pub(super) definition: Arc<Definition>,
    pub(super) temporality: Temporality,
    pub(super) series: Vec<SeriesLayout>,
}

/// What tells a receiver's streams apart. One that expired and came back is the same, with a later start.
type Stream<'a> = (&'a str, Kind, Unit, &'a Labels);

fn stream<'a>(definition: &'a Definition, series: &'a SeriesLayout) -> Stream<'a> {
    (&definition.name, definition.kind, definition.unit, &series.labels)
}

impl Ended {
    /// Becomes what `told` has and `now` has not.
    pub(super) fn fit(&mut self, told: &Layout, now: &Layout, settings: &Settings) {
        if self.layouts == (told.id, now.id) {
            return;
        }
        self.layouts = (told.id, now.id);
        self.metrics.clear();
        if told.id == now.id || told.families.is_empty() {
            return;
        }
        let live: HashSet<Stream<'_>> = now.series().map(|(of, one)| stream(of, one)).collect();
        for family in &told.families {
            let definition = &family.definition;
            let temporality = settings.temporality_of(definition.kind);
            if temporality == Temporality::Delta && !definition.kind.is_gauge() {
                continue;
            }
            let went = |one: &&SeriesLayout| !live.contains(&stream(definition, one));
            let went: Vec<SeriesLayout> = family.series.iter().filter(went).cloned().collect();
            let mut rest = &went[..];
            while !rest.is_empty() {
                let (these, others) = rest.split_at(fitting(definition.kind, rest, settings));
                let (definition, series) = (Arc::clone(definition), these.to_vec());
                self.metrics.push(EndedMetric { definition, temporality, series });
                rest = others;
            }
        }
    }
}
