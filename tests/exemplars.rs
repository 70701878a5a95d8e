//! Exemplars: every one that a snapshot shows was recorded, whole, in a value that the snapshot counts; one for each factor
//! of two; they stay until others take their place or the series goes; and where there is no place for one, its value counts
//! all the same.

mod common;

use common::causality::SetOnDrop;
use common::process::own_process;
use common::random::Random;
use common::{by_hand, by_hand_with, by_hand_with_own_metrics, stress_time};
use std::collections::BTreeMap;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tachometer::{
    EnumFamily, Exemplar, Family, Histogram, ManualClock, ProcessSettings, Registry, Snapshot,
    Unit, group, labels,
};

const START: Duration = Duration::from_secs(1_700_000_000);

/// A trace and a span that say which value they belong to, and who recorded it.
fn ids(value: u64, seed: u64) -> ([u8; 16], [u8; 8]) {
    let mixed = value.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ seed;
    let trace = u128::from(mixed) << 64 | u128::from(value.rotate_left(17) | 1);
    (trace.to_be_bytes(), (!mixed).to_be_bytes())
}

fn record(histogram: &Histogram, value: u64, seed: u64) {
    let (trace, span) = ids(value, seed);
    histogram.record_with_exemplar(value, trace, span);
}

/// Panics unless value, trace and span were recorded together.
fn check_whole(exemplar: &Exemplar) {
    let trace = u128::from_be_bytes(exemplar.trace_id);
    let mixed = (trace >> 64) as u64;
    let seed = exemplar.value.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ mixed;
    let expected = ids(exemplar.value, seed);
    assert_eq!((exemplar.trace_id, exemplar.span_id), expected, "torn: {exemplar:?}");
}

fn exemplars_of<'a>(now: &'a Snapshot, name: &'a str) -> &'a [Exemplar] {
    now.select(name, &[]).next().map_or(&[], |series| series.exemplars())
}

fn values_of(now: &Snapshot, name: &str) -> Vec<u64> {
    exemplars_of(now, name).iter().map(|exemplar| exemplar.value).collect()
}

/// In a process of its own: another test's cut between two records would take the first one.
#[test]
fn the_last_of_each_factor_of_two_is_kept() {
    own_process("the_last_of_each_factor_of_two_is_kept", || {
        let registry = Registry::new();
        let clock = ManualClock::at(START);
        let engine = by_hand_with(&registry, &clock);
        let histogram = registry.histogram("values", "Values.").unwrap();
        assert!(exemplars_of(&engine.refresh(), "values").is_empty());
        for value in [0, 1, 2, 3, 1_000, 700, 513, u64::MAX] {
            record(&histogram, value, 0);
        }
        histogram.record(100);
        let now = engine.refresh();
        assert_eq!(values_of(&now, "values"), [1, 3, 513, u64::MAX]);
        assert_eq!(now.histogram("values").unwrap().count(), 9);
        for exemplar in exemplars_of(&now, "values") {
            check_whole(exemplar);
            assert_eq!(exemplar.unix_time, START);
        }
        // They stay, with the time at which they were found, until others take their place.
        clock.advance(Duration::from_secs(5));
        let later = engine.refresh();
        assert_eq!(exemplars_of(&later, "values"), exemplars_of(&now, "values"));
        record(&histogram, 600, 7);
        let later = engine.refresh();
        assert_eq!(values_of(&later, "values"), [1, 3, 600, u64::MAX]);
        assert_eq!(exemplars_of(&later, "values")[2].unix_time, START + Duration::from_secs(5));
        assert_eq!(exemplars_of(&later, "values")[3], exemplars_of(&now, "values")[3]);
        assert_eq!(values_of(&now, "values"), [1, 3, 513, u64::MAX], "a snapshot does not change");
    });
}

#[test]
fn a_value_without_a_trace_is_a_value() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let histogram = registry.histogram("values", "Values.").unwrap();
    histogram.record_with_exemplar(5, [0; 16], [1; 8]);
    let now = engine.refresh();
    assert_eq!(now.histogram("values").unwrap().count(), 1);
    assert!(exemplars_of(&now, "values").is_empty());
}

#[test]
fn a_timer_keeps_the_trace_that_it_timed() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let wait = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let wait = wait.histogram().unwrap();
    let (trace, span) = ids(40, 9);
    let took = wait.start().stop_with_exemplar(trace, span);
    wait.start().stop_with_exemplar([0; 16], span);
    wait.start().discard();
    let now = engine.refresh();
    assert_eq!(now.histogram("wait_seconds").unwrap().count(), 2, "each once");
    let [exemplar] = exemplars_of(&now, "wait_seconds") else { panic!("one") };
    assert_eq!(exemplar.value, took.as_nanos() as u64);
    assert_eq!((exemplar.trace_id, exemplar.span_id), (trace, span));
}

