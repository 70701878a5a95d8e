//! Cuts that give up waiting: what they show is marked, and what comes after them is right again.

use crate::cut::last;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{A, Aggregator, B, Generation, Process, Site, Thread};

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
    let groups = thread::spawn(move || {
        for _ in 0..2 {
            let group = thread.enter();
            group.add(A, 1);
            group.add(B, 1);
            group.leave();
        }
    });
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
        let token = Arc::new(AtomicUsize::new(0));
        let handed = token.clone();
        let starts = thread::spawn(move || {
            starter.add(A, 1);
            handed.store(1, Ordering::Release);
        });
        let finishes = thread::spawn(move || {
            if token.load(Ordering::Acquire) == 1 {
                finisher.add(B, 1);
            }
        });
        let mut aggregator = process.aggregator();
        cut_twice(&mut aggregator, |now| assert!(now.b <= now.a, "finished more than was started"));
        starts.join().unwrap();
        finishes.join().unwrap();
    });
}
