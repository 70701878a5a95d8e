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
//! Environment variables override single keys ([`Config::parse_with`]): `TACHOMETER_ENGINE_INTERVAL=250ms` sets
//! `interval` in `[engine]`.

#![forbid(unsafe_code)]

mod overrides;
mod secret;
mod span;

pub use secret::Secret;
pub use span::Span;

use crate::limits::{DEFAULT_CUT_TIMEOUT, DEFAULT_INTERVAL, MAX_CONFIG_BYTES};
use crate::{Engine, EngineBuilder, Error, Mode, ProcessSettings};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
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
    /// The HTTP listener.
    pub listener: ListenerConfig,
}

/// Settings of the whole process, to be made before the first record: see [`ProcessSettings`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
#[serde(default, deny_unknown_fields)]
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

/// The HTTP listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// Where it listens: address and port.
    pub address: String,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        ListenerConfig { enabled: true, address: "127.0.0.1:9464".to_owned() }
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
}

impl Config {
    /// The configuration in `text`.
    ///
    /// # Errors
    /// It is not TOML, has a key that there is not, or a value that cannot be: the error has the line.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError::at(text, &error))
    }

    /// The configuration in the file at `path`, with what the environment overrides.
    ///
    /// # Errors
    /// The file cannot be read, is longer than [`MAX_CONFIG_BYTES`], or is wrong: see [`Config::parse_with`].
    pub fn load(path: impl AsRef<Path>) -> Result<Config, ConfigError> {
        let path = path.as_ref();
        let in_file = |error: ConfigError| error.in_file(path);
        let text = read(path).map_err(in_file)?;
        Config::parse(&text).map_err(in_file)?;
        overrides::apply(&text, std::env::vars_os()).map(|(config, _)| config)
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
        Config::parse(text)?;
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

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, if it came from one.
    pub file: Option<std::path::PathBuf>,
    /// Line and column, from 1.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what was expected.
    pub reason: String,
}

impl ConfigError {
    fn new(reason: String) -> Self {
        ConfigError { file: None, place: None, reason }
    }

    fn at(text: &str, error: &toml::de::Error) -> Self {
        let place = error.span().map(|span| {
            let before = &text[..span.start.min(text.len())];
            let line = before.rsplit('\n').next().unwrap_or_default();
            (before.matches('\n').count() + 1, line.chars().count() + 1)
        });
        let key = error.span().and_then(|span| key_at(text, span.start));
        let message = error.message().trim_end();
        let reason = match key {
            Some(key) if !message.contains(&format!("`{key}`")) => format!("`{key}`: {message}"),
            _ => message.to_owned(),
        };
        ConfigError { file: None, place, reason }
    }

    fn in_file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }
}

/// The key of the line that `at` is in.
fn key_at(text: &str, at: usize) -> Option<&str> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?;
    let key = line.split_once('=')?.0.trim();
    (!key.is_empty() && !key.starts_with('#')).then_some(key)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => write!(f, "configuration")?,
        }
        if let Some((line, column)) = self.place {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for ConfigError {}
