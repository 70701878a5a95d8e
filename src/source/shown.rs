//! A source's samples as series of the engine: which are there, where their values are, and what becomes of those that come,
//! go, or begin anew.

use super::flat::{Flat, FlatValue, flatten, format_bound};
use super::{PollSettings, Samples};
use crate::Error;
use crate::registry::outside::{Newcomer, Page, Place, Placed, Values, Versioned};
use crate::registry::{Kind, Registry};
use std::collections::HashMap;
use std::sync::Arc;

/// Why a series could not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The program has it itself, or its name with another definition; or another source has.
    Conflict,
    /// A name or a label that breaks a rule or a limit.
    Invalid,
    /// A value that its type cannot have: a counter below zero.
    Value,
    /// The source gave it twice.
    Twice,
}

impl Why {
    pub(super) const ALL: [Why; 4] = [Why::Conflict, Why::Invalid, Why::Value, Why::Twice];

    pub(super) fn name(self) -> &'static str {
        match self {
            Why::Conflict => "conflict",
            Why::Invalid => "invalid",
            Why::Value => "value",
            Why::Twice => "twice",
        }
    }
}

/// How many series could not be shown, by reason, and what was wrong with the first.
#[derive(Clone, Debug, Default)]
pub(super) struct LeftOut {
    pub(super) counts: [(u64, Option<String>); Why::ALL.len()],
}

impl LeftOut {
    /// So many series had names or labels beyond the limits.
    pub(super) fn oversized(&mut self, series: u64) {
        if series > 0 {
            let (count, first) = &mut self.counts[Why::Invalid as usize];
            *count += series;
            first.get_or_insert_with(|| {
                "a name or label is too long, or there are too many".to_owned()
            });
        }
    }

    fn add(&mut self, why: Why, example: impl FnOnce() -> String) {
        let (count, first) = &mut self.counts[why as usize];
        *count += 1;
        first.get_or_insert_with(example);
    }
}

/// The label that says which source a series is of.
const SOURCE: &str = "source";

/// A source's series.
#[derive(Debug)]
pub(super) struct Shown {
    registry: Registry,
    /// Labels that settings add.
    added: Vec<(String, String)>,
    page: Arc<Page>,
    series: HashMap<Box<str>, Slot, foldhash::fast::RandomState>,
    free: Free,
    /// Rises with each poll.
    turn: u64,
}

#[derive(Debug)]
struct Slot {
    place: Place,
    /// `None` while it is on its way.
    placed: Option<Placed>,
    turn: u64,
}

