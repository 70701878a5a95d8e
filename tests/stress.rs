//! The engine's promises on real hardware, where the kernel's barrier and the compiler's ordering are what they are:
//!
//! - a snapshot is a causal cut, and groups are in it whole (`tokens`, `groups`; the models of `loom-tests` take the
//!   barrier for granted, these do not);
//! - nothing is lost or counted twice while threads come and go (`conservation`, `destructors`, `kept_groups`);
//! - a thread that stands still inside a record holds a reader up for no longer than the cut's time limit, its
//!   snapshots say so, and nothing is lost once it goes on (`a_group_left_open`, `stopped_by_a_signal`);
//! - memory is bounded by the threads alive at once, whatever they record (`short_lived_threads`, `many_records`).
//!
//! `TACHOMETER_STRESS_SECONDS` sets how long the first two look; three seconds unless set.

mod common;

use common::process::own_process;
use common::{by_hand, causality, conservation, stress_time};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use tachometer::{Counter, Engine, Family, Group, Histogram, Registry, UpDownCounter, group};

#[test]
fn tokens() {
    own_process("tokens", || {
        let registry = Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        causality::tokens(&engine, &registry, stress_time());
    });
}

#[test]
fn tokens_with_an_engine_that_cuts_on_its_own() {
    own_process("tokens_with_an_engine_that_cuts_on_its_own", || {
        let registry = Registry::new();
        let builder = Engine::builder().registry(&registry).own_metrics(false);
        let engine = builder.interval(Duration::from_millis(1)).start().unwrap();
        // A second registry's engine moves the same epoch.
        let other = Engine::builder().registry(&Registry::new()).interval(Duration::from_millis(1));
        let other = other.start().unwrap();
        causality::tokens(&engine, &registry, stress_time() / 2);
        assert!(other.is_running());
    });
}

#[test]
fn groups() {
    own_process("groups", || {
        let registry = Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        causality::groups(&engine, &registry, 2, stress_time());
    });
}

#[test]
fn conservation() {
    own_process("conservation", || {
        let registry = Registry::new();
        let builder = Engine::builder().registry(&registry).interval(Duration::from_millis(1));
        let engine = builder.start().unwrap();
        let lives = if cfg!(debug_assertions) { 2_000 } else { 6_000 };
        conservation::run(&engine, &registry, lives, 8, 150);
    });
}

/// Metrics that live as long as the process, as threads' destructors ask.
#[derive(Clone, Copy)]
struct Handles {
    counter: &'static Counter,
    up_down: &'static UpDownCounter,
    histogram: &'static Histogram,
    family: &'static Family<Counter, 1>,
}

fn handles(registry: &Registry) -> Handles {
    let family = registry.metric("by_place_total", "By place.").family(["place"]).unwrap();
    Handles {
        counter: Box::leak(Box::new(registry.counter("count_total", "Counted.").unwrap())),
        up_down: Box::leak(Box::new(registry.up_down_counter("balance", "Up, down.").unwrap())),
        histogram: Box::leak(Box::new(registry.histogram("values", "Values.").unwrap())),
        family: Box::leak(Box::new(family)),
    }
}

/// Records when it is dropped: what destructors of thread-locals do.
struct Last(Handles);

