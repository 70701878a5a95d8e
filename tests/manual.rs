//! An engine driven by hand, on a clock that the test moves: the same records give the same pages byte for byte; idle
//! series of families go and come back from zero, with no count lost and none of a slot's former tenant; labels of the
//! engine and of scopes; what was recorded between two snapshots; histograms that agree with `hdrhistogram` bucket for
//! bucket and are exact where that is not.

mod common;

use common::random::Random;
use common::{by_hand, by_hand_with, page};
use hdrhistogram::Histogram as Hdr;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;
use tachometer::{
    Counter, Engine, Error, Family, Gauge, Histogram, HistogramSnapshot, ManualClock, Precision,
    Registry, Snapshot, Unit, UpDownCounter,
};

const START: Duration = Duration::from_secs(1_700_000_000);
const IDLE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

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
fn a_value_recorded_no_times_leaves_no_trace() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let histogram = registry.histogram("values", "Values.").unwrap();
    histogram.record_n(5, 0);
    histogram.record_n(1 << 40, 0);
    let now = engine.refresh();
    assert!(now.histogram("values").unwrap().is_empty());
    assert_eq!(now.select("values", &[]).next().unwrap().generation_extremes(), None);
    histogram.record(100);
    let values = engine.refresh().histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (1, 100));
    assert_eq!((values.min(), values.max()), (Some(100), Some(100)));
}

#[test]
fn a_sum_beyond_what_a_cell_holds_is_exact() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    for (name, precision) in
        [("rough", Precision::One), ("fair", Precision::Two), ("fine", Precision::Three)]
    {
        let histogram = registry.metric(name, "Values.").precision(precision).histogram().unwrap();
        let mut random = Random::new(precision.figures().into());
        let mut sum = 0u128;
        for _ in 0..50 {
            // As many as the documentation allows in one generation at one significant figure, near 2⁶⁰.
            for _ in 0..200 {
                let value = (1 << 60) + (random.next() >> 6);
                histogram.record(value);
                sum += u128::from(value);
            }
            for _ in 0..10 {
                let value = u64::MAX - random.below(1 << 30);
                histogram.record(value);
                sum += u128::from(value);
            }
            histogram.record(0);
            assert_eq!(engine.refresh().histogram(name).unwrap().sum(), sum, "{name}");
        }
        assert!(sum > 1 << 70);
    }
}

const PRECISIONS: [Precision; 3] = [Precision::One, Precision::Two, Precision::Three];

/// A histogram of ours and one of `hdrhistogram`'s, of the same values.
fn both(precision: Precision, values: &[u64]) -> (HistogramSnapshot, Hdr<u64>) {
    let registry = Registry::new();
    let histogram = registry.metric("values", "Values.").precision(precision).histogram().unwrap();
    let mut hdr = Hdr::new_with_bounds(1, u64::MAX, precision.figures()).unwrap();
    for value in values {
        histogram.record(*value);
        hdr.record(*value).unwrap();
    }
    let ours = by_hand(&registry).refresh().histogram("values").unwrap();
    (HistogramSnapshot::clone(&ours), hdr)
}

/// The counts of a histogram of `hdrhistogram`'s, by the smallest value of their bucket.
fn counts(hdr: &Hdr<u64>) -> Vec<(u64, u64)> {
    let recorded = hdr.iter_recorded();
    recorded.map(|v| (hdr.lowest_equivalent(v.value_iterated_to()), v.count_at_value())).collect()
}

/// The largest value of a bucket; `hdrhistogram` says one too few for the last bucket of the range.
fn upper(hdr: &Hdr<u64>, value: u64) -> u64 {
    let highest = hdr.highest_equivalent(value);
    if highest == u64::MAX - 1 { u64::MAX } else { highest }
}

