//! Any values, against the `hdrhistogram` crate: every bucket, quantiles, exact sum and extremes; merging, subtracting and
//! converting; and the cumulative counts on the text page.

use crate::naive::{Spread, bucket, hdr, precision};
use crate::operations::Amount;
use crate::page;
use arbitrary::Arbitrary;
use std::time::Duration;
use tachometer::{
    Buckets, Engine, Error, Histogram, HistogramSnapshot, ManualClock, Registry, Snapshot,
    TextEncoder, Unit,
};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    figures: u8,
    bounds: u8,
    nanoseconds: bool,
    /// Recorded before the first of two generations.
    first: Vec<Entry>,
    second: Vec<Entry>,
    quantiles: Vec<u16>,
}

/// A value, recorded up to 2⁴⁰ times.
#[derive(Arbitrary, Debug)]
struct Entry {
    amount: Amount,
    doublings: u8,
}

impl Entry {
    fn times(&self) -> u64 {
        u64::from(self.amount.times) << (self.doublings % 33)
    }
}

/// Bounds for a page, by number of `Plan::bounds`; recorded values are integers, bounds need not be.
const BOUNDS: [Buckets; 6] = [
    Buckets::Auto,
    Buckets::Fixed(&[]),
    Buckets::Fixed(&[0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 31.5, 32.0, 33.0, 2047.0, 2048.0, 2049.5]),
    Buckets::Fixed(&[1e-12, 1e-9, 1.5e-9, 1e-6, 1e-3, 1.0, 18446744073.0, 1e18, 1e300]),
    Buckets::Fixed(&[255.0, 256.0, 257.0, 65535.0, 4294967296.0, 9.3e18, 1.85e19]),
    Buckets::Fixed(&[5e-324, 1e5, 1e15, 9007199254740993.0]),
];

/// Runs one input; panics if the engine and the oracle disagree.
pub fn run(plan: &Plan) {
    // Three figures have so many buckets that one input takes as long as ten others.
    let figures = [1, 2, 1, 2, 1, 2, 1, 3][usize::from(plan.figures) % 8];
    let (all, name) = match plan.nanoseconds {
        true => (Unit::Nanoseconds, "all_seconds"),
        false => (Unit::None, "all"),
    };
    let registry = Registry::new();
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start().expect("no other");
    let register = |name: &str, unit| {
        let metric = registry.metric(name, "Values.").precision(precision(figures)).unit(unit);
        let bounds = BOUNDS[usize::from(plan.bounds) % BOUNDS.len()];
        metric.buckets(bounds).histogram().expect("valid")
    };
    let all = register(name, all);
    let parts = [register("first", Unit::None), register("second", Unit::None)];
    let before = record(&plan.first, [&all, &parts[0]], figures);
    let early = engine.refresh();
    let since = record(&plan.second, [&all, &parts[1]], figures);
    let late = engine.refresh();

    let mut total = before.clone();
    total.add(&since);
    before.check(&find(&early, name));
    check_total(&total, [&before, &since], &find(&late, name));
    check_parts(&late, name, [&before, &since]);
    check_since(&early, &late, name, &since);
    check_conversions(&find(&late, name), plan, figures);
    check_page(&late, name, &total, plan.nanoseconds);
}

fn find(snapshot: &Snapshot, name: &str) -> HistogramSnapshot {
    (*snapshot.histogram(name).expect("registered")).clone()
}

fn record(entries: &[Entry], into: [&Histogram; 2], figures: u8) -> Spread {
    let mut spread = Spread::new(figures);
    for entry in entries {
        spread.record(entry.amount.value, entry.times());
        into.iter().for_each(|histogram| histogram.record_n(entry.amount.value, entry.times()));
    }
    spread
}

/// The sum is promised for what each generation added, not for all at once.
fn check_total(total: &Spread, generations: [&Spread; 2], seen: &HistogramSnapshot) {
    total.check(seen);
    if generations.iter().all(|generation| generation.is_sum_exact()) {
        assert_eq!(seen.sum(), total.sum(), "sum over two generations");
    }
}

/// Merging what was recorded apart is recording it together.
fn check_parts(snapshot: &Snapshot, name: &str, spreads: [&Spread; 2]) {
    let [first, second] = ["first", "second"].map(|name| find(snapshot, name));
    spreads[0].check(&first);
    spreads[1].check(&second);
    let mut merged = first;
    merged.merge(&second).expect("of one precision");
    let all = find(snapshot, name);
    assert!(merged.buckets().eq(all.buckets()), "merged buckets");
    assert_eq!((merged.min(), merged.max()), (all.min(), all.max()), "merged extremes");
    if spreads.iter().all(|spread| spread.is_sum_exact()) {
        assert_eq!(merged.sum(), all.sum(), "merged sums");
    }
}

