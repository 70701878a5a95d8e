//! A handle that is kept loses its slot to an idle series' end, and gets another, or the same back.
//!
//! The `metrics` facade's way (`facade::metrics`): revoke the lease · a complete cut has everything that was ever counted ·
//! retire the slot · the next cuts zero it · give it out again. Whoever finds the lease revoked asks under a lock.

use crate::cut::last;
use loom::sync::Mutex;
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use std::sync::Arc;
use tachometer::model::{A, Lease, Process, Site, Thread};

/// What the handle adds once it is back, to tell it from what it added before.
const BACK: u64 = 100;

fn record(user: &Thread, lease: &Lease, n: u64) -> u64 {
    let entry = user.enter();
    let taken = lease.add(&entry, n);
    entry.leave();
    u64::from(taken)
}

/// `hasty`: a cut before the revocation does not wait, nor does the first while the slot is zeroed.
fn goes_and_comes_back(process: Process, user: Thread, hasty: bool) {
    let mut aggregator = process.aggregator();
    let lease = Arc::new(Lease::new(A));
    // Counts in both banks.
    record(&user, &lease, 1);
    aggregator.cut();
    record(&user, &lease, 1);

    // The slot that there is to be had, once there is one.
    let free = Arc::new(Mutex::new(None));
    let uses = thread::spawn({
        let (lease, free) = (lease.clone(), free.clone());
        move || {
            let before = record(&user, &lease, 1);
            let Some(slot) = *free.lock().unwrap() else { return (before, 0) };
            lease.renew(slot);
            (before, record(&user, &lease, BACK))
        }
    });

    if hasty {
        aggregator.hasty_cut();
    }
    lease.revoke();
    let end = aggregator.cut();
    aggregator.retire(A);
    if hasty {
        aggregator.hasty_cut();
    }
    while aggregator.take_zeroed() == 0 {
        aggregator.cut();
    }
    *free.lock().unwrap() = Some(A);
    let (before, back) = uses.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!(now.a, BACK * back, "the series that came back has other counts than its own");
    assert_eq!(end.a, 2 + before, "a record of the series that went is lost");
}

fn owner(hasty: bool) {
    let process = Process::new(1, 0);
    let user = process.thread();
    goes_and_comes_back(process, user, hasty);
}

fn guest(hasty: bool) {
    let process = Process::new(0, 0).open_shared();
    let user = process.guest();
    goes_and_comes_back(process, user, hasty);
}

#[test]
fn a_kept_handle_goes_and_comes_back() {
    exhaustively(|| owner(false));
}

#[test]
fn a_kept_handle_that_guests_use_goes_and_comes_back() {
    exhaustively(|| guest(false));
}

#[test]
fn a_kept_handle_goes_whole_after_an_incomplete_cut() {
    exhaustively(|| owner(true));
    bounded(4, || guest(true));
}

/// It was in use after all: the same slot is given back, and goes on from where it stood.
#[test]
fn a_slot_that_was_not_given_up_goes_on() {
    exhaustively(|| {
        let process = Process::new(1, 0);
        let mut aggregator = process.aggregator();
        let user = process.thread();
        let lease = Arc::new(Lease::new(A));
        let lock = Arc::new(Mutex::new(()));
        let uses = thread::spawn({
            let (lease, lock) = (lease.clone(), lock.clone());
            move || {
                let counted = record(&user, &lease, 1);
                if counted == 0 {
                    let _tenure = lock.lock().unwrap();
                    lease.renew(A);
                }
                counted + record(&user, &lease, 1)
            }
        });
        {
            let _tenure = lock.lock().unwrap();
            lease.revoke();
        }
        aggregator.cut();
        {
            let _tenure = lock.lock().unwrap();
            lease.renew(A);
        }
        let counted = uses.join().unwrap();
        assert_eq!(last(&mut aggregator).a, counted, "a record is lost or doubled");
    });
}

#[test]
fn canary_lease() {
    let complaint = "the series that came back has other counts than its own";
    canary(Site::Lease, complaint, None, || owner(false));
}

#[test]
fn canary_heavy_barrier() {
    let complaint = "a record of the series that went is lost";
    canary(Site::HeavyBarrier, complaint, None, || owner(false));
}
