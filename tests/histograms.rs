//! Histograms: bucket for bucket and quantile for quantile those of `hdrhistogram`, and exact where that is not: sums
//! beyond what 64 bits hold, minimum and maximum. Merging two is recording all of both; pages count what lies below a
//! bound.

mod common;

use common::random::Random;
use common::{by_hand, page, page_of};
use hdrhistogram::Histogram as Hdr;
use proptest::prelude::*;
use std::time::Duration;
use tachometer::{Buckets, Error, HistogramSnapshot, Precision, Registry, Unit};

#[test]
fn a_value_recorded_no_times_leaves_no_trace() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    let histogram = registry.histogram("values", "Values.").unwrap();
    histogram.record_n(5, 0);
    histogram.record_n(1 << 40, 0);
    let now = engine.refresh();
    assert!(now.histogram("values").unwrap().is_empty());
    assert_eq!(now.select("values", &[]).next().unwrap().generation_extremes(), None);
    histogram.record(100);
    let values = engine.refresh().histogram("values").unwrap();
    assert_eq!((values.count(), values.sum()), (1, 100));
    assert_eq!((values.min(), values.max()), (Some(100), Some(100)));
}

#[test]
fn a_sum_beyond_what_a_cell_holds_is_exact() {
    let registry = Registry::new();
    let engine = by_hand(&registry);
    for (name, precision) in
        [("rough", Precision::One), ("fair", Precision::Two), ("fine", Precision::Three)]
    {
        let histogram = registry.metric(name, "Values.").precision(precision).histogram().unwrap();
        let mut random = Random::new(precision.figures().into());
        let mut sum = 0u128;
        for _ in 0..50 {
            // As many as the documentation allows in one generation at one significant figure, near 2⁶⁰.
            for _ in 0..200 {
                let value = (1 << 60) + (random.next() >> 6);
                histogram.record(value);
                sum += u128::from(value);
            }
            for _ in 0..10 {
                let value = u64::MAX - random.below(1 << 30);
                histogram.record(value);
                sum += u128::from(value);
            }
            histogram.record(0);
            assert_eq!(engine.refresh().histogram(name).unwrap().sum(), sum, "{name}");
        }
        assert!(sum > 1 << 70);
    }
}

const PRECISIONS: [Precision; 3] = [Precision::One, Precision::Two, Precision::Three];

/// A histogram of ours and one of `hdrhistogram`'s, of the same values.
fn both(precision: Precision, values: &[u64]) -> (HistogramSnapshot, Hdr<u64>) {
    let registry = Registry::new();
    let histogram = registry.metric("values", "Values.").precision(precision).histogram().unwrap();
    let mut hdr = Hdr::new_with_bounds(1, u64::MAX, precision.figures()).unwrap();
    for value in values {
        histogram.record(*value);
        hdr.record(*value).unwrap();
    }
    let ours = by_hand(&registry).refresh().histogram("values").unwrap();
    (HistogramSnapshot::clone(&ours), hdr)
}

/// The counts of a histogram of `hdrhistogram`'s, by the smallest value of their bucket.
fn counts(hdr: &Hdr<u64>) -> Vec<(u64, u64)> {
    let recorded = hdr.iter_recorded();
    recorded.map(|v| (hdr.lowest_equivalent(v.value_iterated_to()), v.count_at_value())).collect()
}

/// The largest value of a bucket; `hdrhistogram` says one too few for the last bucket of the range.
fn upper(hdr: &Hdr<u64>, value: u64) -> u64 {
    let highest = hdr.highest_equivalent(value);
    if highest == u64::MAX - 1 { u64::MAX } else { highest }
}

