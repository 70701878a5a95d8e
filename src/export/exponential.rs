//! HDR buckets as base-2 exponential buckets: what Prometheus calls a native histogram and OpenTelemetry an exponential one.
//!
//! Bucket `i` at schema `s` holds the values in `(b^(i-1), b^i]` with `b = 2^(2^-s)`, in the exported unit
//! (<https://prometheus.io/docs/specs/native_histograms/#schema>); OpenTelemetry counts the same bucket one lower. The
//! schema follows the histogram's precision, so that an exponential bucket is at least as wide as an HDR one: a bucket goes
//! whole to where its middle is, and no count is split.

use super::wire::{Varints, Wire, zigzag};
use crate::Precision;
use crate::registry::Unit;
use crate::snapshot::HistogramSnapshot;
use once_cell::race::OnceBox;

/// The zero bucket is as wide as Prometheus has it by default. Only the value zero is ever in it.
pub(crate) const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// A histogram's counts by exponential bucket. Keep one: it is filled again and again.
#[allow(dead_code, reason = "OpenTelemetry's encoder uses it")]
#[derive(Debug, Default)]
pub(crate) struct Exponential {
    pub(crate) schema: i32,
    pub(crate) zero_count: u64,
    /// Index and count of each bucket that has a count, ascending.
    pub(crate) buckets: Vec<(i32, u64)>,
    below: Vec<u64>,
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

/// Hands the exponential buckets that have a count to `each`, ascending: index and count. Returns the number of zeros.
///
/// Sums up each octave's counts in `below`, and takes differences: how many HDR buckets an exponential one has varies from
/// one to three, and a processor that has to guess is slower than the additions.
#[inline]
fn buckets(
    histogram: &HistogramSnapshot,
    below: &mut Vec<u64>,
    mut each: impl FnMut(i32, u64),
) -> u64 {
    let table = Table::of(histogram.precision(), histogram.unit());
    let mut zeros = 0;
    let mut put = |index: i16, count: u64| match (index, count) {
        (_, 0) => {}
        (ZERO, _) => zeros = count,
        _ => each(index.into(), count),
    };
    // An octave's last bucket may be the next one's first.
    let (mut open, mut sum) = (ZERO, 0);
    for (octave, counts) in histogram.octaves() {
        below.resize(counts.len(), 0);
        let mut all = 0;
        for (upto, count) in below.iter_mut().zip(counts) {
            all += count;
            *upto = all;
        }
        let mut before = 0;
        for &(index, last) in table.octave(octave) {
            let upto = below[usize::from(last)];
            if index != open {
                put(open, sum);
                (open, sum) = (index, 0);
            }
            sum += upto - before;
            before = upto;
        }
    }
    put(open, sum);
    zeros
}

#[allow(dead_code, reason = "OpenTelemetry's encoder uses it")]
impl Exponential {
    /// Becomes the counts of `histogram`. No allocation once the buckets have been there.
    pub(crate) fn fill(&mut self, histogram: &HistogramSnapshot) {
        self.schema = schema(histogram.precision());
        self.buckets.clear();
        let Exponential { buckets: filled, below, .. } = self;
        self.zero_count = buckets(histogram, below, |index, count| filled.push((index, count)));
    }

