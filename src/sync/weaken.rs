//! Canaries: in a model, one named ordering can be weakened to show that the model would notice.
//!
//! A model that passes proves little until the same model fails on broken code. Each protocol names the sites its
//! correctness rests on; a canary in `loom-tests` weakens one and must see the model fail. In a real build every
//! function here is a constant that the optimizer removes.

use super::Ordering;

/// An ordering (or a fence) that a protocol rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[cfg_attr(not(tachometer_loom), allow(dead_code))]
pub enum Site {
    /// Nothing is weakened.
    None,
    /// The heavy half of the asymmetric barrier, in the cut.
    HeavyBarrier,
    /// The release store that ends an entry (`shard::entry::leave`).
    Leave,
    /// The acquire load of the epoch that begins an entry (`shard::entry::enter`).
    EpochLoad,
    /// The release store that frees a shard (`shard::list::release`).
    HandOver,
    /// The publication of an octave's block in the directory of the shared arena.
    OctavePublish,
    /// A guest's second look at the epoch (`shard::guests::enter`).
    GuestRecheck,
    /// The check of a series' tenancy inside the entry (`shard::tenancy`).
    Tenancy,
    /// The swap of a snapshot (`aggregate::publish`).
    Publish,
    /// Zeroing both banks before a slot is given out again.
    ZeroBothBanks,
    /// The release that links a new shard into the list.
    Register,
}

#[cfg(tachometer_loom)]
static WEAK: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

/// Weakens one site for all models that run after this call, in this process.
#[cfg(tachometer_loom)]
pub fn set(site: Site) {
    WEAK.store(site as usize, Ordering::SeqCst);
}

/// Whether `site` is to be weakened now.
#[inline(always)]
pub(crate) fn is_weak(site: Site) -> bool {
    #[cfg(tachometer_loom)]
    return WEAK.load(Ordering::SeqCst) == site as usize;
    #[cfg(not(tachometer_loom))]
    {
        let _ = site;
        false
    }
}

/// The ordering `strong`, or `Relaxed` where a canary weakened `site`.
#[inline(always)]
pub(crate) fn order(site: Site, strong: Ordering) -> Ordering {
    if is_weak(site) { Ordering::Relaxed } else { strong }
}
