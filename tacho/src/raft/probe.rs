//! What a node records: the library's adapter for openraft, told what this cluster's entries carry, and what a client waits
//! for, which the catalogue has no row for.
//!
//! A probe that does not measure costs its callers one branch: it hands out [`Stamp::NONE`] and no clock is read.
//!
//! What happens once for each command is kept cheap: reading the clock takes longer than recording, so one command in
//! `sample_every` (eight, unless configured) is stamped where it is proposed, recorded in one group with the others of its
//! entry, and counts as so many. Everything else happens once for each entry or call, that is, for some hundred commands.

use std::any::type_name;
use std::error::Error;
use std::num::NonZeroU32;

use openraft::AnyError;
use openraft::error::Unreachable;
use tachometer::facade::openraft::{Commit, Contents, Probe};
use tachometer::{Histogram, Registry, Unit};

pub use tachometer::catalogue::raft::{RpcError, SnapshotTrigger};

use super::router::Isolated;
use super::types::{Batch, Entry, NodeId, Types, commands_of, payload_bytes};
use crate::clock::Stamp;

/// The one Raft group of the cluster.
pub const GROUP: &str = "demo/0";

/// One in this many of the commands that are timed to their commit is timed until its client has the answer.
pub const ONE_ANSWER_IN: NonZeroU32 = NonZeroU32::new(32).unwrap();

/// What the adapter cannot know of this cluster: an entry carries many commands, of which some have a stamp.
#[derive(Clone, Copy, Debug)]
pub struct Commands {
    /// One in this many has a stamp.
    sample_every: NonZeroU32,
}

impl Contents<Types> for Commands {
    const STAMPED: bool = true;

    fn proposed(&self, batch: &Batch) -> u64 {
        batch.commands().len() as u64
    }

    fn commands(&self, entry: &Entry) -> u64 {
        commands_of(entry).len() as u64
    }

    fn bytes(&self, entry: &Entry) -> u64 {
        payload_bytes(entry)
    }

    #[inline]
    fn proposed_at(&self, entry: &Entry, commit: &Commit<'_>) {
        let weight = self.sample_every.get().into();
        let stamped = commands_of(entry).iter().map(|command| command.proposed_at);
        for stamp in stamped.filter(|stamp| *stamp != Stamp::NONE) {
            commit.proposed_at(stamp.into(), weight);
        }
    }

    fn unreachable(&self, error: &Unreachable) -> RpcError {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<AnyError>());
        match cause.and_then(AnyError::get_type) {
            Some(name) if name == type_name::<Isolated>() => RpcError::Network,
            _ => RpcError::ConnectionRefused,
        }
    }
}

/// One node's hook points. A clone is the same probe.
#[derive(Clone, Debug)]
pub struct NodeProbe {
    /// What its network, log, state machine and `Raft` record through.
    pub hooks: Probe<Types, Commands>,
    /// A client's write, from its first proposal to its answer, and how many writes one that is timed stands for.
    writes: Option<(Histogram, u64)>,
}

impl NodeProbe {
    /// A probe that measures, into `registry`. Of the commands that it is told of, one in
    /// `sample_every` has a stamp.
    pub fn measuring(
        registry: &Registry,
        node: NodeId,
        sample_every: NonZeroU32,
    ) -> Result<Self, tachometer::Error> {
        // Three replicas share the process, so each says which it is.
        let replica = node.to_string();
        let registry = registry.scope([("group", GROUP), ("replica", &replica)])?;
        let help = "A client's write, from its first proposal to its answer.";
        let writes = registry.metric("tacho_write_duration_seconds", help);
        let weight = sample_every.saturating_mul(ONE_ANSWER_IN).get().into();
        Ok(Self {
            hooks: Probe::with_contents(&registry, node, Commands { sample_every })?,
            writes: Some((writes.unit(Unit::Nanoseconds).histogram()?, weight)),
        })
    }

    /// A probe that does nothing.
    pub fn off() -> Self {
        Self { hooks: Probe::off(), writes: None }
    }

    /// Whether events are recorded; what is only needed for an event may be skipped if not.
    #[inline]
    pub fn is_measuring(&self) -> bool {
        self.writes.is_some()
    }

    /// Now, to hand to a later event; [`Stamp::NONE`] when nothing is measured.
    #[inline]
    pub fn stamp(&self) -> Stamp {
        if self.is_measuring() { Stamp::now() } else { Stamp::NONE }
    }

    /// A client that proposed here has its answer, retries included. Of those with a stamp, one in
    /// [`ONE_ANSWER_IN`] comes here.
    #[inline]
    pub fn write_finished(&self, first_proposed_at: Stamp) {
        if let Some((writes, weight)) = &self.writes {
            writes.record_n(Stamp::now().ns_since(first_proposed_at), *weight);
        }
    }
}
