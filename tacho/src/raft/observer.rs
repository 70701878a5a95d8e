//! Reads a node's state at an interval: the gauges, and whether the log has become too heavy.
//!
//! openraft's metrics channel is read, never waited on: it changes with every entry.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openraft::ServerState;
use tokio::time::MissedTickBehavior;

use super::config::{ClusterConfig, ENTRIES_KEPT_BEHIND_SNAPSHOT};
use super::log::LogHandle;
use super::probe::{FollowerView, LeaderView, NodeProbe, NodeState, NodeView, SnapshotTrigger};
use super::state_machine::StateHandle;
use super::types::{LogId, NodeId, Raft, RaftMetrics, proposed_at};

/// How often a node is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// A follower that lacks no more entries than this is in sync.
const IN_SYNC_ENTRIES: u64 = 1_000;

/// Looks at one node.
pub struct Observer {
    pub node: NodeId,
    pub config: Arc<ClusterConfig>,
    pub raft: Raft,
    pub log: LogHandle,
    pub state: StateHandle,
    pub probe: NodeProbe,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Observer {
    /// Looks until the task is aborted.
    pub async fn run(self) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let metrics = self.raft.metrics();
        loop {
            ticks.tick().await;
            let seen = metrics.borrow().clone();
            if self.probe.is_measuring() {
                self.probe.node_observed(&self.view(&seen));
            }
            if self.is_log_too_heavy(&seen) {
                self.state.expect_snapshot(SnapshotTrigger::Size);
                // An error means that the node is stopping, and then so does this task.
                let _ = self.raft.trigger().snapshot().await;
            }
        }
    }

    fn is_log_too_heavy(&self, seen: &RaftMetrics) -> bool {
        let since_snapshot = index(seen.last_applied).saturating_sub(index(seen.snapshot));
        since_snapshot > ENTRIES_KEPT_BEHIND_SNAPSHOT
            && self.log.look(|log| log.bytes()) > self.config.snapshot_after_bytes
    }

    fn view(&self, seen: &RaftMetrics) -> NodeView {
        let (log_entries, log_bytes) = self.log.look(|log| (log.len() as u64, log.bytes()));
        NodeView {
            nodes: self.members(seen),
            term: seen.current_term,
            leader: seen.current_leader,
            running: seen.running_state.is_ok(),
            last_log_index: seen.last_log_index.unwrap_or(0),
            commit_index: self.log.commit_index(),
            last_applied: index(seen.last_applied),
            snapshot_index: index(seen.snapshot),
            purged_index: index(seen.purged),
            log_entries,
            log_bytes,
            cluster_size: seen.membership_config.membership().voter_ids().count() as u64,
            leading: self.leader_view(seen),
        }
    }

    /// What each member is: this node by its own word, the leader by everybody's, others by the
    /// membership.
    fn members(&self, seen: &RaftMetrics) -> Vec<(NodeId, NodeState)> {
        let membership = seen.membership_config.membership();
        let is_voter = |id| membership.voter_ids().any(|voter| voter == id);
        let member = |id| match id {
            _ if id == self.node => (id, state(seen.state)),
            _ if Some(id) == seen.current_leader => (id, NodeState::Leader),
            _ if is_voter(id) => (id, NodeState::Follower),
            _ => (id, NodeState::Learner),
        };
        membership.nodes().map(|(id, ())| member(*id)).collect()
    }

    fn leader_view(&self, seen: &RaftMetrics) -> Option<LeaderView> {
        let replication = seen.replication.as_ref()?;
        let last = seen.last_log_index.unwrap_or(0);
        let follower = |(peer, matched): (&NodeId, &Option<LogId>)| FollowerView {
            peer: *peer,
            matched_index: index(*matched),
            lag_entries: last.saturating_sub(index(*matched)),
            lag: self.lag(matched.map_or(0, |matched| matched.index + 1)),
        };
        let others = replication.iter().filter(|(peer, _)| **peer != self.node);
        let followers: Vec<FollowerView> = others.map(follower).collect();
        let is_close = |follower: &&FollowerView| follower.lag_entries <= IN_SYNC_ENTRIES;
        Some(LeaderView {
            quorum_acked_index: quorum_index(last, &followers),
            in_sync: 1 + followers.iter().filter(is_close).count() as u64,
            followers,
        })
    }

    /// The age of the oldest command at or after `first_missing` that has a stamp, as far as the
    /// log goes back.
    fn lag(&self, first_missing: u64) -> Duration {
        let oldest = self.log.look(|log| {
            let purged = log.purged().map_or(0, |purged| purged.index + 1);
            let first = first_missing.max(purged);
            (first..first + LOOK_AHEAD).map_while(|at| log.entry(at)).find_map(proposed_at)
        });
        let age = |oldest| Duration::from_nanos(self.probe.stamp().ns_since(oldest));
        oldest.map_or(Duration::ZERO, age)
    }
}

/// Entries that are looked through for a command with a stamp.
const LOOK_AHEAD: u64 = 64;

/// The highest index that a majority of the leader, at `last`, and its followers holds.
fn quorum_index(last: u64, followers: &[FollowerView]) -> u64 {
    let matched = followers.iter().map(|follower| follower.matched_index);
    let mut indexes: Vec<u64> = matched.chain([last]).collect();
    indexes.sort_unstable_by(|a, b| b.cmp(a));
    indexes[indexes.len() / 2]
}

fn index(id: Option<LogId>) -> u64 {
    id.map_or(0, |id| id.index)
}

fn state(state: ServerState) -> NodeState {
    match state {
        ServerState::Leader => NodeState::Leader,
        ServerState::Candidate => NodeState::Candidate,
        ServerState::Follower => NodeState::Follower,
        ServerState::Learner => NodeState::Learner,
        ServerState::Shutdown => NodeState::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follower(matched_index: u64) -> FollowerView {
        FollowerView { peer: 2, matched_index, lag_entries: 0, lag: Duration::ZERO }
    }

    #[test]
    fn the_quorum_index_is_what_a_majority_holds() {
        assert_eq!(quorum_index(9, &[]), 9);
        assert_eq!(quorum_index(9, &[follower(3)]), 3);
        assert_eq!(quorum_index(9, &[follower(3), follower(7)]), 7);
        let followers = [follower(1), follower(2), follower(8), follower(5)];
        assert_eq!(quorum_index(9, &followers), 5);
    }
}
