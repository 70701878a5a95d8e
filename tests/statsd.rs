//! StatsD: what a receiver that adds up deltas has in the end is what was recorded. The receiver is written here, from the
//! formats' documentation.

mod common;
#[path = "common/servers.rs"]
mod servers;

use common::{by_hand, by_hand_with};
use servers::{ODD, odd_registry};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tachometer::{
    Encoder, Engine, Family, ManualClock, Registry, Snapshot, StatsdEncoder, Unit, Value, limits,
};

/// A receiver: what it has by name and tags.
#[derive(Default)]
struct Receiver {
    /// A plain one, which takes a sign for a change.
    plain: bool,
    counters: BTreeMap<String, f64>,
    gauges: BTreeMap<String, f64>,
    /// Values and how often each came.
    histograms: BTreeMap<String, Vec<(f64, u64)>>,
    lines: usize,
}

impl Receiver {
    fn take(&mut self, datagram: &[u8]) {
        let text = std::str::from_utf8(datagram).unwrap();
        assert!(!text.is_empty() && !text.ends_with('\n'));
        text.lines().for_each(|line| self.line(line));
    }

    fn line(&mut self, line: &str) {
        self.lines += 1;
        let (name, rest) = line.split_once(':').unwrap_or_else(|| panic!("{line:?}"));
        let mut parts = rest.split('|');
        let (value, kind) = (parts.next().unwrap(), parts.next().unwrap());
        let (mut rate, mut tags) = (1.0, String::new());
        for part in parts {
            match part.split_at(1) {
                ("@", digits) => {
                    assert!(digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'), "{line:?}");
                    rate = digits.parse().unwrap();
                }
                ("#", all) => tags = all.to_owned(),
                _ => panic!("{line:?}"),
            }
        }
        assert!(!self.plain || tags.is_empty(), "{line:?}");
        for tag in tags.split(',').filter(|tag| !tag.is_empty()) {
            assert!(tag.split_once(':').is_some_and(|(k, v)| !k.is_empty() && !v.is_empty()));
        }
        let signed = value.starts_with(['+', '-']);
        let key = if tags.is_empty() { name.to_owned() } else { format!("{name}#{tags}") };
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?}"));
        match kind {
            "c" => *self.counters.entry(key).or_default() += value / rate,
            "g" if self.plain && signed => *self.gauges.entry(key).or_default() += value,
            "g" => _ = self.gauges.insert(key, value),
            // As receivers do: some round, some cut off.
            "h" | "d" | "ms" => {
                assert_eq!((1.0 / rate) as u64, (1.0f64 / rate).round() as u64);
                self.histograms.entry(key).or_default().push((value, (1.0 / rate) as u64));
            }
            _ => panic!("{line:?}"),
        }
    }
}

/// Sends one delta, and acknowledges it.
fn send(encoder: &mut StatsdEncoder, engine: &Engine, receiver: &mut Receiver) -> usize {
    let snapshot = engine.refresh();
    let page = encoder.to_vec(&snapshot);
    let mut datagrams = 0;
    for datagram in encoder.datagrams(&page) {
        receiver.take(datagram);
        datagrams += 1;
    }
    encoder.acknowledge(&snapshot);
    datagrams
}

#[test]
fn lines_are_as_documented() {
    let snapshot = by_hand(&odd_registry()).refresh();
    let page = String::from_utf8(StatsdEncoder::new().to_vec(&snapshot)).unwrap();
    for line in [
        "odd_total:1|c|#odd:plain",
        "odd_total:3|c|#odd:a_b=c d",
        "odd_total:6|c|#odd:a_line",
        "odd_total:9|c|#odd:~tilde;semi%25:colon_pipe#hash@at",
        "odd_total:101|c",
        "reserved_total:7|c|#name:n,time:t,value:v",
        "huge_total:18446744073709551615|c",
        "low:-9223372036854775808|g",
        "spent_seconds_total:2.500000001|c",
        "vast:1.5e300|g",
        "minus:-1.25|g",
        "size:0|h",
        "size:18410715276690587647|h",
    ] {
        assert!(page.contains(&format!("{line}\n")), "{line}\n{page}");
    }
    assert!(!page.contains("nan") && !page.contains("infinite") && !page.contains("empty"));
    let plain = String::from_utf8(StatsdEncoder::plain().to_vec(&snapshot)).unwrap();
    for line in [
        "odd_total.odd.plain:1|c",
        "odd_total.odd._api_v1_a_b:2|c",
        "odd_total.odd._n_c_d___:8|c",
        "low:0|g\nlow:-9223372036854775808|g",
        "negative:0|g\nnegative:-17|g",
        "size:11|ms",
    ] {
        assert!(plain.contains(&format!("{line}\n")), "{line}\n{plain}");
    }
    assert!(!plain.contains('#'));
    let distributions = StatsdEncoder::new().distributions().to_vec(&snapshot);
    assert!(String::from_utf8(distributions).unwrap().contains("size:11|d\n"));
}

