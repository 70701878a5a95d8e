//! A whole generation over 64 shards, each of which has recorded since the last: cut, merge, publish.
//!
//! The baseline reads as much memory once, in as many pieces: what no merge of 64 threads' cells can do without.

use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use tachometer::{Counter, Engine, Error, Histogram, Registry, Unit};

use super::measure::{Pair, Row};
use super::paths::latencies;

const SHARDS: usize = 64;
const COUNTERS: usize = 10_000;
const HISTOGRAMS: usize = 100;
/// Values that each histogram gets from each thread in each bank.
const VALUES: usize = 500;

struct Handles {
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    latencies: Vec<u64>,
}

impl Handles {
    fn register(registry: &Registry) -> Result<Handles, Error> {
        let counter = |i| registry.counter(&format!("cut_{i}_total"), "A counter.");
        let histogram = |i| {
            let metric = registry.metric(format!("cut_{i}_seconds"), "A histogram.");
            metric.unit(Unit::Nanoseconds).histogram()
        };
        Ok(Handles {
            counters: (0..COUNTERS).map(counter).collect::<Result<_, _>>()?,
            histograms: (0..HISTOGRAMS).map(histogram).collect::<Result<_, _>>()?,
            latencies: latencies(),
        })
    }

    /// Touches every cell that the shard will ever have.
    fn fill(&self) {
        self.counters.iter().for_each(Counter::inc);
        for histogram in &self.histograms {
            self.latencies[..VALUES].iter().for_each(|&ns| histogram.record(ns));
        }
    }

    /// Bytes of one bank of one shard that hold something: counters, heads, and the octaves seen, 128 buckets and a sum
    /// each.
    fn bytes(&self) -> usize {
        let octaves = |ns: &u64| (63 - (ns | 255).leading_zeros()) - 7;
        let seen: std::collections::BTreeSet<u32> =
            self.latencies[..VALUES].iter().map(octaves).collect();
        COUNTERS * 8 + HISTOGRAMS * (3 * 8 + seen.len() * 129 * 8)
    }
}

/// Runs the bench if its name is wanted.
pub fn run(rounds: u32, wanted: &impl Fn(&str) -> bool, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    if !wanted("cut_64_shards") {
        return Ok(());
    }
    let registry = Registry::new();
    let handles = Arc::new(Handles::register(&registry)?);
    // An interval that is never over: the bench alone makes generations.
    let day = std::time::Duration::from_secs(86_400);
    let engine = Engine::builder().registry(&registry).interval(day).own_metrics(false).start()?;
    let gate = Arc::new(Barrier::new(SHARDS + 1));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let threads: Vec<_> = (0..SHARDS)
        .map(|_| {
            let (handles, gate, stop) = (handles.clone(), gate.clone(), stop.clone());
            std::thread::spawn(move || record(&handles, &gate, &stop))
        })
        .collect();
    let memory = vec![vec![1u64; handles.bytes() / 8]; SHARDS];
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // Two generations fill both banks; two more let the aggregator's own tables grow.
    for round in 0..rounds + 4 {
        gate.wait();
        gate.wait();
        let start = Instant::now();
        black_box(engine.refresh());
        let took = start.elapsed().as_nanos() as f64;
        let start = Instant::now();
        black_box(black_box(&memory).iter().flatten().sum::<u64>());
        if round >= 4 {
            ours.push(took);
            theirs.push(start.elapsed().as_nanos() as f64);
        }
    }
    // Relaxed: the barrier orders it.
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    gate.wait();
    threads.into_iter().for_each(|thread| drop(thread.join()));
    let pair = Pair {
        path: "cut_64_shards",
        baseline: "reading as much memory once",
        limit: 3.0,
        calls: 1,
    };
    rows.push(pair.row(ours, theirs, None));
    Ok(())
}

/// One thread: fills its shard in both banks, then records a little between the two waits of each round.
fn record(handles: &Handles, gate: &Barrier, stop: &std::sync::atomic::AtomicBool) {
    for round in 0.. {
        gate.wait();
        // Relaxed: the barrier orders it.
        if stop.load(std::sync::atomic::Ordering::Relaxed) {
            return;
        }
        match round {
            0 | 1 => handles.fill(),
            _ => {
                handles.counters[round % COUNTERS].inc();
                handles.histograms[round % HISTOGRAMS].record(50_000);
            }
        }
        gate.wait();
    }
}
