//! Settings of a history, and its start.

use super::axis::millis;
use super::own::OwnMetrics;
use super::store::Store;
use super::{History, OnDisk, Shared, log};
use crate::aggregate::subscribe::Subscriber;
use crate::history::column::Origin;
use crate::limits::{
    DEFAULT_HISTORY_BYTES, DEFAULT_HISTORY_DISK_BYTES, DEFAULT_HISTORY_TIERS, MAX_HISTORY_SPAN,
    MAX_HISTORY_TIERS, MIN_HISTORY_BYTES, MIN_HISTORY_DISK_BYTES, MIN_HISTORY_STEP,
};
use crate::{Engine, Error};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Settings of a [`History`].
#[derive(Clone, Debug)]
#[must_use = "nothing is kept until `start`"]
pub struct HistoryBuilder {
    tiers: Vec<(Duration, Duration)>,
    max_bytes: usize,
    directory: Option<PathBuf>,
    disk_bytes: u64,
}

impl HistoryBuilder {
    pub(super) fn new() -> Self {
        HistoryBuilder {
            tiers: Vec::new(),
            max_bytes: DEFAULT_HISTORY_BYTES,
            directory: None,
            disk_bytes: DEFAULT_HISTORY_DISK_BYTES,
        }
    }

    /// Adds a tier: a row each `step`, for `span`. Tiers come finest first. The finest takes every generation, and its
    /// step only says how often they are expected; a coarser one takes the last generation of each step.
    ///
    /// Without any, [`DEFAULT_HISTORY_TIERS`](crate::limits::DEFAULT_HISTORY_TIERS): a second for 15 minutes, 15
    /// seconds for 24 hours.
    pub fn tier(mut self, step: Duration, span: Duration) -> Self {
        self.tiers.push((step, span));
        self
    }

    /// Bytes of memory that it may take; [`DEFAULT_HISTORY_BYTES`](crate::limits::DEFAULT_HISTORY_BYTES) by default.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Keeps it in a directory too, so that it goes on after a restart: see [the module](super#on-disk). The directory is
    /// made if there is none, and is for one history of one process alone.
    pub fn directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directory = Some(path.into());
        self
    }

    /// Bytes that the directory may take;
    /// [`DEFAULT_HISTORY_DISK_BYTES`](crate::limits::DEFAULT_HISTORY_DISK_BYTES) by default.
    pub fn disk_bytes(mut self, bytes: u64) -> Self {
        self.disk_bytes = bytes;
        self
    }

    /// Starts to keep the generations of `engine`, the latest one included. What [a directory](Self::directory) has is read
    /// first, which takes as long as [`Persistence::replay_time`](super::Persistence::replay_time) says.
    ///
    /// # Errors
    /// A setting is out of range, or the engine's registry has a metric of a name that the history needs. The directory
    /// cannot be used: the system refuses, another process uses it, it has other files, or a segment of another version.
    pub fn start(self, engine: &Engine) -> Result<History, Error> {
        let mut store = Store::new(&self.checked()?, self.max_bytes);
        let run = engine.registry().inner.run();
        let log = match &self.directory {
            Some(path) => Some(log::open(&mut store, path, self.disk_bytes, run)?),
            None => None,
        };
        let own = OwnMetrics::register(engine.registry(), log.as_ref())?;
        let same_run = log.as_ref().is_some_and(|opened| opened.run == Some(run));
        let goes_on = store.replayed.is_some() && !same_run;
        let handle = store.log.as_ref().map(log::Log::queue);
        let log = handle.zip(log).map(|(handle, opened)| OnDisk { handle, opened });
        let shared = Arc::new(Shared { store: Mutex::new(store), own, log });
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        let subscriber: Weak<dyn Subscriber> = weak;
        engine.core().subscribe(subscriber, |latest, fresh| {
            let mut store = shared.lock();
            // What another process left ends before anything that this one counted.
            store.anew = if same_run { Origin::Unknown } else { Origin::New };
            let first = if goes_on { Origin::New } else { Origin::Unknown };
            match latest {
                Some(latest) => store.append(latest, first),
                // What the engine before this one recorded has no time.
                None => store.first = if fresh { Origin::New } else { first },
            }
        });
        Ok(History { shared })
    }

    pub(crate) fn checked(&self) -> Result<Vec<(i64, i64)>, Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        if self.max_bytes < MIN_HISTORY_BYTES {
            let reason = format!(
                "{} is below {MIN_HISTORY_BYTES}: no series would have room",
                self.max_bytes
            );
            return invalid("max_bytes", reason);
        }
        if self.disk_bytes < MIN_HISTORY_DISK_BYTES {
            let reason = format!("{} is below {MIN_HISTORY_DISK_BYTES}", self.disk_bytes);
            return invalid("disk_bytes", reason);
        }
        let tiers = if self.tiers.is_empty() { &DEFAULT_HISTORY_TIERS[..] } else { &self.tiers };
        if tiers.len() > MAX_HISTORY_TIERS {
            return invalid(
                "tier",
                format!("{} tiers are more than {MAX_HISTORY_TIERS}", tiers.len()),
            );
        }
        for &(step, span) in tiers {
            if step < MIN_HISTORY_STEP {
                return invalid(
                    "tier",
                    format!("a step of {step:?} is below {MIN_HISTORY_STEP:?}"),
                );
            }
            if span < step || span > MAX_HISTORY_SPAN {
                let reason = format!(
                    "a span of {span:?} is not between the step of {step:?} and {MAX_HISTORY_SPAN:?}"
                );
                return invalid("tier", reason);
            }
        }
        for pair in tiers.windows(2) {
            let ((_, span), (step, longer)) = (pair[0], pair[1]);
            if step <= pair[0].0 || longer <= span {
                let reason = format!(
                    "{step:?} for {longer:?} comes after {:?} for {span:?}: steps and spans rise from tier to tier",
                    pair[0].0
                );
                return invalid("tier", reason);
            }
            if span < 2 * step {
                let reason = format!(
                    "a span of {span:?} before a step of {step:?} is too short: it has to reach over two steps of the \
                     next tier"
                );
                return invalid("tier", reason);
            }
        }
        Ok(tiers.iter().map(|&(step, span)| (millis(step), millis(span))).collect())
    }
}
