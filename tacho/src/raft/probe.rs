//! The hook points: one method for each event that the `raft` catalogue counts or measures.
//!
//! This is the only file that knows how an event becomes a metric. A probe that does not measure
//! costs its callers one branch: it hands out [`Stamp::NONE`] and no clock is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::types::NodeId;
pub use super::vocabulary::{
    ConfigChange, Direction, ElectionResult, FollowerView, LeaderView, NodeState, NodeView,
    Outcome, Rejection, Rpc, RpcError, SnapshotTrigger,
};
use crate::clock::{self, Stamp};

/// One node's hook points. A clone is the same probe.
#[derive(Clone, Debug)]
pub struct NodeProbe {
    events: Option<Arc<EventCounts>>,
}

impl NodeProbe {
    /// A probe that measures.
    pub fn measuring(_node: NodeId) -> Self {
        Self { events: Some(Arc::default()) }
    }

    /// A probe that does nothing.
    pub fn off() -> Self {
        Self { events: None }
    }

    /// Whether events are recorded; what is only needed for an event may be skipped if not.
    pub fn is_measuring(&self) -> bool {
        self.events.is_some()
    }

    /// Now, to hand to a later event; [`Stamp::NONE`] when nothing is measured.
    pub fn stamp(&self) -> Stamp {
        if self.is_measuring() { clock::now() } else { Stamp::NONE }
    }

    // ---- node and cluster ----

    /// The node has started and serves calls.
    pub fn node_started(&self) {
        self.count(Event::NodeStarted);
    }

    /// The node was shut down.
    pub fn node_stopped(&self) {
        self.count(Event::NodeStopped);
    }

    /// The node's state was read.
    pub fn node_observed(&self, _view: &NodeView) {
        self.count(Event::NodeObserved);
    }

    /// The commit index rose by `entries`, all committed at once.
    pub fn commit_index_rose(&self, _index: u64, _entries: u64) {
        self.count(Event::CommitIndexRose);
    }

    /// A cluster member was added or removed by an applied entry.
    pub fn config_changed(&self, _change: ConfigChange) {
        self.count(Event::ConfigChanged);
    }

    // ---- elections ----

    /// A peer granted its vote; `votes` of this campaign are for this node now.
    pub fn vote_received(&self, _votes: u64) {
        self.count(Event::VoteReceived);
    }

    /// A campaign of this node ended.
    pub fn election_finished(&self, _result: ElectionResult, _started: Stamp) {
        self.count(Event::ElectionFinished);
    }

    /// This node has learned of a leader that it did not follow before.
    pub fn leader_changed(&self, _leader: NodeId, _term: u64) {
        self.count(Event::LeaderChanged);
    }

    // ---- replication ----

    /// `peer` confirmed a call; `oldest` is the oldest command that came with it, if any did.
    pub fn follower_acked(&self, _peer: NodeId, _matched_index: u64, _oldest: Option<Stamp>) {
        self.count(Event::FollowerAcked);
    }

    // ---- commit ----

    /// A command was found committed at `now`, on the node that leads.
    pub fn committed(&self, _now: Stamp, _proposed_at: Stamp) {
        self.count(Event::Committed);
    }

    /// Commands that were proposed here got their answer: committed, or refused.
    pub fn proposals_finished(&self, _outcome: Outcome, _commands: u64) {
        self.count(Event::ProposalsFinished);
    }

    /// Entries went through the state machine.
    pub fn applied(&self, _entries: u64, _started: Stamp) {
        self.count(Event::Applied);
    }

    /// A client that proposed here has its answer, retries included.
    pub fn write_finished(&self, _first_proposed_at: Stamp) {
        self.count(Event::WriteFinished);
    }

    // ---- snapshots ----

    /// A snapshot was taken and stored.
    pub fn snapshot_built(&self, _trigger: SnapshotTrigger, _bytes: u64, _started: Stamp) {
        self.count(Event::SnapshotBuilt);
    }

    /// A snapshot from the leader replaced the state.
    pub fn snapshot_installed(&self, _bytes: u64, _started: Stamp) {
        self.count(Event::SnapshotInstalled);
    }

    /// A snapshot's transfer ended.
    pub fn snapshot_transferred(&self, _direction: Direction, _outcome: Outcome) {
        self.count(Event::SnapshotTransferred);
    }

    // ---- calls ----

    /// A call to `peer` ended.
    pub fn rpc_finished(
        &self,
        _rpc: Rpc,
        _peer: NodeId,
        _result: Result<(), RpcError>,
        _started: Stamp,
    ) {
        self.count(Event::RpcFinished);
    }

    /// Entries are on their way to `peer`; a heartbeat has none.
    pub fn append_entries_sent(&self, _peer: NodeId, _entries: u64, _bytes: u64) {
        self.count(Event::AppendEntriesSent);
    }

    /// Entries came from `peer`, the leader.
    pub fn append_entries_received(&self, _peer: NodeId, _entries: u64) {
        self.count(Event::AppendEntriesReceived);
    }

    /// This node refused the leader's entries.
    pub fn append_entries_rejected(&self, _reason: Rejection) {
        self.count(Event::AppendEntriesRejected);
    }

    // ---- log ----

    /// Entries were appended and are durable, as far as the kind of log promises.
    pub fn log_appended(&self, _entries: u64, _bytes: u64, _started: Stamp) {
        self.count(Event::LogAppended);
    }

    /// Entries that a snapshot holds were removed from the log.
    pub fn log_compacted(&self, _entries: u64) {
        self.count(Event::LogCompacted);
    }

    /// How often `event` happened; 0 when nothing is measured.
    pub fn occurrences(&self, event: Event) -> u64 {
        // Relaxed: a statistic that publishes nothing else.
        self.events.as_ref().map_or(0, |events| events.0[event as usize].load(Ordering::Relaxed))
    }

    #[inline]
    fn count(&self, event: Event) {
        if let Some(events) = &self.events {
            // Relaxed: a statistic that publishes nothing else.
            events.0[event as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The events, one for each method of [`NodeProbe`] that reports one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    NodeStarted,
    NodeStopped,
    NodeObserved,
    CommitIndexRose,
    ConfigChanged,
    VoteReceived,
    ElectionFinished,
    LeaderChanged,
    FollowerAcked,
    Committed,
    ProposalsFinished,
    Applied,
    WriteFinished,
    SnapshotBuilt,
    SnapshotInstalled,
    SnapshotTransferred,
    RpcFinished,
    AppendEntriesSent,
    AppendEntriesReceived,
    AppendEntriesRejected,
    LogAppended,
    LogCompacted,
}

const EVENTS: usize = Event::LogCompacted as usize + 1;

#[derive(Debug, Default)]
struct EventCounts([AtomicU64; EVENTS]);