labels! { enum Color("color") { Red = "red", Blue = "blue" } }

#[test]
fn every_way_to_record_takes_exemplars() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let plain = registry.histogram("plain", "Values.").unwrap();
    let colors: EnumFamily<Histogram, Color> =
        registry.metric("colors", "Values.").enum_family().unwrap();
    let peers: Family<Histogram, 1> = registry.metric("peers", "Values.").family(["peer"]).unwrap();
    let (trace, span) = ids(40, 9);
    for _ in 0..2 {
        colors.at(Color::Blue).record_with_exemplar(40, trace, span);
        peers.at(["a"]).record_with_exemplar(40, trace, span);
        peers.handle(["b"]).record_with_exemplar(40, trace, span);
        let open = group();
        open.record_with_exemplar(&plain, 40, trace, span);
        // Joins the group.
        record(&plain, 80, 9);
    }
    let now = engine.refresh();
    assert_eq!(values_of(&now, "plain"), [40, 80]);
    for (name, label, filled) in
        [("colors", ("color", "blue"), true), ("colors", ("color", "red"), false)]
    {
        let series = now.select(name, &[]).find(|s| s.label(label.0) == Some(label.1)).unwrap();
        assert_eq!(series.exemplars().len(), usize::from(filled));
    }
    for series in now.select("peers", &[]) {
        assert_eq!(series.exemplars().len(), 1);
        check_whole(&series.exemplars()[0]);
    }
}

/// In a process of its own: another test's cut between a thread's two records would take the first one.
#[test]
fn of_several_threads_the_largest_value_stays() {
    own_process("of_several_threads_the_largest_value_stays", || {
        let registry = Registry::new();
        let engine = by_hand(&registry);
        let histogram = registry.histogram("values", "Values.").unwrap();
        // All alive at once, so that each has a shard of its own.
        let all_recorded = Barrier::new(8);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (histogram, all_recorded) = (&histogram, &all_recorded);
                scope.spawn(move || {
                    record(histogram, 2_000, thread);
                    record(histogram, 1_100 + thread, thread);
                    all_recorded.wait();
                });
            }
        });
        let now = engine.refresh();
        let last = "each thread's last, and of these the largest";
        assert_eq!(values_of(&now, "values"), [1_107], "{last}");
        assert_eq!(now.histogram("values").unwrap().count(), 16);
    });
}

/// Threads record without a pause, some of them short-lived, while snapshots are taken: nothing is torn or made up.
#[test]
fn nothing_is_torn() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let histogram = registry.histogram("values", "Values.").unwrap();
    let stop = AtomicBool::new(false);
    let mut seen = 0;
    std::thread::scope(|scope| {
        let _stop = SetOnDrop(&stop);
        for thread in 0..3u64 {
            let (histogram, stop) = (&histogram, &stop);
            scope.spawn(move || {
                let mut random = Random::new(thread + 1);
                while !stop.load(Ordering::Relaxed) {
                    std::thread::scope(|lives| {
                        let seed = random.next();
                        lives.spawn(move || {
                            let mut random = Random::new(seed);
                            for _ in 0..2_000 {
                                let bits = random.below(64);
                                record(histogram, random.next() >> bits, random.next());
                            }
                        });
                    });
                }
            });
        }
        let began = Instant::now();
        let mut known = BTreeMap::new();
        while began.elapsed() < stress_time() {
            let now = engine.refresh();
            let values = now.histogram("values").unwrap();
            let exemplars = exemplars_of(&now, "values");
            assert!(exemplars.len() <= 64 && exemplars.is_sorted_by_key(|e| e.value));
            for exemplar in exemplars {
                check_whole(exemplar);
                let octave = (exemplar.value | 1).ilog2();
                let is_new = known.insert(octave, exemplar.trace_id) != Some(exemplar.trace_id);
                seen += usize::from(is_new);
                assert!((values.min().unwrap()..=values.max().unwrap()).contains(&exemplar.value));
            }
        }
    });
    assert!(seen > 100, "only {seen} exemplars in all");
}

