//! A thread ends, and its shard goes on, counts and all, in the hands of the next.

use crate::cut::last;
use loom::thread;
use loom_tests::{bounded, canary, plainly};
use tachometer::model::{A, B, Process, Site};

/// Two threads, each with one group; the second may get the first one's shard, or one of its own.
fn two_short_lives(cut_meanwhile: bool) {
    let process = Process::new(2, 0);
    let lives = [(); 2].map(|()| {
        let process = process.clone();
        thread::spawn(move || {
            let thread = process.thread();
            let group = thread.enter();
            group.add(A, 1);
            group.add(B, 1);
            group.leave();
            thread.exit();
        })
    });
    let mut aggregator = process.aggregator();
    if cut_meanwhile {
        let now = aggregator.cut();
        assert_eq!(now.a, now.b, "half a group");
    }
    for life in lives {
        life.join().unwrap();
    }
    let now = last(&mut aggregator);
    assert_eq!((now.a, now.b), (2, 2), "lost or doubled");
    assert!(process.shards() <= 2);
}

#[test]
fn a_shard_outlives_its_thread() {
    bounded(4, || two_short_lives(true));
}

/// The announcement is the plain store that it is in production, which takes nothing over from the thread before.
#[test]
fn a_shard_is_handed_over_with_its_counts() {
    plainly(|| two_short_lives(false));
}

#[test]
fn canary_hand_over() {
    canary(Site::HandOver, "lost or doubled", None, || two_short_lives(false));
}
