//! The state that the log builds: a map from keys to values, and how often it was written.
//!
//! openraft's state machine task applies entries; a snapshot is built from a copy that is taken
//! between two calls of `apply` and encoded outside the lock.

use std::io::{self, Cursor};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use hashbrown::HashMap;
use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tachometer::Sampler;

use super::elections::Elections;
use super::probe::{ConfigChange, NodeProbe, ONE_IN, SnapshotTrigger};
use super::snapshots::{Kept, Snapshots};
use super::types::{
    Batch, Entry, LogId, Membership, NodeId, Snapshot, SnapshotMeta, StorageError, Types, Value,
};
use crate::clock::Stamp;

/// What all nodes agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub applied: Option<LogId>,
    pub membership: Membership,
    /// Commands applied since the cluster began.
    pub revision: u64,
    pub values: HashMap<u64, Value>,
}

/// Looks at the state of a running node, and says why its next snapshot is taken.
#[derive(Clone, Debug)]
pub struct StateHandle {
    state: Arc<Mutex<State>>,
    trigger: Arc<AtomicU8>,
}

impl StateHandle {
    /// Looks at the state; the node waits while `look` runs.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }

    /// The next snapshot is taken because of `trigger`; without this, because of the log's size.
    pub fn expect_snapshot(&self, trigger: SnapshotTrigger) {
        // Relaxed: a label; the request for the snapshot goes another way.
        self.trigger.store(trigger as u8, Ordering::Relaxed);
    }

    fn take_trigger(&self) -> SnapshotTrigger {
        // Relaxed: see `expect_snapshot`.
        match self.trigger.swap(SnapshotTrigger::Size as u8, Ordering::Relaxed) {
            trigger if trigger == SnapshotTrigger::Time as u8 => SnapshotTrigger::Time,
            trigger if trigger == SnapshotTrigger::Manual as u8 => SnapshotTrigger::Manual,
            _ => SnapshotTrigger::Size,
        }
    }
}

/// The state machine of a running node.
#[derive(Debug)]
pub struct StateMachine {
    handle: StateHandle,
    snapshots: Arc<Snapshots>,
    elections: Arc<Elections>,
    probe: NodeProbe,
    sampler: Sampler,
}

impl StateMachine {
    /// The state as the latest snapshot has it.
    pub fn restored(
        snapshots: Arc<Snapshots>,
        elections: Arc<Elections>,
        probe: NodeProbe,
    ) -> io::Result<Self> {
        let state = match snapshots.latest() {
            Some(kept) => decode(&kept.meta, &kept.state)?,
            None => State::default(),
        };
        let trigger = Arc::new(AtomicU8::new(SnapshotTrigger::Size as u8));
        let handle = StateHandle { state: Arc::new(Mutex::new(state)), trigger };
        Ok(Self { handle, snapshots, elections, probe, sampler: Sampler::one_in(ONE_IN) })
    }

    pub fn handle(&self) -> StateHandle {
        self.handle.clone()
    }

    /// Applies the commands of one entry and returns the revision of the first.
    fn apply_batch(&self, state: &mut State, batch: &Batch, committed: Stamp) -> u64 {
        let first = state.revision + 1;
        state.revision += batch.commands().len() as u64;
        for command in batch.commands() {
            state.values.insert(command.key, command.value);
        }
        if committed != Stamp::NONE {
            self.probe.committed(committed, batch.commands());
        }
        first
    }

    fn apply_membership(&self, state: &mut State, membership: Membership) {
        let contains = |set: &Membership, id: &NodeId| set.nodes().any(|(node, ())| node == id);
        let added = membership.nodes().filter(|(id, ())| !contains(&state.membership, id));
        added.for_each(|_| self.probe.config_changed(ConfigChange::AddNode));
        let removed = state.membership.nodes().filter(|(id, ())| !contains(&membership, id));
        removed.for_each(|_| self.probe.config_changed(ConfigChange::RemoveNode));
        state.membership = membership;
    }
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        Ok(self.handle.look(|state| (state.applied, state.membership.clone())))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<u64>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let started = self.probe.stamp_sampled(&mut self.sampler);
        // Only the leader measures commit latency, so that each command is counted once.
        let committed = if self.elections.is_leader() { self.probe.stamp() } else { Stamp::NONE };
        let entries = entries.into_iter();
        let mut revisions = Vec::with_capacity(entries.size_hint().0);
        let mut state = self.handle.state.lock();
        let before = state.revision;
        for entry in entries {
            state.applied = Some(entry.log_id);
            revisions.push(match entry.payload {
                EntryPayload::Blank => state.revision,
                EntryPayload::Normal(batch) => self.apply_batch(&mut state, &batch, committed),
                EntryPayload::Membership(membership) => {
                    let membership = Membership::new(Some(entry.log_id), membership);
                    self.apply_membership(&mut state, membership);
                    state.revision
                }
            });
        }
        let commands = state.revision - before;
        drop(state);
        if committed != Stamp::NONE && commands > 0 {
            self.probe.committed_together(commands);
        }
        self.probe.applied(started);
        Ok(revisions)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            started: self.probe.stamp(),
            trigger: self.handle.take_trigger(),
            state: self.handle.look(State::clone),
            snapshots: self.snapshots.clone(),
            probe: self.probe.clone(),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let started = self.probe.stamp();
        let bytes = snapshot.into_inner();
        let failed =
            |error| StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error));
        let state = decode(meta, &bytes).map_err(failed)?;
        let snapshots = self.snapshots.clone();
        let kept = Kept { meta: meta.clone(), state: bytes.into() };
        blocking(move || snapshots.save(kept)).await.map_err(failed)?;
        *self.handle.state.lock() = state;
        self.probe.snapshot_installed(started);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, StorageError> {
        Ok(self.snapshots.latest().map(|kept| kept.to_snapshot()))
    }
}

/// Builds one snapshot from a copy of the state.
#[derive(Debug)]
pub struct Builder {
    state: State,
    trigger: SnapshotTrigger,
    snapshots: Arc<Snapshots>,
    probe: NodeProbe,
    started: Stamp,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot, StorageError> {
        let state = std::mem::take(&mut self.state);
        let snapshots = self.snapshots.clone();
        let built = blocking(move || {
            let kept = Kept { meta: meta(&state), state: encode(&state)?.into() };
            snapshots.save(kept.clone())?;
            Ok(kept)
        });
        let failed = |error| StorageIOError::write_snapshot(None, AnyError::new(&error));
        let kept = built.await.map_err(failed)?;
        self.probe.snapshot_built(self.trigger, kept.state.len() as u64, self.started);
        Ok(kept.to_snapshot())
    }
}

fn meta(state: &State) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: state.applied,
        last_membership: state.membership.clone(),
        snapshot_id: format!("revision-{}", state.revision),
    }
}

fn encode(state: &State) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(state).map_err(io::Error::other)
}

fn decode(meta: &SnapshotMeta, bytes: &[u8]) -> io::Result<State> {
    let state: State = postcard::from_bytes(bytes).map_err(io::Error::other)?;
    let (applied, membership) = (meta.last_log_id, meta.last_membership.clone());
    Ok(State { applied, membership, ..state })
}

/// Runs what waits for the disk or the processor where no task waits behind it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
