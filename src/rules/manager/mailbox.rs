//! Word of generations, from who makes them to the thread that evaluates: one place, in which the latest stands. Whoever leaves
//! word never waits for an evaluation.

use crate::limits::RULE_OVERDUE_INTERVALS;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    bell: Condvar,
    interval: Duration,
}

#[derive(Debug)]
struct Inner {
    /// Number and time of the latest generation that was not taken yet.
    due: Option<(u64, i64)>,
    /// When rules are evaluated without one; `None`: further away than the clock can tell.
    overdue_at: Option<Instant>,
    stopping: bool,
}

/// What the thread is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A generation, and its time.
    Generation(u64, i64),
    /// None came for too long.
    Overdue,
    Stop,
}

impl Mailbox {
    pub(super) fn new(interval: Duration) -> Mailbox {
        let inner = Inner { due: None, overdue_at: overdue(interval), stopping: false };
        Mailbox { inner: Mutex::new(inner), bell: Condvar::new(), interval }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves word of a generation; whether the one before was not taken.
    pub(super) fn leave(&self, generation: u64, time_ms: i64) -> bool {
        let mut inner = self.lock();
        inner.overdue_at = overdue(self.interval);
        let skipped = inner.due.replace((generation, time_ms)).is_some();
        self.bell.notify_all();
        skipped
    }

    /// Has the thread end; whether nobody did before.
    pub(super) fn stop(&self) -> bool {
        let before = std::mem::replace(&mut self.lock().stopping, true);
        self.bell.notify_all();
        !before
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Waits for the next word.
    pub(super) fn take(&self) -> Word {
        const LONG: Duration = Duration::from_secs(86_400);
        let mut inner = self.lock();
        loop {
            if inner.stopping {
                return Word::Stop;
            }
            if let Some((generation, time_ms)) = inner.due.take() {
                return Word::Generation(generation, time_ms);
            }
            let now = Instant::now();
            let left = inner.overdue_at.map_or(LONG, |at| at.saturating_duration_since(now));
            if left.is_zero() {
                inner.overdue_at = now.checked_add(self.interval);
                return Word::Overdue;
            }
            inner = self.bell.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn overdue(interval: Duration) -> Option<Instant> {
    interval.checked_mul(RULE_OVERDUE_INTERVALS).and_then(|span| Instant::now().checked_add(span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_word_counts_and_silence_is_noticed() {
        let mailbox = Mailbox::new(Duration::MAX);
        assert!(!mailbox.leave(1, 10) && mailbox.leave(2, 20));
        assert_eq!(mailbox.take(), Word::Generation(2, 20));
        assert!(!mailbox.leave(3, 30), "the last one was taken");
        assert!(mailbox.stop() && !mailbox.stop() && mailbox.is_stopping());
        assert_eq!(mailbox.take(), Word::Stop);
        let mailbox = Mailbox::new(Duration::from_millis(1));
        let began = Instant::now();
        assert_eq!([mailbox.take(), mailbox.take()], [Word::Overdue; 2]);
        assert!(began.elapsed() >= Duration::from_millis(4), "three intervals, and one");
    }
}
