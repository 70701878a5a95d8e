//! HDR buckets as base-2 exponential buckets: what Prometheus calls a native histogram and OpenTelemetry an exponential one.
//!
//! Bucket `i` at schema `s` holds the values in `(b^(i-1), b^i]` with `b = 2^(2^-s)`, in the exported unit
//! (<https://prometheus.io/docs/specs/native_histograms/#schema>); OpenTelemetry counts the same bucket one lower. The
//! schema follows the histogram's precision, so that an exponential bucket is at least as wide as an HDR one: a bucket goes
//! whole to where its middle is, and no count is split.

use super::wire::{Wire, zigzag};
use crate::Precision;
use crate::registry::Unit;
use crate::snapshot::HistogramSnapshot;
use once_cell::race::OnceBox;

/// The zero bucket is as wide as Prometheus has it by default. Only the value zero is ever in it.
pub(crate) const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// A histogram's counts by exponential bucket. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(crate) struct Exponential {
    pub(crate) schema: i32,
    pub(crate) zero_count: u64,
    /// Index and count of each bucket that has a count, ascending.
    pub(crate) buckets: Vec<(i32, u64)>,
}

/// The numbers that a message of Prometheus gives the fields of a native histogram.
#[derive(Debug)]
pub(crate) struct Fields {
    schema: u32,
    zero_threshold: u32,
    zero_count: u32,
    spans: u32,
    deltas: u32,
}

impl Fields {
    /// Those of `io.prometheus.client.Histogram`.
    pub(crate) const EXPOSITION: Fields =
        Fields { schema: 5, zero_threshold: 6, zero_count: 7, spans: 12, deltas: 13 };
    /// Those of `prometheus.Histogram` and `io.prometheus.write.v2.Histogram`.
    #[cfg(feature = "remote-write")]
    pub(crate) const REMOTE_WRITE: Fields =
        Fields { schema: 4, zero_threshold: 5, zero_count: 6, spans: 11, deltas: 12 };
}

/// Buckets without a count that are written rather than left out, as Prometheus's own client has it: a new span costs more.
const GAP: i32 = 2;

/// The schema for a precision: 8, 64 or 256 buckets an octave, where HDR has 16, 128 or 1024.
pub(crate) const fn schema(precision: Precision) -> i32 {
    match precision {
        Precision::One => 3,
        Precision::Two => 6,
        Precision::Three => 8,
    }
}

impl Exponential {
    /// Becomes the counts of `histogram`. No allocation once the buckets have been there.
    pub(crate) fn fill(&mut self, histogram: &HistogramSnapshot) {
        let indexes = indexes(histogram.precision(), histogram.unit());
        self.schema = schema(histogram.precision());
        self.zero_count = 0;
        self.buckets.clear();
        for (ordinal, count) in histogram.ordinals() {
            if ordinal == 0 {
                self.zero_count = count;
                continue;
            }
            let index = indexes[ordinal].into();
            match self.buckets.last_mut() {
                Some((last, sum)) if *last == index => *sum += count,
                _ => self.buckets.push((index, count)),
            }
        }
    }

    /// Writes what makes a histogram native: spans say which buckets there are, and deltas how many more each counts than the
    /// one before.
    pub(crate) fn write(&self, out: &mut Vec<u8>, fields: &Fields) {
        out.sint(fields.schema, self.schema.into());
        out.double(fields.zero_threshold, ZERO_THRESHOLD);
        out.uint_always(fields.zero_count, self.zero_count);
        if self.buckets.is_empty() {
            return;
        }
        let mut end = 0;
        for run in self.runs(GAP) {
            let (first, past) = (run[0].0, run[run.len() - 1].0 + 1);
            out.message(fields.spans, |out| {
                out.sint(1, i64::from(first - end));
                out.uint(2, (past - first) as u64);
            });
            end = past;
        }
        out.message(fields.deltas, |out| {
            let mut before = 0;
            let mut delta = |count: u64| {
                out.varint(zigzag(count.wrapping_sub(before) as i64));
                before = count;
            };
            for run in self.runs(GAP) {
                let mut next = run[0].0;
                for &(index, count) in run {
                    (next..index).for_each(|_| delta(0));
                    delta(count);
                    next = index + 1;
                }
            }
        });
    }

