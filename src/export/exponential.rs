//! HDR buckets as base-2 exponential buckets: what Prometheus calls a native histogram and OpenTelemetry an exponential one.
//!
//! Bucket `i` at schema `s` holds the values in `(b^(i-1), b^i]` with `b = 2^(2^-s)`, in the exported unit
//! (<https://prometheus.io/docs/specs/native_histograms/#schema>); OpenTelemetry counts the same bucket one lower. The
//! schema follows the histogram's precision, so that an exponential bucket is at least as wide as an HDR one: a bucket goes
//! whole to where its middle is, and no count is split.

use crate::Precision;
use crate::registry::Unit;
use crate::snapshot::HistogramSnapshot;
use once_cell::race::OnceBox;

/// The schema for a precision: 8, 64 or 256 buckets an octave, where HDR has 16, 128 or 1024.
pub(crate) const fn schema(precision: Precision) -> i32 {
    match precision {
        Precision::One => 3,
        Precision::Two => 6,
        Precision::Three => 8,
    }
}

/// A number that counts are added up in, modulo what it holds.
pub(crate) trait Sum: Copy + Default + PartialEq {
    fn plus(self, count: u64) -> Self;
    fn minus(self, before: Self) -> Self;
    fn count(self) -> u64;
}

impl Sum for u64 {
    fn plus(self, count: u64) -> Self {
        self + count
    }

    fn minus(self, before: Self) -> Self {
        self - before
    }

    fn count(self) -> u64 {
        self
    }
}

impl Sum for u32 {
    fn plus(self, count: u64) -> Self {
        self.wrapping_add(count as u32)
    }

    fn minus(self, before: Self) -> Self {
        self.wrapping_sub(before)
    }

    fn count(self) -> u64 {
        self.into()
    }
}

/// A histogram's counts by exponential bucket, added up from the smallest on. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(crate) struct Cumulative<T> {
    pub(crate) zeros: u64,
    /// Index of the first bucket.
    pub(crate) first: i32,
    /// See [`Cumulative::upto`]; longer than that.
    sums: Vec<T>,
    buckets: usize,
}

impl<T: Sum> Cumulative<T> {
    /// A zero, and for each bucket from the first on, without a gap, the values in it and below; no value zero among them.
    /// Behind them the last sum again, so that all are a multiple of `block`, and the zero.
    pub(crate) fn upto(&mut self, block: usize) -> &[T] {
        let all = self.sums.get(self.buckets).copied().unwrap_or_default();
        let len = self.buckets.next_multiple_of(block) + 1;
        self.reserve(len);
        self.sums[self.buckets + 1..len].fill(all);
        &self.sums[..len]
    }

    fn reserve(&mut self, len: usize) {
        if self.sums.len() < len {
            self.sums.resize(len.next_power_of_two(), T::default());
        }
    }

    /// Becomes the counts of `histogram`.
    ///
    /// Each HDR cell writes what there is up to it where its exponential bucket is; of the cells of one bucket the last one's
    /// stays. That takes no decision for which a processor would have to guess how many they are.
    pub(crate) fn fill(&mut self, histogram: &HistogramSnapshot) {
        let table = Table::of(histogram.precision(), histogram.unit());
        let shape = histogram.precision().shape();
        (self.zeros, self.first, self.buckets) = (0, 0, 0);
        self.reserve(1);
        self.sums[0] = T::default();
        let mut all = T::default();
        for (octave, cells) in histogram.octaves() {
            if octave == 0 {
                self.zeros = cells[0];
                all = self.fill_small(&table.indexes, cells);
                continue;
            }
            let ordinal = shape.buckets(0) + (octave - 1) * shape.buckets(1);
            for (part, at) in cells.chunks(PART).zip((ordinal..).step_by(PART)) {
                let (from, to) = (table.indexes[at], table.indexes[at + part.len() - 1]);
                let buckets = (to - from) as usize;
                let from = self.bucket(from, all);
                self.buckets = from + buckets;
                // What an index of eight bits cannot miss needs no check.
                self.reserve(from + 256);
                let Some(sums) = self.sums[from..].first_chunk_mut::<256>() else { return };
                let places = &table.places[at..at + part.len()];
                // By sixteen, which are then written without a loop; every part is as many times that.
                let all_places = places.as_chunks::<16>().0;
                for (counts, places) in part.as_chunks::<16>().0.iter().zip(all_places) {
                    for (count, place) in counts.iter().zip(places) {
                        all = all.plus(*count);
                        sums[usize::from(*place)] = all;
                    }
                }
            }
        }
    }

    /// The place of the bucket of an index; all between it and those that are there have `all`.
    fn bucket(&mut self, index: i16, all: T) -> usize {
        if self.buckets == 0 {
            self.first = index.into();
        }
        let at = (i32::from(index) - self.first) as usize + 1;
        if at > self.buckets + 1 {
            self.reserve(at);
            self.sums[self.buckets + 1..at].fill(all);
        }
        at
    }

    /// The octave of the small values, which are whole buckets apart. Returns what is counted there.
    fn fill_small(&mut self, indexes: &[i16], cells: &[u64]) -> T {
        let mut all = T::default();
        let counted = cells.iter().zip(indexes).skip(1).filter(|(count, _)| **count > 0);
        for (count, &index) in counted {
            let at = self.bucket(index, all);
            self.reserve(at + 1);
            all = all.plus(*count);
            self.sums[at] = all;
            self.buckets = at;
        }
        all
    }
}

/// HDR buckets whose places are counted from the same one on.
const PART: usize = 128;

/// Which exponential buckets the HDR buckets of a precision and unit are in.
#[derive(Debug)]
struct Table {
    /// By ordinal: the index.
    indexes: Vec<i16>,
    /// By ordinal: how far behind the bucket of the first of its [`PART`], which begin anew with each octave. Those of the small
    /// values have none.
    places: Vec<u8>,
}

