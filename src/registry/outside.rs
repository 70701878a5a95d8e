//! Series that nobody records in: their values are set as a whole by whoever reads them elsewhere. Of [`crate::source`].
//!
//! A [`Page`] holds the values of many series, and is exchanged in one piece: a snapshot has all of one exchange or nothing of
//! it. Which series there are is the registry's matter as ever; each is a place on a page, and keeps it for as long as it
//! lives.
//!
//! What the program registers itself comes first. A name or a series that it wants and that came from outside is evicted, and
//! whoever brought it sees that by its [`Life`] ([`is_evicted`]).

use super::{Definition, Family, Kind, Life, Registry, Series, State, checked_labels, locks};
use crate::registry::layout::{Labels, Source};
use crate::sync::ArcSwap;
use crate::{Error, HistogramSnapshot};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The values of many series.
#[derive(Default)]
pub(crate) struct Page(ArcSwap<Values>);

/// What a page has now. Never shorter than before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    /// As a snapshot's scalars.
    pub(crate) scalars: Vec<u64>,
    pub(crate) histograms: Vec<Versioned>,
}

/// A histogram, and a number that no other state of any histogram has.
#[derive(Clone, Debug)]
pub(crate) struct Versioned {
    pub(crate) histogram: Arc<HistogramSnapshot>,
    pub(crate) version: u64,
}

impl Versioned {
    pub(crate) fn new(histogram: Arc<HistogramSnapshot>) -> Versioned {
        // The cutter counts turns from below, and never gets here.
        static VERSIONS: AtomicU64 = AtomicU64::new(1 << 63);
        // Relaxed: only unique.
        Versioned { histogram, version: VERSIONS.fetch_add(1, Ordering::Relaxed) }
    }
}

/// A place on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Scalar(usize),
    Histogram(usize),
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page")
    }
}

impl Page {
    /// What it has now.
    pub(crate) fn values(&self) -> Arc<Values> {
        self.0.load_full()
    }

    /// Exchanges all values.
    pub(crate) fn set(&self, values: Values) {
        self.0.store(Arc::new(values));
    }
}

/// A series that is to come.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) definition: Definition,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) place: Place,
}

/// A series that came from outside, for as long as it is registered.
#[derive(Debug)]
pub(crate) struct Placed {
    name: String,
    labels: Labels,
    life: Arc<Life>,
}

impl Placed {
    /// Whether the registry has given it up: the program itself has the series, or its name.
    pub(crate) fn is_evicted(&self) -> bool {
        Arc::strong_count(&self.life) == 1
    }
}

impl Registry {
    /// Takes the series of `gone` away, and then brings those of `come`, in the same order, whose values are on `page`
    /// already. No snapshot sees a part of it.
    ///
    /// A family that is there already keeps its help and its bounds, if type, unit and precision are those of the newcomer.
    pub(crate) fn exchange(
        &self,
        page: &Arc<Page>,
        gone: Vec<Placed>,
        come: Vec<Newcomer>,
    ) -> Vec<Result<Placed, Error>> {
        let checked: Vec<_> = come
            .into_iter()
            .map(|newcomer| {
                newcomer.definition.check()?;
                let all = [&self.scope[..], &newcomer.labels[..]].concat();
                let labels = checked_labels(all, newcomer.definition.kind)?;
                Ok((newcomer.definition, labels, newcomer.place))
            })
            .collect();
        let _setup = locks::setup();
        let mut state = self.inner.lock();
        gone.into_iter().for_each(|placed| state.leave(&placed));
        checked
            .into_iter()
            .map(|checked: Result<_, Error>| {
                let (definition, labels, place) = checked?;
                state.enter(page, definition, labels, place)
            })
            .collect()
    }
}

