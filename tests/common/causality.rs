//! Two programs that make a snapshot that is no causal cut show itself, and what every snapshot of them must say.
//!
//! [`tokens`]: `started` is counted before a token is handed over, `finished` after it was taken, so `finished` is never
//! above `started` in a causal cut. [`groups`]: two counters and a histogram that only groups write belong together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tachometer::{
    Counter, Engine, Histogram, HistogramSnapshot, Registry, Snapshot, UpDownCounter, group,
};

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked {
    pub complete: u64,
    pub incomplete: u64,
    /// Tokens or groups that were finished.
    pub finished: u64,
}

/// Ends the other threads, also where a check panics.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Spins, then lets others run: the machine may have fewer cores than we have threads.
fn pause(turn: &mut u32) {
    *turn += 1;
    if *turn < 50 { std::hint::spin_loop() } else { std::thread::yield_now() }
}

struct TokenMetrics {
    started: Counter,
    finished: Counter,
    in_flight: UpDownCounter,
    sizes: Histogram,
}

/// Hands tokens from thread to thread for `time` and looks at snapshots of it meanwhile.
///
/// # Panics
/// A complete snapshot is not a causal cut, a count went backwards, or the last snapshot has not everything.
pub fn tokens(engine: &Engine, registry: &Registry, time: Duration) -> Looked {
    let metrics = TokenMetrics {
        started: registry.counter("started_total", "Tokens handed over.").unwrap(),
        finished: registry.counter("finished_total", "Tokens taken.").unwrap(),
        in_flight: registry.up_down_counter("in_flight", "Tokens between the two.").unwrap(),
        sizes: registry.histogram("token_size", "What tokens carry.").unwrap(),
    };
    let (token, taken) = (AtomicU64::new(0), AtomicU64::new(0));
    let (stop, given) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut looked = Looked::default();
    std::thread::scope(|scope| {
        let ended = SetOnDrop(&given);
        let giver = scope.spawn(|| give(&metrics, &token, &taken, &stop));
        scope.spawn(|| take(&metrics, &token, &taken, &given));
        let stopped = SetOnDrop(&stop);
        looked = watch(engine, time, check_tokens);
        drop(stopped);
        giver.join().expect("it does not panic");
        drop(ended);
    });
    let last = engine.refresh();
    looked.finished = taken.load(Ordering::Relaxed);
    assert!(last.is_complete(), "everybody has ended");
    assert_eq!(last.counter("finished_total").unwrap(), looked.finished);
    assert_eq!(last.counter("started_total").unwrap(), looked.finished);
    assert_eq!(last.up_down_counter("in_flight").unwrap(), 0);
    assert!(looked.finished > 0 && looked.complete > 0, "{looked:?}");
    looked
}

