//! Assertions: they hold where they should, and where they do not, the message shows the difference.

use crate::panic_of;
use std::time::Duration;
use tachometer::testing::{Collector, Recorded, Values, Workload};
use tachometer::{Precision, Unit};

fn cluster() -> Collector {
    let test = Collector::new();
    for (node, by) in [("n1", 3), ("n2", 9)] {
        let metric = test.registry().metric("commits_total", "Commits.").label("node", node);
        metric.counter().unwrap().add(by);
    }
    test
}

#[test]
fn a_collector_sees_its_own_records_since_its_last_cut() {
    let (test, other) = (cluster(), cluster());
    let recorded = test.cut();
    recorded.assert_counter("commits_total", &[], 12);
    recorded.assert_counter("commits_total", &[("node", "n2")], 9);
    recorded.assert_only_changed(&[("commits_total", &[])]);
    let again = test.registry().metric("commits_total", "Commits.").label("node", "n2");
    again.counter().unwrap().add(5);
    let recorded = test.cut();
    recorded.assert_counter("commits_total", &[], 5);
    recorded.assert_only_changed(&[("commits_total", &[("node", "n2")])]);
    test.cut().assert_only_changed(&[]);
    test.total().assert_counter("commits_total", &[], 17);
    other.total().assert_counter("commits_total", &[], 12);
}

#[test]
fn many_collectors_work_side_by_side() {
    let work = |number: u64| {
        let test = Collector::new();
        let own = test.registry().counter("own_total", "Own.").unwrap();
        for round in 0..50 {
            own.add(number + round);
            let recorded = test.cut();
            recorded.assert_counter("own_total", &[], number + round);
            assert!(recorded.snapshot().is_complete());
        }
    };
    std::thread::scope(|scope| {
        (0..8).for_each(|number| drop(scope.spawn(move || work(number))));
    });
}

#[test]
fn a_wrong_count_shows_what_all_series_did() {
    let recorded = cluster().cut();
    let said = panic_of(|| recorded.assert_counter("commits_total", &[("node", "n1")], 5));
    let expected = "commits_total{node=\"n1\"} rose by 3, not by 5:\n  commits_total{node=\"n1\"} rose by 3\n  \
                    commits_total{node=\"n2\"} rose by 9";
    assert_eq!(said, expected);
}

#[test]
fn a_missing_series_is_told_with_the_nearest_name() {
    let test = cluster();
    test.registry().gauge("queue_length", "Queue.").unwrap().set(4.0);
    let recorded = test.cut();
    let said = panic_of(|| recorded.assert_counter("comits_total", &[], 5));
    let first = "there is no comits_total: did you mean commits_total? There are:\n  \
                 commits_total{node=\"n1\"} rose by 3 (counter)\n";
    assert!(said.starts_with(first), "{said}");
    assert!(said.ends_with("\n  queue_length is new, at 4 (gauge)"), "{said}");
    let said = panic_of(|| recorded.assert_counter("commits_total", &[("node", "n3")], 5));
    let first = "there is no commits_total{node=\"n3\"}: the metric is there, but no series of it carries these \
                 labels. There are:\n  commits_total{node=\"n1\"}";
    assert!(said.starts_with(first), "{said}");
    let said = panic_of(|| recorded.assert_gauge("commits_total", &[], 5.0));
    assert_eq!(said, "commits_total is asked for as a gauge, but it is a counter");
    let said = panic_of(|| recorded.assert_only_changed(&[("zzz", &[])]));
    assert!(said.starts_with("there is no zzz: no name is like it. There are:\n"), "{said}");
    let said = panic_of(|| Collector::new().cut().assert_counter("a_total", &[], 1));
    assert_eq!(said, "there is no a_total: nothing is registered here");
    let many = Collector::new();
    for number in 0..100 {
        many.registry().counter(&format!("a{number}_total"), "Many.").unwrap();
    }
    let said = panic_of(|| many.cut().assert_counter("a_total", &[], 1));
    assert_eq!(said.lines().count(), 1 + tachometer::limits::MAX_TEST_LINES + 1);
    assert!(said.ends_with("\n  and 76 more"), "{said}");
}

#[test]
fn only_these_changed_tells_both_what_did_and_what_did_not() {
    let test = cluster();
    let retries = test.registry().counter("retries_total", "Retries.").unwrap();
    let size = test.registry().histogram("size", "Sizes.").unwrap();
    let level = test.registry().up_down_counter("level", "Level.").unwrap();
    test.cut();
    size.record(10);
    size.record(20);
    level.add(-4);
    let recorded = test.cut();
    let said = panic_of(|| recorded.assert_only_changed(&[("retries_total", &[]), ("level", &[])]));
    let expected = "what should not have changed did:\n  size recorded 2 values, 30 in all\nwhat should have \
                    changed did not:\n  retries_total";
    assert_eq!(said, expected);
    recorded.assert_up_down_counter("level", &[], -4);
    let said = panic_of(|| recorded.assert_up_down_counter("level", &[], 4));
    assert_eq!(said, "level stands at -4, not at 4:\n  level went from 0 to -4");
    retries.inc();
    let said = panic_of(|| test.cut().assert_only_changed(&[]));
    assert_eq!(said, "what should not have changed did:\n  retries_total rose by 1");
}

