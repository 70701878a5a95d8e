//! What the tests of a cluster share.

#![allow(dead_code, reason = "each test uses what it needs of this")]

pub mod page;

use std::time::Duration;

use tacho::raft::cluster::Cluster;
use tacho::raft::config::{ClusterConfig, LogKind, NODES};
use tacho::raft::state_machine::State;

/// How long anything that a test waits for may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Starts a cluster.
pub async fn cluster(log: LogKind) -> Cluster {
    cluster_with(ClusterConfig::new(log)).await
}

pub async fn cluster_with(config: ClusterConfig) -> Cluster {
    Cluster::start(config).await.expect("the cluster starts")
}

/// Waits until `condition` is true.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let met = tokio::time::timeout(LIMIT, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    met.await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// Waits until all nodes have applied the same log, and returns the state that they agree on.
pub async fn agreed_state(cluster: &Cluster) -> State {
    let mut agreed = None;
    until("all nodes agree", async || {
        let mut states = Vec::new();
        for id in 1..=NODES {
            states.extend(cluster.state(id).await);
        }
        let is_agreed =
            states.len() == NODES as usize && states.windows(2).all(|pair| pair[0] == pair[1]);
        agreed = states.pop().filter(|_| is_agreed);
        agreed.is_some()
    })
    .await;
    agreed.expect("the wait has ended")
}
