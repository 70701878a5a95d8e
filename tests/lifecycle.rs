//! An engine's life: one at a time on a registry, stopped as often as one likes, and everything recorded is in its last
//! snapshot or in the next engine's first. Readers wait with a condition, share each other's cuts, and keep snapshots
//! for as long as they like.

mod common;

use common::{by_hand, by_hand_with};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;
use tachometer::{Engine, Error, ManualClock, Registry, TextEncoder, Unit};

#[test]
fn a_registry_has_one_engine_at_a_time() {
    let registry = Registry::new();
    let first = Engine::builder().registry(&registry).start().unwrap();
    let second = Engine::builder().registry(&registry).start();
    let error = second.expect_err("the first one runs");
    assert_eq!(error, Error::AlreadyRunning);
    assert!(error.to_string().contains("stop it first"), "{error}");
    // A scope is a view of the same registry.
    let scope = registry.scope([("shard", "1")]).unwrap();
    assert_eq!(Engine::builder().registry(&scope).start().unwrap_err(), Error::AlreadyRunning);
    let clock = ManualClock::at(Duration::ZERO);
    let by_hand = Engine::builder().registry(&registry).manual(&clock).start();
    assert_eq!(by_hand.unwrap_err(), Error::AlreadyRunning);
    assert!(first.is_running());
    first.stop();
    assert!(!first.is_running());
    Engine::builder().registry(&registry).start().expect("the first one was stopped");
    Engine::builder().registry(&registry).start().expect("the second one was dropped");
}

#[test]
fn a_start_that_failed_leaves_the_registry_free() {
    let registry = Registry::new();
    registry.counter("tachometer_shards", "Mine, and of another type.").unwrap();
    let error = Engine::builder().registry(&registry).start().unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let builder = Engine::builder().registry(&registry).own_metrics(false);
    let engine = builder.start().expect("nobody runs here");
    assert!(engine.is_running());
}

#[test]
fn settings_out_of_range_are_refused() {
    let start = |builder: tachometer::EngineBuilder| builder.registry(&Registry::new()).start();
    let error = start(Engine::builder().interval(Duration::from_micros(999))).unwrap_err();
    let Error::InvalidSetting { setting, .. } = &error else { panic!("{error}") };
    assert_eq!(*setting, "interval");
    assert!(error.to_string().contains("999µs is below 1ms"), "{error}");
    assert!(start(Engine::builder().interval(Duration::ZERO)).is_err());
    assert!(start(Engine::builder().interval(Duration::from_millis(1))).is_ok());
    let error = start(Engine::builder().label("node-name", "a")).unwrap_err();
    assert!(matches!(&error, Error::InvalidName { name, .. } if name == "node-name"), "{error}");
    let error = start(Engine::builder().label("node", "a").label("node", "b")).unwrap_err();
    assert!(matches!(&error, Error::InvalidName { name, .. } if name == "node"), "{error}");
}

#[test]
fn stopping_again_returns_the_same_snapshot() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let engine = Engine::builder().registry(&registry).start().unwrap();
    counter.add(3);
    let last = engine.stop();
    counter.add(4);
    assert!(Arc::ptr_eq(&last, &engine.stop()));
    assert!(Arc::ptr_eq(&last, &engine.refresh()), "it makes no more snapshots");
    assert!(Arc::ptr_eq(&last, &engine.snapshot()));
    assert_eq!(last.counter("count_total").unwrap(), 3);
    let waited = engine.wait_for(Duration::ZERO, |now| now.generation() == last.generation());
    assert!(Arc::ptr_eq(&last, &waited.unwrap()));
}

#[test]
fn many_may_stop_and_refresh_at_once() {
    for _ in 0..20 {
        let registry = Registry::new();
        let counter = registry.counter("count_total", "Counted.").unwrap();
        let builder = Engine::builder().registry(&registry).interval(Duration::from_millis(1));
        let engine = builder.start().unwrap();
        let start = Barrier::new(6);
        counter.add(7);
        std::thread::scope(|scope| {
            let stop = || {
                start.wait();
                engine.stop()
            };
            let refresh = || {
                start.wait();
                for _ in 0..100 {
                    assert_eq!(engine.refresh().counter("count_total").unwrap(), 7);
                }
            };
            let stoppers: Vec<_> = (0..3).map(|_| scope.spawn(stop)).collect();
            (0..3).for_each(|_| drop(scope.spawn(refresh)));
            let last: Vec<_> = stoppers.into_iter().map(|s| s.join().unwrap()).collect();
            assert!(last.iter().all(|one| Arc::ptr_eq(one, &last[0])), "three last snapshots");
            assert!(Arc::ptr_eq(&engine.snapshot(), &last[0]), "one after the last");
        });
    }
}

