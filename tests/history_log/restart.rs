//! A process that ends and begins again: its history is as if it had not, but for the gap.

use crate::common::loopback::PATIENCE;
use crate::stand::{Folder, Life, START, builder, flush, points, seconds, segments};
use std::time::Duration;
use tachometer::{History, Registry};

/// What all lives of so many generations have counted.
fn total(generations: impl IntoIterator<Item = u64>) -> u64 {
    generations.into_iter().map(|many| many * (many + 1) / 2).sum()
}

#[test]
fn what_was_counted_before_and_after_adds_up() {
    let folder = Folder::new();
    let mut before = Life::begin(0);
    let history = builder(&folder.log()).start(&before.engine).unwrap();
    assert_eq!(history.persistence().unwrap().replayed_rows, 0);
    before.steps(47);
    let known = (points(&history, "work_total"), points(&history, "level"));
    drop((history, before));
    // A minute later.
    let mut after = Life::begin(107);
    let history = builder(&folder.log()).start(&after.engine).unwrap();
    assert!(history.damage().is_empty(), "{:?}", history.damage());
    assert_eq!(history.persistence().unwrap().replayed_rows, 47 + 9);
    assert_eq!((points(&history, "work_total"), points(&history, "level")), known);
    assert_eq!(history.kept(), Some((seconds(START + 1), seconds(START + 47))));
    after.steps(33);
    let window = history.window("work_total", &[], seconds(3600)).unwrap();
    assert_eq!(window.increase().unwrap(), total([47, 33]));
    assert_eq!(window.longest_gap(), seconds(61));
    let sizes = history.window("size", &[], seconds(3600)).unwrap();
    assert_eq!(sizes.count().unwrap(), total([47, 33]));
    let squares = |many: u64| (1..=many).map(|at| u128::from(at * at)).sum::<u128>();
    assert_eq!(sizes.sum().unwrap(), squares(47) + squares(33));
    // Windows that begin in the one life and end in the other, exactly.
    let within = |from: u64, to: u64| {
        let window = history.between("work_total", &[], seconds(START + from), seconds(START + to));
        let sizes = history.between("size", &[], seconds(START + from), seconds(START + to));
        (window.unwrap().increase().unwrap(), sizes.unwrap().count().unwrap())
    };
    for (from, to) in [(1, 47), (20, 50), (40, 108), (47, 108), (50, 108), (30, 140), (106, 130)] {
        let first = (from + 1..=to.min(47)).sum::<u64>();
        let second =
            (1..=to.saturating_sub(107)).skip(from.saturating_sub(107) as usize).sum::<u64>();
        assert_eq!(within(from, to), (first + second, first + second), "{from} to {to}");
    }
    let known: Vec<_> = points(&history, "level").into_iter().map(|point| point.0).collect();
    let expected: Vec<_> = (1..=47).chain(108..=140).collect();
    assert_eq!(known, expected);
}

#[test]
fn the_coarse_tier_has_what_the_last_step_began() {
    let folder = Folder::new();
    let mut lives = Vec::new();
    for life in 0..40 {
        let mut one = Life::begin(1000 * life);
        let history = builder(&folder.log()).start(&one.engine).unwrap();
        one.steps(13);
        lives.push(13);
        let window = history.window("work_total", &[], seconds(60_000)).unwrap();
        // Lives that are over for longer than an hour are kept in part; of the others nothing is missing.
        let recent = lives.iter().rev().take(3).copied();
        let recent = history.window("work_total", &[], seconds(2_900)).map(|w| (w, total(recent)));
        let (near, expected) = recent.unwrap();
        assert_eq!(near.increase().unwrap(), expected, "life {life}");
        assert!(window.increase().unwrap() >= expected);
    }
    assert!(segments(&folder.log()).len() < 20, "old segments go");
}

#[test]
fn the_wall_was_set_back_meanwhile() {
    let folder = Folder::new();
    let mut before = Life::begin(1_000);
    let history = builder(&folder.log()).start(&before.engine).unwrap();
    before.steps(10);
    drop((history, before));
    let mut after = Life::begin(500);
    let history = builder(&folder.log()).start(&after.engine).unwrap();
    after.steps(10);
    let times = history.window("level", &[], seconds(3600)).unwrap();
    let times: Vec<_> = times.series().next().unwrap().points().iter().map(|p| p.0).collect();
    assert!(times.is_sorted() && times.len() == 20, "{times:?}");
    assert_eq!(times[10] - times[9], Duration::from_millis(1));
    assert_eq!(times[19] - times[10], seconds(9));
    let window = history.window("work_total", &[], seconds(3600)).unwrap();
    assert_eq!(window.increase().unwrap(), total([10, 10]));
}

