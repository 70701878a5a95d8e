//! The words in which the hook points tell what happened: closed sets and plain views.

use std::time::Duration;

use super::types::NodeId;

/// What a node is in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Not running.
    None,
    Leader,
    Candidate,
    Follower,
    Learner,
}

/// How a campaign of this node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElectionResult {
    Won,
    Lost,
}

/// Whether something came to what it was meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Error,
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SnapshotTrigger {
    /// The log had grown by its limit.
    Size,
    /// The time for one had come.
    Time,
    /// Somebody asked for it.
    Manual,
}

/// Which way a snapshot went, seen from this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Send,
    Receive,
}

/// The calls between nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    AppendEntries,
    Vote,
    InstallSnapshot,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RpcError {
    Timeout,
    /// The peer is not running.
    ConnectionRefused,
    /// A partition is between the two.
    Network,
    /// The peer answered with an error.
    Other,
}

/// Why a follower refused entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    StaleTerm,
    LogInconsistency,
}

/// What became of the membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigChange {
    AddNode,
    RemoveNode,
}

/// A node's state, as read once per observation interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    pub state: NodeState,
    pub term: u64,
    pub leader: Option<NodeId>,
    /// `false` once openraft has stopped on an error.
    pub running: bool,
    pub last_log_index: u64,
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