impl State {
    fn enter(
        &mut self,
        page: &Arc<Page>,
        definition: Definition,
        labels: Labels,
        place: Place,
    ) -> Result<Placed, Error> {
        let conflict = |existing: String| {
            Err(Error::Conflict { existing, refused: format!("{definition}, from a source") })
        };
        match self.families.get(&definition.name) {
            Some(Family { definition: known, series, .. }) => {
                let alike = known.kind == definition.kind
                    && known.unit == definition.unit
                    && (known.kind != Kind::Histogram || known.precision == definition.precision);
                if !alike {
                    return conflict(known.to_string());
                }
                if series.contains_key(&labels) {
                    return conflict(format!("{known} with the same labels"));
                }
            }
            None => {
                self.family(&definition)?.outside = true;
            }
        }
        let life = Arc::new(Life(None));
        let source = Source::Outside(page.clone(), place);
        self.insert(&definition, labels.clone(), Series { source, life: life.clone() });
        Ok(Placed { name: definition.name, labels, life })
    }

    fn leave(&mut self, placed: &Placed) {
        let Some(family) = self.families.get_mut(&placed.name) else { return };
        let mine = |series: &Series| Arc::ptr_eq(&series.life, &placed.life);
        if family.series.get(&placed.labels).is_some_and(mine) {
            family.series.remove(&placed.labels);
            self.version += 1;
            self.forget(&placed.name);
        }
    }

    /// Drops a family that came from outside, and has no series any more.
    fn forget(&mut self, name: &str) {
        if self.families.get(name).is_some_and(|family| family.outside && family.series.is_empty())
        {
            self.families.remove(name);
            self.claims.retain(|_, owner| owner != name);
        }
    }

    /// Makes room for a definition of the program's own: drops what came from outside and has its name, or one of the names of
    /// its series, and differs from it.
    pub(crate) fn make_room(&mut self, definition: &Definition) {
        let claimed = definition.claims().filter_map(|claim| self.claims.get(&claim).cloned());
        let names: Vec<String> = claimed.chain([definition.name.clone()]).collect();
        for name in names {
            let other = |family: &Family| family.outside && *family.definition != *definition;
            if self.families.get(&name).is_some_and(other) {
                if let Some(family) = self.families.get_mut(&name) {
                    family.series = BTreeMap::new();
                }
                self.version += 1;
                self.forget(&name);
            }
        }
    }

