//! Four replicas, and what can be done to them: stop, start again, isolate, make dishonest, observe.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use hotstuff_rs::replica::Replica;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::client::Client;
use super::config::{ClusterConfig, Members, REPLICAS, ReplicaId};
use super::ledger::Agreement;
use super::mempool::Receipts;
use super::network::Switch;
use super::probe::Probe;
use super::replica::{Place, Progress, apart};
use super::store::Store;

/// How long the first commit may take.
const START_LIMIT: Duration = Duration::from_secs(20);

/// How often gauges are set.
const OBSERVE_EVERY: Duration = Duration::from_millis(100);

/// How often a condition on replicas is looked at while it is waited for.
const POLL: Duration = Duration::from_millis(5);

type Threads = Option<Replica<Store>>;

/// A running cluster.
pub struct Cluster {
    switch: Arc<Switch>,
    places: Arc<[Place]>,
    threads: Mutex<Vec<Threads>>,
    receipts: Arc<Receipts>,
    observing: JoinHandle<()>,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("places", &self.places).finish_non_exhaustive()
    }
}

/// What is shown of the cluster while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// The highest view that a replica is in.
    pub view: u64,
    /// How many blocks are final, for whoever has the most.
    pub blocks: u64,
    /// How many blocks each replica lacks of those; `None` for one that is stopped.
    pub behind: Vec<(ReplicaId, Option<u64>)>,
}

impl Cluster {
    /// Starts all replicas and waits for the first block that is final.
    pub async fn start(config: ClusterConfig) -> anyhow::Result<Self> {
        let probe = |id| match &config.metrics {
            Some(registry) => Probe::measuring(registry, id),
            None => Ok(Probe::default()),
        };
        let probes: Result<Vec<Probe>, _> = (1..=REPLICAS).map(probe).collect();
        let probes = probes.context("the replicas' metrics cannot be registered")?;
        let switch = Arc::new(Switch::new(Members::new(), &probes));
        let (receipts, agreement) = (Arc::<Receipts>::default(), Arc::<Agreement>::default());
        let place = |(id, probe)| {
            Place::new(id, switch.clone(), receipts.clone(), agreement.clone(), probe)
        };
        let places: Arc<[Place]> = (1..).zip(probes).map(place).collect();
        let threads = Mutex::new((0..REPLICAS).map(|_| None).collect());
        let observing = tokio::spawn(observe(places.clone()));
        let cluster = Self { switch, places, threads, receipts, observing };
        if let Err(error) = cluster.form().await {
            // The first error is the one to tell.
            let _ = cluster.shutdown().await;
            return Err(error);
        }
        Ok(cluster)
    }

    async fn form(&self) -> anyhow::Result<()> {
        for id in 1..=REPLICAS {
            self.restart(id).await?;
        }
        let is_formed = async || {
            let mut heights = self.places.iter().map(Place::progress);
            heights.all(|progress| progress.is_ok_and(|at| at.committed_height.is_some()))
        };
        self.until(START_LIMIT, is_formed).await.context("no block was committed by all replicas")
    }

    async fn until(
        &self,
        limit: Duration,
        mut met: impl AsyncFnMut() -> bool,
    ) -> anyhow::Result<()> {
        let wait = tokio::time::timeout(limit, async {
            while !met().await {
                tokio::time::sleep(POLL).await;
            }
        });
        wait.await.with_context(|| format!("waited in vain for {limit:?}"))
    }

    fn place(&self, id: ReplicaId) -> anyhow::Result<&Place> {
        let position = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
        let place = position.and_then(|position| self.places.get(position));
        place.with_context(|| format!("there is no replica {id}"))
    }

    pub fn client(&self) -> Client {
        Client::new(self.places.clone(), self.switch.clone(), self.receipts.clone())
    }

    /// What replicas are connected to.
    pub fn switch(&self) -> &Arc<Switch> {
        &self.switch
    }

    /// Stops `id`. It is off the network before anything else.
    pub async fn stop(&self, id: ReplicaId) -> anyhow::Result<()> {
        self.place(id)?;
        let mut threads = self.threads.lock().await;
        let replica = threads[id as usize - 1].take();
        let replica = replica.with_context(|| format!("replica {id} is not running"))?;
        self.end(id, replica).await
    }

    async fn end(&self, id: ReplicaId, replica: Replica<Store>) -> anyhow::Result<()> {
        let places = self.places.clone();
        apart(move || places[id as usize - 1].stop(replica)).await?
    }

    /// Starts `id` on what it has stored.
    pub async fn restart(&self, id: ReplicaId) -> anyhow::Result<()> {
        self.place(id)?;
        let mut threads = self.threads.lock().await;
        let slot = &mut threads[id as usize - 1];
        if slot.is_some() {
            bail!("replica {id} is running already");
        }
        let places = self.places.clone();
        *slot = Some(apart(move || places[id as usize - 1].start()).await?);
        Ok(())
    }

    /// How far `id` is, whether it runs or not.
    pub fn progress(&self, id: ReplicaId) -> anyhow::Result<Progress> {
        self.place(id)?.progress()
    }

    /// One replica: what it stores and knows.
    pub fn replica(&self, id: ReplicaId) -> anyhow::Result<&Place> {
        self.place(id)
    }

    /// What to show of the cluster now.
    pub fn view(&self) -> ClusterView {
        let running: Vec<ReplicaId> = self.switch.running().collect();
        let progress: Vec<(ReplicaId, Progress)> = (1..)
            .zip(self.places.iter().map(|place| place.progress().unwrap_or_default()))
            .collect();
        let blocks = |at: &Progress| at.committed_height.map_or(0, |height| height + 1);
        let most = progress.iter().map(|(_, at)| blocks(at)).max().unwrap_or(0);
        let behind = |(id, at): &(ReplicaId, Progress)| {
            (*id, running.contains(id).then(|| most - blocks(at)))
        };
        ClusterView {
            view: progress.iter().map(|(_, at)| at.view).max().unwrap_or(0),
            blocks: most,
            behind: progress.iter().map(behind).collect(),
        }
    }

    /// An error if a replica that should run has stopped by itself.
    pub async fn check(&self) -> anyhow::Result<()> {
        let threads = self.threads.lock().await;
        for (place, (id, slot)) in self.places.iter().zip((1..).zip(threads.iter())) {
            let id: ReplicaId = id;
            if slot.is_some() && !place.is_running() {
                bail!("replica {id} has stopped by itself");
            }
        }
        Ok(())
    }

    /// Stops all replicas.
    pub async fn shutdown(self) -> anyhow::Result<()> {
        let mut stopped = Ok(());
        let mut threads = self.threads.lock().await;
        for (id, slot) in (1..).zip(threads.iter_mut()) {
            if let Some(replica) = slot.take() {
                stopped = stopped.and(self.end(id, replica).await);
            }
        }
        self.observing.abort();
        self.places.iter().for_each(Place::observe);
        stopped
    }
}

async fn observe(places: Arc<[Place]>) {
    let mut ticks = tokio::time::interval(OBSERVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        places.iter().for_each(Place::observe);
    }
}
