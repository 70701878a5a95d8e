//! An engine that makes a snapshot when the test says so, at a time of the test's choice, and counts one more in each.
#![allow(dead_code, reason = "each test binary uses some of it")]

use crate::fake::{PATIENCE, wait_until};
use std::time::Duration;
use tachometer::push::TargetStatus;
use tachometer::{Counter, Engine, Histogram, ManualClock, Pusher, Registry, Target, Unit};

pub struct Steps {
    pub registry: Registry,
    pub clock: ManualClock,
    pub engine: Engine,
    pub commits: Counter,
    pub latency: Histogram,
    /// When it began.
    pub began: Duration,
}

impl Steps {
    pub fn new() -> Steps {
        Steps::with(false)
    }

    /// With the engine's own metrics, and the pusher's.
    pub fn with_own_metrics() -> Steps {
        Steps::with(true)
    }

    fn with(own_metrics: bool) -> Steps {
        let registry = Registry::new();
        let commits = registry.counter("raft_commits_total", "Log entries committed.").unwrap();
        let latency = registry.metric("raft_commit_latency_seconds", "From proposal to commit.");
        let latency = latency.unit(Unit::Nanoseconds).histogram().unwrap();
        // A while ago, so that a sample with another time than its snapshot's would show.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let began = Duration::from_secs(now.as_secs() - 600);
        let clock = ManualClock::at(began);
        let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(own_metrics);
        let engine = engine.cut_timeout(PATIENCE).start().unwrap();
        Steps { registry, clock, engine, commits, latency, began }
    }

    /// Commits once more, a second later.
    pub fn work(&self) {
        self.commits.inc();
        self.latency.record(1_000_000);
        self.clock.advance(Duration::from_secs(1));
    }

    /// Works, and makes a snapshot, which each target gets as a payload.
    pub fn step(&self, pusher: &Pusher) {
        let seen = |status: &TargetStatus| status.waiting as u64 + status.sent + status.dropped;
        let before: Vec<u64> = pusher.status().iter().map(seen).collect();
        self.work();
        self.engine.refresh();
        wait_until("the payloads of a snapshot", || {
            pusher.status().iter().zip(&before).all(|(status, before)| seen(status) > *before)
        });
    }

    /// The count and the time in ms of each snapshot up to the one with so many commits.
    pub fn samples(&self, upto: u64) -> Vec<(u64, u64)> {
        let began = self.began.as_millis() as u64;
        (1..=upto).map(|at| (at, began + at * 1000)).collect()
    }

    pub fn push(&self, target: Target) -> Pusher {
        Pusher::builder(&self.engine).target("t", target).start().unwrap()
    }
}

/// Waits until nothing waits any more.
pub fn delivered(pusher: &Pusher) {
    wait_until("delivery", || pusher.status().iter().all(|status| status.waiting == 0));
}

/// A target that is pushed to, and tried again, as often as a test can wish.
pub fn eager(target: Target) -> Target {
    let soon = Duration::from_millis(10);
    target.every(soon).retry(soon * 2, soon * 20)
}
