//! Canaries: in a model, one named ordering can be weakened to show that the model would notice.
//!
//! A model that passes proves little until the same model fails on broken code. Each protocol names the sites its
//! correctness rests on; a canary in `loom-tests` weakens one and must see the model fail. In a real build every
//! function here is a constant that the optimizer removes.

use super::Ordering;

/// An ordering (or a fence) that a protocol rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(tachometer_loom), allow(dead_code))]
pub enum Site {
    /// Nothing is weakened.
    None,
    /// Nothing is weakened, and the announcement is the plain store that it is in production ([`super::overwrite`]): for
    /// models in which no cut runs meanwhile.
    PlainAnnouncement,
    /// The heavy half of the asymmetric barrier, in the cut.
    HeavyBarrier,
    /// The release store that ends an entry (`shard::entry::leave`).
    Leave,
    /// The acquire load of the epoch that begins an entry (`shard::entry::enter`).
    EpochLoad,
    /// The release store that frees a shard (`shard::list::release`).
    HandOver,
    /// The bit in a head's mask that publishes an octave's block (`shard::octave`).
    OctavePublish,
    /// A guest's second look at the epoch (`shard::guests::enter`).
    GuestRecheck,
    /// The release by which a guest counts itself out (`shard::guests::leave`).
    GuestLeave,
    /// The check of a series' tenancy inside the entry (`shard::tenancy`).
    Tenancy,
    /// The zero by which a slot is taken back from a handle that is kept (`shard::tenancy`).
    Lease,
    /// The swap of a snapshot (`aggregate::publish`).
    Publish,
    /// The pass through the lock between a publication and its bell (`aggregate::publish`).
    Bell,
    /// Zeroing both banks before a slot is given out again.
    ZeroBothBanks,
    /// The release that links a new shard into the list.
    Register,
    /// That the cut turns a state word into `IDLE` only if it is still what was read (`shard::entry::observe`).
    IdleExchange,
    /// The second turn of a cut that follows an incomplete one (`aggregate::cutter`).
    SecondTurn,
}

#[cfg(tachometer_loom)]
thread_local! {
    static WEAK: std::cell::Cell<Site> = const { std::cell::Cell::new(Site::None) };
}

/// Weakens one site for the models that this thread runs from now on (loom runs all threads of a model on one).
#[cfg(tachometer_loom)]
pub fn set(site: Site) {
    WEAK.set(site);
}

/// Whether `site` is to be weakened now.
#[inline(always)]
pub(crate) fn is_weak(site: Site) -> bool {
    #[cfg(tachometer_loom)]
    return WEAK.get() == site;
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
