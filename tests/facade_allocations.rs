//! A record through a facade allocates nothing once its series is known: not for the look-up of a macro's handle, not beyond
//! what a thread remembers, not for an instrument of OpenTelemetry.
#![cfg(any(feature = "metrics", feature = "opentelemetry"))]

mod common;
#[path = "common/counting.rs"]
mod counting;

use common::by_hand;
use counting::allocations;
use tachometer::Registry;

#[cfg(feature = "metrics")]
#[test]
fn macros_and_handles_of_the_metrics_crate() {
    use metrics::{NoopRecorder, counter, gauge, histogram, with_local_recorder};
    use tachometer::facade::metrics::Recorder;
    let registry = Registry::new();
    let recorder = Recorder::new(&registry).unwrap();
    let kept = with_local_recorder(&recorder, || counter!("kept_total"));
    let plain = || {
        counter!("c_total").increment(1);
        counter!("c_total", "a" => "b", "c" => "d").increment(1);
        gauge!("g").set(1.0);
        histogram!("h_seconds").record(0.5);
        kept.increment(1);
    };
    // The macro allocates its key itself.
    let name = String::from("/users/{id}");
    let owned = || counter!("c_total", "route" => name.clone()).increment(1);
    let made_by_the_macro = with_local_recorder(&NoopRecorder, || allocations(owned));
    assert!(made_by_the_macro > 0);
    with_local_recorder(&recorder, || {
        plain();
        owned();
        for _ in 0..100 {
            assert_eq!(allocations(plain), 0);
            assert_eq!(allocations(owned), made_by_the_macro);
        }
    });
    assert_eq!(by_hand(&registry).refresh().counter("kept_total").unwrap(), 101);
}

#[cfg(feature = "metrics")]
#[test]
fn more_series_than_a_thread_remembers() {
    use metrics::{Key, Label, Level, Metadata, Recorder as _};
    use tachometer::facade::metrics::Recorder;
    let registry = Registry::new();
    let series = tachometer::limits::METRICS_THREAD_HANDLES as u64 * 3 / 2;
    let recorder = Recorder::new(&registry).unwrap().limit(series as usize);
    let key = |i: u64| Key::from_parts("c_total", vec![Label::new("i", i.to_string())]);
    let keys: Vec<Key> = (0..series).map(key).collect();
    let metadata = Metadata::new("", Level::INFO, None);
    let round =
        || keys.iter().for_each(|key| recorder.register_counter(key, &metadata).increment(1));
    // The table grows for as long as keys meet in it.
    (0..3).for_each(|_| round());
    assert_eq!(allocations(|| (0..3).for_each(|_| round())), 0);
    let now = by_hand(&registry).refresh();
    assert_eq!(now.select("c_total", &[]).count() as u64, series);
    assert_eq!(now.counter("c_total").unwrap(), 6 * series);
    assert_eq!(now.counter_with("c_total", &[("i", "7")]).unwrap(), 6);
}

#[cfg(feature = "opentelemetry")]
#[test]
fn instruments_of_opentelemetry() {
    use opentelemetry::{KeyValue, metrics::MeterProvider as _};
    use tachometer::facade::opentelemetry::MeterProvider;
    let registry = Registry::new();
    let meter = MeterProvider::new(&registry).unwrap().meter("m");
    let (counter, histogram) =
        (meter.u64_counter("c").build(), meter.f64_histogram("h").with_unit("s").build());
    let attributes = [KeyValue::new("a", "b"), KeyValue::new("n", 7)];
    let round = || {
        counter.add(1, &[]);
        counter.add(1, &attributes);
        histogram.record(0.5, &attributes);
    };
    round();
    assert_eq!(allocations(|| (0..100).for_each(|_| round())), 0);
    assert_eq!(by_hand(&registry).refresh().counter("c").unwrap(), 202);
}
