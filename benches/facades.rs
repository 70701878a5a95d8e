//! What a facade adds to a record: `cargo bench --bench facades --features metrics,opentelemetry-bound`.
//!
//! "nothing" is a handle of the `metrics` crate whose record does nothing: what the virtual call itself takes. "no recorder"
//! is a macro whose recorder does nothing: what the making of its key takes.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use tachometer::{Registry, Unit, facade::metrics::Recorder};

struct Nothing;

impl metrics::CounterFn for Nothing {
    fn increment(&self, value: u64) {
        black_box(value);
    }

    fn absolute(&self, value: u64) {
        black_box(value);
    }
}

fn counters(criterion: &mut Criterion, registry: &Registry) {
    let own = registry.counter("own_total", "The engine's own.").expect("a new name");
    let (nothing, kept) =
        (metrics::Counter::from_arc(Arc::new(Nothing)), metrics::counter!("kept_total"));
    let (a, b) = (String::from("get"), String::from("/users/{id}"));
    let owned = || (black_box(&a).clone(), black_box(&b).clone());
    criterion.bench_function("counter own", |b| b.iter(|| black_box(&own).add(1)));
    criterion.bench_function("counter nothing", |b| b.iter(|| black_box(&nothing).increment(1)));
    criterion.bench_function("counter kept", |b| b.iter(|| black_box(&kept).increment(1)));
    criterion.bench_function("counter!", |b| b.iter(|| metrics::counter!("c_total").increment(1)));
    criterion.bench_function("counter! two labels", |b| {
        b.iter(|| metrics::counter!("l_total", "a" => "b", "c" => "d").increment(1));
    });
    criterion.bench_function("counter! two owned labels", |b| {
        b.iter(|| {
            let (a, c) = owned();
            metrics::counter!("d_total", "a" => a, "c" => c).increment(1);
        });
    });
    criterion.bench_function("counter! two owned labels, no recorder", |b| {
        metrics::with_local_recorder(&metrics::NoopRecorder, || {
            b.iter(|| {
                let (a, c) = owned();
                metrics::counter!("d_total", "a" => a, "c" => c).increment(1);
            });
        });
    });
}

fn gauges_and_histograms(criterion: &mut Criterion, registry: &Registry) {
    let own = registry.gauge("own", "The engine's own.").expect("a new name");
    let kept = metrics::gauge!("kept");
    criterion.bench_function("gauge own", |b| b.iter(|| black_box(&own).set(black_box(1.5))));
    criterion.bench_function("gauge kept", |b| b.iter(|| black_box(&kept).set(black_box(1.5))));
    criterion.bench_function("gauge!", |b| b.iter(|| metrics::gauge!("g").set(black_box(1.5))));

    let seconds = registry.metric("own_seconds", "The engine's own.").unit(Unit::Nanoseconds);
    let own = seconds.histogram().expect("a new name");
    let kept = metrics::histogram!("kept_seconds");
    criterion.bench_function("histogram own", |b| {
        b.iter(|| black_box(&own).record(black_box(1500)));
    });
    criterion.bench_function("histogram kept", |b| {
        b.iter(|| black_box(&kept).record(black_box(1.5e-6)));
    });
    criterion.bench_function("histogram!", |b| {
        b.iter(|| metrics::histogram!("h_seconds").record(black_box(1.5e-6)));
    });
}

#[cfg(feature = "opentelemetry-bound")]
fn open_telemetry(criterion: &mut Criterion, registry: &Registry) {
    use opentelemetry::{KeyValue, metrics::MeterProvider as _};
    use tachometer::facade::opentelemetry::MeterProvider;
    let meter = MeterProvider::new(registry).expect("a registry of its own").meter("bench");
    let attributes = [KeyValue::new("a", "b"), KeyValue::new("c", "d")];
    let counter = meter.u64_counter("otel").build();
    let bound = counter.bind(&attributes);
    criterion.bench_function("otel counter", |b| b.iter(|| black_box(&counter).add(1, &[])));
    criterion.bench_function("otel counter two attributes", |b| {
        b.iter(|| black_box(&counter).add(1, black_box(&attributes)));
    });
    criterion.bench_function("otel counter bound", |b| b.iter(|| black_box(&bound).add(1)));
    let histogram = meter.f64_histogram("otel_duration").with_unit("s").build();
    let bound = histogram.bind(&attributes);
    criterion.bench_function("otel histogram two attributes", |b| {
        b.iter(|| black_box(&histogram).record(black_box(1.5e-6), black_box(&attributes)));
    });
    criterion.bench_function("otel histogram bound", |b| {
        b.iter(|| black_box(&bound).record(black_box(1.5e-6)));
    });
}

fn facades(criterion: &mut Criterion) {
    let registry = Registry::new();
    Recorder::new(&registry).expect("a registry of its own").install().expect("the only one");
    counters(criterion, &registry);
    gauges_and_histograms(criterion, &registry);
    #[cfg(feature = "opentelemetry-bound")]
    open_telemetry(criterion, &registry);
}

criterion_group!(benches, facades);
criterion_main!(benches);
