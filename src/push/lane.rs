//! One target at work: when it is due, what waits for it, the attempt that is under way, and what became of it.
//!
//! A lane is stepped by the worker, never waits, and knows nothing of the other lanes. Time is an argument.

mod answers;

use super::attempt::{Attempt, Outcome};
use super::http::response::Response;
use super::own::{Failure, Loss, OwnMetrics};
use super::plan::Plan;
use super::protocol::{Part, Payload, Protocol};
use super::resolve::{Found, Resolver};
use super::spool::{Entry, Overflow, Spool};
use super::status::TargetStatus;
use crate::Snapshot;
use crate::limits::MAX_PUSH_RETRY_AFTER;
use crate::retry::Backoff;
use mio::{Registry, Token};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What all lanes share.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) events: &'a Registry,
    pub(super) resolver: &'a Resolver,
    pub(super) now: Instant,
}

#[derive(Debug)]
pub(super) struct Lane {
    number: usize,
    plan: Plan,
    spool: Spool,
    own: OwnMetrics,
    backoff: Backoff,
    /// When the next snapshot is prepared; `None` once the last one was.
    due: Option<Instant>,
    /// A snapshot that waits for the payloads before it to be settled.
    owed: Option<Arc<Snapshot>>,
    /// The last snapshot, until the protocol has said what comes after it.
    last: Option<Arc<Snapshot>>,
    /// The generation of the last snapshot that was prepared, or that was there before the first.
    prepared: u64,
    /// Payloads that were made of it.
    parts: usize,
    attempt: Option<Attempt>,
    /// No attempt before then.
    retry_at: Option<Instant>,
    /// Whether it was the server that asked for the pause.
    asked_to_wait: bool,
    addresses: Vec<SocketAddr>,
    looking_up: bool,
    /// Which address is tried first: another one after each attempt that took too long.
    preferred: usize,
    /// Whether the target settled something or failed since this was last looked at.
    changed: bool,
    sent: u64,
    dropped: u64,
    rejected: u64,
    last_success: Option<Duration>,
    last_error: Option<String>,
    last_rejection: Option<String>,
}

impl Lane {
    pub(super) fn new(
        number: usize,
        plan: Plan,
        spool: Spool,
        own: OwnMetrics,
        damaged: bool,
        prepared: u64,
        now: Instant,
    ) -> Lane {
        let backoff = Backoff::new(plan.retry_first, plan.retry_longest);
        let due = now.checked_add(plan.every);
        let addresses = Resolver::literal(plan.destination.authority()).into_iter().collect();
        let mut lane = Lane {
            number,
            plan,
            spool,
            own,
            backoff,
            due,
            owed: None,
            last: None,
            prepared,
            parts: 0,
            attempt: None,
            retry_at: None,
            asked_to_wait: false,
            addresses,
            looking_up: false,
            preferred: 0,
            changed: true,
            sent: 0,
            dropped: 0,
            rejected: 0,
            last_success: None,
            last_error: None,
            last_rejection: None,
        };
        if damaged {
            lane.drop_counted(Loss::Damaged);
        }
        let mut over = 0;
        lane.spool.shrink(|_, _| over += 1);
        (0..over).for_each(|_| lane.drop_counted(Loss::Full));
        lane.observe();
        lane
    }

    /// When it is to be stepped although nothing happened.
    pub(super) fn next_moment(&self) -> Option<Instant> {
        let work = match &self.attempt {
            Some(attempt) => attempt.began.checked_add(self.plan.time_limit),
            None if self.spool.first().is_some() => self.retry_at,
            None => None,
        };
        [work, self.due].into_iter().flatten().min()
    }

