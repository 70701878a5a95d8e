//! Making a generation: from what all threads recorded to a snapshot.
//!
//! Call what the host wants called before a cut; lock the process's cutter; cut; read the registry's layout; take the totals;
//! release the cutter; call the gauges' callbacks. The engine decides when, and publishes what comes of it.

use super::cutter::{Cut, Cutter, SlotView};
use super::sums::{Extremes, HeadSums, octaves};
use super::time::{Clock, Moment};
use crate::limits::DEFAULT_CUT_TIMEOUT;
use crate::registry::layout::{Identity, Labels, Layout, SeriesLayout, Source};
use crate::registry::outside::{Page, Place, Values};
use crate::registry::{Collector, Kind, Registry, Rejected, locks};
use crate::shard::{DOMAIN, fork};
use crate::sync::Ordering;
use crate::{Definition, HistogramSnapshot, Snapshot};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A registry's generations, one after the other.
#[derive(Debug)]
pub(super) struct Generations {
    pub(super) registry: Registry,
    pub(super) constant: Labels,
    pub(super) cut_timeout: Duration,
    /// When the engine was started.
    pub(super) started: Moment,
    pub(super) layout: Option<Arc<Layout>>,
    /// The last complete snapshot, this engine's or that of the one before it: exact sums go on from it.
    pub(super) base: Option<Arc<Snapshot>>,
}

/// A snapshot, and what making it was like.
pub(super) struct Generation {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) cut: Cut,
    /// How many of the host's callbacks panicked.
    pub(super) panics: u64,
}

impl Generations {
    /// Makes the generation after `last`.
    pub(super) fn next(&mut self, clock: &dyn Clock, last: &Snapshot) -> Generation {
        let failed = collect(self.registry.inner.collectors());
        let moment = clock.now();
        let mut cutter = locks::cutter();
        let cut = cut(&mut cutter, self.cut_timeout);
        let since = if last.generation == 0 { self.started } else { last.moment };
        let none = Snapshot::none(moment);
        let base = self.base.as_deref().unwrap_or(&none);
        let newest = self.layout.as_ref();
        let known = newest.unwrap_or(&base.layout);
        let layout = Layout::of(&self.registry.inner, newest, &self.constant, known, since.unix);
        let (mut snapshot, callbacks) = self.take(&mut cutter, &cut, moment, &layout, base);
        snapshot.generation = last.generation + 1;
        drop(cutter);
        let (snapshot, panics) = call_back(snapshot, callbacks);
        let snapshot = Arc::new(snapshot);
        self.layout = Some(layout);
        if cut.is_complete() {
            self.base = Some(snapshot.clone());
        }
        Generation { snapshot, cut, panics: panics + failed }
    }

