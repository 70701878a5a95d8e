//! A shard that was idle, and whose cells the cut therefore no longer reads, wakes.

use crate::cut::last;
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{A, B, Process, Site};

/// Two shards are idle, and known to be; one of them wakes while the cuts go on. `handed_over`: in another thread's
/// hands. `hasty`: the second of the cuts does not wait.
fn waking(handed_over: bool, hasty: bool) {
    let process = Process::new(2, 0);
    let (sleeper, waker) = (process.thread(), process.thread());
    let mut aggregator = process.aggregator();
    for thread in [&sleeper, &waker] {
        thread.add(A, 1);
        thread.add(B, 1);
    }
    aggregator.cut();
    let now = aggregator.cut();
    assert_eq!((now.read, now.a, now.b), (0, 2, 2), "both shards are known to be idle");
    let successor = process.clone();
    let waker = if handed_over {
        waker.exit();
        None
    } else {
        Some(waker)
    };
    let wakes = thread::spawn(move || {
        let waker = waker.unwrap_or_else(|| successor.thread());
        for _ in 0..2 {
            let group = waker.enter();
            group.add(A, 1);
            group.add(B, 1);
            group.leave();
        }
    });
    let mut before = now;
    for waits in [true, !hasty, true] {
        let now = if waits { aggregator.cut() } else { aggregator.hasty_cut() };
        assert!(now.a == now.b || !now.complete, "half a group");
        assert!(now.a >= before.a && now.b >= before.b, "a counter went back");
        before = now;
    }
    wakes.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!((now.a, now.b), (4, 4), "lost or doubled");
    assert_eq!(process.shards(), 2);
}

#[test]
fn an_idle_shard_that_wakes_is_not_missed() {
    exhaustively(|| waking(false, false));
    exhaustively(|| waking(true, false));
    bounded(4, || waking(false, true));
}

#[test]
fn canary_idle_exchange() {
    canary(Site::IdleExchange, "lost or doubled", None, || waking(false, false));
}