#[test]
fn one_registry_is_not_counted_twice() {
    let folder = Folder::new();
    let mut life = Life::begin(0);
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    life.steps(10);
    drop(history);
    life.steps(5); // of which no history knows
    let history = builder(&folder.log()).start(&life.engine).unwrap();
    life.steps(5);
    let window = history.window("work_total", &[], seconds(3600)).unwrap();
    assert_eq!(window.increase().unwrap(), (1..=10).sum::<u64>() + (16..=20).sum::<u64>());
    let sizes = history.window("size", &[], seconds(3600)).unwrap();
    assert_eq!(sizes.count().unwrap(), (1..=10).sum::<u64>() + (16..=20).sum::<u64>());
}

#[test]
fn series_end_with_their_process_and_others_begin() {
    let folder = Folder::new();
    let life = |name: &str, second: u64, directory| {
        let registry = Registry::new();
        let counter = registry.metric(name, "Work.").label("node", "größe \"1\"\n").counter();
        let clock = tachometer::ManualClock::at(seconds(START + second));
        let engine = crate::common::by_hand_with(&registry, &clock);
        let history = builder(directory).start(&engine).unwrap();
        for _ in 0..10 {
            counter.as_ref().unwrap().inc();
            clock.advance(seconds(1));
            engine.refresh();
        }
        flush(&history);
        (history, engine, counter)
    };
    let directory = folder.log();
    drop(life("a_total", 0, &directory));
    drop(life("b_total", 100, &directory));
    let (history, _engine, _counter) = life("a_total", 200, &directory);
    let labels = [("node", "größe \"1\"\n")];
    let points = |name: &str| {
        let window = history.window(name, &labels, seconds(3600)).unwrap();
        let series = window.series().next().unwrap();
        assert_eq!(series.definition().help, "Work.");
        let points = series.points();
        points.iter().map(|p| (p.0.as_secs() - START, p.1)).collect::<Vec<_>>()
    };
    let expected = |from: u64, end: Option<u64>| {
        let there = (1..=10).map(move |at| (from + at, Some(at as f64)));
        there.chain(end.map(|end| (end, None))).collect::<Vec<_>>()
    };
    assert_eq!(
        points("b_total"),
        expected(100, Some(201)),
        "it ends where the next process begins"
    );
    let again = [expected(0, Some(101)), expected(200, None)].concat();
    assert_eq!(points("a_total"), again);
    assert_eq!(history.series(), 2);
}

#[test]
fn other_tiers_find_what_is_theirs() {
    let folder = Folder::new();
    let mut before = Life::begin(0);
    let history = builder(&folder.log()).start(&before.engine).unwrap();
    before.steps(60);
    drop((history, before));
    // The finest tier is the finest, whatever its step; 5 s are not there any more, 7 s are new.
    let tiers = || {
        let builder = History::builder().directory(folder.log());
        builder.tier(Duration::from_millis(500), seconds(140)).tier(seconds(7), seconds(3600))
    };
    let mut after = Life::begin(100);
    let history = tiers().start(&after.engine).unwrap();
    assert_eq!(history.persistence().unwrap().replayed_rows, 60);
    after.steps(10);
    let window = history.window("work_total", &[], seconds(3600)).unwrap();
    assert_eq!(window.increase().unwrap(), total([60, 10]));
    drop((history, after));
    let after = Life::begin(200);
    let history = builder(&folder.log()).start(&after.engine).unwrap();
    // 60 and 10 generations, and the steps of five seconds of the first process.
    assert_eq!(history.persistence().unwrap().replayed_rows, 70 + 12);
    assert!(history.damage().is_empty(), "{:?}", history.damage());
}

#[test]
fn it_counts_what_it_does() {
    let folder = Folder::new();
    let registry = Registry::new();
    let engine = crate::common::by_hand_with_own_metrics(&registry);
    let history = builder(&folder.log()).start(&engine).unwrap();
    engine.refresh();
    history.sync(PATIENCE).unwrap();
    engine.refresh(); // which is after the history has counted
    let now = engine.refresh();
    let persistence = history.persistence().unwrap();
    let bytes: u64 = segments(&folder.log()).iter().map(|segment| segment.1.len() as u64).sum();
    flush(&history);
    assert!(persistence.written_rows >= 1 && persistence.failing.is_none(), "{persistence:?}");
    assert_eq!((persistence.dropped_rows, persistence.errors), (0, 0));
    assert!(now.gauge("tachometer_history_log_bytes").unwrap() > 53.0);
    assert!(now.gauge("tachometer_history_log_segments").unwrap() >= 1.0);
    let written = now.counter("tachometer_history_log_written_bytes_total").unwrap();
    assert!(written > 53 && written <= bytes, "{written} of {bytes}");
    for none in ["dropped_rows_total", "deleted_segments_total", "errors_total"] {
        assert_eq!(now.counter(&format!("tachometer_history_log_{none}")).unwrap(), 0, "{none}");
    }
    for none in ["damaged_segments", "damaged_bytes"] {
        assert_eq!(now.gauge(&format!("tachometer_history_log_{none}")).unwrap(), 0.0, "{none}");
    }
    assert!(now.gauge("tachometer_history_log_replay_seconds").is_ok());
}
