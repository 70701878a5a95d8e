//! Ready-made bundles: what consensus engines are asked about, under names that follow Prometheus practice.
//!
//! A bundle is a struct of handles; a host program records through it, whatever library it uses underneath. What each
//! says of itself ([`declare`](crate::declare)) makes panels, alerts and documentation.

pub mod raft;

use crate::declare::Bundle;

/// What all bundles say of themselves, each under its own prefix.
///
/// ```
/// let raft = &tachometer::catalogue::declarations()[0];
/// assert_eq!((raft.title(), raft.prefix()), ("Raft", "raft_"));
/// ```
pub fn declarations() -> Vec<Bundle> {
    vec![raft::RaftMetrics::declaration()]
}
