//! Exponential buckets as OTLP has them: a scale, the index of the first, and a count for each from there on.
//!
//! OTLP's bucket `i` holds the values in `(b^i, b^(i+1)]` with `b = 2^(2^-scale)`, one lower than Prometheus counts it. Two
//! neighbours `2j` and `2j + 1` are bucket `j` of the next coarser scale, so that too many buckets become half as many
//! without a count being split. The scale follows from the first and the last bucket that has a count; then each is the
//! sum of a stretch of the histogram's cells, whose ends a table has.

use crate::aggregate::sums::Extremes;
use crate::export::cells::first_ordinal;
use crate::export::exponential;
use crate::registry::{Precision, Unit};
use crate::snapshot::HistogramSnapshot;
use crate::snapshot::histogram::bucket_bounds;
use once_cell::race::OnceBox;

/// The buckets of one point. Keep one: it is filled again and again.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

/// A cell: its octave, and which one it is there.
type Place = (usize, usize);

impl Buckets {
    /// Becomes the buckets of `octaves`, `limit` of them at most. Says where the first and the last count are.
    ///
    /// `octaves` ascend; each is the octave and its cells.
    pub(super) fn fill<'a>(
        &mut self,
        (precision, unit): (Precision, Unit),
        octaves: impl DoubleEndedIterator<Item = (usize, &'a [u64])> + Clone,
        limit: usize,
    ) -> Option<(Place, Place)> {
        (self.scale, self.offset, self.zero_count) = (exponential::schema(precision), 0, 0);
        self.counts.clear();
        let has = |count: &u64| *count > 0;
        let first = octaves
            .clone()
            .find_map(|(octave, cells)| Some((octave, cells.iter().position(has)?)))?;
        let last = octaves
            .clone()
            .rev()
            .find_map(|(octave, c)| Some((octave, c.iter().rposition(has)?)))?;
        if first == (0, 0) {
            self.zero_count = octaves.clone().next().map_or(0, |(_, cells)| cells[0]);
        }
        // The first count of a value above zero.
        let positive = match first {
            (0, 0) => octaves.clone().find_map(|(octave, cells)| {
                let from = usize::from(octave == 0);
                Some((octave, from + cells[from..].iter().position(has)?))
            }),
            other => Some(other),
        };
        let Some(positive) = positive else { return Some((first, last)) };
        let ordinal = |place: Place| first_ordinal(precision, place.0) + place.1;
        let (from, to) = (ordinal(positive), ordinal(last));
        let table = Table::of(precision, unit, |table| table.buckets(from, to) <= limit);
        self.scale -= table.shift;
        self.offset = table.indexes[from];
        self.counts.resize(table.buckets(from, to), 0);
        for (octave, cells) in octaves {
            let base = first_ordinal(precision, octave);
            table.add(&mut self.counts, self.offset, (base, cells), (from, to + 1));
        }
        Some((first, last))
    }
}

/// The smallest and the largest value of a difference whose first and last counts are at `ends`: those of the cells, or
/// exactly where they are `seen` to be in them, or to be `now`'s of all time.
pub(super) fn extremes_between(
    ends: Option<(Place, Place)>,
    now: &HistogramSnapshot,
    seen: Option<Extremes>,
) -> Option<(u64, u64)> {
    let bounds = |(octave, index): Place| bucket_bounds(now.precision().shape(), octave, index);
    let ((low, lowest), (highest, high)) = ends.map(|(a, b)| (bounds(a), bounds(b)))?;
    let (all_min, all_max) = now.min().zip(now.max())?;
    let exact = seen.filter(|seen| !seen.is_empty()).map(|seen| (!seen.not_min, seen.max));
    let min = exact.map(|exact| exact.0).filter(|min| (low..=lowest).contains(min));
    let max = exact.map(|exact| exact.1).filter(|max| (highest..=high).contains(max));
    Some((min.unwrap_or(low.max(all_min)), max.unwrap_or(high.min(all_max))))
}

/// Which cells are in which bucket, at one scale.
#[derive(Debug)]
struct Table {
    /// Steps of scale from the precision's own.
    shift: i32,
    /// By ordinal: OTLP's index. That of zero means nothing.
    indexes: Vec<i32>,
    /// By bucket, from that of ordinal 1 on: the ordinal after its last cell.
    ends: Vec<usize>,
}

/// From the finest scale, 256 buckets an octave, to one bucket for all values up to 1 and one for those above.
const SHIFTS: usize = 16;
/// Three precisions; recorded in the exported unit, or in nanoseconds.
const SHAPES: usize = 6;

