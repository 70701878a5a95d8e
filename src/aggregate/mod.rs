//! From shards to snapshots: the cut, the merge, and the thread that makes a generation of them each interval.

pub(crate) mod cutter;
#[cfg(not(tachometer_loom))]
pub(crate) mod engine;
pub(crate) mod exemplars;
#[cfg(not(tachometer_loom))]
pub(crate) mod generation;
#[cfg(not(tachometer_loom))]
pub(crate) mod own;
pub(crate) mod publish;
#[cfg(not(tachometer_loom))]
pub(crate) mod pulse;
#[cfg(all(feature = "history", not(tachometer_loom)))]
pub(crate) mod subscribe;
pub(crate) mod sums;
#[cfg(not(tachometer_loom))]
pub(crate) mod time;

#[cfg(not(tachometer_loom))]
pub(crate) use generation::reclaim;
