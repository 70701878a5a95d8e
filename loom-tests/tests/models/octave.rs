//! The first value of an octave against the cut: in a shard, in the shared arena where threads race for it, and in a
//! shard that has no room for it.

use crate::cut::last;
use loom::thread;
use loom_tests::{bounded, canary, exhaustively};
use tachometer::model::{A, Process, Site, room};

#[test]
fn an_octave_of_a_shard_appears_whole() {
    exhaustively(|| {
        let process = Process::new(1, room(&[0, 0, 1, 1]));
        let thread = process.thread();
        let records = thread::spawn(move || [1, 4].map(|value| thread.record(value)));
        let mut aggregator = process.aggregator();
        for _ in 0..2 {
            let now = aggregator.cut();
            let expected = [0, 1, 5][now.count as usize];
            assert_eq!(now.sum, expected, "sum and count of different moments");
        }
        records.join().unwrap();
        let now = last(&mut aggregator);
        assert_eq!((now.count, now.sum), (2, 5), "lost or doubled");
    });
}

#[test]
fn two_guests_race_for_an_octave() {
    bounded(3, || {
        let process = Process::new(0, room(&[0, 0])).open_shared();
        let guests = [2, 3].map(|value| {
            let guest = process.guest();
            thread::spawn(move || guest.record(value))
        });
        let mut aggregator = process.aggregator();
        let now = aggregator.cut();
        let sums = [&[0][..], &[2, 3], &[5]][now.count as usize];
        assert!(sums.contains(&now.sum), "sum and count of different moments");
        for guest in guests {
            guest.join().unwrap();
        }
        let now = last(&mut aggregator);
        assert_eq!((now.count, now.sum), (2, 5), "lost or doubled");
    });
}

/// The arena has room for the octave in one bank; in the other its values go to the shared cells, under the same entry.
#[test]
fn a_value_without_room_in_its_shard_keeps_to_its_group() {
    exhaustively(|| {
        let process = Process::new(1, room(&[0])).open_shared();
        let thread = process.thread();
        let groups = thread::spawn(move || {
            for _ in 0..2 {
                let group = thread.enter();
                group.add(A, 1);
                group.record(2);
                group.leave();
            }
        });
        let mut aggregator = process.aggregator();
        for _ in 0..2 {
            let now = aggregator.cut();
            assert_eq!((now.count, now.sum), (now.a, 2 * now.a), "half a group");
        }
        groups.join().unwrap();
        let now = last(&mut aggregator);
        assert_eq!((now.a, now.count, now.sum), (2, 2, 4), "lost or doubled");
    });
}

/// Cuts that do not wait read a head whose octave is just being made.
fn moving(guest: bool) {
    let process = Process::new(1, room(&[1])).open_shared();
    let thread = if guest { process.guest() } else { process.thread() };
    let records = thread::spawn(move || thread.record(4));
    let mut aggregator = process.aggregator();
    let now = aggregator.hasty_cut();
    assert!(now.count <= 1 && now.sum <= 4, "counts from nowhere");
    records.join().unwrap();
    let now = last(&mut aggregator);
    assert_eq!((now.count, now.sum), (1, 4), "lost or doubled");
}

#[test]
fn an_octave_is_found_only_when_it_is_there() {
    exhaustively(|| moving(false));
    exhaustively(|| moving(true));
}

#[test]
fn canary_octave_publish() {
    canary(Site::OctavePublish, "a word that no model uses", None, || moving(false));
}

#[test]
fn canary_octave_publish_shared() {
    canary(Site::OctavePublish, "a word that no model uses", None, || moving(true));
}
