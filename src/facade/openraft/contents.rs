//! What only the host knows of its entries.

use crate::catalogue::raft::RpcError;
use crate::{Group, Histogram, Stamp};
use openraft::RaftTypeConfig;
use openraft::entry::RaftPayload;
use openraft::error::Unreachable;
use std::any::Any;
use std::fmt;
use std::io::Cursor;

/// What a host tells of its entries, snapshots and errors. Each method has a default that fits any host.
///
/// They are called where entries pass by, so they should cost little.
pub trait Contents<C: RaftTypeConfig>: Send + Sync + 'static {
    /// Whether entries know when they were proposed ([`Contents::proposed_at`]). If not, commit latency runs from the
    /// leader's append, of one entry a millisecond that stands for all entries committed since the last one.
    const STAMPED: bool = false;

    /// How many commands a proposal carries: 1.
    fn proposed(&self, data: &C::D) -> u64 {
        let _ = data;
        1
    }

    /// How many commands an entry carries: 1, or 0 if it is blank or changes the membership.
    fn commands(&self, entry: &C::Entry) -> u64 {
        u64::from(!entry.is_blank() && entry.get_membership().is_none())
    }

    /// Bytes of an entry: the size of its type, without what it points to.
    fn bytes(&self, entry: &C::Entry) -> u64 {
        size_of_val(entry) as u64
    }

    /// Tells `commit` when the commands of an entry were proposed; called for each entry that the leader applies, if
    /// [`Contents::STAMPED`].
    fn proposed_at(&self, entry: &C::Entry, commit: &Commit<'_>) {
        let _ = (entry, commit);
    }

    /// Bytes of a snapshot, if they are known: those of a `Cursor<Vec<u8>>`, which is openraft's default.
    fn snapshot_bytes(&self, snapshot: &C::SnapshotData) -> Option<u64> {
        let cursor = (snapshot as &dyn Any).downcast_ref::<Cursor<Vec<u8>>>()?;
        Some(cursor.get_ref().len() as u64)
    }

    /// Why a peer was unreachable: the connection was refused.
    fn unreachable(&self, error: &Unreachable) -> RpcError {
        let _ = error;
        RpcError::ConnectionRefused
    }
}

/// The defaults of [`Contents`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl<C: RaftTypeConfig> Contents<C> for Plain {}

/// One committed entry: takes when its commands were proposed. All of an entry are recorded as one group.
pub struct Commit<'a> {
    group: Group,
    latency: &'a Histogram,
    now: Stamp,
}

impl<'a> Commit<'a> {
    pub(super) fn new(latency: &'a Histogram, now: Stamp) -> Self {
        Self { group: crate::group(), latency, now }
    }

    /// `commands` commands were proposed at `at`; more than one, if one was timed for so many.
    #[inline]
    pub fn proposed_at(&self, at: Stamp, commands: u64) {
        self.group.record_n(self.latency, self.now.ns_since(at), commands);
    }
}

impl fmt::Debug for Commit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commit").finish_non_exhaustive()
    }
}
