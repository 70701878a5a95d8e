//! What handles, checks' threads and whoever asks share: one lock, held while a report is rolled up and
//! never while a check or rules run.

use super::METRICS;
use super::outcome::{Call, CheckOutcome, ask};
use super::own::OwnMetrics;
use super::report::{HealthReport, RulesReport, spliced};
use super::rollup::{Prepared, RollUp};
use super::standing::millis;
use super::state::HealthState;
use super::vitals::Vitals;
#[cfg(feature = "http")]
use crate::Engine;
use crate::Moment;
use crate::aggregate::engine::Core;
use crate::aggregate::pulse::Vital;
use crate::shard::fork;
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(super) struct Shared {
    /// Weak: health must not keep an engine that everybody else has let go.
    core: Weak<Core>,
    interval: Duration,
    by_hand: bool,
    rolled: Mutex<RollUp>,
    /// The checks, where they have no threads.
    calls: Mutex<Vec<Call>>,
    pub(super) own: OwnMetrics,
    unhealthy_from: HealthState,
    unready_from: HealthState,
    /// Since when rules have failed.
    #[cfg(feature = "rules")]
    failing: Mutex<super::alerts::Failing>,
    /// Whether the checks' threads are to end.
    stop: Mutex<bool>,
    stopping: Condvar,
    /// The monotonic clock's time when the engine was last there.
    last: Mutex<Duration>,
    /// The fork generation that all of this belongs to.
    born: u64,
}