#[test]
fn odd_labels_never_make_two_series_one() {
    for plain in [false, true] {
        let mut receiver = Receiver { plain, ..Receiver::default() };
        let mut encoder = if plain { StatsdEncoder::plain() } else { StatsdEncoder::new() };
        send(&mut encoder, &by_hand(&odd_registry()), &mut receiver);
        let odd = receiver.counters.iter().filter(|(name, _)| name.starts_with("odd_total"));
        let mut counts: Vec<_> = odd.map(|(_, count)| *count as u64).collect();
        counts.sort();
        let wanted: Vec<_> = (1..=ODD.len() as u64).chain([100, 101]).collect();
        assert_eq!(counts, wanted);
        assert_eq!(receiver.gauges["negative"], -17.0);
        assert_eq!(receiver.gauges["minus"], -1.25);
    }
}

#[test]
fn a_send_that_failed_loses_nothing_and_counts_nothing_twice() {
    let registry = Registry::new();
    let requests = registry.counter("requests_total", "Requests.").unwrap();
    let sizes = registry.histogram("size", "Sizes.").unwrap();
    let engine = by_hand(&registry);
    let (mut encoder, mut receiver) = (StatsdEncoder::new(), Receiver::default());
    for round in 1..=20u64 {
        requests.add(round);
        sizes.record_n(round, round);
        if round % 3 == 0 {
            // Written, but it never arrives.
            let lost = encoder.to_vec(&engine.refresh());
            assert!(lost.starts_with(b"requests_total:"));
        } else {
            send(&mut encoder, &engine, &mut receiver);
        }
    }
    send(&mut encoder, &engine, &mut receiver);
    assert_eq!(receiver.counters["requests_total"], 210.0);
    let mut values = BTreeMap::<u64, u64>::new();
    for &(value, count) in &receiver.histograms["size"] {
        *values.entry(value as u64).or_default() += count;
    }
    assert!(values.into_iter().eq((1..=20).map(|round| (round, round))), "small values are exact");
    // Nothing happened: nothing is sent.
    let lines = receiver.lines;
    assert_eq!(send(&mut encoder, &engine, &mut receiver), 0);
    assert_eq!(receiver.lines, lines);
}

#[test]
fn series_come_go_and_come_again() {
    let registry = Registry::new();
    let metric = registry.metric("requests_total", "Requests.");
    let metric = metric.expire_after(Duration::from_secs(10));
    let family: Family<tachometer::Counter, 1> = metric.family(["path"]).unwrap();
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = by_hand_with(&registry, &clock);
    let (mut encoder, mut receiver) = (StatsdEncoder::new(), Receiver::default());
    let mut sent = BTreeMap::<String, u64>::new();
    for round in 0..30u64 {
        // Paths take turns to be quiet for longer than they live, and a new one comes now and then.
        for path in (0..6).filter(|path| (round / 4) % 3 == path % 3 || round > 4 * path) {
            let path = format!("/{path}");
            family.at([&*path]).add(round + 1);
            *sent.entry(path).or_default() += round + 1;
        }
        clock.advance(Duration::from_secs(4));
        send(&mut encoder, &engine, &mut receiver);
    }
    for (path, count) in sent {
        assert_eq!(receiver.counters[&format!("requests_total#path:{path}")], count as f64);
    }
}

