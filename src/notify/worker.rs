//! The thread of one endpoint: takes what waits, delivers it, and pauses after a failure. Between an entry's arrival in
//! the queue and the attempt at it there is one wake-up and no timer.

use super::own::Failure;
use super::pace::Pace;
use super::queue::{Entry, Queue};
use crate::limits::MAX_NOTIFY_RETRY_AFTER;
use crate::retry::Backoff;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Something that can be told.
pub(super) trait Deliver: fmt::Debug + Send {
    /// The most entries of one attempt.
    fn batch(&self) -> usize;

    /// Makes one attempt, which should take no longer than `limit`.
    fn deliver(&mut self, entries: &[Entry], limit: Duration) -> Outcome;
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Outcome {
    Arrived,
    /// It may be otherwise the next time; not before the pause that it `asked` for.
    Failed {
        why: Failure,
        said: String,
        asked: Option<Duration>,
    },
    /// It will be the same the next time; but if only one entry was bad, not for the others: each `apart`.
    Refused {
        said: String,
        apart: bool,
    },
}

/// Runs until the queue is at its end.
pub(super) fn run(queue: &Arc<Queue>, mut deliver: Box<dyn Deliver>, pace: &Pace) {
    let mut backoff = Backoff::new(pace.first, pace.longest);
    while let Some((entries, limit)) = queue.next(deliver.batch(), pace.limit) {
        let attempt = AssertUnwindSafe(|| deliver.deliver(&entries, limit));
        match catch_unwind(attempt) {
            Ok(Outcome::Arrived) => {
                queue.arrived();
                backoff.reset();
            }
            Ok(Outcome::Failed { why, said, asked }) => {
                queue.failed(why, said);
                let asked = asked.map(|asked| asked.min(MAX_NOTIFY_RETRY_AFTER));
                let pause = backoff.pause();
                let is_asked = asked.is_some_and(|asked| asked > pause);
                queue.pause(asked.unwrap_or_default().max(pause), is_asked);
            }
            Ok(Outcome::Refused { said, apart }) => {
                queue.refused(Failure::Refused, said, apart);
                backoff.reset();
            }
            // The panic hook has said more.
            Err(_) => queue.refused(Failure::Panic, "it panicked".to_owned(), false),
        }
    }
    queue.ended();
}
