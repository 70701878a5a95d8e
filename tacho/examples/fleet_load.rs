//! What a fleet costs: `fleet_load [TARGETS] [SERIES] [SECONDS]`, by default 100 targets of 1,000 series each, every 5 s, for 40 s.
//!
//! Every target is a real engine with a real listener; they run in a few processes of their own, whose cost is not counted. A
//! hundredth of each target's series are HDR histograms; all of them change between polls. Prints processor seconds for
//! each second, memory, and how long polls took.

use std::fs;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tacho::fleet::{Fleet, FleetArgs};
use tachometer::{Counter, Engine, Histogram, Listener, Registry, Unit};

const PROCESSES: usize = 4;
const INTERVAL: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: usize| {
        arguments.get(at).map_or(Ok(default), |text| text.parse()).context("give numbers")
    };
    if arguments.first().is_some_and(|word| word == "serve") {
        return serve(number(1, 25)?, number(2, 1_000)?);
    }
    let (targets, series, seconds) = (number(0, 100)?, number(1, 1_000)?, number(2, 40)?);
    let mut children = Vec::new();
    let mut args = FleetArgs {
        targets: Vec::new(),
        interval: INTERVAL,
        listen: Some("127.0.0.1:0".parse().map_err(anyhow::Error::msg)?),
        config: None,
        rules: Vec::new(),
        backend: None,
        event_store_prefix: "allsource_".to_owned(),
    };
    for process in 0..PROCESSES {
        let count = targets / PROCESSES + usize::from(process < targets % PROCESSES);
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", &count.to_string(), &series.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("a pipe")?;
        children.push(Serving(child));
        for line in BufReader::new(out).lines().take(count) {
            let target = format!("n{}={}", args.targets.len(), line?);
            args.targets.push(target.parse().map_err(anyhow::Error::msg)?);
        }
    }
    let fleet = Fleet::start(&args)?;
    // Until first polls are spread over the interval, and every series is there.
    std::thread::sleep(INTERVAL * 2);
    let (began, before) = (Instant::now(), processor()?);
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let (took, used) = (began.elapsed(), processor()? - before);
    let status = fleet.sources().status();
    let mut polls: Vec<Duration> = status.iter().map(|one| one.took).collect();
    polls.sort();
    let at = |part: usize| polls.get(polls.len() * part / 100).copied().unwrap_or_default();
    let shown: usize = status.iter().map(|one| one.series).sum();
    let up = status.iter().filter(|one| one.up).count();
    let failures: u64 = status.iter().map(|one| one.failures).sum();
    println!(
        "{up} of {} targets up, {shown} of their series shown, {failures} polls failed",
        status.len()
    );
    println!("{:.3} processor seconds a second", used / took.as_secs_f64());
    println!(
        "last polls: median {:.1?}, p99 {:.1?}, longest {:.1?}",
        at(50),
        at(99),
        polls[polls.len() - 1]
    );
    println!("resident memory: {} MB", memory_kb()? / 1_000);
    fleet.stop();
    Ok(())
}

/// A process that serves, until it is dropped.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Engines of so many series each, until the standard input ends; says where they listen.
fn serve(count: usize, series: usize) -> anyhow::Result<()> {
    let mut kept: Vec<(Engine, Listener, Vec<Counter>, Vec<Histogram>)> = Vec::new();
    for _ in 0..count {
        let registry = Registry::new();
        let histograms = series / 100;
        let counters: Result<Vec<_>, _> = (0..series - histograms)
            .map(|at| {
                let metric = registry.metric(format!("load_{}_total", at % 50), "Load.");
                metric.label("part", format!("p{}", at / 50)).counter()
            })
            .collect();
        let waits: Result<Vec<_>, _> = (0..histograms)
            .map(|at| {
                let metric = registry.metric("load_wait_seconds", "Load.").unit(Unit::Nanoseconds);
                metric.label("part", format!("p{at}")).histogram()
            })
            .collect();
        let engine = Engine::builder().registry(&registry).own_metrics(false);
        let engine = engine.interval(INTERVAL).start()?;
        let listener = Listener::bind(&engine, "127.0.0.1:0")?;
        println!("{}", listener.local_addr());
        kept.push((engine, listener, counters?, waits?));
    }
    std::io::stdout().flush()?;
    let mut turn = 1u64;
    loop {
        for (_, _, counters, waits) in &kept {
            counters.iter().for_each(|counter| counter.add(turn % 7 + 1));
            for wait in waits {
                (1..200u64)
                    .for_each(|at| wait.record((turn * 7_919 + at * at * 10_007) % 100_000_000));
            }
        }
        turn += 1;
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// What this process has used of processors, in seconds.
fn processor() -> anyhow::Result<f64> {
    let mut ns = 0u64;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat")).unwrap_or_default();
        ns += text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(ns as f64 / 1e9)
}

fn memory_kb() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
    line.split_whitespace().nth(1).context("VmRSS")?.parse().context("VmRSS")
}
