//! The history, as far as an operator sets it.

use super::Span;
use super::error::Problem;
use crate::limits::{DEFAULT_HISTORY_BYTES, DEFAULT_HISTORY_DISK_BYTES, DEFAULT_HISTORY_TIERS};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
#[cfg(feature = "history")]
use {
    crate::history::{History, HistoryBuilder},
    crate::{Engine, Error},
};

/// The history: see `HistoryBuilder`, feature `history`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct HistoryConfig {
    /// Whether there is one.
    pub enabled: bool,
    /// How finely what is kept for how long, finest first.
    pub tiers: Vec<HistoryTier>,
    /// Bytes of memory that it may take.
    pub max_bytes: usize,
    /// Where it is kept over restarts; nowhere, if this is not set.
    pub directory: Option<PathBuf>,
    /// Bytes that the directory may take.
    pub disk_bytes: u64,
}

/// A tier of the history: a row each `step`, for `span`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of `step` and `span`")]
pub struct HistoryTier {
    /// How far its rows are apart.
    pub step: Span,
    /// How long they are kept.
    pub span: Span,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        let tier = |(step, span)| HistoryTier { step: Span(step), span: Span(span) };
        HistoryConfig {
            enabled: true,
            tiers: DEFAULT_HISTORY_TIERS.map(tier).to_vec(),
            max_bytes: DEFAULT_HISTORY_BYTES,
            directory: None,
            disk_bytes: DEFAULT_HISTORY_DISK_BYTES,
        }
    }
}

impl HistoryConfig {
    /// A history of these settings, still to be started, whether it is switched on or not.
    ///
    /// ```
    /// use tachometer::{Engine, ManualClock, Registry, config::Config};
    /// let config = Config::parse("[history]\ntiers = [{ step = \"1s\", span = \"5m\" }]\nmax_bytes = 1048576")?;
    /// let (registry, clock) = (Registry::new(), ManualClock::at(std::time::Duration::ZERO));
    /// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    /// let history = config.history.start(&engine)?.expect("it is switched on");
    /// assert_eq!(history.series(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "history")]
    pub fn builder(&self) -> HistoryBuilder {
        let builder = History::builder().max_bytes(self.max_bytes).disk_bytes(self.disk_bytes);
        let builder = match &self.directory {
            Some(directory) => builder.directory(directory),
            None => builder,
        };
        self.tiers.iter().fold(builder, |builder, tier| builder.tier(tier.step.0, tier.span.0))
    }

    /// Starts it; `None` if it is switched off.
    ///
    /// # Errors
    /// Those of [`HistoryBuilder::start`].
    #[cfg(feature = "history")]
    pub fn start(&self, engine: &Engine) -> Result<Option<History>, Error> {
        if self.enabled { self.builder().start(engine).map(Some) } else { Ok(None) }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.tiers.is_empty() {
            let reason = "expected at least one, as { step = \"1s\", span = \"15m\" }";
            return Err(Problem::at(&["history", "tiers"], reason));
        }
        #[cfg(feature = "history")]
        if let Err(error) = self.builder().checked() {
            let (key, reason) = match error {
                Error::InvalidSetting { setting: "tier", reason } => ("tiers", reason),
                Error::InvalidSetting { setting, reason } => (setting, reason),
                other => ("tiers", other.to_string()),
            };
            return Err(Problem::at(&["history", key], reason));
        }
        Ok(())
    }

    /// What it does, in words for an operator.
    pub(super) fn line(&self) -> String {
        if !self.enabled {
            return "history: none".to_owned();
        }
        let tier = |tier: &HistoryTier| format!("every {} for {}", tier.step, tier.span);
        let tiers: Vec<_> = self.tiers.iter().map(tier).collect();
        let mut line = format!("history: {}, {} bytes at most", tiers.join(", "), self.max_bytes);
        if let Some(directory) = &self.directory {
            line += &format!("; in {}, {} bytes at most", directory.display(), self.disk_bytes);
        }
        line
    }
}
