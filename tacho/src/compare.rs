//! What metrics cost: the same load with and without them, in turn, on fresh clusters.
//!
//! A round is four legs: with, without, without, with. A drift of the machine that is even over a
//! round hits both sides the same. The ratio is one figure per round; its spread over the rounds
//! says how far it can be trusted.

use std::fmt;
use std::time::Duration;

use anyhow::bail;
use serde::Serialize;

use crate::cli::RaftArgs;
use crate::raft::cluster::Cluster;
use crate::raft::config::LogKind;
use crate::raft::load::Load;
use crate::run::{End, ended};
use crate::text::{grouped, rate};
use crate::timeline::Timeline;

/// How long each leg takes without `--for`.
const LEG: Duration = Duration::from_secs(5);

/// How long each leg runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// The throughput of one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Round {
    pub with_metrics: f64,
    pub without_metrics: f64,
}

impl Round {
    /// Throughput with metrics as a part of throughput without.
    pub fn ratio(&self) -> f64 {
        self.with_metrics / self.without_metrics
    }
}

/// All rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub log: LogKind,
    pub clients: usize,
    pub rounds: Vec<Round>,
    pub median_ratio: f64,
    pub least_ratio: f64,
    pub greatest_ratio: f64,
}

impl Comparison {
    fn new(args: &RaftArgs, rounds: Vec<Round>) -> anyhow::Result<Self> {
        let mut ratios: Vec<f64> = rounds.iter().map(Round::ratio).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let (Some(&least_ratio), Some(&greatest_ratio)) = (ratios.first(), ratios.last()) else {
            bail!("ended before the first round was complete; nothing to compare");
        };
        let (low, high) = (ratios[(ratios.len() - 1) / 2], ratios[ratios.len() / 2]);
        let median_ratio = f64::midpoint(low, high);
        let (log, clients) = (args.log, args.clients);
        Ok(Self { log, clients, rounds, median_ratio, least_ratio, greatest_ratio })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} clients, log {}", grouped(self.clients as u64), self.log)?;
        writeln!(f, "{:>8}{:>18}{:>18}{:>10}", "round", "with metrics", "without", "ratio")?;
        for (number, round) in self.rounds.iter().enumerate() {
            let (with, without) = (round.with_metrics as u64, round.without_metrics as u64);
            let (with, without) = (grouped(with), grouped(without));
            writeln!(f, "{:>8}{with:>18}{without:>18}{:>10.4}", number + 1, round.ratio())?;
        }
        let Self { median_ratio, least_ratio, greatest_ratio, .. } = self;
        writeln!(
            f,
            "writes/s with metrics ÷ without: median {median_ratio:.4}, \
             from {least_ratio:.4} to {greatest_ratio:.4}"
        )
    }
}

/// Runs all rounds, or as many as are complete when the process is asked to end.
pub async fn compare(args: &RaftArgs) -> anyhow::Result<Comparison> {
    let leg = args.duration.unwrap_or(LEG);
    let mut rounds = Vec::new();
    while rounds.len() < args.rounds as usize {
        let mut sums = [0.0; 2];
        for metrics in [true, false, false, true] {
            let Some(measured) = measure(args, metrics, leg).await? else {
                return Comparison::new(args, rounds);
            };
            let name = if metrics { "with" } else { "without" };
            eprintln!("{name:>8} metrics: {:>9} writes/s", grouped(measured as u64));
            sums[usize::from(metrics)] += measured;
        }
        let [without_metrics, with_metrics] = sums.map(|sum| sum / 2.0);
        rounds.push(Round { with_metrics, without_metrics });
    }
    Comparison::new(args, rounds)
}

/// The writes per second of one leg, on a cluster of its own; `None` if it was cut short.
async fn measure(args: &RaftArgs, metrics: bool, leg: Duration) -> anyhow::Result<Option<f64>> {
    let cluster = Cluster::start(args.cluster(metrics)).await?;
    let load = Load::start(&cluster, args.clients);
    tokio::time::sleep(WARM_UP).await;
    let (before, timeline) = (load.totals(), Timeline::begin());
    let over = ended(Some(leg)).await;
    let (after, took) = (load.totals(), timeline.elapsed());
    load.stop().await;
    let healthy = cluster.check().await;
    healthy.and(cluster.shutdown().await)?;
    let measured = rate(after.acknowledged - before.acknowledged, took);
    Ok((over? == End::Over).then_some(measured))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn comparison(ratios: &[f64]) -> anyhow::Result<Comparison> {
        let round = |ratio: &f64| Round { with_metrics: 1e5 * ratio, without_metrics: 1e5 };
        Comparison::new(&Cli::parse_from(["tacho"]).raft, ratios.iter().map(round).collect())
    }

    #[test]
    fn the_median_and_the_spread_are_told() {
        let odd = comparison(&[0.99, 1.01, 0.98]).unwrap();
        assert_eq!((odd.median_ratio, odd.least_ratio, odd.greatest_ratio), (0.99, 0.98, 1.01));
        let even = comparison(&[0.75, 1.25]).unwrap();
        assert_eq!((even.median_ratio, even.least_ratio), (1.0, 0.75));
        let one = comparison(&[0.5]).unwrap();
        assert_eq!((one.least_ratio, one.median_ratio, one.greatest_ratio), (0.5, 0.5, 0.5));
        assert!(odd.to_string().contains("median 0.9900, from 0.9800 to 1.0100"));
    }

    #[test]
    fn no_complete_round_is_an_error() {
        let error = comparison(&[]).unwrap_err();
        assert!(error.to_string().contains("first round"), "{error}");
    }
}