/// Values as programs have them, and at every edge: small, of each magnitude, powers of two and their neighbours, zero
/// and the largest.
fn value() -> impl Strategy<Value = u64> {
    let power = (0..64u32, -1i64..=1).prop_map(|(bit, by)| (1u64 << bit).wrapping_add_signed(by));
    let magnitude = (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift);
    prop_oneof![4 => magnitude, 2 => power, 1 => Just(0), 1 => Just(u64::MAX), 2 => 0..5_000u64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn buckets_and_quantiles_are_those_of_hdrhistogram(
        values in prop::collection::vec(value(), 1..300),
        more in prop::collection::vec(0.0..=1.0f64, 8),
        figures in 0..3usize,
    ) {
        let (ours, hdr) = both(PRECISIONS[figures], &values);
        let buckets: Vec<_> = ours.buckets().map(|(low, _, count)| (low, count)).collect();
        prop_assert_eq!(buckets, counts(&hdr));
        for (low, high, _) in ours.buckets() {
            prop_assert_eq!(high, upper(&hdr, low));
        }
        let (min, max) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        prop_assert_eq!((ours.min(), ours.max()), (Some(min), Some(max)));
        prop_assert_eq!(ours.count(), values.len() as u64);
        let (count, sum) = (values.len() as f64, values.iter().map(|v| u128::from(*v)).sum());
        // At most 300 values: one generation of so few is exact but at the top of the range at one figure.
        if figures > 0 || values.iter().filter(|value| **value >= 1 << 60).count() < 16 {
            prop_assert_eq!(ours.sum(), sum);
            prop_assert_eq!(ours.mean(), Some(sum as f64 / count));
        }
        for q in [0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0].into_iter().chain(more) {
            // Ours says the exact extremes where the bucket's end lies beyond them. (At zero, hdrhistogram gives the
            // lower end of the first bucket, ours the upper end as everywhere.)
            let theirs = upper(&hdr, hdr.value_at_quantile(q)).clamp(min, max);
            prop_assert_eq!(ours.quantile(q), Some(theirs), "quantile {}", q);
        }
    }

    #[test]
    fn conversion_keeps_every_count(
        values in prop::collection::vec(value(), 0..200),
        figures in 0..3usize,
    ) {
        let (ours, hdr) = both(PRECISIONS[figures], &values);
        prop_assert_eq!(counts(&ours.to_hdr()), counts(&hdr));
        let back = HistogramSnapshot::from_hdr(&hdr, Unit::Bytes).unwrap();
        prop_assert_eq!(back.buckets().collect::<Vec<_>>(), ours.buckets().collect::<Vec<_>>());
        prop_assert_eq!((back.count(), back.unit()), (ours.count(), Unit::Bytes));
        prop_assert_eq!(back.precision(), ours.precision());
        // The middle of each bucket, where the exact sum is not known.
        let middles = ours.buckets().map(|(low, _, n)| u128::from(hdr.median_equivalent(low)) * u128::from(n));
        prop_assert_eq!(back.sum(), middles.sum::<u128>());
        let bounds = ours.buckets().map(|b| b.0).min().zip(ours.buckets().map(|b| b.1).max());
        prop_assert_eq!(back.min().zip(back.max()), bounds);
    }

    #[test]
    fn merging_is_recording_all_of_it(
        left in prop::collection::vec(value(), 0..100),
        right in prop::collection::vec(value(), 0..100),
        figures in 1..3usize,
    ) {
        let precision = PRECISIONS[figures];
        let (mut merged, _) = both(precision, &left);
        let (other, _) = both(precision, &right);
        merged.merge(&other).unwrap();
        let (whole, hdr) = both(precision, &[left.clone(), right.clone()].concat());
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(counts(&merged.to_hdr()), counts(&hdr));
        let mut backwards = other.clone();
        backwards.merge(&both(precision, &left).0).unwrap();
        prop_assert_eq!(&backwards, &merged);
        // And back: what came after the left was the right.
        let since = merged.since(&both(precision, &left).0).unwrap();
        prop_assert_eq!(since.buckets().collect::<Vec<_>>(), other.buckets().collect::<Vec<_>>());
        prop_assert_eq!((since.count(), since.sum()), (other.count(), other.sum()));
    }
}

#[test]
fn histograms_of_different_precision_do_not_mix() {
    let (mut two, _) = both(Precision::Two, &[1, 2, 3]);
    let (three, _) = both(Precision::Three, &[1, 2, 3]);
    let before = two.clone();
    let error = two.merge(&three).unwrap_err();
    assert_eq!(error, Error::ShapeMismatch { left: 2, right: 3 });
    assert!(error.to_string().contains("2 and 3 significant figures"), "{error}");
    assert_eq!(two, before);
    assert!(two.since(&three).is_err());
    let odd = Hdr::<u64>::new_with_bounds(1, u64::MAX, 4).unwrap();
    let error = HistogramSnapshot::from_hdr(&odd, Unit::None).unwrap_err();
    assert!(error.to_string().contains("4 significant figures"), "{error}");
    let coarse = Hdr::<u64>::new_with_bounds(1_000, u64::MAX, 2).unwrap();
    assert!(HistogramSnapshot::from_hdr(&coarse, Unit::None).is_err());
}

#[test]
fn quantiles_that_are_none() {
    let (empty, _) = both(Precision::Two, &[]);
    assert_eq!(
        (empty.quantile(0.5), empty.min(), empty.max(), empty.mean()),
        (None, None, None, None)
    );
    let (one, _) = both(Precision::Two, &[70]);
    assert_eq!(one.quantile(f64::NAN), None);
    assert_eq!([-1.0, 0.0, 0.5, 1.0, 7.0].map(|q| one.quantile(q)), [Some(70); 5]);
    assert_eq!(one.quantile_duration(0.5), Some(Duration::from_nanos(70)));
}
