//! One run: a cluster, its load, what is done to it, and what is shown of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tachometer::Snapshot;
use tachometer::config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::alerts;
use crate::cli::RaftArgs;
use crate::live::{Display, Reading};
use crate::monitor::Monitor;
use crate::raft::cluster::Cluster;
use crate::raft::config::{ClusterConfig, NODES};
use crate::raft::load::{Load, Totals};
use crate::raft::probe::SnapshotTrigger;
use crate::raft::{isolation, kills};
use crate::report;
use crate::summary::Summary;
use crate::text::rate;
use crate::timeline::{Happening, Timeline};

/// How often the line is refreshed.
const REFRESH: Duration = Duration::from_secs(1);

/// Runs until `--for` is over or the process is asked to end, and returns what it came to.
pub async fn run(args: &RaftArgs) -> anyhow::Result<Summary> {
    let metrics = !args.no_metrics;
    // First, so that a busy port is told before a cluster is started. Nothing is measured without
    // metrics, so there is nothing to serve either.
    let config = match &args.config {
        Some(file) => Config::load(file)?,
        None => Config::parse_with("", std::env::vars_os())?.0,
    };
    let rules = alerts::rule_files(&args.rules)?;
    let monitor = metrics.then(|| Monitor::configured(&config, args.listen, rules)).transpose()?;
    if let Some(page) = monitor.as_ref().and_then(Monitor::page) {
        eprintln!("live page at {page}");
    }
    if let Some(metrics) = monitor.as_ref().and_then(Monitor::metrics) {
        eprintln!("metrics at {metrics}");
    }
    let registry = monitor.as_ref().map(Monitor::registry);
    let cluster =
        ClusterConfig { sample_every: config.recording.sample_every, ..args.cluster(registry) };
    let cluster = Arc::new(Cluster::start(cluster).await?);
    let timeline = Arc::new(Timeline::begin());
    let (stop, stopped) = watch::channel(false);
    let mut tasks = disturb(args, &cluster, &timeline, &stopped);
    let load = Load::start(&cluster, args.clients);

    let line = Line::new(monitor.as_ref());
    let watched = watch_run(args, line, &cluster, &load, &timeline, &mut tasks).await;

    let (totals, duration) = (load.totals(), timeline.elapsed());
    load.stop().await;
    // An error means that no task is left to hear of it.
    let _ = stop.send(true);
    let disturbed = join(tasks).await;
    let cluster = Arc::into_inner(cluster).context("the cluster is still in use")?;
    let shut_down = cluster.shutdown().await;
    watched.and(disturbed).and(shut_down)?;
    if totals.acknowledged == 0 {
        bail!("no write was acknowledged in {duration:.1?}; give the run more time with --for");
    }
    tell_alerts(monitor.as_ref(), &timeline);
    let measured = monitor.map(Monitor::finish).unwrap_or_default();
    let (events, events_not_kept) = (timeline.since(0), timeline.not_kept());
    Ok(Summary {
        metrics,
        distributions: measured.distributions,
        engine: measured.engine,
        events,
        events_not_kept,
        ..Summary::new(args.log, args.clients, duration, totals)
    })
}

type Tasks = JoinSet<anyhow::Result<()>>;

