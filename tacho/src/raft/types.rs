//! The types that openraft is instantiated with, and what one log entry carries.
//!
//! openraft 0.9 waits for each append to be durable before it takes the next proposal, so an entry
//! carries a [`Batch`] of commands: that is what makes group commit possible. A batch is shared,
//! never copied: log, replication and state machine hold the same allocation.

use std::io::Cursor;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use tachometer::facade::openraft::ProbedRaft;

use super::probe::Commands;
use crate::clock::Stamp;

openraft::declare_raft_types!(
    /// One command batch per entry; an applied entry answers with its first command's revision.
    pub Types: D = Batch, R = u64, NodeId = u64, Node = ()
);

pub type NodeId = u64;
pub type Raft = ProbedRaft<Types, Commands>;
pub type Entry = openraft::Entry<Types>;
pub type LogId = openraft::LogId<NodeId>;
pub type Vote = openraft::Vote<NodeId>;
pub type Membership = openraft::StoredMembership<NodeId, ()>;
pub type SnapshotMeta = openraft::SnapshotMeta<NodeId, ()>;
pub type Snapshot = openraft::Snapshot<Types>;
pub type StorageError = openraft::StorageError<NodeId>;
pub type RaftMetrics = openraft::RaftMetrics<NodeId, ()>;

/// The bytes stored under one key.
pub type Value = [u8; 16];

/// "Store `value` under `key`": applying it twice does the same as once, so a client may retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// When the client proposed it; [`Stamp::NONE`] when this one is not measured.
    pub proposed_at: Stamp,
    pub key: u64,
    #[serde(with = "serde_bytes")]
    pub value: Value,
}

/// The commands of one log entry, in the order in which they are applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch(Arc<[Command]>);

impl Batch {
    pub fn commands(&self) -> &[Command] {
        &self.0
    }
}

impl FromIterator<Command> for Batch {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Self {
        Self(commands.into_iter().collect())
    }
}

/// The commands in `entry`: none in blank and membership entries.
pub fn commands_of(entry: &Entry) -> &[Command] {
    match &entry.payload {
        openraft::EntryPayload::Normal(batch) => batch.commands(),
        openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => &[],
    }
}

/// What `entry` weighs: its fixed part and its commands, not counting any encoding.
pub fn payload_bytes(entry: &Entry) -> u64 {
    (size_of::<LogId>() + size_of_val(commands_of(entry))) as u64
}
