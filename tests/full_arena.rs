//! At the limits of shard memory nothing is lost and no guarantee is weaker: histogram records that find no room in their
//! thread's arena, and threads that find no shard, go to shared cells, slower, counted as such, and as exact; cuts are
//! causal and groups whole all the same.
//!
//! The limits are the process's, so each test has one of its own.

mod common;

use common::process::own_process;
use common::{by_hand_with_own_metrics, causality, conservation, stress_time};
use std::time::Duration;
use tachometer::limits::{ARENA_BYTES, MAX_SHARDS};
use tachometer::{
    Counter, Engine, Error, Histogram, ManualClock, Precision, ProcessSettings, Registry,
};

fn cutting(registry: &Registry) -> Engine {
    Engine::builder().registry(registry).interval(Duration::from_millis(1)).start().unwrap()
}

/// And groups whole, while threads record.
fn cuts_are_causal() {
    let (tokens, groups) = (Registry::new(), Registry::new());
    causality::tokens(&cutting(&tokens), &tokens, stress_time() / 3);
    causality::groups(&cutting(&groups), &groups, 3, stress_time() / 3);
}

const LIVES: usize = if cfg!(debug_assertions) { 400 } else { 1_200 };

#[test]
fn an_arena_without_room_for_any_bucket() {
    own_process("an_arena_without_room_for_any_bucket", || {
        ProcessSettings::new().arena_bytes(ProcessSettings::MIN_ARENA_BYTES).apply().unwrap();
        let registry = Registry::new();
        let engine = by_hand_with_own_metrics(&registry);
        let counter = registry.counter("count_total", "Counted.").unwrap();
        let precision = [Precision::One, Precision::Two, Precision::Three];
        let histograms = precision.map(|precision| {
            let name = format!("values_{}", precision.figures());
            registry.metric(name, "Values.").precision(precision).histogram().unwrap()
        });
        // Values of every magnitude on each thread, all of them racing for the same new buckets.
        const THREADS: u64 = 4;
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (counter, histograms) = (&counter, &histograms);
                scope.spawn(move || {
                    for round in 0..100 {
                        for bit in 0..44 {
                            let value = (1 << bit) + thread * round;
                            histograms.iter().for_each(|histogram| histogram.record(value));
                            counter.inc();
                        }
                    }
                });
            }
        });
        let records = 3 * THREADS * 100 * 44;
        let sum: u64 = (0..THREADS)
            .flat_map(|thread| (0..100).map(move |round| 44 * thread * round + (1 << 44) - 1))
            .sum();
        engine.refresh();
        let now = engine.refresh();
        assert!(now.is_complete());
        assert_eq!(now.counter("count_total").unwrap(), records / 3);
        for precision in precision {
            let values = now.histogram(&format!("values_{}", precision.figures())).unwrap();
            assert_eq!((values.count(), values.sum()), (records / 3, u128::from(sum)));
            assert_eq!((values.min(), values.max()), (Some(1), Some((1 << 43) + 3 * 99)));
            causality::check_histogram(&values);
        }
        // And two of the engine's own a generation; counters need no room.
        let overflow = || engine.refresh().counter("tachometer_overflow_records_total").unwrap();
        let before = overflow();
        assert!((records..=records + 6).contains(&before), "{before} of {records}");
        drop(engine);
        let engine = by_hand_with_own_metrics(&registry);
        engine.refresh();
        let after = engine.refresh().counter("tachometer_overflow_records_total").unwrap();
        assert!((before..before + 10).contains(&after), "{after} with the next engine");
    });
}

#[test]
fn cuts_of_an_arena_without_room() {
    own_process("cuts_of_an_arena_without_room", || {
        ProcessSettings::new().arena_bytes(ProcessSettings::MIN_ARENA_BYTES).apply().unwrap();
        cuts_are_causal();
        let registry = Registry::new();
        conservation::run(&cutting(&registry), &registry, LIVES, 4, 100);
    });
}

#[test]
fn an_arena_that_fills_up_on_the_way() {
    own_process("an_arena_that_fills_up_on_the_way", || {
        let bytes = ProcessSettings::MIN_ARENA_BYTES + (96 << 10);
        ProcessSettings::new().arena_bytes(bytes).apply().unwrap();
        let registry = Registry::new();
        let engine = cutting(&registry);
        conservation::run(&engine, &registry, LIVES, 4, 100);
        let now = engine.refresh();
        let overflow = now.counter("tachometer_overflow_records_total").unwrap();
        let values = ["rough", "fair", "fine", "side_sizes", "peer_sizes"];
        let all: u64 = values.map(|name| now.histogram(name).unwrap().count()).iter().sum();
        assert!((1..all).contains(&overflow), "some of them: {overflow} of {all}");
    });
}