/// A thread that stands in the middle of a record keeps its exemplar to itself until a cut is complete.
/// In a process of its own: cuts of other tests would wait for that thread too.
#[test]
fn an_incomplete_cut_leaves_exemplars_where_they_are() {
    own_process("an_incomplete_cut_leaves_exemplars_where_they_are", || {
        let registry = Registry::new();
        let clock = ManualClock::at(START);
        let engine = tachometer::Engine::builder()
            .registry(&registry)
            .manual(&clock)
            .cut_timeout(Duration::from_millis(5))
            .start()
            .unwrap();
        let histogram = registry.histogram("values", "Values.").unwrap();
        record(&histogram, 10, 1);
        engine.refresh();
        let open = group();
        record(&histogram, 11, 2);
        record(&histogram, 300, 3);
        std::thread::scope(|scope| {
            // On another thread, since this one stands inside the group.
            let snapshots = scope.spawn(|| [engine.refresh(), engine.refresh(), engine.refresh()]);
            for now in snapshots.join().unwrap() {
                assert!(!now.is_complete());
                assert_eq!(values_of(&now, "values"), [10], "the one that was known");
            }
        });
        drop(open);
        clock.advance(Duration::from_secs(1));
        let now = engine.refresh();
        assert!(now.is_complete());
        assert_eq!(values_of(&now, "values"), [11, 300]);
        exemplars_of(&now, "values").iter().for_each(check_whole);
        assert_eq!(exemplars_of(&now, "values")[0].unix_time, START + Duration::from_secs(1));
    });
}

#[test]
fn a_slot_s_next_series_has_none_of_them() {
    const IDLE: Duration = Duration::from_secs(60);
    let registry = Registry::new();
    let clock = ManualClock::at(START);
    let engine = by_hand_with(&registry, &clock);
    let family: Family<Histogram, 1> =
        registry.metric("values", "By key.").expire_after(IDLE).family(["key"]).unwrap();
    for round in 0..20u64 {
        let key = format!("key-{round}");
        let at = |value| {
            let (trace, span) = ids(value, round);
            family.at([&key]).record_with_exemplar(value, trace, span);
        };
        at(100 + round);
        // In both banks.
        engine.refresh();
        at(10_000 + round);
        engine.refresh();
        let now = engine.refresh();
        let series = now.select("values", &[]).find(|s| s.label("key") == Some(&key)).unwrap();
        let values: Vec<u64> = series.exemplars().iter().map(|exemplar| exemplar.value).collect();
        assert_eq!(values, [100 + round, 10_000 + round], "those of {key} and no other");
        series.exemplars().iter().for_each(check_whole);
        for _ in 0..3 {
            clock.advance(IDLE);
            engine.refresh();
        }
        // Zeroed, one bank after the other.
        engine.refresh();
        assert_eq!(engine.refresh().select("values", &[]).count(), 0);
    }
}

#[test]
fn an_engine_that_takes_over_knows_them() {
    let registry = Registry::new();
    let histogram = registry.histogram("values", "Values.").unwrap();
    let clock = ManualClock::at(START);
    let first = by_hand_with(&registry, &clock);
    record(&histogram, 10, 1);
    let before = first.refresh();
    drop(first);
    clock.advance(Duration::from_secs(60));
    let second = by_hand_with(&registry, &clock);
    assert_eq!(exemplars_of(&second.refresh(), "values"), exemplars_of(&before, "values"));
}

/// Exemplars that were dropped, as the engine's own metric has it, and values that were counted.
fn dropped_and_counted(records: u64) -> (u64, u64) {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let histogram = registry.histogram("values", "Values.").unwrap();
    (0..records).for_each(|value| record(&histogram, value, 1));
    let open = group();
    let (trace, span) = ids(5, 5);
    open.record_with_exemplar(&histogram, 5, trace, span);
    drop(open);
    let now = engine.refresh();
    assert!(exemplars_of(&now, "values").is_empty());
    let dropped = now.counter("tachometer_dropped_exemplars_total").unwrap();
    (dropped, now.histogram("values").unwrap().count())
}

#[test]
fn a_full_arena_drops_exemplars_and_counts_values() {
    own_process("a_full_arena_drops_exemplars_and_counts_values", || {
        ProcessSettings::new().arena_bytes(ProcessSettings::MIN_ARENA_BYTES).apply().unwrap();
        assert_eq!(dropped_and_counted(1_000), (1_001, 1_001));
    });
}

#[test]
fn a_thread_without_a_shard_drops_exemplars_and_counts_values() {
    own_process("a_thread_without_a_shard_drops_exemplars_and_counts_values", || {
        ProcessSettings::new().max_shards(0).apply().unwrap();
        assert_eq!(dropped_and_counted(1_000), (1_001, 1_001));
    });
}