impl Drop for Last {
    fn drop(&mut self) {
        let Handles { counter, up_down, histogram, family } = self.0;
        counter.inc();
        up_down.add(-2);
        histogram.record(1_000);
        family.at(["destructor"]).inc();
        let group = group();
        group.add(counter, 10);
        group.record(histogram, 1);
        up_down.inc();
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    static KEPT: RefCell<Option<Group>> = const { RefCell::new(None) };
}

#[test]
fn destructors_of_thread_locals_still_count() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    const THREADS: u64 = 300;
    for number in 0..THREADS {
        let handles = handles(&registry);
        let thread = std::thread::spawn(move || {
            // Destructors run last come, first gone: in one half of the threads ours runs after the engine's own, in
            // the other before; a third of them have recorded nothing when it does.
            if number % 2 == 0 && number % 3 != 0 {
                handles.counter.inc();
            }
            LAST.with(|cell| *cell.borrow_mut() = Some(Last(handles)));
            if number % 2 == 1 && number % 3 != 0 {
                handles.counter.inc();
            }
        });
        thread.join().unwrap();
    }
    let now = engine.refresh();
    assert!(now.is_complete());
    assert_eq!(now.counter("count_total").unwrap(), 11 * THREADS + THREADS / 3 * 2);
    assert_eq!(now.up_down_counter("balance").unwrap(), -(THREADS as i64));
    assert_eq!(now.counter("by_place_total").unwrap(), THREADS);
    let values = now.histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (2 * THREADS, 1_001 * u128::from(THREADS)));
    assert_eq!((values.min(), values.max()), (Some(1), Some(1_000)));
}

#[test]
fn a_group_that_outlives_its_threads_shard_still_counts() {
    own_process("a_group_that_outlives_its_threads_shard_still_counts", || {
        let registry = Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        let Handles { counter, histogram, .. } = handles(&registry);
        const THREADS: u64 = 200;
        for number in 0..THREADS {
            let thread = std::thread::spawn(move || {
                if number % 2 == 0 {
                    // The cell's destructor is known first, so it runs last: after the shard's owner has gone.
                    KEPT.with(|_| ());
                }
                let group = group();
                group.add(counter, 3);
                group.record(histogram, 1 << (number % 50));
                KEPT.with(|cell| *cell.borrow_mut() = Some(group));
                // Plain records join it.
                counter.inc();
            });
            thread.join().unwrap();
            if number % 16 == 0 {
                let now = engine.refresh();
                assert!(now.is_complete(), "the group closed with its thread");
                assert_eq!(now.counter("count_total").unwrap(), 4 * (number + 1));
            }
        }
        engine.refresh();
        let now = engine.refresh();
        assert_eq!(now.counter("count_total").unwrap(), 4 * THREADS);
        assert_eq!(now.histogram("values").unwrap().count(), THREADS);
        // One at a time, beside the engine's thread and this one: no shard was left behind.
        let shards = now.gauge("tachometer_shards").unwrap();
        assert!(shards <= 3.0, "{shards} shards for three threads at once");
    });
}

#[test]
fn a_group_left_open_holds_nobody_up() {
    own_process("a_group_left_open_holds_nobody_up", || {
        let registry = Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        let Handles { counter, histogram, .. } = handles(&registry);
        let mine = registry.counter("mine_total", "Of a thread that goes on.").unwrap();
        let (open, opened) = mpsc::sync_channel(0);
        let (close, closed) = mpsc::sync_channel::<()>(0);
        let holder = std::thread::spawn(move || {
            while closed.recv().is_ok() {
                let group = group();
                group.add(counter, 1);
                open.send(()).unwrap();
                closed.recv().unwrap();
                group.record(histogram, 7);
                group.add(counter, 1);
                drop(group);
                open.send(()).unwrap();
            }
        });
        // Several rounds, with one to three cuts while the group is open: it was opened in either bank.
        for round in 1..=9 {
            close.send(()).unwrap();
            opened.recv().unwrap();
            for cut in 0..1 + round % 3 {
                mine.inc();
                let now = engine.refresh();
                assert!(!now.is_complete(), "round {round}, cut {cut}");
                assert_eq!(now.moving_shards(), 1);
            }
            close.send(()).unwrap();
            opened.recv().unwrap();
            // The first snapshot that says it is complete has all that happened before it.
            let now = complete(&engine);
            assert_eq!(now.counter("count_total").unwrap(), 2 * round, "the group, whole");
            let values = now.histogram("values").unwrap();
            assert_eq!((values.count(), values.sum()), (round, 7 * u128::from(round)));
            assert_eq!((values.min(), values.max()), (Some(7), Some(7)));
        }
        drop(close);
        holder.join().unwrap();
        let now = engine.stop();
        assert_eq!(
            now.counter("mine_total").unwrap(),
            1 + (2..=9).map(|r| 1 + r % 3).sum::<u64>() + 1
        );
        let incomplete = now.counter("tachometer_incomplete_cuts_total").unwrap();
        assert!(incomplete >= 18, "{incomplete} were");
    });
}

