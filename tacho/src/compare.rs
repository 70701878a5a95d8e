//! What metrics cost: the same load with and without them, in turn, on fresh clusters.
//!
//! A round is four legs: with, without, without, with. A drift of the machine that is even over a
//! round hits both sides the same. The ratio is one figure per round; its spread over the rounds
//! says how far it can be trusted.

use std::fmt;
use std::time::Duration;

use anyhow::bail;
use rustix::time::ClockId;
use serde::Serialize;

use tachometer::limits::DEFAULT_SAMPLE_EVERY;

use crate::listen::Listen;
use crate::load::Load;
use crate::monitor::Monitor;
use crate::run::{End, ended};
use crate::summary::Setup;
use crate::system::{Flags, System};
use crate::text::{grouped, rate};
use crate::timeline::Timeline;

/// Which legs of a round are measured.
const ORDER: [bool; 4] = [true, false, false, true];

/// How long each leg takes without `--for`.
const LEG: Duration = Duration::from_secs(5);

/// How long each leg runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// The throughput of one round, in operations per second, and what one cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Round {
    pub with_metrics: f64,
    pub without_metrics: f64,
    /// Processor time of the whole process. It varies less than throughput where other processes
    /// want the machine too.
    pub with_metrics_ns: f64,
    pub without_metrics_ns: f64,
}

impl Round {
    fn new(legs: [Leg; ORDER.len()]) -> Self {
        let mean = |metrics: bool, of: fn(&Leg) -> f64| {
            let chosen = ORDER.iter().zip(&legs).filter(|(with, _)| **with == metrics);
            chosen.map(|(_, leg)| of(leg)).sum::<f64>() / (ORDER.len() / 2) as f64
        };
        Self {
            with_metrics: mean(true, |leg| leg.per_second),
            without_metrics: mean(false, |leg| leg.per_second),
            with_metrics_ns: mean(true, |leg| leg.processor_ns),
            without_metrics_ns: mean(false, |leg| leg.processor_ns),
        }
    }

    /// Throughput with metrics as a part of throughput without.
    pub fn ratio(&self) -> f64 {
        self.with_metrics / self.without_metrics
    }

    /// Processor time that metrics take, per operation.
    pub fn extra_ns(&self) -> f64 {
        self.with_metrics_ns - self.without_metrics_ns
    }
}

/// What one leg came to.
#[derive(Clone, Copy, Debug, Default)]
struct Leg {
    per_second: f64,
    /// Per operation.
    processor_ns: f64,
}

/// All rounds.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    #[serde(flatten)]
    pub setup: Setup,
    pub rounds: Vec<Round>,
    pub median_ratio: f64,
    pub least_ratio: f64,
    pub greatest_ratio: f64,
    /// Processor time that metrics take, per operation.
    pub median_extra_ns: f64,
}

impl Comparison {
    fn new(setup: Setup, rounds: Vec<Round>) -> anyhow::Result<Self> {
        if rounds.is_empty() {
            bail!("ended before the first round was complete; nothing to compare");
        }
        let ratios = sorted(rounds.iter().map(Round::ratio));
        let extra = sorted(rounds.iter().map(Round::extra_ns));
        Ok(Self {
            setup,
            median_ratio: median(&ratios),
            least_ratio: ratios[0],
            greatest_ratio: ratios[ratios.len() - 1],
            median_extra_ns: median(&extra),
            rounds,
        })
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The middle of `sorted`, which is not empty.
fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operation = self.setup.words.operation;
        let per_second = format!("{}/s", self.setup.words.operations);
        writeln!(f, "{}", self.setup)?;
        let each = format!("processor ns a {operation}");
        writeln!(f, "{:8}{per_second:>40}{each:>32}", "")?;
        let (with, without) = ("with metrics", "without");
        writeln!(f, "{:>8}{with:>16}{without:>14}{:>10}{with:>18}{without:>14}", "round", "ratio")?;
        for (number, round) in self.rounds.iter().enumerate() {
            let (with, without) = (round.with_metrics as u64, round.without_metrics as u64);
            let (with, without) = (grouped(with), grouped(without));
            write!(f, "{:>8}{with:>16}{without:>14}{:>10.4}", number + 1, round.ratio())?;
            let (with, without) = (round.with_metrics_ns, round.without_metrics_ns);
            writeln!(f, "{with:>18.1}{without:>14.1}")?;
        }
        let Self { median_ratio, least_ratio, greatest_ratio, median_extra_ns, .. } = self;
        writeln!(
            f,
            "{per_second} with metrics ÷ without: median {median_ratio:.4}, \
             from {least_ratio:.4} to {greatest_ratio:.4}"
        )?;
        writeln!(f, "processor time with metrics: median {median_extra_ns:+.1} ns a {operation}")
    }
}

