//! The question, and what went wrong with it, in words and with what to do.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::anyhow;
use tachometer::Backend;
use tachometer::backend::BackendError;
use tachometer::query::Answer;

use super::{QueryArgs, mark, show};
use crate::access;

/// Points of a range unless its step is given.
const POINTS: u32 = 60;

/// What the process says, as text to print.
///
/// # Errors
/// It does not answer, or does not like the question: in words, with what to do.
pub fn ask(args: &QueryArgs) -> anyhow::Result<String> {
    let backend = args.access.backend(&args.url)?;
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
    let answer = answer.map_err(|error| in_words(args, &error))?;
    if args.json {
        return Ok(serde_json::to_string_pretty(&show::data(&answer))? + "\n");
    }
    let times = times(&backend, args, &answer, end);
    Ok(show::text(&answer, times.as_ref(), end))
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

fn in_words(args: &QueryArgs, error: &BackendError) -> anyhow::Error {
    match error {
        BackendError::Answered { kind, reason, .. } if kind == "bad_data" => {
            anyhow!("{}", mark::marked(&args.expression, reason))
        }
        _ => access::in_words(&args.url, error),
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn now() -> i64 {
    ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
