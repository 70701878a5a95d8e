//! Instruments of the OpenTelemetry API, and what they leave on the page.
#![cfg(feature = "opentelemetry")]

mod common;

use common::page::{parse, value};
use common::{by_hand, page_of};
use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tachometer::Registry;
use tachometer::facade::opentelemetry::MeterProvider;

#[test]
fn every_kind_of_instrument() {
    let registry = Registry::new();
    let meter = MeterProvider::new(&registry).unwrap().meter("orders");
    let (a, b) = (KeyValue::new("a.b", "x"), KeyValue::new("n", 7));
    let counter = meter.u64_counter("orders.placed").with_description("Orders.").build();
    counter.add(1, &[a.clone(), b.clone()]);
    counter.add(2, &[b.clone(), a.clone()]);
    counter.add(4, &[]);
    let euros = meter.f64_counter("euros").build();
    [0.5, 0.25, -1.0].iter().for_each(|&value| euros.add(value, &[]));
    let queue = meter.i64_up_down_counter("queue").build();
    [5, -2].iter().for_each(|&n| queue.add(n, &[]));
    meter.f64_up_down_counter("balance").build().add(-1.5, &[]);
    meter.f64_gauge("temperature").build().record(21.5, &[]);
    meter.u64_gauge("level").build().record(3, &[]);
    meter.i64_gauge("depth").build().record(-3, &[]);
    let latency = meter.f64_histogram("http.server.duration").with_unit("s").build();
    [0.1, 0.2, -1.0, f64::NAN].iter().for_each(|&value| latency.record(value, &[]));
    let millis = meter.u64_histogram("wait").with_unit("ms").build();
    millis.record(250, std::slice::from_ref(&b));
    meter.u64_histogram("body.size").with_unit("By").build().record(4096, &[]);

    let page = page_of(&by_hand(&registry));
    let samples = parse(&page);
    let at =
        |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels).unwrap().to_owned();
    assert_eq!(at("orders_placed", &[("a_b", "x"), ("n", "7")]), "3", "in either order");
    assert!(page.contains("# HELP orders_placed Orders.\n"), "{page}");
    assert_eq!(samples[&("orders_placed".to_owned(), vec![])], "4");
    assert_eq!(at("euros", &[]), "0.75");
    assert_eq!(at("queue", &[]), "3");
    assert_eq!(at("balance", &[]), "-1.5");
    assert_eq!(at("temperature", &[]), "21.5");
    assert_eq!((at("level", &[]), at("depth", &[])), ("3".to_owned(), "-3".to_owned()));
    assert_eq!(at("http_server_duration_seconds_count", &[]), "2");
    assert_eq!(at("http_server_duration_seconds_sum", &[]).parse::<f64>().unwrap(), 0.3);
    assert_eq!(at("wait_seconds_sum", &[("n", "7")]), "0.25");
    assert_eq!(at("body_size_bytes_sum", &[]), "4096");
    let refused = [("facade", "opentelemetry"), ("reason", "value")];
    assert_eq!(at("tachometer_facade_refused_total", &refused), "3");
}

#[test]
fn observables_are_asked_once_a_snapshot() {
    let registry = Registry::new();
    let meter = MeterProvider::new(&registry).unwrap().meter("m");
    let calls = Arc::new(AtomicU64::new(0));
    let counted = calls.clone();
    let _counter = meter
        .u64_observable_counter("polls")
        .with_callback(move |observer| {
            let n = counted.fetch_add(1, Ordering::Relaxed) + 1;
            observer.observe(n * 10, &[KeyValue::new("cpu", "0")]);
            observer.observe(n * 100, &[KeyValue::new("cpu", "1")]);
        })
        .build();
    let _gauge = meter
        .f64_observable_gauge("load")
        .with_callback(|observer| observer.observe(0.5, &[]))
        .build();
    let _up_down = meter
        .i64_observable_up_down_counter("open")
        .with_callback(|observer| observer.observe(-4, &[]))
        .build();
    let engine = by_hand(&registry);
    for round in 1..=3 {
        let now = engine.refresh();
        assert_eq!(calls.load(Ordering::Relaxed), round);
        let of = |cpu| now.counter_with("polls", &[("cpu", cpu)]).unwrap();
        assert_eq!((of("0"), of("1")), (round * 10, round * 100), "in that very snapshot");
        assert_eq!(now.gauge("load").unwrap(), 0.5);
        assert_eq!(now.gauge("open").unwrap(), -4.0);
    }
}

