//! What all threads recorded up to one moment: immutable, cheap to share, and a causal cut.
//!
//! See the chapter on consistency in the crate's documentation for what a snapshot may and may not show.

pub(crate) mod delta;
mod filter;
pub(crate) mod histogram;
pub(crate) mod series;

pub use delta::Delta;
pub use histogram::HistogramSnapshot;
pub use series::{SeriesView, Value};

use crate::aggregate::time::Moment;
use crate::registry::Kind;
use crate::registry::layout::{Layout, SeriesLayout};
use crate::{Definition, Error, Exemplar};
use std::sync::Arc;
use std::time::Duration;

/// What all threads recorded up to one moment.
///
/// Every record that happened-before the call that made it is in it ([`Engine::refresh`](crate::Engine::refresh)), and if
/// one record happens-before another, the later is never in it without the earlier, unless it says that it is
/// incomplete. Gauges are read right after the cut and have no part in that order.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) generation: u64,
    pub(crate) moment: Moment,
    /// Shards that were read while a thread was inside a record.
    pub(crate) moving: usize,
    /// Whether the barrier held.
    pub(crate) fenced: bool,
    pub(crate) layout: Arc<Layout>,
    /// By `SeriesLayout::value`: counts, two's complement, or the bits of a float, as the kind says.
    pub(crate) scalars: Box<[u64]>,
    pub(crate) histograms: Box<[Arc<HistogramSnapshot>]>,
    /// For each histogram the number of values up to each bound that it exports. Counted while its cells are at hand; a
    /// histogram that did not change keeps its counts from the snapshot before.
    pub(crate) cumulative: Box<[Arc<[u64]>]>,
    /// The cutter's versions of the histograms.
    pub(crate) versions: Box<[u64]>,
    /// Largest and smallest value of this generation alone.
    pub(crate) extremes: Box<[crate::aggregate::sums::Extremes]>,
    /// The latest exemplars that are known, by histogram.
    pub(crate) exemplars: Box<[Option<Arc<[Exemplar]>>]>,
    pub(crate) rejected: Vec<(String, u64)>,
}

impl Snapshot {
    /// A snapshot before the first: no series.
    pub(crate) fn none(moment: Moment) -> Snapshot {
        Snapshot {
            generation: 0,
            moment,
            moving: 0,
            fenced: true,
            layout: Arc::default(),
            scalars: Box::default(),
            histograms: Box::default(),
            cumulative: Box::default(),
            versions: Box::default(),
            extremes: Box::default(),
            exemplars: Box::default(),
            rejected: Vec::new(),
        }
    }

    /// The number of this generation: 1 for the first that an engine makes, rising by one. 0 before the first.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When the cut was made, on the wall's clock: since 1970-01-01 UTC.
    pub fn unix_time(&self) -> Duration {
        self.moment.unix
    }

    /// When the cut was made, on the engine's monotonic clock.
    pub fn elapsed(&self) -> Duration {
        self.moment.elapsed
    }

    /// Whether this is a causal cut. If not, [`Snapshot::moving_shards`] threads were stopped inside a record for longer
    /// than the cut waits; nothing is lost, but their records may be in it in part.
    pub fn is_complete(&self) -> bool {
        self.fenced && self.moving == 0
    }

    /// Shards that were read while a thread was inside a record.
    pub fn moving_shards(&self) -> usize {
        self.moving
    }

