//! What `fork` leaves behind: a child with one thread, and memory that was in the middle of something.
//!
//! A child starts from nothing: its shards are zero (the kernel wipes them, or the handler here maps them anew), every
//! shard but the forking thread's is free, and the generation of the process rises so that cutters forget their sums and
//! engines of the parent know that their thread is not here. What the child records therefore never reaches the parent,
//! and never repeats what the parent already reported.
//!
//! Locks: the handlers take the engine's two process-wide locks before the fork and release them after it on both
//! sides, so that the child never finds one held by a thread that does not exist.

#[cfg(not(tachometer_loom))]
pub(crate) use real::{generation, watch};

#[cfg(not(tachometer_loom))]
mod real {
    use crate::shard::{DOMAIN, local};
    use std::sync::Once;
    use std::sync::atomic::{AtomicU64, Ordering};

    static GENERATION: AtomicU64 = AtomicU64::new(0);

    /// How many forks lie between this process and the first one that used the engine.
    pub(crate) fn generation() -> u64 {
        // Relaxed: changed only in a child that has one thread.
        GENERATION.load(Ordering::Relaxed)
    }

    /// Installs the handlers, once.
    pub(crate) fn watch() {
        static WATCHED: Once = Once::new();
        #[cfg(unix)]
        // SAFETY: the handlers are functions for the whole life of the process; `child` calls only what is
        // async-signal-safe.
        WATCHED.call_once(|| unsafe {
            libc::pthread_atfork(Some(prepare), Some(parent), Some(child));
        });
        #[cfg(not(unix))]
        WATCHED.call_once(|| ());
    }

    #[cfg(unix)]
    extern "C" fn prepare() {
        crate::registry::locks::hold();
    }

    #[cfg(unix)]
    extern "C" fn parent() {
        crate::registry::locks::let_go();
    }

    #[cfg(unix)]
    extern "C" fn child() {
        // Relaxed: one thread.
        GENERATION.fetch_add(1, Ordering::Relaxed);
        DOMAIN.shards.iter().for_each(|node| node.arena.wipe());
        if let Some(shared) = DOMAIN.shared() {
            shared.wipe();
        }
        DOMAIN.guests.clear();
        DOMAIN.shards.free_all_but(local::own_node());
        crate::registry::locks::let_go();
    }
}