#[test]
fn conflicts_floods_and_threads() {
    let registry = Registry::new();
    let provider = MeterProvider::new(&registry).unwrap().limit(10);
    let (one, two) = (provider.meter("one"), provider.meter("two"));
    one.u64_counter("x").build().add(1, &[]);
    two.u64_counter("x").build().add(2, &[]);
    two.f64_gauge("x").build().record(9.0, &[]);
    let flooded = one.u64_counter("flooded").build();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..500).for_each(|i| flooded.add(1, &[KeyValue::new("i", i % 50)]));
            });
        }
    });
    let engine = by_hand(&registry);
    let now = engine.refresh();
    assert_eq!(now.counter("x").unwrap(), 3, "one metric, whichever meter");
    assert_eq!(now.counter("flooded").unwrap(), 2_000, "nothing is lost");
    assert_eq!(now.select("flooded", &[]).count(), 11);
    let refused = [("facade", "opentelemetry"), ("reason", "conflict")];
    let samples = parse(&page_of(&engine));
    assert_eq!(value(&samples, "tachometer_facade_refused_total", &refused), Some("1"));
}

#[test]
fn metrics_whose_every_series_is_beyond_the_limit_stay_apart() {
    let registry = Registry::new();
    let meter = MeterProvider::new(&registry).unwrap().limit(0).meter("m");
    for (round, help) in ["first", "second"].iter().enumerate() {
        // What is said of it later changes nothing.
        for (name, n) in [("a.b", 1), ("a-b", 2)] {
            let counter = meter.u64_counter(name).with_description(*help).build();
            counter.add(n, &[KeyValue::new("round", round as i64)]);
        }
    }
    let samples = parse(&page_of(&by_hand(&registry)));
    let of_both = samples.iter().filter(|((name, _), _)| name.starts_with("a_b"));
    let mut totals: Vec<_> = of_both.map(|(_, value)| value.as_str()).collect();
    totals.sort_unstable();
    assert_eq!(totals, ["2", "4"]);
    let refused = [("facade", "opentelemetry"), ("reason", "conflict")];
    assert_eq!(value(&samples, "tachometer_facade_refused_total", &refused), Some("0"));
}

#[cfg(feature = "opentelemetry-bound")]
#[test]
fn bound_instruments_record_in_the_series_of_their_attributes() {
    let registry = Registry::new();
    let meter = MeterProvider::new(&registry).unwrap().limit(3).meter("orders");
    let (a, b) = (KeyValue::new("a", "x"), KeyValue::new("b", 7));
    let counter = meter.u64_counter("placed").build();
    let bound = counter.bind(&[a.clone(), b.clone()]);
    bound.add(1);
    counter.add(2, &[b.clone(), a.clone()]);
    bound.clone().add(4);
    // Beyond the limit, where each order of attributes counts: in the overflow series, as an unbound record would be.
    counter.add(8, &[]);
    counter.bind(std::slice::from_ref(&a)).add(16);
    let queue = meter.i64_up_down_counter("queue").build().bind(std::slice::from_ref(&a));
    [5, -2].iter().for_each(|&n| queue.add(n));
    let balance = meter.f64_up_down_counter("balance").build().bind(&[]);
    let euros = meter.f64_counter("euros").build().bind(&[]);
    [1.5, -0.25, f64::NAN].iter().for_each(|&value| {
        balance.add(value);
        euros.add(value);
    });
    meter.f64_gauge("temperature").build().bind(&[]).record(21.5);
    meter.u64_gauge("level").build().bind(&[]).record(3);
    meter.i64_gauge("depth").build().bind(&[]).record(-3);
    let latency = meter.f64_histogram("duration").with_unit("s").build().bind(&[]);
    [0.1, 0.2, -1.0].iter().for_each(|&value| latency.record(value));
    meter.u64_histogram("wait").with_unit("ms").build().bind(std::slice::from_ref(&b)).record(250);
    // The name of a counter.
    meter.u64_gauge("placed").build().bind(&[]).record(9);

    let engine = by_hand(&registry);
    let now = engine.refresh();
    let placed = |labels: &[(&str, &str)]| now.counter_with("placed", labels).unwrap();
    assert_eq!(placed(&[("a", "x"), ("b", "7")]), 7);
    assert_eq!(placed(&[("overflow", "true")]), 16);
    assert_eq!(now.counter("placed").unwrap(), 31);
    let samples = parse(&page_of(&engine));
    let at =
        |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels).unwrap().to_owned();
    assert_eq!(at("queue", &[("a", "x")]), "3");
    assert_eq!((at("balance", &[]), at("euros", &[])), ("1.25".to_owned(), "1.5".to_owned()));
    assert_eq!(at("temperature", &[]), "21.5");
    assert_eq!((at("level", &[]), at("depth", &[])), ("3".to_owned(), "-3".to_owned()));
    assert_eq!(at("duration_seconds_count", &[]), "2");
    assert_eq!(at("wait_seconds_sum", &[("b", "7")]), "0.25");
    let refused = |reason| {
        at("tachometer_facade_refused_total", &[("facade", "opentelemetry"), ("reason", reason)])
    };
    assert_eq!((refused("conflict").as_str(), refused("value").as_str()), ("1", "4"));
}
