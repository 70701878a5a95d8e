//! Rules, as far as an operator sets them.

use super::Span;
use super::error::Problem;
use crate::limits::MAX_RULE_FILES;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
#[cfg(all(feature = "history", feature = "rules"))]
use {
    super::Config,
    crate::Error,
    crate::rules::{RuleFile, RuleManager, RuleManagerBuilder, RuleSettings},
};

/// Rules that the process evaluates by itself: see `RuleManager`, features `history` and `rules`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct RulesConfig {
    /// Prometheus rule files.
    pub files: Vec<PathBuf>,
    /// How often groups are evaluated that do not say.
    pub interval: Span,
    /// Where alerts and silences are kept over restarts; nowhere, if this is not set.
    pub state_file: Option<PathBuf>,
    /// Where people find this process: `$externalURL` of templates, and links of notifications.
    pub external_url: String,
}

impl Default for RulesConfig {
    fn default() -> Self {
        RulesConfig {
            files: Vec::new(),
            interval: Span(Duration::from_secs(1)),
            state_file: None,
            external_url: String::new(),
        }
    }
}

impl RulesConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        if self.interval.0.is_zero() {
            return Err(Problem::at(&["rules", "interval"], "expected more than 0s"));
        }
        if self.files.len() > MAX_RULE_FILES {
            let reason = format!("there are {}, the limit is {MAX_RULE_FILES}", self.files.len());
            return Err(Problem::at(&["rules", "files"], reason));
        }
        Ok(())
    }

    pub(super) fn line(&self) -> Option<String> {
        if self.files.is_empty() {
            return None;
        }
        let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
        let mut line = format!("rules: {}, every {}", files.join(", "), self.interval);
        if let Some(file) = &self.state_file {
            line += &format!("; alerts are kept in {}", file.display());
        }
        Some(line)
    }

    #[cfg(all(feature = "history", feature = "rules"))]
    fn read(&self) -> Result<Vec<RuleFile>, Problem> {
        let wrong = |reason: String| Problem::at(&["rules", "files"], reason);
        let read = |path: &PathBuf| {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path)
                .map_err(|error| wrong(format!("{name} cannot be read: {error}")))?;
            RuleFile::parse(&name, &text).map_err(|errors| wrong(errors.to_string()))
        };
        self.files.iter().map(read).collect()
    }

    /// Whether the files are there and are rule files.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(super) fn check_outside(&self) -> Result<(), Problem> {
        self.read().map(drop)
    }
}

/// With features `history` and `rules`.
#[cfg(all(feature = "history", feature = "rules"))]
impl Config {
    /// A manager of the rules in all files of `[rules]`, and of those that `[alerts]` makes, still to be started; `None` if there
    /// are none. Files are read now.
    ///
    /// ```
    /// use tachometer::{Engine, ManualClock, Registry, config::Config};
    /// let config = Config::parse("[alerts]\nconsensus = \"raft\"\nmax_block_time = \"250ms\"")?;
    /// let (registry, clock) = (Registry::new(), ManualClock::at(std::time::Duration::ZERO));
    /// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    /// let history = config.history.start(&engine)?.expect("it is switched on");
    /// let rules = config.rule_manager()?.expect("there is an alert").start(&engine, &history)?;
    /// assert_eq!(rules.read(|rules| rules.status().count()), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A file cannot be read, or is no rule file: each mistake, with its line.
    pub fn rule_manager(&self) -> Result<Option<RuleManagerBuilder>, Error> {
        let invalid = |reason| Error::InvalidSetting { setting: "rules", reason };
        let mut files = self.rules.read().map_err(|problem| invalid(problem.anywhere().reason))?;
        if self.alerts.thresholds().next().is_some() {
            files.push(self.alerts.rules().map_err(|errors| invalid(errors.to_string()))?);
        }
        if files.is_empty() {
            return Ok(None);
        }
        let settings = RuleSettings {
            interval: self.rules.interval.0,
            external_url: self.rules.external_url.clone(),
            ..RuleSettings::default()
        };
        let builder = RuleManager::builder().files(files).settings(settings);
        Ok(Some(match &self.rules.state_file {
            Some(file) => builder.state_file(file),
            None => builder,
        }))
    }
}
