//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::artifact::ArtifactCommand;
use crate::bench::BenchArgs;
use crate::fleet::FleetArgs;
use crate::generate::GenerateCommand;
use crate::hotstuff::trouble;
use crate::listen::Listen;
use crate::query::QueryArgs;
use crate::raft::config::LogKind;
use crate::raft::{isolation, kills};
use crate::soak::SoakArgs;
use crate::top::TopArgs;

/// A real Raft cluster under load, and what metrics show of it.
#[derive(Debug, Parser)]
#[command(name = "tacho", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a subcommand, the flags are those of `raft`.
    #[command(flatten)]
    pub raft: RaftArgs,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a three-node Raft cluster under load (the default).
    Raft(RaftArgs),
    /// Run four HotStuff replicas under load.
    #[command(name = "hotstuff")]
    HotStuff(HotStuffArgs),
    /// Measure every recording path against its hardware baseline.
    Bench(BenchArgs),
    /// Ask a running process in PromQL, of the history that it keeps.
    Query(QueryArgs),
    /// Look at a running process in the terminal: health, alerts, panels.
    Top(TopArgs),
    /// Run a workload for long, with a seed and limits that fail it.
    Soak(SoakArgs),
    /// Show or compare what runs left in their artifacts.
    #[command(subcommand)]
    Artifact(ArtifactCommand),
    /// Write files for Grafana and Prometheus, of what the bundles declare.
    #[command(subcommand)]
    Generate(GenerateCommand),
    /// Read many processes, and answer for all of them: history, queries, alerts, dashboards.
    Fleet(FleetArgs),
    /// Check a file of settings, or print one to begin with.
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Clone, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what a file would do, or what is wrong with it: secrets and files that it names are looked
    /// for too.
    Check { file: PathBuf },
    /// Print a file that has every key, with its default and what it means.
    Example,
}

impl Cli {
    /// The command to run.
    pub fn command(self) -> Command {
        self.command.unwrap_or(Command::Raft(self.raft))
    }
}

/// The flags of a command that runs a cluster under load.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Clients that work at the same time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clients)]
    pub clients: usize,

    /// How long to run, such as `30s` or `2m`; with --compare, how long each leg takes
    /// [default: until Ctrl-C; with --compare, 5s].
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub duration: Option<Duration>,

    /// Where to serve metrics, or `off` [default: as configured, else 127.0.0.1:9464]. Encryption,
    /// credentials and limits stay as configured.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<Listen>,

    /// A file of settings for engine, listener, push targets and sampling: see `tacho config example`. Environment variables
    /// override its keys.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Files of Prometheus rules that are evaluated every second, or `off` [default: as configured, else
    /// those that come with tachometer].
    #[arg(long, value_name = "FILE")]
    pub rules: Vec<PathBuf>,

    /// Measure nothing and serve nothing.
    #[arg(long)]
    pub no_metrics: bool,

    /// Run with and without metrics in turn and show what metrics cost.
    #[arg(long, conflicts_with = "no_metrics")]
    pub compare: bool,

    /// Rounds of --compare; each runs four legs: with, without, without, with.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "compare")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,

    /// Print the summary as JSON.
    #[arg(long)]
    pub json: bool,

    /// Threads that run clients, and Raft's nodes.
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
}

impl RunArgs {
    /// The flags of a comparison of `rounds`, each leg of which takes `leg`.
    pub fn comparison(clients: usize, rounds: u32, leg: Duration) -> Self {
        Self {
            clients,
            duration: Some(leg),
            listen: Some(Listen::Off),
            config: None,
            rules: Vec::new(),
            no_metrics: false,
            compare: true,
            rounds,
            json: false,
            workers: 2,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct RaftArgs {
    #[command(flatten)]
    pub run: RunArgs,

    /// Where nodes keep their log: synced to a temporary folder, or in memory.
    #[arg(long, value_enum, default_value = "disk")]
    pub log: LogKind,

    /// Where the temporary folder is made [default: the system's choice].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,

    /// Shut the leader down at this interval; it comes back a second later.
    #[arg(long, value_name = "DURATION", value_parser = kill_interval, conflicts_with = "compare")]
    pub kill_leader_every: Option<Duration>,

    /// Cut a follower off from its peers for this long, leave all in peace for as long, and so on
    /// [without a duration: 20s].
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "20s")]
    #[arg(value_parser = isolation, conflicts_with = "compare")]
    pub isolate_follower: Option<Duration>,

    /// Take a snapshot on every node at this interval, besides those that the log's size calls for.
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "compare")]
    pub snapshot_every: Option<Duration>,
}

