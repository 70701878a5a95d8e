//! An engine driven by hand, on a clock that the test moves: the same records give the same pages byte for byte; labels of
//! the engine and of scopes; numbers in their exported unit; what was recorded between two snapshots and in one
//! generation alone; threads that were idle over many cuts.

mod common;

use common::random::Random;
use common::{by_hand, by_hand_with, page, page_of};
use std::time::Duration;
use tachometer::{
    Counter, Engine, Error, Family, Gauge, Histogram, ManualClock, Registry, Snapshot, Unit,
};

const START: Duration = Duration::from_secs(1_700_000_000);
const IDLE: Duration = Duration::from_secs(60);

/// A program of its own registry: the pages after each of its steps.
fn pages() -> Vec<Vec<u8>> {
    let clock = ManualClock::at(START);
    let registry = Registry::new();
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let up_down = registry.up_down_counter("balance", "Up and down.").unwrap();
    let gauge = registry.gauge("level", "Set.").unwrap();
    let waits = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
    let waits = waits.label("queue", "in").histogram().unwrap();
    let sizes = registry.metric("size_bytes", "By peer.").unit(Unit::Bytes).expire_after(IDLE);
    let sizes: Family<Histogram, 1> = sizes.family(["peer"]).unwrap();
    let builder = Engine::builder().registry(&registry).label("node", "n-1").manual(&clock);
    let engine = builder.start().unwrap();
    let mut encoder = tachometer::TextEncoder::new();
    let mut random = Random::new(7);
    (0..20)
        .map(|step| {
            for _ in 0..200 {
                counter.add(random.below(100));
                up_down.add(random.below(100) as i64 - 50);
                gauge.set(random.next() as f64 / 7.0);
                waits.record(random.magnitude(50));
                sizes
                    .at([&format!("peer-{}", step + random.below(4))])
                    .record(random.magnitude(30));
            }
            clock.advance(IDLE / 3);
            let mut page = Vec::new();
            encoder.encode(&engine.refresh(), &mut page);
            page
        })
        .collect()
}

#[test]
fn the_same_records_give_the_same_pages() {
    let (first, second) = (pages(), pages());
    assert_eq!(first, second);
    let samples = page::parse(std::str::from_utf8(first.last().unwrap()).unwrap());
    assert!(samples.keys().all(|(_, labels)| labels.contains(&("node".into(), "n-1".into()))));
    let peers = |page: &[u8]| {
        let samples = page::parse(std::str::from_utf8(page).unwrap());
        samples.keys().filter(|(name, _)| name == "size_bytes_count").count()
    };
    assert!(peers(&first[19]) < 20, "idle peers have gone");
    assert_eq!(peers(&first[0]), 4);
}

#[test]
fn a_series_registered_alone_and_through_a_family_is_one() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let alone = registry.metric("count_total", "Counted.").label("peer", "a").counter().unwrap();
    alone.add(1);
    let family: Family<Counter, 1> =
        registry.metric("count_total", "Counted.").family(["peer"]).unwrap();
    family.at(["a"]).add(10);
    family.at(["b"]).add(5);
    let again = registry.metric("count_total", "Counted.").label("peer", "b").counter().unwrap();
    again.add(50);
    alone.add(100);
    let sizes = registry.metric("size", "Sizes.").label("peer", "a").histogram().unwrap();
    sizes.record(1);
    let by_peer: Family<Histogram, 1> = registry.metric("size", "Sizes.").family(["peer"]).unwrap();
    by_peer.at(["a"]).record(2);
    let level = registry.metric("level", "Set.").label("peer", "a").gauge().unwrap();
    level.set(1.0);
    let beside = registry.counter("beside_total", "In the next slot.").unwrap();
    let levels: Family<Gauge, 1> = registry.metric("level", "Set.").family(["peer"]).unwrap();
    levels.at(["a"]).add(2.0);
    let now = engine.refresh();
    assert_eq!(now.counter_with("count_total", &[("peer", "a")]).unwrap(), 111);
    assert_eq!(now.counter_with("count_total", &[("peer", "b")]).unwrap(), 55);
    assert_eq!(now.histogram("size").unwrap().count(), 2);
    assert_eq!(now.gauge("level").unwrap(), 3.0, "over all series");
    assert_eq!(now.counter("beside_total").unwrap(), 0);
    drop(beside);
}

