//! Handles: a series is the same whether it is reached through a `static`, a field, a clone or a second registration, and
//! from whichever thread first uses it. Timers record what they return; sampled ones estimate without bias.

mod common;

use common::by_hand;
use std::num::NonZeroU32;
use std::sync::Barrier;
use std::time::Duration;
use tachometer::{
    Counter, EnumFamily, Family, Gauge, Histogram, Precision, Registry, Snapshot, Stamp, Unit,
    UpDownCounter, labels,
};

labels! {
    /// A closed set.
    enum Color("color") { Red = "red", Blue = "blue" }
}

static COUNT: Counter = Counter::new("static_count_total", "Counted.");
static COUNT_AGAIN: Counter = Counter::new("static_count_total", "Counted.");
static BALANCE: UpDownCounter = UpDownCounter::new("static_balance", "Up and down.");
static LEVEL: Gauge = Gauge::new("static_level_ratio", "Set.").unit(Unit::Ratio);
static VALUES: Histogram =
    Histogram::new("static_values_bytes", "Values.").unit(Unit::Bytes).precision(Precision::Three);
static COLORS: EnumFamily<Counter, Color> = EnumFamily::new("static_colors_total", "By color.");
static PEERS: Family<Counter, 1> = Family::new("static_peers_total", "By peer.", ["peer"]);

struct Component {
    count: Counter,
    balance: UpDownCounter,
    level: Gauge,
    values: Histogram,
    colors: EnumFamily<Counter, Color>,
    peers: Family<Counter, 1>,
}

impl Component {
    /// Registers what the statics above declare.
    fn new(registry: &Registry) -> Self {
        let metric = |name: &str, help: &str| registry.metric(name, help);
        let values = metric("static_values_bytes", "Values.").unit(Unit::Bytes);
        Component {
            count: registry.counter("static_count_total", "Counted.").unwrap(),
            balance: registry.up_down_counter("static_balance", "Up and down.").unwrap(),
            level: metric("static_level_ratio", "Set.").unit(Unit::Ratio).gauge().unwrap(),
            values: values.precision(Precision::Three).histogram().unwrap(),
            colors: metric("static_colors_total", "By color.").enum_family().unwrap(),
            peers: metric("static_peers_total", "By peer.").family(["peer"]).unwrap(),
        }
    }

    fn record(&self) {
        self.count.inc();
        self.balance.dec();
        self.level.add(0.25);
        self.values.record(5);
        self.colors.at(Color::Blue).inc();
        self.peers.at(["a"]).inc();
    }
}

fn check(now: &Snapshot, times: u64) {
    assert_eq!(now.counter("static_count_total").unwrap(), times);
    assert_eq!(now.up_down_counter("static_balance").unwrap(), -(times as i64));
    assert_eq!(now.gauge("static_level_ratio").unwrap(), times as f64 / 4.0);
    let values = now.histogram("static_values_bytes").unwrap();
    assert_eq!((values.count(), values.sum()), (times, 5 * u128::from(times)));
    let blue = now.counter_with("static_colors_total", &[("color", "blue")]);
    assert_eq!((blue.unwrap(), now.counter("static_colors_total").unwrap()), (times, times));
    assert_eq!(now.counter_with("static_peers_total", &[("peer", "a")]).unwrap(), times);
    assert_eq!(now.select("static_count_total", &[]).count(), 1, "one series");
}

#[test]
fn every_handle_of_a_series_reaches_it() {
    let registry = Registry::global();
    let engine = by_hand(registry);
    // In a field, registered before the static's first use.
    let component = Component::new(registry);
    component.record();
    check(&engine.refresh(), 1);
    // In statics.
    COUNT.inc();
    BALANCE.dec();
    LEVEL.add(0.25);
    VALUES.record(5);
    COLORS.at(Color::Blue).inc();
    PEERS.at(["a"]).inc();
    check(&engine.refresh(), 2);
    // In clones of statics and of fields, sent to other threads.
    let from_static = Component {
        count: COUNT_AGAIN.clone(),
        balance: BALANCE.clone(),
        level: LEVEL.clone(),
        values: VALUES.clone(),
        colors: COLORS.clone(),
        peers: PEERS.clone(),
    };
    let from_field = Component {
        count: component.count.clone(),
        balance: component.balance.clone(),
        level: component.level.clone(),
        values: component.values.clone(),
        colors: component.colors.clone(),
        peers: component.peers.clone(),
    };
    for copy in [from_static, from_field] {
        std::thread::spawn(move || copy.record()).join().unwrap();
    }
    check(&engine.refresh(), 4);
    // Handles of single series of families, and registering again.
    let registered = [COUNT.register(), BALANCE.register(), LEVEL.register(), VALUES.register()];
    registered.into_iter().chain([COLORS.register(), PEERS.register()]).for_each(Result::unwrap);
    Component::new(registry).record();
    COLORS.handle(Color::Blue).inc();
    component.colors.handle(Color::Blue).clone().inc();
    PEERS.handle(["a"]).inc();
    component.peers.handle(["a"]).clone().inc();
    COUNT.add(2);
    BALANCE.add(-2);
    LEVEL.add(0.5);
    VALUES.record_n(5, 2);
    check(&engine.refresh(), 7);
    assert!(registry.rejected().is_empty());
}

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// A set of statics that nobody has used yet.
struct Fresh {
    count: Counter,
    values: Histogram,
    colors: EnumFamily<Counter, Color>,
    peers: Family<Histogram, 1>,
    refused: Counter,
}

