//! Guests: threads without a shard, which record in the shared cells; a thread whose thread-local is gone is one.

use crate::causality::started_and_finished;
use crate::cut::last;
use loom::thread;
use loom_tests::{bounded, canary};
use tachometer::model::{A, Process, Site};

fn guest_and_owner() {
    let process = Process::new(1, 0).open_shared();
    let (starter, finisher) = (process.guest(), process.thread());
    started_and_finished(&process, || starter, || finisher);
}

fn owner_and_guest() {
    let process = Process::new(1, 0).open_shared();
    let (starter, finisher) = (process.thread(), process.guest());
    started_and_finished(&process, || starter, || finisher);
}

fn two_guests() {
    let process = Process::new(0, 0).open_shared();
    let (starter, finisher) = (process.thread(), process.thread());
    assert!(!starter.has_shard() && !finisher.has_shard(), "beyond the limit of shards");
    started_and_finished(&process, || starter, || finisher);
}

#[test]
fn never_more_finished_by_an_owner_than_started_by_a_guest() {
    bounded(4, guest_and_owner);
}

#[test]
fn never_more_finished_by_a_guest_than_started_by_an_owner() {
    bounded(4, owner_and_guest);
}

#[test]
fn never_more_finished_than_started_by_guests() {
    bounded(4, two_guests);
}

#[test]
fn canary_guest_recheck() {
    canary(Site::GuestRecheck, "finished more than was started", Some(3), guest_and_owner);
}

#[test]
fn canary_guest_leave() {
    canary(Site::GuestLeave, "finished more than was started", Some(4), guest_and_owner);
}

/// A thread records, ends, and records once more while its thread-locals are destroyed; another has its shard by then.
#[test]
fn a_record_after_the_thread_local_is_gone_counts() {
    bounded(3, || {
        let process = Process::new(1, 0).open_shared();
        let lives = [(); 2].map(|()| {
            let process = process.clone();
            thread::spawn(move || {
                let thread = process.thread();
                thread.add(A, 1);
                thread.exit();
                process.guest().add(A, 1);
            })
        });
        let mut aggregator = process.aggregator();
        let now = aggregator.cut();
        assert!(now.a <= 4, "counts from nowhere");
        for life in lives {
            life.join().unwrap();
        }
        assert!(last(&mut aggregator).a == 4, "lost or doubled");
    });
}
