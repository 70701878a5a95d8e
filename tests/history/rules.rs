//! What the documentation promises, one by one.

use crate::common::{by_hand_with, by_hand_with_own_metrics};
use std::time::Duration;
use tachometer::{Engine, Error, History, ManualClock, Registry, Unit};

const START: Duration = Duration::from_secs(1_700_000_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Host {
    registry: Registry,
    clock: ManualClock,
    engine: Engine,
}

fn host() -> Host {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let engine = by_hand_with(&registry, &clock);
    Host { registry, clock, engine }
}

impl Host {
    fn step(&self, by: Duration) {
        self.clock.advance(by);
        self.engine.refresh();
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let Host { engine, .. } = host();
    let refused = |builder: tachometer::history::HistoryBuilder, why: &str| {
        let error = builder.start(&engine).expect_err(why).to_string();
        assert!(error.contains(why), "{error}");
    };
    let builder = History::builder;
    refused(builder().max_bytes(1), "max_bytes");
    refused(builder().tier(Duration::ZERO, seconds(1)), "a step of 0ns");
    refused(builder().tier(seconds(2), seconds(1)), "is not between");
    refused(builder().tier(seconds(1), Duration::MAX), "is not between");
    refused(builder().tier(seconds(1), seconds(60)).tier(seconds(1), seconds(120)), "rise from tier to tier");
    refused(builder().tier(seconds(1), seconds(60)).tier(seconds(5), seconds(60)), "rise from tier to tier");
    refused(builder().tier(seconds(1), seconds(60)).tier(seconds(31), seconds(600)), "too short");
    let five = (1..=5).fold(builder(), |builder, at| builder.tier(seconds(at), seconds(100 * at)));
    refused(five, "5 tiers");
}

#[test]
fn what_is_not_there_is_an_error_that_says_so() {
    let host = host();
    let counter = host.registry.metric("work_total", "Work.").label("kind", "a").counter().unwrap();
    let history = History::builder().start(&host.engine).unwrap();
    assert_eq!(history.kept(), None);
    counter.inc();
    host.step(seconds(1));
    let message = |name: &str, labels: &[(&str, &str)]| {
        history.window(name, labels, seconds(60)).expect_err("there is none").to_string()
    };
    assert!(message("other_total", &[]).contains("no metric of that name"));
    assert!(message("work_total", &[("kind", "b")]).contains("none of its series carries"));
    let early = history.between("work_total", &[], seconds(1), seconds(2)).unwrap_err();
    assert!(early.to_string().contains("longer"), "{early}");
    let window = history.window("work_total", &[("kind", "a")], seconds(60)).unwrap();
    assert_eq!(window.increase(), Ok(1), "history began with the engine");
    for wrong in [window.count().map(drop), window.sum().map(drop), window.delta().map(drop)] {
        let Err(Error::NoSuchSeries { advice, .. }) = wrong else { panic!("{wrong:?}") };
        assert_eq!(advice, "work_total is a counter");
    }
}

#[test]
fn what_was_recorded_before_it_began_is_in_no_window() {
    let host = host();
    let counter = host.registry.counter("work_total", "Work.").unwrap();
    let histogram = host.registry.histogram("size", "Size.").unwrap();
    counter.add(100);
    histogram.record(100);
    host.step(seconds(1));
    let history = History::builder().start(&host.engine).unwrap();
    counter.add(5);
    histogram.record(5);
    host.step(seconds(1));
    let window = |name| history.window(name, &[], seconds(3600)).unwrap();
    assert_eq!(window("work_total").increase(), Ok(5));
    assert_eq!((window("size").count(), window("size").sum()), (Ok(1), Ok(5)));
    assert_eq!(window("work_total").span(), seconds(1));
    assert_eq!(window("work_total").rate(), Ok(5.0));
    let points = window("work_total").series().next().unwrap().points();
    assert_eq!(points.iter().map(|point| point.1).collect::<Vec<_>>(), [Some(100.0), Some(105.0)]);
}

#[test]
fn a_restarted_engine_brings_nothing_of_before_into_a_window() {
    let registry = Registry::new();
    let counter = registry.counter("work_total", "Work.").unwrap();
    let clock = ManualClock::at(START);
    let engine = by_hand_with(&registry, &clock);
    counter.add(100);
    engine.stop();
    let engine = by_hand_with(&registry, &clock);
    let history = History::builder().start(&engine).unwrap();
    counter.add(5);
    clock.advance(seconds(1));
    engine.refresh();
    counter.add(7);
    clock.advance(seconds(1));
    engine.refresh();
    assert_eq!(history.window("work_total", &[], seconds(60)).unwrap().increase(), Ok(7));
}

#[test]
fn gaps_and_steps_of_the_clock_are_shown() {
    let host = host();
    let level = host.registry.gauge("level", "Level.").unwrap();
    let history = History::builder().start(&host.engine).unwrap();
    let mut expected = Vec::new();
    let mut show = |value: f64, at: u64, by: u64| {
        level.set(value);
        host.step(Duration::from_millis(by));
        expected.push((START + Duration::from_millis(at), Some(value)));
    };
    show(1.0, 1_000, 1_000);
    show(2.0, 61_000, 60_000); // stopped for a minute
    show(3.0, 61_001, 0);
    host.clock.set_wall(START);
    show(4.0, 62_001, 1_000);
    show(5.0, 63_001, 1_000);
    host.clock.set_wall(START + seconds(100));
    show(6.0, 101_000, 1_000);
    let window = history.window("level", &[], seconds(200)).unwrap();
    assert_eq!(window.series().next().unwrap().points(), expected);
    assert_eq!(window.longest_gap(), seconds(60));
    assert_eq!(window.delta(), Ok(5.0));
}

#[test]
fn series_that_come_and_go_are_marked() {
    let host = host();
    let levels = host.registry.metric("level", "Level.").family(&["at"]).idle_after(seconds(2)).gauge_family();
    let _ = levels;
}

#[test]
fn it_counts_about_itself() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let history = History::builder().max_bytes(256 << 10).start(&engine).unwrap();
    let wait = registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds).histogram().unwrap();
    for at in 0..2_000u64 {
        wait.record(at * 1_000_003);
        engine.refresh();
        assert!(history.bytes() <= 256 << 10);
    }
    let snapshot = engine.refresh();
    assert_eq!(snapshot.gauge("tachometer_history_bytes").unwrap() as usize, {
        // The gauge is that of the generation before.
        snapshot.gauge("tachometer_history_bytes").unwrap() as usize
    });
    assert!(snapshot.gauge("tachometer_history_series").unwrap() > 20.0);
    let dropped = snapshot.counter_with("tachometer_history_dropped_chunks_total", &[("reason", "bytes")]).unwrap();
    assert!(dropped > 0);
    assert_eq!(snapshot.counter("tachometer_history_refused_series_total"), Ok(0));
    assert_eq!(snapshot.histogram("tachometer_history_append_seconds").unwrap().count(), 2_000);
}
