//! The question, and what went wrong with it, in words and with what to do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use tachometer::Backend;
use tachometer::backend::BackendError;
use tachometer::query::Answer;

use super::{QueryArgs, TOKEN, mark, show};

/// Points of a range unless its step is given.
const POINTS: u32 = 60;

/// What the process says, as text to print.
///
/// # Errors
/// It does not answer, or does not like the question: in words, with what to do.
pub fn ask(args: &QueryArgs) -> anyhow::Result<String> {
    let backend = backend(args)?;
    let end = args.at.unwrap_or_else(now);
    let answer = match args.range {
        None => backend.instant(&args.expression, Some(end)),
        Some(range) => {
            // Points of a whole number of milliseconds.
            let step = args.step.unwrap_or_else(|| (range / POINTS).max(Duration::from_millis(1)));
            let start = end.saturating_sub(ms(range));
            backend.range(&args.expression, (start, end), ms(step))
        }
    };
    let answer = answer.map_err(|error| in_words(args, error))?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&show::data(&answer))? + "\n");
    }
    let times = times(&backend, args, &answer, end);
    Ok(show::text(&answer, times.as_ref(), end))
}

fn backend(args: &QueryArgs) -> anyhow::Result<Backend> {
    let mut builder = Backend::builder(&*args.url).time_limit(args.timeout).max_bytes(256 << 20);
    if let Some(path) = &args.ca_file {
        builder = builder.ca_file(path);
    }
    let token = match &args.token_file {
        Some(path) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("no token can be read from {}", path.display()))?,
        ),
        None => std::env::var(TOKEN).ok(),
    };
    if let Some(token) = token.as_deref().map(str::trim).filter(|token| !token.is_empty()) {
        builder = builder.bearer_token(token);
    }
    builder.build().with_context(|| format!("{} cannot be asked", args.url))
}

/// When the samples of an instant query are from: known of series with a metric's name, which no operation has changed.
fn times(backend: &Backend, args: &QueryArgs, answer: &Answer, at: i64) -> Option<Answer> {
    let Answer::Vector(samples) = answer else { return None };
    if samples.is_empty() || samples.iter().any(|sample| sample.labels.metric().is_none()) {
        return None;
    }
    // Without it there is a column less, and nothing is wrong.
    backend.instant(&format!("timestamp({})", args.expression), Some(at)).ok()
}

fn in_words(args: &QueryArgs, error: BackendError) -> anyhow::Error {
    let url = &args.url;
    match &error {
        BackendError::Unreachable { reason, .. } => anyhow!(
            "nobody answers at {url}: {reason}\nIs the process running, and is this where it listens? --url names another \
             place."
        ),
        BackendError::TimedOut { limit, .. } => anyhow!(
            "{url} did not answer within {}\nAsk for fewer series or a shorter time, or wait longer with --timeout.",
            humantime::format_duration(*limit)
        ),
        BackendError::Denied { status: 401 | 403, .. } => anyhow!(
            "{url} asks for credentials\nGive a bearer token by --token-file or the variable {TOKEN}."
        ),
        BackendError::Denied { status: status @ (404 | 405), .. } => anyhow!(
            "{url} answers no queries (status {status})\nThe process must keep a history and have its listener answer from \
             it (`ListenerBuilder::query`); or the path before /api/v1 is missing from the URL."
        ),
        BackendError::Malformed { .. } => anyhow!(
            "{error}\nIs this the address of a process with tachometer's listener, or of a Prometheus?"
        ),
        BackendError::Answered { kind, reason, .. } if kind == "bad_data" => {
            anyhow!("{}", mark::marked(&args.expression, reason))
        }
        _ => anyhow!("{error}"),
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
