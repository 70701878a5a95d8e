//! A shard that registers during a cut.

use crate::cut::last;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{A, B, Generation, Process, Site};

/// As the cut's own model, but neither thread has a shard when the cuts begin.
fn registration() {
    let process = Process::new(2, 0);
    let token = Arc::new(AtomicUsize::new(0));
    let starts = {
        let (process, token) = (process.clone(), token.clone());
        thread::spawn(move || {
            process.thread().add(A, 1);
            token.store(1, Ordering::Release);
        })
    };
    let finishes = {
        let process = process.clone();
        thread::spawn(move || {
            let finisher = process.thread();
            let has_token = token.load(Ordering::Acquire) == 1;
            if has_token {
                finisher.add(B, 1);
            }
            has_token
        })
    };
    let mut aggregator = process.aggregator();
    let mut before = Generation::default();
    for _ in 0..2 {
        let now = aggregator.cut();
        assert!(now.b <= now.a, "finished more than was started");
        assert!(now.a >= before.a && now.b >= before.b, "a counter went back");
        before = now;
    }
    starts.join().unwrap();
    let finished = finishes.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!((now.a, now.b), (1, u64::from(finished)), "lost or doubled");
    assert_eq!(process.shards(), 2);
}

#[test]
fn a_shard_may_register_during_a_cut() {
    bounded(4, registration);
}

/// Two threads register the first series at the same time: one shared arena comes of it.
#[test]
fn the_shared_arena_is_opened_once() {
    exhaustively(|| {
        let process = Process::new(0, 0);
        let registers = [(); 2].map(|()| {
            let process = process.clone();
            thread::spawn(move || process.open_shared().guest().add(A, 1))
        });
        let mut aggregator = process.aggregator();
        for thread in registers {
            thread.join().unwrap();
        }
        assert_eq!(last(&mut aggregator).a, 2, "lost or doubled");
    });
}

#[test]
fn canary_register() {
    canary(Site::Register, "Causality violation", Some(3), registration);
}

#[test]
fn canary_heavy_barrier() {
    canary(Site::HeavyBarrier, "finished more than was started", Some(3), registration);
}
