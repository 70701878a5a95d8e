//! What a snapshot's numbers mean: families and series in the order of their names, each with its place among the values.
//!
//! A layout is made when the registry has changed since the last one and shared by all snapshots until it changes again.

use super::outside::{Page, Place};
use super::{Definition, Inner, Kind, Life};
use crate::shard::layout::Class;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Labels of a series, in the order of their names.
pub(crate) type Labels = Arc<[(String, String)]>;

/// Where a series' value comes from.
#[derive(Clone)]
pub(crate) enum Source {
    /// Sharded cells: the value is what the cut has.
    Cells(usize),
    /// One shared cell, read after the cut.
    Shared(usize),
    /// A statistic of the process: a word of the shared arena's header, read after the cut.
    Process(usize),
    /// A histogram's head.
    Head(usize),
    /// One state of a set: 1 if the shared cell, read after the cut, has its index.
    State(usize, usize),
    /// Always 1.
    One,
    /// A function of the host's, called after the cut.
    Callback(Arc<dyn Fn() -> f64 + Send + Sync>),
    /// A place on a page that was read elsewhere.
    Outside(Arc<Page>, Place),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Cells(slot) => write!(f, "Cells({slot})"),
            Source::Shared(slot) => write!(f, "Shared({slot})"),
            Source::Head(slot) => write!(f, "Head({slot})"),
            Source::State(slot, index) => write!(f, "State({slot}, {index})"),
            Source::One => write!(f, "One"),
            Source::Process(word) => write!(f, "Process({word})"),
            Source::Callback(_) => write!(f, "Callback"),
            Source::Outside(_, place) => write!(f, "Outside({place:?})"),
        }
    }
}

impl Source {
    pub(crate) fn of(kind: Kind, slot: usize) -> Source {
        match kind {
            Kind::Counter | Kind::UpDownCounter => Source::Cells(slot),
            Kind::Gauge => Source::Shared(slot),
            Kind::Histogram => Source::Head(slot),
            Kind::Info => Source::One,
            Kind::StateSet => Source::State(slot, 0),
        }
    }

    /// As [`Source::of`], for the series at `index` of those that were registered together from `slot` on.
    pub(crate) fn nth(kind: Kind, class: Class, slot: usize, index: usize) -> Source {
        match kind {
            // One cell has the state of all of them.
            Kind::StateSet => Source::State(slot, index),
            kind => Source::of(kind, slot + index * class.stride()),
        }
    }

    /// Whether both show the same cell.
    pub(crate) fn is_same(&self, other: &Source) -> bool {
        match (self, other) {
            (Source::Cells(a), Source::Cells(b))
            | (Source::Shared(a), Source::Shared(b))
            | (Source::Head(a), Source::Head(b)) => a == b,
            (Source::State(a, i), Source::State(b, j)) => (a, i) == (b, j),
            _ => false,
        }
    }

    pub(crate) fn slot(&self) -> Option<usize> {
        match self {
            Source::Cells(slot)
            | Source::Shared(slot)
            | Source::Head(slot)
            | Source::State(slot, _) => Some(*slot),
            Source::Process(_) | Source::One | Source::Callback(_) | Source::Outside(..) => None,
        }
    }
}

/// The families and series of a registry at one moment.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Different for every layout of the process: what an encoder keys its rendered prefixes by.
    pub(crate) id: u64,
    /// The registry's version that this shows.
    pub(crate) version: u64,
    pub(crate) families: Vec<FamilyLayout>,
    pub(crate) scalars: usize,
    pub(crate) histograms: usize,
}

#[derive(Debug)]
pub(crate) struct FamilyLayout {
    pub(crate) definition: Arc<Definition>,
    /// The bounds that a histogram exports, in the recorded unit.
    pub(crate) bounds: Box<[u64]>,
    pub(crate) series: Vec<SeriesLayout>,
}

#[derive(Clone, Debug)]
pub(crate) struct SeriesLayout {
    pub(crate) labels: Labels,
    pub(crate) source: Source,
    /// What keeps the series' slots: tells it from another one that had the same labels before.
    pub(crate) life: Weak<Life>,
    /// When the series began, at the latest: the time of the last snapshot that did not have it, or of the engine's start.
    pub(crate) created: Duration,
    /// Index among the snapshot's scalars, or among its histograms.
    pub(crate) value: usize,
}

