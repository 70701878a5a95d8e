//! A snapshot is published: readers see all of it, and whoever waits for it wakes.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use loom_tests::{canary, exhaustively};
use std::sync::Arc;
use tachometer::model::{Publisher, Site};

/// A snapshot is memory that was written without any ordering before it was published.
fn snapshots() {
    let snapshot = |generation| AtomicUsize::new(generation);
    let publisher = Arc::new(Publisher::new(snapshot(0)));
    let reader = publisher.clone();
    let reads = thread::spawn(move || {
        let mut before = 0;
        for _ in 0..2 {
            let now = reader.latest().load(Ordering::Relaxed);
            assert!(now >= before, "an older snapshot after a newer one");
            before = now;
        }
    });
    for generation in 1..3 {
        publisher.publish(snapshot(generation));
    }
    reads.join().unwrap();
    assert_eq!(publisher.latest().load(Ordering::Relaxed), 2);
}

#[test]
fn a_reader_sees_the_whole_snapshot() {
    exhaustively(snapshots);
}

#[test]
fn canary_publish() {
    canary(Site::Publish, "Causality violation", None, snapshots);
}

fn waiting() {
    let publisher = Arc::new(Publisher::new(0));
    let waiter = publisher.clone();
    let waits = thread::spawn(move || *waiter.wait(|&now| now >= 2));
    publisher.publish(1);
    publisher.publish(2);
    assert_eq!(waits.join().unwrap(), 2);
}

#[test]
fn whoever_waits_for_a_snapshot_wakes() {
    exhaustively(waiting);
}

#[test]
fn canary_bell() {
    canary(Site::Bell, "deadlock", None, waiting);
}
