//! One source of a set: its polls, one after the other, and what is known of it between them.
//!
//! A poll has three steps. It begins ([`Entry::begin`]: from now on its time runs), the source is asked without any lock but the
//! one that makes it one thread at a time, and it ends ([`Entry::end`]). Whoever looks in between ([`Entry::check`]) may find
//! that its time is over: then the poll has failed, and what it still gives counts for nothing. The lock of the standing is held
//! for each step, so a poll is told of once.

use super::own::{OwnMetrics, OwnSource};
use super::shown::{LeftOut, Shown, Why};
use super::{PollSettings, Samples, Source, SourceError, SourceStatus};
use crate::Moment;
use crate::limits::SOURCE_RETRY_LONGEST;
use crate::registry::Registry;
use crate::retry::Backoff;
use std::fmt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// See the module.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) settings: PollSettings,
    /// The source; held while it is polled.
    pub(super) call: Mutex<Box<dyn Source>>,
    standing: Mutex<Standing>,
    pub(super) own: OwnSource,
    /// Whether its thread is to end, or to look again when it is due.
    pub(super) wake: (Mutex<Wake>, Condvar),
}

/// What a source's thread is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wake {
    pub(super) ended: bool,
}

#[derive(Debug)]
struct Standing {
    /// When the poll began that is under way.
    asked: Option<Moment>,
    /// Its time is over: it has failed already.
    hangs: bool,
    up: bool,
    /// It was removed: nothing counts any more.
    removed: bool,
    /// It has no series: they have ended, or not yet begun.
    stale: bool,
    last_good: Option<Moment>,
    took: Duration,
    error: Option<SourceError>,
    left_out: LeftOut,
    polls: u64,
    failures: u64,
    /// When the next poll is due, on the engine's monotonic clock.
    due: Duration,
    backoff: Backoff,
    shown: Option<Shown>,
}

/// What a look at a source found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The poll under way has no time left: when it began, how long that is, and the error.
    pub(super) hangs: Option<(Moment, Duration, SourceError)>,
    /// Its series have ended.
    pub(super) ended: bool,
    /// When there is something to see again, on the engine's monotonic clock.
    pub(super) next: Option<Duration>,
}

