//! What all hooks of one node share: its handles, who leads, how far it is.

use super::contents::Contents;
use super::elections::Elections;
use super::marks::Marks;
use super::members::Members;
use crate::catalogue::raft::{ConfigChange, RaftMetrics, SnapshotTrigger};
use openraft::{Membership, RaftTypeConfig};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(super) struct Shared<C: RaftTypeConfig, K> {
    pub metrics: RaftMetrics,
    pub node: C::NodeId,
    pub contents: K,
    pub elections: Elections<C>,
    pub members: Members<C>,
    pub marks: Mutex<Marks>,
    /// Who is in the membership that the state machine has.
    applied_members: Mutex<BTreeSet<C::NodeId>>,
    commit_index: AtomicU64,
    trigger: AtomicU8,
    /// How often a node was followed or ended: what an older task says is no longer so. Held while gauges are set.
    pub turn: Mutex<u64>,
}

impl<C: RaftTypeConfig, K: Contents<C>> Shared<C, K> {
    pub fn new(metrics: RaftMetrics, node: C::NodeId, contents: K) -> Self {
        metrics.current_leader.set(NO_LEADER);
        let members = Members::default();
        members.with(&metrics, &node, |_| ());
        Self {
            metrics,
            node,
            contents,
            elections: Elections::default(),
            members,
            marks: Mutex::default(),
            applied_members: Mutex::default(),
            commit_index: AtomicU64::new(0),
            trigger: AtomicU8::new(SnapshotTrigger::Size as u8),
            turn: Mutex::default(),
        }
    }

    /// How far the log is known to be committed.
    pub fn commit_index(&self) -> u64 {
        // Relaxed: a statistic that publishes nothing else.
        self.commit_index.load(Ordering::Relaxed)
    }

    pub fn committed(&self, index: u64) {
        // Relaxed: see `commit_index`.
        self.commit_index.store(index, Ordering::Relaxed);
    }

    /// The next snapshot is taken because of `trigger`; without this, because of the log's size.
    pub fn expect_snapshot(&self, trigger: SnapshotTrigger) {
        // Relaxed: a label; the request for the snapshot goes another way.
        self.trigger.store(trigger as u8, Ordering::Relaxed);
    }

    pub fn take_trigger(&self) -> SnapshotTrigger {
        // Relaxed: see `expect_snapshot`.
        match self.trigger.swap(SnapshotTrigger::Size as u8, Ordering::Relaxed) {
            trigger if trigger == SnapshotTrigger::Time as u8 => SnapshotTrigger::Time,
            trigger if trigger == SnapshotTrigger::Manual as u8 => SnapshotTrigger::Manual,
            _ => SnapshotTrigger::Size,
        }
    }

    /// The state machine was found with `membership`.
    pub fn membership_found(&self, membership: &Membership<C::NodeId, C::Node>) {
        *locked(&self.applied_members) = ids::<C>(membership);
    }

    /// The state machine has `membership` now: who came and who went is counted.
    pub fn membership_applied(&self, membership: &Membership<C::NodeId, C::Node>) {
        let (now, mut before) = (ids::<C>(membership), locked(&self.applied_members));
        let changes = &self.metrics.config_changes;
        changes.at(ConfigChange::AddNode).add(now.difference(&before).count() as u64);
        changes.at(ConfigChange::RemoveNode).add(before.difference(&now).count() as u64);
        *before = now;
    }
}

fn ids<C: RaftTypeConfig>(membership: &Membership<C::NodeId, C::Node>) -> BTreeSet<C::NodeId> {
    membership.nodes().map(|(id, _)| id.clone()).collect()
}

/// The value of `current_leader` without one.
pub(super) const NO_LEADER: f64 = -1.0;

/// A node's id as a gauge's value; an id that is no number shows as 0.
pub(super) fn number(id: &impl ToString) -> f64 {
    id.to_string().parse().unwrap_or(0.0)
}

/// What a panic of the host's left behind is a statistic all the same.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
