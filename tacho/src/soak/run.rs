//! The run of a soak, the same for all workloads.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tachometer::testing::ProcessMemory;
use tachometer::testing::artifact::Artifact;
use tachometer::{Engine, Registry, Snapshot};
use tokio::time::MissedTickBehavior;

use super::args::{SoakArgs, WorkloadKind};
use super::hotstuff::HotStuff;
use super::judge::{Limits, Standing};
use super::operations::{LATENCY, Operations, standing};
use super::progress::{self, Progress};
use super::raft::Raft;
use super::record::Record;
use super::report::{Reading, Report, Verdict};
use super::workload::{Setting, Workload};
use crate::live::Display;
use crate::report;
use crate::run::{End, ended};
use crate::text::rate;
use crate::timeline::Timeline;

/// How often the run is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How often memory is read and limits are judged, and how often a line is printed where none overwrites itself.
const MINUTE: Duration = Duration::from_secs(60);

/// Readings of memory that are kept for the report.
const MEMORY_KEPT: usize = 2_000;

/// Runs a soak. A limit that is broken is no error of this: the report says it.
pub async fn run(args: &SoakArgs) -> anyhow::Result<Report> {
    match args.workload {
        WorkloadKind::Raft => soak::<Raft>(args).await,
        WorkloadKind::HotStuff => soak::<HotStuff>(args).await,
        WorkloadKind::Record => soak::<Record>(args).await,
    }
}

/// What a soak has besides its workload.
struct Soak<'a> {
    args: &'a SoakArgs,
    seed: u64,
    engine: Arc<Engine>,
    timeline: Arc<Timeline>,
    artifact: Option<Artifact>,
    limits: Limits,
    memory: Vec<Reading>,
    /// Resident memory once the run was warm.
    warm: Option<u64>,
    /// Moments that were told.
    told: usize,
}

async fn soak<W: Workload>(args: &SoakArgs) -> anyhow::Result<Report> {
    let seed = args.seed.unwrap_or_else(drawn_seed);
    eprintln!("soak of {}, seed {seed}", W::NAME);
    // First, so that a file that cannot be written is told before anything is started.
    let artifact =
        args.artifact.as_ref().map(|file| artifact::<W>(args, seed).create(file)).transpose()?;
    match begin::<W>(args, seed).await {
        Ok((setting, workload)) => {
            let Setting { engine, timeline, .. } = setting;
            let limits = args.limits();
            let (memory, warm, told) = (Vec::new(), None, 0);
            Soak { args, seed, engine, timeline, artifact, limits, memory, warm, told }
                .go(workload)
                .await
        }
        Err(error) => {
            if let Some(artifact) = artifact {
                artifact.fail(format!("{error:#}"))?;
            }
            Err(error)
        }
    }
}

/// A seed for a run that was given none.
fn drawn_seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    // Short enough to be typed again.
    RandomState::new().hash_one(std::process::id()) % 1_000_000_000
}

fn artifact<W: Workload>(
    args: &SoakArgs,
    seed: u64,
) -> tachometer::testing::artifact::ArtifactBuilder {
    let mut builder = Artifact::builder(format!("soak {}", W::NAME)).seed(seed).watch_process();
    builder = builder.fact("for", humantime::format_duration(args.duration).to_string());
    builder = builder.fact("workers", u32::from(args.workers));
    for (name, fact) in W::facts(args) {
        builder = builder.fact(name, fact);
    }
    if let Some(rate) = args.rate {
        builder = builder.fact("rate", rate);
    }
    builder.fact("version", env!("CARGO_PKG_VERSION"))
}

async fn begin<W: Workload>(args: &SoakArgs, seed: u64) -> anyhow::Result<(Setting, W)> {
    let registry = Registry::new();
    let engine = Engine::builder().registry(&registry).label("workload", W::NAME);
    let engine = Arc::new(engine.start().context("the engine cannot be started")?);
    let setting = Setting {
        seed,
        clients: args.clients,
        rate: args.rate,
        faults: args.faults.0,
        log: args.log,
        folder: args.folder.clone(),
        operations: Operations::register(&registry)?,
        engine,
        timeline: Arc::new(Timeline::begin()),
    };
    let workload = W::start(&setting).await?;
    Ok((setting, workload))
}

