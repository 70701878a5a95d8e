//! A program with a history on disk, which can end and begin again, and whose every number is known.

use crate::common::by_hand_with;
use crate::common::loopback::PATIENCE;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tachometer::history::HistoryBuilder;
use tachometer::{Counter, Engine, Gauge, Histogram, History, ManualClock, Registry};

pub const START: u64 = 1_700_000_000;

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A folder of its own, which goes with the value.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tachometer-history-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    /// A directory that is not there yet.
    pub fn log(&self) -> PathBuf {
        self.0.join("history")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The segments in a directory, by name, with what they have.
pub fn segments(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "history")).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(&path).unwrap())).collect()
}

/// Tiers of seconds for two minutes, and of five seconds for an hour.
pub fn builder(directory: &Path) -> HistoryBuilder {
    let builder = History::builder().directory(directory);
    builder.tier(seconds(1), seconds(120)).tier(seconds(5), seconds(3600))
}

/// The tiers of [`builder`], in milliseconds.
pub const TIERS: [(i64, i64); 2] = [(1_000, 120_000), (5_000, 3_600_000)];

/// A process, as far as its counts go.
pub struct Life {
    pub engine: Engine,
    pub clock: ManualClock,
    pub work: Counter,
    pub level: Gauge,
    pub size: Histogram,
    generation: u64,
}

impl Life {
    /// Begins at a second after the start of all.
    pub fn begin(second: u64) -> Life {
        let registry = Registry::new();
        let clock = ManualClock::at(seconds(START + second));
        Life {
            work: registry.counter("work_total", "Work.").unwrap(),
            level: registry.gauge("level", "Level.").unwrap(),
            size: registry.histogram("size", "Size.").unwrap(),
            engine: by_hand_with(&registry, &clock),
            clock,
            generation: 0,
        }
    }

    /// A generation a second later: its number in work, ten times that as level, and as many values of its number.
    pub fn step(&mut self) {
        self.generation += 1;
        self.work.add(self.generation);
        self.level.set(10.0 * self.generation as f64);
        self.size.record_n(self.generation, self.generation);
        self.clock.advance(seconds(1));
        self.engine.refresh();
    }

    pub fn steps(&mut self, many: u64) {
        (0..many).for_each(|_| self.step());
    }
}

pub fn flush(history: &History) {
    history.flush(PATIENCE).unwrap();
}

/// What a history has of one series of numbers, by the second since the start of all.
pub fn points(history: &History, name: &str) -> Vec<(u64, f64)> {
    let Ok(window) = history.between(name, &[], Duration::ZERO, seconds(2 * START)) else {
        return Vec::new();
    };
    let series = window.series().next().unwrap();
    let points = series.points();
    let known = points.into_iter().filter_map(|(time, value)| Some((time, value?)));
    known.map(|(time, value)| (time.as_secs() - START, value)).collect()
}
