//! Around the state machine: what was committed, how long it took to apply, snapshots, who is a member.

use super::SAMPLE_EVERY;
use super::contents::{Commit, Contents};
use super::shared::{Shared, locked};
use crate::catalogue::raft::{Direction, Outcome, SnapshotTrigger};
use crate::{Sampler, Stamp};
use openraft::entry::RaftPayload;
use openraft::storage::RaftStateMachine;
use openraft::{
    LogId, OptionalSend, RaftLogId, RaftSnapshotBuilder, RaftTypeConfig, Snapshot, SnapshotMeta,
    StorageError, StoredMembership,
};
use std::fmt::{self, Debug};
use std::sync::Arc;

/// A state machine whose applications and snapshots are recorded. Made by
/// [`Probe::state_machine`](super::Probe::state_machine).
pub struct ProbedStateMachine<C: RaftTypeConfig, M, K> {
    machine: M,
    shared: Option<Arc<Shared<C, K>>>,
    sampler: Sampler,
}

impl<C: RaftTypeConfig, M, K> ProbedStateMachine<C, M, K> {
    pub(super) fn new(machine: M, shared: Option<Arc<Shared<C, K>>>) -> Self {
        Self { machine, shared, sampler: Sampler::one_in(SAMPLE_EVERY) }
    }
}

impl<C: RaftTypeConfig, M: Debug, K> Debug for ProbedStateMachine<C, M, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbedStateMachine").field("machine", &self.machine).finish_non_exhaustive()
    }
}

/// Passes committed entries on and records them.
struct Committed<'a, I, C: RaftTypeConfig, K> {
    entries: I,
    shared: &'a Shared<C, K>,
    /// When they were found committed, on the node that leads.
    at: Option<Stamp>,
    sum: &'a mut Sum,
}

#[derive(Default)]
struct Sum {
    commands: u64,
    last: u64,
}

impl<I, C, K> Iterator for Committed<'_, I, C, K>
where
    I: Iterator<Item = C::Entry>,
    C: RaftTypeConfig,
    K: Contents<C>,
{
    type Item = C::Entry;

    #[inline]
    fn next(&mut self) -> Option<C::Entry> {
        let entry = self.entries.next()?;
        self.sum.last = entry.get_log_id().index;
        if let Some(at) = self.at {
            self.sum.commands += self.shared.contents.commands(&entry);
            if K::STAMPED {
                let commit = Commit::new(&self.shared.metrics.commit_latency, at);
                self.shared.contents.proposed_at(&entry, &commit);
            }
        }
        if let Some(membership) = entry.get_membership() {
            self.shared.membership_applied(membership);
        }
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Shared<C, K> {
    /// What lies between append and commit of entries that do not say when they were proposed.
    fn committed_upto(&self, index: u64, at: Option<Stamp>) {
        let mut marks = locked(&self.marks);
        match at {
            Some(at) => marks.committed(index, at, |took, weight| {
                self.metrics.commit_latency.record_n(took, weight);
            }),
            None => marks.skip(index),
        }
    }
}

impl<C, M, K> RaftStateMachine<C> for ProbedStateMachine<C, M, K>
where
    C: RaftTypeConfig,
    M: RaftStateMachine<C>,
    K: Contents<C>,
{
    type SnapshotBuilder = ProbedSnapshotBuilder<C, M::SnapshotBuilder, K>;

    async fn applied_state(
        &mut self,
    ) -> Result<
        (Option<LogId<C::NodeId>>, StoredMembership<C::NodeId, C::Node>),
        StorageError<C::NodeId>,
    > {
        let (applied, membership) = self.machine.applied_state().await?;
        if let Some(shared) = &self.shared {
            shared.membership_found(membership.membership());
            locked(&shared.marks).skip(applied.as_ref().map_or(0, |id| id.index));
        }
        Ok((applied, membership))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<C::R>, StorageError<C::NodeId>>
    where
        I: IntoIterator<Item = C::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let Some(shared) = &self.shared else { return self.machine.apply(entries).await };
        let timed = self.sampler.draw().map(|weight| (weight, Stamp::now()));
        // Only the leader records commits, so that each is counted once.
        let at = shared.elections.is_leader().then(Stamp::now);
        let mut sum = Sum::default();
        let entries = Committed { entries: entries.into_iter(), shared, at, sum: &mut sum };
        let answers = self.machine.apply(entries).await?;
        if !K::STAMPED && sum.last > 0 {
            shared.committed_upto(sum.last, at);
        }
        if sum.commands > 0 {
            shared.metrics.commit_batch.record(sum.commands);
        }
        if let Some((weight, started)) = timed {
            let took = started.elapsed_ns();
            shared.metrics.apply_duration.record_n(took, weight.get().into());
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        let started = Stamp::now();
        let shared = self.shared.clone();
        let trigger = shared.as_ref().map_or(SnapshotTrigger::Size, |shared| shared.take_trigger());
        let builder = self.machine.get_snapshot_builder().await;
        ProbedSnapshotBuilder { builder, shared, started, trigger }
    }

    async fn begin_receiving_snapshot(
        &mut self,
    ) -> Result<Box<C::SnapshotData>, StorageError<C::NodeId>> {
        self.machine.begin_receiving_snapshot().await
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta<C::NodeId, C::Node>,
        snapshot: Box<C::SnapshotData>,
    ) -> Result<(), StorageError<C::NodeId>> {
        let started = Stamp::now();
        let installed = self.machine.install_snapshot(meta, snapshot).await;
        if let Some(shared) = &self.shared {
            let outcome = if installed.is_ok() { Outcome::Ok } else { Outcome::Error };
            let group = crate::group();
            group.add(shared.metrics.snapshot_transfers.at((Direction::Receive, outcome)), 1);
            if installed.is_ok() {
                group.record(&shared.metrics.snapshot_apply_duration, started.elapsed_ns());
                drop(group);
                shared.membership_applied(meta.last_membership.membership());
                locked(&shared.marks).skip(meta.last_log_id.as_ref().map_or(0, |id| id.index));
            }
        }
        installed
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<Snapshot<C>>, StorageError<C::NodeId>> {
        self.machine.get_current_snapshot().await
    }
}

/// A snapshot's builder that is timed, from where the state machine was asked for it.
pub struct ProbedSnapshotBuilder<C: RaftTypeConfig, B, K> {
    builder: B,
    shared: Option<Arc<Shared<C, K>>>,
    started: Stamp,
    trigger: SnapshotTrigger,
}

impl<C: RaftTypeConfig, B: Debug, K> Debug for ProbedSnapshotBuilder<C, B, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbedSnapshotBuilder")
            .field("builder", &self.builder)
            .finish_non_exhaustive()
    }
}

impl<C, B, K> RaftSnapshotBuilder<C> for ProbedSnapshotBuilder<C, B, K>
where
    C: RaftTypeConfig,
    B: RaftSnapshotBuilder<C>,
    K: Contents<C>,
{
    async fn build_snapshot(&mut self) -> Result<Snapshot<C>, StorageError<C::NodeId>> {
        let snapshot = self.builder.build_snapshot().await?;
        if let Some(shared) = &self.shared {
            let bytes = shared.contents.snapshot_bytes(&snapshot.snapshot);
            let group = crate::group();
            group.add(shared.metrics.snapshots_created.at(self.trigger), 1);
            group.record(&shared.metrics.snapshot_create_duration, self.started.elapsed_ns());
            if let Some(bytes) = bytes {
                group.record(&shared.metrics.snapshot_size, bytes);
            }
        }
        Ok(snapshot)
    }
}