impl Soak<'_> {
    async fn go<W: Workload>(mut self, mut workload: W) -> anyhow::Result<Report> {
        let watched = self.watch(&mut workload).await;
        let duration = self.timeline.elapsed();
        // While it works: what it gives back at its end is not what it takes.
        self.read_memory();
        let stopped = workload.stop().await;
        let last = self.engine.stop();
        self.tell();
        let standing = self.standing(&last);
        let (end, mut errors) = match watched {
            Ok((end, broken)) => (Some(end), broken),
            Err(error) => (None, vec![format!("{error:#}")]),
        };
        errors.extend(stopped.err().map(|error| format!("{error:#}")));
        if errors.is_empty() {
            errors.extend(self.limits.broken(&standing));
        }
        if standing.succeeded == 0 {
            errors.push(format!("no operation succeeded in {duration:.1?}"));
        }
        if let Some(panics @ 1..) = self.artifact.as_ref().map(Artifact::panics) {
            errors.push(format!("{panics} threads panicked; the artifact has what they said"));
        }
        let status = match end {
            _ if !errors.is_empty() => Verdict::Failed(errors.clone()),
            Some(End::Asked) => Verdict::Stopped,
            _ => Verdict::Passed,
        };
        let per_second = rate(standing.succeeded, duration);
        let report = Report {
            workload: W::NAME,
            seed: self.seed,
            status,
            errors,
            duration,
            operations: standing.succeeded + standing.failed,
            succeeded: standing.succeeded,
            failed: standing.failed,
            per_second,
            latency: report::distribution(&last, "latency", LATENCY, &[]),
            memory: self.memory,
            events: self.timeline.since(0),
            events_not_kept: self.timeline.not_kept(),
        };
        if let Some(artifact) = self.artifact {
            end_artifact(artifact, &report, &last)?;
        }
        Ok(report)
    }

    /// Until it is over: how it ended, and the limits that ended it. An error if the workload is broken.
    async fn watch<W: Workload>(&mut self, workload: &mut W) -> anyhow::Result<(End, Vec<String>)> {
        let whole = self.args.duration;
        let display = Display::on_standard_error();
        let plain_every = MINUTE.min(whole / 10).max(LOOK);
        let warm_after = MINUTE.min(whole / 10);
        let end = ended(Some(whole));
        tokio::pin!(end);
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.read_memory();
        let (mut seen, mut next_minute, mut next_line) =
            (self.engine.snapshot(), MINUTE, Duration::ZERO);
        let result = loop {
            tokio::select! {
                ended = &mut end => break ended.map(|end| (end, Vec::new())),
                _ = ticks.tick() => {}
            }
            if let Err(error) = workload.check().await {
                break Err(error);
            }
            let (now, elapsed) = (self.engine.snapshot(), self.timeline.elapsed());
            if self.warm.is_none() && elapsed >= warm_after {
                self.warm = self.read_memory();
            }
            if let Some(artifact) = &self.artifact {
                artifact.metrics(&now);
            }
            let moments = self.tell();
            if display.overwrites() || elapsed >= next_line || !moments.is_empty() {
                let line = progress::line(&progress(&seen, &now, elapsed, whole));
                display.show_line(&moments, &line);
                next_line = elapsed + plain_every;
                // The engine's seconds are not ours: at times there is no new snapshot yet.
                seen = now.clone();
            }
            if elapsed >= next_minute {
                next_minute += MINUTE;
                self.read_memory();
                let broken = self.limits.broken(&self.standing(&now));
                if !broken.is_empty() {
                    break Ok((End::Over, broken));
                }
            }
        };
        display.finish();
        result
    }

    /// What the run came to so far.
    fn standing(&self, snapshot: &Snapshot) -> Standing {
        let now = self.memory.last().map(|reading| reading.resident_bytes);
        Standing { memory: self.warm.zip(now), ..standing(snapshot) }
    }

    /// Reads the process's memory; what is resident.
    fn read_memory(&mut self) -> Option<u64> {
        let memory = ProcessMemory::read()?;
        if self.memory.len() == MEMORY_KEPT {
            // Every second one goes: they lie further apart.
            let mut number = 0;
            self.memory.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.memory.push(Reading::new(self.timeline.elapsed(), memory));
        if let Some(artifact) = &self.artifact {
            artifact.memory(memory);
        }
        Some(memory.resident_bytes)
    }

    /// Puts into the artifact what happened since the last time.
    fn tell(&mut self) -> Vec<crate::timeline::Moment> {
        let moments = self.timeline.since(self.told);
        self.told += moments.len();
        if let Some(artifact) = &self.artifact {
            for moment in &moments {
                artifact.event(moment.happening.name(), moment.happening.to_string());
            }
        }
        moments
    }
}

fn progress(seen: &Snapshot, now: &Snapshot, elapsed: Duration, whole: Duration) -> Progress {
    let since = now.since(seen);
    let latency = since.histogram(LATENCY).ok();
    let (before, all) = (standing(seen).succeeded, standing(now));
    Progress {
        elapsed,
        whole,
        per_second: rate(all.succeeded.saturating_sub(before), since.span()),
        p99: latency.and_then(|latency| latency.quantile_duration(0.99)),
        failed: all.failed,
        resident: ProcessMemory::read().map(|memory| memory.resident_bytes),
    }
}

fn end_artifact(artifact: Artifact, report: &Report, last: &Arc<Snapshot>) -> anyhow::Result<()> {
    artifact.metrics(last);
    artifact.fact("operations", report.operations as f64);
    artifact.fact("succeeded", report.succeeded as f64);
    artifact.fact("failed", report.failed as f64);
    artifact.fact("succeeded_per_second", report.per_second);
    match &report.status {
        Verdict::Passed => artifact.pass()?,
        Verdict::Stopped => artifact.stop()?,
        Verdict::Failed(_) => artifact.fail(report.error().unwrap_or_default())?,
    }
    Ok(())
}
