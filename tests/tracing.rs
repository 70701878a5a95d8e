//! Spans and events of the `tracing` crate, and what the layer makes of them.
#![cfg(feature = "tracing")]

mod common;

use common::page::{parse, value};
use common::{by_hand, page_of};
use std::time::Duration;
use tachometer::Registry;
use tachometer::facade::tracing::{Builder, MetricsLayer};
use tracing_subscriber::layer::SubscriberExt as _;

const DURATION: &str = "tracing_span_duration_seconds";

fn under(builder: Builder, registry: &Registry, work: impl FnOnce()) {
    let layer = builder.build(registry).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
}

#[test]
fn spans_by_name_and_chosen_fields() {
    let registry = Registry::new();
    under(MetricsLayer::builder().field("table").field("rows"), &registry, || {
        for i in 0..6 {
            let span = tracing::info_span!("query", table = %["a", "b"][i % 2], user = i, rows = tracing::field::Empty);
            span.in_scope(|| std::thread::sleep(Duration::from_millis(2)));
            span.record("rows", 3);
        }
        tracing::debug_span!("commit").in_scope(|| {});
    });
    let engine = by_hand(&registry);
    let now = engine.refresh();
    let a =
        now.histogram_with(DURATION, &[("span", "query"), ("table", "a"), ("rows", "3")]).unwrap();
    assert_eq!(a.count(), 3);
    assert!(a.min().unwrap() >= 2_000_000, "at least the sleep: {:?}", a.min());
    assert_eq!(now.histogram_with(DURATION, &[("span", "query")]).unwrap().count(), 6);
    assert_eq!(now.histogram_with(DURATION, &[("span", "commit")]).unwrap().count(), 1);
    let samples = parse(&page_of(&engine));
    let labelled =
        |key: &str| samples.keys().any(|(_, labels)| labels.iter().any(|(k, _)| k == key));
    assert!(labelled("table") && !labelled("user"), "only chosen fields are labels");
}

#[test]
fn events_by_level_and_by_target() {
    let registry = Registry::new();
    under(MetricsLayer::builder(), &registry, || {
        tracing::error!("one");
        (0..3).for_each(|i| tracing::info!(i, "three"));
    });
    let now = by_hand(&registry).refresh();
    let of = |level| now.counter_with("tracing_events_total", &[("level", level)]).unwrap();
    assert_eq!(["error", "warn", "info", "debug", "trace"].map(of), [1, 0, 3, 0, 0]);

    let registry = Registry::new();
    under(MetricsLayer::builder().targets(true), &registry, || {
        (0..2).for_each(|_| tracing::warn!(target: "store::log", "two"));
        tracing::warn!("one");
    });
    let now = by_hand(&registry).refresh();
    let store = [("level", "warn"), ("target", "store::log")];
    assert_eq!(now.counter_with("tracing_events_total", &store).unwrap(), 2);
    assert_eq!(now.counter("tracing_events_total").unwrap(), 3);
}

#[test]
fn busy_time_is_that_in_which_the_span_is_entered() {
    let registry = Registry::new();
    under(MetricsLayer::builder().busy(true), &registry, || {
        let span = tracing::info_span!("task");
        span.in_scope(|| span.in_scope(|| std::thread::sleep(Duration::from_millis(5))));
        std::thread::sleep(Duration::from_millis(30));
    });
    let now = by_hand(&registry).refresh();
    let whole = now.histogram(DURATION).unwrap().sum();
    let busy = now.histogram("tracing_span_busy_seconds").unwrap().sum();
    assert!(busy >= 5_000_000 && whole >= busy + 30_000_000, "{busy} of {whole}");
}

#[test]
fn a_flood_of_values_ends_in_the_overflow_series() {
    let registry = Registry::new();
    under(MetricsLayer::builder().field("user").limit(5), &registry, || {
        (0..50).for_each(|user| tracing::info_span!("login", user).in_scope(|| {}));
    });
    let engine = by_hand(&registry);
    let now = engine.refresh();
    assert_eq!(now.select(DURATION, &[]).count(), 6);
    assert_eq!(now.histogram_with(DURATION, &[("overflow", "true")]).unwrap().count(), 45);
    let refused = [("facade", "tracing"), ("reason", "limit")];
    let samples = parse(&page_of(&engine));
    assert_eq!(value(&samples, "tachometer_facade_refused_total", &refused), Some("45"));
}

#[test]
fn spans_of_many_threads() {
    let registry = Registry::new();
    let layer = MetricsLayer::builder().field("i").build(&registry).unwrap();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..500).for_each(|i| tracing::info_span!("work", i = i % 50).in_scope(|| {}));
                });
            });
        }
    });
    let now = by_hand(&registry).refresh();
    assert_eq!(now.histogram(DURATION).unwrap().count(), 2_000);
    assert_eq!(now.select(DURATION, &[]).count(), 50);
}
