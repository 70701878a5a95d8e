//! One node's handles: the catalogue's bundle with the node's id as a label, what belongs to each
//! peer, and what a client waits for, which the catalogue has no row for.
//!
//! Events record through the handles where they happen ([`probe`](super::probe)); gauges that only
//! repeat what openraft knows are set here, once per observation.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tachometer::catalogue::raft::{PeerMetrics, RaftMetrics};
use tachometer::{Gauge, Histogram, Registry, Unit};

use super::config::NODES;
use super::types::NodeId;
use super::vocabulary::{FollowerView, LeaderView, NodeState, NodeView};
use crate::clock::Stamp;

/// The one Raft group of the cluster.
pub const GROUP: &str = "demo/0";

/// A peer that has not answered its leader for so long is taken to be down.
const SILENCE: Duration = Duration::from_secs(1);

/// Answers closer to each other than this count as one heartbeat.
const HEARTBEAT_GRAIN_NS: u64 = 10_000_000;

/// What one node records through.
#[derive(Debug)]
pub struct Handles {
    pub raft: RaftMetrics,
    /// A client's write, from its first proposal to its answer.
    pub write_duration: Histogram,
    /// One in this many commands is timed.
    pub sample_every: NonZeroU32,
    members: Box<[MemberHandles]>,
}

/// What one node records about a member of the cluster, itself or another.
#[derive(Debug)]
struct MemberHandles {
    id: NodeId,
    state: Gauge,
    leads: Gauge,
    follows: Gauge,
    /// `None` for the node itself.
    peer: Option<Peer>,
}

/// What one node records about another.
#[derive(Debug)]
pub struct Peer {
    pub metrics: PeerMetrics,
    /// When it last answered a call: the bits of a stamp.
    answered_at: AtomicU64,
}

impl Peer {
    /// It answered a call that began at `started`.
    #[inline]
    pub fn answered(&self, started: Stamp) {
        // Relaxed, both: a statistic that publishes nothing else. Stored now and then only, since
        // what stands beside it is read for every call, on all processors.
        let last = Stamp::from_bits(self.answered_at.load(Ordering::Relaxed));
        if started.ns_since(last) > HEARTBEAT_GRAIN_NS {
            self.answered_at.store(Stamp::now().to_bits(), Ordering::Relaxed);
        }
    }

    /// When it last answered, if it ever did.
    fn answered_at(&self) -> Option<Stamp> {
        // Relaxed: see `answered`.
        let stamp = Stamp::from_bits(self.answered_at.load(Ordering::Relaxed));
        (stamp != Stamp::NONE).then_some(stamp)
    }
}

impl Handles {
    /// Registers all series of `node`. Three replicas share the process, so each says which it is.
    pub fn register(
        registry: &Registry,
        node: NodeId,
        sample_every: NonZeroU32,
    ) -> Result<Self, tachometer::Error> {
        let replica = node.to_string();
        let registry = registry.scope([("group", GROUP), ("replica", &replica)])?;
        let raft = RaftMetrics::register(&registry)?;
        let write_duration = registry
            .metric(
                "tacho_write_duration_seconds",
                "A client's write, from its first proposal to its answer.",
            )
            .unit(Unit::Nanoseconds)
            .histogram()?;
        let members = (1..=NODES).map(|id| MemberHandles::new(&raft, id, id == node)).collect();
        raft.current_leader.set(NO_LEADER);
        Ok(Self { raft, write_duration, sample_every, members })
    }

    /// What belongs to `id`, a peer of this node.
    #[inline]
    pub fn peer(&self, id: NodeId) -> Option<&Peer> {
        self.members.get(usize::try_from(id).ok()?.checked_sub(1)?)?.peer.as_ref()
    }

    /// The node stopped: nobody is left who could tell about the others.
    pub fn stopped(&self) {
        self.raft.running.set(0.0);
        self.raft.current_leader.set(NO_LEADER);
        self.show_members(&[]);
        self.show_leading(None);
    }