#[test]
fn rates_and_ratios_go_by_the_clock_of_the_test() {
    let test = Collector::new();
    let sent = test.registry().counter("sent_total", "Sent.").unwrap();
    let lost = test.registry().counter("lost_total", "Lost.").unwrap();
    let none = test.cut();
    let said = panic_of(|| none.assert_rate("sent_total", &[], 0.0..));
    assert!(said.starts_with("no time passed between the cuts, so sent_total"), "{said}");
    let ratio = |recorded: &Recorded, share: std::ops::RangeInclusive<f64>| {
        recorded.assert_ratio(("lost_total", &[]), ("sent_total", &[]), share);
    };
    let said = panic_of(|| ratio(&none, 0.0..=1.0));
    assert_eq!(said, "sent_total did not rise, so lost_total (which rose by 0) is no share of it");
    sent.add(80);
    lost.add(2);
    test.advance(Duration::from_secs(4));
    let recorded = test.cut();
    recorded.assert_rate("sent_total", &[], 20.0..=20.0);
    ratio(&recorded, 0.02..=0.03);
    let said = panic_of(|| recorded.assert_rate("sent_total", &[], 30.0..));
    assert!(
        said.starts_with("sent_total rose by 20 a second (80 in 4s), not by 30.0..:\n"),
        "{said}"
    );
    let said = panic_of(|| ratio(&recorded, 0.0..=0.01));
    assert_eq!(said, "lost_total rose by 2, sent_total by 80: a share of 0.025, not of 0.0..=0.01");
}

#[test]
fn a_histogram_is_asserted_within_its_precision() {
    let test = Collector::new();
    let metric = test.registry().metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let wait = metric.histogram().unwrap();
    wait.record(7);
    test.cut();
    (1..=1_000).for_each(|ms: u64| wait.record(ms * 1_000_000));
    let recorded = test.cut();
    let found = recorded.assert_histogram("wait_seconds", &[]);
    let found = found.count(1_000).sum(500_500 * 1_000_000).max(1_000_000_000).min(1_000_000);
    let found = found.quantile(0.5, 500_000_000).quantile(0.99, 990_000_000);
    let found = found.quantile_in(0.999, ..1_010_000_000);
    // The bucket of 500 ms is 4.2 ms wide, so 505 is in another.
    let said = panic_of(|| drop(found.clone().quantile(0.5, 505_000_000)));
    assert!(
        said.starts_with("wait_seconds recorded 1000 values, sum 500500000000, min "),
        "{said}"
    );
    assert!(
        said.contains(": the quantile 0.5 is 50") && said.contains(", not 505000000 (whose bucket")
    );
    let said = panic_of(|| drop(found.clone().count(999)));
    assert!(said.ends_with("the count is 1000, not 999"), "{said}");
    let empty = test.cut().assert_histogram("wait_seconds", &[]);
    let said = panic_of(|| drop(empty.quantile(0.5, 1)));
    let expected = "wait_seconds recorded 0 values, sum 0: the quantile 0.5 is nothing, not 1 (whose bucket is 1 to 1)";
    assert_eq!(said, expected);
}

#[test]
fn a_known_workload_is_measured_within_the_precision_of_each_histogram() {
    let test = Collector::new();
    let shapes = [
        Values::log_normal(2e6, 1.5).unwrap(),
        Values::exponential(1e4).unwrap(),
        Values::uniform(0, 1 << 50).unwrap(),
        Values::fixed(1 << 50),
    ];
    for precision in [Precision::One, Precision::Two, Precision::Three] {
        for (number, values) in shapes.iter().enumerate() {
            let name = format!("known_{}", precision.figures());
            let metric = test.registry().metric(name.clone(), "Known.").precision(precision);
            let histogram = metric.label("number", number.to_string()).histogram().unwrap();
            let known = Workload::draw(11, values, 20_000);
            known.values().for_each(|value| histogram.record(value));
            let found = test.cut();
            let found = found.assert_histogram(&name, &[("number", &number.to_string())]);
            let accuracy = known.accuracy(found.snapshot());
            let bound = [0.0626, 0.0079, 0.001][usize::from(precision.figures()) - 1];
            assert!(accuracy.worst.is_some_and(|worst| worst.error <= bound), "{accuracy}");
            found.workload(&known);
        }
    }
    let known = Workload::new([1_000, 2_000, 3_000]);
    let sizes = test.registry().histogram("size", "Sizes.").unwrap();
    [1_000, 2_500, 3_000].into_iter().for_each(|size| sizes.record(size));
    let said = panic_of(|| drop(test.cut().assert_histogram("size", &[]).workload(&known)));
    assert!(
        said.starts_with("size: not what was recorded: 3 of 3 values, sum 6500 of 6000"),
        "{said}"
    );
    assert!(said.contains("\n  outside its bucket: quantile 0.5 is 25"), "{said}");
}

#[test]
fn the_line_that_is_blamed_is_the_one_that_asserts() {
    use std::sync::Mutex;
    static PLACE: Mutex<Option<String>> = Mutex::new(None);
    crate::common::process::own_process(
        "assertions::the_line_that_is_blamed_is_the_one_that_asserts",
        || {
            std::panic::set_hook(Box::new(|info| {
                *PLACE.lock().unwrap() = info.location().map(|place| place.file().to_owned());
            }));
            let recorded = cluster().cut();
            let asserts: [Box<dyn Fn()>; 6] = [
                Box::new(|| recorded.assert_counter("commits_total", &[], 1)),
                Box::new(|| recorded.assert_only_changed(&[])),
                Box::new(|| recorded.assert_rate("commits_total", &[], 0.0..)),
                Box::new(|| drop(recorded.assert_histogram("commits_total", &[]))),
                Box::new(|| recorded.assert_gauge("x", &[], 0.0)),
                Box::new(|| recorded.assert_up_down_counter("x", &[], 0)),
            ];
            for assert in &asserts {
                panic_of(assert);
                let place = PLACE.lock().unwrap().take().expect("a place");
                assert!(place.ends_with("assertions.rs"), "{place}");
            }
        },
    );
}