    /// Whether it has something to do now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.attempt.is_none()
            && self.spool.first().is_some()
            && self.retry_at.is_none_or(|at| at <= now)
    }

    /// Whether its attempt goes on without waiting for an event.
    pub(super) fn goes_on(&self) -> bool {
        self.attempt.as_ref().is_some_and(Attempt::goes_on)
    }

    /// Whether everything was delivered.
    pub(super) fn is_done(&self) -> bool {
        self.spool.len() == 0 && self.owed.is_none() && self.last.is_none()
    }

    /// If it is time for another snapshot, prepares `latest`.
    pub(super) fn tick(&mut self, now: Instant, latest: impl FnOnce() -> Arc<Snapshot>) {
        let Some(due) = self.due.filter(|due| *due <= now) else { return };
        // Ticks that were missed are not made up for.
        let behind = now.saturating_duration_since(due).as_nanos() / self.plan.every.as_nanos();
        let steps = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
        self.due = self.plan.every.checked_mul(steps).and_then(|by| due.checked_add(by));
        self.offer(latest());
    }

    /// The last snapshot: no others follow, and there is no pause any more but one that the server asked for.
    pub(super) fn finish(&mut self, last: Arc<Snapshot>) {
        self.due = None;
        self.backoff.reset();
        if !self.asked_to_wait {
            self.retry_at = None;
        }
        self.last = Some(last.clone());
        self.offer(last);
        self.proceed();
    }

    /// Prepares what could not be prepared before.
    fn proceed(&mut self) {
        if !self.spool.has_own()
            && let Some(owed) = self.owed.take()
        {
            self.prepare(&owed);
        }
        if self.owed.is_none()
            && let Some(last) = self.last.take()
        {
            let generation = last.generation();
            self.payloads(generation, |protocol, payloads| protocol.finish(&last, payloads));
        }
    }

    fn offer(&mut self, snapshot: Arc<Snapshot>) {
        if snapshot.generation() <= self.prepared {
            return;
        }
        if self.plan.protocol.waits() && self.spool.has_own() {
            self.owed = Some(snapshot);
        } else {
            self.prepare(&snapshot);
        }
    }

    fn prepare(&mut self, snapshot: &Arc<Snapshot>) {
        self.prepared = snapshot.generation();
        self.parts = 0;
        let generation = self.prepared;
        self.payloads(generation, |protocol, payloads| protocol.prepare(snapshot, payloads));
    }

    /// Puts payloads into the spool.
    fn payloads(
        &mut self,
        generation: u64,
        make: impl FnOnce(&mut dyn Protocol, &mut Vec<Payload>),
    ) {
        let mut payloads = Vec::new();
        let protocol = &mut *self.plan.protocol;
        let make = AssertUnwindSafe(|| make(protocol, &mut payloads));
        if catch_unwind(make).is_err() {
            return self.failed(Failure::Panic, "its protocol panicked".to_owned());
        }
        for payload in payloads {
            let mut over = Vec::new();
            let part = Part { generation, index: self.parts };
            self.parts += 1;
            self.spool.push(payload, part, |entry, why| over.push((entry, why)));
            for (entry, why) in over {
                let why = match why {
                    Overflow::TooLarge => Loss::TooLarge,
                    Overflow::Full if self.plan.replaces => Loss::Superseded,
                    Overflow::Full => Loss::Full,
                };
                self.give_up(&entry, why);
            }
        }
        self.observe();
    }

    /// The addresses that a look-up found.
    pub(super) fn resolved(&mut self, found: Found, around: &Surroundings<'_>) {
        self.looking_up = false;
        let found = match found {
            Ok(found) if found.is_empty() => Err("its name has no address".to_owned()),
            Ok(found) => Ok(found),
            Err(error) => Err(format!("its name was not resolved: {error}")),
        };
        match found {
            Ok(found) => {
                let preferred = self.preferred % found.len();
                self.addresses = found;
                self.addresses.rotate_left(preferred);
                if let Some(attempt) = &mut self.attempt
                    && let Some(outcome) = attempt.connect(&self.addresses, around.events)
                {
                    self.settle(outcome, around);
                }
            }
            Err(why) if self.attempt.is_some() => {
                self.settle(Outcome::Failed(Failure::Resolve, why), around);
            }
            // The attempt had ended, and said so.
            Err(_) => {}
        }
    }

    /// Does what can be done now; returns after one payload, so that a long spool does not hold others up.
    pub(super) fn step(&mut self, around: &Surroundings<'_>) {
        if self.is_ready(around.now) {
            self.begin(around);
        } else if let Some(attempt) = &mut self.attempt {
            let over = around.now.saturating_duration_since(attempt.began) >= self.plan.time_limit;
            match attempt.step(around.events) {
                Some(outcome) => self.settle(outcome, around),
                None if over => {
                    let outcome = attempt.time_out();
                    self.settle(outcome, around);
                }
                None => {}
            }
        }
    }

    fn begin(&mut self, around: &Surroundings<'_>) {
        let Some(entry) = self.spool.first() else { return };
        let payload = entry.payload.clone();
        let ends = around.now.checked_add(self.plan.time_limit);
        let transport = self.plan.destination.transport(&self.plan.headers, &payload, ends);
        // Zero wakes the worker.
        let token = Token(self.number + 1);
        let mut attempt = Attempt::new(transport, payload, token, around.now);
        self.spool.sending = true;
        self.retry_at = None;
        self.asked_to_wait = false;
        let mut outcome = None;
        if !self.addresses.is_empty() {
            let preferred = self.preferred % self.addresses.len();
            self.addresses.rotate_left(preferred);
            self.preferred = 0;
            outcome = attempt.connect(&self.addresses, around.events);
        } else if !self.looking_up {
            match around.resolver.begin(self.number, self.plan.destination.authority()) {
                Ok(()) => self.looking_up = true,
                Err(error) => {
                    let why = format!("no thread to resolve its name: {error}");
                    outcome = Some(Outcome::Failed(Failure::Resolve, why));
                }
            }
        }
        self.attempt = Some(attempt);
        if let Some(outcome) = outcome {
            self.settle(outcome, around);
        }
    }

    /// An attempt has ended.
    fn settle(&mut self, outcome: Outcome, around: &Surroundings<'_>) {
        let mut sent = 0;
        if let Some(attempt) = self.attempt.take() {
            self.own.took(attempt.began.elapsed());
            sent = attempt.sent();
        }
        self.spool.sending = false;
        match outcome {
            Outcome::Taken => self.answered(&Response { status: 200, ..Response::default() }),
            Outcome::Answered(response) if matches!(response.status, 429 | 500..) => {
                let why = format!("it answered {}", response.status);
                let asks = matches!(response.status, 429 | 503);
                let asked = asks.then(|| response.retry_after(unix_now())).flatten();
                self.failed(Failure::Status, why);
                self.pause(asked, around.now);
            }
            Outcome::Answered(response) => self.answered(&response),
            #[cfg(feature = "grpc")]
            Outcome::Later(why, asked) => {
                self.failed(Failure::Status, self.without_secrets(why));
                self.pause(asked, around.now);
            }
            #[cfg(feature = "grpc")]
            Outcome::Refused(why) => {
                self.failed(Failure::Refused, self.without_secrets(why));
                // It is there, and answers.
                self.backoff.reset();
                self.pop_lost(Loss::Refused);
            }
            Outcome::Failed(failure, why) => {
                // One that is there and silent must not keep the others from being tried.
                self.preferred += usize::from(failure == Failure::Timeout);
                if matches!(failure, Failure::Connect | Failure::Timeout) && !self.looking_up {
                    // The host may have moved.
                    let literal = Resolver::literal(self.plan.destination.authority());
                    self.addresses = literal.into_iter().collect();
                }
                self.failed(failure, why);
                if sent > 0 {
                    // What the system took is gone, and must not be sent twice.
                    self.spool.cut(sent);
                    self.backoff.reset();
                }
                self.pause(None, around.now);
            }
        }
        self.proceed();
        self.observe();
    }

    fn pause(&mut self, asked: Option<Duration>, now: Instant) {
        let pause = self.backoff.pause();
        self.asked_to_wait = asked.is_some();
        let pause = asked.map_or(pause, |asked| asked.min(MAX_PUSH_RETRY_AFTER).max(pause));
        self.retry_at = now.checked_add(pause);
    }

    fn pop_lost(&mut self, why: Loss) {
        if let Some(entry) = self.spool.pop() {
            self.give_up(&entry, why);
        }
    }

    fn give_up(&mut self, entry: &Entry, why: Loss) {
        self.drop_counted(why);
        let Some(part) = entry.part else { return };
        let protocol = &mut self.plan.protocol;
        if catch_unwind(AssertUnwindSafe(|| protocol.lost(part))).is_err() {
            self.failed(Failure::Panic, "its protocol panicked".to_owned());
        }
    }

    fn drop_counted(&mut self, why: Loss) {
        self.dropped += 1;
        self.own.dropped(why);
        self.changed = true;
    }

    fn failed(&mut self, failure: Failure, why: String) {
        self.own.failed(failure, 1);
        self.last_error = Some(why);
        self.changed = true;
    }

    /// Brings the gauges up to date.
    fn observe(&mut self) {
        let failures = std::mem::take(&mut self.spool.file_failures);
        if failures > 0 {
            self.own.failed(Failure::Spool, failures);
            self.last_error = Some("its spool's file could not be written".to_owned());
        }
        self.own.spooled(self.spool.len(), self.spool.bytes());
        self.changed = true;
    }

    /// How it stands, if that is not what it was at the last call.
    pub(super) fn news(&mut self) -> Option<TargetStatus> {
        std::mem::take(&mut self.changed).then(|| TargetStatus {
            name: self.plan.name.clone(),
            waiting: self.spool.len(),
            waiting_bytes: self.spool.bytes(),
            sent: self.sent,
            dropped: self.dropped,
            rejected: self.rejected,
            last_success: self.last_success,
            last_error: self.last_error.clone(),
            last_rejection: self.last_rejection.clone(),
        })
    }

    /// Ends what is under way and closes the spool.
    pub(super) fn close(&mut self) -> TargetStatus {
        let waiting = (self.spool.len() + usize::from(self.owed.is_some()), self.spool.bytes());
        self.attempt = None;
        self.spool.sending = false;
        for entry in self.spool.close() {
            self.give_up(&entry, Loss::Shutdown);
        }
        if self.owed.take().is_some() {
            self.drop_counted(Loss::Shutdown);
        }
        self.observe();
        let mut status = self.news().expect("just changed");
        (status.waiting, status.waiting_bytes) = waiting;
        status
    }
}

fn unix_now() -> Duration {
    // A clock set before 1970 reads as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
