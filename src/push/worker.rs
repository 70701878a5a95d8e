//! The pusher's thread: waits for events, and in each turn gives every target one step.
//!
//! Nothing in a turn waits: sockets do not block, names are looked up elsewhere, and the snapshot is one that the engine
//! has published already. What takes time is the work itself: encoding, copying to the system, writing a spool's file.

use super::lane::{Lane, Surroundings};
use super::resolve::Resolver;
use super::status::{Flush, TargetStatus};
use crate::Snapshot;
use crate::aggregate::engine::Core;
use mio::{Events, Poll};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the thread and its handle share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// The last snapshot: once it is there, the thread flushes and ends.
    pub(super) last: Mutex<Option<Arc<Snapshot>>>,
    pub(super) status: Mutex<Vec<TargetStatus>>,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) poll: Poll,
    pub(super) lanes: Vec<Lane>,
    pub(super) resolver: Resolver,
    pub(super) core: Arc<Core>,
    pub(super) shared: Arc<Shared>,
    pub(super) flush_limit: Duration,
}

impl Worker {
    /// The thread.
    pub(super) fn run(mut self) -> Flush {
        // Room for an event of each target, and the wake-up.
        let mut events = Events::with_capacity(self.lanes.len() + 1);
        let mut stop_at = None;
        loop {
            match self.poll.poll(&mut events, self.patience(stop_at)) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // The descriptor is not one any more: somebody closed what is not theirs.
                Err(_) => return self.close(),
            }
            let now = Instant::now();
            if stop_at.is_none() {
                let last = self.shared.last.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(last) = last {
                    stop_at = now.checked_add(self.flush_limit);
                    self.lanes.iter_mut().for_each(|lane| lane.finish(last.clone()));
                }
            }
            self.turn(now);
            let done = self.lanes.iter().all(Lane::is_done);
            if stop_at.is_some_and(|at| done || at <= Instant::now()) {
                return self.close();
            }
        }
    }

    /// How long to wait for events.
    fn patience(&self, stop_at: Option<Instant>) -> Option<Duration> {
        let now = Instant::now();
        if self.lanes.iter().any(|lane| lane.is_ready(now) || lane.goes_on()) {
            return Some(Duration::ZERO);
        }
        let next = self.lanes.iter().filter_map(Lane::next_moment).chain(stop_at).min()?;
        Some(next.saturating_duration_since(now))
    }

    fn turn(&mut self, now: Instant) {
        let around = Surroundings { events: self.poll.registry(), resolver: &self.resolver, now };
        for (number, found) in self.resolver.answered() {
            self.lanes[number].resolved(found, &around);
        }
        // All lanes that are due in this turn share one snapshot.
        let mut latest = None;
        for lane in &mut self.lanes {
            lane.tick(now, || latest.get_or_insert_with(|| self.core.latest()).clone());
            // An event says only that there may be something; asking costs as little.
            lane.step(&around);
        }
        let mut status = None;
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(news) = lane.news() {
                let lock = || self.shared.status.lock().unwrap_or_else(PoisonError::into_inner);
                status.get_or_insert_with(lock)[at] = news;
            }
        }
    }

    fn close(mut self) -> Flush {
        let targets: Vec<TargetStatus> = self.lanes.iter_mut().map(Lane::close).collect();
        *self.shared.status.lock().unwrap_or_else(PoisonError::into_inner) = targets.clone();
        Flush { targets }
    }
}
