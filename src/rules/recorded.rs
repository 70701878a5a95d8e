//! What rules recorded, kept for the rules that follow and for queries: a source laid over another.

use crate::limits::MAX_RECORDED_SERIES;
use crate::query::{Distribution, Labels, Matcher, QueryError, STALE, Sample, Series, Source};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A series that rules record.
#[derive(Debug)]
struct RecordedSeries {
    labels: Labels,
    samples: RwLock<VecDeque<(i64, Sample)>>,
}

impl RecordedSeries {
    fn each(&self, from_ms: i64, to_ms: i64, mut take: impl FnMut(i64, &Sample)) {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        let first = samples.partition_point(|(time, _)| *time < from_ms);
        for (time, sample) in samples.range(first..).take_while(|(time, _)| *time <= to_ms) {
            take(*time, sample);
        }
    }

    fn first_ms(&self) -> Option<i64> {
        let samples = self.samples.read().unwrap_or_else(PoisonError::into_inner);
        samples.front().map(|(time, _)| *time)
    }
}

impl Series for RecordedSeries {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        self.each(from_ms, to_ms, |time, sample| {
            out.extend(sample.as_float().map(|value| (time, value)));
        });
    }

    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>) {
        self.each(from_ms, to_ms, |time, sample| {
            out.extend(sample.as_histogram().map(|histogram| (time, histogram.clone())));
        });
    }
}

/// Series of rules, by labels. Copies are the same ones: queries read them while rules are evaluated.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded(Arc<RwLock<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    series: HashMap<Labels, Arc<RecordedSeries>>,
    dropped: u64,
}

impl Recorded {
    fn read(&self) -> RwLockReadGuard<'_, Kept> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a sample. One that is not later than the last of its series is dropped, and counted, as is a new series
    /// beyond the limit.
    pub(crate) fn append(&self, labels: &Labels, time_ms: i64, sample: Sample) {
        self.write().append(labels, time_ms, sample);
    }

    /// Says that a series ended.
    pub(crate) fn end(&self, labels: &Labels, time_ms: i64) {
        self.append(labels, time_ms, Sample::Float(STALE));
    }

    /// Lets go of what is older than `oldest_ms`, and of series that have nothing left.
    pub(crate) fn expire(&self, oldest_ms: i64) {
        self.write().expire(oldest_ms);
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.read().dropped
    }
}

impl Kept {
    fn append(&mut self, labels: &Labels, time_ms: i64, sample: Sample) {
        let series = match self.series.get(labels) {
            Some(series) => series,
            None if self.series.len() >= MAX_RECORDED_SERIES => {
                self.dropped += 1;
                return;
            }
            None => self.series.entry(labels.clone()).or_insert_with(|| {
                Arc::new(RecordedSeries { labels: labels.clone(), samples: RwLock::default() })
            }),
        };
        let mut samples = series.samples.write().unwrap_or_else(PoisonError::into_inner);
        match samples.back() {
            Some((last, _)) if *last >= time_ms => self.dropped += 1,
            _ => samples.push_back((time_ms, sample)),
        }
    }

    fn expire(&mut self, oldest_ms: i64) {
        self.series.retain(|_, series| {
            let mut samples = series.samples.write().unwrap_or_else(PoisonError::into_inner);
            let old = samples.partition_point(|(time, _)| *time < oldest_ms);
            samples.drain(..old);
            !samples.is_empty()
        });
    }
}

/// What rules recorded, laid over the source that they were evaluated on. Where both have a series of the same labels
/// (a host that keeps what the rules record), the recorded samples go on from those of the source.
#[derive(Clone, Copy)]
pub struct Overlay<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) base: &'a dyn Source,
}

impl std::fmt::Debug for Overlay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Overlay")
            .field("series", &self.recorded.read().series.len())
            .finish_non_exhaustive()
    }
}

impl Source for Overlay<'_> {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        let below = self.base.select(matchers, from_ms, to_ms)?;
        let kept = self.recorded.read();
        let taken = kept.series.values();
        let taken = taken.filter(|series| matchers.iter().all(|m| m.matches(&series.labels)));
        let mut recorded: BTreeMap<&Labels, &Arc<RecordedSeries>> =
            taken.map(|series| (&series.labels, series)).collect();
        if recorded.is_empty() {
            return Ok(below);
        }
        let mut out: Vec<Arc<dyn Series>> = Vec::with_capacity(below.len() + recorded.len());
        for series in below {
            out.push(match recorded.remove(series.labels()) {
                Some(later) => Arc::new(Joined { earlier: series, later: later.clone() }),
                None => series,
            });
        }
        out.extend(recorded.into_values().map(|series| series.clone() as Arc<dyn Series>));
        Ok(out)
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<crate::query::Metadata> {
        self.base.metadata(metric)
    }
}

/// As [`Overlay`], with both for itself.
#[cfg(feature = "history")]
pub(crate) struct OwnedOverlay {
    pub(crate) recorded: Recorded,
    pub(crate) base: Arc<dyn Source>,
}

#[cfg(feature = "history")]
impl OwnedOverlay {
    fn overlay(&self) -> Overlay<'_> {
        Overlay { recorded: &self.recorded, base: &*self.base }
    }
}

#[cfg(feature = "history")]
impl Source for OwnedOverlay {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        self.overlay().select(matchers, from_ms, to_ms)
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<crate::query::Metadata> {
        self.overlay().metadata(metric)
    }
}

/// A series that the source has, and that rules record.
struct Joined {
    earlier: Arc<dyn Series>,
    later: Arc<RecordedSeries>,
}

impl Joined {
    /// The last time of the source's samples that counts.
    fn seam(&self, to_ms: i64) -> i64 {
        self.later.first_ms().map_or(to_ms, |first| to_ms.min(first.saturating_sub(1)))
    }
}

impl Series for Joined {
    fn labels(&self) -> &Labels {
        self.earlier.labels()
    }

    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        let seam = self.seam(to_ms);
        if from_ms <= seam {
            self.earlier.floats(from_ms, seam, out);
        }
        self.later.floats(from_ms, to_ms, out);
    }

    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>) {
        let seam = self.seam(to_ms);
        if from_ms <= seam {
            self.earlier.histograms(from_ms, seam, out);
        }
        self.later.histograms(from_ms, to_ms, out);
    }
}
