//! Where each histogram's blocks stand in the shared arena.
//!
//! With its slot, the registry gives a histogram a *region* of the shared arena, with a place for every octave in both
//! banks. So a value that its shard has no room for always finds a place, and threads that see an octave first at the same
//! time have nothing to race for: they write the same entry in the directory. (A shard's own blocks are allotted as they
//! are needed; there nobody races, and no room is promised.)
//!
//! Kept outside the arena, which a forked child finds zero.

use crate::limits::MAX_HISTOGRAMS;
use crate::sync::{AtomicU32, Ordering};

/// The regions, by the histogram's index.
#[derive(Debug)]
pub(crate) struct Regions([AtomicU32; MAX_HISTOGRAMS]);

impl Regions {
    #[cfg(not(tachometer_loom))]
    pub(crate) const fn new() -> Self {
        Regions([const { AtomicU32::new(0) }; MAX_HISTOGRAMS])
    }

    #[cfg(tachometer_loom)]
    pub(crate) fn new() -> Self {
        Regions(std::array::from_fn(|_| AtomicU32::new(0)))
    }

    /// Sets where the region of histogram `index` begins. Before its slot is given out, once for all.
    pub(crate) fn set(&self, index: usize, offset: usize) {
        // Relaxed: whoever has the slot got it from the registry, which published this with it.
        self.0[index].store(offset as u32, Ordering::Relaxed);
    }

    /// Where the region of histogram `index` begins.
    pub(crate) fn of(&self, index: usize) -> usize {
        // Relaxed: as above.
        self.0[index].load(Ordering::Relaxed) as usize
    }
}
