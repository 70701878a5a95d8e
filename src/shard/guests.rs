//! The slow path that keeps the guarantees: recording without a shard of one's own.
//!
//! A thread whose thread-local is gone, a thread beyond the limit of shards, an octave that an arena has no room for:
//! their records go to the *shared arena*, laid out like any shard, with atomic read-modify-writes. A thread that is
//! inside an entry of its own shard may write there at once (the cut waits for that entry). A thread without a shard is
//! a *guest*: it counts itself in at the bank that it is going to write, and checks the epoch once more. Had the epoch
//! moved in between, the cut may have stopped waiting for that bank: the guest counts itself out and tries again.
//!
//! Two counts, one a bank, so that a stream of guests into the new bank cannot hold a cut up: after the flip the old
//! bank's count only falls (but for guests that count themselves in and straight out again).

use super::entry::Bank;
use crate::sync::weaken::{Site, is_weak, order};
use crate::sync::{AtomicU64, AtomicUsize, Ordering};

/// The guests inside, by bank.
#[derive(Debug)]
pub(crate) struct Guests([AtomicU64; 2]);

impl Guests {
    #[cfg(not(tachometer_loom))]
    pub(crate) const fn new() -> Self {
        Guests([AtomicU64::new(0), AtomicU64::new(0)])
    }

    #[cfg(tachometer_loom)]
    pub(crate) fn new() -> Self {
        Guests([AtomicU64::new(0), AtomicU64::new(0)])
    }

    fn count(&self, bank: Bank) -> &AtomicU64 {
        &self.0[(bank != 0) as usize]
    }

    /// Counts the calling thread in; returns the bank to write.
    pub(crate) fn enter(&self, epoch: &AtomicUsize) -> Bank {
        loop {
            // Relaxed: only a guess, confirmed below.
            let bank = epoch.load(Ordering::Relaxed);
            // SeqCst: a store-buffering pair with `Domain::flip`'s store of the epoch and the cut's load of the count,
            // completed by the fence below on this side and by `barrier::heavy` on the other.
            self.count(bank).fetch_add(1, Ordering::SeqCst);
            crate::sync::fence(Ordering::SeqCst);
            // Acquire, partner `Domain::flip`: as in `entry::enter`.
            if epoch.load(Ordering::Acquire) == bank || is_weak(Site::GuestRecheck) {
                return bank;
            }
            self.leave(bank);
        }
    }

    /// Counts the calling thread out of `bank`.
    pub(crate) fn leave(&self, bank: Bank) {
        // Release, partner `inside` (acquire): the guest's writes are visible to the cut that waited for it.
        self.count(bank).fetch_sub(1, order(Site::GuestLeave, Ordering::Release));
    }

    /// Whether a guest is inside `bank`.
    pub(crate) fn inside(&self, bank: Bank) -> bool {
        // Acquire, partner `leave`; all decrements form one release sequence.
        self.count(bank).load(Ordering::Acquire) != 0
    }

    /// In a forked child: the guests of the parent are not here.
    #[cfg(not(tachometer_loom))]
    pub(crate) fn clear(&self) {
        // Relaxed: the child has one thread.
        self.0.iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }
}