impl RaftArgs {
    /// The flags of a comparison of an in-memory cluster with and without metrics.
    pub fn comparison(clients: usize, rounds: u32, leg: Duration) -> Self {
        Self {
            run: RunArgs::comparison(clients, rounds, leg),
            log: LogKind::Memory,
            folder: None,
            kill_leader_every: None,
            isolate_follower: None,
            snapshot_every: None,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct HotStuffArgs {
    #[command(flatten)]
    pub run: RunArgs,

    /// Stop the replica that the others can do without for this long, let it run for as long, and so on
    /// [without a duration: 10s].
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s")]
    #[arg(value_parser = trouble, conflicts_with = "compare")]
    pub stop_replica: Option<Duration>,

    /// The same, but it goes on and only its network is cut.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s")]
    #[arg(value_parser = trouble, conflicts_with_all = ["compare", "stop_replica"])]
    pub isolate_replica: Option<Duration>,

    /// Have it vote for blocks that nobody proposed, for as long.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s")]
    #[arg(value_parser = trouble, conflicts_with = "compare")]
    pub byzantine_replica: Option<Duration>,
}

/// More clients than this only wait for each other.
const CLIENTS_LIMIT: usize = 100_000;

fn clients(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(clients @ 1..=CLIENTS_LIMIT) => Ok(clients),
        _ => Err(format!("give a number from 1 to {CLIENTS_LIMIT}")),
    }
}

/// A duration that is not zero.
pub fn duration(text: &str) -> Result<Duration, String> {
    let hint = "write it as 500ms, 30s or 2m";
    match humantime::parse_duration(text) {
        Ok(duration) if duration.is_zero() => Err(format!("it must not be zero; {hint}")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(format!("{error}; {hint}")),
    }
}

fn kill_interval(text: &str) -> Result<Duration, String> {
    let interval = duration(text)?;
    if interval < kills::SHORTEST_INTERVAL {
        let shortest = humantime::format_duration(kills::SHORTEST_INTERVAL);
        return Err(format!("an election and a restart take time: give {shortest} or more"));
    }
    Ok(interval)
}

fn isolation(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    if span < isolation::SHORTEST {
        let shortest = humantime::format_duration(isolation::SHORTEST);
        return Err(format!("so short a loss of peers shows nothing: give {shortest} or more"));
    }
    Ok(span)
}

fn trouble(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    if !(trouble::SHORTEST..=trouble::LONGEST).contains(&span) {
        let [least, most] = [trouble::SHORTEST, trouble::LONGEST].map(humantime::format_duration);
        return Err(format!(
            "views take a second, and what is missed for long is gone: give {least} to {most}"
        ));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn raft(line: &str) -> Result<RaftArgs, clap::Error> {
        let cli = Cli::try_parse_from(line.split_whitespace())?;
        match cli.command() {
            Command::Raft(args) => Ok(args),
            other => panic!("{line} is {other:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn raft_is_the_default_command_and_takes_the_same_flags() {
        for line in ["tacho --clients 7 --for 90s", "tacho raft --clients 7 --for 90s"] {
            let args = raft(line).unwrap();
            assert_eq!((args.run.clients, args.run.duration), (7, Some(Duration::from_secs(90))));
            assert_eq!((args.log, args.run.rounds), (LogKind::Disk, 3));
        }
    }

    #[test]
    fn hotstuff_has_the_same_flags_and_its_own() {
        let line = "tacho hotstuff --clients 7 --for 9s --stop-replica --byzantine-replica 4s";
        let Command::HotStuff(args) = Cli::parse_from(line.split_whitespace()).command() else {
            panic!("{line} is another command");
        };
        assert_eq!((args.run.clients, args.run.duration), (7, Some(Duration::from_secs(9))));
        assert_eq!(args.stop_replica, Some(Duration::from_secs(10)));
        assert_eq!(args.byzantine_replica, Some(Duration::from_secs(4)));
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        let lines = [
            "tacho --clients 0",
            "tacho --for 0s",
            "tacho --for soon",
            "tacho --kill-leader-every 1s",
            "tacho --isolate-follower 10ms",
            "tacho --compare --isolate-follower",
            "tacho --listen nowhere",
            "tacho --compare --no-metrics",
            "tacho --rounds 2",
            "tacho --compare --rounds 0",
            "tacho --workers 0",
            "tacho hotstuff --stop-replica 1s",
            "tacho hotstuff --stop-replica 2h",
            "tacho hotstuff --stop-replica --isolate-replica",
            "tacho hotstuff --compare --stop-replica",
            "tacho hotstuff --kill-leader-every 5s",
        ];
        for line in lines {
            let error = raft(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
