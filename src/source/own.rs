//! What is counted of sources: in the engine's registry, if the engine records its own metrics.

use super::SourceError;
use super::shown::Why;
use crate::limits::{MAX_SOURCES, SOURCE_SERIES_IDLE};
use crate::registry::{Precision, Registry, Unit};
use crate::{Counter, Error, Family, Gauge, Histogram};
use std::time::Duration;

/// The families; records nothing if the engine's own metrics are off.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics(Option<Families>);

#[derive(Debug)]
struct Families {
    up: Family<Gauge, 1>,
    age: Family<Gauge, 1>,
    series: Family<Gauge, 1>,
    duration: Family<Histogram, 1>,
    polls: Family<Counter, 1>,
    failures: Family<Counter, 2>,
    left_out: Family<Counter, 2>,
}

/// Those of one source. They go a while after it.
#[derive(Debug, Default)]
pub(super) struct OwnSource(Option<Handles>);

#[derive(Debug)]
struct Handles {
    up: Gauge,
    age: Gauge,
    series: Gauge,
    duration: Histogram,
    polls: Counter,
    failures: Vec<(&'static str, Counter)>,
    left_out: Vec<(Why, Counter)>,
}

/// What [`SourceError::reason`] gives, and `receiver`.
const REASONS: [&str; 9] = [
    "timeout",
    "unreachable",
    "denied",
    "too_large",
    "too_many_series",
    "malformed",
    "failed",
    "panicked",
    RECEIVER,
];
/// A receiver panicked.
pub(super) const RECEIVER: &str = "receiver";

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(registry: &Registry) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics(None));
        }
        let metric = |name: &str, help: &str, each: usize| {
            let metric = registry.metric(name, help).expire_after(SOURCE_SERIES_IDLE);
            // Those that were removed are still there for a while.
            metric.limit(2 * MAX_SOURCES * each)
        };
        let failures = metric(
            "tachometer_source_failures_total",
            "Polls that gave nothing, by reason.",
            REASONS.len(),
        );
        let left_out = metric(
            "tachometer_source_left_out_total",
            "Series of polls that could not be shown, by reason.",
            Why::ALL.len(),
        );
        let up = "Whether the last poll of a source gave its samples: 1 or 0.";
        let age = "How long ago the last good samples of a source were read.";
        let series = "Series of a source that are shown now.";
        let duration = "Polling a source, from the question to the end of the answer.";
        Ok(OwnMetrics(Some(Families {
            up: metric("tachometer_source_up", up, 1).family(["source"])?,
            age: metric("tachometer_source_age_seconds", age, 1)
                .unit(Unit::Seconds)
                .family(["source"])?,
            series: metric("tachometer_source_series", series, 1).family(["source"])?,
            duration: metric("tachometer_source_poll_duration_seconds", duration, 1)
                .unit(Unit::Nanoseconds)
                .precision(Precision::One)
                .family(["source"])?,
            polls: metric("tachometer_source_polls_total", "Polls of a source.", 1)
                .family(["source"])?,
            failures: failures.family(["source", "reason"])?,
            left_out: left_out.family(["source", "reason"])?,
        })))
    }

    pub(super) fn of(&self, source: &str) -> OwnSource {
        OwnSource(self.0.as_ref().map(|own| Handles {
            up: own.up.handle([source]),
            age: own.age.handle([source]),
            series: own.series.handle([source]),
            duration: own.duration.handle([source]),
            polls: own.polls.handle([source]),
            failures: REASONS.map(|why| (why, own.failures.handle([source, why]))).into(),
            left_out: Why::ALL.map(|why| (why, own.left_out.handle([source, why.name()]))).into(),
        }))
    }
}

impl OwnSource {
    /// A poll is over, or its time.
    pub(super) fn polled(&self, took: Duration, error: Option<&SourceError>) {
        let Some(own) = &self.0 else { return };
        own.duration.record_duration(took);
        own.polls.inc();
        if let Some(error) = error {
            self.failed(error.reason());
        }
    }

    pub(super) fn failed(&self, reason: &str) {
        let Some(own) = &self.0 else { return };
        if let Some((_, counter)) = own.failures.iter().find(|(known, _)| *known == reason) {
            counter.inc();
        }
    }

    pub(super) fn left_out(&self, why: Why, series: u64) {
        let Some(own) = &self.0 else { return };
        if let Some((_, counter)) = own.left_out.iter().find(|(known, _)| *known == why) {
            counter.add(series);
        }
    }

    /// Before a generation. Without good samples yet there is no age.
    pub(super) fn show(&self, up: bool, age: Option<Duration>, series: usize) {
        let Some(own) = &self.0 else { return };
        own.up.set(f64::from(u8::from(up)));
        own.age.set(age.map_or(f64::NAN, |age| age.as_secs_f64()));
        own.series.set(series as f64);
    }
}
