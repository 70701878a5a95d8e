//! One run: a system, its load, what is done to it, and what is shown of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tachometer::Snapshot;
use tachometer::config::Config;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::alerts;
use crate::live::{Display, Reading};
use crate::load::{Load, Totals};
use crate::monitor::Monitor;
use crate::report;
use crate::summary::Summary;
use crate::system::{Course, Flags, System, Tasks};
use crate::text::rate;
use crate::timeline::{Happening, Timeline};

/// How often the line is refreshed.
const REFRESH: Duration = Duration::from_secs(1);

/// Runs until `--for` is over or the process is asked to end, and returns what it came to.
pub async fn run<S: System>(args: &S::Args) -> anyhow::Result<Summary> {
    let flags = args.run();
    let metrics = !flags.no_metrics;
    // First, so that a busy port is told before a cluster is started. Nothing is measured without
    // metrics, so there is nothing to serve either.
    let config = match &flags.config {
        Some(file) => Config::load(file)?,
        None => Config::parse_with("", std::env::vars_os())?.0,
    };
    let rules = alerts::rule_files(&flags.rules)?;
    let start = || Monitor::configured(&config, flags.listen, rules, S::WORDS.rules);
    let monitor = metrics.then(start).transpose()?;
    if let Some(page) = monitor.as_ref().and_then(Monitor::page) {
        eprintln!("live page at {page}");
    }
    if let Some(metrics) = monitor.as_ref().and_then(Monitor::metrics) {
        eprintln!("metrics at {metrics}");
    }
    let registry = monitor.as_ref().map(Monitor::registry);
    let system = Arc::new(S::start(args, registry, config.recording.sample_every).await?);
    let timeline = Arc::new(Timeline::begin());
    let (stop, stopped) = watch::channel(false);
    let mut tasks = system.disturb(args, &Course { timeline: timeline.clone(), stopped });
    let load = Load::start(&*system, flags.clients);

    let line = Line::new(monitor.as_ref());
    let watched = watch_run(flags.duration, line, &*system, &load, &timeline, &mut tasks).await;

    let (totals, duration) = (load.totals(), timeline.elapsed());
    load.stop().await;
    // An error means that no task is left to hear of it.
    let _ = stop.send(true);
    let disturbed = join(tasks).await;
    let system = Arc::into_inner(system).context("the cluster is still in use")?;
    let shut_down = system.shutdown().await;
    watched.and(disturbed).and(shut_down)?;
    if totals.acknowledged == 0 {
        let operation = S::WORDS.operation;
        bail!(
            "no {operation} was acknowledged in {duration:.1?}; give the run more time with --for"
        );
    }
    tell_alerts(monitor.as_ref(), &timeline);
    let measured = monitor.map(|monitor| monitor.finish(S::WORDS.rows)).unwrap_or_default();
    let (events, events_not_kept) = (timeline.since(0), timeline.not_kept());
    Ok(Summary {
        metrics,
        distributions: measured.distributions,
        engine: measured.engine,
        events,
        events_not_kept,
        ..Summary::new(args.setup(), duration, totals)
    })
}

/// Shows the run until it is to end, or ends it early with the error that broke it.
async fn watch_run<S: System>(
    duration: Option<Duration>,
    mut line: Line<'_>,
    system: &S,
    load: &Load,
    timeline: &Timeline,
    tasks: &mut Tasks,
) -> anyhow::Result<()> {
    let display = Display::on_standard_error();
    let end = ended(duration);
    tokio::pin!(end);
    let mut ticks = tokio::time::interval(REFRESH);
    ticks.tick().await;
    let result = loop {
        tokio::select! {
            ended = &mut end => break ended.map(drop),
            Some(task) = tasks.join_next() => break flatten(task),
            _ = ticks.tick() => {
                if let Err(error) = system.check().await {
                    break Err(error);
                }
                line.refresh(&display, system, load, timeline).await;
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
    p99: Option<Duration>,
    moments: usize,
    totals: Totals,
    elapsed: Duration,
}

impl<'a> Line<'a> {
    fn new(monitor: Option<&'a Monitor>) -> Self {
        let snapshot = monitor.map(Monitor::snapshot);
        let (totals, elapsed) = (Totals::default(), Duration::ZERO);
        Self { monitor, snapshot, p99: None, moments: 0, totals, elapsed }
    }

    /// The 99th percentile of what `histogram` got between the last two snapshots.
    fn p99(&mut self, histogram: &str) -> Option<Duration> {
        let latest = self.monitor?.snapshot();
        let shown = self.snapshot.replace(latest.clone())?;
        // The engine's seconds are not the line's: at times there is no new snapshot yet.
        if shown.generation() < latest.generation() {
            self.p99 = report::p99(&shown, &latest, histogram);
        }
        self.p99
    }

    async fn refresh<S: System>(
        &mut self,
        display: &Display,
        system: &S,
        load: &Load,
        timeline: &Timeline,
    ) {
        let (totals, elapsed) = (load.totals(), timeline.elapsed());
        tell_alerts(self.monitor, timeline);
        let moments = timeline.since(self.moments);
        let done = totals.acknowledged - self.totals.acknowledged;
        let reading = Reading {
            elapsed,
            per_second: rate(done, elapsed - self.elapsed),
            p99: self.p99(S::WORDS.latency.1),
            standing: system.standing().await,
            retried: totals.retried - self.totals.retried,
            failed: totals.failed - self.totals.failed,
        };
        display.show(&S::WORDS, &moments, &reading);
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
