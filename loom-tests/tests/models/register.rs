//! A shard that registers during a cut.

use crate::causality::started_and_finished;
use crate::cut::last;
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{A, Process, Site};

/// As the cut's own model, but neither thread has a shard when the cuts begin.
fn registration() {
    let process = Process::new(2, 0);
    let registers = || {
        let process = process.clone();
        move || process.thread()
    };
    started_and_finished(&process, registers(), registers());
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