#[test]
fn a_histogram_keeps_its_count_and_its_shape() {
    for (plain, decades) in [(false, 1), (false, 3), (true, 3), (false, 9), (false, 15)] {
        let registry = Registry::new();
        let metric = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
        let histogram = metric.histogram().unwrap();
        let engine = by_hand(&registry);
        let mut receiver = Receiver { plain, ..Receiver::default() };
        let mut encoder = if plain { StatsdEncoder::plain() } else { StatsdEncoder::new() };
        for round in 0..3 {
            for step in 0..20_000u32 {
                let power = f64::from(step) / 20_000.0 * f64::from(decades);
                histogram.record((1_000.0 * 10f64.powf(power)) as u64 * (round + 1));
            }
            let before = receiver.lines;
            send(&mut encoder, &engine, &mut receiver);
            assert!(receiver.lines - before <= limits::MAX_STATSD_LINES);
        }
        let all = engine.refresh().histogram("wait_seconds").unwrap();
        let unit = if plain { 1e6 } else { 1e9 };
        let mut values = receiver.histograms["wait_seconds"].clone();
        values.sort_by(|a, b| a.0.total_cmp(&b.0));
        let count: u64 = values.iter().map(|(_, count)| count).sum();
        assert_eq!(count, all.count());
        let sum: f64 = values.iter().map(|(value, count)| value * *count as f64).sum();
        let exact = all.sum() as f64 / unit;
        assert!((sum - exact).abs() <= 0.004 * exact, "{decades} decades: {sum}, not {exact}");
        // Buckets at two figures, and wider ones where there are many.
        let error = [(1, 0.02), (3, 0.05), (9, 0.2), (15, 0.5)];
        let error = error.iter().find(|(most, _)| decades <= *most).unwrap().1;
        for q in [0.1, 0.5, 0.9, 0.99] {
            let rank = (q * count as f64).ceil() as u64;
            let mut below = 0;
            let sent = values.iter().find(|(_, count)| {
                below += count;
                below >= rank
            });
            let (sent, exact) = (sent.unwrap().0, all.quantile(q).unwrap() as f64 / unit);
            assert!((sent - exact).abs() <= error * exact, "{decades}, {q}: {sent}, not {exact}");
        }
    }
}

#[test]
fn datagrams_are_short_and_whole() {
    let registry = odd_registry();
    for index in 0..100 {
        let metric = registry.metric("more", "More.").label("index", format!("{index}"));
        metric.up_down_counter().unwrap().add(-index);
    }
    let long = registry.metric("n".repeat(limits::MAX_NAME_BYTES), "Long.");
    let long = long.label("l", "x".repeat(limits::MAX_LABEL_VALUE_BYTES));
    long.gauge().unwrap().set(-f64::MAX / 3.0);
    let snapshot = by_hand(&registry).refresh();
    for limit in [limits::MIN_STATSD_DATAGRAM_BYTES, limits::STATSD_DATAGRAM_BYTES, 8_000] {
        for encoder in [StatsdEncoder::new(), StatsdEncoder::plain()] {
            let mut encoder = encoder.datagram_bytes(limit).unwrap();
            let page = encoder.to_vec(&snapshot);
            let datagrams: Vec<_> = encoder.datagrams(&page).collect();
            assert!(datagrams.iter().all(|datagram| datagram.len() <= limit));
            let mut whole = datagrams.join(&b'\n');
            whole.push(b'\n');
            assert_eq!(whole, page, "nothing is lost or split");
            let zero = |datagram: &&[u8]| datagram.ends_with(b":0|g");
            let starts = |pair: &[&[u8]]| zero(&pair[0]) && pair[1].starts_with(b"more.index");
            assert!(!datagrams.windows(2).any(starts), "a zero without its value");
        }
    }
    let error = StatsdEncoder::new().datagram_bytes(100).unwrap_err().to_string();
    assert_eq!(error, "setting datagram_bytes: 100 is less than 512, which a long line needs");
}

#[test]
fn a_delta_is_what_the_snapshots_say() {
    let registry = odd_registry();
    let engine = by_hand(&registry);
    let (mut encoder, mut receiver) = (StatsdEncoder::new(), Receiver::default());
    let early = engine.refresh();
    encoder.acknowledge(&early);
    registry.counter("large_total", "At the end of i64.").unwrap().add(5);
    registry.counter("late_total", "A late one.").unwrap().add(3);
    registry.histogram("empty", "Nothing.").unwrap().record_n(77, 1_000_000);
    send(&mut encoder, &engine, &mut receiver);
    let names: BTreeSet<_> = receiver.counters.keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["large_total", "late_total"]));
    assert_eq!(receiver.counters["large_total"], 5.0);
    assert_eq!(receiver.histograms.len(), 1);
    assert_eq!(receiver.histograms["empty"], [(77.0, 1_000_000)]);
    let gauges = |snapshot: &Snapshot| {
        let gauge = |value| match value {
            Value::UpDownCounter(_) => true,
            Value::Gauge(value) => value.is_finite(),
            _ => false,
        };
        snapshot.series().filter(|series| gauge(series.value)).count()
    };
    assert_eq!(receiver.gauges.len(), gauges(&early), "gauges are always sent");
}
