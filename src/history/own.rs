//! What a history counts about itself: in the engine's registry, if the engine records its own metrics.

use super::store::{Counts, Store};
use crate::registry::{Registry, Unit};
use crate::{Counter, Error, Gauge, Histogram};
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
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(registry: &Registry) -> Result<OwnMetrics, Error> {
        if !registry.inner.lock().families.contains_key("tachometer_generations_total") {
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
        })))
    }

    /// After a generation; `before` is what the store had counted before it.
    pub(super) fn appended(&self, store: &Store, before: (Counts, u64), took: Duration) {
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
    }
}
