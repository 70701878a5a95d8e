//! Exemplars against the cut: whole, of a value that the same cut counts, and taken once; where there is no room for one,
//! its value counts.

use crate::cut::last;
use loom::thread;
use loom_tests::{canary, exhaustively};
use tachometer::model::{EXEMPLAR_ROOM, Process, Site, room};

/// A thread keeps an exemplar of each of two values, the second in the place of the first or in the other bank.
fn whole() {
    let process = Process::new(1, room(&[0, 0]) + 2 * EXEMPLAR_ROOM);
    let thread = process.thread();
    let records = thread::spawn(move || [2, 3].map(|value| thread.record_traced(value)));
    let mut aggregator = process.aggregator();
    for _ in 0..2 {
        let now = aggregator.cut();
        let expected = [0, 2, 3][now.count as usize];
        assert_eq!(now.exemplar, [expected; 4], "an exemplar that is torn, or of another moment");
    }
    records.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!((now.count, now.exemplar), (2, [3; 4]), "lost");
}

#[test]
fn an_exemplar_is_whole_and_of_its_cut() {
    exhaustively(whole);
}

#[test]
fn canary_leave() {
    canary(Site::Leave, "torn, or of another moment", None, whole);
}

#[test]
fn canary_heavy_barrier() {
    // A cut that reads while the thread still writes finds no extremes, and takes the histogram for unchanged.
    canary(Site::HeavyBarrier, "lost", None, whole);
}

/// A cut that does not wait reads no exemplar; the next one has it.
#[test]
fn a_hasty_cut_leaves_exemplars_alone() {
    exhaustively(|| {
        let process = Process::new(1, room(&[0]) + EXEMPLAR_ROOM);
        let thread = process.thread();
        let records = thread::spawn(move || thread.record_traced(2));
        let mut aggregator = process.aggregator();
        let now = aggregator.hasty_cut();
        assert!(now.exemplar == [0; 4] || now.complete && now.exemplar == [2; 4], "torn");
        records.join().unwrap();
        let now = last(&mut aggregator);
        assert_eq!((now.count, now.exemplar), (1, [2; 4]), "lost");
    });
}

/// There is room for the value, and none for its exemplar.
#[test]
fn without_room_the_value_counts() {
    exhaustively(|| {
        let process = Process::new(1, room(&[0])).open_shared();
        let thread = process.thread();
        let records = thread::spawn(move || [2, 3].map(|value| thread.record_traced(value)));
        let mut aggregator = process.aggregator();
        let now = aggregator.cut();
        assert_eq!(now.exemplar, [0; 4]);
        records.join().unwrap();
        let now = last(&mut aggregator);
        assert_eq!((now.count, now.sum, now.exemplar), (2, 5, [0; 4]), "lost or doubled");
    });
}