    /// Drops the series of these labels, if it came from outside.
    pub(crate) fn evict(&mut self, name: &str, labels: &Labels) {
        let Some(family) = self.families.get_mut(name) else { return };
        let from_outside = |series: &Series| matches!(series.source, Source::Outside(..));
        if family.series.get(labels).is_some_and(from_outside) {
            family.series.remove(labels);
            self.version += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Buckets, Engine, ManualClock, Precision, Unit, Value};
    use std::time::Duration;

    fn newcomer(name: &str, kind: Kind, label: &str, place: Place) -> Newcomer {
        let definition = Definition {
            name: name.to_owned(),
            help: "From elsewhere.".to_owned(),
            kind,
            unit: Unit::None,
            precision: Precision::Two,
            buckets: Buckets::Auto,
        };
        Newcomer { definition, labels: vec![("peer".to_owned(), label.to_owned())], place }
    }

    fn stand() -> (Registry, Engine, Arc<Page>) {
        let registry = Registry::new();
        let clock = ManualClock::at(Duration::from_secs(5));
        let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
        (registry, engine, Arc::default())
    }

    #[test]
    fn values_are_exchanged_as_a_whole_and_series_come_and_go() {
        let (registry, engine, page) = stand();
        let mut other = HistogramSnapshot::empty(Precision::Two, Unit::None);
        let own = registry.histogram("own", "Own.").unwrap();
        own.record_n(7, 3);
        other.merge(&engine.refresh().histogram("own").unwrap()).unwrap();
        page.set(Values {
            scalars: vec![5, 2.5f64.to_bits()],
            histograms: vec![Versioned::new(Arc::new(other))],
        });
        let come = vec![
            newcomer("sent_total", Kind::Counter, "a", Place::Scalar(0)),
            newcomer("level", Kind::Gauge, "a", Place::Scalar(1)),
            newcomer("size", Kind::Histogram, "a", Place::Histogram(0)),
        ];
        let placed: Vec<Placed> =
            registry.exchange(&page, Vec::new(), come).into_iter().map(Result::unwrap).collect();
        let now = engine.refresh();
        assert_eq!(now.counter("sent_total"), Ok(5));
        assert_eq!(now.gauge("level"), Ok(2.5));
        assert_eq!(now.histogram("size").unwrap().count(), 3);
        assert!(
            now.series()
                .any(|series| matches!(series.value, Value::Histogram(h) if h.max() == Some(7)))
        );
        let mut values = Values::clone(&page.values());
        values.scalars[0] = 9;
        page.set(values);
        assert_eq!(engine.refresh().counter("sent_total"), Ok(9));
        registry.exchange(&page, placed, Vec::new());
        assert_eq!(engine.refresh().len(), 1);
        // The names are free again, for anything.
        registry.gauge("sent_total", "Mine.").unwrap();
    }

    #[test]
    fn what_the_program_registers_itself_comes_first() {
        let (registry, engine, page) = stand();
        page.set(Values { scalars: vec![5, 6], histograms: Vec::new() });
        let come = |name: &str, label: &str| {
            let come = vec![newcomer(name, Kind::Counter, label, Place::Scalar(0))];
            registry.exchange(&page, Vec::new(), come).remove(0)
        };
        // Another definition of the name.
        let placed = come("a_total", "x").unwrap();
        registry.gauge("a_total", "Mine.").unwrap().set(1.0);
        assert!(placed.is_evicted());
        assert!(come("a_total", "x").is_err());
        // The same series.
        let placed = come("b_total", "x").unwrap();
        let other = come("b_total", "y").unwrap();
        registry.metric("b_total", "From elsewhere.").label("peer", "x").counter().unwrap().add(1);
        assert!(placed.is_evicted() && !other.is_evicted());
        assert!(come("b_total", "x").is_err());
        // A histogram's suffix, and a gauge with a callback.
        let placed = come("c_count", "x").unwrap();
        registry.histogram("c", "Mine.").unwrap();
        assert!(placed.is_evicted());
        let placed = come("d", "x").unwrap();
        registry.metric("d", "Mine.").label("peer", "x").gauge_from(|| 3.0).unwrap();
        assert!(placed.is_evicted());
        // A member of a family.
        let placed = come("e_total", "x").unwrap();
        let family = registry.metric("e_total", "From elsewhere.");
        let family = family.family::<crate::Counter, 1>(["peer"]).unwrap();
        family.at(["x"]).add(2);
        assert!(placed.is_evicted());
        let now = engine.refresh();
        assert_eq!((now.gauge("a_total"), now.gauge("d")), (Ok(1.0), Ok(3.0)));
        assert_eq!((now.counter("b_total"), now.counter("e_total")), (Ok(1 + 5), Ok(2)));
    }

    #[test]
    fn another_help_is_no_conflict_and_another_type_is_one() {
        let (registry, engine, page) = stand();
        page.set(Values { scalars: vec![5], histograms: Vec::new() });
        registry.metric("a_total", "Mine.").label("peer", "x").counter().unwrap().add(1);
        let come = |kind, label| {
            let come = vec![newcomer("a_total", kind, label, Place::Scalar(0))];
            registry.exchange(&page, Vec::new(), come).remove(0)
        };
        let conflict = |result: Result<Placed, Error>| matches!(result, Err(Error::Conflict { refused, .. }) if refused.contains("source"));
        assert!(come(Kind::Counter, "y").is_ok());
        assert!(conflict(come(Kind::Counter, "x")) && conflict(come(Kind::Gauge, "z")));
        let bad = newcomer("a b", Kind::Gauge, "x", Place::Scalar(0));
        assert!(registry.exchange(&page, Vec::new(), vec![bad]).remove(0).is_err());
        assert_eq!(engine.refresh().counter("a_total"), Ok(6));
    }
}
