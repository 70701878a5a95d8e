//! What several models have threads do: start something and finish it, and record in groups.

use crate::cut::last;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, JoinHandle};
use tachometer::model::{A, B, Generation, Process, Thread};

/// One thread starts something and hands a token on, another finishes it, and says whether it did. Each gets what it records
/// through once it runs.
pub(crate) fn start_and_finish(
    starter: impl FnOnce() -> Thread + Send + 'static,
    finisher: impl FnOnce() -> Thread + Send + 'static,
) -> (JoinHandle<()>, JoinHandle<bool>) {
    let token = Arc::new(AtomicUsize::new(0));
    let handed = token.clone();
    let starts = thread::spawn(move || {
        let starter = starter();
        starter.add(A, 1);
        handed.store(1, Ordering::Release);
    });
    let finishes = thread::spawn(move || {
        let finisher = finisher();
        let has_token = token.load(Ordering::Acquire) == 1;
        if has_token {
            finisher.add(B, 1);
        }
        has_token
    });
    (starts, finishes)
}

/// As [`start_and_finish`], with cuts meanwhile: never more finished than started.
pub(crate) fn started_and_finished(
    process: &Process,
    starter: impl FnOnce() -> Thread + Send + 'static,
    finisher: impl FnOnce() -> Thread + Send + 'static,
) {
    let (starts, finishes) = start_and_finish(starter, finisher);
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
}

/// A thread records the same in two counters, under one entry, twice.
pub(crate) fn record_groups(thread: Thread) -> JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..2 {
            let group = thread.enter();
            group.add(A, 1);
            group.add(B, 1);
            group.leave();
        }
    })
}
