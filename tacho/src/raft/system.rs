//! A Raft cluster as the commands see it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tachometer::Registry;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::cluster::Cluster;
use super::config::{ClusterConfig, NODES};
use super::probe::SnapshotTrigger;
use super::{isolation, kills};
use crate::alerts;
use crate::cli::{RaftArgs, RunArgs};
use crate::report::Row;
use crate::summary::Setup;
use crate::system::{Course, Flags, System, Tasks, Words};
use crate::text::grouped;

/// The rows of the summary, in its order.
const ROWS: &[Row] = &[
    ("client write, sampled", "tacho_write_duration_seconds", &[]),
    ("proposal to commit, sampled", "raft_commit_latency_seconds", &[]),
    ("apply, sampled", "raft_apply_duration_seconds", &[]),
    ("log append, sampled", "raft_log_append_duration_seconds", &[]),
    ("append_entries call, sampled", "raft_rpc_duration_seconds", &[("rpc", "append_entries")]),
    ("vote call", "raft_rpc_duration_seconds", &[("rpc", "vote")]),
    ("install_snapshot call", "raft_rpc_duration_seconds", &[("rpc", "install_snapshot")]),
    ("election", "raft_election_duration_seconds", &[]),
    ("snapshot taken", "raft_snapshot_create_duration_seconds", &[]),
    ("snapshot installed", "raft_snapshot_apply_duration_seconds", &[]),
    ("snapshot size", "raft_snapshot_size_bytes", &[]),
    ("commands a commit", "raft_commit_batch_entries", &[]),
];

impl Flags for RaftArgs {
    fn run(&self) -> &RunArgs {
        &self.run
    }

    fn setup(&self) -> Setup {
        let (text, log) = (format!("log {}", self.log), Some(self.log));
        Setup { clients: self.run.clients, text, log, words: Cluster::WORDS }
    }
}

impl System for Cluster {
    type Args = RaftArgs;

    const WORDS: Words = Words {
        operations: "writes",
        operation: "write",
        // Only the leader records it.
        latency: ("commit", "raft_commit_latency_seconds"),
        rows: ROWS,
        rules: alerts::shipped,
    };

    async fn start(
        args: &RaftArgs,
        metrics: Option<&Registry>,
        sample_every: NonZeroU32,
    ) -> anyhow::Result<Self> {
        let parent_folder = args.folder.clone();
        let metrics = metrics.cloned();
        let config =
            ClusterConfig { metrics, parent_folder, sample_every, ..ClusterConfig::new(args.log) };
        Cluster::start(config).await
    }

    fn disturb(self: &Arc<Self>, args: &RaftArgs, course: &Course) -> Tasks {
        let mut tasks = Tasks::new();
        let Course { timeline, stopped } = course;
        if let Some(interval) = args.kill_leader_every {
            let (cluster, timeline) = (self.clone(), timeline.clone());
            tasks.spawn(kills::kill_leaders(cluster, interval, timeline, stopped.clone()));
        }
        if let Some(span) = args.isolate_follower {
            let (cluster, timeline) = (self.clone(), timeline.clone());
            tasks.spawn(isolation::isolate_followers(cluster, span, timeline, stopped.clone()));
        }
        if let Some(interval) = args.snapshot_every {
            tasks.spawn(take_snapshots(self.clone(), interval, stopped.clone()));
        }
        tasks
    }

    async fn standing(&self) -> String {
        let view = self.view().await;
        let leader = view.leader.map_or("none".to_owned(), |leader| leader.to_string());
        let mut text = format!("leader {leader:<4}  term {:<3}  lag", view.term);
        for (node, lag) in &view.followers {
            let lag = lag.map_or("-".to_owned(), grouped);
            text += &format!(" {node}:{lag}");
        }
        text
    }

    async fn check(&self) -> anyhow::Result<()> {
        self.check().await
    }

    async fn shutdown(self) -> anyhow::Result<()> {
        self.shutdown().await
    }
}

async fn take_snapshots(
    cluster: Arc<Cluster>,
    interval: Duration,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // An error means that the run is over just as well.
            _ = stop.changed() => return Ok(()),
            _ = ticks.tick() => {
                for id in 1..=NODES {
                    // A node that is down takes its next snapshot when it is back.
                    let _ = cluster.take_snapshot(id, SnapshotTrigger::Time).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::config::LogKind;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_standing_says_who_leads_and_who_lags() {
        let config = ClusterConfig { metrics: None, ..ClusterConfig::new(LogKind::Memory) };
        let cluster = Cluster::start(config).await.expect("the cluster starts");
        let text = cluster.standing().await;
        assert!(text.starts_with("leader ") && text.contains("  term "), "{text}");
        let lag = text.split_once("  lag ").expect("a lag").1;
        assert_eq!(lag.split(' ').count(), NODES as usize - 1, "{text}");
        cluster.shutdown().await.expect("the cluster stops");
    }
}
