//! What only the inside shows: that bytes and chunks are counted right, whatever happens.

use super::column::Origin;
use super::store::Store;
use crate::snapshot::Snapshot;
use crate::{Counter, Engine, Family, Gauge, Histogram, ManualClock, Registry};
use std::time::Duration;

/// A store of series that come and go, and of `many` gauges that stay and move.
fn run(max_bytes: usize, generations: u64, many: usize) -> Store {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1_700_000_000)));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let metric =
        |name: &str| registry.metric(name, "Of a test.").expire_after(Duration::from_secs(7));
    let counters: Family<Counter, 1> = metric("work_total").family(["key"]).unwrap();
    let sizes: Family<Histogram, 1> = metric("size").family(["key"]).unwrap();
    let still: Family<Gauge, 1> = registry.metric("still", "Of a test.").family(["key"]).unwrap();
    still.at(["a"]).set(1.0);
    let gauge =
        |at: usize| registry.metric("level", "Of a test.").label("at", at.to_string()).gauge();
    let moving: Vec<Gauge> = (0..many).map(|at| gauge(at).unwrap()).collect();
    let mut store = Store::new(&[(1_000, 300_000), (15_000, 3_600_000)], max_bytes);
    let (mut dropped, mut last) = (0, 0);
    for at in 0..generations {
        let key = format!("{}", at * 7 / 100 % 9);
        counters.at([&key]).add(at * at % 1_009);
        (0..at % 4).for_each(|more| sizes.at([&key]).record(at * 1_003 + more));
        moving.iter().zip(1..).for_each(|(one, by)| one.set((at * at * by % 1_013) as f64 / 4.0));
        clock.advance(Duration::from_secs(1));
        let snapshot: &Snapshot = &engine.refresh();
        store.append(snapshot, Origin::New);
        let counted = store.counted();
        assert_eq!((store.bytes(), store.chunks), counted, "generation {at}");
        assert!(store.bytes() <= max_bytes, "{} of {max_bytes} bytes", store.bytes());
        dropped += u64::from(store.chunks < last);
        last = store.chunks;
    }
    assert!(dropped == 0 || store.counts.aged + store.counts.displaced > 0);
    store
}

#[test]
fn bytes_are_counted_right_while_blocks_age() {
    let store = run(64 << 20, 6_700, 0);
    assert!(store.counts.aged > 0);
    assert_eq!((store.counts.displaced, store.counts.refused), (0, 0));
    assert_eq!(store.packing.len(), 0, "all is packed");
}

#[test]
fn bytes_are_counted_right_at_the_bound() {
    let store = run(48 << 10, 3_000, 0);
    assert!(store.counts.displaced > 0);
    assert_eq!(store.counts.refused, 0);
}

#[test]
fn bytes_are_counted_right_at_the_bound_while_rows_wait() {
    // Where only open blocks are there to go, and where there may be closed ones.
    let displaced = [88, 104].map(|kib| run(kib << 10, 1_500, 40).counts.displaced);
    assert!(displaced[0] > 0);
    let store = run(64 << 20, 1_500, 40);
    assert!(store.tiers.iter().any(|tier| !tier.staged.is_empty()), "a part of the rows waits");
    assert!(store.counts.aged > 0);
}

/// Numbers of each generation: what a store is to tell.
struct Shown {
    times: Vec<i64>,
    rows: Vec<Vec<f64>>,
}

impl Shown {
    /// That a store tells the numbers of the last `many` generations, which its finest tier has.
    fn check(&self, store: &Store, many: usize) {
        let from = self.times.len().saturating_sub(many);
        let rows = store.rows(self.times[from] - 1, i64::MAX);
        for series in store.series.iter().flatten() {
            let Some(at) = series.key.label("at") else { continue };
            let at: usize = at.parse().unwrap();
            let reading = store.read(series, &rows).expect("it is there");
            let mut found = Vec::new();
            reading.scalars(|time, value| {
                let (bits, _) = value.expect("in each row");
                found.push((time, reading.number(bits)));
            });
            found.retain(|(time, _)| *time >= self.times[from]);
            let times = self.times[from..].iter();
            let expected: Vec<(i64, f64)> =
                times.zip(&self.rows[from..]).map(|(time, row)| (*time, row[at])).collect();
            assert_eq!(found, expected, "series {at} after {} generations", self.times.len());
        }
    }
}

