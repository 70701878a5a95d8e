//! What was recorded between two snapshots.

use super::{HistogramSnapshot, Snapshot, Value};
use crate::Error;
use std::time::Duration;

/// What was recorded between two snapshots of one engine.
///
/// A series that is not in the earlier one counts from zero; one that fell (it expired and came back) counts as new.
#[derive(Clone, Copy, Debug)]
pub struct Delta<'a> {
    earlier: &'a Snapshot,
    later: &'a Snapshot,
}

impl<'a> Delta<'a> {
    pub(crate) fn new(earlier: &'a Snapshot, later: &'a Snapshot) -> Self {
        Delta { earlier, later }
    }

    /// The time between the two cuts, on the monotonic clock.
    pub fn span(&self) -> Duration {
        self.later.elapsed().saturating_sub(self.earlier.elapsed())
    }

    /// How much a counter rose, summed over its series.
    ///
    /// # Errors
    /// The later snapshot has no counter of that name.
    pub fn counter(&self, name: &str) -> Result<u64, Error> {
        self.counter_with(name, &[])
    }

    /// How much a counter rose, summed over the series that carry all of `labels`.
    ///
    /// # Errors
    /// The later snapshot has no such series.
    pub fn counter_with(&self, name: &str, labels: &[(&str, &str)]) -> Result<u64, Error> {
        // For the error, and its advice.
        self.later.counter_with(name, labels)?;
        let rise = |series: super::SeriesView<'a>| {
            let Value::Counter(now) = series.value else { return 0 };
            let then = match self.before(&series) {
                Some(Value::Counter(then)) => then,
                _ => 0,
            };
            now.checked_sub(then).unwrap_or(now)
        };
        let later: &'a Snapshot = self.later;
        let mut total = 0;
        for series in later.series().filter(|s| s.definition.name == name) {
            if labels.iter().all(|(k, v)| series.label(k) == Some(v)) {
                total += rise(series);
            }
        }
        Ok(total)
    }

    /// How much a counter rose a second; zero over no time.
    ///
    /// # Errors
    /// The later snapshot has no counter of that name.
    pub fn rate(&self, name: &str) -> Result<f64, Error> {
        let seconds = self.span().as_secs_f64();
        let rise = self.counter(name)? as f64;
        Ok(if seconds > 0.0 { rise / seconds } else { 0.0 })
    }

    /// What a histogram recorded, merged over its series.
    ///
    /// # Errors
    /// The later snapshot has no histogram of that name.
    pub fn histogram(&self, name: &str) -> Result<HistogramSnapshot, Error> {
        self.histogram_with(name, &[])
    }

    /// What a histogram recorded, merged over the series that carry all of `labels`.
    ///
    /// # Errors
    /// The later snapshot has no such series.
    pub fn histogram_with(
        &self,
        name: &str,
        labels: &[(&str, &str)],
    ) -> Result<HistogramSnapshot, Error> {
        let all = self.later.histogram_with(name, labels)?;
        let mut total = HistogramSnapshot::empty(all.precision(), all.unit());
        for series in self.later.select(name, labels) {
            let Value::Histogram(now) = series.value else { continue };
            match self.before(&series) {
                Some(Value::Histogram(then)) => total.merge(&now.since(then)?)?,
                _ => total.merge(now)?,
            }
        }
        Ok(total)
    }

    /// The same series in the earlier snapshot; not one of the same labels that was another.
    fn before(&self, series: &super::SeriesView<'_>) -> Option<Value<'a>> {
        self.earlier.same(series)
    }
}