impl Fresh {
    fn new(round: usize) -> &'static Fresh {
        let name = |what: &str| leaked(format!("fresh_{what}_{round}"));
        Box::leak(Box::new(Fresh {
            count: Counter::new(name("count"), "Counted."),
            values: Histogram::new(name("values"), "Values."),
            colors: EnumFamily::new(name("colors"), "By color."),
            peers: Family::new(name("peers"), "By peer.", ["peer"]),
            refused: Counter::new(leaked(format!("fresh-refused-{round}")), "A dash."),
        }))
    }
}

#[test]
fn a_static_that_many_threads_use_first() {
    common::process::own_process("a_static_that_many_threads_use_first", || {
        const THREADS: usize = 8;
        // Fewer than the refused handles that are listed one by one.
        const ROUNDS: usize = 40;
        let start = Barrier::new(THREADS);
        let all: Vec<_> = (0..ROUNDS).map(Fresh::new).collect();
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (start, all) = (&start, &all);
                scope.spawn(move || {
                    for fresh in all {
                        start.wait();
                        fresh.count.inc();
                        fresh.values.record(thread as u64);
                        fresh.colors.at([Color::Red, Color::Blue][thread % 2]).inc();
                        fresh.peers.at(["same"]).record(1);
                        fresh.refused.inc();
                    }
                });
            }
        });
        let now = by_hand(Registry::global()).refresh();
        (0..ROUNDS).for_each(|round| check_fresh(&now, round, THREADS as u64));
    });
}

fn check_fresh(now: &Snapshot, round: usize, threads: u64) {
    let name = |what: &str| format!("fresh_{what}_{round}");
    assert_eq!(now.counter(&name("count")).unwrap(), threads);
    let values = now.histogram(&name("values")).unwrap();
    assert_eq!((values.count(), values.max()), (threads, Some(threads - 1)));
    let red = now.counter_with(&name("colors"), &[("color", "red")]).unwrap();
    assert_eq!((red, now.counter(&name("colors")).unwrap()), (threads / 2, threads));
    assert_eq!(now.histogram(&name("peers")).unwrap().count(), threads);
    let refused = format!("fresh-refused-{round}");
    let counted = now.rejected_records().iter().find(|(name, _)| *name == refused);
    assert_eq!(counted.map(|(_, count)| *count), Some(threads));
}

#[test]
fn gauges_add_up_over_threads() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let level = registry.gauge("level", "Set and added to.").unwrap();
    level.set(0.5);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let level = &level;
            scope.spawn(move || {
                (0..5_000).for_each(|_| level.add(if thread == 0 { -1.0 } else { 1.0 }));
            });
        }
    });
    assert_eq!(level.value(), 10_000.5);
    assert_eq!(engine.refresh().gauge("level").unwrap(), 10_000.5);
}

#[test]
fn timers_record_what_they_return() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let waits = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let waits = waits.histogram().unwrap();
    let (mut sum, mut longest) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..50 {
        let timer = waits.start();
        let so_far = timer.elapsed();
        let took = timer.stop();
        assert!(took >= so_far);
        sum += took;
        longest = longest.max(took);
    }
    waits.start().discard();
    let now = engine.refresh().histogram("wait_seconds").unwrap();
    assert_eq!((now.count(), now.sum()), (50, sum.as_nanos()));
    assert_eq!(now.max(), Some(longest.as_nanos() as u64));
    // Dropped, timed around a function that returns or panics, stamped on one thread and read on another.
    drop(waits.start());
    assert_eq!(waits.time(|| 7), 7);
    let panicking = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let _timer = waits.start();
                std::panic::resume_unwind(Box::new("failed"));
            })
            .join()
            .is_err()
    });
    assert!(panicking);
    let stamp = Stamp::from_bits(Stamp::now().to_bits());
    std::thread::scope(|scope| {
        scope.spawn(|| waits.record(stamp.elapsed_ns()));
    });
    assert_eq!(stamp.ns_since(Stamp::now()), 0, "the other way round");
    let now = engine.refresh().histogram("wait_seconds").unwrap();
    assert_eq!(now.count(), 54);
    waits.record_duration(Duration::MAX);
    assert_eq!(engine.refresh().histogram("wait_seconds").unwrap().max(), Some(u64::MAX));
}