#[test]
fn what_waits_is_told_as_what_was_handed_out() {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1_700_000_000)));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let metric = |at: usize| {
        registry.metric(["level", "noise"][at % 2], "Of a test.").label("at", at.to_string())
    };
    let gauges: Vec<Gauge> = (0..50).map(|at| metric(at).gauge().unwrap()).collect();
    let late: Family<Counter, 1> = registry
        .metric("late_total", "Of a test.")
        .expire_after(Duration::from_secs(3))
        .family(["key"])
        .unwrap();
    let mut store = Store::new(&[(1_000, 600_000), (15_000, 3_600_000)], 64 << 20);
    let mut shown = Shown { times: Vec::new(), rows: Vec::new() };
    let (mut waited, mut unclosed) = (0, 0);
    for step in 0..1_000u64 {
        let numbers: Vec<f64> = (0..50)
            .map(|at| {
                if at % 5 == 4 { at as f64 } else { (step * step * (at + 3) % 997) as f64 / 100.0 }
            })
            .collect();
        gauges.iter().zip(&numbers).for_each(|(one, number)| one.set(*number));
        // A series comes and goes in the middle of what waits.
        if step % 100 == 57 || step % 240 == 236 {
            late.at(["a"]).inc();
        }
        clock.advance(Duration::from_secs(1));
        store.append(&engine.refresh(), Origin::New);
        assert_eq!((store.bytes(), store.chunks), store.counted());
        shown.times.push(store.now().unwrap());
        shown.rows.push(numbers);
        waited += u64::from(!store.tiers[0].staged.is_empty());
        let open = store.tiers[0].open_block();
        unclosed +=
            u64::from(store.series.iter().flatten().any(|series| {
                !series.tracks[0].head.is_empty() && series.tracks[0].head.block < open
            }));
        if step % 23 == 0 || (238..252).contains(&(step % 240)) {
            shown.check(&store, 300);
        }
    }
    assert!(waited > 500, "{waited} generations left rows that wait");
    assert!(
        unclosed > 5,
        "{unclosed} generations saw a column that its block's end has not come to"
    );
}

#[test]
fn a_column_is_read_and_counted_while_a_part_of_it_is_packed() {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1_700_000_000)));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let sizes: Vec<Histogram> = (0..3)
        .map(|at| {
            registry.metric("size", "Of a test.").label("at", at.to_string()).histogram().unwrap()
        })
        .collect();
    let mut store = Store::new(&[(1_000, 86_400_000)], 64 << 20);
    let mut partly = 0;
    for step in 0..700u64 {
        for (at, one) in sizes.iter().enumerate() {
            (0..60).for_each(|more| {
                one.record(1_000 + (step * 7_919 + more * 104_729) % (50_000 + at as u64))
            });
        }
        clock.advance(Duration::from_secs(1));
        store.append(&engine.refresh(), Origin::New);
        assert_eq!((store.bytes(), store.chunks), store.counted());
        let part = store.packing.iter().any(|packing| packing.is_amid());
        partly += u64::from(part);
        if part && partly % 5 == 0 || step == 699 {
            let rows = store.rows(0, i64::MAX);
            for series in store.series.iter().flatten().filter(|series| series.key.is_histogram()) {
                let reading = store.read(series, &rows).expect("it is there");
                let all = reading.gained(0, i64::MAX);
                let definition = &series.key.definition;
                // The histogram began with the first row.
                let expected = 60 * (step + 1);
                assert_eq!(all.histogram(definition.precision, definition.unit).count(), expected);
            }
        }
    }
    assert!(partly > 8, "{partly} generations left a column packed in part");
    assert_eq!(store.packing.len(), 0, "all is packed");
}

#[test]
fn series_without_room_are_refused() {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1_700_000_000)));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let many: Vec<Gauge> = (0..300)
        .map(|at| {
            registry.metric("level", "Of a test.").label("at", at.to_string()).gauge().unwrap()
        })
        .collect();
    let mut store = Store::new(&[(1_000, 60_000)], 64 << 10);
    for at in 0..1_000u32 {
        many.iter().for_each(|one| one.set(f64::from(at)));
        clock.advance(Duration::from_secs(1));
        store.append(&engine.refresh(), Origin::New);
        assert_eq!((store.bytes(), store.chunks), store.counted());
        assert!(store.bytes() <= 64 << 10);
    }
    assert!(store.counts.refused > 0);
    assert_eq!(
        store.by_key.len() as u64 + store.counts.refused,
        300,
        "each is refused once while nothing changes"
    );
    assert!(store.by_key.len() > 30);
}
