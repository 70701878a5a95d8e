//! `tacho query`: asks a running process what its metrics were, in PromQL, and prints what it says for people or programs.
//!
//! `ask` is the question and what went wrong with it, in words; `show` prints answers; `mark` finds where an expression cannot be
//! read.

mod ask;
mod mark;
mod show;

use std::time::Duration;

use clap::Args;

use crate::access::{Access, DEFAULT_URL, duration, url};
pub use ask::ask;

#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// What to ask, in PromQL, such as `rate(raft_commits_total[1m])`.
    #[arg(value_name = "EXPR")]
    pub expression: String,

    /// Where the process listens: http:// or https://, with the path before /api/v1 if there is one; or `unix:` and the path of a
    /// socket. Prometheus itself will do.
    #[arg(long, default_value = DEFAULT_URL, value_parser = url)]
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

    #[command(flatten)]
    pub access: Access,

    /// Print the `data` of the answer as Prometheus's API has it.
    #[arg(long)]
    pub json: bool,
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
