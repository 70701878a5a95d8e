//! Three nodes, their storage, and what can be done to them: kill, restart, isolate, observe.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::client::Client;
use super::config::{ClusterConfig, LogKind, NODES};
use super::node::{Node, Storage};
use super::probe::{NodeProbe, SnapshotTrigger};
use super::router::Router;
use super::state_machine::State;
use super::types::{NodeId, RaftMetrics};

/// How long a leader may take to be found at the start.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How often a condition on nodes is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(5);

/// One node's place: what it stores, whether it runs or not.
#[derive(Debug)]
struct Slot {
    storage: Storage,
    probe: NodeProbe,
    node: Option<Node>,
}

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    config: Arc<ClusterConfig>,
    router: Arc<Router>,
    slots: Mutex<BTreeMap<NodeId, Slot>>,
    folder: Option<TempDir>,
}

/// What is shown of the cluster while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    pub leader: Option<NodeId>,
    pub term: u64,
    /// Entries that each follower lacks; `None` for a node that is down.
    pub followers: Vec<(NodeId, Option<u64>)>,
}

impl Cluster {
    /// Starts all nodes, makes them a cluster and waits for its first leader.
    pub async fn start(config: ClusterConfig) -> anyhow::Result<Self> {
        let folder = match config.log {
            LogKind::Disk => Some(temporary_folder(config.parent_folder.as_deref())?),
            LogKind::Memory => None,
        };
        let slot = |id| {
            let storage = match &folder {
                Some(folder) => Storage::Disk { folder: node_folder(folder.path(), id) },
                None => Storage::in_memory(),
            };
            let probe = match &config.metrics {
                Some(registry) => NodeProbe::measuring(registry, id, config.sample_every)?,
                None => NodeProbe::off(),
            };
            Ok((id, Slot { storage, probe, node: None }))
        };
        let slots = (1..=NODES).map(slot).collect::<Result<_, tachometer::Error>>();
        let slots = Mutex::new(slots.context("the nodes' metrics cannot be registered")?);
        let router = Arc::new(Router::new(NODES));
        let cluster = Self { config: Arc::new(config), router, slots, folder };
        if let Err(error) = cluster.form().await {
            // The first error is the one to tell.
            let _ = cluster.shutdown().await;
            return Err(error);
        }
        Ok(cluster)
    }

    async fn form(&self) -> anyhow::Result<()> {
        for id in 1..=NODES {
            self.restart(id).await?;
        }
        let members: BTreeMap<NodeId, ()> = (1..=NODES).map(|id| (id, ())).collect();
        let first = self.router.endpoint(1).context("the first node has stopped")?;
        first.raft.initialize(members).await.context("the cluster cannot be formed")?;
        self.wait_for_leader(START_LIMIT).await?;
        Ok(())
    }

    /// What nodes and clients reach each other through.
    pub fn router(&self) -> Arc<Router> {
        self.router.clone()
    }

    pub fn client(&self) -> Client {
        Client::new(self.router.clone(), self.config.sample_every)
    }

    /// The node that leads and runs, if there is one.
    pub fn leader(&self) -> Option<NodeId> {
        self.router.leader_endpoint().map(|leader| leader.node)
    }

    /// Waits until a running node leads.
    pub async fn wait_for_leader(&self, limit: Duration) -> anyhow::Result<NodeId> {
        let found = tokio::time::timeout(limit, async {
            loop {
                if let Some(leader) = self.leader() {
                    return leader;
                }
                tokio::time::sleep(POLL).await;
            }
        });
        found.await.with_context(|| format!("no leader was elected within {limit:?}"))
    }

    /// Shuts `id` down. It is off the network before anything else.
    pub async fn kill(&self, id: NodeId) -> anyhow::Result<()> {
        let node = self.slots.lock().await.get_mut(&id).and_then(|slot| slot.node.take());
        let node = node.with_context(|| format!("node {id} is not running"))?;
        node.stop().await.with_context(|| format!("node {id} did not stop cleanly"))
    }