    /// Takes this registry's totals out of the cutter's. `base` is the last complete snapshot: what an incomplete one says
    /// of a sum may be less than its buckets ask for, and is nothing to go on from.
    fn take(
        &self,
        cutter: &mut Cutter,
        cut: &Cut,
        moment: Moment,
        layout: &Arc<Layout>,
        base: &Snapshot,
    ) -> (Snapshot, Vec<Callback>) {
        let mut snapshot = Snapshot::none(moment);
        snapshot.moving = cut.moving;
        snapshot.fenced = cut.fenced;
        snapshot.layout = layout.clone();
        let mut scalars = vec![0; layout.scalars];
        let mut histograms = Vec::with_capacity(layout.histograms);
        let mut extremes = Vec::with_capacity(layout.histograms);
        let mut exemplars = Vec::with_capacity(layout.histograms);
        let mut callbacks = Vec::new();
        let mut states = HashMap::new();
        // Read once for all series of a page: a snapshot has all of one reading.
        let mut pages: HashMap<*const Page, Arc<Values>> = HashMap::new();
        let mut cumulative = Vec::with_capacity(layout.histograms);
        let mut versions = Vec::with_capacity(layout.histograms);
        let before = Before::new(base, layout);
        for (family, series) in
            layout.families.iter().flat_map(|f| f.series.iter().map(move |s| (f, s)))
        {
            match &series.source {
                Source::Cells(slot) => scalars[series.value] = cutter.scalar(*slot),
                Source::Shared(at) | Source::Process(at) => {
                    scalars[series.value] = shared_value(*at);
                }
                Source::State(at, index) => {
                    // Read once for all states of a set: one of them holds.
                    let state = *states.entry(*at).or_insert_with(|| shared_value(*at));
                    scalars[series.value] = f64::from(state == *index as u64).to_bits();
                }
                Source::One => scalars[series.value] = 1f64.to_bits(),
                Source::Callback(read) => callbacks.push((series.value, read.clone())),
                Source::Outside(page, place) => {
                    let values = pages.entry(Arc::as_ptr(page)).or_insert_with(|| page.values());
                    match *place {
                        Place::Scalar(at) => scalars[series.value] = values.scalars[at],
                        Place::Histogram(at) => {
                            let now = &values.histograms[at];
                            let known = before.histogram(&family.definition, series);
                            let same = known.counts.filter(|_| known.version == Some(now.version));
                            let bounds = &family.bounds;
                            cumulative
                                .push(same.unwrap_or_else(|| now.histogram.cumulative(bounds)));
                            versions.push(now.version);
                            histograms.push(now.histogram.clone());
                            extremes.push(Extremes::default());
                            exemplars.push(None);
                        }
                    }
                }
                Source::Head(slot) => {
                    let seen = cutter.take_extremes(*slot);
                    let version = cutter.version(*slot);
                    let known = before.histogram(&family.definition, series);
                    let next = match cutter.head(*slot) {
                        Some((_, banks)) if known.version != Some(version) => {
                            let all = cutter.all_extremes(*slot);
                            HistogramSnapshot::advance(&known.last, banks, all, cut.is_complete())
                        }
                        _ => known.last.clone(),
                    };
                    let same = known.counts.filter(|_| Arc::ptr_eq(&known.last, &next));
                    cumulative.push(same.unwrap_or_else(|| next.cumulative(&family.bounds)));
                    versions.push(version);
                    histograms.push(next);
                    extremes.push(seen);
                    exemplars.push(cutter.exemplars(*slot, moment.unix));
                }
            }
        }
        snapshot.scalars = scalars.into();
        snapshot.histograms = histograms.into();
        snapshot.cumulative = cumulative.into();
        snapshot.versions = versions.into();
        snapshot.extremes = extremes.into();
        snapshot.exemplars = exemplars.into();
        snapshot.rejected = self.rejected(cutter);
        let complete = cut.is_complete();
        self.registry
            .inner
            .expire(moment.elapsed, complete, |slot, kind| count(cutter, slot, kind));
        (snapshot, callbacks)
    }

    fn rejected(&self, cutter: &Cutter) -> Vec<(String, u64)> {
        let state = self.registry.inner.lock();
        state.rejected.iter().map(|r| (r.name.clone(), recorded(cutter, r))).collect()
    }
}

/// Calls what the host wants called before a cut, outside every lock of the process; returns how many panicked.
fn collect(collectors: Vec<Collector>) -> u64 {
    let calls = collectors.into_iter();
    calls.map(|Collector(call)| u64::from(catch_unwind(AssertUnwindSafe(|| call())).is_err())).sum()
}

type Callback = (usize, Arc<dyn Fn() -> f64 + Send + Sync>);

/// Calls the gauges' callbacks, outside every lock of the process; returns how many panicked.
fn call_back(mut snapshot: Snapshot, callbacks: Vec<Callback>) -> (Snapshot, u64) {
    let mut panics = 0;
    for (at, read) in callbacks {
        let value = catch_unwind(AssertUnwindSafe(|| read()));
        panics += u64::from(value.is_err());
        snapshot.scalars[at] = value.unwrap_or(f64::NAN).to_bits();
    }
    (snapshot, panics)
}