/// Checks an estimate of `calls` against five times its standard deviation.
fn check_estimate(estimate: u64, calls: u64, deviation: f64, what: &str) {
    let off = (estimate as f64 - calls as f64).abs();
    assert!(off <= 5.0 * deviation, "{what}: {estimate} for {calls} calls, σ = {deviation:.0}");
}

#[test]
fn sampled_timers_count_without_bias() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let warm = registry.counter("warm_total", "First records of threads.").unwrap();
    for one_in in [1, 2, 10, 100, 1_000u32] {
        let name = format!("sampled_{one_in}");
        let histogram = registry.histogram(&name, "One in so many.").unwrap();
        const THREADS: u64 = 3;
        const CALLS: u64 = 100_000;
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let one_in = NonZeroU32::new(one_in).unwrap();
                    // A thread without a shard times every call: let it have one.
                    warm.inc();
                    (0..CALLS).for_each(|_| histogram.start_sampled(one_in).stop());
                });
            }
        });
        let count = engine.refresh().histogram(&name).unwrap().count();
        assert!(count.is_multiple_of(one_in.into()), "each sample stands for {one_in}");
        // Gaps are uniform from 1 to 2N - 1: N(N - 1) / 3 is their variance, and a renewal theorem does the rest. Each
        // thread's first and last gap may be cut off.
        let (n, calls) = (f64::from(one_in), (THREADS * CALLS) as f64);
        let deviation = (calls * (n - 1.0) / 3.0).sqrt();
        check_estimate(count, THREADS * CALLS, deviation, &name);
    }
}

#[test]
fn sampled_timers_that_are_rarely_started_count_without_bias() {
    // Each is started too few times for more than one sample: what counts is how the first gap is drawn.
    const TIMERS: u64 = 3_000;
    const CALLS: u64 = 30;
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let one_in = NonZeroU32::new(100).unwrap();
    registry.counter("warm_total", "The thread's first record.").unwrap().inc();
    for index in 0..TIMERS {
        let histogram = registry.metric("sampled", "One in a hundred.").precision(Precision::One);
        let histogram = histogram.label("index", index.to_string()).histogram().unwrap();
        (0..CALLS).for_each(|_| drop(histogram.start_sampled(one_in)));
    }
    let count = engine.refresh().histogram("sampled").unwrap().count();
    // Three in ten of them record a hundred each (few record twice).
    let deviation = 100.0 * (TIMERS as f64 * 0.3 * 0.7).sqrt();
    check_estimate(count, TIMERS * CALLS, deviation, "rarely started");
}

#[test]
fn sampled_timers_of_different_rates_share_a_histogram() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let histogram = registry.histogram("sampled", "At two rates.").unwrap();
    let (often, seldom) = (NonZeroU32::new(5).unwrap(), NonZeroU32::new(200).unwrap());
    const CALLS: u64 = 400_000;
    for call in 0..CALLS {
        let timer = histogram.start_sampled(if call % 3 == 0 { often } else { seldom });
        timer.stop();
    }
    for _ in 0..1_000 {
        histogram.start_sampled(often).discard();
    }
    let count = engine.refresh().histogram("sampled").unwrap().count();
    let deviation = (CALLS as f64 * 199.0 / 3.0).sqrt();
    check_estimate(count, CALLS, deviation, "two rates");
}

#[test]
fn a_handle_outlives_its_registry() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let values = registry.histogram("values", "Values.").unwrap();
    let family: Family<Counter, 1> =
        registry.metric("peers_total", "By peer.").family(["peer"]).unwrap();
    drop(registry);
    // Others register and cut meanwhile: the slots stay the handles' own.
    let other = Registry::new();
    let engine = by_hand(&other);
    for round in 0..20u64 {
        counter.inc();
        values.record(round);
        family.at(["a"]).inc();
        let fresh = other.metric("fresh_total", "Fresh.").label("round", round.to_string());
        let fresh = fresh.counter().unwrap();
        fresh.add(round);
        let sizes = other.metric("sizes", "Fresh.").label("round", round.to_string());
        sizes.histogram().unwrap().record(7);
        let now = engine.refresh();
        assert_eq!(now.counter("fresh_total").unwrap(), (0..=round).sum::<u64>());
        let sizes = now.histogram("sizes").unwrap();
        assert_eq!((sizes.count(), sizes.sum()), (round + 1, 7 * u128::from(round + 1)));
    }
}
