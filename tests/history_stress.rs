//! A history of an engine with its own thread, while threads record and others read: nothing is lost, and what was
//! recorded as one group is in one window.

#![cfg(feature = "history")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tachometer::{Counter, Engine, Gauge, History, Registry};

#[test]
fn windows_agree_while_threads_record() {
    let registry = Registry::new();
    let started = registry.counter("started_total", "Started.").unwrap();
    let ended = registry.counter("ended_total", "Ended.").unwrap();
    let sizes = registry.histogram("size", "Size.").unwrap();
    let metric =
        registry.metric("coming_total", "Come and go.").expire_after(Duration::from_millis(5));
    let coming = metric.family::<Counter, 1>(["key"]).unwrap();
    let levels: Vec<Gauge> = (0..50)
        .map(|at| registry.metric("level", "Level.").label("at", at.to_string()).gauge().unwrap())
        .collect();
    let builder = Engine::builder().registry(&registry).interval(Duration::from_millis(1));
    let engine = builder.own_metrics(true).start().unwrap();
    let millis = Duration::from_millis;
    let builder =
        History::builder().tier(millis(1), millis(400)).tier(millis(20), Duration::from_secs(600));
    let history = builder.start(&engine).unwrap();
    // What was recorded after this generation is in the windows.
    engine.refresh();
    let (stop, hour) = (AtomicBool::new(false), Duration::from_secs(3600));
    let recorded: u64 = std::thread::scope(|scope| {
        let record = |thread: u64| {
            let (stop, started, ended, sizes, coming) = (&stop, &started, &ended, &sizes, &coming);
            scope.spawn(move || {
                let mut many = 0u64;
                while !stop.load(Ordering::Relaxed) {
                    let group = tachometer::group();
                    group.add(started, 1);
                    group.record(sizes, many % 1_000);
                    group.add(ended, 1);
                    drop(group);
                    many += 1;
                    if many.is_multiple_of(5_000) {
                        coming.at([&(many / 5_000 % 7 + 7 * thread).to_string()]).inc();
                        std::thread::sleep(Duration::from_millis(1));
                    }
                }
                many
            })
        };
        let threads: Vec<_> = (0..2).map(record).collect();
        let deadline = Instant::now() + common::stress_time();
        let mut round = 0;
        while Instant::now() < deadline {
            levels.iter().for_each(|level| level.set(f64::from(round)));
            let window = history
                .window("size", &[], Duration::from_millis(50 * (round as u64 % 20)))
                .unwrap();
            let histogram = window.histogram().unwrap();
            let (low, high) = window.bounds();
            let between = |name| history.between(name, &[], low, high).unwrap().increase().unwrap();
            // The finer rows may have left meanwhile; then the bounds differ.
            let again = history.between("started_total", &[], low, high).unwrap();
            if again.bounds() == (low, high) && history.kept().is_some_and(|kept| low >= kept.0) {
                let ended = between("ended_total");
                let begun = again.increase().unwrap();
                let check = history.between("ended_total", &[], low, high).unwrap();
                if check.bounds() == (low, high) {
                    assert_eq!((begun, ended), (histogram.count(), histogram.count()), "{round}");
                }
            }
            round += 1;
        }
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    let last = engine.stop();
    let complete = last.counter("tachometer_incomplete_cuts_total").unwrap() == 0;
    let total = |name| history.window(name, &[], hour).unwrap().increase().unwrap();
    assert_eq!((total("started_total"), total("ended_total")), (recorded, recorded));
    assert_eq!(
        history.window("size", &[], hour).unwrap().count().unwrap(),
        recorded,
        "complete: {complete}"
    );
    assert_eq!(last.counter("tachometer_callback_panics_total"), Ok(0));
}