    /// Starts `id` on what it has stored.
    pub async fn restart(&self, id: NodeId) -> anyhow::Result<()> {
        let mut slots = self.slots.lock().await;
        let slot = slots.get_mut(&id).with_context(|| format!("there is no node {id}"))?;
        if slot.node.is_some() {
            bail!("node {id} is running already");
        }
        let (config, storage) = (self.config.clone(), slot.storage.clone());
        let router = self.router.clone();
        slot.node = Some(Node::start(id, config, storage, router, slot.probe.clone()).await?);
        Ok(())
    }

    /// Cuts `id` off from the other nodes, or lets it back.
    pub fn set_isolated(&self, id: NodeId, is_isolated: bool) {
        self.router.set_isolated(id, is_isolated);
    }

    /// Asks `id` for a snapshot now.
    pub async fn take_snapshot(&self, id: NodeId, trigger: SnapshotTrigger) -> anyhow::Result<()> {
        let slots = self.slots.lock().await;
        let node = slots.get(&id).and_then(|slot| slot.node.as_ref());
        node.with_context(|| format!("node {id} is not running"))?.take_snapshot(trigger).await
    }

    /// The state of `id`, copied; `None` when it is not running.
    pub async fn state(&self, id: NodeId) -> Option<State> {
        let slots = self.slots.lock().await;
        Some(slots.get(&id)?.node.as_ref()?.state().look(State::clone))
    }

    /// openraft's own metrics of `id`; `None` when it is not running.
    pub async fn metrics(&self, id: NodeId) -> Option<RaftMetrics> {
        Some(self.slots.lock().await.get(&id)?.node.as_ref()?.metrics())
    }

    /// The hook points of `id`, whether it runs or not.
    pub async fn probe(&self, id: NodeId) -> Option<NodeProbe> {
        self.slots.lock().await.get(&id).map(|slot| slot.probe.clone())
    }

    /// Where `id` keeps log and snapshot, if on disk.
    pub fn node_folder(&self, id: NodeId) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| node_folder(folder.path(), id))
    }

    /// What to show of the cluster now.
    pub async fn view(&self) -> ClusterView {
        let (term, leader) = self.router.leader().unwrap_or_default();
        let slots = self.slots.lock().await;
        let leading = slots.get(&leader).and_then(|slot| slot.node.as_ref()).map(Node::metrics);
        let last = leading.as_ref().and_then(|seen| seen.last_log_index).unwrap_or(0);
        let replication = leading.as_ref().and_then(|seen| seen.replication.as_ref());
        let lag = |id: &NodeId| {
            let matched = replication?.get(id)?.map_or(0, |matched| matched.index);
            Some(last.saturating_sub(matched))
        };
        let followers = slots.iter().filter(|(id, _)| **id != leader);
        let followers =
            followers.map(|(id, slot)| (*id, slot.node.as_ref().and_then(|_| lag(id)))).collect();
        ClusterView { leader: leading.map(|_| leader), term, followers }
    }

    /// An error if a node that should run has stopped by itself.
    pub async fn check(&self) -> anyhow::Result<()> {
        for (id, slot) in self.slots.lock().await.iter() {
            let Some(node) = &slot.node else { continue };
            if let Err(error) = node.metrics().running_state {
                bail!("node {id} has stopped: {error}");
            }
        }
        Ok(())
    }

    /// Stops all nodes and removes what they stored.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let mut stopped = Ok(());
        for (id, slot) in self.slots.into_inner() {
            if let Some(node) = slot.node {
                let result = node.stop().await;
                stopped = stopped.and(result.with_context(|| format!("node {id} did not stop")));
            }
        }
        if let Some(folder) = self.folder {
            let path = folder.path().to_path_buf();
            folder.close().with_context(|| format!("{} cannot be removed", path.display()))?;
        }
        stopped
    }
}

fn node_folder(folder: &Path, id: NodeId) -> PathBuf {
    folder.join(format!("node-{id}"))
}

fn temporary_folder(parent: Option<&Path>) -> anyhow::Result<TempDir> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
    tempfile::Builder::new().prefix("tacho-raft-").tempdir_in(&parent).with_context(|| {
        let parent = parent.display();
        format!("no folder can be made in {parent}; name another one with --folder")
    })
}
