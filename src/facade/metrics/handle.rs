//! What the macros' handles hold: a place in the engine that can go while it is idle, and comes back with the next record.
//!
//! With an [idle timeout](super::Recorder::idle_timeout) a series goes through these states, stepped by the sweep after each
//! cut (S) and by a record that finds the place taken back (R):
//!
//! *held* → idle for the timeout, S takes the place back → *leaving* → a complete cut that began since shows nothing new: S
//! takes the series off the registry → *gone*. R: *leaving* → *held*, with the same place; *gone* → *held*, with a fresh
//! one, from zero. A record looks at its place inside its entry (see [`crate::record::lease`]), so that it is either part
//! of the cut that lets the series go, which then stays, or finds the place taken back and brings the series back first:
//! none is lost.

use super::super::names::{Made, Measure, Names};
use crate::record::family::Metric;
use crate::record::lease::Lease;
use crate::registry::sweep::Generation;
use crate::registry::{Bound, Precision};
use crate::shard::layout::Shape;
use crate::{Counter, Gauge, Histogram, Kind};
use metrics::{CounterFn, GaugeFn, HistogramFn, Key};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// The handle of one series of the type `M`.
// What a record reads stands in a line of its own, apart from the number of owners, which each macro changes.
#[repr(align(64))]
pub(super) struct Handle<M> {
    lease: Lease,
    scale: f64,
    shape: Shape,
    /// Whether the series can go.
    expires: bool,
    /// Of a gauge that can go: whether it was written since the last sweep.
    touched: AtomicBool,
    /// The largest value that a counter's `absolute` was given.
    absolute: AtomicU64,
    names: Arc<Names>,
    pub(super) key: Key,
    tenure: Mutex<Tenure>,
    metric: PhantomData<fn() -> M>,
}

#[derive(Debug)]
struct Tenure {
    /// The place; `None` when it is gone.
    bound: Option<Bound>,
    /// The place is taken back, and not given up yet.
    leaving: bool,
    /// What stood there at the last generation, and when that last changed; zero: not seen yet.
    value: u64,
    active: Duration,
}

impl<M> fmt::Debug for Handle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("key", &self.key).field("lease", &self.lease).finish()
    }
}

