//! The `metrics` crate's macros, as several crates use them, and what they leave on the page.
#![cfg(feature = "metrics")]

mod common;

use common::page::{parse, value};
use common::{by_hand, page_of};
use metrics::{Unit, counter, describe_counter, describe_histogram, gauge, histogram};
use tachometer::facade::metrics::Recorder;
use tachometer::{Registry, limits::MAX_LABEL_VALUE_BYTES};

fn recorder() -> (Registry, Recorder) {
    let registry = Registry::new();
    let recorder = Recorder::new(&registry).unwrap();
    (registry, recorder)
}

fn refused(samples: &common::page::Samples, reason: &str) -> u64 {
    let labels = [("facade", "metrics"), ("reason", reason)];
    value(samples, "tachometer_facade_refused_total", &labels).unwrap().parse().unwrap()
}

#[test]
fn what_several_crates_record_is_on_the_page() {
    let (registry, recorder) = recorder();
    metrics::with_local_recorder(&recorder, || {
        // A server that names by dots and describes in milliseconds.
        describe_counter!("http.requests", Unit::Count, "Requests\nserved.");
        describe_histogram!("http.latency_ms", Unit::Milliseconds, "Latency.");
        for (status, n) in [("200", 7), ("500", 2)] {
            counter!("http.requests", "status" => status, "http.method" => "get").increment(n);
        }
        histogram!("http.latency_ms").record(1.5);
        histogram!("http.latency_ms").record_many(250.0, 3);
        // A store that keeps its handles, and counts in absolute numbers.
        let kept = counter!("store_writes_total");
        kept.increment(5);
        kept.clone().increment(1);
        let absolute = counter!("store_reads_total");
        [10, 7, 12].iter().for_each(|&n| absolute.absolute(n));
        let size = gauge!("store_size", "shard" => String::from("a\"b\\c\n"));
        size.set(10.0);
        size.increment(2.5);
        size.decrement(0.5);
        histogram!("store_write_seconds").record(std::time::Duration::from_micros(1));
        histogram!("store_value_bytes").record(4096.0);
        histogram!("batch").record(12.4);
    });
    let page = page_of(&by_hand(&registry));
    let samples = parse(&page);
    let at =
        |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels).unwrap().to_owned();
    assert_eq!(at("http_requests", &[("status", "200"), ("http_method", "get")]), "7");
    assert_eq!(at("http_requests", &[("status", "500")]), "2");
    assert!(page.contains("# HELP http_requests Requests\\nserved.\n"), "{page}");
    assert_eq!(at("http_latency_seconds_count", &[]), "4");
    assert_eq!(at("http_latency_seconds_sum", &[]).parse::<f64>().unwrap(), 0.7515);
    assert_eq!(at("store_writes_total", &[]), "6");
    assert_eq!(at("store_reads_total", &[]), "12");
    assert_eq!(at("store_size", &[("shard", "a\"b\\c\n")]), "12");
    assert_eq!(at("store_write_seconds_sum", &[]).parse::<f64>().unwrap(), 1e-6);
    assert_eq!(at("store_value_bytes_sum", &[]), "4096");
    assert_eq!(at("batch_sum", &[]), "12");
    ["conflict", "limit", "value"]
        .iter()
        .for_each(|reason| assert_eq!(refused(&samples, reason), 0));
}

#[test]
fn names_that_read_the_same_stay_apart_and_odd_ones_stay_valid() {
    let (registry, recorder) = recorder();
    metrics::with_local_recorder(&recorder, || {
        for (name, n) in [("a.b", 1), ("a_b", 2), ("a-b", 4), ("", 8), ("9é", 16)] {
            counter!(name).increment(n);
            counter!(name).increment(n);
        }
        counter!("x".repeat(1_000)).increment(32);
        counter!("x".repeat(1_001)).increment(64);
        let long = "é".repeat(MAX_LABEL_VALUE_BYTES);
        counter!("labels", "__name__" => "n", "le" => "1", "é" => long).increment(1);
        let many: Vec<_> = (0..100).map(|i| metrics::Label::new(format!("l{i}"), "v")).collect();
        counter!("many", many).increment(1);
        histogram!("h_count", "le" => "1").record(1.0);
    });
    let page = page_of(&by_hand(&registry));
    let samples = parse(&page);
    let of = |name: &str| value(&samples, name, &[]).map(str::to_owned);
    assert_eq!(of("a_b").as_deref(), Some("2"), "the first keeps the name");
    let values: Vec<u64> = samples
        .iter()
        .filter(|((name, _), _)| name.starts_with("a_b_") || name.starts_with("xx"))
        .map(|(_, value)| value.parse().unwrap())
        .collect();
    let mut sorted = values.clone();
    sorted.sort();
    assert_eq!(sorted, [4, 8, 32, 64], "{page}");
    assert_eq!((of("_").as_deref(), of("_9_").as_deref()), (Some("16"), Some("32")));
    assert_eq!(value(&samples, "labels", &[("_name__", "n"), ("le", "1")]), Some("1"));
    assert_eq!(value(&samples, "h_count_values_count", &[("exported_le", "1")]), Some("1"));
    assert!(of("many").is_some());
    assert_eq!(refused(&samples, "conflict"), 0);
}