/// Runs all rounds, or as many as are complete when the process is asked to end.
pub async fn compare<S: System>(args: &S::Args) -> anyhow::Result<Comparison> {
    let leg = args.run().duration.unwrap_or(LEG);
    let mut rounds = Vec::new();
    while rounds.len() < args.run().rounds as usize {
        let mut legs = [Leg::default(); ORDER.len()];
        for (metrics, result) in ORDER.into_iter().zip(&mut legs) {
            let Some(measured) = measure::<S>(args, metrics, leg).await? else {
                return Comparison::new(args.setup(), rounds);
            };
            let name = if metrics { "with" } else { "without" };
            let rate = grouped(measured.per_second as u64);
            eprintln!("{name:>8} metrics: {rate:>9} {}/s", S::WORDS.operations);
            *result = measured;
        }
        rounds.push(Round::new(legs));
    }
    Comparison::new(args.setup(), rounds)
}

/// Runs one leg on a cluster of its own; `None` if it was cut short.
async fn measure<S: System>(
    args: &S::Args,
    metrics: bool,
    leg: Duration,
) -> anyhow::Result<Option<Leg>> {
    let start = || Monitor::start(Listen::Off, S::WORDS.rules);
    let monitor = metrics.then(start).transpose()?;
    let registry = monitor.as_ref().map(Monitor::registry);
    let system = S::start(args, registry, DEFAULT_SAMPLE_EVERY).await?;
    let load = Load::start(&system, args.run().clients);
    tokio::time::sleep(WARM_UP).await;
    let (before, timeline, busy_before) = (load.totals(), Timeline::begin(), processor_time());
    let over = ended(Some(leg)).await;
    let (after, took) = (load.totals(), timeline.elapsed());
    let busy = processor_time().saturating_sub(busy_before);
    load.stop().await;
    let healthy = system.check().await;
    healthy.and(system.shutdown().await)?;
    let done = after.acknowledged - before.acknowledged;
    let measured = Leg {
        per_second: rate(done, took),
        processor_ns: busy.as_nanos() as f64 / done.max(1) as f64,
    };
    Ok((over? == End::Over).then_some(measured))
}

/// What all threads of this process have used so far.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    fn comparison(ratios: &[f64]) -> anyhow::Result<Comparison> {
        let round = |ratio: &f64| Round {
            with_metrics: 1e5 * ratio,
            without_metrics: 1e5,
            with_metrics_ns: 907.5,
            without_metrics_ns: 900.0,
        };
        Comparison::new(Cli::parse_from(["tacho"]).raft.setup(), ratios.iter().map(round).collect())
    }

    #[test]
    fn the_median_and_the_spread_are_told() {
        let odd = comparison(&[0.99, 1.01, 0.98]).unwrap();
        assert_eq!((odd.median_ratio, odd.least_ratio, odd.greatest_ratio), (0.99, 0.98, 1.01));
        let even = comparison(&[0.75, 1.25]).unwrap();
        assert_eq!((even.median_ratio, even.least_ratio), (1.0, 0.75));
        let one = comparison(&[0.5]).unwrap();
        assert_eq!((one.least_ratio, one.median_ratio, one.greatest_ratio), (0.5, 0.5, 0.5));
        let text = odd.to_string();
        assert!(text.contains("median 0.9900, from 0.9800 to 1.0100"), "{text}");
        assert!(text.contains("processor time with metrics: median +7.5 ns a write"), "{text}");
    }

    #[test]
    fn no_complete_round_is_an_error() {
        let error = comparison(&[]).unwrap_err();
        assert!(error.to_string().contains("first round"), "{error}");
    }
}
