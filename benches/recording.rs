//! The recording paths under criterion: for profiles and for following a change. The figures that are held to limits are
//! those of `tacho bench`, which times path and baseline in turns.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering, compiler_fence};
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

/// What the processor itself asks for: the least that a protocol with a mark before and one after the record can cost, and
/// that a span which is written to memory can.
#[cfg(target_arch = "x86_64")]
fn floors(c: &mut Criterion) {
    // SAFETY: every x86-64 processor has the instruction.
    let stamp = || unsafe { core::arch::x86_64::_rdtsc() };
    let mut one = [0u64; 64];
    c.bench_function("floor: one cell", |b| b.iter(|| *black_box(&mut one[7]) += 1));
    let mut cells = [0u64; 4096];
    c.bench_function("floor: a mark, a cell, a mark", |b| {
        let mark = AtomicU64::new(0);
        let cell = &mut cells[4095];
        let mark = black_box(&mark);
        b.iter(|| {
            mark.store(1, Ordering::Relaxed);
            compiler_fence(Ordering::SeqCst);
            *black_box(&mut *cell) += 1;
            mark.store(2, Ordering::Release);
        });
    });
    c.bench_function("floor: two time stamps", |b| {
        b.iter(|| {
            let start = stamp();
            stamp() - start
        });
    });
    c.bench_function("floor: two time stamps, in nanoseconds, to a cell", |b| {
        b.iter(|| {
            let start = stamp();
            let ticks = stamp().saturating_sub(start);
            let ns = (u128::from(ticks) * u128::from(black_box(1_756_000_000u64))) >> 32;
            *black_box(&mut cells[ns as usize & 4095]) += 1;
        });
    });
}

#[cfg(not(target_arch = "x86_64"))]
fn floors(_: &mut Criterion) {}

criterion_group!(benches, handles, timers, groups_and_families, floors);
criterion_main!(benches);
