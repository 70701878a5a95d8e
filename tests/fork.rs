//! A forked child starts from nothing, and leaves the parent alone: what it records never reaches the parent, what the
//! parent recorded is not repeated by the child, its own engine runs, and the parent's engine, of which it has a copy
//! without a thread, answers and is dropped without waiting for anybody.
//!
//! Each test forks a process of its own. The child answers with its exit status, and is killed if it hangs.
#![cfg(unix)]

mod common;

use common::by_hand;
use common::forked::{End, in_child};
use common::process::own_process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use tachometer::{
    Counter, Engine, Family, Gauge, Histogram, Registry, Snapshot, UpDownCounter, group,
};

/// One of each.
struct Metrics {
    registry: Registry,
    counter: Counter,
    up_down: UpDownCounter,
    gauge: Gauge,
    histogram: Histogram,
    family: Family<Counter, 1>,
    sizes: Family<Histogram, 1>,
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        Metrics {
            counter: registry.counter("count_total", "Counted.").unwrap(),
            up_down: registry.up_down_counter("balance", "Up and down.").unwrap(),
            gauge: registry.gauge("level", "Set.").unwrap(),
            histogram: registry.histogram("values", "Values.").unwrap(),
            family: registry.metric("by_peer_total", "By peer.").family(["peer"]).unwrap(),
            sizes: registry.metric("sizes", "By peer.").family(["peer"]).unwrap(),
            registry,
        }
    }

    /// Records `times` times in each, with values from `value` on.
    fn record(&self, times: u64, value: u64) {
        for number in 0..times {
            self.counter.inc();
            self.up_down.add(-3);
            self.histogram.record(value + number);
            self.family.at(["a"]).inc();
            self.sizes.at(["a"]).record(value);
            let group = group();
            group.add(&self.counter, 1);
            group.record(&self.histogram, value);
        }
        self.gauge.set(times as f64);
    }

    /// Checks a snapshot of `times` such records and no others.
    fn check(&self, now: &Snapshot, times: u64, value: u64) {
        assert!(now.is_complete());
        assert_eq!(now.counter("count_total").unwrap(), 2 * times);
        assert_eq!(now.up_down_counter("balance").unwrap(), -3 * times as i64);
        assert_eq!(now.gauge("level").unwrap(), times as f64);
        assert_eq!(now.counter("by_peer_total").unwrap(), times);
        let values = now.histogram("values").unwrap();
        let sum = u128::from(2 * value * times + times * times.saturating_sub(1) / 2);
        assert_eq!((values.count(), values.sum()), (2 * times, sum));
        let extremes = (times > 0).then(|| (value, value + times - 1));
        assert_eq!(values.min().zip(values.max()), extremes);
        let sizes = now.histogram("sizes").unwrap();
        assert_eq!((sizes.count(), sizes.sum()), (times, u128::from(times * value)));
    }
}

#[test]
fn a_child_starts_from_zero_and_keeps_to_itself() {
    own_process("a_child_starts_from_zero_and_keeps_to_itself", || {
        let metrics = Metrics::new();
        metrics.record(50, 1 << 30);
        let engine = Engine::builder().registry(&metrics.registry).start().unwrap();
        metrics.check(&engine.refresh(), 50, 1 << 30);
        let end = in_child(|| {
            let mine = Engine::builder().registry(&metrics.registry).start().expect("my own");
            metrics.check(&mine.refresh(), 0, 0);
            metrics.record(7, 100);
            metrics.check(&mine.refresh(), 7, 100);
            // Other threads, shards of theirs and new series too.
            std::thread::scope(|scope| {
                scope.spawn(|| metrics.record(5, 100)).join().unwrap();
            });
            let fresh = metrics.registry.counter("fresh_total", "Of the child.").unwrap();
            fresh.add(9);
            let last = mine.stop();
            assert_eq!(last.counter("count_total").unwrap(), 24);
            assert_eq!(last.counter("fresh_total").unwrap(), 9);
        });
        assert_eq!(end, End::Well);
        metrics.check(&engine.refresh(), 50, 1 << 30);
        metrics.record(0, 0);
        metrics.gauge.set(50.0);
        let last = engine.stop();
        metrics.check(&last, 50, 1 << 30);
        assert!(last.counter("fresh_total").is_err(), "the child's");
    });
}

