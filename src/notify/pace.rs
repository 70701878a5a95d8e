//! Settings that all handlers have: how much waits, how long an attempt may take, and when the next one is.

use crate::Error;
use crate::limits::{
    DEFAULT_NOTIFY_QUEUE, DEFAULT_NOTIFY_RETRY_FIRST, DEFAULT_NOTIFY_RETRY_LONGEST,
    DEFAULT_NOTIFY_TIME_LIMIT, MAX_NOTIFY_QUEUE, MIN_NOTIFY_TIME,
};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct Pace {
    pub(super) queue: usize,
    pub(super) limit: Duration,
    pub(super) first: Duration,
    pub(super) longest: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            queue: DEFAULT_NOTIFY_QUEUE,
            limit: DEFAULT_NOTIFY_TIME_LIMIT,
            first: DEFAULT_NOTIFY_RETRY_FIRST,
            longest: DEFAULT_NOTIFY_RETRY_LONGEST,
        }
    }
}

impl Pace {
    pub(super) fn check(&self) -> Result<(), Error> {
        let invalid = |setting, reason| Err(Error::InvalidSetting { setting, reason });
        if !(1..=MAX_NOTIFY_QUEUE).contains(&self.queue) {
            let reason = format!("{} is not from 1 to {MAX_NOTIFY_QUEUE}", self.queue);
            return invalid("queue", reason);
        }
        at_least("time_limit", self.limit)?;
        at_least("retry", self.first)?;
        if self.longest < self.first {
            let reason = format!(
                "the longest pause, {:?}, is shorter than the first, {:?}",
                self.longest, self.first
            );
            return invalid("retry", reason);
        }
        Ok(())
    }
}

/// An error if a time is too short to be meant.
pub(super) fn at_least(setting: &'static str, given: Duration) -> Result<(), Error> {
    match given < MIN_NOTIFY_TIME {
        true => {
            let reason = format!("{given:?} is shorter than {MIN_NOTIFY_TIME:?}");
            Err(Error::InvalidSetting { setting, reason })
        }
        false => Ok(()),
    }
}

/// The settings, on a type with a field `pace`.
macro_rules! pace_settings {
    ($handler:ident) => {
        impl $handler {
            /// How many alerts may wait; [`DEFAULT_NOTIFY_QUEUE`](crate::limits::DEFAULT_NOTIFY_QUEUE) unless it is
            /// called. At the bound, the oldest that say only that alerts resolved are dropped, then the oldest, and
            /// counted.
            #[must_use]
            pub fn queue(mut self, alerts: usize) -> Self {
                self.pace.queue = alerts;
                self
            }

            /// The pause after a first attempt that failed, and the longest; it doubles in between, less a random part.
            #[must_use]
            pub fn retry(
                mut self,
                first: std::time::Duration,
                longest: std::time::Duration,
            ) -> Self {
                self.pace.first = first;
                self.pace.longest = longest;
                self
            }
        }
    };
}

/// The settings of a handler that waits for an answer, on a type with a field `pace`.
macro_rules! limit_settings {
    ($handler:ident) => {
        impl $handler {
            /// How long one attempt may take, from the look-up of the name to the answer; 10 s unless it is called.
            #[must_use]
            pub fn time_limit(mut self, limit: std::time::Duration) -> Self {
                self.pace.limit = limit;
                self
            }
        }
    };
}

pub(super) use {limit_settings, pace_settings};