/// Subtracting what was there before leaves what came since.
fn check_since(early: &Snapshot, late: &Snapshot, name: &str, since: &Spread) {
    let whole = find(late, name);
    let difference = whole.since(&find(early, name)).expect("of one precision");
    let second = find(late, "second");
    assert!(difference.buckets().eq(second.buckets()), "the difference's buckets");
    assert_eq!(difference.count(), since.count);
    if since.is_sum_exact() {
        assert_eq!(difference.sum(), since.sum(), "the difference's sum");
    }
    // Its extremes are known to the bucket.
    let extremes = |histogram: &HistogramSnapshot| histogram.min().zip(histogram.max());
    match (extremes(&difference), extremes(&second)) {
        (None, None) => {}
        (Some((min, max)), Some((exact_min, exact_max))) => {
            let figures = difference.precision().figures();
            let (low, high) = (bucket(figures, exact_min).0, bucket(figures, exact_max).1);
            assert!((low..=exact_min).contains(&min), "the difference's minimum");
            assert!((exact_max..=high).contains(&max), "the difference's maximum");
        }
        extremes => panic!("{extremes:?}"),
    }
    let delta = late.since(early).histogram(name).expect("in both");
    assert!(delta.buckets().eq(difference.buckets()), "the delta's buckets");
    assert_eq!(delta.sum(), difference.sum(), "the delta's sum");
    assert!(whole.since(&whole).expect("of one precision").is_empty(), "nothing since itself");
}

fn check_conversions(seen: &HistogramSnapshot, plan: &Plan, figures: u8) {
    let mut direct = hdr(figures);
    for entry in plan.first.iter().chain(&plan.second) {
        direct.record_n(entry.amount.value, entry.times()).expect("in range");
    }
    let counts = |hdr: &hdrhistogram::Histogram<u64>| -> Vec<(u64, u64)> {
        let recorded = hdr.iter_recorded();
        recorded
            .map(|v| (hdr.lowest_equivalent(v.value_iterated_to()), v.count_at_value()))
            .collect()
    };
    assert_eq!(counts(&seen.to_hdr()), counts(&direct), "to_hdr");
    for hdr in [&direct, &seen.to_hdr()] {
        let back = HistogramSnapshot::from_hdr(hdr, seen.unit()).expect("of our precision");
        assert!(back.buckets().eq(seen.buckets()), "from_hdr");
        assert_eq!(back.count(), seen.count());
        assert_eq!(back.is_empty(), seen.is_empty());
        let middles = counts(hdr)
            .into_iter()
            .map(|(low, count)| u128::from(hdr.median_equivalent(low)) * u128::from(count));
        assert_eq!(back.sum(), middles.sum(), "each value counts with its bucket's middle");
    }
    let other = HistogramSnapshot::empty(precision(figures % 3 + 1), seen.unit());
    let refused = seen.clone().merge(&other);
    assert!(matches!(refused, Err(Error::ShapeMismatch { .. })), "another precision");
    check_quantiles(seen, &direct, &plan.quantiles);
}

/// The upper end of the bucket that `hdrhistogram` names, or the exact extreme where that is closer.
fn check_quantiles(
    seen: &HistogramSnapshot,
    hdr: &hdrhistogram::Histogram<u64>,
    quantiles: &[u16],
) {
    assert_eq!(seen.quantile(f64::NAN), None);
    let fractions = quantiles.iter().map(|&q| f64::from(q) / f64::from(u16::MAX));
    for q in fractions.chain([-1.0, 0.0, 0.5, 0.99, 0.999, 1.0, 2.0]) {
        let expected = seen.min().zip(seen.max()).map(|(min, max)| {
            let low = hdr.lowest_equivalent(hdr.value_at_quantile(q.max(0.0)));
            let end = if q <= 0.0 { low } else { bucket(hdr.sigfig(), low).1 };
            end.clamp(min, max)
        });
        assert_eq!(seen.quantile(q), expected, "quantile {q}");
        assert_eq!(seen.quantile_duration(q), expected.map(Duration::from_nanos));
    }
}

/// A page counts the values in the buckets up to the one that holds the bound.
fn check_page(snapshot: &Snapshot, name: &str, total: &Spread, nanoseconds: bool) {
    let mut text = Vec::new();
    TextEncoder::new().encode(snapshot, &mut text);
    let families = page::read(&text).expect("a valid page");
    let family = families.iter().find(|family| family.name == name).expect("on the page");
    let histogram = page::histograms(family).expect("a histogram").remove(0);
    let unit = if nanoseconds { 1_000_000_000 } else { 1 };
    let seen = find(snapshot, name);
    assert_eq!(histogram.count, total.count);
    assert_eq!(page::in_units(&histogram.sum, unit), i128::try_from(seen.sum()).ok(), "sum");
    for (bound, count) in histogram.buckets {
        assert_eq!(count, expected_below(total, bound, unit), "up to {bound}");
    }
}

/// How many values a bound counts: those up to the end of the bucket of the largest integer at or below it.
pub fn expected_below(total: &Spread, bound: f64, unit: u64) -> u64 {
    if bound == f64::INFINITY {
        return total.count;
    }
    // As it is printed: in decimal digits, of which those below the recorded unit are left out.
    let printed = format!("{bound}");
    let (whole, part) = printed.split_once('.').unwrap_or((&printed, ""));
    let places = unit.ilog10() as usize;
    let digits = format!("{whole}{:0<places$}", &part[..part.len().min(places)]);
    total.up_to(digits.parse().unwrap_or(u64::MAX))
}
