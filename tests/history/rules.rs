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
    refused(
        builder().tier(seconds(1), seconds(60)).tier(seconds(1), seconds(120)),
        "rise from tier to tier",
    );
    refused(
        builder().tier(seconds(1), seconds(60)).tier(seconds(5), seconds(60)),
        "rise from tier to tier",
    );
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
fn it_counts_about_itself() {
    let registry = Registry::new();
    let engine = by_hand_with_own_metrics(&registry);
    let history = History::builder().max_bytes(80 << 10).start(&engine).unwrap();
    let wait =
        registry.metric("wait_seconds", "Wait.").unit(Unit::Nanoseconds).histogram().unwrap();
    for at in 0..3_000u64 {
        (0..10).for_each(|more| wait.record((at * 10 + more) * 1_000_003));
        engine.refresh();
        assert!(history.bytes() <= 80 << 10);
    }
    let snapshot = engine.refresh();
    assert!((10_000.0..=81_920.0).contains(&snapshot.gauge("tachometer_history_bytes").unwrap()));
    assert!(snapshot.gauge("tachometer_history_series").unwrap() > 20.0);
    let dropped = snapshot
        .counter_with("tachometer_history_dropped_chunks_total", &[("reason", "bytes")])
        .unwrap();
    assert!(dropped > 0);
    assert_eq!(snapshot.counter("tachometer_history_refused_series_total"), Ok(0));
    assert_eq!(snapshot.histogram("tachometer_history_append_seconds").unwrap().count(), 3_000);
}

#[cfg(feature = "promql")]
mod queried {
    use super::{host, seconds};
    use std::time::Duration;
    use tachometer::query::{Answer, Query, Sample, Settings};
    use tachometer::{Counter, History, Unit};

    fn ask(history: &History, query: &str, at: Duration) -> Vec<f64> {
        let query = Query::parse(query).unwrap();
        let answer = query.instant(history, at.as_millis() as i64, &Settings::default()).unwrap();
        let Answer::Vector(samples) = answer else { panic!("{answer:?}") };
        samples.iter().map(|sample| sample.value.as_float().unwrap()).collect()
    }

    #[test]
    fn queries_read_all_tiers() {
        let host = host();
        let work = host.registry.metric("work_total", "Work.").label("at", "a").counter().unwrap();
        let wait = host
            .registry
            .metric("wait_seconds", "Wait.")
            .unit(Unit::Nanoseconds)
            .histogram()
            .unwrap();
        let builder = History::builder().tier(seconds(1), seconds(120));
        let history = builder.tier(seconds(15), seconds(7_200)).start(&host.engine).unwrap();
        for second in 0..3_600u64 {
            work.add(3);
            wait.record_n(1_000_000 * (1 + second / 1_800), 2);
            host.step(seconds(1));
        }
        let now = super::START + seconds(3_600);
        let near = |query: &str, at: Duration, expected: f64| {
            let found = ask(&history, query, at);
            assert!(
                matches!(found[..], [one] if (one - expected).abs() <= 0.01 * expected),
                "{query}: {found:?}"
            );
        };
        near(r#"rate(work_total{at="a"}[5m])"#, now, 3.0);
        near("increase(work_total[50m])", now, 9_000.0);
        near("work_total", now, 10_800.0);
        near("work_total", now - seconds(1_800), 5_400.0);
        for (at, wait) in [(now, 0.002), (now - seconds(2_000), 0.001)] {
            near("histogram_quantile(0.99, rate(wait_seconds[5m]))", at, wait);
            near("histogram_count(rate(wait_seconds[5m]))", at, 2.0);
            near("histogram_sum(increase(wait_seconds[10m]))", at, 1_200.0 * wait);
        }
        near("histogram_count(wait_seconds)", now - seconds(1_800), 3_600.0);
        near("histogram_count(wait_seconds)", now, 7_200.0);
        near("histogram_sum(wait_seconds)", now, 3_600.0 * 0.003);
        let query = Query::parse("rate(wait_seconds[2m])").unwrap();
        let Ok(Answer::Vector(samples)) =
            query.instant(&history, now.as_millis() as i64, &Settings::default())
        else {
            panic!("a vector")
        };
        assert!(matches!(&samples[0].value, Sample::Histogram(_)));
    }

    #[test]
    fn series_that_ended_are_stale() {
        let host = host();
        let metric = host.registry.metric("work_total", "Work.").expire_after(seconds(5));
        let work = metric.family::<Counter, 1>(["key"]).unwrap();
        let history = History::builder().start(&host.engine).unwrap();
        work.at(["a"]).add(3);
        for _ in 0..60 {
            host.step(seconds(1));
        }
        assert_eq!(ask(&history, "work_total", super::START + seconds(3)), [3.0]);
        assert!(
            ask(&history, "work_total", super::START + seconds(60)).is_empty(),
            "not for five minutes more"
        );
    }
}
