//! The handles that a host program records through.
//!
//! A handle is a slot: where in each thread's shard its cells stand. `static` handles learn theirs on first use, in the
//! global registry; handles from a [`Registry`](crate::Registry) are born with it. Either way a record is the same few
//! instructions: the thread's pointer, the entry, one bump, the end of the entry (see [`crate::shard`] for why that is
//! enough). Recording never fails, blocks, panics, or (after a thread's first record) allocates.

pub(crate) mod builder;
pub(crate) mod bundle;
pub(crate) mod clock;
pub(crate) mod counter;
pub(crate) mod family;
pub(crate) mod gauge;
pub(crate) mod group;
pub(crate) mod handle;
pub(crate) mod histogram;
#[cfg(feature = "metrics")]
pub(crate) mod lease;
pub(crate) mod sampler;
pub(crate) mod state_set;
pub(crate) mod timer;
pub(crate) mod updown;