#[test]
fn the_last_snapshot_has_everything() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let up_down = registry.up_down_counter("balance", "Up and down.").unwrap();
    let gauge = registry.gauge("level", "Set.").unwrap();
    let histogram = registry.histogram("values", "Values.").unwrap();
    let builder = Engine::builder().registry(&registry).interval(Duration::from_secs(3_600));
    let engine = builder.start().unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (counter, up_down, histogram) =
                (counter.clone(), up_down.clone(), histogram.clone());
            std::thread::spawn(move || {
                for number in 0..10_000 {
                    counter.inc();
                    up_down.add(if number % 3 == 0 { -1 } else { 1 });
                    histogram.record(number);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    gauge.set(2.5);
    let last = engine.stop();
    assert!(last.is_complete());
    assert_eq!(last.counter("count_total").unwrap(), 40_000);
    assert_eq!(last.up_down_counter("balance").unwrap(), 4 * (6_666 - 3_334));
    assert_eq!(last.gauge("level").unwrap(), 2.5);
    let values = last.histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (40_000, 4 * 49_995_000));
    assert_eq!((values.min(), values.max()), (Some(0), Some(9_999)));
}

#[test]
fn threads_go_on_recording_when_an_engine_is_dropped() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let histogram = registry.histogram("values", "Values.").unwrap();
    let (done, recorded) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        counter.inc();
                        histogram.record(100);
                        recorded.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        let mut seen = 0;
        for _ in 0..30 {
            let builder = Engine::builder().registry(&registry).interval(Duration::from_millis(1));
            let engine = builder.start().unwrap();
            let least = recorded.load(Ordering::Acquire);
            let now = engine.refresh().counter("count_total").unwrap();
            assert!(now >= least && now >= seen, "{now} after {seen}, of at least {least}");
            seen = now;
            drop(engine);
        }
        done.store(true, Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().expect("recording never panics"));
    });
    let last = Engine::builder().registry(&registry).start().unwrap().stop();
    assert_eq!(last.counter("count_total").unwrap(), recorded.load(Ordering::Relaxed));
    assert_eq!(last.histogram("values").unwrap().count(), recorded.into_inner());
}

#[test]
fn the_next_engine_goes_on_where_the_last_one_stopped() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let histogram = registry.histogram("values", "Values.").unwrap();
    let family =
        registry.metric("by_peer_total", "By peer.").family::<tachometer::Counter, 1>(["peer"]);
    let family = family.unwrap();
    let mut expected = 0;
    for round in 1..=4 {
        counter.add(10);
        family.at(["a"]).inc();
        histogram.record(round * 1_000);
        expected += u128::from(round) * 1_000;
        let engine = by_hand(&registry);
        let now = engine.refresh();
        assert_eq!(now.generation(), 1, "generations are the engine's own");
        assert_eq!(now.counter("count_total").unwrap(), 10 * round);
        assert_eq!(now.counter("by_peer_total").unwrap(), round);
        let values = now.histogram("values").unwrap();
        assert_eq!((values.count(), values.sum()), (round, expected));
        assert_eq!((values.min(), values.max()), (Some(1_000), Some(round * 1_000)));
        assert_eq!(values.quantile(1.0), Some(round * 1_000));
        // One more generation, with nothing new in it.
        assert_eq!(*engine.refresh().histogram("values").unwrap(), *values);
    }
    let values = by_hand(&registry).refresh().histogram("values").unwrap();
    assert_eq!((values.min(), values.max()), (Some(1_000), Some(4_000)), "nothing new at all");
    assert!(values.quantile(0.5).is_some());
}