/// The first snapshot that is complete; a thread that was just let go on may still be inside its record.
fn complete(engine: &Engine) -> std::sync::Arc<tachometer::Snapshot> {
    loop {
        let now = engine.refresh();
        if now.is_complete() {
            return now;
        }
    }
}

static STOP: AtomicBool = AtomicBool::new(false);
static STANDS: AtomicBool = AtomicBool::new(false);

/// Blocks the thread that it interrupts until `STOP` is taken back.
extern "C" fn stand_still(_: libc::c_int) {
    STANDS.store(true, Ordering::SeqCst);
    while STOP.load(Ordering::SeqCst) {
        let pause = libc::timespec { tv_sec: 0, tv_nsec: 100_000 };
        // SAFETY: async-signal-safe; a valid span, nothing is written back.
        unsafe { libc::nanosleep(&pause, std::ptr::null_mut()) };
    }
    STANDS.store(false, Ordering::SeqCst);
}

fn catch_signal() {
    let handler: extern "C" fn(libc::c_int) = stand_still;
    // SAFETY: the handler does only what is async-signal-safe.
    let before = unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    assert_ne!(before, libc::SIG_ERR);
}

/// What the thread that is stopped has done, by its own books.
#[derive(Default)]
struct Progress {
    thread: AtomicU64,
    records: AtomicU64,
    groups: AtomicU64,
    end: AtomicBool,
}

/// The lowest value of its bucket, and large: a sum that a torn record left behind would be off by 2⁶⁴.
const VALUE: u64 = 1 << 50;

#[test]
fn stopped_by_a_signal_inside_a_record() {
    own_process("stopped_by_a_signal_inside_a_record", || {
        catch_signal();
        let registry = Registry::new();
        let limit = Duration::from_millis(5);
        let engine = Engine::builder().registry(&registry).cut_timeout(limit).start().unwrap();
        let Handles { counter, histogram, up_down, .. } = handles(&registry);
        let progress: &Progress = Box::leak(Box::default());
        let thread = std::thread::spawn(move || {
            // SAFETY: asks who we are.
            progress.thread.store(unsafe { libc::pthread_self() } as u64, Ordering::Release);
            while !progress.end.load(Ordering::Relaxed) {
                for _ in 0..64 {
                    histogram.record(VALUE);
                    progress.records.fetch_add(1, Ordering::Release);
                }
                let group = group();
                group.add(counter, 1);
                group.add_signed(up_down, -1);
                drop(group);
                progress.groups.fetch_add(1, Ordering::Release);
            }
        });
        let mut incomplete = 0;
        for _ in 0..150 {
            incomplete += u32::from(stop_and_look(&engine, progress));
        }
        progress.end.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        assert!(incomplete > 0, "it was never stopped inside a record");
        let now = engine.stop();
        assert!(now.is_complete());
        let (records, groups) =
            (progress.records.load(Ordering::Acquire), progress.groups.load(Ordering::Acquire));
        let values = now.histogram("values").unwrap();
        assert_eq!(values.count(), records);
        assert_eq!(values.sum(), u128::from(records) * u128::from(VALUE));
        assert_eq!((values.min(), values.max()), (Some(VALUE), Some(VALUE)));
        assert_eq!(now.counter("count_total").unwrap(), groups);
        assert_eq!(now.up_down_counter("balance").unwrap(), -(groups as i64));
    });
}

