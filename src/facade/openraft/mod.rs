//! A real `openraft` node (0.9) records into [`RaftMetrics`]: three lines in its host.
//!
//! ```ignore
//! let probe = Probe::<TypeConfig>::register(&registry.scope([("group", "orders/0")])?, node_id)?;
//! let raft = Raft::new(
//!     node_id, config, probe.network(network), probe.log(log), probe.state_machine(machine),
//! ).await?;
//! let raft = probe.follow(raft); // a `Raft` that counts what comes in: use it from here on
//! ```
//!
//! `examples/openraft` is such a host, whole. What is recorded where:
//!
//! | hook | records |
//! |---|---|
//! | [`ProbedLog`] around `RaftLogStorage` | elections (from the votes that openraft saves: exact, where its metrics channel coalesces), changes of leader, appends, purges, commit index, weight of the log |
//! | [`ProbedStateMachine`] around `RaftStateMachine` | commit latency and batch, applying, snapshots taken, received and installed, changes of the membership |
//! | [`ProbedNetwork`] around `RaftNetworkFactory` | calls by peer, result, error and time, entries and bytes sent, votes granted, snapshots sent |
//! | [`ProbedRaft`] in the place of `Raft` | proposals, append-entries requests received and rejected, what asked for a snapshot |
//! | a task that [`Probe::follow`] starts | every 100 ms the gauges: what `Raft::metrics` says, the lag of followers in entries and seconds |
//!
//! What the adapter cannot know of a host's entries (their bytes, the commands in them, when they were proposed), a host can
//! tell: [`Contents`]. Without that, an entry is one command, weighs what its type does, and commit latency runs from the
//! leader's append, which is after openraft's own queue.
//!
//! A member's series (`node_state{node}`, everything `{peer}` and `{follower}`) live with the membership: they come with the
//! first that is heard of the member, go when the membership no longer has it
//! ([`Family::member`](crate::Family::member)), and come back with its return, from zero.
//!
//! Cost: of what happens for each entry or call, everything is counted and one in [`SAMPLE_EVERY`] is timed; handles are
//! kept, so nothing is looked up but the sender of an append-entries request. An append takes a lock of its node's own and
//! reads the clock once. A probe that is [`off`](Probe::off) costs one branch at each hook.

mod contents;
mod elections;
mod follow;
mod log;
mod marks;
mod members;
mod network;
mod node;
mod shared;
mod state_machine;

pub use contents::{Commit, Contents, Plain};
pub use log::{AppendTimer, Appending, ProbedLog};
pub use network::{ProbedLink, ProbedNetwork};
pub use node::ProbedRaft;
pub use state_machine::{ProbedSnapshotBuilder, ProbedStateMachine};

use crate::catalogue::raft::RaftMetrics;
use crate::{Error, Registry, Sampler};
use openraft::{Raft, RaftTypeConfig};
use shared::Shared;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

/// One in this many appends, applications and append-entries calls is timed, and counts as so many.
pub const SAMPLE_EVERY: NonZeroU32 = NonZeroU32::new(32).unwrap();

/// One node's hook points; see the [module](self). A clone is the same probe, and it outlives a restart of its node.
pub struct Probe<C: RaftTypeConfig, K = Plain> {
    shared: Option<Arc<Shared<C, K>>>,
}

impl<C: RaftTypeConfig> Probe<C> {
    /// The hook points of `node`, whose series are registered in `registry`: in a
    /// [scope](crate::Registry::scope) with the group as a constant label, if there are several groups.
    ///
    /// # Errors
    /// As [`RaftMetrics::register`].
    pub fn register(registry: &Registry, node: C::NodeId) -> Result<Self, Error> {
        Self::with_contents(registry, node, Plain)
    }
}

impl<C: RaftTypeConfig, K: Contents<C>> Probe<C, K> {
    /// The same, told by `contents` what it cannot know of entries.
    ///
    /// # Errors
    /// As [`RaftMetrics::register`].
    pub fn with_contents(registry: &Registry, node: C::NodeId, contents: K) -> Result<Self, Error> {
        let metrics = RaftMetrics::register(registry)?;
        Ok(Self { shared: Some(Arc::new(Shared::new(metrics, node, contents))) })
    }

    /// Hook points that record nothing, for a host that can run without metrics.
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Whether anything is recorded.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// The handles, for what a host wants to record beside the hooks; `None` if nothing is recorded.
    pub fn metrics(&self) -> Option<&RaftMetrics> {
        Some(&self.shared.as_ref()?.metrics)
    }

    /// A network whose calls are recorded.
    pub fn network<N>(&self, network: N) -> ProbedNetwork<C, N, K> {
        ProbedNetwork::new(network, self.shared.clone())
    }

    /// A log whose appends, votes and purges are recorded.
    pub fn log<L>(&self, log: L) -> ProbedLog<C, L, K> {
        ProbedLog::new(log, self.shared.clone())
    }

    /// Times the appends of a log that makes entries durable after `append` has returned: see [`ProbedLog::times_itself`].
    pub fn append_timer(&self) -> AppendTimer {
        let histogram = self.metrics().map(|metrics| metrics.log_append_duration.clone());
        AppendTimer::new(histogram, Sampler::one_in(SAMPLE_EVERY))
    }

    /// A state machine whose applications and snapshots are recorded.
    pub fn state_machine<M>(&self, machine: M) -> ProbedStateMachine<C, M, K> {
        ProbedStateMachine::new(machine, self.shared.clone())
    }

    /// Follows the metrics of `raft` until it stops, on a task of its runtime, and gives what to use in its place.
    ///
    /// # Panics
    /// Outside of the runtime of `C`, as its `spawn` does.
    pub fn follow(&self, raft: Raft<C>) -> ProbedRaft<C, K> {
        if let Some(shared) = &self.shared {
            follow::start(shared, &raft);
        }
        ProbedRaft::new(raft, self.shared.clone())
    }
}

impl<C: RaftTypeConfig, K> Clone for Probe<C, K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C: RaftTypeConfig, K> fmt::Debug for Probe<C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.shared.as_ref().map(|shared| &shared.node);
        f.debug_struct("Probe").field("node", &node).finish()
    }
}