#[test]
fn the_next_engine_knows_an_exact_sum_that_no_cell_holds() {
    let registry = Registry::new();
    let histogram = registry.histogram("values", "Values.").unwrap();
    // The largest value of its bucket: the counts alone leave most open.
    let value = (1 << 60) + (1 << 53) - 1;
    let mut count = 0;
    for _ in 0..3 {
        let engine = by_hand(&registry);
        for _ in 0..40 {
            (0..500).for_each(|_| histogram.record(value));
            count += 500;
            let values = engine.refresh().histogram("values").unwrap();
            assert_eq!(values.sum(), u128::from(value) * count);
        }
    }
}

#[test]
fn registries_do_not_meet() {
    let (left, right) = (Registry::new(), Registry::new());
    let left_counter = left.counter("count_total", "Counted on the left.").unwrap();
    let right_counter = right.counter("count_total", "Counted on the right.").unwrap();
    let right_values = right.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let right_values = right_values.histogram().unwrap();
    let left_engine = Engine::builder().registry(&left).start().unwrap();
    let right_engine = by_hand(&right);
    left_counter.add(1);
    right_counter.add(2);
    right_values.record(5);
    // Cuts of one registry's engine do not take anything from the other's.
    for _ in 0..5 {
        assert_eq!(left_engine.refresh().counter("count_total").unwrap(), 1);
    }
    let now = right_engine.refresh();
    assert_eq!(now.counter("count_total").unwrap(), 2);
    assert_eq!(now.len(), 2, "and none of the other engine's own metrics");
    let extremes = now.series().find_map(|s| s.generation_extremes());
    assert_eq!(extremes, Some((5, 5)), "of this registry's own generation");
    assert!(left_engine.snapshot().histogram("wait_seconds").is_err());
    left_engine.stop();
    right_counter.inc();
    assert_eq!(right_engine.refresh().counter("count_total").unwrap(), 3);
}

#[test]
fn waiting_ends_with_the_condition_or_the_limit() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let builder = Engine::builder().registry(&registry).interval(Duration::from_millis(2));
    let engine = builder.start().unwrap();
    let limit = Duration::from_secs(60);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            engine.wait_for(limit, |now| now.counter("count_total").is_ok_and(|count| count >= 10))
        });
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(1));
            counter.inc();
        }
        let met = waiter.join().unwrap().expect("the engine's own snapshots meet it");
        assert!(met.counter("count_total").unwrap() >= 10);
    });
    let short = Duration::from_millis(20);
    let error = engine.wait_for(short, |_| false).unwrap_err();
    assert_eq!(error, Error::TimedOut(short));
    assert!(error.to_string().contains("20ms"), "{error}");
    assert!(engine.wait_for(Duration::ZERO, |_| false).is_err());
    let at_once = engine.wait_for(Duration::MAX, |_| true).expect("the latest will do");
    assert!(at_once.generation() > 0);
}

#[test]
fn a_condition_may_use_the_engine_itself() {
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let engine = by_hand(&registry);
    let met = engine.wait_for(Duration::from_secs(60), |seen| {
        counter.inc();
        engine.refresh();
        seen.counter("count_total").is_ok_and(|count| count >= 3)
    });
    assert_eq!(met.unwrap().counter("count_total").unwrap(), 3);
}

#[test]
fn questions_at_the_same_time_share_a_snapshot() {
    const READERS: u64 = 16;
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let (entered, enter) = mpsc::channel();
    let (go_on, hold) = mpsc::channel::<()>();
    let hold = std::sync::Mutex::new(hold);
    let slow = registry.metric("slow", "Read in a generation that takes its time.");
    slow.gauge_from(move || {
        let _ = entered.send(());
        // Until told to go on; once nobody is left to tell, at once.
        let _ = hold.lock().unwrap().recv();
        1.0
    })
    .unwrap();
    let engine = by_hand(&registry);
    let asking = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| engine.refresh());
        enter.recv().unwrap();
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                scope.spawn(|| {
                    counter.inc();
                    let least = asking.fetch_add(1, Ordering::AcqRel) + 1;
                    let now = engine.refresh();
                    assert!(now.counter("count_total").unwrap() >= least, "what happened before");
                    now.generation()
                })
            })
            .collect();
        while asking.load(Ordering::Acquire) < READERS {
            std::thread::yield_now();
        }
        // They are about to ask, or asking: let most of them arrive.
        std::thread::sleep(Duration::from_millis(200));
        drop(go_on);
        assert_eq!(first.join().unwrap().generation(), 1);
        let generations: Vec<_> = readers.into_iter().map(|r| r.join().unwrap()).collect();
        let last = generations.iter().max().expect("there are readers");
        assert!(*last < READERS, "each made its own: {generations:?}");
    });
    assert_eq!(engine.refresh().counter("count_total").unwrap(), READERS);
}