#[test]
fn a_child_of_a_child_starts_from_zero_again() {
    own_process("a_child_of_a_child_starts_from_zero_again", || {
        let metrics = Metrics::new();
        metrics.record(3, 10);
        let engine = by_hand(&metrics.registry);
        let end = in_child(|| {
            metrics.record(4, 20);
            let mine = by_hand(&metrics.registry);
            let end = in_child(|| {
                metrics.record(5, 30);
                metrics.check(&by_hand(&metrics.registry).refresh(), 5, 30);
                assert!(!mine.is_running() && !engine.is_running());
            });
            assert_eq!(end, End::Well);
            metrics.check(&mine.refresh(), 4, 20);
        });
        assert_eq!(end, End::Well);
        metrics.check(&engine.refresh(), 3, 10);
    });
}

#[test]
fn the_parents_engine_answers_in_a_child_without_waiting() {
    own_process("the_parents_engine_answers_in_a_child_without_waiting", || {
        let metrics = Metrics::new();
        metrics.record(5, 10);
        let engine = Engine::builder().registry(&metrics.registry).start().unwrap();
        let before = engine.refresh().generation();
        let mut engine = Some(engine);
        let end = in_child(|| {
            metrics.record(1, 10);
            let engine = engine.take().expect("a copy of the parent's");
            assert!(!engine.is_running());
            // The parent's last snapshot, whatever is asked.
            metrics.check(&engine.snapshot(), 5, 10);
            assert!(engine.refresh().generation() >= before);
            assert!(engine.wait_for(Duration::from_millis(1), |_| true).is_ok());
            assert!(engine.wait_for(Duration::from_millis(1), |_| false).is_err());
            let last = engine.stop();
            metrics.check(&last, 5, 10);
            assert!(std::sync::Arc::ptr_eq(&last, &engine.stop()));
            drop(engine);
            let mine = by_hand(&metrics.registry);
            metrics.check(&mine.refresh(), 1, 10);
        });
        assert_eq!(end, End::Well);
        let engine = engine.expect("only the child took it");
        assert!(engine.is_running());
        metrics.check(&engine.stop(), 5, 10);
    });
}

#[test]
fn a_group_that_is_open_across_a_fork() {
    own_process("a_group_that_is_open_across_a_fork", || {
        let metrics = Metrics::new();
        let open = group();
        open.add(&metrics.counter, 1);
        open.record(&metrics.histogram, 7);
        let open = std::cell::Cell::new(Some(open));
        let end = in_child(|| {
            let open = open.take().expect("a copy of the parent's");
            // What the group has so far was the parent's. The child closes its own copy of it.
            open.add(&metrics.counter, 10);
            drop(open);
            metrics.counter.add(100);
            let mine = by_hand(&metrics.registry);
            for _ in 0..3 {
                let now = mine.refresh();
                assert!(now.is_complete(), "the group was closed");
                assert_eq!(now.counter("count_total").unwrap(), 110);
                assert!(now.histogram("values").unwrap().is_empty());
            }
        });
        assert_eq!(end, End::Well);
        open.take().expect("only the child took it").add(&metrics.counter, 2);
        let now = by_hand(&metrics.registry).refresh();
        assert_eq!(now.counter("count_total").unwrap(), 3);
        assert_eq!(now.histogram("values").unwrap().sum(), 7);
    });
}

