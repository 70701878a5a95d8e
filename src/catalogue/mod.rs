//! Ready-made bundles: what consensus engines and the systems around them are asked about, under names that follow
//! Prometheus practice.
//!
//! A bundle is a struct of handles; a host program records through it, whatever library it uses underneath. What each
//! says of itself ([`declare`](crate::declare)) makes panels, alerts and documentation.

pub mod deployment;
pub mod event_store;
pub mod hotstuff2;
pub mod mixnet;
pub mod node;
pub mod process;
pub mod raft;
pub mod system;

use crate::declare::Bundle;

/// What all bundles say of themselves, each under its own prefix.
///
/// ```
/// let raft = &tachometer::catalogue::declarations()[0];
/// assert_eq!((raft.title(), raft.prefix()), ("Raft", "raft_"));
/// ```
pub fn declarations() -> Vec<Bundle> {
    let mut all = vec![raft::RaftMetrics::declaration()];
    all.extend(hotstuff2::HotStuffMetrics::declarations());
    all.extend([
        event_store::EventStoreMetrics::declaration(),
        event_store::ControlPlaneMetrics::declaration(),
        node::NodeMetrics::declaration(),
        deployment::DeploymentMetrics::declaration(),
        mixnet::MixnetMetrics::declaration(),
        system::SystemMetrics::declaration(),
        process::ProcessMetrics::declaration(),
    ]);
    all
}

/// A quantile of what a histogram recorded within `window`, for each series. In the process, and as native histograms, the
/// first half finds something; scraped as text, the second.
fn quantile(quantile: &str, histogram: &str, window: &str) -> String {
    format!(
        "histogram_quantile({quantile}, rate({histogram}[{window}])) \
         or histogram_quantile({quantile}, rate({histogram}_bucket[{window}]))"
    )
}

/// How many events a counter had in 5 minutes; all of them if it was not there before. A series with the labels of rare
/// events comes with its first one, and `increase` alone would not see that.
fn new_events(counter: &str) -> String {
    format!("({counter} unless {counter} offset 5m) or increase({counter}[5m])")
}