/// What tells a series from every other of its process: one that expired and came back has the same labels, and engines
/// add labels of their own. Good for as long as the layouts that it is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    life: usize,
    slot: Option<usize>,
}

impl Identity {
    /// No series of this process has it.
    #[cfg(feature = "history")]
    pub(crate) const NOBODY: Identity = Identity { life: 0, slot: None };
}

impl SeriesLayout {
    /// See [`Identity`]. The weak reference keeps the address from being used again.
    pub(crate) fn identity(&self) -> Identity {
        Identity { life: self.life.as_ptr().addr(), slot: self.source.slot() }
    }
}

fn with_constant(labels: &Labels, constant: &Labels) -> Labels {
    if constant.is_empty() {
        return labels.clone();
    }
    let absent = constant.iter().filter(|c| labels.iter().all(|l| l.0 != c.0));
    let mut all: Vec<_> = labels.iter().chain(absent).cloned().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all.into()
}

/// The labels of each series of a family, with the constant ones. A series whose text would then be that of another goes
/// without them: two lines of one text are no page.
fn with_constants<'a>(
    own: impl Iterator<Item = &'a Labels> + Clone,
    constant: &Labels,
) -> Vec<Labels> {
    let all: Vec<Labels> = own.clone().map(|labels| with_constant(labels, constant)).collect();
    let unchanged = own.clone().zip(&all).filter(|(own, all)| own == all);
    let mut taken: HashSet<Labels> = unchanged.map(|(_, all)| all.clone()).collect();
    let free = |(own, all): (&Labels, Labels)| match *own == all || taken.insert(all.clone()) {
        true => all,
        false => own.clone(),
    };
    own.zip(all).map(free).collect()
}

impl Layout {
    /// The layout of `registry` now; `last` if nothing changed since.
    ///
    /// `constant` labels are added to every series that has no label of that name. What is not in `known`, the layout that
    /// this engine or the one before it had, began after `since`, the wall's time of the last snapshot.
    pub(crate) fn of(
        registry: &Inner,
        last: Option<&Arc<Layout>>,
        constant: &Labels,
        known: &Layout,
        since: Duration,
    ) -> Arc<Layout> {
        let state = registry.lock();
        if let Some(last) = last.filter(|last| last.version == state.version) {
            return last.clone();
        }
        let known: HashMap<Identity, Duration> =
            known.series().map(|(_, series)| (series.identity(), series.created)).collect();
        let (mut scalars, mut histograms) = (0, 0);
        let mut families = Vec::with_capacity(state.families.len());
        for family in state.families.values().filter(|f| !f.series.is_empty()) {
            let place = match family.definition.kind {
                Kind::Histogram => &mut histograms,
                _ => &mut scalars,
            };
            let labels = with_constants(family.series.keys(), constant);
            let mut series: Vec<_> = labels
                .into_iter()
                .zip(family.series.values())
                .map(|(labels, series)| {
                    let (source, life) = (series.source.clone(), Arc::downgrade(&series.life));
                    let mut one = SeriesLayout { labels, source, life, created: since, value: 0 };
                    if let Some(&created) = known.get(&one.identity()) {
                        one.created = created;
                    }
                    one
                })
                .collect();
            // Constant labels may change the order.
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            for one in &mut series {
                one.value = *place;
                *place += 1;
            }
            let definition = family.definition.clone();
            let bounds = definition.recorded_bounds();
            families.push(FamilyLayout { definition, bounds, series });
        }
        let version = state.version;
        Arc::new(Layout { version, families, scalars, histograms, ..Layout::unique() })
    }

    /// An empty layout with an identity of its own.
    pub(crate) fn unique() -> Layout {
        // Zero is the empty layout of a snapshot before the first.
        static IDS: AtomicU64 = AtomicU64::new(1);
        // Relaxed: only unique.
        Layout { id: IDS.fetch_add(1, Ordering::Relaxed), ..Layout::default() }
    }

    /// All series, with their definitions.
    pub(crate) fn series(&self) -> impl Iterator<Item = (&Definition, &SeriesLayout)> {
        self.families.iter().flat_map(|f| f.series.iter().map(move |s| (&*f.definition, s)))
    }
}