/// Cuts, for all registries of the process; retires and recycles slots on the way.
fn cut(cutter: &mut Cutter, limit: Duration) -> Cut {
    cutter.survive_fork(fork::generation());
    cutter.retire(locks::take_retired());
    let cut = cutter.cut(&DOMAIN, limit, |fit| {
        let slots = locks::setup();
        fit(SlotView { scalars: slots.scalars(), shapes: slots.shapes() });
    });
    let zeroed = cutter.take_zeroed();
    if !zeroed.is_empty() {
        let mut slots = locks::setup();
        zeroed.into_iter().for_each(|range| slots.recycle(range));
    }
    cut
}

/// Brings retired slots back at once, for a registration that found none free; `false` if there were none.
pub(crate) fn reclaim() -> bool {
    let mut cutter = locks::cutter();
    let any = locks::any_retired() || cutter.is_zeroing();
    // Two banks to zero, and one more for a cut that was not complete.
    for _ in 0..3 {
        if locks::any_retired() || cutter.is_zeroing() {
            cut(&mut cutter, DEFAULT_CUT_TIMEOUT);
        }
    }
    any
}

pub(crate) fn shared_value(at: usize) -> u64 {
    // Relaxed: a gauge, or a statistic, publishes nothing but itself.
    DOMAIN.shared().map_or(0, |shared| shared.cells.cell(at).load(Ordering::Relaxed))
}

/// How often something was recorded at `slot` (or, for a scalar, its value).
fn count(cutter: &Cutter, slot: usize, kind: Kind) -> u64 {
    match kind {
        Kind::Histogram => cutter.head(slot).map_or(0, |(shape, banks)| {
            let buckets = |bank: &HeadSums| -> u64 {
                octaves(bank.mask)
                    .filter_map(|octave| bank.block(shape, octave))
                    .flat_map(|block| &block[..block.len() - 1])
                    .sum()
            };
            buckets(banks[0]) + buckets(banks[1])
        }),
        _ => cutter.scalar(slot),
    }
}

/// How often something was recorded through a refused handle, over all of its series. A gauge keeps no count.
fn recorded(cutter: &Cutter, rejected: &Rejected) -> u64 {
    let Rejected { bound, kind, .. } = rejected;
    match bound.life.0 {
        Some(_) if matches!(kind, Kind::Gauge | Kind::StateSet) => 0,
        Some(range) => (0..range.len)
            .map(|at| count(cutter, range.slot + at * range.class.stride(), *kind))
            .fold(0, u64::wrapping_add),
        None => count(cutter, bound.slot, *kind),
    }
}

/// Finds a series' histogram in the snapshot before, and its counts up to the exported bounds.
struct Before<'a> {
    last: &'a Snapshot,
    /// `None` while the layout is the same.
    by_identity: Option<HashMap<Identity, &'a SeriesLayout>>,
}

impl<'a> Before<'a> {
    fn new(last: &'a Snapshot, layout: &Layout) -> Self {
        let by_identity = (last.layout.id != layout.id).then(|| {
            let histograms =
                last.layout.series().filter(|(definition, _)| definition.kind == Kind::Histogram);
            histograms.map(|(_, series)| (series.identity(), series)).collect()
        });
        Before { last, by_identity }
    }

    fn histogram(&self, definition: &Definition, series: &SeriesLayout) -> Known {
        let at = match &self.by_identity {
            None => Some(series.value),
            Some(map) => map.get(&series.identity()).map(|last| last.value),
        };
        match at {
            None => Known {
                last: Arc::new(HistogramSnapshot::empty(definition.precision, definition.unit)),
                counts: None,
                version: None,
            },
            Some(at) => Known {
                last: self.last.histograms[at].clone(),
                counts: Some(self.last.cumulative[at].clone()),
                version: Some(self.last.versions[at]),
            },
        }
    }
}

/// What the snapshot before knew of a histogram.
struct Known {
    last: Arc<HistogramSnapshot>,
    counts: Option<Arc<[u64]>>,
    version: Option<u64>,
}
