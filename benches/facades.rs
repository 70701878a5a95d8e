//! What a facade adds to a record: `cargo bench --bench facades --features metrics`.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use tachometer::{Registry, Unit, facade::metrics::Recorder};

fn facades(criterion: &mut Criterion) {
    let registry = Registry::new();
    let own = registry.counter("own_total", "The engine's own.").expect("a new name");
    let seconds = registry.metric("own_seconds", "The engine's own.").unit(Unit::Nanoseconds);
    let own_seconds = seconds.histogram().expect("a new name");
    Recorder::new(&registry).expect("a registry of its own").install().expect("the only one");
    let kept = metrics::counter!("kept_total");
    let kept_seconds = metrics::histogram!("kept_seconds");
    criterion.bench_function("counter own", |b| b.iter(|| black_box(&own).add(1)));
    criterion.bench_function("counter kept", |b| b.iter(|| black_box(&kept).increment(1)));
    criterion.bench_function("counter!", |b| b.iter(|| metrics::counter!("c_total").increment(1)));
    criterion.bench_function("counter! two labels", |b| {
        b.iter(|| metrics::counter!("l_total", "a" => "b", "c" => "d").increment(1));
    });
    criterion.bench_function("histogram own", |b| b.iter(|| black_box(&own_seconds).record(1500)));
    criterion.bench_function("histogram kept", |b| {
        b.iter(|| black_box(&kept_seconds).record(black_box(1.5e-6)));
    });
    criterion.bench_function("histogram!", |b| {
        b.iter(|| metrics::histogram!("h_seconds").record(black_box(1.5e-6)));
    });
}

criterion_group!(benches, facades);
criterion_main!(benches);