impl Entry {
    pub(super) fn new(
        source: Box<dyn Source>,
        settings: PollSettings,
        registry: &Registry,
        own: &OwnMetrics,
        now: Moment,
    ) -> Entry {
        let name = source.name().to_owned();
        let shown =
            settings.shown.then(|| Shown::new(registry, &name, &settings, source.is_distinct()));
        let interval = settings.interval;
        let longest = interval.saturating_mul(8).min(SOURCE_RETRY_LONGEST).max(interval);
        let standing = Standing {
            asked: None,
            hangs: false,
            up: false,
            removed: false,
            stale: true,
            last_good: None,
            took: Duration::ZERO,
            error: None,
            left_out: LeftOut::default(),
            polls: 0,
            failures: 0,
            due: now.elapsed,
            backoff: Backoff::new(interval / 2, longest),
            shown,
        };
        Entry {
            own: own.of(&name),
            name,
            settings,
            call: Mutex::new(source),
            standing: Mutex::new(standing),
            wake: Default::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next poll is due, on the engine's monotonic clock.
    pub(super) fn due(&self) -> Duration {
        self.lock().due
    }

    /// Whether a poll is under way.
    pub(super) fn is_asked(&self) -> bool {
        self.lock().asked.is_some()
    }

    /// A poll begins; `false` if the source was removed.
    pub(super) fn begin(&self, now: Moment) -> bool {
        let mut standing = self.lock();
        if !standing.removed {
            standing.asked = Some(now);
            standing.hangs = false;
        }
        !standing.removed
    }

    /// The poll that began is over. Returns when it began, how long it took, and what came of it; `None` if that was told
    /// already, or nobody wants to know any more. `steady` leaves chance out of when the next one is due.
    pub(super) fn end(
        &self,
        now: Moment,
        result: Result<Samples, SourceError>,
        steady: bool,
    ) -> Option<(Moment, Duration, Result<Samples, SourceError>)> {
        let mut standing = self.lock();
        let asked = standing.asked.take()?;
        let hung = std::mem::take(&mut standing.hangs);
        let took = now.elapsed.saturating_sub(asked.elapsed);
        if standing.removed {
            return None;
        }
        let limits = &self.settings.limits;
        let result = match result {
            _ if took > limits.time => Err(SourceError::TimedOut { limit: limits.time }),
            Ok(samples) if samples.weight() > limits.series => {
                let series = samples.weight();
                Err(SourceError::TooManySeries { series, limit: limits.series })
            }
            result => result,
        };
        let result = result.map(|mut samples| {
            let oversized = samples.drop_oversized();
            (samples, oversized)
        });
        let first = standing.polls == 0;
        match &result {
            Ok((samples, oversized)) => {
                standing.backoff.reset();
                standing.due = asked.elapsed.saturating_add(self.settings.interval);
                if first && !steady {
                    // Those that began together should not be polled together for ever.
                    let part = standing.backoff.part_of(self.settings.interval);
                    standing.due = asked.elapsed.saturating_add(part);
                }
                standing.good(asked, samples, *oversized);
                let counts = standing.left_out.counts.iter().map(|count| count.0);
                Why::ALL.into_iter().zip(counts).for_each(|(why, n)| self.own.left_out(why, n));
            }
            Err(_) => {
                let pause = match steady {
                    true => standing.backoff.whole_pause(),
                    false => standing.backoff.pause(),
                };
                standing.due = now.elapsed.saturating_add(pause);
            }
        }
        let result = result.map(|(samples, _)| samples);
        if hung {
            // Too late, and told already.
            return None;
        }
        standing.count(took, result.as_ref().err());
        self.own.polled(took, result.as_ref().err());
        Some((asked, took, result))
    }

    /// Looks whether a poll's time or that of the series is over.
    pub(super) fn check(&self, now: Duration) -> Found {
        let mut standing = self.lock();
        let mut found = Found::default();
        if standing.removed {
            return found;
        }
        if let Some(asked) = standing.asked.filter(|_| !standing.hangs) {
            let limit = self.settings.limits.time;
            let end = asked.elapsed.saturating_add(limit);
            if now > end {
                let error = SourceError::TimedOut { limit };
                standing.hangs = true;
                standing.count(limit, Some(&error));
                self.own.polled(limit, Some(&error));
                found.hangs = Some((asked, limit, error));
            } else {
                found.next = Some(end);
            }
        }
        if let Some(good) = standing.last_good.filter(|_| !standing.stale) {
            let end = good.elapsed.saturating_add(self.settings.stale());
            if now > end {
                standing.stale = true;
                standing.shown.iter_mut().for_each(Shown::end);
                found.ended = true;
            } else {
                found.next = Some(found.next.map_or(end, |other| other.min(end)));
            }
        }
        found
    }

    /// Before a generation.
    pub(super) fn show(&self, now: Duration) {
        let standing = self.lock();
        if !standing.removed {
            let age = standing.last_good.map(|good| now.saturating_sub(good.elapsed));
            let series = standing.shown.as_ref().map_or(0, Shown::len);
            self.own.show(standing.up && !standing.hangs, age, series);
        }
    }

    /// Ends its series in a forked child, where nobody polls it.
    pub(super) fn end_in_child(&self) {
        if let Ok(mut standing) = self.standing.try_lock()
            && !std::mem::replace(&mut standing.stale, true)
        {
            standing.shown.iter_mut().for_each(Shown::end);
        }
    }

    /// Ends its series, for good. Returns whether there were any to end.
    pub(super) fn remove(&self) -> bool {
        let (wake, changed) = &self.wake;
        wake.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        changed.notify_all();
        let mut standing = self.lock();
        standing.removed = true;
        standing.shown.iter_mut().for_each(Shown::end);
        !std::mem::replace(&mut standing.stale, true)
    }

    pub(super) fn status(&self, now: Duration) -> SourceStatus {
        let standing = self.lock();
        let left_out = standing.left_out.counts.iter();
        SourceStatus {
            name: self.name.clone(),
            up: standing.up && !standing.hangs,
            stale: standing.stale,
            age: standing.last_good.map(|good| now.saturating_sub(good.elapsed)),
            last_good: standing.last_good.map(|good| good.unix),
            took: standing.took,
            error: standing.error.clone(),
            left_out: left_out
                .filter_map(|(count, first)| Some((*count, first.clone()?)))
                .collect(),
            polls: standing.polls,
            failures: standing.failures,
            series: standing.shown.as_ref().map_or(0, Shown::len),
        }
    }
}

impl Standing {
    fn good(&mut self, asked: Moment, samples: &Samples, oversized: u64) {
        self.left_out = match &mut self.shown {
            Some(shown) => shown.update(samples),
            None => LeftOut::default(),
        };
        self.left_out.oversized(oversized);
        self.last_good = Some(asked);
        self.stale = false;
    }

    fn count(&mut self, took: Duration, error: Option<&SourceError>) {
        self.polls += 1;
        self.failures += u64::from(error.is_some());
        self.took = took;
        self.up = error.is_none();
        self.error = error.cloned();
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}
