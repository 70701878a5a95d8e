//! What a history says of its bytes, against the allocator: what is freed when it is dropped was in its count, and its
//! bound.

#![cfg(feature = "history")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::Duration;
use tachometer::{Counter, Engine, Gauge, Histogram, History, ManualClock, Registry, Unit};

/// Bytes that are allocated now.
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator, with the count.
struct Weighing;

// SAFETY: hands everything to the system's allocator, as it came.
unsafe impl GlobalAlloc for Weighing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Weighing = Weighing;

/// Runs a host with a history; what it says that it takes, and what was freed with it.
fn weigh(max_bytes: usize, generations: u64) -> (usize, usize) {
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let metric =
        |name: &str, at: usize| registry.metric(name, "Of a test.").label("at", at.to_string());
    let counters: Vec<Counter> =
        (0..40).map(|at| metric("work_total", at).counter().unwrap()).collect();
    let gauges: Vec<Gauge> = (0..40).map(|at| metric("level", at).gauge().unwrap()).collect();
    let wait = |at| metric("wait_seconds", at).unit(Unit::Nanoseconds).histogram().unwrap();
    let histograms: Vec<Histogram> = (0..10).map(wait).collect();
    let history = History::builder().max_bytes(max_bytes).start(&engine).unwrap();
    for step in 0..generations {
        counters.iter().zip(0..).for_each(|(one, at)| one.add(step * step % 1_009 * at));
        gauges
            .iter()
            .zip(0..)
            .for_each(|(one, at)| one.set((step * step % 1_009 * at) as f64 / 8.0));
        for (one, at) in histograms.iter().zip(1..) {
            (0..10).for_each(|more| {
                one.record(at * 100_000 + (step * 31 + more * 97) % 1_009 * 1_000)
            });
        }
        clock.advance(Duration::from_secs(5));
        engine.refresh();
        assert!(history.bytes() <= max_bytes, "{} of {max_bytes}", history.bytes());
    }
    let said = history.bytes();
    let before = LIVE.load(Ordering::Relaxed);
    drop(history);
    (said, (before - LIVE.load(Ordering::Relaxed)) as usize)
}

/// Bytes for each of `many` series after a day of generations 15 s apart, all of them counted: both tiers, names, labels.
/// The most that there are while the day's last two blocks grow and are packed.
fn day<T>(
    many: usize,
    make: impl Fn(tachometer::MetricBuilder<'_>) -> T,
    mut each: impl FnMut(&T, &mut Random),
) -> usize {
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let builder = Engine::builder().registry(&registry).manual(&clock).own_metrics(false);
    let engine = builder.start().unwrap();
    let named =
        |at: usize| registry.metric("test_seconds", "Of a test.").label("at", at.to_string());
    let all: Vec<T> = (0..many).map(|at| make(named(at))).collect();
    let history = History::builder().start(&engine).unwrap();
    let random = &mut Random(88_172_645_463_325_252);
    let mut most = 0;
    for step in 0..5_760 {
        all.iter().for_each(|one| each(one, random));
        clock.advance(Duration::from_secs(15));
        engine.refresh();
        most = most.max(if step >= 5_760 - 480 { history.bytes() } else { 0 });
    }
    most / many
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// About normally distributed.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

#[test]
fn a_day_takes_what_was_decided() {
    let counter = day(
        20,
        |metric| metric.counter().unwrap(),
        |one: &Counter, random| one.add((1_000.0 + 32.0 * random.normal()) as u64),
    );
    assert!(counter <= 12 << 10, "{counter} bytes a counter");
    eprintln!("counter {counter}");
    let gauge = day(
        20,
        |metric| metric.gauge().unwrap(),
        |one: &Gauge, random| one.set((4_000.0 + 500.0 * random.normal()).round() / 100.0),
    );
    eprintln!("gauge {gauge}");
    assert!(gauge <= 12 << 10, "{gauge} bytes a noisy gauge");
    let histogram = day(
        10,
        |metric| metric.unit(Unit::Nanoseconds).histogram().unwrap(),
        |one: &Histogram, random| {
            (0..10).for_each(|_| one.record((400_000.0 * (0.5 * random.normal()).exp()) as u64));
        },
    );
    // The most there ever are: a block waits to be packed, and one of the ten is being packed, which takes memory of its own.
    assert!(histogram <= 106 << 10, "{histogram} bytes a histogram of ten latencies in 15 s");
}

#[test]
fn bytes_are_those_of_the_allocator() {
    for (max_bytes, generations) in [(256 << 20, 3_000), (400 << 10, 3_000)] {
        let (said, freed) = weigh(max_bytes, generations);
        // What the registry and the engine hold too is not freed; nor is what the allocator itself takes.
        assert!(freed <= said, "{freed} bytes were freed, {said} counted");
        assert!(freed >= said / 2, "{freed} bytes were freed, {said} counted");
    }
}