    /// The buckets in runs of neighbours: the first index of each, and its counts, with zeros where a gap is no longer than
    /// `gap`.
    pub(crate) fn runs(&self, gap: i32) -> impl Iterator<Item = &[(i32, u64)]> {
        self.buckets.chunk_by(move |a, b| b.0 - a.0 <= gap + 1)
    }
}

/// The index of each HDR bucket of a precision and unit, by its [ordinal](HistogramSnapshot::ordinals).
fn indexes(precision: Precision, unit: Unit) -> &'static [i16] {
    static TABLES: [OnceBox<Vec<i16>>; 6] = [const { OnceBox::new() }; 6];
    let scaled = unit.divisor() != 1;
    let at = usize::from(precision.figures() - 1) * 2 + usize::from(scaled);
    TABLES[at].get_or_init(|| {
        let shape = precision.shape();
        let mut table = Vec::new();
        for octave in 0..shape.octaves() {
            for bucket in 0..shape.buckets(octave) {
                let low = shape.low(octave) as f64 + bucket as f64 * (octave as f64).exp2();
                let middle = low + ((octave as f64).exp2() - 1.0) / 2.0;
                table.push(index(middle / unit.divisor() as f64, schema(precision)));
            }
        }
        Box::new(table)
    })
}

/// The index of the bucket that `value` is in.
fn index(value: f64, schema: i32) -> i16 {
    // 0 has no logarithm: it is counted apart.
    if value == 0.0 { i16::MIN } else { (value.log2() * f64::from(schema).exp2()).ceil() as i16 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn snapshot(precision: Precision, unit: Unit, values: &[u64]) -> Arc<HistogramSnapshot> {
        let registry = crate::Registry::new();
        let name = if unit == Unit::Nanoseconds { "wait_seconds" } else { "wait" };
        let metric = registry.metric(name, "Waited.").unit(unit).precision(precision);
        let histogram = metric.histogram().unwrap();
        values.iter().for_each(|&value| histogram.record(value));
        let clock = crate::ManualClock::at(std::time::Duration::ZERO);
        let engine = crate::Engine::builder().registry(&registry).manual(&clock).start().unwrap();
        Arc::clone(engine.refresh().histogram(name).as_ref().unwrap())
    }

    #[test]
    fn powers_of_two_are_upper_ends() {
        for schema in [3, 6, 8] {
            for power in -30i32..64 {
                let value = f64::from(power).exp2();
                assert_eq!(i32::from(index(value, schema)), power << schema);
                assert_eq!(i32::from(index(value * 1.000_001, schema)), (power << schema) + 1);
            }
        }
    }

    #[test]
    fn every_value_is_in_a_bucket_next_to_where_it_belongs() {
        for precision in [Precision::One, Precision::Two, Precision::Three] {
            for unit in [Unit::None, Unit::Nanoseconds] {
                let values: Vec<u64> =
                    (0..64).flat_map(|at| [1 << at, (1 << at) / 3 * 2]).collect();
                let histogram = snapshot(precision, unit, &values);
                let mut exponential = Exponential::default();
                exponential.fill(&histogram);
                let zeros = values.iter().filter(|value| **value == 0).count() as u64;
                assert_eq!(exponential.zero_count, zeros);
                let counted: u64 = exponential.buckets.iter().map(|bucket| bucket.1).sum();
                assert_eq!(counted + zeros, values.len() as u64);
                assert!(exponential.buckets.is_sorted_by(|a, b| a.0 < b.0));
                for &value in values.iter().filter(|value| **value > 0) {
                    let exact = index(value as f64 / unit.divisor() as f64, schema(precision));
                    let near = |bucket: &&(i32, u64)| (bucket.0 - i32::from(exact)).abs() <= 1;
                    assert!(exponential.buckets.iter().find(near).is_some(), "{value}");
                }
            }
        }
    }

    #[test]
    fn runs_bridge_small_gaps_only() {
        let buckets = vec![(-5, 1), (-4, 2), (-1, 3), (7, 4)];
        let exponential = Exponential { schema: 6, zero_count: 0, buckets };
        let runs: Vec<usize> = exponential.runs(2).map(<[_]>::len).collect();
        assert_eq!(runs, [3, 1]);
        assert_eq!(exponential.runs(1).count(), 3);
    }
}