fn give(metrics: &TokenMetrics, token: &AtomicU64, taken: &AtomicU64, stop: &AtomicBool) {
    for number in 1.. {
        let mut turn = 0;
        // From one to eight ahead: close enough for the order to matter, far enough for both to be at work.
        while number - taken.load(Ordering::Acquire) > 1 + number % 8 {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            pause(&mut turn);
        }
        metrics.started.inc();
        metrics.in_flight.inc();
        metrics.sizes.record(number & 0xFFF);
        token.store(number, Ordering::Release);
        if stop.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn take(metrics: &TokenMetrics, token: &AtomicU64, taken: &AtomicU64, given: &AtomicBool) {
    let (mut done, mut turn) = (0, 0);
    loop {
        let last = given.load(Ordering::Acquire);
        if token.load(Ordering::Acquire) > done {
            metrics.finished.inc();
            metrics.in_flight.dec();
            done += 1;
            taken.store(done, Ordering::Release);
            turn = 0;
        } else if last {
            return;
        } else {
            pause(&mut turn);
        }
    }
}

fn check_tokens(now: &Snapshot) -> [u64; 3] {
    let count = |name| now.counter(name).unwrap();
    let (started, finished) = (count("started_total"), count("finished_total"));
    let sizes = now.histogram("token_size").unwrap();
    if now.is_complete() {
        assert!(finished <= started, "{finished} finished of {started} started");
        // Each thread counts before it lets the other go on.
        let in_flight = now.up_down_counter("in_flight").unwrap();
        assert!((0..=8).contains(&in_flight), "{in_flight} in flight");
        assert!(sizes.count() <= started && started <= sizes.count() + 1, "program order");
        check_histogram(&sizes);
    }
    [started, finished, sizes.count()]
}

/// What a histogram of a complete snapshot says fits together.
pub fn check_histogram(histogram: &HistogramSnapshot) {
    let counted: u64 = histogram.buckets().map(|(_, _, count)| count).sum();
    assert_eq!(counted, histogram.count());
    let least: u128 = histogram.buckets().map(|(low, _, n)| u128::from(low) * u128::from(n)).sum();
    let most: u128 = histogram.buckets().map(|(_, high, n)| u128::from(high) * u128::from(n)).sum();
    assert!((least..=most).contains(&histogram.sum()), "sum {} of {counted}", histogram.sum());
    if let (Some(min), Some(max)) = (histogram.min(), histogram.max()) {
        let (low, high, _) = histogram.buckets().next().expect("it has values");
        assert!((low..=high).contains(&min), "minimum {min} is not in {low}..={high}");
        let (low, high, _) = histogram.buckets().last().expect("it has values");
        assert!((low..=high).contains(&max), "maximum {max} is not in {low}..={high}");
    }
}

/// Refreshes for `time`; `check` gives counts that must not fall.
fn watch<const N: usize>(
    engine: &Engine,
    time: Duration,
    check: impl Fn(&Snapshot) -> [u64; N],
) -> Looked {
    let (mut looked, mut before) = (Looked::default(), [0; N]);
    let mut generation = engine.snapshot().generation();
    let began = Instant::now();
    // Where the machine has no core for us, a little longer.
    while began.elapsed() < time || looked.complete == 0 && began.elapsed() < 20 * time {
        let now: Arc<Snapshot> = engine.refresh();
        assert!(now.generation() > generation, "each call that finds nobody else makes its own");
        generation = now.generation();
        let counts = check(&now);
        let fell = counts.iter().zip(&before).any(|(now, before)| now < before);
        assert!(!fell, "{counts:?} after {before:?}");
        before = counts;
        *(if now.is_complete() { &mut looked.complete } else { &mut looked.incomplete }) += 1;
    }
    looked
}

struct GroupMetrics {
    ones: Counter,
    sevens: Counter,
    /// Recorded plainly while a group is open, which makes it part of the group.
    plain: Counter,
    balance: UpDownCounter,
    values: Histogram,
}

/// Records groups on `threads` threads for `time` and looks at snapshots of it meanwhile.
///
/// # Panics
/// A complete snapshot has a part of a group, a count went backwards, or the last snapshot has not everything.
pub fn groups(engine: &Engine, registry: &Registry, threads: usize, time: Duration) -> Looked {
    let metrics = GroupMetrics {
        ones: registry.counter("ones_total", "One a group.").unwrap(),
        sevens: registry.counter("sevens_total", "Seven a group.").unwrap(),
        plain: registry.counter("plain_total", "One a group, by a plain call.").unwrap(),
        balance: registry.up_down_counter("balance", "Up and down in each group.").unwrap(),
        values: registry.histogram("value", "Seven, once a group.").unwrap(),
    };
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut looked = Looked::default();
    std::thread::scope(|scope| {
        let _stopped = SetOnDrop(&stop);
        for _ in 0..threads {
            scope.spawn(|| {
                let mut mine = 0;
                while !stop.load(Ordering::Relaxed) || mine == 0 {
                    record_group(&metrics, mine % 4 == 0);
                    mine += 1;
                    // A program does something else too. Threads that are never outside, and more of them than cores,
                    // leave a cut no moment in which it could be complete.
                    (0..mine % 16).for_each(|_| std::hint::spin_loop());
                }
                made.fetch_add(mine, Ordering::Relaxed);
            });
        }
        looked = watch(engine, time, check_groups);
    });
    looked.finished = made.load(Ordering::Relaxed);
    assert!(looked.complete > 0, "{looked:?}");
    let last = engine.refresh();
    assert!(last.is_complete(), "everybody has ended");
    check_groups(&last);
    assert_eq!(last.counter("ones_total").unwrap(), looked.finished);
    looked
}

fn record_group(metrics: &GroupMetrics, nested: bool) {
    let outer = group();
    outer.add_signed(&metrics.balance, 5);
    outer.add(&metrics.ones, 1);
    if nested {
        let inner = group();
        inner.add(&metrics.sevens, 7);
        metrics.plain.inc();
    } else {
        metrics.plain.inc();
        outer.add(&metrics.sevens, 7);
    }
    outer.record(&metrics.values, 7);
    outer.add_signed(&metrics.balance, -5);
}

fn check_groups(now: &Snapshot) -> [u64; 4] {
    let count = |name| now.counter(name).unwrap();
    let (ones, sevens, plain) = (count("ones_total"), count("sevens_total"), count("plain_total"));
    let values = now.histogram("value").unwrap();
    if now.is_complete() {
        assert_eq!((sevens, plain), (7 * ones, ones), "counters of a group");
        assert_eq!(now.up_down_counter("balance").unwrap(), 0, "both halves of a group");
        assert_eq!((values.count(), values.sum()), (ones, 7 * u128::from(ones)), "histogram");
        check_histogram(&values);
        if ones > 0 {
            assert_eq!((values.min(), values.max()), (Some(7), Some(7)));
        }
    }
    [ones, sevens, plain, values.count()]
}
