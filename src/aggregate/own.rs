//! The engine's own metrics: what it costs, what it waited for, and how often it met a limit.
//!
//! Recorded through the same handles as everything else, into the engine's registry. What the aggregator learns while it
//! makes a generation is therefore in the next one.

use super::cutter::Cut;
use crate::registry::{Registry, Unit};
use crate::shard::layout::{DROPPED_EXEMPLARS, OVERFLOW_RECORDS, OVERFLOW_SERIES};
use crate::shard::{DOMAIN, domain};
use crate::sync::barrier;
use crate::{Counter, Error, Gauge, Histogram};
use std::time::Duration;

/// What every engine that records its own metrics has.
const GENERATIONS: &str = "tachometer_generations_total";

#[derive(Debug)]
pub(crate) struct OwnMetrics {
    generations: Counter,
    incomplete: Counter,
    moving: Counter,
    dropped_ticks: Counter,
    callback_panics: Counter,
    wait: Histogram,
    generation: Histogram,
    shards: Gauge,
    shards_in_use: Gauge,
    shards_read: Gauge,
    arena_bytes: Gauge,
    series: Gauge,
    rejected: Gauge,
}

impl Registry {
    /// Whether an engine records its own metrics here: then its listener, pusher, history and so on do as well.
    #[cfg(any(
        feature = "health",
        feature = "history",
        feature = "http",
        feature = "notify",
        feature = "push",
        feature = "source"
    ))]
    pub(crate) fn has_own_metrics(&self) -> bool {
        self.inner.lock().families.contains_key(GENERATIONS)
    }
}

impl OwnMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<OwnMetrics, Error> {
        let counter = |name: &str, help: &str| registry.counter(name, help);
        let gauge = |name: &str, help: &str| registry.gauge(name, help);
        let seconds = |name: &str, help: &str| {
            registry.metric(name, help).unit(Unit::Nanoseconds).histogram()
        };
        let info = registry
            .metric("tachometer_info", "How the engine runs here; always 1.")
            .label("barrier", barrier::mode().name())
            .label("clock", crate::record::clock::name())
            .label("version", env!("CARGO_PKG_VERSION"));
        info.info()?;
        registry.bind_process(
            "tachometer_overflow_records_total",
            "Records that went to shared cells: a full arena, or a thread without a shard.",
            OVERFLOW_RECORDS,
        )?;
        registry.bind_process(
            "tachometer_overflow_series_records_total",
            "Records of full families, or with a label value that is too long.",
            OVERFLOW_SERIES,
        )?;
        registry.bind_process(
            "tachometer_dropped_exemplars_total",
            "Exemplars without a place: a full arena, or a thread without a shard. Their values were recorded.",
            DROPPED_EXEMPLARS,
        )?;
        Ok(OwnMetrics {
            generations: counter(GENERATIONS, "Snapshots published.")?,
            incomplete: counter(
                "tachometer_incomplete_cuts_total",
                "Snapshots for which a thread stopped inside a record was not waited for any longer.",
            )?,
            moving: counter(
                "tachometer_moving_shards_total",
                "Shards read while a thread was inside a record.",
            )?,
            dropped_ticks: counter(
                "tachometer_dropped_ticks_total",
                "Intervals in which the aggregator was too late to make a snapshot.",
            )?,
            callback_panics: counter(
                "tachometer_callback_panics_total",
                "Panics in callbacks: of gauges, which then show NaN, and of what is called before snapshots.",
            )?,
            wait: seconds(
                "tachometer_cut_wait_seconds",
                "From the flip of a cut until all shards stood still.",
            )?,
            generation: seconds(
                "tachometer_generation_seconds",
                "Making one snapshot: cut, merge, publish.",
            )?,
            shards: gauge(
                "tachometer_shards",
                "Shards: the largest number of recording threads alive at once.",
            )?,
            shards_in_use: gauge("tachometer_shards_in_use", "Shards that a thread owns now.")?,
            shards_read: gauge(
                "tachometer_shards_read",
                "Shards that the last cut had to read; the others were idle.",
            )?,
            arena_bytes: gauge("tachometer_arena_bytes", "Address space reserved for shards.")?,
            series: gauge("tachometer_series", "Series of this registry.")?,
            rejected: gauge(
                "tachometer_rejected_registrations",
                "Static handles that could not be registered as they stand; see tachometer_rejected_records_total.",
            )?,
        })
    }

    /// After a generation.
    pub(crate) fn record(&self, cut: &Cut, took: Duration, series: usize, rejected: usize) {
        self.generations.inc();
        self.incomplete.add(u64::from(!cut.is_complete()));
        self.moving.add(cut.moving as u64);
        self.wait.record_duration(cut.waited);
        self.generation.record_duration(took);
        self.shards.set(cut.shards as f64);
        self.shards_in_use.set(DOMAIN.shards.iter().filter(|node| node.is_taken()).count() as f64);
        self.shards_read.set(cut.read as f64);
        self.arena_bytes.set((cut.shards * domain::arena_bytes()) as f64);
        self.series.set(series as f64);
        self.rejected.set(rejected as f64);
    }

    pub(crate) fn drop_ticks(&self, ticks: u64) {
        self.dropped_ticks.add(ticks);
    }

    pub(crate) fn panicked(&self, callbacks: u64) {
        self.callback_panics.add(callbacks);
    }
}
