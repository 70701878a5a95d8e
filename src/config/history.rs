//! The history, as far as an operator sets it.

use super::error::Problem;
use super::{Secret, Span, TargetUrl};
use crate::limits::{DEFAULT_HISTORY_BYTES, DEFAULT_HISTORY_DISK_BYTES, DEFAULT_HISTORY_TIERS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// A server that answers the listener's queries, in the place of the history: Prometheus, or what is compatible with it.
    pub backend: Option<TargetUrl>,
    /// A token for the backend.
    pub backend_token: Option<Secret>,
    /// Headers of each request to the backend.
    pub backend_headers: BTreeMap<String, Secret>,
    /// How long the backend may take to answer.
    pub backend_time_limit: Option<Span>,
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
            backend: None,
            backend_token: None,
            backend_headers: BTreeMap::new(),
            backend_time_limit: None,
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

    /// The backend that answers queries, for `ListenerBuilder::query_backend`; `None` if there is none. Secrets are looked up
    /// now. Feature `backend`.
    ///
    /// ```
    /// use tachometer::config::Config;
    /// let config = Config::parse("[history]\nbackend = \"http://127.0.0.1:9090\"")?;
    /// let backend = config.history.backend()?.expect("there is one");
    /// assert_eq!(backend.address(), "http://127.0.0.1:9090");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A secret is not where it should be; a setting is wrong.
    #[cfg(feature = "backend")]
    pub fn backend(&self) -> Result<Option<crate::Backend>, crate::Error> {
        let backend = self.assemble_backend(|secret| secret.reveal());
        backend.map_err(|problem| crate::Error::InvalidSetting {
            setting: "history",
            reason: problem.anywhere().reason,
        })
    }

    /// Whether secrets are where they should be.
    #[cfg(feature = "backend")]
    pub(super) fn check_outside(&self) -> Result<(), Problem> {
        self.assemble_backend(|secret| secret.reveal()).map(drop)
    }

    #[cfg(feature = "backend")]
    fn assemble_backend(
        &self,
        reveal: impl Fn(&Secret) -> Result<String, String>,
    ) -> Result<Option<crate::Backend>, Problem> {
        let Some(url) = &self.backend else { return Ok(None) };
        let reveal = |key: &str, secret: &Secret| {
            reveal(secret).map_err(|reason| Problem::at(&["history", key], reason))
        };
        let mut builder = crate::Backend::builder(url.reveal());
        for (header, value) in &self.backend_headers {
            builder = builder.header(header, reveal("backend_headers", value)?);
        }
        if let Some(token) = &self.backend_token {
            builder = builder.bearer_token(&reveal("backend_token", token)?);
        }
        if let Some(limit) = self.backend_time_limit {
            builder = builder.time_limit(limit.0);
        }
        let wrong = |reason: String| Problem::at(&["history", "backend"], reason);
        builder.build().map(Some).map_err(|error| match error {
            crate::Error::InvalidSetting { reason, .. } => wrong(reason),
            other => wrong(other.to_string()),
        })
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let alone = [
            ("backend_token", self.backend_token.is_some()),
            ("backend_headers", !self.backend_headers.is_empty()),
            ("backend_time_limit", self.backend_time_limit.is_some()),
        ];
        if let Some((key, _)) = alone.iter().find(|(_, set)| *set && self.backend.is_none()) {
            return Err(Problem::at(&["history", key], "there is no `backend` that it is for"));
        }
        #[cfg(feature = "backend")]
        self.assemble_backend(|_| Ok("-".to_owned()))?;
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
        let backend = self.backend.as_ref();
        let backend =
            backend.map_or(String::new(), |url| format!("; queries are answered by {url}"));
        if !self.enabled {
            return format!("history: none{backend}");
        }
        let tier = |tier: &HistoryTier| format!("every {} for {}", tier.step, tier.span);
        let tiers: Vec<_> = self.tiers.iter().map(tier).collect();
        let mut line = format!("history: {}, {} bytes at most", tiers.join(", "), self.max_bytes);
        if let Some(directory) = &self.directory {
            line += &format!("; in {}, {} bytes at most", directory.display(), self.disk_bytes);
        }
        line + &backend
    }
}