#[test]
fn forks_while_others_record_and_cut() {
    own_process("forks_while_others_record_and_cut", || {
        const FORKS: u64 = 200;
        let metrics = Metrics::new();
        let builder = Engine::builder().registry(&metrics.registry);
        let engine = builder.interval(Duration::from_millis(1)).start().unwrap();
        let (end, recorded) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut ends = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !end.load(Ordering::Relaxed) {
                        metrics.record(10, 1_000);
                        recorded.fetch_add(10, Ordering::Relaxed);
                    }
                });
            }
            // Registers, joins families, and asks for snapshots: every lock of set-up is in use when the fork comes.
            scope.spawn(|| {
                let churn = metrics.registry.metric("churn_total", "Churned.").family(["key"]);
                let churn: Family<Counter, 1> = churn.unwrap();
                for number in 0.. {
                    if end.load(Ordering::Relaxed) {
                        break;
                    }
                    churn.at([&format!("{}", number % 900)]).inc();
                    metrics.registry.scope([("number", format!("{}", number % 500))]).unwrap();
                    let scratch = Registry::new();
                    scratch.counter("scratch_total", "For a moment.").unwrap().inc();
                    engine.refresh();
                }
            });
            for _ in 0..FORKS {
                ends.push(in_child(|| child_among_threads(&metrics, &engine)));
                if ends.last() != Some(&End::Well) {
                    break;
                }
            }
            end.store(true, Ordering::Relaxed);
        });
        assert_eq!(ends, [End::Well; FORKS as usize]);
        let last = engine.stop();
        let recorded = recorded.into_inner();
        assert_eq!(last.counter("count_total").unwrap(), 2 * recorded);
        assert_eq!(last.histogram("values").unwrap().count(), 2 * recorded);
        assert_eq!(last.counter("by_peer_total").unwrap(), recorded);
    });
}

fn child_among_threads(metrics: &Metrics, parents: &Engine) {
    metrics.record(3, 50);
    let fresh = metrics.registry.counter("fresh_total", "Of the child.").unwrap();
    fresh.inc();
    assert!(!parents.is_running());
    parents.refresh();
    let mine = Engine::builder().registry(&metrics.registry).start().expect("my own");
    metrics.check(&mine.refresh(), 3, 50);
    metrics.record(2, 50);
    let last = mine.stop();
    assert_eq!(last.counter("count_total").unwrap(), 10);
    assert_eq!(last.histogram("values").unwrap().count(), 10);
    assert_eq!(last.counter("fresh_total").unwrap(), 1);
}

/// The parent's engine is being stopped, waited for and asked on other threads, each at a point where it holds a lock
/// that the fork does not know.
#[test]
fn forks_while_others_stop_and_wait() {
    own_process("forks_while_others_stop_and_wait", || {
        let metrics = Metrics::new();
        let (reading, read) = mpsc::channel();
        let (go_on, hold) = mpsc::channel::<()>();
        let hold = Mutex::new(hold);
        let slow = metrics.registry.metric("slow", "Read in a generation that takes its time.");
        slow.gauge_from(move || {
            let _ = reading.send(());
            let _ = hold.lock().unwrap().recv();
            1.0
        })
        .unwrap();
        let engine = by_hand(&metrics.registry);
        let (looking, look) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let (engine, metrics) = (&engine, &metrics);
            scope.spawn(move || engine.stop());
            read.recv().unwrap();
            scope.spawn(move || {
                engine.wait_for(Duration::from_secs(600), |_| {
                    let _ = looking.send(());
                    let _ = ended.recv();
                    true
                })
            });
            look.recv().unwrap();
            let forked = in_child(|| {
                assert!(!engine.is_running());
                assert_eq!(engine.refresh().generation(), 0, "the parent had none");
                assert_eq!(engine.stop().generation(), 0);
                assert!(engine.wait_for(Duration::from_millis(1), |_| true).is_ok());
                assert!(metrics.registry.rejected().is_empty());
                metrics.record(2, 10);
                assert_eq!(metrics.counter.clone().inc(), ());
            });
            assert_eq!(forked, End::Well);
            drop((go_on, end));
        });
        assert_eq!(engine.snapshot().generation(), 1);
    });
}
