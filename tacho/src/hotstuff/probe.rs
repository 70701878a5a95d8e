//! The hook points: one method for each event that the `hotstuff2` catalogue counts or measures.
//!
//! This is the only file that knows how an event becomes a metric. A probe that does not measure costs its callers one
//! branch: it hands out [`Stamp::NONE`] and no clock is read.

use std::sync::Arc;
use std::time::Duration;

pub use tachometer::catalogue::hotstuff2::{
    ByzantineBehavior, CacheResult, Connection, ConnectionError, Disconnection, KeyType,
    Message as MessageKind, Outcome, SafetyViolation, StorageOperation, Validity, ViewChange,
    VotePhase,
};
use tachometer::{Registry, Sampler, group};

use super::config::ReplicaId;
use super::handles::Handles;
use super::store::{ONE_READ_IN, ONE_WRITE_IN, Size};
use super::transaction::Transaction;
use crate::clock::Stamp;

/// One replica's hook points. A clone is the same probe; the default does nothing.
#[derive(Clone, Debug, Default)]
pub struct Probe {
    handles: Option<Arc<Handles>>,
}

/// What is read of a replica at an interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight {
    pub size: Size,
    pub cache_bytes: usize,
    /// Messages in its inbox.
    pub waiting: usize,
}

/// A block that was committed.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    pub height: u64,
    pub transactions: &'a [Transaction],
    /// Since it was inserted; `None` if it was before the replica's last start.
    pub since_inserted: Option<Duration>,
    /// Since this replica proposed it; `None` if another did.
    pub since_proposed: Option<Duration>,
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Probe {
    /// A probe that measures, into `registry`.
    pub fn measuring(registry: &Registry, replica: ReplicaId) -> Result<Self, tachometer::Error> {
        Ok(Self { handles: Some(Arc::new(Handles::register(registry, replica)?)) })
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

    /// The replica's state was read.
    pub fn observed(&self, sight: &Sight) {
        let Some(handles) = &self.handles else { return };
        let metrics = &handles.metrics;
        metrics.storage.storage_size.set(sight.size.bytes as f64);
        metrics.storage.cache_size.set(sight.cache_bytes as f64);
        metrics.state.state_size.set(sight.size.state_bytes as f64);
        metrics.state.accounts.set(sight.size.accounts as f64);
        metrics.network.message_queue_length.set(sight.waiting as f64);
    }

    // ---- consensus ----

    /// This replica proposed a block, `took` after it entered the view.
    pub fn block_proposed(&self, took: Option<Duration>) {
        let Some(handles) = &self.handles else { return };
        let group = group();
        group.add(&handles.metrics.consensus.blocks_proposed, 1);
        if let Some(took) = took {
            group.record(&handles.metrics.consensus.block_proposal_duration, ns(took));
        }
    }

    /// A block and what is in it is final here.
    pub fn block_committed(&self, commit: &Commit<'_>) {
        let Some(handles) = &self.handles else { return };
        let (consensus, performance) = (&handles.metrics.consensus, &handles.metrics.performance);
        consensus.committed_height.set(commit.height as f64);
        let now = Stamp::now();
        let group = group();
        group.add(&consensus.blocks_committed, 1);
        group.record(&consensus.block_transactions, commit.transactions.len() as u64);
        group.add(&performance.transactions_committed, commit.transactions.len() as u64);
        if let Some(since) = commit.since_inserted {
            group.record(&consensus.block_commit_duration, ns(since));
        }
        if let Some(since) = commit.since_proposed {
            group.record(&performance.block_finalization_duration, ns(since));
        }
        for transaction in commit.transactions {
            if transaction.submitted_at != Stamp::NONE {
                let took = now.ns_since(transaction.submitted_at);
                group.record(&performance.transaction_confirmation_duration, took);
            }
        }
    }

    /// There is a certificate with a higher view than any before.
    pub fn certified(&self) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.quorum_certificates.inc();
        }
    }

    pub fn view_entered(&self, view: u64) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.current_view.set(view as f64);
        }
    }

    /// A view was left otherwise than with its certificate.
    pub fn view_changed(&self, reason: ViewChange) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.view_changes.at(reason).inc();
        }
    }

    /// After views that failed there is a proposal again.
    pub fn view_change_over(&self, took: Duration) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.view_change_duration.record(ns(took));
        }
    }

    /// A view's time was over.
    pub fn view_timed_out(&self) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.liveness_timeouts.inc();
        }
    }

    pub fn vote_sent(&self, phase: VotePhase) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.votes_sent.at(phase).inc();
        }
    }

    pub fn vote_received(&self, validator: ReplicaId, phase: VotePhase) {
        if let Some(member) = self.handles.as_ref().and_then(|handles| handles.member(validator)) {
            member.validator.votes(phase).inc();
        }
    }

    /// A vote was checked and counted.
    pub fn vote_processed(&self, took: Duration) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.vote_processing_duration.record(ns(took));
        }
    }

    /// Another block is final elsewhere.
    pub fn safety_violated(&self, kind: SafetyViolation) {
        if let Some(handles) = &self.handles {
            handles.metrics.consensus.safety_violations.at(kind).inc();
        }
    }

    /// `validator` did what an honest one does not.
    pub fn misbehaved(&self, validator: ReplicaId, kind: ByzantineBehavior) {
        if let Some(member) = self.handles.as_ref().and_then(|handles| handles.member(validator)) {
            member.validator.misbehaved(kind).inc();
        }
    }

    // ---- clients ----

    /// A client whose transaction came through this replica has its answer.
    pub fn answered(&self, submitted_at: Stamp) {
        if let Some(handles) = &self.handles {
            let took = Stamp::now().ns_since(submitted_at);
            handles.metrics.performance.end_to_end_duration.record(took);
        }
    }

    // ---- network ----

    /// These are the members.
    pub fn members_are(&self, ids: impl Iterator<Item = ReplicaId>) {
        ids.for_each(|id| self.member_came(id));
    }

    pub fn member_came(&self, id: ReplicaId) {
        if let Some(handles) = &self.handles {
            handles.add(id);
        }
    }

    pub fn member_went(&self, id: ReplicaId) {
        if let Some(handles) = &self.handles {
            handles.remove(id);
        }
    }

    /// There is a connection, which a peer opened, or this replica.
    pub fn peer_connected(&self, by_peer: bool) {
        if let Some(handles) = &self.handles {
            let by = if by_peer { Connection::Inbound } else { Connection::Outbound };
            handles.metrics.network.peer_connections.at(by).inc();
        }
    }

    pub fn peer_disconnected(&self, reason: Disconnection) {
        if let Some(handles) = &self.handles {
            handles.metrics.network.peer_disconnections.at(reason).inc();
        }
    }

    /// So many peers are reached, and so many run but are beyond a partition.
    pub fn peers_seen(&self, reached: usize, beyond: usize) {
        if let Some(handles) = &self.handles {
            handles.metrics.network.active_peers.set(reached as f64);
            handles.metrics.network.partition_affected_peers.set(beyond as f64);
        }
    }

    /// The network was divided.
    pub fn network_divided(&self) {
        if let Some(handles) = &self.handles {
            handles.metrics.network.network_partitions.inc();
        }
    }

    /// A message is about to go to `to`.
    pub fn message_sent(&self, to: ReplicaId, kind: MessageKind, bytes: usize) {
        if let Some(member) = self.handles.as_ref().and_then(|handles| handles.member(to))
            && let Some(peer) = &member.peer
        {
            let group = group();
            group.add(peer.sent(kind), 1);
            group.add(&peer.bytes_sent, bytes as u64);
        }
    }

    /// A message was to go to `to`, whom it did not reach.
    pub fn message_lost(&self, to: ReplicaId, kind: MessageKind, error: ConnectionError) {
        let Some(handles) = &self.handles else { return };
        let group = group();
        if let Some(member) = handles.member(to)
            && let Some(peer) = &member.peer
        {
            group.add(peer.sent(kind), 1);
        }
        group.add(&handles.metrics.network.messages_lost, 1);
        group.add(handles.metrics.network.connection_failures.at(error), 1);
    }

    /// A message from `from` was taken out of the inbox.
    pub fn message_received(&self, from: ReplicaId, kind: MessageKind, bytes: usize) {
        if let Some(member) = self.handles.as_ref().and_then(|handles| handles.member(from))
            && let Some(peer) = &member.peer
        {
            let group = group();
            group.add(peer.received(kind), 1);
            group.add(&peer.bytes_received, bytes as u64);
        }
    }

    /// `peer` took a message of this replica out of its inbox at `taken_at`. To say so takes no time in memory.
    pub fn message_arrived(&self, peer: ReplicaId, taken_at: Stamp, sent_at: Stamp) {
        if sent_at != Stamp::NONE
            && let Some(member) = self.handles.as_ref().and_then(|handles| handles.member(peer))
            && let Some(peer) = &member.peer
        {
            peer.latency.record(taken_at.ns_since(sent_at));
        }
    }

    /// A message was handled.
    pub fn message_processed(&self, kind: MessageKind, took: Duration) {
        if let Some(handles) = &self.handles {
            handles.metrics.network.message_processing_duration.at(kind).record(ns(took));
        }
    }

    // ---- storage ----

    /// A key was looked up. One in [`ONE_READ_IN`] has a stamp.
    #[inline]
    pub fn key_read(&self, key: KeyType, started: Stamp) {
        let Some(handles) = &self.handles else { return };
        let storage = &handles.metrics.storage;
        let read = (StorageOperation::Read, Outcome::Ok);
        storage.storage_operations.at(read).inc();
        if started != Stamp::NONE {
            let took = Stamp::now().ns_since(started);
            storage.storage_read_duration.at(key).record_n(took, ONE_READ_IN.get().into());
        }
    }

    /// A key was set. One in [`ONE_WRITE_IN`] has a stamp; all are counted with their batch.
    #[inline]
    pub fn key_written(&self, key: KeyType, started: Stamp) {
        if started != Stamp::NONE
            && let Some(handles) = &self.handles
        {
            let took = Stamp::now().ns_since(started);
            let histogram = handles.metrics.storage.storage_write_duration.at(key);
            histogram.record_n(took, ONE_WRITE_IN.get().into());
        }
    }

    /// A batch of `operations` was written; with what it made the store remove, `set` keys were set and `deleted` removed.
    pub fn batch_written(&self, operations: u64, set: u64, deleted: u64, started: Stamp) {
        let Some(handles) = &self.handles else { return };
        let storage = &handles.metrics.storage;
        let took = Stamp::now().ns_since(started);
        let group = group();
        group.add(storage.storage_operations.at((StorageOperation::Write, Outcome::Ok)), set);
        group.add(storage.storage_operations.at((StorageOperation::Delete, Outcome::Ok)), deleted);
        group.record(&storage.storage_batch_duration, took);
        group.record(&storage.storage_batch_operations, operations);
    }

    /// The recent blocks were looked through for one.
    pub fn cache_asked(&self, result: CacheResult) {
        if let Some(handles) = &self.handles {
            handles.metrics.storage.cache_requests.at(result).inc();
        }
    }

    // ---- state ----

    /// A block's transactions were carried out.
    pub fn block_applied(&self, started: Stamp) {
        if let Some(handles) = &self.handles {
            let took = Stamp::now().ns_since(started);
            let group = group();
            group.add(&handles.metrics.state.state_transitions, 1);
            group.record(&handles.metrics.state.state_transition_duration, took);
        }
    }

    /// A transaction was checked. One in [`super::app::ONE_CHECK_IN`] has a stamp.
    pub fn transaction_checked(&self, validity: Validity, started: Stamp) {
        let Some(handles) = &self.handles else { return };
        let state = &handles.metrics.state;
        state.transaction_validations.at(validity).inc();
        if started != Stamp::NONE {
            let took = Stamp::now().ns_since(started);
            let weight = super::app::ONE_CHECK_IN.get().into();
            state.transaction_validation_duration.record_n(took, weight);
        }
    }

    /// Somebody asked for an account.
    pub fn state_queried(&self, started: Stamp) {
        if let Some(handles) = &self.handles {
            let took = Stamp::now().ns_since(started);
            let group = group();
            group.add(&handles.metrics.state.state_queries, 1);
            group.record(&handles.metrics.state.state_query_duration, took);
        }
    }

    /// A snapshot was taken of the store.
    pub fn snapshot_taken(&self, started: Stamp) {
        if let Some(handles) = &self.handles {
            let took = Stamp::now().ns_since(started);
            let group = group();
            group.add(&handles.metrics.state.state_snapshots, 1);
            group.record(&handles.metrics.state.state_snapshot_duration, took);
        }
    }
}