impl Shared {
    pub(super) fn new(
        core: &Arc<Core>,
        rolled: RollUp,
        own: OwnMetrics,
        (unhealthy_from, unready_from): (HealthState, HealthState),
    ) -> Shared {
        Shared {
            core: Arc::downgrade(core),
            interval: core.interval(),
            by_hand: core.vital() == Vital::ByHand,
            rolled: Mutex::new(rolled),
            calls: Mutex::default(),
            own,
            unhealthy_from,
            unready_from,
            #[cfg(feature = "rules")]
            failing: Mutex::default(),
            stop: Mutex::default(),
            stopping: Condvar::new(),
            last: Mutex::new(core.now().elapsed),
            born: fork::generation(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, RollUp> {
        self.rolled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "http")]
    pub(super) fn is_of(&self, engine: &Engine) -> bool {
        std::ptr::eq(self.core.as_ptr(), Arc::as_ptr(engine.core()))
    }

    pub(super) fn is_by_hand(&self) -> bool {
        self.by_hand
    }

    /// Whether this is a child of the process that it belongs to. A thread that the child does not have may hold the locks.
    fn is_foreign(&self) -> bool {
        self.born != fork::generation()
    }

    /// The engine, now. Never called with a lock held: the engine may be dropped here.
    fn vitals(&self) -> Vitals {
        let last = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let unix = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.is_foreign() {
            let now = Moment { unix: unix(), elapsed: Duration::ZERO };
            return Vitals::gone(now, self.interval);
        }
        match self.core.upgrade() {
            Some(core) => {
                let vitals = Vitals::of(&core);
                *last() = vitals.now.elapsed;
                vitals
            }
            None => Vitals::gone(Moment { unix: unix(), elapsed: *last() }, self.interval),
        }
    }

    /// The report as it is now; `onset_ms` is when what changed did so, unless that is now.
    fn prepare(&self, vitals: &Vitals, onset_ms: Option<i64>) -> Arc<Prepared> {
        let onset_ms = onset_ms.unwrap_or_else(|| millis(vitals.now));
        if self.is_foreign() {
            let declared = BTreeSet::from([METRICS.to_owned()]);
            return RollUp::new(declared, Vec::new(), None).prepare(vitals, onset_ms);
        }
        let mut rolled = self.lock();
        let hung = |rolled: &RollUp| -> u64 {
            let checks = rolled.checks.iter().enumerate();
            checks.fold(0, |all, (number, check)| all | u64::from(check.hangs()) << number)
        };
        let before = hung(&rolled);
        let prepared = rolled.prepare(vitals, onset_ms);
        let news = hung(&rolled) & !before;
        drop(rolled);
        let numbers = 0..u64::BITS as usize;
        numbers.filter(|number| news >> number & 1 == 1).for_each(|n| self.own.timed_out(n));
        prepared
    }

    /// What there is to tell, without the components.
    pub(super) fn summary(&self) -> (HealthReport, Arc<Prepared>) {
        let vitals = self.vitals();
        let prepared = self.prepare(&vitals, None);
        let age = |at_ms: RulesReport| {
            let told_at = self.lock().told.as_ref().map_or(Duration::ZERO, |told| told.at);
            RulesReport { age: vitals.now.elapsed.saturating_sub(told_at), ..at_ms }
        };
        let why = vitals.why().or_else(|| prepared.starting.clone()).or_else(|| why(&prepared));
        let engine = if prepared.starting.is_some() { "starting" } else { vitals.state() };
        let report = HealthReport {
            status: prepared.status,
            engine,
            why,
            ready: prepared.starting.is_none() && prepared.status < self.unready_from,
            ok: prepared.starting.is_none() && prepared.status < self.unhealthy_from,
            since_ms: prepared.since_ms,
            generated_at_ms: millis(vitals.now),
            generation: vitals.generation,
            age: vitals.age,
            interval: Some(vitals.interval),
            rules: prepared.counts.map(age),
            components: Vec::new(),
        };
        (report, prepared)
    }

    pub(super) fn answer(&self, whole: bool) -> (HealthReport, String) {
        let (report, prepared) = self.summary();
        let json = if whole { spliced(&report, prepared.json()) } else { report.to_json() };
        (report, json)
    }

    /// Health as series, right before a generation.
    pub(super) fn show(&self) {
        self.own.show(&self.prepare(&self.vitals(), None));
    }

    #[cfg(feature = "rules")]
    pub(super) fn evaluated(&self, now_ms: i64, rules: &crate::rules::Rules) {
        if self.is_foreign() {
            return;
        }
        let vitals = self.vitals();
        let declared = self.lock().declared.clone();
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the lock: with thousands of alerts this takes a while.
        let told = super::alerts::read(rules, now_ms, vitals.now.elapsed, &declared, &mut failing);
        let mut rolled = self.lock();
        let before = rolled.told.replace(told);
        rolled.changed();
        drop(rolled);
        drop(before);
        self.prepare(&vitals, Some(now_ms));
    }

    pub(super) fn interval_of(&self, number: usize) -> Duration {
        self.lock().checks.get(number).map_or(Duration::MAX, |check| check.spec.interval)
    }

    /// The check of this number is asked from now on; `false` if it is not to be, any more.
    pub(super) fn begin(&self, number: usize) -> bool {
        let now = self.vitals().now;
        if let Some(check) = self.lock().checks.get_mut(number) {
            check.begin(now);
        }
        // After saying so: see `Workers::drop`.
        let stopped = *self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(check) = self.lock().checks.get_mut(number).filter(|_| stopped) {
            check.give_up();
        }
        !stopped
    }

    /// The check of this number answered.
    pub(super) fn answered(&self, number: usize, outcome: CheckOutcome, panicked: bool) {
        let vitals = self.vitals();
        let mut rolled = self.lock();
        let Some(check) = rolled.checks.get_mut(number) else { return };
        let answered = check.answer(vitals.now, outcome, panicked);
        rolled.changed();
        // Before anybody can see the answer.
        self.own.answered(number, answered, panicked);
        drop(rolled);
        self.prepare(&vitals, None);
    }

    /// Waits; whether the threads are to end.
    pub(super) fn rest(&self, interval: Duration) -> bool {
        const LONG: Duration = Duration::from_secs(86_400);
        // None: further away than the clock can tell.
        let due = Instant::now().checked_add(interval);
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = due.map_or(LONG, |due| due.saturating_duration_since(Instant::now()));
            if *stop || left.is_zero() {
                return *stop;
            }
            stop = self.stopping.wait_timeout(stop, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn stop(&self) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopping.notify_all();
    }

    pub(super) fn keep_calls(&self, calls: Vec<Call>) {
        *self.calls.lock().unwrap_or_else(PoisonError::into_inner) = calls;
    }

    /// Asks each check that has no thread.
    pub(super) fn run_checks(&self) {
        if self.is_foreign() {
            return;
        }
        // A check that has all checks run, and whoever comes while they run, need not wait.
        let Ok(mut calls) = self.calls.try_lock() else { return };
        for (number, call) in calls.iter_mut().enumerate() {
            if self.begin(number) {
                let (outcome, panicked) = ask(call);
                self.answered(number, outcome, panicked);
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// What is wrong, in a line: the components that are not healthy.
fn why(prepared: &Prepared) -> Option<String> {
    let mut line = String::new();
    for component in &prepared.components {
        if component.state > HealthState::Healthy {
            let comma = if line.is_empty() { "" } else { ", " };
            // Writing to a string does not fail.
            let _ = write!(line, "{comma}{} is {}", component.name, component.state);
        }
    }
    if prepared.rules_late {
        line.push_str("; rules are no longer evaluated");
    }
    (!line.is_empty()).then_some(line)
}