impl Table {
    /// The finest table that is `fine` enough, or else the coarsest there is.
    fn of(precision: Precision, unit: Unit, fine: impl Fn(&Table) -> bool) -> &'static Table {
        static TABLES: [[OnceBox<Table>; SHIFTS]; SHAPES] =
            [const { [const { OnceBox::new() }; SHIFTS] }; SHAPES];
        let scaled = unit.divisor() != 1;
        let at = usize::from(precision.figures() - 1) * 2 + usize::from(scaled);
        let tables = (0..SHIFTS).map(|shift| {
            TABLES[at][shift].get_or_init(|| Box::new(Table::new(precision, unit, shift as i32)))
        });
        let mut last = None;
        for table in tables {
            last = Some(table);
            if fine(table) {
                break;
            }
        }
        last.expect("there are several")
    }

    fn new(precision: Precision, unit: Unit, shift: i32) -> Table {
        let prometheus = exponential::indexes(precision, unit);
        let mut indexes: Vec<i32> =
            prometheus.iter().map(|&index| (i32::from(index) - 1) >> shift).collect();
        indexes[0] = indexes[1];
        let mut ends = Vec::new();
        for (ordinal, &index) in indexes.iter().enumerate() {
            ends.resize((index - indexes[0]) as usize + 1, ordinal);
            if let Some(end) = ends.last_mut() {
                *end = ordinal + 1;
            }
        }
        Table { shift, indexes, ends }
    }

    /// How many buckets there are from one cell to another.
    fn buckets(&self, from: usize, to: usize) -> usize {
        (self.indexes[to] - self.indexes[from]) as usize + 1
    }

    /// Adds `cells`, of which the first is that of ordinal `base`, to the buckets from `offset` on; only those of the ordinals
    /// from `from` to `to`.
    fn add(
        &self,
        counts: &mut [u64],
        offset: i32,
        (base, cells): (usize, &[u64]),
        (from, to): (usize, usize),
    ) {
        let mut at = from.max(base);
        let end = to.min(base + cells.len());
        if at >= end {
            return;
        }
        let mut cells = &cells[at - base..end - base];
        let bucket = (self.indexes[at] - self.indexes[0]) as usize;
        let counts = &mut counts[(self.indexes[at] - offset) as usize..];
        for (count, &stretch) in counts.iter_mut().zip(&self.ends[bucket..]) {
            if stretch >= end {
                *count += sum(cells);
                break;
            }
            let (mine, others) = cells.split_at(stretch - at);
            *count += sum(mine);
            (at, cells) = (stretch, others);
        }
    }
}

/// The sum of a few cells. A bucket has from one to some dozens: too few for what a compiler makes of a plain loop, which is
/// good for hundreds.
#[inline(always)]
fn sum(cells: &[u64]) -> u64 {
    let (eights, rest) = cells.as_chunks::<8>();
    let mut sum = 0;
    for [a, b, c, d, e, f, g, h] in eights {
        sum += ((a + b) + (c + d)) + ((e + f) + (g + h));
    }
    sum + match rest {
        [] => 0,
        [a] => *a,
        [a, b] => a + b,
        [a, b, c] => a + b + c,
        [a, b, c, d] => (a + b) + (c + d),
        [a, b, c, d, e] => (a + b) + (c + d) + e,
        [a, b, c, d, e, f] => (a + b) + (c + d) + (e + f),
        [a, b, c, d, e, f, g, ..] => (a + b) + (c + d) + (e + f) + g,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_in_the_bucket_that_ends_behind_it() {
        for precision in [Precision::One, Precision::Two, Precision::Three] {
            for unit in [Unit::None, Unit::Nanoseconds] {
                for shift in 0..SHIFTS as i32 {
                    let table = Table::new(precision, unit, shift);
                    for (ordinal, &index) in table.indexes.iter().enumerate() {
                        let bucket = (index - table.indexes[0]) as usize;
                        let from = bucket.checked_sub(1).map_or(0, |before| table.ends[before]);
                        assert!((from..table.ends[bucket]).contains(&ordinal), "{ordinal}");
                    }
                    assert!(table.ends.is_sorted());
                }
            }
        }
    }

    #[test]
    fn two_buckets_hold_every_value() {
        for precision in [Precision::One, Precision::Two, Precision::Three] {
            for unit in [Unit::None, Unit::Nanoseconds] {
                let ordinals = exponential::indexes(precision, unit).len();
                let table = Table::of(precision, unit, |table| table.buckets(1, ordinals - 1) <= 2);
                assert!(table.buckets(1, ordinals - 1) <= crate::limits::MIN_OTLP_BUCKETS);
            }
        }
    }
}
