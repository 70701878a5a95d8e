//! Series of the `metrics` facade that nobody records in go from the page, and come back with the next record, which is
//! never lost: not through a handle that somebody kept, not while threads go on recording.
#![cfg(feature = "metrics")]

mod common;

use common::by_hand_with;
use common::causality::SetOnDrop;
use common::process::own_process;
use common::random::Random;
use metrics::{
    Key, Level, Metadata, Recorder as _, counter, gauge, histogram, with_local_recorder,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tachometer::facade::metrics::Recorder;
use tachometer::{Engine, ManualClock, Registry, Snapshot};

const START: Duration = Duration::from_secs(1_700_000_000);
const IDLE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

struct Test {
    registry: Registry,
    clock: ManualClock,
    engine: Engine,
    recorder: Recorder,
}

impl Test {
    fn new(idle: Duration) -> Self {
        let (registry, clock) = (Registry::new(), ManualClock::at(START));
        let engine = by_hand_with(&registry, &clock);
        let recorder = Recorder::new(&registry).unwrap().idle_timeout(idle);
        Test { registry, clock, engine, recorder }
    }

    fn after(&self, by: Duration) -> Arc<Snapshot> {
        self.clock.advance(by);
        self.engine.refresh()
    }

    /// Seen, told to leave, gone, and not on the page.
    fn let_go(&self) -> Arc<Snapshot> {
        self.after(SECOND);
        self.after(IDLE);
        self.after(SECOND);
        self.after(SECOND)
    }

    fn recorded<T>(&self, record: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.recorder, record)
    }
}

fn series(now: &Snapshot, name: &str) -> usize {
    now.select(name, &[]).count()
}

#[test]
fn idle_series_go_and_come_back_from_zero_through_handles_that_were_kept() {
    let test = Test::new(IDLE);
    let (count, level, spread) =
        test.recorded(|| (counter!("count_total"), gauge!("level"), histogram!("spread_seconds")));
    for round in 1..=5 {
        count.increment(round);
        level.set(round as f64);
        spread.record(round as f64);
        let now = test.after(SECOND);
        assert_eq!(now.counter("count_total").unwrap(), round, "from zero");
        assert_eq!(now.gauge("level").unwrap(), round as f64);
        let values = now.histogram("spread_seconds").unwrap();
        assert_eq!((values.count(), values.sum()), (1, u128::from(round) * 1_000_000_000));
        let now = test.let_go();
        for name in ["count_total", "level", "spread_seconds"] {
            assert_eq!(series(&now, name), 0, "{name}");
        }
        // The macros find the same series as the handles that were kept.
        test.recorded(|| counter!("count_total").increment(7));
        count.increment(1);
        assert_eq!(test.after(SECOND).counter("count_total").unwrap(), 8);
        test.let_go();
    }
}

#[test]
fn what_is_recorded_in_stays_and_so_does_a_gauge_that_is_set_to_the_same() {
    let test = Test::new(IDLE);
    test.recorded(|| {
        let silent = counter!("silent_total");
        silent.increment(1);
        for round in 1..=8 {
            counter!("busy_total").increment(1);
            gauge!("steady").set(5.0);
            histogram!("values").record(3.0);
            let now = test.after(IDLE / 2);
            assert_eq!(now.counter("busy_total").unwrap(), round);
            assert_eq!(now.gauge("steady").unwrap(), 5.0);
            assert_eq!(now.histogram("values").unwrap().count(), round);
        }
        assert_eq!(series(&test.engine.refresh(), "silent_total"), 0);
    });
}

#[test]
fn a_record_while_its_series_is_leaving_keeps_it() {
    let test = Test::new(IDLE);
    let (kept, level) = test.recorded(|| (counter!("count_total"), gauge!("level")));
    kept.increment(1);
    test.after(SECOND);
    for expected in 2..12 {
        // Told to leave by this generation, and recorded in before the next one looks.
        test.after(IDLE);
        kept.increment(1);
        level.increment(1.0);
        let now = test.after(SECOND);
        assert_eq!(now.counter("count_total").unwrap(), expected);
        assert_eq!(now.gauge("level").unwrap(), (expected - 1) as f64);
    }
}

#[test]
fn an_absolute_counter_comes_back_whole() {
    let test = Test::new(IDLE);
    let kept = test.recorded(|| counter!("absolute_total"));
    kept.absolute(100);
    assert_eq!(test.after(SECOND).counter("absolute_total").unwrap(), 100);
    assert_eq!(series(&test.let_go(), "absolute_total"), 0);
    kept.absolute(120);
    assert_eq!(test.after(SECOND).counter("absolute_total").unwrap(), 120);
    kept.absolute(110);
    assert_eq!(test.after(SECOND).counter("absolute_total").unwrap(), 120);
}

#[test]
fn series_that_have_gone_make_room_under_the_limit() {
    let test = Test::new(IDLE);
    let recorder = Recorder::new(&test.registry).unwrap().idle_timeout(IDLE).limit(10);
    for round in 0..30 {
        with_local_recorder(&recorder, || {
            (0..10).for_each(|i| {
                counter!("logins", "user" => (10 * round + i).to_string()).increment(1)
            });
        });
        let now = test.after(SECOND);
        assert_eq!((now.counter("logins").unwrap(), series(&now, "logins")), (10, 10), "{round}");
        assert_eq!(series(&test.let_go(), "logins"), 0);
    }
    let refused = [("facade", "metrics"), ("reason", "limit")];
    let now = test.engine.refresh();
    assert_eq!(now.counter_with("tachometer_facade_refused_total", &refused).unwrap(), 0);
}

