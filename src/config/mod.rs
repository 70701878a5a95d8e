//! Everything that an operator sets, as one structure, readable from TOML. Feature `config`.
//!
//! ```
//! use tachometer::config::Config;
//! let config = Config::parse(
//!     r#"
//!     [engine]
//!     interval = "500ms"
//!     labels = { node = "n1" }
//!     "#,
//! )?;
//! let engine = config.engine.builder().start()?;
//! assert_eq!(engine.interval(), std::time::Duration::from_millis(500));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A key that there is not, or a value that cannot be, is an error that names the key, the line, and what was expected. What
//! is left out has its default: an empty file is a valid one. [`EXAMPLE`] shows every key.
//!
//! | section | what it sets | applied by |
//! |---|---|---|
//! | `[process]` | shards, address space, barrier | [`ProcessConfig::apply`], before the first record |
//! | `[recording]` | precision of histograms, limit of families, sampling | [`RecordingConfig::apply`], before the engine starts |
//! | `[engine]` | interval, labels, own metrics | [`EngineConfig::builder`] |
//! | `[history]` | tiers, bounds, directory, backend | `HistoryConfig::start`, with feature `history`; `HistoryConfig::backend`, with feature `backend` |
//! | `[listener]` | address, TLS, credentials, networks, limits | `ListenerConfig::bind`, with feature `http` |
//! | `[rules]`, `[alerts]` | rule files, thresholds of alerts | `Config::rule_manager`, with features `history` and `rules` |
//! | `[notify.NAME]` | who is told of alerts | `Config::notifier`, with feature `notify` |
//! | `[health]` | what the answers about health mean | `HealthConfig::builder`, with feature `health` |
//! | `[sources.NAME]` | what is read from elsewhere | `Config::sources`, with feature `source` |
//! | `[push]`, `[targets.NAME]` | push targets | `Config::pusher`, with feature `push` |
//!
//! Environment variables override single keys ([`Config::parse_with`]): `TACHOMETER_ENGINE_INTERVAL=250ms` sets
//! `interval` in `[engine]`.
//!
//! Secrets ([`Secret`]) stand in the text, in a file or in a variable, and are looked up when listener or pusher are made.
//! They are in no error, no `Debug` output, nothing that is written out again, and nothing that listener or pusher show of
//! themselves.

#![forbid(unsafe_code)]

mod describe;
mod engine;
mod error;
mod health;
mod history;
mod keys;
mod listener;
mod notify;
mod overrides;
#[cfg(feature = "push")]
mod push;
mod recording;
mod rules;
mod secret;
mod sources;
mod target;
#[cfg(test)]
mod tests;

pub use crate::alerts::{AlertConfig, ConsensusKind};
pub use crate::span::Span;
pub use engine::{Barrier, EngineConfig, ProcessConfig};
pub use error::ConfigError;
pub use health::{HealthConfig, HealthLevel};
pub use history::{HistoryConfig, HistoryTier};
pub use listener::{ListenerConfig, ListenerTls};
pub use notify::{NotifyConfig, NotifyType};
pub use recording::{Figures, RecordingConfig};
pub use rules::RulesConfig;
pub use secret::Secret;
pub use sources::{SourceConfig, SourceMetric, SourceMetricType, SourceType};
pub use target::{
    PushConfig, TargetConfig, TargetFormat, TargetTemporality, TargetType, TargetUrl, TargetVersion,
};

use crate::limits::{MAX_CONFIG_BYTES, MAX_NOTIFY_ENDPOINTS, MAX_PUSH_TARGETS, MAX_SOURCES};
use error::Problem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::Path;

/// A configuration with every key, its default and what it means.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Everything that an operator sets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct Config {
    /// Settings of the whole process.
    pub process: ProcessConfig,
    /// The aggregator.
    pub engine: EngineConfig,
    /// What is recorded, and how finely.
    pub recording: RecordingConfig,
    /// What the engine remembers of its generations.
    pub history: HistoryConfig,
    /// The HTTP listener.
    pub listener: ListenerConfig,
    /// Rules that the process evaluates.
    pub rules: RulesConfig,
    /// Thresholds of alerts.
    pub alerts: AlertConfig,
    /// Who is told of alerts, by name.
    pub notify: BTreeMap<String, NotifyConfig>,
    /// What the answers about health mean.
    pub health: HealthConfig,
    /// What is read from elsewhere, by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// What all push targets have in common.
    pub push: PushConfig,
    /// Push targets, by name.
    pub targets: BTreeMap<String, TargetConfig>,
}

