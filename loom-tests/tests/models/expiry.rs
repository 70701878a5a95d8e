//! A series expires, and its slot serves another.
//!
//! The family's way (`registry::members`): revoke the tenancy · a complete cut has everything the series ever counted ·
//! retire the slot · the next cuts zero it, bank by bank · give it out again, under the registry's lock.

use crate::cut::last;
use loom::sync::Mutex;
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use std::sync::Arc;
use tachometer::model::{A, Process, Site, Tenancy, Thread};

/// What the next series adds, to tell its records from those of the series that went.
const NEXT: u64 = 100;

/// `hasty`: a cut before the revocation does not wait, nor does the first while the slot is zeroed.
fn reuse(process: Process, user: Thread, hasty: bool) {
    let mut aggregator = process.aggregator();
    // Counts in both banks.
    user.add(A, 1);
    aggregator.cut();
    user.add(A, 1);

    let tenancy = Arc::new(Tenancy::new());
    // What a look-up finds in the registry: the version, once the slot has its next tenant.
    let registry = Arc::new(Mutex::new(None));
    let remembered = tenancy.version();
    let uses = thread::spawn({
        let (tenancy, registry) = (tenancy.clone(), registry.clone());
        move || {
            let record = |version, n| {
                let entry = user.enter();
                let valid = tenancy.valid(version, &entry);
                if valid {
                    entry.add(A, n);
                }
                entry.leave();
                u64::from(valid)
            };
            let old = record(remembered, 1);
            let version = *registry.lock().unwrap();
            let new = version.map_or(0, |version| record(version, NEXT));
            (old, new)
        }
    });

    if hasty {
        aggregator.hasty_cut();
    }
    tenancy.revoke();
    let end = aggregator.cut();
    aggregator.retire(A);
    if hasty {
        aggregator.hasty_cut();
    }
    while aggregator.take_zeroed() == 0 {
        aggregator.cut();
    }
    *registry.lock().unwrap() = Some(tenancy.version());
    let (old, new) = uses.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!(now.a, NEXT * new, "the next series has other counts than its own");
    assert_eq!(end.a, 2 + old, "a record of the series that went is lost");
}

fn owner(hasty: bool) {
    let process = Process::new(1, 0);
    let user = process.thread();
    reuse(process, user, hasty);
}

fn guest(hasty: bool) {
    let process = Process::new(0, 0).open_shared();
    let user = process.guest();
    reuse(process, user, hasty);
}

#[test]
fn a_slot_forgets_its_series() {
    exhaustively(|| owner(false));
}

#[test]
fn a_slot_that_guests_used_forgets_its_series() {
    exhaustively(|| guest(false));
}

#[test]
fn a_series_goes_whole_after_an_incomplete_cut() {
    exhaustively(|| owner(true));
    bounded(4, || guest(true));
}

#[test]
fn canary_tenancy() {
    let complaint = "the next series has other counts than its own";
    canary(Site::Tenancy, complaint, None, || owner(false));
}

#[test]
fn canary_zero_both_banks() {
    let complaint = "the next series has other counts than its own";
    canary(Site::ZeroBothBanks, complaint, None, || owner(false));
}

#[test]
fn canary_heavy_barrier() {
    let complaint = "a record of the series that went is lost";
    canary(Site::HeavyBarrier, complaint, None, || owner(false));
}

#[test]
fn canary_second_turn() {
    let complaint = "a record of the series that went is lost";
    canary(Site::SecondTurn, complaint, Some(4), || guest(true));
}

/// As above for a histogram: its buckets, sums and extremes go too.
#[test]
fn a_histogram_s_slot_forgets_its_series() {
    exhaustively(|| {
        let process = Process::new(1, tachometer::model::room(&[0, 0]));
        let mut aggregator = process.aggregator();
        let user = process.thread();
        user.record(3);
        aggregator.cut();
        user.record(3);
        // Nobody records under the old tenancy any more; the user only waits for the slot's next tenant.
        let registry = Arc::new(Mutex::new(false));
        let asked = registry.clone();
        let uses = thread::spawn(move || {
            let given_out = *asked.lock().unwrap();
            if given_out {
                user.record(2);
            }
            given_out
        });
        assert_eq!((aggregator.cut().count, aggregator.cut().count), (2, 2));
        aggregator.retire_histogram();
        while aggregator.take_zeroed() == 0 {
            aggregator.cut();
        }
        *registry.lock().unwrap() = true;
        let mut extremes = aggregator.cut().extremes;
        let new = u64::from(uses.join().unwrap());
        for _ in 0..2 {
            let now = aggregator.cut();
            extremes = extremes.or(now.extremes);
            assert!(now.count <= new && now.sum == 2 * now.count);
        }
        assert_eq!(extremes, (new == 1).then_some((2, 2)), "extremes of the series that went");
    });
}