    /// The buckets in runs of neighbours: the first index of each, and its counts, with zeros where a gap is no longer than
    /// `gap`.
    pub(crate) fn runs(&self, gap: i32) -> impl Iterator<Item = &[(i32, u64)]> {
        self.buckets.chunk_by(move |a, b| b.0 - a.0 <= gap + 1)
    }
}

/// Writes what makes a histogram native. Keep one: it is used again and again.
#[derive(Debug, Default)]
pub(crate) struct Native {
    /// Where each run of neighbouring buckets begins and ends.
    runs: Vec<(i32, i32)>,
    below: Vec<u64>,
}

impl Native {
    /// Writes schema, zero bucket, deltas (how many more each bucket counts than the one before) and spans (which buckets
    /// these are).
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        histogram: &HistogramSnapshot,
        fields: &Fields,
    ) {
        out.sint(fields.schema, schema(histogram.precision()).into());
        out.double(fields.zero_threshold, ZERO_THRESHOLD);
        let Native { runs, below } = self;
        runs.clear();
        let (empty, mut zeros) = (out.len(), 0);
        out.message(fields.deltas, |out| {
            let (mut next, mut before) = (i32::MIN, 0u64);
            let mut deltas = Varints::new(out);
            zeros = buckets(histogram, below, |index, count| {
                match runs.last_mut() {
                    Some(run) if index - next <= GAP => {
                        for _ in next..index {
                            deltas.push(zigzag(0u64.wrapping_sub(before) as i64));
                            before = 0;
                        }
                        run.1 = index + 1;
                    }
                    _ => runs.push((index, index + 1)),
                }
                deltas.push(zigzag(count.wrapping_sub(before) as i64));
                (next, before) = (index + 1, count);
            });
            deltas.end();
        });
        if runs.is_empty() {
            out.truncate(empty);
        }
        let mut end = 0;
        for &(from, to) in &*runs {
            out.message(fields.spans, |out| {
                out.sint(1, i64::from(from - end));
                out.uint(2, (to - from) as u64);
            });
            end = to;
        }
        out.uint_always(fields.zero_count, zeros);
    }
}

/// In place of an index: the bucket of zero.
const ZERO: i16 = i16::MIN;

/// Which HDR buckets are in which exponential ones.
#[derive(Debug)]
struct Table {
    /// For each exponential bucket of each octave its index, and the last HDR bucket of the octave that is in it.
    buckets: Vec<(i16, u16)>,
    /// Where each octave's begin, and the end.
    octaves: Vec<usize>,
}

impl Table {
    /// The table of a precision and unit.
    fn of(precision: Precision, unit: Unit) -> &'static Table {
        static TABLES: [OnceBox<Table>; 6] = [const { OnceBox::new() }; 6];
        let scaled = unit.divisor() != 1;
        let at = usize::from(precision.figures() - 1) * 2 + usize::from(scaled);
        TABLES[at].get_or_init(|| Box::new(Table::new(precision, unit)))
    }

    fn new(precision: Precision, unit: Unit) -> Table {
        let shape = precision.shape();
        let (mut buckets, mut octaves) = (Vec::new(), vec![0]);
        for octave in 0..shape.octaves() {
            let width = (octave as f64).exp2();
            let indexes = (0..shape.buckets(octave)).map(|bucket| {
                let low = shape.low(octave) as f64 + bucket as f64 * width;
                let middle = low + (width - 1.0) / 2.0;
                index(middle / unit.divisor() as f64, schema(precision))
            });
            let first = buckets.len();
            for (bucket, index) in indexes.enumerate() {
                match buckets[first..].last_mut() {
                    Some((of, last)) if *of == index => *last = bucket as u16,
                    _ => buckets.push((index, bucket as u16)),
                }
            }
            octaves.push(buckets.len());
        }
        Table { buckets, octaves }
    }

    fn octave(&self, octave: usize) -> &[(i16, u16)] {
        &self.buckets[self.octaves[octave]..self.octaves[octave + 1]]
    }
}

/// The index of each HDR bucket of a precision and unit, by its [ordinal](HistogramSnapshot::ordinals).
pub(crate) fn indexes(precision: Precision, unit: Unit) -> &'static [i16] {
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
    if value == 0.0 { ZERO } else { (value.log2() * f64::from(schema).exp2()).ceil() as i16 }
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
        let exponential = Exponential { schema: 6, buckets, ..Exponential::default() };
        let runs: Vec<usize> = exponential.runs(2).map(<[_]>::len).collect();
        assert_eq!(runs, [3, 1]);
        assert_eq!(exponential.runs(1).count(), 3);
    }
}
