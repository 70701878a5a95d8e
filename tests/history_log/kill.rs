//! A process that is killed while it writes, many times: what it had been told to be written is there, and right.

use crate::common::by_hand_with;
use crate::common::random::Random;
use crate::stand::{Folder, START, flush, seconds};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tachometer::history::HistoryBuilder;
use tachometer::{Gauge, History, ManualClock, Registry};

/// Says to the process that is started where its history is, and which life it is.
const DIRECTORY: &str = "TACHOMETER_TEST_KILLED_IN";
const LIFE: &str = "TACHOMETER_TEST_KILLED_LIFE";
/// Seconds from the beginning of one life to that of the next.
const LIFETIME: u64 = 100_000;
const LIVES: u64 = 12;
/// Rows of some 20 KB, so that a write takes its time.
const GAUGES: usize = 1_500;

fn history(directory: &Path) -> HistoryBuilder {
    let span = seconds(2 * LIVES * LIFETIME);
    let builder = History::builder().directory(directory);
    builder.tier(seconds(1), span).tier(seconds(60), span + seconds(1)).disk_bytes(4 << 30)
}

/// What a gauge shows in a generation.
fn level(gauge: usize, generation: u64) -> f64 {
    (generation * 7_919 + gauge as u64 * 104_729) as f64
}

/// Appends for ever, and tells what is written.
fn append(directory: &Path, life: u64) {
    let registry = Registry::new();
    let work = registry.counter("work_total", "Work.").unwrap();
    let size = registry.histogram("size", "Size.").unwrap();
    let metric = |at: usize| registry.metric("level", "Level.").label("at", at.to_string());
    let levels: Vec<Gauge> = (0..GAUGES).map(|at| metric(at).gauge().unwrap()).collect();
    let clock = ManualClock::at(seconds(START + life * LIFETIME));
    let engine = by_hand_with(&registry, &clock);
    let history = history(directory).start(&engine).unwrap();
    let mut output = std::io::stdout().lock();
    let mut random = Random::new(life);
    for generation in 1.. {
        work.add(generation);
        size.record(generation);
        levels.iter().enumerate().for_each(|(at, one)| one.set(level(at, generation)));
        clock.advance(seconds(1));
        engine.refresh();
        if random.below(4) == 0 {
            flush(&history);
            writeln!(output, "written {generation}").unwrap();
            output.flush().unwrap();
        }
    }
}

/// Runs a life, and kills it; the last generation that it said was written.
fn live_and_die(directory: &Path, life: u64, after: u64, random: &mut Random) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["kill::killed_at_any_moment_it_has_what_was_written", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .env(LIFE, life.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut written = lines.filter_map(|line| line.ok()?.strip_prefix("written ")?.parse().ok());
    let mut last: u64 = written.by_ref().find(|generation| *generation >= after).unwrap_or(0);
    assert!(last >= after, "life {life} ended by itself");
    // In the middle of whatever it does then.
    std::thread::sleep(Duration::from_micros(random.below(20_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said before that.
    last = written.last().unwrap_or(0).max(last);
    last
}

#[test]
fn killed_at_any_moment_it_has_what_was_written() {
    if let (Some(directory), Ok(life)) = (std::env::var_os(DIRECTORY), std::env::var(LIFE)) {
        return append(&PathBuf::from(directory), life.parse().unwrap());
    }
    let folder = Folder::new();
    let directory = folder.log();
    let mut random = Random::new(11);
    let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
    for life in 0..LIVES {
        let after = 1 + random.below(60);
        let written = live_and_die(&directory, life, after, &mut random);
        // Who reads adds nothing.
        let registry = Registry::new();
        let engine = by_hand_with(&registry, &ManualClock::at(seconds(START)));
        let history = history(&directory).start(&engine).unwrap();
        let all = |name: &str, labels: &[(&str, &str)]| {
            history.between(name, labels, Duration::ZERO, seconds(2 * START)).unwrap()
        };
        let work = all("work_total", &[]);
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        for (time, value) in work.series().next().unwrap().points() {
            let since = time.as_secs() - START;
            let (life, generation) = (since / LIFETIME, since % LIFETIME);
            if let Some(value) = value {
                assert_eq!(value, (generation * (generation + 1) / 2) as f64, "at {since}");
                let last = found.insert(life, generation).unwrap_or(0);
                assert_eq!(generation, last + 1, "no row of life {life} is missing");
            }
        }
        let seen = found[&life];
        assert!(
            seen >= written,
            "life {life}: {written} generations were written, {seen} are there"
        );
        rows.insert(life, seen);
        assert_eq!(found, rows, "earlier lives are as they were");
        let total: u64 = rows.values().map(|last| last * (last + 1) / 2).sum();
        assert_eq!(work.increase().unwrap(), total);
        assert_eq!(all("size", &[]).count().unwrap(), rows.values().sum::<u64>());
        assert_eq!(all("size", &[]).sum().unwrap(), u128::from(total));
        let gauge = random.below(GAUGES as u64) as usize;
        let levels = all("level", &[("at", &gauge.to_string())]);
        for (time, value) in levels.series().next().unwrap().points() {
            let generation = (time.as_secs() - START) % LIFETIME;
            assert!(value.is_none_or(|value| value == level(gauge, generation)), "{gauge}");
        }
        // At most the row that was being written, of each tier.
        assert!(history.damage().len() <= 2, "{:?}", history.damage());
        for damage in history.damage() {
            assert!(damage.reason.contains("ends within"), "{damage}");
        }
    }
}
