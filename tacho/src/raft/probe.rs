//! The hook points: one method for each event that the `raft` catalogue counts or measures.
//!
//! This is the only file that knows how an event becomes a metric. A probe that does not measure
//! costs its callers one branch: it hands out [`Stamp::NONE`] and no clock is read.
//!
//! What happens once for each command is kept cheap: reading the clock takes longer than recording,
//! so one command in `sample_every` (eight, unless configured) is stamped where it is proposed, recorded in one group with
//! the others of its entry, and counts as so many. Everything else happens once for each entry or
//! call, that is, for some hundred commands. Of what every node does for every entry, all is
//! counted, but only one in [`ONE_IN`] is timed.

use std::num::NonZeroU32;
use std::sync::Arc;

use tachometer::{Histogram, Registry, Sampler, group};

use super::handles::Handles;
use super::types::{Command, Entry, NodeId, payload_bytes};
pub use super::vocabulary::{
    ConfigChange, Direction, ElectionResult, FollowerView, LeaderView, NodeState, NodeView,
    Outcome, Rejection, Rpc, RpcError, SnapshotTrigger,
};
use crate::clock::Stamp;

/// One in this many appends, applications and `append_entries` calls is timed.
pub const ONE_IN: NonZeroU32 = NonZeroU32::new(32).unwrap();

/// One in this many of the commands that are timed to their commit is timed until its client has the answer.
pub const ONE_ANSWER_IN: NonZeroU32 = NonZeroU32::new(32).unwrap();

/// One node's hook points. A clone is the same probe.
#[derive(Clone, Debug)]
pub struct NodeProbe {
    handles: Option<Arc<Handles>>,
}

impl NodeProbe {
    /// A probe that measures, into `registry`. Of the commands that it is told of, one in
    /// `sample_every` has a stamp.
    pub fn measuring(
        registry: &Registry,
        node: NodeId,
        sample_every: NonZeroU32,
    ) -> Result<Self, tachometer::Error> {
        Ok(Self { handles: Some(Arc::new(Handles::register(registry, node, sample_every)?)) })
    }

    /// A probe that does nothing.
    pub fn off() -> Self {
        Self { handles: None }
    }

    /// Whether events are recorded; what is only needed for an event may be skipped if not.
    #[inline]
    pub fn is_measuring(&self) -> bool {
        self.handles.is_some()
    }

