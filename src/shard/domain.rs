//! What the shards of a process share: the epoch, the list, the shared arena and its guests.
//!
//! One [`Domain`] serves every registry and engine of a process; a model has one of its own.

use super::arena::Arena;
use super::entry::Bank;
use super::guests::Guests;
use super::layout::{BANK, BLOCKS, Shape};
use super::list::{List, Node};
use super::regions::Regions;
use crate::limits::{ARENA_BYTES, MAX_SHARDS, SHARED_ARENA_BYTES};
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, barrier};
use crossbeam_utils::CachePadded;

/// See the module.
#[derive(Debug)]
pub(crate) struct Domain {
    /// The bank that is being written. On a line of its own: every record loads it, only a cut stores it.
    pub(crate) epoch: CachePadded<AtomicUsize>,
    pub(crate) shards: List,
    pub(crate) guests: Guests,
    /// Histograms' places in the shared arena.
    pub(crate) regions: Regions,
    shared: AtomicPtr<Arena>,
}

/// The domain of this process.
#[cfg(not(tachometer_loom))]
pub(crate) static DOMAIN: Domain = Domain {
    epoch: CachePadded::new(AtomicUsize::new(0)),
    shards: List::new(),
    guests: Guests::new(),
    regions: Regions::new(),
    shared: AtomicPtr::new(std::ptr::null_mut()),
};

impl Domain {
    #[cfg(tachometer_loom)]
    pub(crate) fn new() -> Self {
        Domain {
            epoch: CachePadded::new(AtomicUsize::new(0)),
            shards: List::new(),
            guests: Guests::new(),
            regions: Regions::new(),
            shared: AtomicPtr::new(std::ptr::null_mut()),
        }
    }

    /// Sends records to the other bank and returns the one that was left, and whether the barrier held.
    ///
    /// Only under the cutter's lock.
    pub(crate) fn flip(&self) -> (Bank, bool) {
        // Relaxed: the cutter alone stores the epoch.
        let old = self.epoch.load(Ordering::Relaxed);
        // Release, partner `entry::enter` (acquire): hands the bank that stood still, and what the cutter wrote there,
        // back to the writers.
        self.epoch.store(BANK - old, Ordering::Release);
        (old, barrier::heavy())
    }

    /// A shard for the calling thread.
    pub(crate) fn take_shard(&self) -> Option<&'static Node> {
        self.shards.take(arena_bytes(), max_shards())
    }

    /// The shared arena, once [`Domain::open_shared`] made it.
    #[inline(always)]
    pub(crate) fn shared(&self) -> Option<&'static Arena> {
        // Acquire, partner `open_shared`. SAFETY: null, or leaked by `open_shared`.
        unsafe { self.shared.load(Ordering::Acquire).as_ref() }
    }

    /// Reserves the shared arena if that was not done: as large as the address space allows, from
    /// [`SHARED_ARENA_BYTES`] down. Called by each registration, so that no record finds it missing.
    pub(crate) fn open_shared(&self) -> Option<&'static Arena> {
        if let Some(arena) = self.shared() {
            return Some(arena);
        }
        let smallest = BLOCKS + (1 << 20);
        let sizes =
            std::iter::successors(Some(shared_bytes()), |&b| (b / 4 > smallest).then_some(b / 4));
        let arena = sizes.into_iter().find_map(Arena::reserve)?;
        let fresh = Box::into_raw(Box::new(arena));
        let null = std::ptr::null_mut();
        // Release: publishes the arena. Acquire on failure: takes over another thread's.
        match self.shared.compare_exchange(null, fresh, Ordering::Release, Ordering::Acquire) {
            // SAFETY: leaked just now.
            Ok(_) => Some(unsafe { &*fresh }),
            // The loser's reservation stays, untouched: address space, no memory; at most once a racing thread.
            // SAFETY: leaked by the winner.
            Err(first) => Some(unsafe { &*first }),
        }
    }
}

static ARENA: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(ARENA_BYTES);
static SHARDS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(MAX_SHARDS);

/// Bytes of each shard's arena.
pub(crate) fn arena_bytes() -> usize {
    // Relaxed: set before the first shard exists (`configure`).
    ARENA.load(Ordering::Relaxed)
}

/// The largest number of shards.
pub(crate) fn max_shards() -> usize {
    // Relaxed: as above.
    SHARDS.load(Ordering::Relaxed)
}

fn shared_bytes() -> usize {
    if !cfg!(tachometer_loom) {
        return SHARED_ARENA_BYTES;
    }
    // A model has one histogram, or, without room for blocks, none.
    if arena_bytes() == BLOCKS { BLOCKS } else { BLOCKS + Shape::new(2).worst_bytes() }
}

/// Sets the limits of shards; the caller has checked them, and that no shard exists yet.
pub(crate) fn configure(bytes: usize, shards: usize) {
    // Relaxed: read by threads that register later.
    ARENA.store(bytes.clamp(BLOCKS, ARENA_BYTES), Ordering::Relaxed);
    SHARDS.store(shards, Ordering::Relaxed);
}
