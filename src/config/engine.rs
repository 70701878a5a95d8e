//! The process and the aggregator.

use super::Span;
use super::error::Problem;
use crate::limits::{ARENA_BYTES, DEFAULT_CUT_TIMEOUT, DEFAULT_INTERVAL, MAX_SHARDS, MIN_INTERVAL};
use crate::registry::Kind;
use crate::registry::definition::{check_label_name, check_label_value};
use crate::{Engine, EngineBuilder, Error, Mode, ProcessSettings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of the whole process, to be made before the first record: see [`ProcessSettings`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct ProcessConfig {
    /// The largest number of recording threads that have a shard of their own.
    pub max_shards: Option<usize>,
    /// Address space reserved for each recording thread, in bytes.
    pub arena_bytes: Option<usize>,
    /// How recording threads and cuts are ordered; by default as the system allows.
    pub barrier: Option<Barrier>,
}

/// See [`Mode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Barrier {
    /// The kernel's barrier: records pay nothing.
    Membarrier,
    /// A fence in every record.
    Fence,
}

/// The aggregator: see [`EngineBuilder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct EngineConfig {
    /// How often a snapshot is made.
    pub interval: Span,
    /// How long a cut waits for a thread that stopped inside a record.
    pub cut_timeout: Span,
    /// Whether the engine records its own metrics.
    pub own_metrics: bool,
    /// Labels that every series gets.
    pub labels: BTreeMap<String, String>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            interval: Span(DEFAULT_INTERVAL),
            cut_timeout: Span(DEFAULT_CUT_TIMEOUT),
            own_metrics: true,
            labels: BTreeMap::new(),
        }
    }
}

impl ProcessConfig {
    /// Makes the settings; nothing if none is set.
    ///
    /// # Errors
    /// Those of [`ProcessSettings::apply`].
    pub fn apply(&self) -> Result<(), Error> {
        if *self == ProcessConfig::default() {
            return Ok(());
        }
        let mut settings = ProcessSettings::new();
        if let Some(shards) = self.max_shards {
            settings = settings.max_shards(shards);
        }
        if let Some(bytes) = self.arena_bytes {
            settings = settings.arena_bytes(bytes);
        }
        settings = match self.barrier {
            None => settings,
            Some(Barrier::Membarrier) => settings.barrier(Mode::Membarrier),
            Some(Barrier::Fence) => settings.barrier(Mode::Fence),
        };
        settings.apply()
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let least = ProcessSettings::MIN_ARENA_BYTES;
        let settings = [
            ("max_shards", self.max_shards, 0..=MAX_SHARDS),
            ("arena_bytes", self.arena_bytes, least..=ARENA_BYTES),
        ];
        for (key, value, range) in settings {
            if let Some(value) = value.filter(|value| !range.contains(value)) {
                let (least, most) = range.into_inner();
                let reason = format!("{value} is not from {least} to {most}");
                return Err(Problem::at(&["process", key], reason));
            }
        }
        Ok(())
    }
}

impl EngineConfig {
    /// An engine of these settings, still to be started.
    pub fn builder(&self) -> EngineBuilder {
        let builder = Engine::builder()
            .interval(self.interval.0)
            .cut_timeout(self.cut_timeout.0)
            .own_metrics(self.own_metrics);
        self.labels.iter().fold(builder, |builder, (name, value)| builder.label(name, value))
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.interval.0 < MIN_INTERVAL {
            let reason =
                format!("{} is too short; expected {} or more", self.interval, Span(MIN_INTERVAL));
            return Err(Problem::at(&["engine", "interval"], reason));
        }
        for (name, value) in &self.labels {
            // Histograms too get the label.
            let checked = check_label_name(name, Kind::Histogram);
            let checked = checked.and_then(|()| check_label_value(name, value));
            checked.map_err(|error| Problem::at(&["engine", "labels", name], error.to_string()))?;
        }
        Ok(())
    }
}