    /// All series, by name and labels.
    pub fn series(&self) -> impl Iterator<Item = SeriesView<'_>> {
        self.layout.series().map(|(definition, series)| self.view(definition, series))
    }

    /// The number of series.
    pub fn len(&self) -> usize {
        self.layout.scalars + self.layout.histograms
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn view<'a>(&'a self, definition: &'a Definition, series: &'a SeriesLayout) -> SeriesView<'a> {
        let value = match definition.kind {
            Kind::Counter => Value::Counter(self.scalars[series.value]),
            Kind::UpDownCounter => Value::UpDownCounter(self.scalars[series.value] as i64),
            Kind::Gauge | Kind::Info | Kind::StateSet => {
                Value::Gauge(f64::from_bits(self.scalars[series.value]))
            }
            Kind::Histogram => Value::Histogram(&self.histograms[series.value]),
        };
        let extremes = (definition.kind == Kind::Histogram).then(|| self.extremes[series.value]);
        let exemplars = match definition.kind {
            Kind::Histogram => self.exemplars[series.value].as_deref().unwrap_or_default(),
            _ => &[],
        };
        let identity = series.identity();
        SeriesView {
            definition,
            labels: &series.labels,
            value,
            created: series.created,
            extremes,
            exemplars,
            identity,
        }
    }

    /// The series of `name` that carry all of `labels`.
    pub fn select<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = SeriesView<'a>> {
        let families = &self.layout.families;
        let found = families.binary_search_by(|f| f.definition.name.as_str().cmp(name)).ok();
        found.into_iter().flat_map(move |at| {
            let family = &families[at];
            family
                .series
                .iter()
                .filter(move |series| {
                    labels.iter().all(|(k, v)| series.labels.iter().any(|l| l.0 == *k && l.1 == *v))
                })
                .map(move |series| self.view(&family.definition, series))
        })
    }

    /// The value that a series of another snapshot of the same engine has here; not that of one of the same labels that was
    /// another.
    pub(crate) fn same(&self, series: &SeriesView<'_>) -> Option<Value<'_>> {
        let families = &self.layout.families;
        let name = series.definition.name.as_str();
        let at = families.binary_search_by(|f| f.definition.name.as_str().cmp(name)).ok()?;
        let family = &families[at];
        let found = family.series.binary_search_by(|s| s.labels[..].cmp(series.labels)).ok()?;
        let same = self.view(&family.definition, &family.series[found]);
        (same.identity == series.identity).then_some(same.value)
    }

    /// The value of a counter, summed over its series.
    ///
    /// # Errors
    /// There is no counter of that name.
    pub fn counter(&self, name: &str) -> Result<u64, Error> {
        self.counter_with(name, &[])
    }

    /// The value of a counter, summed over the series that carry all of `labels`.
    ///
    /// # Errors
    /// There is no such series.
    pub fn counter_with(&self, name: &str, labels: &[(&str, &str)]) -> Result<u64, Error> {
        self.total(name, labels, Kind::Counter, |value| match value {
            Value::Counter(count) => Some(count),
            _ => None,
        })
    }

    /// The value of an up-down counter, summed over its series.
    ///
    /// # Errors
    /// There is no up-down counter of that name.
    pub fn up_down_counter(&self, name: &str) -> Result<i64, Error> {
        self.up_down_counter_with(name, &[])
    }

    /// The value of an up-down counter, summed over the series that carry all of `labels`.
    ///
    /// # Errors
    /// There is no such series.
    pub fn up_down_counter_with(&self, name: &str, labels: &[(&str, &str)]) -> Result<i64, Error> {
        self.total(name, labels, Kind::UpDownCounter, |value| match value {
            Value::UpDownCounter(count) => Some(count),
            _ => None,
        })
    }

    /// The value of a gauge, summed over its series.
    ///
    /// # Errors
    /// There is no gauge of that name.
    pub fn gauge(&self, name: &str) -> Result<f64, Error> {
        self.gauge_with(name, &[])
    }

    /// The value of a gauge, summed over the series that carry all of `labels`.
    ///
    /// # Errors
    /// There is no such series.
    pub fn gauge_with(&self, name: &str, labels: &[(&str, &str)]) -> Result<f64, Error> {
        self.total(name, labels, Kind::Gauge, |value| match value {
            Value::Gauge(value) => Some(value),
            _ => None,
        })
    }

    fn total<T: std::iter::Sum>(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        kind: Kind,
        value: impl Fn(Value<'_>) -> Option<T>,
    ) -> Result<T, Error> {
        let mut found = self.select(name, labels).filter_map(|s| value(s.value)).peekable();
        match found.peek() {
            Some(_) => Ok(found.sum()),
            None => Err(self.missing(name, labels, kind)),
        }
    }

    /// A histogram, merged over its series.
    ///
    /// # Errors
    /// There is no histogram of that name.
    pub fn histogram(&self, name: &str) -> Result<Arc<HistogramSnapshot>, Error> {
        self.histogram_with(name, &[])
    }

    /// A histogram, merged over the series that carry all of `labels`.
    ///
    /// # Errors
    /// There is no such series.
    pub fn histogram_with(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<Arc<HistogramSnapshot>, Error> {
        let mut found = self.select(name, labels).filter_map(|s| match s.value {
            Value::Histogram(histogram) => Some(histogram),
            _ => None,
        });
        let first = found.next().ok_or_else(|| self.missing(name, labels, Kind::Histogram))?;
        let mut all = first.clone();
        for histogram in found {
            Arc::make_mut(&mut all).merge(histogram)?;
        }
        Ok(all)
    }

    fn missing(&self, name: &str, labels: &[(&str, &str)], kind: Kind) -> Error {
        let shown: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        let asked = format!("{name}{{{}}} of type {}", shown.join(","), kind.name());
        let advice = match self.select(name, &[]).next() {
            Some(series) if series.definition.kind != kind => {
                format!("{name} is a {}", series.definition.kind.name())
            }
            Some(_) => "the metric exists, but none of its series carries these labels".to_owned(),
            None => {
                "a static handle appears with its first use, or with register(); check the name"
                    .to_owned()
            }
        };
        Error::NoSuchSeries { asked, advice }
    }

    /// What `static` handles recorded that could not be registered as they stand: name, and count of what was recorded.
    pub fn rejected_records(&self) -> &[(String, u64)] {
        &self.rejected
    }

    /// What was recorded between `earlier` and this snapshot.
    pub fn since<'a>(&'a self, earlier: &'a Snapshot) -> Delta<'a> {
        Delta::new(earlier, self)
    }
}
