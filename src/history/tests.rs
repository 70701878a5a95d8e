//! What only the inside shows: that bytes and chunks are counted right, whatever happens.

use super::column::Origin;
use super::store::Store;
use crate::snapshot::Snapshot;
use crate::{Counter, Engine, Family, Gauge, Histogram, ManualClock, Registry};
use std::time::Duration;

fn run(max_bytes: usize, generations: u64) -> Store {
    let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1_700_000_000)));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let metric =
        |name: &str| registry.metric(name, "Of a test.").expire_after(Duration::from_secs(7));
    let counters: Family<Counter, 1> = metric("work_total").family(["key"]).unwrap();
    let sizes: Family<Histogram, 1> = metric("size").family(["key"]).unwrap();
    let still: Family<Gauge, 1> = registry.metric("still", "Of a test.").family(["key"]).unwrap();
    still.at(["a"]).set(1.0);
    let mut store = Store::new(&[(1_000, 300_000), (15_000, 3_600_000)], max_bytes);
    let (mut dropped, mut last) = (0, 0);
    for at in 0..generations {
        let key = format!("{}", at * 7 / 100 % 9);
        counters.at([&key]).add(at * at % 1_009);
        (0..at % 4).for_each(|more| sizes.at([&key]).record(at * 1_003 + more));
        clock.advance(Duration::from_secs(1));
        let snapshot: &Snapshot = &engine.refresh();
        store.append(snapshot, Origin::New);
        let counted = store.counted();
        assert_eq!((store.bytes(), store.chunks), counted, "generation {at}");
        assert!(store.bytes() <= max_bytes, "{} of {max_bytes} bytes", store.bytes());
        dropped += u64::from(store.chunks < last);
        last = store.chunks;
    }
    assert_eq!(dropped > 0, store.counts.aged + store.counts.displaced > 0);
    store
}

#[test]
fn bytes_are_counted_right_while_blocks_age() {
    let store = run(64 << 20, 6_700);
    assert!(store.counts.aged > 0);
    assert_eq!((store.counts.displaced, store.counts.refused), (0, 0));
    assert_eq!(store.packing.len(), 0, "all is packed");
}

#[test]
fn bytes_are_counted_right_at_the_bound() {
    let store = run(48 << 10, 3_000);
    assert!(store.counts.displaced > 0);
    assert_eq!(store.counts.refused, 0);
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
