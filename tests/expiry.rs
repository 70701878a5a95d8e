//! Series of families with an expiry: idle ones go and come back from zero, ones that are in use or held stay, a slot that
//! served one series shows nothing of it to the next, and nothing is lost on the way, also while threads that remember
//! the slots go on recording.

mod common;

use common::by_hand_with;
use common::causality::SetOnDrop;
use common::process::own_process;
use common::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tachometer::{
    Counter, Engine, Family, Gauge, Histogram, ManualClock, Registry, Snapshot, UpDownCounter,
};

const START: Duration = Duration::from_secs(1_700_000_000);
const IDLE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// What a family has on the page.
fn values_of(now: &Snapshot, name: &str) -> BTreeMap<String, u64> {
    now.select(name, &[])
        .map(|series| {
            let key = series.label("key").or(series.label("overflow")).unwrap();
            let value = match series.value {
                tachometer::Value::Counter(count) => count,
                tachometer::Value::UpDownCounter(count) => count as u64,
                tachometer::Value::Gauge(value) => value as u64,
                tachometer::Value::Histogram(histogram) => histogram.count(),
                other => panic!("{other:?}"),
            };
            (key.to_owned(), value)
        })
        .collect()
}

/// A family with expiry, its clock and its engine.
struct Expiring {
    registry: Registry,
    clock: ManualClock,
    engine: Engine,
}

impl Expiring {
    fn new() -> Self {
        let (registry, clock) = (Registry::new(), ManualClock::at(START));
        let engine = by_hand_with(&registry, &clock);
        Expiring { registry, clock, engine }
    }

    fn family<M: tachometer::Metric>(&self, name: &str, limit: usize) -> Family<M, 1> {
        let family = self.registry.metric(name, "By key.").limit(limit).expire_after(IDLE);
        family.family(["key"]).unwrap()
    }

    /// The snapshot after `by`.
    fn after(&self, by: Duration) -> std::sync::Arc<Snapshot> {
        self.clock.advance(by);
        self.engine.refresh()
    }

    /// Lets everything that is idle go: it is noticed, told to leave, and gone, one generation after the other.
    fn let_go(&self) -> std::sync::Arc<Snapshot> {
        self.after(SECOND);
        self.after(IDLE);
        self.after(SECOND);
        self.after(SECOND)
    }
}

#[test]
fn an_idle_series_goes_and_comes_back_from_zero() {
    let test = Expiring::new();
    let family: Family<Counter, 1> = test.family("count_total", 10);
    family.at(["idle"]).add(5);
    family.at(["busy"]).add(5);
    test.after(SECOND);
    let now = test.after(IDLE - 2 * SECOND);
    assert_eq!(values_of(&now, "count_total").len(), 2, "not idle for long enough");
    family.at(["busy"]).inc();
    test.after(SECOND * 2);
    test.after(SECOND);
    let now = test.after(SECOND);
    assert_eq!(values_of(&now, "count_total"), [("busy".to_owned(), 6)].into());
    family.at(["idle"]).add(2);
    let now = test.after(SECOND);
    assert_eq!(
        values_of(&now, "count_total"),
        [("busy".to_owned(), 6), ("idle".to_owned(), 2)].into()
    );
    let now = test.let_go();
    assert!(values_of(&now, "count_total").is_empty());
    assert!(now.is_empty(), "the family itself has no line left");
}

#[test]
fn a_record_while_its_series_is_leaving_keeps_it() {
    let test = Expiring::new();
    let family: Family<Counter, 1> = test.family("count_total", 10);
    family.at(["a"]).inc();
    test.after(SECOND);
    for expected in 2..12 {
        // Told to leave by this generation, and recorded in before the next one looks.
        test.after(IDLE);
        family.at(["a"]).inc();
        let now = test.after(SECOND);
        assert_eq!(values_of(&now, "count_total"), [("a".to_owned(), expected)].into());
    }
}

#[test]
fn a_series_with_a_handle_stays() {
    let test = Expiring::new();
    let family: Family<Counter, 1> = test.family("count_total", 10);
    let kept = family.handle(["kept"]);
    let copy = kept.clone();
    drop(kept);
    family.at(["other"]).inc();
    copy.add(3);
    test.let_go();
    let now = test.let_go();
    assert_eq!(values_of(&now, "count_total"), [("kept".to_owned(), 3)].into());
    copy.add(4);
    assert_eq!(values_of(&test.after(SECOND), "count_total"), [("kept".to_owned(), 7)].into());
    drop(copy);
    assert!(values_of(&test.let_go(), "count_total").is_empty());
}

