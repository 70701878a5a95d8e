//! How fresh the data are that everything else is about: the engine's generations, by the monotonic clock.

use super::standing::millis;
use crate::Moment;
use crate::aggregate::engine::Core;
use crate::aggregate::pulse::{LATE_INTERVALS, Vital};
use std::time::Duration;

/// The engine, at one moment.
#[derive(Clone, Debug)]
pub(super) struct Vitals {
    pub(super) now: Moment,
    pub(super) vital: Vital,
    pub(super) interval: Duration,
    /// The latest generation; `None` before the first, and once the engine is gone.
    pub(super) generation: Option<u64>,
    pub(super) age: Option<Duration>,
    /// It has no thread.
    by_hand: bool,
}

impl Vitals {
    pub(super) fn of(core: &Core) -> Vitals {
        let (now, latest, interval) = (core.now(), core.latest(), core.interval());
        let shown = latest.generation() > 0;
        let cut_at = latest.elapsed();
        let mut vital = core.vital();
        let by_hand = vital == Vital::ByHand;
        // An engine that is driven by hand is on time for as long as somebody drives it.
        if by_hand && shown && Vitals::is_late(now.elapsed, cut_at, interval) {
            vital = Vital::Late(now.elapsed.saturating_sub(cut_at).saturating_sub(interval));
        }
        Vitals {
            now,
            vital,
            interval,
            generation: shown.then(|| latest.generation()),
            age: shown.then(|| now.elapsed.saturating_sub(cut_at)),
            by_hand,
        }
    }

    /// Of an engine that is gone.
    pub(super) fn gone(now: Moment, interval: Duration) -> Vitals {
        let vital = Vital::Stopped;
        Vitals { now, vital, interval, generation: None, age: None, by_hand: false }
    }

    /// Whether what happens `every` so often, and did so last at `last`, is overdue by so much that it counts as ill. All
    /// times are the monotonic clock's.
    pub(super) fn is_late(now: Duration, last: Duration, every: Duration) -> bool {
        now.saturating_sub(last).saturating_sub(every) > every.saturating_mul(LATE_INTERVALS)
    }

    /// Whether its data are stale, or no longer made.
    pub(super) fn is_ill(&self) -> bool {
        matches!(self.vital, Vital::Late(_) | Vital::Died | Vital::Stopped)
    }

    pub(super) fn state(&self) -> &'static str {
        self.vital.state()
    }

    /// What is wrong with it now.
    pub(super) fn why(&self) -> Option<String> {
        match (self.vital, self.age) {
            (Vital::Late(_), Some(age)) if self.by_hand => Some(format!(
                "the latest generation is {:.3} s old at an interval of {:.3} s; the engine is driven by hand, and nobody \
                 does",
                age.as_secs_f64(),
                self.interval.as_secs_f64()
            )),
            _ => self.vital.why(self.interval),
        }
    }

    /// What is wrong with it, in words that stay the same while it is.
    pub(super) fn issue(&self) -> Option<String> {
        match self.vital {
            Vital::Late(_) => Some(format!(
                "the data are stale: no generation for longer than three intervals of {:?}",
                self.interval
            )),
            Vital::Died | Vital::Stopped => {
                self.vital.why(self.interval).map(|why| format!("the data are stale: {why}"))
            }
            Vital::Running | Vital::ByHand => None,
        }
    }

    /// Since when its data are stale: since the latest generation, or if there is none, since `or_ms`.
    pub(super) fn since_ms(&self, or_ms: i64) -> i64 {
        let age = self.age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        age.map_or(or_ms, |age| millis(self.now).saturating_sub(age))
    }
}