/// Values as programs have them, and at every edge: small, of each magnitude, powers of two and their neighbours, zero
/// and the largest.
fn value() -> impl Strategy<Value = u64> {
    let power = (0..64u32, -1i64..=1).prop_map(|(bit, by)| (1u64 << bit).wrapping_add_signed(by));
    let magnitude = (any::<u64>(), 0..64u32).prop_map(|(value, shift)| value >> shift);
    prop_oneof![4 => magnitude, 2 => power, 1 => Just(0), 1 => Just(u64::MAX), 2 => 0..5_000u64]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn buckets_and_quantiles_are_those_of_hdrhistogram(
        values in prop::collection::vec(value(), 1..300),
        more in prop::collection::vec(0.0..=1.0f64, 8),
        figures in 0..3usize,
    ) {
        let (ours, hdr) = both(PRECISIONS[figures], &values);
        let buckets: Vec<_> = ours.buckets().map(|(low, _, count)| (low, count)).collect();
        prop_assert_eq!(buckets, counts(&hdr));
        for (low, high, _) in ours.buckets() {
            prop_assert_eq!(high, upper(&hdr, low));
        }
        let (min, max) = (*values.iter().min().unwrap(), *values.iter().max().unwrap());
        prop_assert_eq!((ours.min(), ours.max()), (Some(min), Some(max)));
        prop_assert_eq!(ours.count(), values.len() as u64);
        let (count, sum) = (values.len() as f64, values.iter().map(|v| u128::from(*v)).sum::<u128>());
        // At most 300 values: one generation of so few is exact but at the top of the range at one figure.
        if figures > 0 || values.iter().filter(|value| **value >= 1 << 60).count() < 16 {
            prop_assert_eq!(ours.sum(), sum);
            prop_assert_eq!(ours.mean(), Some(sum as f64 / count));
        }
        for q in [0.001, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0].into_iter().chain(more) {
            // Ours says the exact extremes where the bucket's end lies beyond them. (At zero, hdrhistogram gives the
            // lower end of the first bucket, ours the upper end as everywhere.)
            let theirs = upper(&hdr, hdr.value_at_quantile(q)).clamp(min, max);
            prop_assert_eq!(ours.quantile(q), Some(theirs), "quantile {}", q);
        }
    }

    #[test]
    fn conversion_keeps_every_count(
        values in prop::collection::vec(value(), 0..200),
        figures in 0..3usize,
    ) {
        let (ours, hdr) = both(PRECISIONS[figures], &values);
        prop_assert_eq!(counts(&ours.to_hdr()), counts(&hdr));
        let back = HistogramSnapshot::from_hdr(&hdr, Unit::Bytes).unwrap();
        prop_assert_eq!(back.buckets().collect::<Vec<_>>(), ours.buckets().collect::<Vec<_>>());
        prop_assert_eq!((back.count(), back.unit()), (ours.count(), Unit::Bytes));
        prop_assert_eq!(back.precision(), ours.precision());
        // The middle of each bucket, where the exact sum is not known.
        let middles = ours.buckets().map(|(low, _, n)| u128::from(hdr.median_equivalent(low)) * u128::from(n));
        prop_assert_eq!(back.sum(), middles.sum::<u128>());
        let bounds = ours.buckets().map(|b| b.0).min().zip(ours.buckets().map(|b| b.1).max());
        prop_assert_eq!(back.min().zip(back.max()), bounds);
    }

    #[test]
    fn merging_is_recording_all_of_it(
        left in prop::collection::vec(value(), 0..100),
        right in prop::collection::vec(value(), 0..100),
        figures in 1..3usize,
    ) {
        let precision = PRECISIONS[figures];
        let (mut merged, _) = both(precision, &left);
        let (other, _) = both(precision, &right);
        merged.merge(&other).unwrap();
        let (whole, hdr) = both(precision, &[left.clone(), right.clone()].concat());
        prop_assert_eq!(&merged, &whole);
        prop_assert_eq!(counts(&merged.to_hdr()), counts(&hdr));
        let mut backwards = other.clone();
        backwards.merge(&both(precision, &left).0).unwrap();
        prop_assert_eq!(&backwards, &merged);
        // And back: what came after the left was the right.
        let since = merged.since(&both(precision, &left).0).unwrap();
        prop_assert_eq!(since.buckets().collect::<Vec<_>>(), other.buckets().collect::<Vec<_>>());
        prop_assert_eq!((since.count(), since.sum()), (other.count(), other.sum()));
    }
}

const BOUNDS: [&[f64]; 4] = [
    &[0.0, 1.0, 2.0, 3.0, 127.0, 128.0, 255.0, 256.0, 257.0, 1e3, 1e6, 1e9, 1e12, 1e15, 1e18, 1e19],
    &[1e19, 1.9e19, 1e30, f64::MAX],
    &[5.0],
    &[],
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_count_what_lies_below_each_bound(
        rounds in prop::collection::vec(prop::collection::vec(value(), 0..60), 1..4),
        figures in 0..3usize,
        bounds in 0..BOUNDS.len(),
    ) {
        let (precision, bounds) = (PRECISIONS[figures], BOUNDS[bounds]);
        let registry = Registry::new();
        let metric = registry.metric("values", "Values.").precision(precision);
        let histogram = metric.buckets(Buckets::Fixed(bounds)).histogram().unwrap();
        let engine = by_hand(&registry);
        let hdr = Hdr::<u64>::new_with_bounds(1, u64::MAX, precision.figures()).unwrap();
        let mut all = Vec::new();
        for values in rounds {
            values.iter().for_each(|value| histogram.record(*value));
            all.extend(values);
            let samples = page::parse(&page_of(&engine));
            for bound in bounds {
                // The bucket that holds the bound counts whole.
                let highest = upper(&hdr, *bound as u64);
                let below = all.iter().filter(|value| **value <= highest).count().to_string();
                let le = bound.to_string();
                let shown = page::value(&samples, "values_bucket", &[("le", &le)]);
                prop_assert_eq!(shown, Some(&*below), "le {}", le);
            }
            let count = all.len().to_string();
            prop_assert_eq!(page::value(&samples, "values_count", &[]), Some(&*count));
        }
    }
}

#[test]
fn histograms_of_different_precision_do_not_mix() {
    let (mut two, _) = both(Precision::Two, &[1, 2, 3]);
    let (three, _) = both(Precision::Three, &[1, 2, 3]);
    let before = two.clone();
    let error = two.merge(&three).unwrap_err();
    assert_eq!(error, Error::ShapeMismatch { left: 2, right: 3 });
    assert!(error.to_string().contains("2 and 3 significant figures"), "{error}");
    assert_eq!(two, before);
    assert!(two.since(&three).is_err());
    let odd = Hdr::<u64>::new_with_bounds(1, u64::MAX, 4).unwrap();
    let error = HistogramSnapshot::from_hdr(&odd, Unit::None).unwrap_err();
    assert!(error.to_string().contains("4 significant figures"), "{error}");
    let coarse = Hdr::<u64>::new_with_bounds(1_000, u64::MAX, 2).unwrap();
    assert!(HistogramSnapshot::from_hdr(&coarse, Unit::None).is_err());
}

#[test]
fn quantiles_that_are_none() {
    let (empty, _) = both(Precision::Two, &[]);
    assert_eq!(
        (empty.quantile(0.5), empty.min(), empty.max(), empty.mean()),
        (None, None, None, None)
    );
    let (one, _) = both(Precision::Two, &[70]);
    assert_eq!(one.quantile(f64::NAN), None);
    assert_eq!([-1.0, 0.0, 0.5, 1.0, 7.0].map(|q| one.quantile(q)), [Some(70); 5]);
    assert_eq!(one.quantile_duration(0.5), Some(Duration::from_nanos(70)));
}