#[test]
fn a_gauge_that_is_set_to_the_same_value_is_not_idle() {
    let test = Expiring::new();
    let gauges: Family<Gauge, 1> = test.family("level", 10);
    gauges.at(["steady"]).set(5.0);
    gauges.at(["silent"]).set(6.0);
    for _ in 0..6 {
        gauges.at(["steady"]).set(5.0);
        test.after(IDLE / 2);
    }
    let now = test.after(SECOND);
    assert_eq!(values_of(&now, "level"), [("steady".to_owned(), 5)].into());
    gauges.at(["silent"]).add(1.0);
    let now = test.after(SECOND);
    assert_eq!(values_of(&now, "level")["silent"], 1, "from zero");
}

#[test]
fn every_type_of_series_comes_back_from_zero_in_a_slot_of_another() {
    let test = Expiring::new();
    let counters: Family<Counter, 1> = test.family("count_total", 4);
    let up_down: Family<UpDownCounter, 1> = test.family("balance", 4);
    let gauges: Family<Gauge, 1> = test.family("level", 4);
    let histograms: Family<Histogram, 1> = test.family("values", 4);
    for round in 0..12 {
        for at in 0..4 {
            let (key, value) = (format!("{round}-{at}"), 1_000 * (round + 1) + at);
            counters.at([&key]).add(value);
            up_down.at([&key]).add(value as i64);
            gauges.at([&key]).add(value as f64);
            histograms.at([&key]).record_n(value, value);
        }
        let now = test.after(SECOND);
        for name in ["count_total", "balance", "level", "values"] {
            let expected = |at| (format!("{round}-{at}"), 1_000 * (round + 1) + at);
            assert_eq!(values_of(&now, name), (0..4).map(expected).collect(), "{name}");
        }
        for at in 0..4 {
            let (key, value) = (format!("{round}-{at}"), 1_000 * (round + 1) + at);
            let values = now.histogram_with("values", &[("key", &key)]).unwrap();
            assert_eq!(values.sum(), u128::from(value * value));
            assert_eq!((values.min(), values.max()), (Some(value), Some(value)));
        }
        assert!(test.let_go().is_empty());
        // Some more cuts, so that the slots' former counts are also among those of shards that are passed by as idle.
        (0..round % 9).for_each(|_| drop(test.after(SECOND)));
    }
}

#[test]
fn a_series_that_comes_back_between_two_snapshots_is_a_new_one() {
    let test = Expiring::new();
    let histograms: Family<Histogram, 1> = test.family("values", 4);
    let counters: Family<Counter, 1> = test.family("count_total", 4);
    let both = |value: u64, n: u64| {
        histograms.at(["a"]).record_n(value, n);
        counters.at(["a"]).add(n);
    };
    both(200, 10);
    test.after(SECOND);
    test.after(IDLE);
    // This generation still shows it, and takes it off.
    let before = test.after(SECOND);
    assert_eq!(before.histogram("values").unwrap().count(), 10);
    both(50, 12);
    let now = test.after(SECOND);
    let values = now.histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (12, 600));
    assert_eq!((values.min(), values.max()), (Some(50), Some(50)));
    // More than it had, so that only its identity tells that it is new.
    let since = now.since(&before);
    assert_eq!(since.counter("count_total").unwrap(), 12);
    let values = since.histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (12, 600));
}

#[test]
fn ten_thousand_label_sets_through_a_family_of_a_hundred() {
    const LIMIT: usize = 100;
    let test = Expiring::new();
    let counters: Family<Counter, 1> = test.family("count_total", LIMIT);
    let histograms: Family<Histogram, 1> = test.family("values", LIMIT);
    let mut gone = BTreeMap::new();
    let mut shown = BTreeMap::new();
    for round in 0..100u64 {
        for at in 0..100 {
            let key = format!("{}", 100 * round + at);
            counters.at([&key]).add(1 + at);
            histograms.at([&key]).record(1 + at);
            histograms.at([&key]).record(1_000_000);
            shown.insert(key, 1 + at);
        }
        let now = test.after(SECOND);
        assert_eq!(values_of(&now, "count_total"), shown, "round {round}");
        assert!(values_of(&now, "values").values().all(|count| *count == 2));
        let values = now.histogram("values").unwrap();
        assert_eq!(values.sum(), 100 * 1_000_000 + 5_050);
        // One more round without expiry in between: no room, so it overflows, and nothing is lost.
        counters.at([&format!("late-{round}")]).add(7);
        let now = test.after(SECOND);
        assert_eq!(now.counter("count_total").unwrap(), 5_050 + 7 * (round + 1));
        assert_eq!(values_of(&now, "count_total")["true"], 7 * (round + 1));
        gone.append(&mut shown);
        assert_eq!(values_of(&test.let_go(), "values").len(), 0);
        shown.insert("true".to_owned(), 7 * (round + 1));
    }
    assert_eq!(gone.len(), 10_000 + 1);
    assert_eq!(test.let_go().counter("count_total").unwrap(), 700);
}

