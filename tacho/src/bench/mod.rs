//! `tacho bench`: every recording path against its hardware baseline, in one run.
//!
//! Path and baseline take turns, round by round, so that a machine whose speed drifts hits both alike; what is printed is
//! the median of each and the ratio of the medians. Compare ratios between machines, never nanoseconds.

mod cut;
mod machine;
mod measure;
mod paths;
mod text;

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use crate::cli::RaftArgs;
use crate::compare::{self, Comparison};
use crate::raft::cluster::Cluster;
pub use machine::Machine;
pub use measure::{CountingAllocator, Row};

#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Rounds in which path and baseline take turns; medians are over the rounds.
    #[arg(long, value_name = "N", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,

    /// Only the paths whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,

    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What a run measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub machine: Machine,
    pub rounds: u32,
    pub rows: Vec<Row>,
}

/// Runs all benches that `args` asks for.
pub fn run(args: &BenchArgs) -> anyhow::Result<Report> {
    let mut rows = Vec::new();
    let wanted = |name: &str| name.contains(&args.only);
    // First: what the others leave behind (shards, series) would be read by each of the cluster's
    // cuts.
    let raft = if wanted("raft_compare") { Some(raft(args.rounds)?) } else { None };
    paths::run(args.rounds, &wanted, &mut rows);
    cut::run(args.rounds, &wanted, &mut rows).context("the cut cannot be measured")?;
    text::run(args.rounds, &wanted, &mut rows).context("the page cannot be measured")?;
    rows.extend(raft);
    Ok(Report { machine: Machine::here(), rounds: args.rounds, rows })
}

/// The in-memory cluster under 256 clients, with and without metrics. Here the ratio is that of throughputs.
fn raft(rounds: u32) -> anyhow::Result<Row> {
    let args = RaftArgs::comparison(256, rounds, Duration::from_secs(1));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(args.run.workers))
        .enable_all()
        .build()
        .context("the threads that run the cluster cannot be started")?;
    let Comparison { rounds, median_ratio, .. } =
        runtime.block_on(compare::compare::<Cluster>(&args))?;
    let ns = |rate: fn(&compare::Round) -> f64| {
        measure::median(rounds.iter().map(|round| 1e9 / rate(round)).collect())
    };
    Ok(Row {
        path: "raft_compare",
        ns: ns(|round| round.with_metrics),
        baseline: "the cluster without metrics; ratio of throughputs",
        baseline_ns: ns(|round| round.without_metrics),
        ratio: median_ratio,
        limit: 0.99,
        allocations: None,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(
            f,
            "{:<30}{:>14}{:>14}{:>8}{:>8}{:>7}  baseline",
            "path", "ns", "baseline ns", "ratio", "limit", "alloc"
        )?;
        for row in &self.rows {
            let allocations = row.allocations.map_or("—".to_owned(), |n| n.to_string());
            let met = if row.meets_its_limit() { ' ' } else { '!' };
            writeln!(
                f,
                "{:<30}{:>14.2}{:>14.2}{:>8.3}{:>8.2}{allocations:>7}{met} {}",
                row.path, row.ns, row.baseline_ns, row.ratio, row.limit, row.baseline
            )?;
        }
        Ok(())
    }
}