    /// Sets the gauges to what the node knows of itself and of the others.
    pub fn observe(&self, view: &NodeView) {
        let raft = &self.raft;
        raft.current_term.set(view.term as f64);
        raft.current_leader.set(view.leader.map_or(NO_LEADER, |leader| leader as f64));
        raft.running.set(f64::from(u8::from(view.running)));
        raft.last_log_index.set(view.last_log_index as f64);
        raft.commit_index.set(view.commit_index as f64);
        raft.last_applied.set(view.last_applied as f64);
        raft.snapshot_index.set(view.snapshot_index as f64);
        raft.purged_index.set(view.purged_index as f64);
        raft.log_entries.set(view.log_entries as f64);
        raft.log_bytes.set(view.log_bytes as f64);
        raft.cluster_size.set(view.cluster_size as f64);
        let mut nodes = view.nodes.clone();
        if view.leading.is_some() {
            let silent = |id| self.peer(id).is_some_and(|peer| !peer.is_heard(SILENCE));
            nodes.retain(|(id, _)| !silent(*id));
        }
        self.show_members(&nodes);
        self.show_leading(view.leading.as_ref());
    }

    /// Shows what each of `nodes` is; those that are not listed are none of the group.
    fn show_members(&self, nodes: &[(NodeId, NodeState)]) {
        for member in &self.members {
            let listed = nodes.iter().find(|(id, _)| *id == member.id);
            let state = listed.map_or(NodeState::None, |(_, state)| *state);
            let is = |wanted| f64::from(u8::from(state == wanted));
            member.state.set(state.value());
            member.leads.set(is(NodeState::Leader));
            member.follows.set(is(NodeState::Follower));
        }
    }

    /// Shows what only a leader knows; zeros on a node that does not lead.
    fn show_leading(&self, leading: Option<&LeaderView>) {
        let followers: &[FollowerView] = leading.map_or(&[], |view| &view.followers);
        let largest_lag = followers.iter().map(|follower| follower.lag_entries).max();
        self.raft.max_follower_lag_entries.set(largest_lag.unwrap_or(0) as f64);
        self.raft.isr_size.set(leading.map_or(0, |view| view.in_sync) as f64);
        let acked = leading.map_or(0, |view| view.quorum_acked_index);
        self.raft.last_quorum_acked_index.set(acked as f64);
        let (now, unix) = (Stamp::now(), unix_seconds());
        for member in &self.members {
            let Some(peer) = &member.peer else { continue };
            let follower = followers.iter().find(|follower| follower.peer == member.id);
            peer.metrics.lag_entries.set(follower.map_or(0, |f| f.lag_entries) as f64);
            peer.metrics.lag_seconds.set(follower.map_or(0.0, |f| f.lag.as_secs_f64()));
            peer.metrics.matched_index.set(follower.map_or(0, |f| f.matched_index) as f64);
            if let Some(answered_at) = peer.answered_at() {
                peer.metrics.last_heartbeat.set(unix - now.ns_since(answered_at) as f64 / 1e9);
            }
        }
    }
}

/// The value of `current_leader` without one.
const NO_LEADER: f64 = -1.0;

impl MemberHandles {
    fn new(raft: &RaftMetrics, id: NodeId, is_self: bool) -> Self {
        let name = id.to_string();
        let peer = || Peer { metrics: raft.peer(&name), answered_at: AtomicU64::new(0) };
        Self {
            id,
            state: raft.node_state.handle([&name]),
            leads: raft.leader_partitions.handle([&name]),
            follows: raft.follower_partitions.handle([&name]),
            peer: (!is_self).then(peer),
        }
    }
}

impl Peer {
    /// Whether it answered within `limit`.
    fn is_heard(&self, limit: Duration) -> bool {
        let limit_ns = limit.as_nanos() as u64;
        self.answered_at().is_some_and(|stamp| Stamp::now().ns_since(stamp) <= limit_ns)
    }
}

fn unix_seconds() -> f64 {
    // A clock before 1970 shows as 1970.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
