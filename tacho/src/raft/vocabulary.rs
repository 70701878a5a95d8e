//! The words in which the hook points tell what happened: the catalogue's closed sets, and what is
//! read of a node at an interval.

use std::time::Duration;

pub use tachometer::catalogue::raft::{
    ConfigChange, Direction, ElectionResult, NodeState, Outcome, Rejection, Rpc, RpcError,
    SnapshotTrigger,
};

use super::types::NodeId;

/// A node's state, as read once per observation interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// What each member is, as far as this node knows, itself included.
    pub nodes: Vec<(NodeId, NodeState)>,
    pub term: u64,
    pub leader: Option<NodeId>,
    /// `false` once openraft has stopped on an error.
    pub running: bool,
    pub last_log_index: u64,
    pub commit_index: u64,
    pub last_applied: u64,
    pub snapshot_index: u64,
    pub purged_index: u64,
    pub log_entries: u64,
    pub log_bytes: u64,
    pub cluster_size: u64,
    /// What only a leader knows.
    pub leading: Option<LeaderView>,
}

/// What a leader knows of its followers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderView {
    /// The highest index that a majority holds.
    pub quorum_acked_index: u64,
    /// Nodes, the leader included, that are close to the log's end.
    pub in_sync: u64,
    pub followers: Vec<FollowerView>,
}

/// What a leader knows of one follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerView {
    pub peer: NodeId,
    pub matched_index: u64,
    pub lag_entries: u64,
    /// The age of the oldest command that the follower lacks; zero when it lacks none.
    pub lag: Duration,
}