#[test]
fn labels_of_engines_and_scopes() {
    let registry = Registry::new();
    let scope = registry.scope([("group", "orders")]).unwrap();
    let inner = scope.scope([("shard", "3")]).unwrap();
    assert_eq!(inner.constant_labels().len(), 2);
    registry.metric("count_total", "Counted.").label("node", "own").counter().unwrap().add(1);
    scope.counter("count_total", "Counted.").unwrap().add(2);
    inner.metric("count_total", "Counted.").label("zone", "z").counter().unwrap().add(3);
    let family: Family<Counter, 1> =
        inner.metric("by_peer_total", "By peer.").family(["peer"]).unwrap();
    family.at(["p"]).add(4);
    let clock = ManualClock::at(START);
    let builder = Engine::builder().registry(&inner).label("node", "n-1").label("cluster", "c");
    let engine = builder.manual(&clock).start().unwrap();
    let now = engine.refresh();
    let with = |labels: &[(&str, &str)]| now.counter_with("count_total", labels);
    assert_eq!(now.counter("count_total").unwrap(), 6, "an engine serves the whole registry");
    assert_eq!(with(&[("node", "own"), ("cluster", "c")]).unwrap(), 1, "its own label wins");
    assert_eq!(with(&[("node", "n-1")]).unwrap(), 5);
    assert_eq!(with(&[("group", "orders")]).unwrap(), 5);
    assert_eq!(with(&[("shard", "3"), ("zone", "z"), ("group", "orders")]).unwrap(), 3);
    let error = with(&[("shard", "4")]).unwrap_err();
    assert!(matches!(error, Error::NoSuchSeries { .. }));
    assert!(error.to_string().contains("none of its series carries these labels"), "{error}");
    let labels = [("peer", "p"), ("shard", "3"), ("node", "n-1"), ("cluster", "c")];
    assert_eq!(now.counter_with("by_peer_total", &labels).unwrap(), 4);
    let error = now.gauge("count_total").unwrap_err().to_string();
    assert!(error.contains("count_total is a counter"), "{error}");
    let error = now.counter("no_such_total").unwrap_err().to_string();
    assert!(error.contains("no_such_total") && error.contains("check the name"), "{error}");
    for series in now.series() {
        let sorted = series.labels.windows(2).all(|pair| pair[0].0 < pair[1].0);
        assert!(sorted, "labels in the order of their names: {:?}", series.labels);
    }
}

#[test]
fn what_was_recorded_between_two_snapshots() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let engine = by_hand_with(&registry, &clock);
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let histogram = registry.histogram("values", "Values.").unwrap();
    counter.add(10);
    (1..=100).for_each(|value| histogram.record(value));
    let first = engine.refresh();
    counter.add(30);
    (1_000..=1_099).for_each(|value| histogram.record(value));
    let late = registry.counter("late_total", "Registered in between.").unwrap();
    late.add(8);
    clock.advance(Duration::from_secs(15));
    let second = engine.refresh();
    let delta = second.since(&first);
    assert_eq!(delta.span(), Duration::from_secs(15));
    assert_eq!(delta.counter("count_total").unwrap(), 30);
    assert_eq!(delta.rate("count_total").unwrap(), 2.0);
    assert_eq!(delta.counter("late_total").unwrap(), 8);
    assert!(delta.counter("no_such_total").is_err());
    let values = delta.histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (100, (1_000..=1_099).sum()));
    let (min, max) = (values.min().unwrap(), values.max().unwrap());
    assert!((993..=1_000).contains(&min) && max == 1_099, "within the precision: {min} to {max}");
    let none = second.since(&second);
    assert_eq!((none.counter("count_total").unwrap(), none.rate("count_total").unwrap()), (0, 0.0));
    assert!(none.histogram("values").unwrap().is_empty());
    assert_eq!(none.histogram("values").unwrap().quantile(0.5), None, "empty is not zero");
}

#[test]
fn extremes_of_a_generation_alone() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let histogram = registry.histogram("values", "Values.").unwrap();
    let extremes = |now: &Snapshot| now.select("values", &[]).next().unwrap().generation_extremes();
    let mut random = Random::new(3);
    let (mut lowest, mut highest) = (u64::MAX, 0);
    for round in 0..40 {
        let values: Vec<u64> = (0..random.below(5)).map(|_| random.magnitude(64)).collect();
        // On two threads, so that two shards take part.
        let (here, there) = values.split_at(values.len() / 2);
        here.iter().for_each(|value| histogram.record(*value));
        std::thread::scope(|scope| {
            scope.spawn(|| there.iter().for_each(|value| histogram.record(*value)));
        });
        let now = engine.refresh();
        let expected = values.iter().min().copied().zip(values.iter().max().copied());
        assert_eq!(extremes(&now), expected, "round {round}");
        lowest = lowest.min(expected.map_or(u64::MAX, |e| e.0));
        highest = highest.max(expected.map_or(0, |e| e.1));
        let all = now.histogram("values").unwrap();
        assert!(all.is_empty() || (all.min(), all.max()) == (Some(lowest), Some(highest)));
    }
    for value in [0, u64::MAX] {
        histogram.record(value);
        assert_eq!(extremes(&engine.refresh()), Some((value, value)), "the ends of the range");
    }
}