impl<M: Metric> Handle<M> {
    pub(super) fn new(key: Key, made: Made<Bound>, names: Arc<Names>, expires: bool) -> Self {
        Handle {
            lease: Lease::new(made.metric.slot),
            scale: made.measure.scale,
            shape: Precision::Two.shape(),
            expires,
            touched: AtomicBool::new(false),
            absolute: AtomicU64::new(0),
            names,
            key,
            tenure: Mutex::new(Tenure::of(made.metric)),
            metric: PhantomData,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tenure> {
        self.tenure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.key.labels().map(|label| (label.key(), label.value()))
    }

    /// Does `record` as soon as there is a place for it.
    #[cold]
    #[inline(never)]
    fn again(&self, record: impl Fn() -> bool) {
        while !record() {
            if !self.come_back() {
                return self.names.refused.conflict.inc();
            }
        }
    }

    /// Brings the series back; `false` if the registry has something else in its place now.
    fn come_back(&self) -> bool {
        let mut tenure = self.lock();
        let slot = match &tenure.bound {
            Some(bound) => bound.slot,
            None => {
                let Some(made) = self.names.bound(M::KIND, self.key.name(), self.labels()) else {
                    return false;
                };
                let counted = tenure.value;
                let slot = made.metric.slot;
                *tenure = Tenure::of(made.metric);
                self.lease.renew(slot);
                // Relaxed: only whether `absolute` was ever called. What it had added stands in its way no longer.
                if M::KIND == Kind::Counter && self.absolute.load(Ordering::Relaxed) > 0 {
                    self.lease.add(counted);
                }
                slot
            }
        };
        tenure.leaving = false;
        self.lease.renew(slot);
        true
    }

    /// Whether the series has gone for now.
    pub(super) fn is_gone(&self) -> bool {
        self.lock().bound.is_none()
    }

    /// A step of the series, after a generation; `true` when it has gone.
    pub(super) fn step(&self, idle: Duration, generation: &Generation<'_>) -> bool {
        // Whoever has the lock may be waiting for the cutter.
        let mut tenure = match self.tenure.try_lock() {
            Ok(tenure) => tenure,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        let Some(bound) = &tenure.bound else { return true };
        let now = generation.now.max(Duration::from_nanos(1));
        let (slot, before) = (bound.slot, tenure.value);
        let changed = match M::KIND {
            // Relaxed: written inside an entry; what a complete cut has waited for is seen.
            Kind::Gauge => self.touched.swap(false, Ordering::Relaxed),
            kind => {
                tenure.value = (generation.value)(slot, kind);
                tenure.value != before
            }
        };
        if changed || tenure.active == Duration::ZERO {
            tenure.active = now;
            self.stay(&mut tenure, slot);
        } else if tenure.leaving && generation.complete {
            let bound = tenure.bound.take().expect("looked at above");
            if self.names.forget(self.key.name(), self.labels(), &bound) {
                return true;
            }
            // Somebody else has the series too, or the names are in use.
            tenure.bound = Some(bound);
            self.stay(&mut tenure, slot);
        } else if !tenure.leaving && generation.now.saturating_sub(tenure.active) >= idle {
            tenure.leaving = true;
            self.lease.revoke();
        }
        false
    }

    fn stay(&self, tenure: &mut Tenure, slot: usize) {
        if std::mem::take(&mut tenure.leaving) {
            self.lease.renew(slot);
        }
    }
}

impl Tenure {
    fn of(bound: Bound) -> Tenure {
        Tenure { bound: Some(bound), leaving: false, value: 0, active: Duration::ZERO }
    }
}

impl CounterFn for Handle<Counter> {
    fn increment(&self, value: u64) {
        if !self.lease.add(value) {
            self.again(move || self.lease.add(value));
        }
    }

    fn absolute(&self, value: u64) {
        // Relaxed: one word, and each step of it is added by the thread that made the step.
        let before = self.absolute.fetch_max(value, Ordering::Relaxed);
        self.increment(value.saturating_sub(before));
    }
}

impl Handle<Gauge> {
    #[inline(always)]
    fn write(&self, write: impl Fn(crate::record::gauge::GaugeRef<'_>)) {
        match self.expires {
            false => write(self.lease.gauge()),
            true => self.write_touching(write),
        }
    }

    #[inline(never)]
    fn write_touching(&self, write: impl Fn(crate::record::gauge::GaugeRef<'_>)) {
        let record = || {
            self.lease.write(|gauge| {
                write(gauge);
                // Relaxed: published by the end of the entry. Loaded first, to leave the line with its other readers.
                if !self.touched.load(Ordering::Relaxed) {
                    self.touched.store(true, Ordering::Relaxed);
                }
            })
        };
        if !record() {
            self.again(record);
        }
    }
}

impl GaugeFn for Handle<Gauge> {
    fn increment(&self, value: f64) {
        self.write(|gauge| gauge.add(value));
    }

    fn decrement(&self, value: f64) {
        self.write(|gauge| gauge.add(-value));
    }

    fn set(&self, value: f64) {
        self.write(|gauge| gauge.set(value));
    }
}

impl Handle<Histogram> {
    #[inline(always)]
    fn record_n(&self, value: f64, n: u64) {
        match Measure::scaled(value, self.scale) {
            Some(recorded) => {
                if !self.lease.record(self.shape, recorded, n) {
                    self.again(move || self.lease.record(self.shape, recorded, n));
                }
            }
            None => self.refuse(n),
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, n: u64) {
        self.names.refused.value.add(n);
    }
}

impl HistogramFn for Handle<Histogram> {
    fn record(&self, value: f64) {
        self.record_n(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.record_n(value, count as u64);
    }
}

/// Counts what is recorded through a handle that could not be had.
pub(super) struct Refused(pub(super) Counter);

impl CounterFn for Refused {
    fn increment(&self, _: u64) {
        self.0.inc();
    }

    fn absolute(&self, _: u64) {
        self.0.inc();
    }
}

impl GaugeFn for Refused {
    fn increment(&self, _: f64) {
        self.0.inc();
    }

    fn decrement(&self, _: f64) {
        self.0.inc();
    }

    fn set(&self, _: f64) {
        self.0.inc();
    }
}

impl HistogramFn for Refused {
    fn record(&self, _: f64) {
        self.0.inc();
    }
}
