//! Of an OTLP receiver: the points of histograms.

use super::nanoseconds;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, ExponentialHistogramDataPoint, exemplar};
use std::collections::BTreeMap;
use tachometer::{HistogramSnapshot, Precision, SeriesView, Unit};

#[derive(Clone, Debug)]
pub struct Histogram {
    pub scale: i32,
    pub zeros: u64,
    pub buckets: BTreeMap<i32, u64>,
    pub count: u64,
    pub sum: f64,
    pub extremes: Option<(f64, f64)>,
}

impl Histogram {
    pub fn of_point(
        point: &ExponentialHistogramDataPoint,
        precision: Precision,
        limit: usize,
    ) -> Histogram {
        assert_eq!((point.flags, point.zero_threshold), (0, 0.0));
        assert!(point.negative.is_none());
        let positive = point.positive.clone().unwrap_or_default();
        let counts = &positive.bucket_counts;
        assert!(counts.len() <= limit, "{} buckets", counts.len());
        let counted: u64 = counts.iter().sum::<u64>() + point.zero_count;
        assert_eq!(counted, point.count, "every value is in a bucket");
        if let (Some(first), Some(last)) = (counts.first(), counts.last()) {
            assert!(*first > 0 && *last > 0, "buckets that nobody needs");
        }
        let finest = match precision {
            Precision::One => 3,
            Precision::Two => 6,
            Precision::Three => 8,
        };
        assert!(point.scale <= finest);
        // Coarser than the limit asks for would be a loss: twice as many buckets may be one less.
        if point.scale < finest {
            assert!(counts.len() * 2 >= limit, "{} of {limit} buckets", counts.len());
        }
        assert_eq!(point.count == 0, point.min.is_none());
        let buckets = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        Histogram {
            scale: point.scale,
            zeros: point.zero_count,
            buckets: buckets.map(|(at, &n)| (positive.offset + at as i32, n)).collect(),
            count: point.count,
            sum: point.sum.expect("a sum"),
            extremes: point.min.zip(point.max),
        }
    }

    /// Coarser by as many steps as needed for `scale`.
    pub fn coarsened(self, scale: i32) -> Histogram {
        let mut buckets = BTreeMap::new();
        for (index, count) in &self.buckets {
            *buckets.entry(index >> (self.scale - scale)).or_insert(0) += count;
        }
        Histogram { scale, buckets, ..self }
    }

    pub fn plus(self, other: Histogram) -> Histogram {
        let scale = self.scale.min(other.scale);
        let (mut sum, other) = (self.coarsened(scale), other.coarsened(scale));
        for (index, count) in other.buckets {
            *sum.buckets.entry(index).or_insert(0) += count;
        }
        sum.zeros += other.zeros;
        sum.count += other.count;
        sum.sum += other.sum;
        sum.extremes = match (sum.extremes, other.extremes) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
        sum
    }
}

/// A point has the series' exemplars, of deltas those `after` it began.
pub fn check_exemplars(sent: &[Exemplar], series: &SeriesView<'_>, after: Option<u64>) {
    let unit = series.definition.unit;
    let in_time =
        |one: &&tachometer::Exemplar| after.is_none_or(|t| nanoseconds(one.unix_time) > t);
    let wanted: Vec<_> = series.exemplars().iter().filter(in_time).collect();
    assert_eq!(sent.len(), wanted.len(), "exemplars of {}", series.definition.name);
    for (sent, wanted) in sent.iter().zip(wanted) {
        assert!(sent.filtered_attributes.is_empty());
        assert_eq!(sent.time_unix_nano, nanoseconds(wanted.unix_time));
        assert_eq!(sent.trace_id, wanted.trace_id);
        let span = if wanted.span_id == [0; 8] { &[][..] } else { &wanted.span_id };
        assert_eq!(sent.span_id, span);
        match sent.value.expect("a value") {
            exemplar::Value::AsInt(value) => {
                assert_eq!((value as u64, value >= 0), (wanted.value, true));
                assert_ne!(unit, Unit::Nanoseconds);
            }
            exemplar::Value::AsDouble(value) => {
                assert!(unit == Unit::Nanoseconds || wanted.value > i64::MAX as u64);
                assert_eq!(value, wanted.value as f64 / unit.divisor() as f64);
            }
        }
    }
}

/// Where the histogram's buckets must be at a scale, by the definition of the indexes: the middle of each decides.
pub fn expected(histogram: &HistogramSnapshot, scale: i32) -> BTreeMap<i32, u64> {
    let mut buckets = BTreeMap::new();
    for (low, high, count) in histogram.buckets().filter(|bucket| bucket.0 > 0) {
        let middle = low as f64 + (high - low) as f64 / 2.0;
        let exported = middle / histogram.unit().divisor() as f64;
        let index = (exported.log2() * f64::from(scale).exp2()).ceil() as i32 - 1;
        *buckets.entry(index).or_insert(0) += count;
    }
    buckets
}
