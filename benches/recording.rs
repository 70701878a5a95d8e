//! The recording paths under criterion: for profiles and for following a change. The figures that are held to limits are
//! those of `tacho bench`, which times path and baseline in turns.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::num::NonZeroU32;
use tachometer::{
    Counter, EnumFamily, Family, Gauge, Histogram, Registry, Unit, UpDownCounter, group, labels,
};

labels! { enum Outcome("outcome") { Ok = "ok", Failed = "failed" } }

static COUNTER: Counter = Counter::new("counter_total", "A counter.");
static UP_DOWN: UpDownCounter = UpDownCounter::new("up_down", "An up-down counter.");
static GAUGE: Gauge = Gauge::new("gauge", "A gauge.");
static LATENCY: Histogram =
    Histogram::new("latency_seconds", "A histogram.").unit(Unit::Nanoseconds);
static BY_ENUM: EnumFamily<Counter, Outcome> = EnumFamily::new("by_enum_total", "By an enum.");
static BY_NAME: Family<Counter, 2> = Family::new("by_name_total", "By names.", ["peer", "kind"]);

fn handles(c: &mut Criterion) {
    c.bench_function("counter static", |b| b.iter(|| black_box(&COUNTER).inc()));
    let registry = Registry::new();
    let owned = registry.counter("owned_total", "A counter.").expect("a fresh registry");
    c.bench_function("counter owned", |b| b.iter(|| black_box(&owned).inc()));
    c.bench_function("up-down counter", |b| b.iter(|| black_box(&UP_DOWN).dec()));
    c.bench_function("gauge set", |b| b.iter(|| black_box(&GAUGE).set(black_box(7.0))));
    let mut value = 0u64;
    c.bench_function("histogram", |b| {
        b.iter(|| {
            value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            black_box(&LATENCY).record(value >> 46);
        });
    });
}

fn timers(c: &mut Criterion) {
    c.bench_function("timer", |b| b.iter(|| black_box(&LATENCY).start().stop()));
    let one_in = NonZeroU32::new(64).expect("not zero");
    c.bench_function("timer sampled 1 in 64", |b| {
        b.iter(|| black_box(&LATENCY).start_sampled(one_in).stop());
    });
}

fn groups_and_families(c: &mut Criterion) {
    c.bench_function("group of a counter and a histogram", |b| {
        b.iter(|| {
            let group = group();
            group.add(&COUNTER, 1);
            group.record(&LATENCY, black_box(50_000));
        });
    });
    c.bench_function("family by enum", |b| {
        b.iter(|| black_box(&BY_ENUM).at(black_box(Outcome::Failed)).inc());
    });
    c.bench_function("family by two strings", |b| {
        b.iter(|| black_box(&BY_NAME).at(black_box(["peer-2", "append"])).inc());
    });
}

criterion_group!(benches, handles, timers, groups_and_families);
criterion_main!(benches);