#[test]
fn more_threads_than_shards() {
    own_process("more_threads_than_shards", || {
        ProcessSettings::new().max_shards(2).apply().unwrap();
        let registry = Registry::new();
        let engine = cutting(&registry);
        conservation::run(&engine, &registry, LIVES, 8, 100);
        let now = engine.refresh();
        assert_eq!(now.gauge("tachometer_shards").unwrap(), 2.0);
        assert!(now.counter("tachometer_overflow_records_total").unwrap() > 0);
        cuts_are_causal();
    });
}

#[test]
fn no_shards_at_all() {
    own_process("no_shards_at_all", || {
        ProcessSettings::new().max_shards(0).apply().unwrap();
        let registry = Registry::new();
        let engine = cutting(&registry);
        conservation::run(&engine, &registry, LIVES, 4, 100);
        assert_eq!(engine.refresh().gauge("tachometer_shards").unwrap(), 0.0);
        cuts_are_causal();
    });
}

#[test]
fn a_group_left_open_by_a_thread_without_a_shard() {
    own_process("a_group_left_open_by_a_thread_without_a_shard", || {
        ProcessSettings::new().max_shards(0).apply().unwrap();
        let registry = Registry::new();
        // Not one that waits for as long as it takes: it would wait for ever.
        let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO));
        let engine = engine.start().unwrap();
        let counter = registry.counter("count_total", "Counted.").unwrap();
        let values = registry.histogram("values", "Values.").unwrap();
        for round in 1..=4 {
            let group = tachometer::group();
            group.add(&counter, 1);
            std::thread::scope(|scope| {
                let look = || {
                    for _ in 0..round {
                        let now = engine.refresh();
                        assert!(!now.is_complete());
                        assert_eq!(now.moving_shards(), 1, "the guests count as one");
                    }
                };
                scope.spawn(look).join().unwrap();
            });
            group.record(&values, 7);
            counter.inc();
            drop(group);
            let now = engine.refresh();
            assert!(now.is_complete());
            assert_eq!(now.counter("count_total").unwrap(), 2 * round);
            assert_eq!(now.histogram("values").unwrap().sum(), 7 * u128::from(round));
        }
    });
}

static NOWHERE: Counter = Counter::new("nowhere_total", "There is no cell for it.");
static NOWHERE_VALUES: Histogram = Histogram::new("nowhere", "There is no cell for it.");

#[test]
#[cfg(target_os = "linux")]
fn no_address_space_at_all() {
    own_process("no_address_space_at_all", || {
        limit_address_space(4 << 20);
        let error = Registry::new().counter("count_total", "Counted.").unwrap_err();
        assert_eq!(error, Error::OutOfAddressSpace);
        assert!(error.to_string().contains("raise RLIMIT_AS (ulimit -v)"), "{error}");
        // Recording does not fail, and says where it cannot count.
        for value in 0..100 {
            NOWHERE.inc();
            NOWHERE_VALUES.record(value << (value % 60));
            let group = tachometer::group();
            group.add(&NOWHERE, 1);
            group.record(&NOWHERE_VALUES, value);
        }
        let rejected = Registry::global().rejected();
        let error = |name| &rejected.iter().find(|r| r.name == name).unwrap().error;
        assert_eq!(*error("nowhere_total"), Error::OutOfAddressSpace);
        assert_eq!(*error("nowhere"), Error::OutOfAddressSpace);
    });
}

/// Leaves the process `more` bytes of address space beside what it has.
#[cfg(target_os = "linux")]
fn limit_address_space(more: u64) {
    let limit = common::process::virtual_bytes() + more;
    let limits = libc::rlimit { rlim_cur: limit, rlim_max: limit };
    // SAFETY: a valid structure.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &limits) };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn settings_are_checked_and_come_first() {
    own_process("settings_are_checked_and_come_first", || {
        let small = ProcessSettings::MIN_ARENA_BYTES - 1;
        let settings = ProcessSettings::new();
        for (settings, name, why) in [
            (settings.clone().arena_bytes(small), "arena_bytes", small.to_string()),
            (settings.clone().arena_bytes(ARENA_BYTES + 1), "arena_bytes", ARENA_BYTES.to_string()),
            (settings.clone().max_shards(MAX_SHARDS + 1), "max_shards", MAX_SHARDS.to_string()),
        ] {
            let error = settings.apply().unwrap_err();
            let Error::InvalidSetting { setting, .. } = &error else { panic!("{error:?}") };
            assert_eq!(*setting, name);
            assert!(error.to_string().contains(&why), "{error}");
        }
        settings.clone().apply().expect("nobody has recorded");
        Registry::new().counter("count_total", "Counted.").unwrap().inc();
        let error = settings.apply().unwrap_err();
        assert!(error.to_string().contains("first thing in main()"), "{error}");
    });
}
