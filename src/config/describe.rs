//! What a configuration would do, in words for an operator; without secrets.

use super::{Config, Figures, ListenerConfig, TargetConfig};
use std::fmt::Write as _;

impl Config {
    /// What a program with this configuration does, a line for each part of it. Nothing in it is secret.
    ///
    /// ```
    /// use tachometer::config::Config;
    /// let config = Config::parse("[engine]\ninterval = \"2s\"")?;
    /// assert!(config.description().starts_with("engine: a snapshot every 2s"));
    /// # Ok::<(), tachometer::config::ConfigError>(())
    /// ```
    pub fn description(&self) -> String {
        self.describe(&[])
    }

    pub(super) fn describe(&self, variables: &[String]) -> String {
        let mut lines = vec![self.engine_line(), self.recording_line()];
        if cfg!(feature = "history") {
            lines.push(self.history.line());
        }
        lines.push(self.listener.line());
        lines.extend(self.rules.line());
        lines.extend(self.alerts_line());
        lines.extend(self.notify.iter().map(|(name, handler)| handler.line(name)));
        lines.extend(self.sources.iter().map(|(name, source)| source.line(name)));
        if !self.targets.is_empty() {
            lines.push(format!("push: the last flush takes at most {}", self.push.flush_within));
        }
        lines.extend(self.targets.iter().map(|(name, target)| target.line(name)));
        if let Some(process) = self.process_line() {
            lines.push(process);
        }
        if !variables.is_empty() {
            lines.push(format!("overridden by the environment: {}", variables.join(", ")));
        }
        lines.join("\n") + "\n"
    }

    fn engine_line(&self) -> String {
        let mut line = format!("engine: a snapshot every {}", self.engine.interval);
        for (name, value) in &self.engine.labels {
            let _ = write!(line, ", {name}={value:?}");
        }
        if !self.engine.own_metrics {
            line += ", without its own metrics";
        }
        line
    }

    fn recording_line(&self) -> String {
        let recording = &self.recording;
        let figures = |figures: Figures| figures.0.figures();
        let mut line =
            format!("recording: {} significant figures", figures(recording.default_precision));
        for (name, precision) in &recording.precision {
            let _ = write!(line, ", {} for {name}", figures(*precision));
        }
        let (limit, every) = (recording.family_limit, recording.sample_every);
        let _ =
            write!(line, "; {limit} series a family; one event in {every} where they are sampled");
        line
    }

    fn alerts_line(&self) -> Option<String> {
        let count = self.alerts.thresholds().count();
        let kind = self.alerts.consensus.name();
        let thresholds = if count == 1 { "threshold" } else { "thresholds" };
        (count > 0).then(|| format!("alerts: {count} {thresholds}, for {kind}"))
    }

    fn process_line(&self) -> Option<String> {
        let process = &self.process;
        let shards = process.max_shards.map(|shards| format!("{shards} shards at most"));
        let bytes =
            process.arena_bytes.map(|bytes| format!("{bytes} bytes of address space a shard"));
        let barrier =
            process.barrier.map(|barrier| format!("{barrier:?} as barrier").to_lowercase());
        let parts: Vec<_> = [shards, bytes, barrier].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("process: {}", parts.join(", ")))
    }
}

impl ListenerConfig {
    fn line(&self) -> String {
        if !self.enabled {
            return "listener: none".to_owned();
        }
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        let mut line = match self.socket() {
            Some(path) => format!(
                "listener: {scheme} on the socket {path} (mode {:o}), at {}/metrics",
                self.socket_mode, self.prefix
            ),
            None => format!("listener: {scheme}://{}{}/metrics", self.address, self.prefix),
        };
        for (user, password) in &self.users {
            let _ = write!(line, "; for the user {user}, whose password is {}", password.place());
        }
        for token in &self.bearer_tokens {
            let _ = write!(line, "; for a token that is {}", token.place());
        }
        if !self.asks_for_credentials() {
            line += "; for everybody";
        }
        if !self.allow.is_empty() {
            let _ = write!(line, "; from {}", self.allow.join(", "));
        }
        line
    }
}

impl TargetConfig {
    fn line(&self, name: &str) -> String {
        let kind = self.kind.map_or("none", |kind| kind.name());
        let url = self.url.as_ref().map(ToString::to_string);
        let place = url.or_else(|| self.address.clone()).unwrap_or_default();
        let mut line = format!("target {name}: {kind} at {place}, every {}", self.interval);
        if let Some(user) = &self.user {
            let _ = write!(line, ", as {user}");
        }
        let secrets =
            [("password", &self.password), ("token", &self.bearer_token), ("token", &self.token)];
        let secrets =
            secrets.into_iter().filter_map(|(what, secret)| Some((what, secret.as_ref()?)));
        let headers = self.headers.iter().map(|(header, value)| (header.as_str(), value));
        for (what, secret) in secrets.chain(headers) {
            let _ = write!(line, ", {what} {}", secret.place());
        }
        if let Some(file) = &self.spool_file {
            let _ = write!(line, ", spool in {}", file.display());
        }
        line
    }
}