impl Shown {
    pub(super) fn new(
        registry: &Registry,
        name: &str,
        settings: &PollSettings,
        distinct: bool,
    ) -> Shown {
        let mut added = settings.labels.clone();
        let known = added.iter().any(|(label, _)| label == SOURCE);
        if settings.source_label.unwrap_or(!distinct) && !known {
            added.push((SOURCE.to_owned(), name.to_owned()));
        }
        Shown {
            registry: registry.clone(),
            added,
            page: Arc::default(),
            series: HashMap::default(),
            free: Free::default(),
            turn: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// Shows `samples` in the place of what was shown.
    pub(super) fn update(&mut self, samples: &Samples) -> LeftOut {
        self.turn += 1;
        let mut change = Change::of(&self.page);
        let mut left_out = LeftOut::default();
        let mut key = String::new();
        flatten(samples, |flat| {
            flat.write_key(&mut key);
            if let Err(why) = self.place(&flat, &key, &mut change) {
                left_out.add(why, || flat.shown());
            }
        });
        let turn = self.turn;
        self.series.retain(|_, slot| {
            if slot.turn != turn {
                change.freed.push(slot.place);
                change.gone.extend(slot.placed.take());
            }
            slot.turn == turn
        });
        self.exchange(change, &mut left_out);
        left_out
    }

    /// Ends all series.
    pub(super) fn end(&mut self) {
        let mut change = Change::of(&self.page);
        for (_, slot) in self.series.drain() {
            change.freed.push(slot.place);
            change.gone.extend(slot.placed);
        }
        self.exchange(change, &mut LeftOut::default());
    }

    /// Finds a place for the value of `flat`, and puts it there.
    fn place(&mut self, flat: &Flat<'_>, key: &str, change: &mut Change) -> Result<(), Why> {
        let scalar = match flat.value {
            FlatValue::Number(_) => Some(flat.scalar().ok_or(Why::Value)?),
            FlatValue::Histogram(_) => None,
        };
        let known = self.series.get_mut(key);
        if let Some(slot) = known {
            if slot.turn == self.turn {
                return Err(Why::Twice);
            }
            slot.turn = self.turn;
            let there = slot.placed.as_ref().is_some_and(|placed| !placed.is_evicted());
            if there && !change.falls(flat, scalar, slot.place) {
                change.write(flat, scalar, slot.place);
                return Ok(());
            }
            // It begins anew, in another place: a snapshot that does not know yet sees the last value of the old one.
            change.gone.extend(slot.placed.take());
            change.freed.push(slot.place);
        }
        let place = self.allot(flat, change);
        change.write(flat, scalar, place);
        let (definition, labels) = (flat.definition(), self.labels(flat));
        change.come.push((key.into(), Newcomer { definition, labels, place }));
        self.series.insert(key.into(), Slot { place, placed: None, turn: self.turn });
        Ok(())
    }

    /// The labels of a series, as the engine has them.
    fn labels(&self, flat: &Flat<'_>) -> Vec<(String, String)> {
        let mut labels = flat.labels.to_vec();
        labels.extend(flat.extra.map(|(name, bound)| (name.to_owned(), format_bound(bound))));
        for (name, value) in &self.added {
            let mut other = name.clone();
            while labels.iter().any(|(label, _)| *label == other) {
                other.insert_str(0, "exported_");
            }
            if let Some(own) = labels.iter_mut().find(|(label, _)| label == name) {
                own.0 = other;
            }
            labels.push((name.clone(), value.clone()));
        }
        labels
    }

    fn allot(&mut self, flat: &Flat<'_>, change: &mut Change) -> Place {
        let values = &mut change.values;
        match flat.value {
            FlatValue::Number(_) => Place::Scalar(self.free.scalars.pop().unwrap_or_else(|| {
                values.scalars.push(0);
                values.scalars.len() - 1
            })),
            FlatValue::Histogram(histogram) => {
                Place::Histogram(self.free.histograms.pop().unwrap_or_else(|| {
                    values.histograms.push(Versioned::new(histogram.clone()));
                    values.histograms.len() - 1
                }))
            }
        }
    }

    /// Makes a change of the page and of the registry.
    fn exchange(&mut self, change: Change, left_out: &mut LeftOut) {
        let Change { values, gone, come, freed } = change;
        self.page.set(values);
        if !(gone.is_empty() && come.is_empty()) {
            let (keys, newcomers): (Vec<_>, Vec<_>) = come.into_iter().unzip();
            let names: Vec<_> =
                newcomers.iter().map(|newcomer| newcomer.definition.name.clone()).collect();
            let placed = self.registry.exchange(&self.page, gone, newcomers);
            for ((key, name), placed) in keys.into_iter().zip(names).zip(placed) {
                match placed {
                    Ok(placed) => {
                        if let Some(slot) = self.series.get_mut(&key) {
                            slot.placed = Some(placed);
                        }
                    }
                    Err(error) => {
                        let why = match error {
                            Error::Conflict { .. } => Why::Conflict,
                            _ => Why::Invalid,
                        };
                        left_out.add(why, || format!("{name}: {error}"));
                        if let Some(slot) = self.series.remove(&key) {
                            self.free.push(slot.place);
                        }
                    }
                }
            }
        }
        // Only now: nobody else may have had them in this turn.
        freed.into_iter().for_each(|place| self.free.push(place));
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.end();
    }
}

/// Places that no series has.
#[derive(Debug, Default)]
struct Free {
    scalars: Vec<usize>,
    histograms: Vec<usize>,
}

impl Free {
    fn push(&mut self, place: Place) {
        match place {
            Place::Scalar(at) => self.scalars.push(at),
            Place::Histogram(at) => self.histograms.push(at),
        }
    }
}

/// What one poll changes.
#[derive(Debug)]
struct Change {
    values: Values,
    gone: Vec<Placed>,
    come: Vec<(Box<str>, Newcomer)>,
    freed: Vec<Place>,
}

impl Change {
    fn of(page: &Page) -> Change {
        let values = Values::clone(&page.values());
        Change { values, gone: Vec::new(), come: Vec::new(), freed: Vec::new() }
    }

    /// Whether what only rises is lower than it was, or a histogram is another one.
    fn falls(&self, flat: &Flat<'_>, scalar: Option<u64>, place: Place) -> bool {
        match (flat.value, place) {
            (FlatValue::Number(_), Place::Scalar(at)) => {
                flat.kind == Kind::Counter && scalar < Some(self.values.scalars[at])
            }
            (FlatValue::Histogram(now), Place::Histogram(at)) => {
                let then = &self.values.histograms[at].histogram;
                let alike = now.precision() == then.precision() && now.unit() == then.unit();
                !alike || now.count() < then.count()
            }
            _ => true,
        }
    }

    fn write(&mut self, flat: &Flat<'_>, scalar: Option<u64>, place: Place) {
        match (flat.value, place) {
            (FlatValue::Number(_), Place::Scalar(at)) => {
                self.values.scalars[at] = scalar.unwrap_or_default();
            }
            (FlatValue::Histogram(now), Place::Histogram(at))
                if *self.values.histograms[at].histogram != **now =>
            {
                self.values.histograms[at] = Versioned::new(now.clone());
            }
            _ => {}
        }
    }
}