    /// Now, to hand to a later event; [`Stamp::NONE`] when nothing is measured.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        if self.is_measuring() { Stamp::now() } else { Stamp::NONE }
    }

    /// Now, if this event is one of those that are timed; else [`Stamp::NONE`].
    #[inline]
    pub fn stamp_sampled(&self, sampler: &mut Sampler) -> Stamp {
        if self.is_measuring() && sampler.draw().is_some() { Stamp::now() } else { Stamp::NONE }
    }

    // ---- node and cluster ----

    /// The node has started and serves calls.
    pub fn node_started(&self) {
        if let Some(handles) = &self.handles {
            handles.raft.running.set(1.0);
        }
    }

    /// The node was shut down.
    pub fn node_stopped(&self) {
        if let Some(handles) = &self.handles {
            handles.stopped();
        }
    }

    /// The node's state was read.
    pub fn node_observed(&self, view: &NodeView) {
        if let Some(handles) = &self.handles {
            handles.observe(view);
        }
    }

    /// A cluster member was added or removed by an applied entry.
    pub fn config_changed(&self, change: ConfigChange) {
        if let Some(handles) = &self.handles {
            handles.raft.config_changes.at(change).inc();
        }
    }

    // ---- elections ----

    /// A campaign has `votes` for this node now.
    pub fn vote_received(&self, votes: u64) {
        if let Some(handles) = &self.handles {
            handles.raft.votes_received.set(votes as f64);
        }
    }

    /// A campaign of this node ended.
    pub fn election_finished(&self, result: ElectionResult, started: Stamp) {
        if let Some(handles) = &self.handles {
            let took = Stamp::now().ns_since(started);
            let group = group();
            group.add(handles.raft.elections.at(result), 1);
            group.record(&handles.raft.election_duration, took);
        }
    }

    /// This node has learned of a leader that it did not follow before.
    pub fn leader_changed(&self, leader: NodeId, term: u64) {
        if let Some(handles) = &self.handles {
            handles.raft.leader_changes.inc();
            handles.raft.current_leader.set(leader as f64);
            handles.raft.current_term.set(term as f64);
        }
    }

    // ---- commit ----

    /// `commands`, all of one entry, were found committed at `now`, on the node that leads. One in
    /// `sample_every` has a stamp.
    #[inline]
    pub fn committed(&self, now: Stamp, commands: &[Command]) {
        if let Some(handles) = &self.handles {
            let weight = handles.sample_every.get().into();
            let group = group();
            for command in commands.iter().filter(|command| command.proposed_at != Stamp::NONE) {
                let took = now.ns_since(command.proposed_at);
                group.record_n(&handles.raft.commit_latency, took, weight);
            }
        }
    }

    /// How many commands one application found committed, on the node that leads.
    ///
    /// An entry of the log carries many commands; what elsewhere is an entry is a command here.
    #[inline]
    pub fn committed_together(&self, commands: u64) {
        if let Some(handles) = &self.handles {
            handles.raft.commit_batch.record(commands);
        }
    }

    /// Commands that were proposed here got their answer.
    pub fn proposals_finished(&self, outcome: Outcome, commands: u64) {
        if let Some(handles) = &self.handles {
            handles.raft.proposals.at(outcome).add(commands);
        }
    }

    /// Entries went through the state machine. One in [`ONE_IN`] such events has a stamp.
    #[inline]
    pub fn applied(&self, started: Stamp) {
        self.sampled(|handles| &handles.raft.apply_duration, started, ONE_IN);
    }

    /// A client that proposed here has its answer, retries included. Of those with a stamp, one in
    /// [`ONE_ANSWER_IN`] comes here.
    #[inline]
    pub fn write_finished(&self, first_proposed_at: Stamp) {
        let Some(handles) = &self.handles else { return };
        let one_in = handles.sample_every.saturating_mul(ONE_ANSWER_IN);
        self.sampled(|handles| &handles.write_duration, first_proposed_at, one_in);
    }

    /// Records the time since `started`, if there is a stamp, with weight `one_in`.
    #[inline]
    fn sampled(
        &self,
        which: impl FnOnce(&Handles) -> &Histogram,
        started: Stamp,
        one_in: NonZeroU32,
    ) {
        if started != Stamp::NONE
            && let Some(handles) = &self.handles
        {
            which(handles).record_n(Stamp::now().ns_since(started), one_in.get().into());
        }
    }

    // ---- snapshots ----

    /// A snapshot was taken and stored.
    pub fn snapshot_built(&self, trigger: SnapshotTrigger, bytes: u64, started: Stamp) {
        if let Some(handles) = &self.handles {
            let took = Stamp::now().ns_since(started);
            let group = group();
            group.add(handles.raft.snapshots_created.at(trigger), 1);
            group.record(&handles.raft.snapshot_create_duration, took);
            group.record(&handles.raft.snapshot_size, bytes);
        }
    }

    /// A snapshot from the leader replaced the state.
    pub fn snapshot_installed(&self, started: Stamp) {
        if let Some(handles) = &self.handles {
            handles.raft.snapshot_apply_duration.record(Stamp::now().ns_since(started));
        }
    }

    /// A snapshot's transfer ended.
    pub fn snapshot_transferred(&self, direction: Direction, outcome: Outcome) {
        if let Some(handles) = &self.handles {
            handles.raft.snapshot_transfers.at((direction, outcome)).inc();
        }
    }

    // ---- calls ----

    /// A call to `peer` ended. Its time counts `weight` times; zero if it is none of the sample.
    /// Only one that was answered says how long an answer takes.
    pub fn rpc_finished(
        &self,
        rpc: Rpc,
        peer: NodeId,
        result: Result<(), RpcError>,
        started: Stamp,
        weight: u32,
    ) {
        let Some(handles) = &self.handles else { return };
        let Some(peer) = handles.peer(peer) else { return };
        let requests = peer.metrics.requests(rpc);
        match result {
            Ok(()) => {
                requests.ok.inc();
                peer.answered(started);
                if weight > 0 {
                    let took = Stamp::now().ns_since(started);
                    handles.raft.rpc_duration.at(rpc).record_n(took, weight.into());
                }
            }
            Err(error) => requests.failed(error),
        }
    }

    /// `entries` are on their way to `peer`; a heartbeat has none.
    pub fn append_entries_sent(&self, peer: NodeId, entries: &[Entry]) {
        if let Some(peer) = self.handles.as_ref().and_then(|handles| handles.peer(peer)) {
            let group = group();
            group.add(&peer.metrics.append_entries_sent, 1);
            let bytes = entries.iter().map(payload_bytes).sum();
            group.add(&peer.metrics.append_entries_sent_bytes, bytes);
        }
    }

    /// Entries came from `peer`, the leader.
    pub fn append_entries_received(&self, peer: NodeId) {
        if let Some(peer) = self.handles.as_ref().and_then(|handles| handles.peer(peer)) {
            peer.metrics.append_entries_received.inc();
        }
    }

    /// This node refused the leader's entries.
    pub fn append_entries_rejected(&self, reason: Rejection) {
        if let Some(handles) = &self.handles {
            handles.raft.append_entries_rejected.at(reason).inc();
        }
    }

    // ---- log ----

    /// Entries were appended and are durable, as far as the kind of log promises. One in
    /// [`ONE_IN`] such events has a stamp.
    #[inline]
    pub fn log_appended(&self, started: Stamp) {
        self.sampled(|handles| &handles.raft.log_append_duration, started, ONE_IN);
    }

    /// Entries that a snapshot holds were removed from the log.
    pub fn log_compacted(&self) {
        if let Some(handles) = &self.handles {
            handles.raft.log_compactions.inc();
        }
    }
}
