//! The state that the log builds: a map from keys to values, and how often it was written.
//!
//! openraft's state machine task applies entries; a snapshot is built from a copy that is taken
//! between two calls of `apply` and encoded outside the lock.

use std::io::{self, Cursor};
use std::sync::Arc;

use hashbrown::HashMap;
use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::snapshots::{Kept, Snapshots};
use super::types::{
    Batch, Entry, LogId, Membership, Snapshot, SnapshotMeta, StorageError, Types, Value,
};

/// What all nodes agree on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub applied: Option<LogId>,
    pub membership: Membership,
    /// Commands applied since the cluster began.
    pub revision: u64,
    pub values: HashMap<u64, Value>,
}

/// Looks at the state of a running node.
#[derive(Clone, Debug)]
pub struct StateHandle {
    state: Arc<Mutex<State>>,
}

impl StateHandle {
    /// Looks at the state; the node waits while `look` runs.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock())
    }
}

/// The state machine of a running node.
#[derive(Debug)]
pub struct StateMachine {
    handle: StateHandle,
    snapshots: Arc<Snapshots>,
}

impl StateMachine {
    /// The state as the latest snapshot has it.
    pub fn restored(snapshots: Arc<Snapshots>) -> io::Result<Self> {
        let state = match snapshots.latest() {
            Some(kept) => decode(&kept.meta, &kept.state)?,
            None => State::default(),
        };
        Ok(Self { handle: StateHandle { state: Arc::new(Mutex::new(state)) }, snapshots })
    }

    pub fn handle(&self) -> StateHandle {
        self.handle.clone()
    }
}

/// Applies the commands of one entry and returns the revision of the first.
fn apply_batch(state: &mut State, batch: &Batch) -> u64 {
    let first = state.revision + 1;
    state.revision += batch.commands().len() as u64;
    for command in batch.commands() {
        state.values.insert(command.key, command.value);
    }
    first
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
        let entries = entries.into_iter();
        let mut revisions = Vec::with_capacity(entries.size_hint().0);
        let mut state = self.handle.state.lock();
        for entry in entries {
            state.applied = Some(entry.log_id);
            revisions.push(match entry.payload {
                EntryPayload::Blank => state.revision,
                EntryPayload::Normal(batch) => apply_batch(&mut state, &batch),
                EntryPayload::Membership(membership) => {
                    state.membership = Membership::new(Some(entry.log_id), membership);
                    state.revision
                }
            });
        }
        Ok(revisions)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { state: self.handle.look(State::clone), snapshots: self.snapshots.clone() }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let bytes = snapshot.into_inner();
        let failed =
            |error| StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error));
        let state = decode(meta, &bytes).map_err(failed)?;
        let snapshots = self.snapshots.clone();
        let kept = Kept { meta: meta.clone(), state: bytes.into() };
        blocking(move || snapshots.save(kept)).await.map_err(failed)?;
        *self.handle.state.lock() = state;
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
    snapshots: Arc<Snapshots>,
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
