//! Does a slot that a thread remembered still belong to its series?
//!
//! Threads remember the slots of a family's series so that a look-up needs no lock. When a series expires, its slot is
//! taken back without asking them. Each family has a *tenancy*: a version that rises whenever one of its slots is taken
//! back. A thread compares it inside its entry, after the announcement, with the version under which it learnt the slot.
//!
//! The pattern is the cut's own. The thread: announce, light barrier, load the version. The aggregator: raise the
//! version, then cut (flip, heavy barrier, wait). A record whose load missed the raise had announced itself before the
//! barrier, so the cut waits for it: once a cut that began after the raise is complete, nobody writes the slot any more,
//! and that cut has everything that was ever recorded there. Only then are both banks zeroed and the slot given out.
//!
//! A [`Lease`] is the same for one slot in a handle that is kept: the slot itself stands in the place of the version, and
//! zero in the place of the raise. Whoever finds the zero asks, under a lock, for the slot back or for another.

#[cfg(any(feature = "metrics", tachometer_loom))]
use crate::sync::AtomicUsize;
use crate::sync::weaken::{Site, is_weak};
use crate::sync::{AtomicU64, Ordering};

/// The version of a family's slots.
#[derive(Debug)]
pub(crate) struct Tenancy(AtomicU64);

impl Tenancy {
    #[cfg(not(tachometer_loom))]
    pub(crate) const fn new() -> Self {
        Tenancy(AtomicU64::new(1))
    }

    #[cfg(tachometer_loom)]
    pub(crate) fn new() -> Self {
        Tenancy(AtomicU64::new(1))
    }

    /// The version now. Called inside an entry, or under the registry's lock.
    #[inline(always)]
    pub(crate) fn version(&self) -> u64 {
        // Relaxed: ordered after the announcement by the asymmetric barrier that `entry::enter` contains; what the
        // version guards is ordered by the cut, as told above.
        self.0.load(Ordering::Relaxed)
    }

    /// Whether slots learnt under `version` are still valid, for the entry that the caller is in.
    #[inline(always)]
    pub(crate) fn valid(&self, version: u64) -> bool {
        self.version() == version || is_weak(Site::Tenancy)
    }

    /// Ends the validity of every remembered slot of the family. Called under the registry's lock, before a cut.
    pub(crate) fn revoke(&self) {
        // Relaxed: ordered before the cut's loads of the state words by its heavy barrier.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
}

/// A slot that can be taken back while a handle has it. Zero: taken back.
#[cfg(any(feature = "metrics", tachometer_loom))]
#[derive(Debug)]
pub(crate) struct Lease(AtomicUsize);

#[cfg(any(feature = "metrics", tachometer_loom))]
impl Lease {
    pub(crate) fn new(slot: usize) -> Self {
        Lease(AtomicUsize::new(slot))
    }

    /// The slot, for the entry that the caller is in.
    #[inline(always)]
    pub(crate) fn slot(&self) -> usize {
        // Relaxed: ordered after the announcement by the asymmetric barrier that `entry::enter` contains; what stands at
        // the slot is published by the epoch.
        self.0.load(Ordering::Relaxed)
    }

    /// Takes the slot back. Before a cut, whose completion ends the last record there.
    pub(crate) fn revoke(&self) {
        if !is_weak(Site::Lease) {
            // Relaxed: ordered before the cut's loads of the state words by its heavy barrier.
            self.0.store(0, Ordering::Relaxed);
        }
    }

    /// Gives a slot: the one that was taken back but never given up, or a fresh one.
    pub(crate) fn renew(&self, slot: usize) {
        // Relaxed: as in `slot`.
        self.0.store(slot, Ordering::Relaxed);
    }
}