#[test]
fn a_series_that_somebody_else_has_too_stays() {
    let test = Test::new(IDLE);
    let own = test.registry.counter("shared_total", "shared_total").unwrap();
    test.recorded(|| {
        counter!("shared_total").increment(1);
        // Two ways of writing one series.
        gauge!("size", "a.b" => "x").set(1.0);
        gauge!("size", "a_b" => "x").increment(1.0);
    });
    own.inc();
    test.let_go();
    let now = test.let_go();
    assert_eq!(now.counter("shared_total").unwrap(), 2);
    assert_eq!(now.gauge("size").unwrap(), 2.0);
    drop(own);
    assert_eq!(series(&test.let_go(), "shared_total"), 0);
}

#[test]
fn recorders_and_threads_do_not_meet_and_leave_nothing_behind() {
    let tests: Vec<Test> = (0..20).map(|_| Test::new(IDLE)).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..50 {
                    for (n, test) in (1..).zip(&tests) {
                        test.recorded(|| counter!("same_total", "a" => "b").increment(n));
                        test.recorded(|| {
                            counter!("same_total", "a" => "c".to_owned()).increment(1)
                        });
                    }
                }
            });
        }
    });
    for (n, test) in (1..).zip(&tests) {
        let now = test.engine.refresh();
        assert_eq!(now.counter_with("same_total", &[("a", "b")]).unwrap(), 150 * n);
        assert_eq!(now.counter_with("same_total", &[("a", "c")]).unwrap(), 150);
    }
    // A handle outlives its recorder, in whatever state that left it: here, about to leave.
    let test = tests.into_iter().next().unwrap();
    let kept = test.recorded(|| counter!("same_total", "a" => "b"));
    test.after(SECOND);
    test.after(IDLE);
    let Test { recorder, engine, .. } = test;
    drop(recorder);
    kept.increment(5);
    assert_eq!(engine.refresh().counter_with("same_total", &[("a", "b")]).unwrap(), 155);
}

/// More series than there is room for in the process, if dropped recorders kept theirs.
#[test]
fn slots_of_recorders_that_were_dropped_are_used_again() {
    own_process("slots_of_recorders_that_were_dropped_are_used_again", || {
        const SERIES: usize = 1_000;
        let rounds = tachometer::limits::MAX_SCALARS / SERIES + 20;
        for round in 0..rounds {
            let registry = Registry::new();
            let recorder = Recorder::new(&registry).unwrap();
            with_local_recorder(&recorder, || {
                (0..SERIES).for_each(|i| counter!("c", "i" => i.to_string()).increment(1));
            });
            let now = common::by_hand(&registry).refresh();
            assert_eq!(now.counter("c").unwrap(), SERIES as u64, "round {round}");
            assert_eq!(series(&now, "c"), SERIES);
        }
    });
}

#[test]
fn nothing_is_lost_while_series_come_and_go_under_handles() {
    own_process("nothing_is_lost_while_series_come_and_go_under_handles", || {
        let test = Test::new(SECOND);
        let (records, sum) = (AtomicU64::new(0), AtomicU64::new(0));
        let (first, done) = (AtomicU64::new(0), AtomicBool::new(false));
        let key =
            |name, i: u64| Key::from_parts(name, vec![metrics::Label::new("i", i.to_string())]);
        let (mut counted, mut values, mut spread, mut went) = (0, 0, 0, 0);
        let mut add = |before: &Snapshot, now: &Snapshot| {
            assert!(now.is_complete());
            let since = now.since(before);
            counted += since.counter("count_total").unwrap_or(0);
            values += since.histogram("values").map_or(0, |values| values.count());
            spread += since.histogram("values").map_or(0, |values| values.sum());
            let has = |labels: &[(&str, &str)]| now.select("count_total", labels).next().is_some();
            let gone = |s: &tachometer::SeriesView<'_>| !has(&[("i", s.label("i").unwrap())]);
            went += before.select("count_total", &[]).filter(gone).count();
            went
        };
        let mut before = test.engine.refresh();
        std::thread::scope(|scope| {
            let _done = SetOnDrop(&done);
            for seed in 0..3 {
                let (recorder, key) = (&test.recorder, &key);
                let (records, sum, first, done) = (&records, &sum, &first, &done);
                scope.spawn(move || {
                    let metadata = Metadata::new("", Level::INFO, None);
                    let mut random = Random::new(seed);
                    // Handles that are kept for all time, and are used now and then.
                    let kept: Vec<_> = (0..40)
                        .map(|i| recorder.register_counter(&key("count_total", i), &metadata))
                        .collect();
                    while !done.load(Ordering::Relaxed) {
                        let i = (first.load(Ordering::Relaxed) + random.below(6)) % 40;
                        let value = random.magnitude(20);
                        match random.below(2) {
                            0 => kept[i as usize].increment(value),
                            _ => recorder
                                .register_counter(&key("count_total", i), &metadata)
                                .increment(value),
                        }
                        recorder
                            .register_histogram(&key("values", i), &metadata)
                            .record(value as f64);
                        sum.fetch_add(value, Ordering::Relaxed);
                        records.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for generation in 0.. {
                let some = records.load(Ordering::Relaxed) + 20;
                while records.load(Ordering::Relaxed) < some {
                    std::thread::yield_now();
                }
                first.store(generation, Ordering::Relaxed);
                let now = test.after(SECOND);
                let went = add(&before, &now);
                before = now;
                if generation >= 100 && went > 100 {
                    break;
                }
            }
        });
        add(&before, &test.engine.refresh());
        assert_eq!(values, records.into_inner());
        let sum = sum.into_inner();
        assert_eq!((counted, spread), (sum, u128::from(sum)));
    });
}
