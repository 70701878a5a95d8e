//! The cut against recording threads: causal, with groups whole, nothing lost or doubled, extremes exact.

use crate::causality::{record_groups, started_and_finished};
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{Aggregator, Generation, Process, Site, room};

/// A generation that has everything: every thread has ended.
pub(crate) fn last(aggregator: &mut Aggregator) -> Generation {
    aggregator.cut();
    aggregator.cut()
}

/// Both threads have their shards before the first cut.
fn between_owners() {
    let process = Process::new(2, 0);
    let (starter, finisher) = (process.thread(), process.thread());
    started_and_finished(&process, || starter, || finisher);
}

#[test]
fn never_more_finished_than_started() {
    exhaustively(between_owners);
}

#[test]
fn canary_heavy_barrier() {
    canary(Site::HeavyBarrier, "finished more than was started", None, between_owners);
}

/// What a thread records under one entry never differs.
fn groups() {
    let process = Process::new(1, 0);
    let groups = record_groups(process.thread());
    let mut aggregator = process.aggregator();
    let mut before = Generation::default();
    for _ in 0..3 {
        let now = aggregator.cut();
        assert_eq!(now.a, now.b, "half a group");
        assert!(now.a >= before.a, "a counter went back");
        before = now;
    }
    groups.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!((now.a, now.b), (2, 2), "lost or doubled");
}

#[test]
fn a_group_is_whole() {
    exhaustively(groups);
}

#[test]
fn canary_heavy_barrier_tears_a_group() {
    canary(Site::HeavyBarrier, "half a group", None, groups);
}

#[test]
fn canary_leave() {
    canary(Site::Leave, "half a group", None, groups);
}

/// A thread records the same value twice: a generation's extremes are those of the values it counted.
fn extremes(guest: bool) {
    let process = Process::new(1, room(&[0, 0])).open_shared();
    let thread = if guest { process.guest() } else { process.thread() };
    let records = thread::spawn(move || {
        thread.record(2);
        thread.record(2);
    });
    let mut aggregator = process.aggregator();
    let mut before = Generation::default();
    let mut check = |now: Generation| {
        assert_eq!(now.sum, 2 * now.count, "sum and count of different moments");
        let expected = (now.count > before.count).then_some((2, 2));
        assert_eq!(now.extremes, expected, "extremes of other values than were counted");
        before = now;
    };
    (0..3).for_each(|_| check(aggregator.cut()));
    records.join().unwrap();
    (0..2).for_each(|_| check(aggregator.cut()));
    assert_eq!(before.count, 2, "lost or doubled");
}

#[test]
fn extremes_are_of_the_generation() {
    exhaustively(|| extremes(false));
    bounded(3, || extremes(true));
}

#[test]
fn canary_epoch_load() {
    // A record that saw the extremes of a bank as they were before the cutter took them away leaves none itself, and the
    // next cut does not know that there is something to read.
    canary(Site::EpochLoad, "lost or doubled", None, || extremes(false));
}