impl Config {
    /// The configuration in `text`.
    ///
    /// # Errors
    /// It is not TOML, has a key that there is not, or a value that cannot be: the error has the line.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let config = Config::typed(text)?;
        config.check_all().map_err(|problem| problem.in_text(text))?;
        Ok(config)
    }

    /// The configuration in `text`, whose values have the right types, and are not looked at any closer.
    fn typed(text: &str) -> Result<Config, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::at(text, &error))
    }

    /// Checks what a program has put together by itself as [`Config::parse`] does: every value by itself, without a look at
    /// files or secrets.
    ///
    /// # Errors
    /// The key whose value cannot be, and what was expected.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_all().map_err(|problem| problem.anywhere())
    }

    fn check_all(&self) -> Result<(), Problem> {
        self.process.check()?;
        self.engine.check()?;
        self.recording.check()?;
        self.history.check()?;
        self.listener.check()?;
        self.rules.check()?;
        let alerts = self.alerts.check();
        alerts.map_err(|(key, reason)| Problem::at(&["alerts", key], reason))?;
        if self.notify.len() > MAX_NOTIFY_ENDPOINTS {
            let reason =
                format!("there are {}, the limit is {MAX_NOTIFY_ENDPOINTS}", self.notify.len());
            return Err(Problem::at(&["notify"], reason));
        }
        self.notify.iter().try_for_each(|(name, handler)| handler.check(name))?;
        if self.sources.len() > MAX_SOURCES {
            let reason = format!("there are {}, the limit is {MAX_SOURCES}", self.sources.len());
            return Err(Problem::at(&["sources"], reason));
        }
        self.sources.iter().try_for_each(|(name, source)| source.check(name))?;
        if self.targets.len() > MAX_PUSH_TARGETS {
            let reason =
                format!("there are {}, the limit is {MAX_PUSH_TARGETS}", self.targets.len());
            return Err(Problem::at(&["targets"], reason));
        }
        self.targets.iter().try_for_each(|(name, target)| target.check(name))
    }

    /// Whether secrets and files that it names are where they should be.
    fn check_outside(&self) -> Result<(), Problem> {
        #[cfg(feature = "http")]
        self.listener.check_outside()?;
        #[cfg(feature = "backend")]
        self.history.check_outside()?;
        #[cfg(all(feature = "history", feature = "rules"))]
        self.rules.check_outside()?;
        #[cfg(feature = "notify")]
        self.notify.iter().try_for_each(|(name, handler)| handler.check_outside(name))?;
        #[cfg(feature = "source")]
        self.sources.iter().try_for_each(|(name, source)| source.check_outside(name))?;
        #[cfg(feature = "push")]
        self.targets.iter().try_for_each(|(name, target)| target.check_outside(name))?;
        Ok(())
    }

    /// The configuration in the file at `path`, with what the environment overrides.
    ///
    /// # Errors
    /// The file cannot be read, is longer than [`MAX_CONFIG_BYTES`], or is wrong: see [`Config::parse_with`].
    pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        Config::load_with(path.as_ref()).map(|(_, config, _)| config)
    }

    /// The configuration in the file at `path` as this process would run with it, environment included, and what it would
    /// do, in words: for an operator who asks before he starts it. Secrets are looked up, and files are read, but nothing
    /// is shown of either.
    ///
    /// # Errors
    /// As [`Config::load`]; or a secret or a file is not where it should be, or is not what it should be.
    pub fn check_file(path: impl AsRef<Path>) -> Result<(Config, String), ConfigError> {
        let path = path.as_ref();
        let (text, config, variables) = Config::load_with(path)?;
        let missing = |problem: Problem| problem.in_text(&text).in_file(path);
        config.check_outside().map_err(missing)?;
        let description = config.describe(&variables);
        Ok((config, description))
    }

    /// The text of the file at `path`, the configuration in it, and the variables that it was overridden by.
    fn load_with(path: &Path) -> Result<(String, Config, Vec<String>), ConfigError> {
        let text = read(path).map_err(|error| error.in_file(path))?;
        let loaded = Config::parse_with(&text, std::env::vars_os());
        // An error without a place is one of a variable.
        let (config, variables) = loaded.map_err(|error| match error.place {
            Some(_) => error.in_file(path),
            None => error,
        })?;
        Ok((text, config, variables))
    }

    /// The configuration in `text` with what `environment` overrides, and the names of the variables that did.
    ///
    /// `TACHOMETER_SECTION_KEY` sets `key` in `[section]`; upper case. The value is a TOML value, or a plain text where that
    /// makes none. Variables that begin otherwise are not looked at.
    ///
    /// ```
    /// use tachometer::config::Config;
    /// let environment = [("TACHOMETER_ENGINE_INTERVAL", "250ms"), ("PATH", "/bin")];
    /// let (config, names) = Config::parse_with("", environment)?;
    /// assert_eq!(config.engine.interval.to_string(), "250ms");
    /// assert_eq!(names, ["TACHOMETER_ENGINE_INTERVAL"]);
    /// # Ok::<(), tachometer::config::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Config::parse`]; or a variable names no key, or has a value that cannot be: the error names the variable.
    pub fn parse_with<K: Into<OsString>, V: Into<OsString>>(
        text: &str,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(Config, Vec<String>), ConfigError> {
        // By itself first: an error of the text should have its line.
        Config::typed(text)?;
        let environment = environment.into_iter().map(|(key, value)| (key.into(), value.into()));
        overrides::apply(text, environment)
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let file = std::fs::File::open(path).map_err(|error| {
        ConfigError::new(format!(
            "it cannot be opened: {error}; `tacho config example` prints one to begin with"
        ))
    })?;
    let mut text = String::new();
    let limit = MAX_CONFIG_BYTES as u64;
    file.take(limit + 1)
        .read_to_string(&mut text)
        .map_err(|error| ConfigError::new(format!("it cannot be read: {error}")))?;
    if text.len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::new(format!("it is longer than {MAX_CONFIG_BYTES} bytes")));
    }
    Ok(text)
}
