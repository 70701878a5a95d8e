//! How a running process is reached, for the commands that ask one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap::Args;
use tachometer::Backend;
use tachometer::backend::BackendError;

/// The environment variable of a bearer token.
pub const TOKEN: &str = "TACHO_TOKEN";

/// Where `tacho raft` listens unless told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:9464";

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 256 << 20;

#[derive(Clone, Debug, Args)]
pub struct Access {
    /// How long to wait for an answer.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub timeout: Duration,

    /// A PEM file with the authorities that vouch for an https:// process [default: the system's].
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// A file with the bearer token that the process asks for [default: the variable TACHO_TOKEN].
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl Access {
    /// The process at `url`.
    ///
    /// # Errors
    /// A file cannot be read, or the URL is none.
    pub fn backend(&self, url: &str) -> anyhow::Result<Backend> {
        let mut builder = Backend::builder(url).time_limit(self.timeout).max_bytes(MAX_BYTES);
        if let Some(path) = &self.ca_file {
            builder = builder.ca_file(path);
        }
        let token = match &self.token_file {
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .with_context(|| format!("no token can be read from {}", path.display()))?,
            ),
            None => std::env::var(TOKEN).ok(),
        };
        if let Some(token) = token.as_deref().map(str::trim).filter(|token| !token.is_empty()) {
            builder = builder.bearer_token(token);
        }
        builder.build().with_context(|| format!("{url} cannot be asked"))
    }
}

/// What went wrong with a call to `url`, and what to do.
pub fn in_words(url: &str, error: &BackendError) -> anyhow::Error {
    match error {
        BackendError::Unreachable { reason, .. } => anyhow!(
            "nobody answers at {url}: {reason}\nIs the process running, and is this where it listens? Another URL names another \
             place (of `tacho query`: --url)."
        ),
        BackendError::TimedOut { limit, .. } => anyhow!(
            "{url} did not answer within {}\nAsk for fewer series or a shorter time, or wait longer with --timeout.",
            humantime::format_duration(*limit)
        ),
        BackendError::Denied { status: 401 | 403, .. } => denied(url),
        BackendError::Denied { status: status @ (404 | 405), .. } => anyhow!(
            "{url} answers no queries (status {status})\nThe process must keep a history and have its listener answer from \
             it (`ListenerBuilder::query`); or the path before /api/v1 is missing from the URL."
        ),
        BackendError::Malformed { .. } => anyhow!(
            "{error}\nIs this the address of a process with tachometer's listener, or of a Prometheus?"
        ),
        _ => anyhow!("{error}"),
    }
}

/// What to do about a process that asks who is there.
pub fn denied(url: &str) -> anyhow::Error {
    anyhow!(
        "{url} asks for credentials\nGive a bearer token by --token-file or the variable {TOKEN}."
    )
}

/// A URL that a process can be asked at.
pub fn url(text: &str) -> Result<String, String> {
    Backend::new(text)
        .map(|_| text.to_owned())
        .map_err(|error| match error {
            tachometer::Error::InvalidSetting { reason, .. } => reason,
            // Of the machine, not of the text: told when it is asked.
            _ => String::new(),
        })
        .or_else(|reason| if reason.is_empty() { Ok(text.to_owned()) } else { Err(reason) })
}

/// A length of time that is not zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let hint = "write it as 500ms, 15s, 5m or 24h";
    match humantime::parse_duration(text) {
        Ok(duration) if duration.as_millis() == 0 => {
            Err(format!("it must be at least a millisecond; {hint}"))
        }
        Ok(duration) if duration > Duration::from_secs(100 * 366 * 86_400) => {
            Err(format!("it is longer than a hundred years; {hint}"))
        }
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; {hint}")),
    }
}
