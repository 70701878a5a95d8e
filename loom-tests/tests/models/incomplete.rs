//! Cuts that give up waiting: what they show is marked, and what comes after them is right again.

use crate::causality::{record_groups, start_and_finish};
use crate::cut::last;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{Aggregator, Generation, Process, Site, Thread};

/// A cut that looks once, and one that waits.
fn cut_twice(aggregator: &mut Aggregator, check: impl Fn(Generation)) {
    let mut before = Generation::default();
    for waits in [false, true] {
        let now = if waits { aggregator.cut() } else { aggregator.hasty_cut() };
        assert!(now.complete || !waits);
        assert!(now.a >= before.a && now.b >= before.b, "a counter went back");
        if now.complete {
            check(now);
        }
        before = now;
    }
}

fn groups(process: &Process, thread: Thread) {
    let groups = record_groups(thread);
    let mut aggregator = process.aggregator();
    cut_twice(&mut aggregator, |now| assert_eq!(now.a, now.b, "half a group"));
    groups.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!((now.a, now.b), (2, 2), "lost or doubled");
}

fn owner() {
    let process = Process::new(1, 0);
    let thread = process.thread();
    groups(&process, thread);
}

fn guest() {
    let process = Process::new(0, 0).open_shared();
    let thread = process.guest();
    groups(&process, thread);
}

#[test]
fn a_group_is_whole_again_after_an_incomplete_cut() {
    exhaustively(owner);
}

#[test]
fn a_guest_s_group_is_whole_again_after_an_incomplete_cut() {
    bounded(4, guest);
}

#[test]
fn canary_second_turn() {
    canary(Site::SecondTurn, "half a group", None, owner);
}

#[test]
fn canary_second_turn_waits_for_guests() {
    canary(Site::SecondTurn, "half a group", None, guest);
}

/// What the incomplete cut missed of the starter must not be missed by the next, which has what the finisher did.
#[test]
fn never_more_finished_than_started_after_an_incomplete_cut() {
    bounded(4, || {
        let process = Process::new(2, 0);
        let (starter, finisher) = (process.thread(), process.thread());
        let (starts, finishes) = start_and_finish(|| starter, || finisher);
        let mut aggregator = process.aggregator();
        cut_twice(&mut aggregator, |now| assert!(now.b <= now.a, "finished more than was started"));
        starts.join().unwrap();
        finishes.join().unwrap();
    });
}