#[test]
fn a_name_that_is_something_else_is_counted_and_nothing_panics() {
    let (registry, recorder) = recorder();
    registry.counter("native", "A counter of the program's own.").unwrap().add(3);
    metrics::with_local_recorder(&recorder, || {
        counter!("x").increment(1);
        gauge!("x").set(5.0);
        let wrong = histogram!("x", "a" => "b");
        wrong.record(1.0);
        wrong.record(1.0);
        gauge!("native").increment(1.0);
        for value in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            histogram!("values").record(value);
        }
        histogram!("values").record(f64::MAX);
    });
    let samples = parse(&page_of(&by_hand(&registry)));
    assert_eq!(value(&samples, "x", &[]), Some("1"));
    assert_eq!(value(&samples, "native", &[]), Some("3"));
    assert_eq!(refused(&samples, "conflict"), 4);
    assert_eq!(refused(&samples, "value"), 4);
    assert_eq!(value(&samples, "values_count", &[]), Some("1"));
}

#[test]
fn a_flood_of_label_values_ends_in_the_overflow_series() {
    let (registry, recorder) = recorder();
    let recorder = recorder.limit(10);
    metrics::with_local_recorder(&recorder, || {
        for _ in 0..3 {
            for user in 0..100 {
                counter!("logins", "user" => user.to_string()).increment(1);
            }
        }
    });
    let samples = parse(&page_of(&by_hand(&registry)));
    assert_eq!(samples.keys().filter(|(name, _)| name == "logins").count(), 11);
    assert_eq!(value(&samples, "logins", &[("overflow", "true")]), Some("270"));
    assert_eq!(value(&samples, "logins", &[("user", "9")]), Some("3"));
    assert_eq!(refused(&samples, "limit"), 270);
}

#[test]
fn threads_that_meet_on_new_series_lose_nothing() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 200;
    let (registry, recorder) = recorder();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                metrics::with_local_recorder(&recorder, || {
                    for i in 0..ROUNDS {
                        counter!("c", "i" => i.to_string()).increment(1);
                        histogram!("h", "i" => (i % 7).to_string()).record(i as f64);
                        gauge!("g").increment(1.0);
                        counter!("up").absolute(i);
                    }
                });
            });
        }
    });
    let now = by_hand(&registry).refresh();
    assert_eq!(now.counter("c").unwrap(), THREADS * ROUNDS);
    assert_eq!(now.select("c", &[]).count(), ROUNDS as usize);
    assert!(now.counter_with("c", &[("i", "77")]).unwrap() == THREADS);
    let histogram = now.histogram("h").unwrap();
    assert_eq!(histogram.count(), THREADS * ROUNDS);
    assert_eq!(histogram.sum(), u128::from(THREADS * (ROUNDS * (ROUNDS - 1) / 2)));
    assert_eq!(now.gauge("g").unwrap(), (THREADS * ROUNDS) as f64);
    assert_eq!(now.counter("up").unwrap(), ROUNDS - 1);
}

#[test]
fn one_recorder_is_installed_and_a_second_is_an_error() {
    let registry = Registry::new();
    Recorder::new(&registry).unwrap().install().unwrap();
    std::thread::spawn(|| counter!("global_total").increment(1)).join().unwrap();
    let error = Recorder::new(&Registry::new()).unwrap().install().unwrap_err().to_string();
    assert!(error.contains("already"), "{error}");
    assert_eq!(by_hand(&registry).refresh().counter("global_total").unwrap(), 1);
}
