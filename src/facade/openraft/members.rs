//! The handles that belong to a member of the group: they come with the first that is heard of it, and go when the
//! membership no longer has it.

use crate::catalogue::raft::{NodeState, PeerMetrics, RaftMetrics};
use crate::{Gauge, Stamp};
use openraft::RaftTypeConfig;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Answers closer to each other than this count as one heartbeat.
const HEARTBEAT_GRAIN_NS: u64 = 10_000_000;

/// All members that one node has heard of, itself included.
pub(super) struct Members<C: RaftTypeConfig>(RwLock<BTreeMap<C::NodeId, Arc<Member>>>);

/// What one node records about a member.
pub(super) struct Member {
    state: Gauge,
    leads: Gauge,
    follows: Gauge,
    /// What is recorded where the member is talked to; a node does not talk to itself.
    pub peer: std::sync::OnceLock<Peer>,
}

/// What one node records about another.
pub(super) struct Peer {
    pub metrics: PeerMetrics,
    /// When it last answered a call: the bits of a stamp, 0 if it never did.
    answered_at: AtomicU64,
}

impl<C: RaftTypeConfig> Default for Members<C> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<C: RaftTypeConfig> Members<C> {
    /// Looks at `id`, which is registered if it is new.
    pub fn with<T>(
        &self,
        metrics: &RaftMetrics,
        id: &C::NodeId,
        look: impl FnOnce(&Arc<Member>) -> T,
    ) -> T {
        if let Some(member) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            return look(member);
        }
        let mut members = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Member::new(metrics, &id.to_string()));
        look(members.entry(id.clone()).or_insert_with(new))
    }

    /// All of them.
    pub fn all(&self) -> Vec<(C::NodeId, Arc<Member>)> {
        let members = self.0.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().map(|(id, member)| (id.clone(), member.clone())).collect()
    }

    /// Lets go of those that are no members any more.
    pub fn retain(&self, stays: impl Fn(&C::NodeId) -> bool) {
        let is_gone = |id: &C::NodeId| !stays(id);
        // Written to only when there is something to do: calls read it all the time.
        if self.0.read().unwrap_or_else(PoisonError::into_inner).keys().any(is_gone) {
            self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|id, _| stays(id));
        }
    }
}

impl Member {
    fn new(metrics: &RaftMetrics, name: &str) -> Self {
        Self {
            state: metrics.node_state.member([name]),
            leads: metrics.leader_partitions.member([name]),
            follows: metrics.follower_partitions.member([name]),
            peer: std::sync::OnceLock::new(),
        }
    }

    /// What belongs to the member as the one that is called `name`.
    pub fn peer(&self, metrics: &RaftMetrics, name: &impl ToString) -> &Peer {
        self.peer.get_or_init(|| Peer {
            metrics: metrics.peer(&name.to_string()),
            answered_at: AtomicU64::new(0),
        })
    }

    /// Shows what it is.
    pub fn show(&self, state: NodeState) {
        let is = |wanted| f64::from(u8::from(state == wanted));
        self.state.set(state.value());
        self.leads.set(is(NodeState::Leader));
        self.follows.set(is(NodeState::Follower));
    }
}

impl Peer {
    /// It answered a call that began at `started`.
    #[inline]
    pub fn answered(&self, started: Stamp) {
        // Relaxed, both: a statistic that publishes nothing else. Stored now and then only, since what stands beside it is
        // read for every call, on all processors.
        let last = self.answered_at.load(Ordering::Relaxed);
        if last == 0 || started.ns_since(Stamp::from_bits(last)) > HEARTBEAT_GRAIN_NS {
            self.answered_at.store(Stamp::now().to_bits().max(1), Ordering::Relaxed);
        }
    }

    /// How long ago it last answered, if it ever did.
    pub fn silent_for(&self) -> Option<Duration> {
        // Relaxed: see `answered`.
        let last = self.answered_at.load(Ordering::Relaxed);
        (last != 0).then(|| Duration::from_nanos(Stamp::from_bits(last).elapsed_ns()))
    }
}