/// In place of an index: the bucket of zero.
const ZERO: i16 = i16::MIN;

/// The index of each HDR bucket of a precision and unit, by its [ordinal](HistogramSnapshot::ordinals).
pub(crate) fn indexes(precision: Precision, unit: Unit) -> &'static [i16] {
    &Table::of(precision, unit).indexes
}

impl Table {
    fn of(precision: Precision, unit: Unit) -> &'static Table {
        static TABLES: [OnceBox<Table>; 6] = [const { OnceBox::new() }; 6];
        let scaled = unit.divisor() != 1;
        let at = usize::from(precision.figures() - 1) * 2 + usize::from(scaled);
        TABLES[at].get_or_init(|| Box::new(Table::new(precision, unit)))
    }

    fn new(precision: Precision, unit: Unit) -> Table {
        let shape = precision.shape();
        let (mut indexes, mut places) = (Vec::new(), Vec::new());
        for octave in 0..shape.octaves() {
            let width = (octave as f64).exp2();
            let first = indexes.len();
            for bucket in 0..shape.buckets(octave) {
                let low = shape.low(octave) as f64 + bucket as f64 * width;
                let middle = low + (width - 1.0) / 2.0;
                indexes.push(index(middle / unit.divisor() as f64, schema(precision)));
                let base = indexes[first + bucket / PART * PART];
                let place = i32::from(indexes[first + bucket]) - i32::from(base);
                places.push(if octave == 0 { 0 } else { place as u8 });
            }
        }
        Table { indexes, places }
    }
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

    const PRECISIONS: [Precision; 3] = [Precision::One, Precision::Two, Precision::Three];

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

    /// Index and count of each bucket that has a count, ascending.
    fn buckets<T: Sum>(cumulative: &mut Cumulative<T>, block: usize) -> Vec<(i32, u64)> {
        let first = cumulative.first;
        let counts = cumulative.upto(block).windows(2).map(|pair| pair[1].minus(pair[0]).count());
        (first..).zip(counts).filter(|bucket| bucket.1 > 0).collect()
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
        for precision in PRECISIONS {
            for unit in [Unit::None, Unit::Nanoseconds] {
                let values: Vec<u64> =
                    (0..64).flat_map(|at| [1 << at, (1 << at) / 3 * 2]).collect();
                let histogram = snapshot(precision, unit, &values);
                let mut exponential = Cumulative::<u64>::default();
                exponential.fill(&histogram);
                let zeros = values.iter().filter(|value| **value == 0).count() as u64;
                assert_eq!(exponential.zeros, zeros);
                let buckets = buckets(&mut exponential, 1);
                let counted: u64 = buckets.iter().map(|bucket| bucket.1).sum();
                assert_eq!(counted + zeros, values.len() as u64);
                for &value in values.iter().filter(|value| **value > 0) {
                    let exact = index(value as f64 / unit.divisor() as f64, schema(precision));
                    let near = |bucket: &&(i32, u64)| (bucket.0 - i32::from(exact)).abs() <= 1;
                    assert!(buckets.iter().find(near).is_some(), "{value}");
                }
            }
        }
    }

    #[test]
    fn each_cell_is_added_to_the_bucket_of_its_index_whatever_was_there_before() {
        let (mut small, mut large) = (Cumulative::<u32>::default(), Cumulative::<u64>::default());
        let far = [0, 1, 1, 3, 250, 1 << 40, (1 << 40) + (1 << 39), u64::MAX];
        let dense: Vec<u64> = (0..3_000).map(|at| 90 + at * at).collect();
        for values in [&far[..], &dense, &[], &[0], &[5], &[u64::MAX; 3], &dense[1_000..]] {
            for precision in PRECISIONS {
                for unit in [Unit::None, Unit::Nanoseconds] {
                    let histogram = snapshot(precision, unit, values);
                    let indexes = indexes(precision, unit);
                    let mut wanted = std::collections::BTreeMap::new();
                    for (ordinal, count) in histogram.ordinals().filter(|cell| cell.0 > 0) {
                        *wanted.entry(i32::from(indexes[ordinal])).or_insert(0) += count;
                    }
                    let wanted = Vec::from_iter(wanted);
                    small.fill(&histogram);
                    large.fill(&histogram);
                    assert_eq!(buckets(&mut small, 64), wanted);
                    assert_eq!(buckets(&mut large, 64), wanted);
                    assert_eq!(small.upto(64).len() % 64, 1);
                    let zeros = values.iter().filter(|value| **value == 0).count() as u64;
                    assert_eq!((small.zeros, large.zeros), (zeros, zeros));
                }
            }
        }
    }

    #[test]
    fn no_bucket_is_passed_over_but_among_small_values() {
        for precision in PRECISIONS {
            for unit in [Unit::None, Unit::Nanoseconds] {
                let table = Table::new(precision, unit);
                let shape = precision.shape();
                let large = &table.indexes[shape.linear_max() as usize..];
                assert!(large.windows(2).all(|pair| (0..=1).contains(&(pair[1] - pair[0]))));
                assert!((PART % 16, shape.buckets(1) % 16) == (0, 0), "written by sixteen");
                let parts = table.indexes[shape.buckets(0)..].chunks(shape.buckets(1));
                for (octave, places) in
                    parts.zip(table.places[shape.buckets(0)..].chunks(shape.buckets(1)))
                {
                    for (indexes, places) in octave.chunks(PART).zip(places.chunks(PART)) {
                        let right =
                            |(index, place): (&i16, &u8)| index - indexes[0] == i16::from(*place);
                        assert!(indexes.iter().zip(places).all(right));
                    }
                }
            }
        }
    }
}
