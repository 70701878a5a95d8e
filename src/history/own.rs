//! What a history counts about itself: in the engine's registry, if the engine records its own metrics.

use super::log;
use super::store::{Counts, Store};
use crate::registry::{Registry, Unit};
use crate::{Counter, Error, Gauge, Histogram};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A history's metrics; records nothing if they are off.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics(Option<Handles>);

#[derive(Debug)]
struct Handles {
    bytes: Gauge,
    series: Gauge,
    chunks: Gauge,
    aged: Counter,
    displaced: Counter,
    refused: Counter,
    early: Counter,
    steps_back: Counter,
    append: Histogram,
    log: Option<LogHandles>,
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    /// Those of a log come with them if there is one.
    pub(super) fn register(
        registry: &Registry,
        log: Option<&log::Opened>,
    ) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics(None));
        }
        let dropped = |reason: &str| {
            let help = "Chunks that left the history: their tier's span was over, or all bytes were taken.";
            registry
                .metric("tachometer_history_dropped_chunks_total", help)
                .label("reason", reason)
                .counter()
        };
        Ok(OwnMetrics(Some(Handles {
            bytes: registry
                .metric("tachometer_history_bytes", "Memory that the history takes.")
                .unit(Unit::Bytes)
                .gauge()?,
            series: registry.gauge(
                "tachometer_history_series",
                "Series of the history, those that ended too.",
            )?,
            chunks: registry.gauge("tachometer_history_chunks", "Columns of closed blocks.")?,
            aged: dropped("age")?,
            displaced: dropped("bytes")?,
            refused: registry.counter(
                "tachometer_history_refused_series_total",
                "Series that the history had no room for.",
            )?,
            early: registry.counter(
                "tachometer_history_early_rows_total",
                "Rows of coarser tiers made before their step was over, as a series began anew.",
            )?,
            steps_back: registry.counter(
                "tachometer_history_clock_steps_total",
                "How often the wall's clock went backwards; the history's time went on.",
            )?,
            append: registry
                .metric(
                    "tachometer_history_append_seconds",
                    "Appending one generation to the history.",
                )
                .unit(Unit::Nanoseconds)
                .histogram()?,
            log: log.map(|opened| LogHandles::register(registry, opened)).transpose()?,
        })))
    }

    /// After a generation; `before` is what the store had counted before it.
    pub(super) fn appended(
        &self,
        store: &Store,
        before: (Counts, u64),
        log: Option<log::Counts>,
        took: Duration,
    ) {
        let Some(own) = &self.0 else { return };
        let (now, (then, steps)) = (store.counts, before);
        own.bytes.set(store.bytes() as f64);
        own.series.set(store.by_key.len() as f64);
        own.chunks.set(store.chunks as f64);
        own.aged.add(now.aged - then.aged);
        own.displaced.add(now.displaced - then.displaced);
        own.refused.add(now.refused - then.refused);
        own.early.add(now.early_rows - then.early_rows);
        own.steps_back.add(store.steps_back() - steps);
        own.append.record_duration(took);
        if let (Some(own), Some(counts)) = (&own.log, log) {
            own.show(counts);
        }
    }
}

/// What a log counts.
#[derive(Debug)]
struct LogHandles {
    bytes: Gauge,
    segments: Gauge,
    written: Counter,
    waiting: Counter,
    failed: Counter,
    aged: Counter,
    displaced: Counter,
    errors: Counter,
    /// What was shown last.
    last: Mutex<log::Counts>,
}

impl LogHandles {
    fn register(registry: &Registry, opened: &log::Opened) -> Result<LogHandles, Error> {
        let with = |name: &str, help: &str, reason: &str| {
            registry.metric(name, help).label("reason", reason).counter()
        };
        let dropped = |reason: &str| {
            let help = "Rows of the history that were not written: too many waited, or the disk had no room or refused.";
            with("tachometer_history_log_dropped_rows_total", help, reason)
        };
        let deleted = |reason: &str| {
            let help = "Segments of the history that were deleted: their tier's span was over, or all bytes were taken.";
            with("tachometer_history_log_deleted_segments_total", help, reason)
        };
        let bytes = |name: &str, help: &str| registry.metric(name, help).unit(Unit::Bytes);
        let help =
            "Segments of the history that were damaged at the start, and skipped from there on.";
        registry.gauge("tachometer_history_log_damaged_segments", help)?.set(opened.damaged as f64);
        bytes(
            "tachometer_history_log_damaged_bytes",
            "Bytes of the history that were damaged at the start, and skipped.",
        )
        .gauge()?
        .set(opened.damaged_bytes as f64);
        let help = "How long it took to read the history at the start.";
        let replay = registry.metric("tachometer_history_log_replay_seconds", help);
        replay.unit(Unit::Seconds).gauge()?.set(opened.time.as_secs_f64());
        Ok(LogHandles {
            bytes: bytes("tachometer_history_log_bytes", "What the history takes on disk.")
                .gauge()?,
            segments: registry
                .gauge("tachometer_history_log_segments", "Files of the history on disk.")?,
            written: bytes(
                "tachometer_history_log_written_bytes_total",
                "Bytes of the history that were written to disk.",
            )
            .counter()?,
            waiting: dropped("waiting")?,
            failed: dropped("failed")?,
            aged: deleted("age")?,
            displaced: deleted("bytes")?,
            errors: registry.counter(
                "tachometer_history_log_errors_total",
                "How often the system refused to write, sync or delete the history.",
            )?,
            last: Mutex::default(),
        })
    }

    fn show(&self, now: log::Counts) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        self.bytes.set(now.bytes as f64);
        self.segments.set(now.segments as f64);
        self.written.add(now.written_bytes - last.written_bytes);
        self.waiting.add(now.dropped_waiting - last.dropped_waiting);
        self.failed.add(now.dropped_failed - last.dropped_failed);
        self.aged.add(now.aged_segments - last.aged_segments);
        self.displaced.add(now.displaced_segments - last.displaced_segments);
        self.errors.add(now.errors - last.errors);
        *last = now;
    }
}
