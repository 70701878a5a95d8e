//! One running node: openraft with its log, state machine, network and lanes, each with its hook points.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::compaction::Compaction;
use super::config::{ClusterConfig, LogKind};
use super::log::{Entries, LogHandle, OpenLog, RecoveryError};
use super::network::Network;
use super::probe::{NodeProbe, SnapshotTrigger};
use super::proposals::Lanes;
use super::router::{Endpoint, Router};
use super::snapshots::Snapshots;
use super::state_machine::{StateHandle, StateMachine};
use super::types::{NodeId, Raft, RaftMetrics};

/// What of a node outlives a restart.
#[derive(Clone, Debug)]
pub enum Storage {
    Memory { entries: Arc<Mutex<Entries>>, snapshots: Arc<Snapshots> },
    Disk { folder: PathBuf },
}

impl Storage {
    pub fn in_memory() -> Self {
        Self::Memory { entries: Arc::default(), snapshots: Arc::default() }
    }

    /// Reads back what is there. Blocks on the disk.
    fn open(self) -> Result<(OpenLog, Arc<Snapshots>), RecoveryError> {
        match self {
            Self::Memory { entries, snapshots } => Ok((OpenLog::in_memory(entries), snapshots)),
            Self::Disk { folder } => {
                let snapshots = Arc::new(Snapshots::on_disk(&folder)?);
                Ok((OpenLog::on_disk(&folder)?, snapshots))
            }
        }
    }
}

/// A running node.
pub struct Node {
    id: NodeId,
    raft: Raft,
    router: Arc<Router>,
    log: LogHandle,
    state: StateHandle,
    lanes: Lanes,
    compaction: JoinHandle<()>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Node {
    /// Starts node `id` on what `storage` holds and connects it.
    pub async fn start(
        id: NodeId,
        config: Arc<ClusterConfig>,
        storage: Storage,
        router: Arc<Router>,
        probe: NodeProbe,
    ) -> anyhow::Result<Self> {
        let open = tokio::task::spawn_blocking(move || storage.open()).await?;
        let (log, snapshots) = open.with_context(|| format!("node {id} cannot start"))?;
        let hooks = &probe.hooks;
        let log = log.attach(router.clone(), hooks.append_timer());
        let machine = StateMachine::restored(snapshots)?;
        let (log_handle, state) = (log.handle(), machine.handle());
        let log = match config.log {
            LogKind::Memory => hooks.log(log),
            LogKind::Disk => hooks.log(log).times_itself(),
        };
        let network = hooks.network(Network { node: id, router: router.clone() });
        let machine = hooks.state_machine(machine);
        let raft = openraft::Raft::new(id, config.openraft()?, network, log, machine).await?;
        let raft = hooks.follow(raft);

        let (proposals, lanes) = Lanes::start(&raft);
        let compaction = Compaction { config, raft: raft.clone(), log: log_handle.clone() };
        let compaction = tokio::spawn(compaction.run());
        router.connect(Endpoint { node: id, raft: raft.clone(), proposals, probe });
        Ok(Self { id, raft, router, log: log_handle, state, lanes, compaction })
    }

    /// Takes the node off the network and ends all its tasks and threads.
    pub async fn stop(self) -> io::Result<()> {
        self.router.disconnect(self.id);
        self.raft.shutdown().await.map_err(io::Error::other)?;
        self.lanes.stop().await;
        self.compaction.abort();
        // Aborted or, should it have panicked, already reported: either way it is gone.
        let _ = self.compaction.await;
        let log = self.log;
        tokio::task::spawn_blocking(move || log.close()).await.map_err(io::Error::other)
    }

    pub fn state(&self) -> &StateHandle {
        &self.state
    }

    pub fn metrics(&self) -> RaftMetrics {
        self.raft.metrics().borrow().clone()
    }

    /// Asks for a snapshot now.
    pub async fn take_snapshot(&self, trigger: SnapshotTrigger) -> anyhow::Result<()> {
        Ok(self.raft.take_snapshot(trigger).await?)
    }
}