/// Starts what the flags ask to be done to the cluster while it runs.
fn disturb(
    args: &RaftArgs,
    cluster: &Arc<Cluster>,
    timeline: &Arc<Timeline>,
    stopped: &watch::Receiver<bool>,
) -> Tasks {
    let mut tasks = JoinSet::new();
    if let Some(interval) = args.kill_leader_every {
        let (cluster, timeline) = (cluster.clone(), timeline.clone());
        tasks.spawn(kills::kill_leaders(cluster, interval, timeline, stopped.clone()));
    }
    if let Some(span) = args.isolate_follower {
        let (cluster, timeline) = (cluster.clone(), timeline.clone());
        tasks.spawn(isolation::isolate_followers(cluster, span, timeline, stopped.clone()));
    }
    if let Some(interval) = args.snapshot_every {
        tasks.spawn(take_snapshots(cluster.clone(), interval, stopped.clone()));
    }
    tasks
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

/// Shows the run until it is to end, or ends it early with the error that broke it.
async fn watch_run(
    args: &RaftArgs,
    mut line: Line<'_>,
    cluster: &Cluster,
    load: &Load,
    timeline: &Timeline,
    tasks: &mut Tasks,
) -> anyhow::Result<()> {
    let display = Display::on_standard_error();
    let end = ended(args.duration);
    tokio::pin!(end);
    let mut ticks = tokio::time::interval(REFRESH);
    ticks.tick().await;
    let result = loop {
        tokio::select! {
            ended = &mut end => break ended.map(drop),
            Some(task) = tasks.join_next() => break flatten(task),
            _ = ticks.tick() => {
                if let Err(error) = cluster.check().await {
                    break Err(error);
                }
                line.refresh(&display, cluster, load, timeline).await;
            }
        }
    };
    display.finish();
    result
}

/// Puts on the timeline what alerts became since the last time.
fn tell_alerts(monitor: Option<&Monitor>, timeline: &Timeline) {
    let notices = monitor.map(|monitor| monitor.alerts().take()).unwrap_or_default();
    notices.into_iter().for_each(|notice| timeline.add(Happening::Alert(notice)));
}

/// What has been shown so far.
struct Line<'a> {
    monitor: Option<&'a Monitor>,
    snapshot: Option<Arc<Snapshot>>,
    commit_p99: Option<Duration>,
    moments: usize,
    totals: Totals,
    elapsed: Duration,
}

impl<'a> Line<'a> {
    fn new(monitor: Option<&'a Monitor>) -> Self {
        let snapshot = monitor.map(Monitor::snapshot);
        let (totals, elapsed) = (Totals::default(), Duration::ZERO);
        Self { monitor, snapshot, commit_p99: None, moments: 0, totals, elapsed }
    }

    /// The 99th percentile of what was committed between the last two snapshots.
    fn commit_p99(&mut self) -> Option<Duration> {
        let latest = self.monitor?.snapshot();
        let shown = self.snapshot.replace(latest.clone())?;
        // The engine's seconds are not the line's: at times there is no new snapshot yet.
        if shown.generation() < latest.generation() {
            self.commit_p99 = report::commit_p99(&shown, &latest);
        }
        self.commit_p99
    }

    async fn refresh(
        &mut self,
        display: &Display,
        cluster: &Cluster,
        load: &Load,
        timeline: &Timeline,
    ) {
        let (totals, elapsed) = (load.totals(), timeline.elapsed());
        tell_alerts(self.monitor, timeline);
        let moments = timeline.since(self.moments);
        let written = totals.acknowledged - self.totals.acknowledged;
        let reading = Reading {
            elapsed,
            writes_per_second: rate(written, elapsed - self.elapsed),
            commit_p99: self.commit_p99(),
            cluster: cluster.view().await,
            retried: totals.retried - self.totals.retried,
            failed: totals.failed - self.totals.failed,
        };
        display.show(&moments, &reading);
        self.moments += moments.len();
        (self.totals, self.elapsed) = (totals, elapsed);
    }
}

/// Why a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its time is over.
    Over,
    /// Ctrl-C, or a request to terminate.
    Asked,
}

/// Waits until `duration` is over, if one is given, or the process is asked to end.
pub async fn ended(duration: Option<Duration>) -> anyhow::Result<End> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let over = async {
        match duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => Ok(End::Over),
        pressed = tokio::signal::ctrl_c() => {
            pressed.map(|()| End::Asked).context("Ctrl-C cannot be received")
        }
        _ = terminate.recv() => Ok(End::Asked),
    }
}

async fn join(mut tasks: Tasks) -> anyhow::Result<()> {
    let mut result = Ok(());
    while let Some(task) = tasks.join_next().await {
        result = result.and(flatten(task));
    }
    result
}

fn flatten(task: Result<anyhow::Result<()>, tokio::task::JoinError>) -> anyhow::Result<()> {
    task.context("a task of the run has panicked")?
}