#[test]
fn a_snapshot_outlives_its_engine_and_registry() {
    let clock = ManualClock::at(Duration::from_secs(1_000));
    let registry = Registry::new();
    registry.counter("count_total", "Counted.").unwrap().add(6);
    registry.histogram("values", "Values.").unwrap().record(77);
    let engine = by_hand_with(&registry, &clock);
    clock.advance(Duration::from_secs(5));
    let kept = engine.refresh();
    drop(engine);
    drop(registry);
    // Others take the slots over.
    let next = Registry::new();
    next.counter("other_total", "Another.").unwrap().add(1_000);
    next.histogram("others", "Others.").unwrap().record(1);
    by_hand(&next).refresh();
    by_hand(&next).refresh();
    assert_eq!(kept.counter("count_total").unwrap(), 6);
    assert_eq!(kept.histogram("values").unwrap().max(), Some(77));
    assert_eq!(kept.unix_time(), Duration::from_secs(1_005));
    assert_eq!(kept.elapsed(), Duration::from_secs(5));
    let mut page = Vec::new();
    TextEncoder::new().encode(&kept, &mut page);
    let page = common::page::parse(std::str::from_utf8(&page).unwrap());
    assert_eq!(common::page::value(&page, "count_total", &[]), Some("6"));
}

#[test]
fn before_the_first_snapshot_there_is_an_empty_one() {
    let registry = Registry::new();
    registry.counter("count_total", "Counted.").unwrap().inc();
    let engine = by_hand(&registry);
    let none = engine.snapshot();
    assert_eq!((none.generation(), none.len()), (0, 0));
    assert!(none.is_empty() && none.is_complete());
    let error = none.counter("count_total").unwrap_err();
    assert!(matches!(error, Error::NoSuchSeries { .. }), "{error}");
    assert_eq!(engine.refresh().generation(), 1);
    assert_eq!(engine.refresh().generation(), 2);
    assert_eq!(engine.snapshot().generation(), 2);
}

#[test]
fn an_interval_of_any_length_is_kept() {
    static PANICS: AtomicU64 = AtomicU64::new(0);
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some("tachometer") {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        before(info);
    }));
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    for interval in [Duration::MAX, Duration::from_secs(u64::MAX / 4), Duration::from_millis(1)] {
        let engine = Engine::builder().registry(&registry).interval(interval).start().unwrap();
        counter.inc();
        let now = engine.refresh();
        assert_eq!(engine.interval(), interval);
        assert_eq!(engine.stop().counter("count_total"), now.counter("count_total"));
    }
    // The thread is joined by `stop`: what it did is known.
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "the engine's thread died");
}

#[test]
fn the_engine_tells_what_it_did() {
    let registry = Registry::new();
    let builder = Engine::builder().registry(&registry).interval(Duration::from_secs(3_600));
    let engine = builder.start().unwrap();
    (0..5).for_each(|_| drop(engine.refresh()));
    let now = engine.refresh();
    // What a generation learns of itself is in the next one.
    assert_eq!(now.counter("tachometer_generations_total").unwrap(), 5);
    assert_eq!(now.histogram("tachometer_cut_wait_seconds").unwrap().count(), 5);
    assert_eq!(now.histogram("tachometer_generation_seconds").unwrap().count(), 5);
    assert_eq!(now.gauge("tachometer_series").unwrap(), now.len() as f64);
    assert_eq!(now.gauge("tachometer_info").unwrap(), 1.0);
    let quiet = Registry::new();
    let quiet = Engine::builder().registry(&quiet).own_metrics(false).start().unwrap();
    assert!(quiet.refresh().is_empty());
}
