//! The HotStuff cluster as a workload: clients with values and times of the seed, and a replica that is stopped now and then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tachometer::testing::Values;
use tachometer::testing::artifact::Fact;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::args::SoakArgs;
use super::operations::Operations;
use super::pace::Pace;
use super::workload::{Setting, Workload};
use crate::hotstuff::client::Client;
use crate::hotstuff::cluster::Cluster;
use crate::hotstuff::config::ClusterConfig;
use crate::hotstuff::trouble::{self, Trouble};

const CLIENTS: u32 = 64;

/// How long clients may take to finish what they have under way at the end.
const GRACE: Duration = Duration::from_secs(1);

/// A cluster, its clients, and what is done to it.
#[derive(Debug)]
pub struct HotStuff {
    cluster: Arc<Cluster>,
    stop: watch::Sender<bool>,
    clients: JoinSet<()>,
    faults: JoinSet<anyhow::Result<()>>,
}

impl Workload for HotStuff {
    const NAME: &'static str = "hotstuff";

    fn facts(args: &SoakArgs) -> Vec<(&'static str, Fact)> {
        let faults = args
            .faults
            .0
            .map_or("off".to_owned(), |mean| humantime::format_duration(span(mean)).to_string());
        vec![("clients", args.clients.unwrap_or(CLIENTS).into()), ("faults", faults.into())]
    }

    async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let metrics = Some(setting.registry().clone());
        let cluster = Arc::new(Cluster::start(ClusterConfig { metrics }).await?);
        let (stop, stopped) = watch::channel(false);
        let mut clients = JoinSet::new();
        let count = setting.clients.unwrap_or(CLIENTS);
        for number in 0..count {
            let values = Values::uniform(0, u64::MAX)?;
            let pace = Pace::of(setting.seed, number.into(), count, setting.rate, values)?;
            let (client, operations) = (cluster.client(), setting.operations.clone());
            clients.spawn(put_until(stopped.clone(), client, number, pace, operations));
        }
        let mut faults = JoinSet::new();
        if let Some(mean) = setting.faults {
            let timeline = setting.timeline.clone();
            faults.spawn(trouble::make(
                Trouble::Stop,
                cluster.clone(),
                span(mean),
                timeline,
                stopped,
            ));
        }
        Ok(Self { cluster, stop, clients, faults })
    }

    async fn check(&mut self) -> anyhow::Result<()> {
        if let Some(ended) = self.faults.try_join_next() {
            ended.context("what stops a replica has panicked")??;
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
            result = result.and(ended.context("what stops a replica has panicked").flatten());
        }
        let cluster = Arc::into_inner(self.cluster).context("the cluster is still in use")?;
        result.and(cluster.shutdown().await)
    }
}

/// How long the replica is stopped, and then not.
fn span(mean: Duration) -> Duration {
    mean.clamp(trouble::SHORTEST, trouble::LONGEST)
}

/// One client, with an account of its own.
async fn put_until(
    mut stop: watch::Receiver<bool>,
    mut client: Client,
    number: u32,
    mut pace: Pace,
    operations: Operations,
) {
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
        match client.put(number.into(), u128::from(turn.content).to_le_bytes()).await {
            Ok(_) => operations.succeeded(began.elapsed()),
            Err(_) => operations.failed(),
        }
    }
}
