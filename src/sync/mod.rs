//! The one place that names atomics: the standard library's in a real build, loom's in a model.
//!
//! Everything else in the crate takes its atomics from here, so that `loom-tests` explores the very code that runs in
//! production. [`barrier`] holds the asymmetric barrier on which the cut rests; [`weaken`] lets a canary model break one
//! ordering on purpose, to prove that the models can fail.

pub(crate) mod barrier;
#[cfg(all(feature = "source", not(tachometer_loom)))]
pub(crate) mod disk;
pub(crate) mod fork_lock;
#[cfg(all(feature = "source", not(tachometer_loom)))]
pub(crate) mod kill;
#[cfg(all(feature = "source", not(tachometer_loom)))]
pub(crate) mod ready;
#[cfg(tachometer_loom)]
mod swap;
#[cfg(all(feature = "process", not(tachometer_loom)))]
pub(crate) mod usage;
pub(crate) mod weaken;

#[cfg(not(tachometer_loom))]
pub(crate) use arc_swap::ArcSwap;
#[cfg(not(tachometer_loom))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(not(tachometer_loom))]
pub(crate) use std::sync::{Condvar, Mutex};

#[cfg(tachometer_loom)]
pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};
#[cfg(tachometer_loom)]
pub(crate) use loom::sync::{Condvar, Mutex};
#[cfg(tachometer_loom)]
pub(crate) use swap::ArcSwap;

pub(crate) use std::sync::atomic::Ordering;
#[cfg(tachometer_loom)]
use weaken::Site;

/// One turn of a wait loop: spins, and under loom lets another thread of the model run.
#[inline]
pub(crate) fn relax() {
    #[cfg(not(tachometer_loom))]
    std::hint::spin_loop();
    #[cfg(tachometer_loom)]
    loom::thread::yield_now();
}

/// Adds to a cell that only the calling thread writes.
///
/// A relaxed load and a relaxed store: no other thread writes the cell, so nothing can come between them, and the
/// compiler makes one `add` to memory of the two. What the cell holds is published by the store to the state word that
/// ends the entry (`shard::entry::leave`), not by this store.
#[inline(always)]
pub(crate) fn bump(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
}

/// Stores in a word that only the calling thread stores in, and that another may exchange meanwhile. Relaxed.
///
/// Under loom a swap: loom does not know that a store which comes after the one that an exchange read comes after the
/// exchange, and would let others see the exchange's value once more. What the swap reads, the fence that follows would
/// acquire; only a hand-over could lean on that, and its canary runs with the plain store.
#[inline(always)]
pub(crate) fn overwrite(word: &AtomicU64, value: u64) {
    #[cfg(not(tachometer_loom))]
    word.store(value, Ordering::Relaxed);
    #[cfg(tachometer_loom)]
    match weaken::is_weak(Site::HandOver) || weaken::is_weak(Site::PlainAnnouncement) {
        true => word.store(value, Ordering::Relaxed),
        false => drop(word.swap(value, Ordering::Relaxed)),
    }
}
