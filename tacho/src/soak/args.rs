//! The flags of a soak.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::judge::{Growth, Limits};
use crate::cli::duration;
use crate::raft::config::LogKind;

/// What is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WorkloadKind {
    /// A three-node Raft cluster, whose leaders are shut down and whose followers are cut off now and then.
    Raft,
    /// Four HotStuff replicas, of which one is stopped for the time of `--faults`, then runs for as long, and so on.
    #[value(name = "hotstuff")]
    HotStuff,
    /// The metrics engine itself: threads that come and go, and all that they record is checked.
    Record,
}

#[derive(Clone, Debug, Args)]
pub struct SoakArgs {
    /// How long to run, such as `30s`, `10m` or `1h`. Ctrl-C ends it before.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, default_value = "1h")]
    pub duration: Duration,

    /// What load and faults are drawn from: a run with the same seed has the same [default: drawn, and told].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// What to drive.
    #[arg(long, value_enum, default_value = "raft")]
    pub workload: WorkloadKind,

    /// Clients that work at the same time [default: 64 for raft and hotstuff, 2 threads for record].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub clients: Option<u32>,

    /// Operations a second of all clients together, at random times; latency is then measured from when each was due
    /// [default: each client as fast as it is answered].
    #[arg(long, value_name = "PER SECOND", value_parser = rate)]
    pub rate: Option<f64>,

    /// The time between two faults (a leader that is shut down, a follower that is cut off), on average, or `off`.
    #[arg(long, value_name = "DURATION", value_parser = faults, default_value = "30s")]
    pub faults: Faults,

    /// Where raft's nodes keep their log: synced to a temporary folder, or in memory.
    #[arg(long, value_enum, default_value = "disk")]
    pub log: LogKind,

    /// Where that folder is made [default: the system's choice].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,

    /// Fail if resident memory has grown by more since the run was warm: `20%` or `64MiB`.
    #[arg(long, value_name = "GROWTH")]
    pub max_memory_growth: Option<Growth>,

    /// Fail if a larger share of the operations fails: `0.1%` or `0.001`.
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub max_error_rate: Option<f64>,

    /// Fail if the 99th percentile of latency is above this: `20ms`.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_p99: Option<Duration>,

    /// Write what the run comes to into this file, all along: it is whole whatever becomes of the process. See `tacho artifact`.
    #[arg(long, value_name = "FILE")]
    pub artifact: Option<PathBuf>,

    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,

    /// Threads that run nodes and clients.
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
}

/// The time between two faults, if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults(pub Option<Duration>);

impl SoakArgs {
    /// What fails the run.
    pub fn limits(&self) -> Limits {
        Limits {
            memory_growth: self.max_memory_growth,
            error_rate: self.max_error_rate,
            p99: self.max_p99,
        }
    }
}

fn faults(text: &str) -> Result<Faults, String> {
    if text == "off" {
        return Ok(Faults(None));
    }
    let mean = duration(text).map_err(|error| format!("{error}, or `off`"))?;
    if mean < super::faults::SHORTEST_MEAN {
        let shortest = humantime::format_duration(super::faults::SHORTEST_MEAN);
        return Err(format!("elections and restarts take time: give {shortest} or more, or `off`"));
    }
    Ok(Faults(Some(mean)))
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if (0.001..=1e7).contains(&rate) => Ok(rate),
        _ => Err("give a number from 0.001 to 10000000".to_owned()),
    }
}

/// A share from 0 to 1, or in percent.
pub(super) fn share(text: &str) -> Result<f64, String> {
    let (digits, whole) = match text.strip_suffix('%') {
        Some(digits) => (digits.trim_end(), 100.0),
        None => (text, 1.0),
    };
    match digits.parse::<f64>() {
        Ok(number) if (0.0..=whole).contains(&number) => Ok(number / whole),
        _ => Err("write it as 0.1% or 0.001".to_owned()),
    }
}