/// Stops the thread, looks at what snapshots say, lets it go on. Whether it stood inside a record.
fn stop_and_look(engine: &Engine, progress: &Progress) -> bool {
    let before = progress.records.load(Ordering::Acquire);
    while progress.thread.load(Ordering::Acquire) == 0
        || progress.records.load(Ordering::Acquire) < before + 20_000
    {
        std::thread::yield_now();
    }
    STOP.store(true, Ordering::SeqCst);
    let thread = progress.thread.load(Ordering::Acquire) as libc::pthread_t;
    // SAFETY: the thread has not been joined.
    assert_eq!(unsafe { libc::pthread_kill(thread, libc::SIGUSR1) }, 0);
    while !STANDS.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let stopped = engine.refresh();
    assert_eq!(stopped.is_complete(), stopped.moving_shards() == 0);
    let still = engine.refresh();
    assert_eq!(still.is_complete(), stopped.is_complete(), "it stands where it stood");
    STOP.store(false, Ordering::SeqCst);
    while STANDS.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let (records, groups) =
        (progress.records.load(Ordering::Acquire), progress.groups.load(Ordering::Acquire));
    let after = complete(engine);
    let values = after.histogram("values").unwrap();
    assert!(values.count() >= records, "{} of at least {records}", values.count());
    assert_eq!(values.sum(), u128::from(values.count()) * u128::from(VALUE));
    assert!(after.counter("count_total").unwrap() >= groups);
    let balance = after.up_down_counter("balance").unwrap();
    assert_eq!(after.counter("count_total").unwrap() as i64, -balance, "a group, whole");
    !stopped.is_complete()
}

#[test]
#[cfg(target_os = "linux")]
fn short_lived_threads_do_not_add_up() {
    own_process("short_lived_threads_do_not_add_up", || {
        const ALIVE: u32 = 8;
        let threads = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
        let registry = Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        let Handles { counter, histogram, family, .. } = handles(&registry);
        let lived = AtomicU32::new(0);
        let live_some = |some: u32| {
            std::thread::scope(|scope| {
                for _ in 0..ALIVE {
                    scope.spawn(|| {
                        for _ in 0..some / ALIVE {
                            let thread = std::thread::spawn(move || {
                                counter.inc();
                                histogram.record(1 << 20);
                                family.at(["short-lived"]).inc();
                            });
                            thread.join().unwrap();
                            lived.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
        };
        live_some(1_000);
        engine.refresh();
        let before = common::process::resident_bytes();
        live_some(threads);
        engine.refresh();
        let after = common::process::resident_bytes();
        let now = engine.refresh();
        let lived = u64::from(lived.into_inner());
        assert_eq!(now.counter("count_total").unwrap(), lived);
        assert_eq!(now.histogram("values").unwrap().count(), lived);
        assert_eq!(now.counter("by_place_total").unwrap(), lived);
        // Beside the eight there are the engine's thread and this one.
        let shards = now.gauge("tachometer_shards").unwrap();
        assert!(shards <= f64::from(ALIVE + 2), "{shards} shards for {ALIVE} threads at once");
        let grown = after.saturating_sub(before);
        assert!(grown < 8 << 20, "{grown} bytes more after {lived} threads");
    });
}

/// A billion, which take seconds in an optimized build and minutes in another.
#[test]
#[cfg(target_os = "linux")]
fn many_records_take_no_memory() {
    own_process("many_records_take_no_memory", || {
        let records: u64 = if cfg!(debug_assertions) { 10_000_000 } else { 1_000_000_000 };
        let registry = Registry::new();
        let engine = Engine::builder().registry(&registry).start().unwrap();
        let Handles { counter, histogram, .. } = handles(&registry);
        let record = |from: u64, to: u64| {
            for number in from..to {
                counter.add(number & 1);
                histogram.record(number & 0xFFFF);
            }
        };
        record(0, 1_000_000);
        engine.refresh();
        let before = common::process::resident_bytes();
        record(1_000_000, records);
        let now = engine.refresh();
        let after = common::process::resident_bytes();
        assert_eq!(now.counter("count_total").unwrap(), records / 2);
        assert_eq!(now.histogram("values").unwrap().count(), records);
        let grown = after.saturating_sub(before);
        assert!(grown < 1 << 20, "{grown} bytes more after {records} records");
    });
}
