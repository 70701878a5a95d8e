//! The Raft cluster as a workload: clients with keys and times of the seed, and its faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tachometer::testing::Values;
use tachometer::testing::artifact::Fact;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::args::SoakArgs;
use super::faults;
use super::operations::Operations;
use super::pace::Pace;
use super::workload::{Setting, Workload};
use crate::raft::client::Client;
use crate::raft::cluster::Cluster;
use crate::raft::config::ClusterConfig;

const CLIENTS: u32 = 64;

/// Clients write to this many keys; the state and its snapshots stay this small.
const KEYS: u64 = 16_384;

/// How long clients may take to finish what they have under way at the end.
const GRACE: Duration = Duration::from_secs(1);

/// A cluster, its clients, and what is done to it.
#[derive(Debug)]
pub struct Raft {
    cluster: Arc<Cluster>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
    faults: JoinSet<anyhow::Result<()>>,
}

impl Workload for Raft {
    const NAME: &'static str = "raft";

    fn facts(args: &SoakArgs) -> Vec<(&'static str, Fact)> {
        let mean = args
            .faults
            .0
            .map_or("off".to_owned(), |mean| humantime::format_duration(mean).to_string());
        let clients = args.clients.unwrap_or(CLIENTS);
        vec![
            ("clients", clients.into()),
            ("log", args.log.to_string().into()),
            ("faults", mean.into()),
        ]
    }

    async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let parent_folder = setting.folder.clone();
        let metrics = Some(setting.registry().clone());
        let config = ClusterConfig { metrics, parent_folder, ..ClusterConfig::new(setting.log) };
        let cluster = Arc::new(Cluster::start(config).await?);
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        let count = setting.clients.unwrap_or(CLIENTS);
        for number in 0..count {
            let keys = Values::uniform(0, KEYS - 1)?;
            let pace = Pace::of(setting.seed, number.into(), count, setting.rate, keys)?;
            let (client, operations) = (cluster.client(), setting.operations.clone());
            clients.spawn(write_until(stopped.clone(), client, number, pace, operations));
        }
        let mut faults = JoinSet::new();
        if let Some(mean) = setting.faults {
            let (plan, timeline) = (faults::plan(setting.seed, mean), setting.timeline.clone());
            faults.spawn(faults::inflict(plan, cluster.clone(), timeline, stopped));
        }
        Ok(Self { cluster, stop, clients, faults })
    }

    async fn check(&mut self) -> anyhow::Result<()> {
        if let Some(ended) = self.faults.try_join_next() {
            ended.context("what inflicts faults has panicked")??;
        }
        if let Some(ended) = self.clients.try_join_next() {
            ended.context("a client has panicked")?;
        }
        self.cluster.check().await
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        // An error means that no task is left to hear of it.
        let _ = self.stop.send(true);
        let all_done = async { while self.clients.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_done).await.is_err() {
            self.clients.shutdown().await;
        }
        let mut result = Ok(());
        while let Some(ended) = self.faults.join_next().await {
            result = result.and(ended.context("what inflicts faults has panicked").flatten());
        }
        let cluster = Arc::into_inner(self.cluster).context("the cluster is still in use")?;
        result.and(cluster.shutdown().await)
    }
}

async fn write_until(
    mut stop: watch::Receiver<bool>,
    mut client: Client,
    number: u32,
    mut pace: Pace,
    operations: Operations,
) {
    let mut writes = 0u64;
    while !*stop.borrow_and_update() {
        let turn = pace.next_turn();
        if let Some(due) = turn.due {
            tokio::select! {
                // An error means that the run is over just as well.
                _ = stop.changed() => return,
                () = tokio::time::sleep_until(due.into()) => {}
            }
        }
        let began = turn.due.unwrap_or_else(Instant::now);
        // Tells in every value who wrote it and when.
        let value = (u128::from(number) << 64 | u128::from(writes)).to_le_bytes();
        match client.put(turn.content, value).await {
            Ok(_) => operations.succeeded(began.elapsed()),
            Err(_) => operations.failed(),
        }
        writes += 1;
    }
}