#[test]
fn threads_that_remember_a_slot_do_not_write_it_for_its_next_tenant() {
    let test = Expiring::new();
    let family: Family<Counter, 1> = test.family("count_total", 8);
    let (ask, asked) = std::sync::mpsc::sync_channel::<(String, u64)>(0);
    let (done, answer) = std::sync::mpsc::sync_channel(0);
    let theirs = family.clone();
    // A thread that saw every key before, and is told to record now and then.
    let thread = std::thread::spawn(move || {
        while let Ok((key, n)) = asked.recv() {
            theirs.at([&key]).add(n);
            done.send(()).unwrap();
        }
    });
    let record = |key: &str, n: u64| {
        ask.send((key.to_owned(), n)).unwrap();
        answer.recv().unwrap();
    };
    for round in 0..20 {
        for at in 0..8 {
            record(&format!("{round}-{at}"), 10);
        }
        test.let_go();
        // All slots have new tenants; the thread still remembers the old ones.
        (0..7).for_each(|at| family.at([&format!("next-{round}-{at}")]).add(1));
        record(&format!("{round}-3"), 5);
        let now = test.after(SECOND);
        let values = values_of(&now, "count_total");
        assert_eq!(values.len(), 8);
        assert_eq!(values[&format!("{round}-3")], 5, "from zero");
        assert_eq!(now.counter("count_total").unwrap(), 12);
        assert!(test.let_go().is_empty());
    }
    drop(ask);
    thread.join().unwrap();
}

/// A family whose series come and go while threads record in it.
struct Churn {
    counters: Family<Counter, 1>,
    histograms: Family<Histogram, 1>,
    /// The first of the keys that are in use now.
    first: AtomicU64,
    records: AtomicU64,
    sum: AtomicU64,
}

impl Churn {
    fn record(&self, random: &mut Random) {
        // Mostly keys that are in use now, and some of long ago.
        let back = if random.below(8) == 0 { random.below(200) } else { 0 };
        let first = self.first.load(Ordering::Relaxed).saturating_sub(back);
        let key = format!("{}", first + random.below(12));
        let value = random.magnitude(30);
        // Through a handle once in a while.
        match random.below(20) {
            0 => self.counters.handle([&key]).add(value),
            _ => self.counters.at([&key]).add(value),
        }
        self.histograms.at([&key]).record(value);
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.records.fetch_add(1, Ordering::Relaxed);
    }
}

/// What snapshots have more than the ones before them: what a series had that has gone is in it, once.
#[derive(Default)]
struct Sums {
    counted: u64,
    values: u64,
    sum: u128,
    keys: BTreeSet<String>,
}

impl Sums {
    fn add(&mut self, before: &Snapshot, now: &Snapshot) {
        assert!(now.is_complete());
        let since = now.since(before);
        self.counted += since.counter("count_total").unwrap_or(0);
        if let Ok(values) = since.histogram("values") {
            self.values += values.count();
            self.sum += values.sum();
        }
        self.keys.extend(values_of(now, "values").into_keys());
    }
}

#[test]
fn nothing_is_lost_while_series_come_and_go() {
    own_process("nothing_is_lost_while_series_come_and_go", || {
        let test = Expiring::new();
        let metric = |name| test.registry.metric(name, "By key.").limit(40).expire_after(SECOND);
        let churn = Churn {
            counters: metric("count_total").family(["key"]).unwrap(),
            histograms: metric("values").family(["key"]).unwrap(),
            first: AtomicU64::new(0),
            records: AtomicU64::new(0),
            sum: AtomicU64::new(0),
        };
        let done = AtomicBool::new(false);
        let mut sums = Sums::default();
        let mut before = test.engine.snapshot();
        std::thread::scope(|scope| {
            let _done = SetOnDrop(&done);
            for seed in 0..3 {
                let (churn, done) = (&churn, &done);
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    while !done.load(Ordering::Relaxed) {
                        churn.record(&mut random);
                        (0..random.below(200)).for_each(|_| std::hint::spin_loop());
                    }
                });
            }
            for generation in 0.. {
                let some = churn.records.load(Ordering::Relaxed) + 20;
                while churn.records.load(Ordering::Relaxed) < some {
                    std::thread::yield_now();
                }
                churn.first.store(generation, Ordering::Relaxed);
                let now = test.after(SECOND);
                sums.add(&before, &now);
                before = now;
                if generation >= 80 && sums.keys.len() > 60 {
                    break;
                }
            }
        });
        sums.add(&before, &test.engine.refresh());
        assert_eq!(sums.values, churn.records.into_inner());
        let sum = churn.sum.into_inner();
        assert_eq!((sums.counted, sums.sum), (sum, u128::from(sum)));
    });
}