#[test]
fn numbers_are_shown_in_their_exported_unit() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let seconds = |name: &str| registry.metric(name, "In nanoseconds.").unit(Unit::Nanoseconds);
    seconds("busy_seconds_total").counter().unwrap().add(1_234_567_890_123_456_789);
    seconds("whole_seconds_total").counter().unwrap().add(3_000_000_000);
    seconds("drift_seconds").up_down_counter().unwrap().add(-1_000_000_001);
    seconds("least_seconds").up_down_counter().unwrap().add(i64::MIN);
    seconds("lag_seconds").gauge().unwrap().set(2_500_000_000.0);
    let wait = seconds("wait_seconds").histogram().unwrap();
    [0, 1, 999_999, 1_000_000, 7_000_000_000, 20_000_000_000]
        .iter()
        .for_each(|&ns| wait.record(ns));
    let sizes = registry.metric("size_bytes", "In bytes.").unit(Unit::Bytes).histogram().unwrap();
    [1, 64, 65, u64::MAX].iter().for_each(|&bytes| sizes.record(bytes));
    registry.metric("used_ratio", "Used.").unit(Unit::Ratio).gauge().unwrap().set(0.125);
    let samples = page::parse(&page_of(&engine));
    let shown = |name: &str| page::value(&samples, name, &[]).unwrap();
    assert_eq!(shown("busy_seconds_total"), "1234567890.123456789");
    assert_eq!(shown("whole_seconds_total"), "3");
    assert_eq!(shown("drift_seconds"), "-1.000000001");
    assert_eq!(shown("least_seconds"), "-9223372036.854775808");
    assert_eq!(shown("lag_seconds"), "2.5");
    assert_eq!((shown("wait_seconds_count"), shown("wait_seconds_sum")), ("6", "27.002"));
    assert_eq!(shown("size_bytes_sum"), (u128::from(u64::MAX) + 130).to_string());
    assert_eq!(shown("used_ratio"), "0.125");
    let bucket = |name: &str, le: &str| {
        let value = page::value(&samples, name, &[("le", le)]);
        value.unwrap_or_else(|| panic!("{name} has no bound {le}"))
    };
    assert_eq!(bucket("wait_seconds_bucket", "0.000001"), "2");
    assert_eq!(bucket("wait_seconds_bucket", "0.001"), "4");
    assert_eq!(bucket("wait_seconds_bucket", "10"), "5");
    assert_eq!(bucket("wait_seconds_bucket", "+Inf"), "6");
    assert_eq!((bucket("size_bytes_bucket", "64"), bucket("size_bytes_bucket", "256")), ("2", "3"));
    assert_eq!(bucket("size_bytes_bucket", "+Inf"), "4");
}

#[test]
fn constant_labels_never_make_two_series_of_one_text() {
    let registry = Registry::new();
    let metric = || registry.metric("count_total", "Counted.");
    metric().counter().unwrap().add(1);
    metric().label("node", "n-1").counter().unwrap().add(2);
    metric().label("zone", "z").counter().unwrap().add(4);
    metric().label("node", "n-1").label("zone", "z").counter().unwrap().add(8);
    let clock = ManualClock::at(START);
    let builder = Engine::builder().registry(&registry).label("node", "n-1").label("zone", "z");
    let engine = builder.manual(&clock).start().unwrap();
    // Four series, each with a line of its own.
    let samples = page::parse(&page_of(&engine));
    assert_eq!(samples.len(), 4, "{samples:?}");
    assert_eq!(engine.refresh().counter("count_total").unwrap(), 15);
}

#[test]
fn threads_that_were_idle_over_many_cuts_are_not_forgotten() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let counter = registry.counter("count_total", "Counted.").unwrap();
    let histogram = registry.histogram("values", "Values.").unwrap();
    let mut random = Random::new(11);
    let (ask, threads): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (ask, asked) =
                std::sync::mpsc::sync_channel::<(u64, std::sync::mpsc::Sender<()>)>(0);
            let (counter, histogram) = (counter.clone(), histogram.clone());
            let thread = std::thread::spawn(move || {
                while let Ok((value, done)) = asked.recv() {
                    counter.add(value);
                    histogram.record(value);
                    done.send(()).unwrap();
                }
            });
            (ask, thread)
        })
        .unzip();
    let (mut count, mut sum) = (0, 0);
    for round in 0..300 {
        // Now and then one of them records; all others are passed by after some cuts.
        let mut seen = Vec::new();
        for _ in 0..random.below(3) {
            let value = random.magnitude(40);
            let (done, wait) = std::sync::mpsc::channel();
            ask[random.below(4) as usize].send((value, done)).unwrap();
            wait.recv().unwrap();
            (count, sum) = (count + 1, sum + value);
            seen.push(value);
        }
        for cut in 0..1 + random.below(8) {
            let now = engine.refresh();
            assert_eq!(now.counter("count_total").unwrap(), sum, "round {round}, cut {cut}");
            let values = now.histogram("values").unwrap();
            assert_eq!((values.count(), values.sum()), (count, u128::from(sum)));
            let extremes = seen.iter().min().copied().zip(seen.iter().max().copied());
            let series = now.select("values", &[]).next().unwrap();
            assert_eq!(series.generation_extremes(), extremes, "round {round}, cut {cut}");
            seen.clear();
        }
    }
    drop(ask);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
