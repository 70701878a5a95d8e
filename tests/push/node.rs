//! An engine with one counter, and targets that are eager to have it.

use crate::common;
use crate::fake::wait_until;
use std::sync::Arc;
use std::time::Duration;
use tachometer::push::{Payload, Protocol, TargetStatus};
use tachometer::{Counter, Engine, Pusher, Registry, Snapshot, Target, TextEncoder};

pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
pub const SOON: Duration = Duration::from_millis(10);

/// An engine that makes a snapshot when the test says so, and a counter.
pub struct Node {
    pub engine: Engine,
    pub count: Counter,
}

impl Node {
    pub fn new() -> Node {
        let registry = Registry::new();
        let count = registry.counter("n_total", "Counted.").unwrap();
        Node { engine: common::by_hand_with_own_metrics(&registry), count }
    }

    /// Makes a snapshot in which the counter is one more, and waits until each target has it as a payload.
    pub fn step(&self, pusher: &Pusher) {
        let seen = |status: &TargetStatus| status.waiting as u64 + status.sent + status.dropped;
        let before: Vec<u64> = pusher.status().iter().map(seen).collect();
        self.count.inc();
        self.engine.refresh();
        wait_until("the payloads of a snapshot", || {
            pusher.status().iter().zip(&before).all(|(status, before)| seen(status) > *before)
        });
    }

    /// Makes a snapshot, which is pushed too.
    pub fn own(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.engine.refresh().counter_with(name, labels).unwrap()
    }

    pub fn failures(&self, target: &str, reason: &str) -> u64 {
        self.own("tachometer_push_failures_total", &[("target", target), ("reason", reason)])
    }

    pub fn dropped(&self, target: &str, reason: &str) -> u64 {
        self.own("tachometer_push_dropped_total", &[("target", target), ("reason", reason)])
    }
}

/// A target that is pushed to, and tried again, as often as a test can wish.
pub fn eager(url: impl Into<String>) -> Target {
    quick(Target::http(url, TextEncoder::new()))
}

pub fn quick(target: Target) -> Target {
    target.every(SOON).retry(SOON, SOON * 2)
}

pub fn start(node: &Node, target: Target) -> Pusher {
    Pusher::builder(&node.engine).target("t", target).start().unwrap()
}

/// A payload that no socket's buffer takes whole.
#[derive(Debug)]
pub struct Huge;

impl Protocol for Huge {
    fn prepare(&mut self, _: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        payloads.push(Payload::new(vec![b'x'; 12 << 20], "text/plain"));
    }
}
