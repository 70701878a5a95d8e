//! `tacho query`: asks a running process what its metrics were, in PromQL, and prints what it says for people or programs.
//!
//! `ask` is the question and what went wrong with it, in words; `show` prints answers; `mark` finds where an expression cannot be
//! read.

mod ask;
mod mark;
mod show;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tachometer::Backend;

pub use ask::ask;

/// The environment variable of a bearer token.
pub const TOKEN: &str = "TACHO_TOKEN";

#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// What to ask, in PromQL, such as `rate(raft_commits_total[1m])`.
    #[arg(value_name = "EXPR")]
    pub expression: String,

    /// Where the process listens: http:// or https://, with the path before /api/v1 if there is one; or `unix:` and the path of a
    /// socket. Prometheus itself will do.
    #[arg(long, default_value = "http://127.0.0.1:9464", value_parser = url)]
    pub url: String,

    /// The moment, in seconds since 1970 or as 2026-11-21T17:00:00Z [default: now].
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub at: Option<i64>,

    /// The time before that moment, such as `5m`, instead of the moment alone.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub range: Option<Duration>,

    /// The distance of the points of a range [default: a sixtieth of it].
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "range")]
    pub step: Option<Duration>,

    /// How long to wait for the answer.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "30s")]
    pub timeout: Duration,

    /// A PEM file with the authorities that vouch for an https:// process [default: the system's].
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// A file with the bearer token that the process asks for [default: the variable TACHO_TOKEN].
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Print the `data` of the answer as Prometheus's API has it.
    #[arg(long)]
    pub json: bool,
}

fn url(text: &str) -> Result<String, String> {
    Backend::new(text)
        .map(|_| text.to_owned())
        .map_err(|error| match error {
            tachometer::Error::InvalidSetting { reason, .. } => reason,
            // Of the machine, not of the text: told when it is asked.
            _ => String::new(),
        })
        .or_else(|reason| if reason.is_empty() { Ok(text.to_owned()) } else { Err(reason) })
}

fn time(text: &str) -> Result<i64, String> {
    let ms = match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds.abs() < 1e12 => {
            Some((seconds * 1000.0).round() as i64)
        }
        Ok(_) => None,
        Err(_) => humantime::parse_rfc3339_weak(text).ok().and_then(|at| {
            let since = at.duration_since(std::time::UNIX_EPOCH).ok()?;
            i64::try_from(since.as_millis()).ok()
        }),
    };
    ms.ok_or_else(|| "give seconds since 1970, or a time such as 2026-11-21T17:00:00Z".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
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
