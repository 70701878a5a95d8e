//! Reads a node's state at an interval and sets the gauges.
//!
//! openraft's metrics channel is read, never waited on: it changes with every entry.

use super::contents::Contents;
use super::members::Peer;
use super::shared::{NO_LEADER, Shared, locked, number};
use crate::catalogue::raft::NodeState;
use openraft::metrics::RaftMetrics as Seen;
use openraft::{AsyncRuntime, LogId, Membership, NodeId, Raft, RaftTypeConfig, ServerState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often a node is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// A follower that lacks no more entries than this is in step.
const IN_STEP_ENTRIES: u64 = 1_000;

/// A peer that has not answered its leader for so long, and for so many heartbeats, is taken to be down.
const SILENCE: Duration = Duration::from_secs(1);
const SILENT_HEARTBEATS: u32 = 5;

type SeenOf<C> = Seen<<C as RaftTypeConfig>::NodeId, <C as RaftTypeConfig>::Node>;
type MembershipOf<C> = Membership<<C as RaftTypeConfig>::NodeId, <C as RaftTypeConfig>::Node>;

/// Follows `raft` on a task of its own, until it stops or is followed anew.
pub(super) fn start<C: RaftTypeConfig, K: Contents<C>>(shared: &Arc<Shared<C, K>>, raft: &Raft<C>) {
    let turn = shared.started();
    let heartbeat = Duration::from_millis(raft.config().heartbeat_interval);
    let silence = SILENCE.max(heartbeat.saturating_mul(SILENT_HEARTBEATS));
    // The receiver alone, so that a node without a handle ends although it is followed.
    let metrics = raft.metrics();
    let look = move || metrics.has_changed().is_ok().then(|| metrics.borrow().clone());
    let shared = shared.clone();
    drop(C::AsyncRuntime::spawn(async move {
        while shared.look(turn, silence, look()) {
            C::AsyncRuntime::sleep(INTERVAL).await;
        }
    }));
}

/// What a leader knows of one follower.
struct Follower {
    matched_index: u64,
    lag_entries: u64,
    /// The age of the oldest entry that it lacks; zero if it lacks none.
    lag: Duration,
}

impl<C: RaftTypeConfig, K: Contents<C>> Shared<C, K> {
    /// The node runs. What was said of it before is over.
    fn started(&self) -> u64 {
        let mut turn = locked(&self.turn);
        *turn += 1;
        self.metrics.running.set(1.0);
        *turn
    }

    /// The node stopped: nobody is left who could tell about the others.
    pub(super) fn stopped(&self) {
        let mut turn = locked(&self.turn);
        *turn += 1;
        self.show_stopped();
    }

    fn show_stopped(&self) {
        self.elections.stopped();
        self.metrics.running.set(0.0);
        self.metrics.current_leader.set(NO_LEADER);
        for (_, member) in self.members.all() {
            member.show(NodeState::None);
        }
        self.show_leading(None, &BTreeMap::new());
    }

    /// Shows what was `seen`; `false` when there will be no more.
    fn look(&self, turn: u64, silence: Duration, seen: Option<SeenOf<C>>) -> bool {
        let current = locked(&self.turn);
        if *current != turn {
            return false;
        }
        let running = seen.filter(|seen| seen.running_state.is_ok());
        match &running {
            Some(seen) => self.show(seen, silence),
            None => self.show_stopped(),
        }
        running.is_some()
    }

    fn show(&self, seen: &SeenOf<C>, silence: Duration) {
        let membership = seen.membership_config.membership();
        let (log_entries, log_bytes) = locked(&self.marks).weight();
        let metrics = &self.metrics;
        metrics.current_term.set(seen.current_term as f64);
        metrics.current_leader.set(seen.current_leader.as_ref().map_or(NO_LEADER, number));
        metrics.last_log_index.set(seen.last_log_index.unwrap_or(0) as f64);
        // openraft 0.9 tells of a commit where it saves it, after a restart not before the next one.
        let last_applied = index(seen.last_applied.as_ref());
        metrics.commit_index.set(self.commit_index().max(last_applied) as f64);
        metrics.last_applied.set(last_applied as f64);
        metrics.snapshot_index.set(index(seen.snapshot.as_ref()) as f64);
        metrics.purged_index.set(index(seen.purged.as_ref()) as f64);
        metrics.log_entries.set(log_entries as f64);
        metrics.log_bytes.set(log_bytes as f64);
        metrics.cluster_size.set(membership.voter_ids().count() as f64);
        self.show_members(seen, membership, silence);
        let followers = self.followers(seen);
        self.show_leading(followers.is_some().then_some(seen), &followers.unwrap_or_default());
    }

    /// Shows what each member is: this node by its own word, the leader by everybody's, others by the membership, as long as
    /// they answer.
    fn show_members(&self, seen: &SeenOf<C>, membership: &MembershipOf<C>, silence: Duration) {
        let voters: BTreeSet<C::NodeId> = membership.voter_ids().collect();
        for (id, _) in membership.nodes() {
            self.members.with(&self.metrics, id, |_| ());
        }
        // A node that knows of no membership yet hears from its leader all the same.
        let is_empty = membership.nodes().next().is_none();
        let is_member = |id: &C::NodeId| membership.get_node(id).is_some();
        self.members.retain(|id| is_empty || *id == self.node || is_member(id));
        let leads = seen.state == ServerState::Leader;
        for (id, member) in self.members.all() {
            let is_silent = leads
                && id != self.node
                && member.peer.get().and_then(Peer::silent_for).is_none_or(|time| time > silence);
            member.show(match id {
                _ if !is_member(&id) || is_silent => NodeState::None,
                _ if id == self.node => state(seen.state),
                _ if Some(&id) == seen.current_leader.as_ref() => NodeState::Leader,
                _ if voters.contains(&id) => NodeState::Follower,
                _ => NodeState::Learner,
            });
        }
    }

    /// What the leader knows of the others; `None` on a node that does not lead.
    fn followers(&self, seen: &SeenOf<C>) -> Option<BTreeMap<C::NodeId, Follower>> {
        let replication = seen.replication.as_ref()?;
        let (marks, last) = (locked(&self.marks), seen.last_log_index.unwrap_or(0));
        let follower = |matched: Option<&LogId<C::NodeId>>| {
            let lag_entries = last.saturating_sub(index(matched));
            let first_missing = matched.map_or(0, |matched| matched.index + 1);
            let age = (lag_entries > 0).then(|| marks.age_ns(first_missing)).flatten();
            let lag = Duration::from_nanos(age.unwrap_or(0));
            Follower { matched_index: index(matched), lag_entries, lag }
        };
        let others = replication.iter().filter(|(id, _)| **id != self.node);
        Some(others.map(|(id, matched)| (id.clone(), follower(matched.as_ref()))).collect())
    }

    /// Shows what only a leader knows; zeros on a node that does not lead.
    fn show_leading(&self, leading: Option<&SeenOf<C>>, followers: &BTreeMap<C::NodeId, Follower>) {
        let largest_lag = followers.values().map(|follower| follower.lag_entries).max();
        self.metrics.max_follower_lag_entries.set(largest_lag.unwrap_or(0) as f64);
        let (acked, in_step) = leading.map_or((0, 0), |seen| {
            let last = seen.last_log_index.unwrap_or(0);
            let matched = |id: &C::NodeId| match followers.get(id) {
                Some(follower) => follower.matched_index,
                None if *id == self.node => last,
                None => 0,
            };
            let membership = seen.membership_config.membership();
            let is_in_step = |f: &&Follower| f.lag_entries <= IN_STEP_ENTRIES;
            let in_step = 1 + followers.values().filter(is_in_step).count();
            (quorum_index(membership.get_joint_config(), matched), in_step)
        });
        self.metrics.isr_size.set(in_step as f64);
        self.metrics.last_quorum_acked_index.set(acked as f64);
        let unix = unix_seconds();
        for (id, member) in self.members.all() {
            let Some(peer) = member.peer.get() else { continue };
            let (metrics, follower) = (&peer.metrics, followers.get(&id));
            metrics.lag_entries.set(follower.map_or(0, |f| f.lag_entries) as f64);
            metrics.lag_seconds.set(follower.map_or(0.0, |f| f.lag.as_secs_f64()));
            metrics.matched_index.set(follower.map_or(0, |f| f.matched_index) as f64);
            if let Some(silent_for) = peer.silent_for() {
                metrics.last_heartbeat.set(unix - silent_for.as_secs_f64());
            }
        }
    }
}

/// The highest index that a majority of each of `configs` holds.
fn quorum_index<N: NodeId>(configs: &[BTreeSet<N>], matched: impl Fn(&N) -> u64) -> u64 {
    let held_by_majority = |voters: &BTreeSet<N>| {
        let mut indexes: Vec<u64> = voters.iter().map(&matched).collect();
        indexes.sort_unstable_by(|a, b| b.cmp(a));
        indexes.get(indexes.len() / 2).copied().unwrap_or(0)
    };
    configs.iter().map(held_by_majority).min().unwrap_or(0)
}

fn index<N: NodeId>(id: Option<&LogId<N>>) -> u64 {
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

fn unix_seconds() -> f64 {
    // A clock before 1970 shows as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quorum_index_is_what_a_majority_of_each_config_holds() {
        let matched = |id: &u64| id * 10;
        let config = |ids: &[u64]| ids.iter().copied().collect::<BTreeSet<u64>>();
        assert_eq!(quorum_index(&[config(&[9])], matched), 90);
        assert_eq!(quorum_index(&[config(&[9, 3])], matched), 30);
        assert_eq!(quorum_index(&[config(&[9, 3, 7])], matched), 70);
        assert_eq!(quorum_index(&[config(&[9, 1, 2, 8, 5])], matched), 50);
        assert_eq!(quorum_index(&[config(&[9, 3, 7]), config(&[1, 2, 4])], matched), 20);
        assert_eq!(quorum_index::<u64>(&[], matched), 0);
    }
}
