//! How histograms are packed where bytes count more than time: the columns of the coarsest tier.
//!
//! What a histogram had before a block, and what the block's rows had so far, tell how likely each bucket is to get how
//! many of a row's values. A row is its number of values, then for each stretch of sixteen buckets whether it has any,
//! then the counts: decisions of a range coder, whose chances start from Poisson's and learn. A stretch that no row of
//! the block has costs one decision for all of them.
//!
//! One walk does both ways ([`Coder`]). It depends on nothing but what was written before, in whole numbers.

use super::counts::{Counts, class};
use super::range::{Chance, Coder, Numbers, RangeReader, RangeWriter};
use super::sparse::{self, Gain};
use crate::{HistogramSnapshot, Precision};

/// Buckets of a stretch.
const STRETCH: usize = 16;
/// Above this many values, what a histogram had is packed the other way.
const MOST_BASE: u64 = 1 << 44;
/// As many values of a row.
const MOST_ROW: u64 = 1 << 31;
/// Expected values (in 2⁻¹⁶) from which a stretch is not asked whether it has any.
const CROWDED: u64 = 2 << 16;
/// A value weighs so much in what was seen.
const SEEN: u64 = 16;
/// How many values a bucket's neighbours count for when it is guessed what it gets.
const NEIGHBOURS: u64 = 12;
/// How far its neighbours reach.
const REACH: usize = 8;
/// What came before a block counts for at most so many blocks.
const BEFORE: u64 = 2;

/// Which stretches have buckets, and where their buckets are.
#[derive(Clone, Debug, Default)]
struct Stretches(Vec<u32>);

impl Stretches {
    fn code(&mut self, coder: &mut impl Coder, precision: Precision, before: &Stretches) {
        let most = HistogramSnapshot::most_ordinals(precision).div_ceil(STRETCH) as u64;
        let first = self.0.first().copied().map_or(0, u64::from);
        let end = self.0.last().map_or(0, |last| u64::from(last + 1));
        let mut numbers = Numbers::NEW;
        let first = numbers.code(coder, first).min(most);
        let end = numbers.code(coder, end).min(most);
        let mut chances = [Chance::EVEN; 4];
        let given = std::mem::take(&mut self.0);
        let (mut given, mut before) = (given.into_iter().peekable(), before.0.iter().peekable());
        let mut last = true;
        for at in first as u32..end as u32 {
            while before.next_if(|known| **known < at).is_some() {}
            let known = before.peek() == Some(&&at);
            let there = given.next_if_eq(&at).is_some();
            last = coder.bit(&mut chances[usize::from(known) * 2 + usize::from(last)], there);
            if last {
                self.0.push(at);
            }
        }
    }

    /// Those of the buckets, which ascend.
    fn add(&mut self, buckets: &[(u32, u64)]) {
        for &(ordinal, _) in buckets {
            let stretch = ordinal / STRETCH as u32;
            if let Err(at) = self.0.binary_search(&stretch) {
                self.0.insert(at, stretch);
            }
        }
    }

    /// Calls `each` with the place of each bucket among those of all stretches, and its count; buckets of stretches that
    /// are not here are left out.
    fn places(&self, buckets: &[(u32, u64)], mut each: impl FnMut(usize, u64)) {
        let mut at = 0;
        for &(ordinal, count) in buckets {
            let stretch = ordinal / STRETCH as u32;
            while self.0.get(at).is_some_and(|known| *known < stretch) {
                at += 1;
            }
            if self.0.get(at) == Some(&stretch) {
                each(at * STRETCH + ordinal as usize % STRETCH, count);
            }
        }
    }
}

/// Of a sum, how far it lies above what the buckets make certain: values lie about the middle of their buckets.
#[derive(Clone, Debug)]
struct Sums {
    regular: Chance,
    places: Numbers,
}

impl Sums {
    fn new() -> Sums {
        Sums { regular: Chance::of(0xff00, 8), places: Numbers::NEW }
    }

    fn code(&mut self, coder: &mut impl Coder, precision: Precision, values: u64, gain: &mut Gain) {
        let (least, room) = gain.bounds(precision);
        let above = gain.sum.wrapping_sub(least);
        if !coder.bit(&mut self.regular, above <= room) || room == u128::MAX {
            let low = coder.bits(64, above as u64);
            let above = u128::from(coder.bits(64, (above >> 64) as u64)) << 64 | u128::from(low);
            gain.sum = least.wrapping_add(above);
            return;
        }
        // The more values, the nearer to the middle in proportion.
        let places = (16 * u128::from(values.max(1).isqrt())).clamp(1, room + 1);
        let width = (room + 1).div_ceil(places);
        let middle = (room / 2 / width) as i64;
        let off = super::bits::zigzag(((above / width) as i64).wrapping_sub(middle));
        let off = super::bits::unzigzag(self.places.code(coder, off));
        let within = coder.up_to(width - 1, above % width);
        let place = middle.wrapping_add(off) as u64;
        gain.sum = least.wrapping_add(width.wrapping_mul(place.into())).wrapping_add(within);
    }
}

/// What a histogram had before the block: each bucket about what those before it have.
fn code_base(coder: &mut impl Coder, precision: Precision, gain: &mut Gain) {
    let mut stretches = Stretches::default();
    stretches.add(&gain.buckets);
    stretches.code(coder, precision, &Stretches::default());
    let (mut counts, mut cells) = (Counts::new(), vec![0; stretches.0.len() * STRETCH]);
    stretches.places(&gain.buckets, |at, count| cells[at] = count);
    gain.buckets.clear();
    let (mut last, mut before, mut total) = ([0u64; 3], None, 0u64);
    for (&stretch, cells) in stretches.0.iter().zip(cells.chunks_exact_mut(STRETCH)) {
        if before.is_some_and(|before: u32| before + 1 < stretch) {
            last = [0; 3];
        }
        before = Some(stretch);
        for (cell, ordinal) in cells.iter_mut().zip(stretch * STRETCH as u32..) {
            let [a, b, c] = last;
            let about = ((3 * a + 2 * b + c) << 15) / 3 + (1 << 13);
            *cell = counts.code(coder, about, false, *cell).min(MOST_BASE);
            total = total.saturating_add(*cell);
            last = [*cell, a, b];
            if *cell > 0 {
                gain.buckets.push((ordinal, *cell));
            }
        }
    }
    Sums::new().code(coder, precision, total, gain);
}

/// What is known of a block's rows.
#[derive(Debug)]
struct Model {
    precision: Precision,
    stretches: Stretches,
    /// By bucket, what was seen, and how likely it is; the latter by stretch, too, and of all.
    seen: Vec<u64>,
    weights: Vec<u32>,
    stretch_weights: Vec<u32>,
    weight: u64,
    /// The row's counts, by bucket, and which stretches have any. Zero between rows.
    cells: Vec<u64>,
    filled: Vec<bool>,
    gaps: Numbers,
    totals: Counts,
    /// What rows have on average, in 2⁻¹⁶, and how many there were.
    mean: u64,
    rows: u64,
    counts: Counts,
    any: [Chance; class(CROWDED) + 1],
    firsts: [[Chance; Model::RATIOS]; 4],
    sums: Sums,
}

impl Model {
    const RATIOS: usize = 40;

    fn new(precision: Precision, stretches: Stretches, base: Option<&Gain>, values: u64) -> Model {
        let mut seen = vec![0; stretches.0.len() * STRETCH];
        stretches.places(base.map_or(&[], |base| &base.buckets), |at, count| seen[at] = count);
        let before: u64 = seen.iter().sum();
        let most = BEFORE.saturating_mul(values).clamp(1, 1 << 38);
        let by = if before > most { (most << 20) / before } else { 1 << 20 };
        let scaled = |count: u64| ((u128::from(count) * u128::from(by * SEEN)) >> 20) as u64;
        seen.iter_mut().for_each(|count| *count = scaled(*count));
        let mut model = Model {
            precision,
            weights: vec![0; seen.len()],
            stretch_weights: vec![0; stretches.0.len()],
            cells: vec![0; seen.len()],
            filled: vec![false; stretches.0.len()],
            stretches,
            seen,
            weight: 0,
            gaps: Numbers::NEW,
            totals: Counts::new(),
            mean: 0,
            rows: 0,
            counts: Counts::new(),
            any: super::counts::ANY,
            firsts: super::counts::FIRSTS,
            sums: Sums::new(),
        };
        model.weigh();
        model
    }

    /// How likely buckets are, from what was seen of them and of their neighbours.
    fn weigh(&mut self) {
        let seen = &self.seen;
        let mut near: u64 = seen.iter().take(REACH).sum();
        let (mut total, many) = (0u64, seen.len());
        let guesses = (0..many).map(|at| {
            near += seen.get(at + REACH).copied().unwrap_or(0);
            near -= at.checked_sub(REACH + 1).map_or(0, |gone| seen[gone]);
            let around = near / (2 * REACH as u64 + 1) + 1;
            let own = seen[at];
            let strength = NEIGHBOURS * SEEN;
            // Where few values are known, they say less than those around them.
            if around.max(own) < 1 << 28 {
                return around * (strength + own) * 64 / (strength + around) + 1;
            }
            let (around, own) = (u128::from(around), u128::from(own));
            (around * (u128::from(strength) + own) * 64 / (u128::from(strength) + around)) as u64
                + 1
        });
        let guesses: Vec<u64> =
            guesses.inspect(|guess| total = total.saturating_add(*guess)).collect();
        // All of them are about 2²⁴.
        let by = (1u128 << 64) / u128::from(total.max(1));
        for (weight, guess) in self.weights.iter_mut().zip(guesses) {
            *weight = ((u128::from(guess) * by) >> 40).clamp(1, 1 << 24) as u32;
        }
        for (sum, weights) in self.stretch_weights.iter_mut().zip(self.weights.chunks(STRETCH)) {
            *sum = weights.iter().sum();
        }
        self.weight = self.stretch_weights.iter().map(|&weight| u64::from(weight)).sum();
    }

    /// One row: its place behind the last one, its counts, its sum. `false` where it lies behind `until`.
    fn code(
        &mut self,
        coder: &mut impl Coder,
        next: u32,
        row: &mut u32,
        until: u32,
        gain: &mut Gain,
    ) -> bool {
        let gap = self.gaps.code(coder, u64::from(row.wrapping_sub(next)));
        *row = next.saturating_add(gap.min(u32::MAX.into()) as u32);
        if *row >= until {
            return false;
        }
        let mut total = 0;
        self.stretches.places(&gain.buckets, |at, count| {
            (self.cells[at], self.filled[at / STRETCH]) = (count, true);
            total += count;
        });
        let total = self.totals.code(coder, self.mean, false, total);
        let total = if self.cells.is_empty() { 0 } else { total.min(MOST_ROW) };
        self.learn_total(total);
        self.code_cells(coder, total);
        self.gather(&mut gain.buckets);
        self.sums.code(coder, self.precision, total, gain);
        if self.rows.is_power_of_two() || self.rows.is_multiple_of(32) {
            self.weigh();
        }
        true
    }

    /// The row's buckets, which are learned from, and forgotten.
    fn gather(&mut self, buckets: &mut Vec<(u32, u64)>) {
        buckets.clear();
        for (at, filled) in self.filled.iter_mut().enumerate() {
            if !std::mem::take(filled) {
                continue;
            }
            let (cells, seen) = (&mut self.cells[at * STRETCH..], &mut self.seen[at * STRETCH..]);
            let first = self.stretches.0[at] * STRETCH as u32;
            for (index, ordinal) in (0..STRETCH).zip(first..) {
                let count = std::mem::take(&mut cells[index]);
                if count > 0 {
                    seen[index] = seen[index].saturating_add(count * SEEN);
                    buckets.push((ordinal, count));
                }
            }
        }
    }

    fn learn_total(&mut self, total: u64) {
        self.rows += 1;
        let by = self.rows.min(16) as i64;
        self.mean = (self.mean as i64 + ((total << 16) as i64 - self.mean as i64) / by) as u64;
    }

    fn code_cells(&mut self, coder: &mut impl Coder, total: u64) {
        let (mut left, mut rest) = (total, self.weight);
        let last = self.stretches.0.len().saturating_sub(1);
        let cells = self.cells.chunks_exact_mut(STRETCH).zip(self.weights.chunks_exact(STRETCH));
        for (at, (cells, weights)) in cells.enumerate() {
            if left == 0 {
                break;
            }
            let own = u64::from(self.stretch_weights[at]);
            let mut share = Share::new(left, rest - own / 2);
            let all = share.of(own);
            let mut none_yet = all < CROWDED;
            let asked = none_yet && at < last;
            if asked && !coder.bit(&mut self.any[class(all)], self.filled[at]) {
                rest -= own;
                continue;
            }
            self.filled[at] = true;
            let (mut within, crowd) = (own, class(all) / 12);
            let seen = &self.seen[at * STRETCH..][..STRETCH];
            for (index, (cell, &weight)) in cells.iter_mut().zip(weights).enumerate() {
                let about = share.of(weight.into());
                let end = index + 1 == STRETCH;
                let count = if end && at == last {
                    left
                } else if none_yet {
                    let ratio = class(share.of(within)).saturating_sub(class(about));
                    let chance = &mut self.firsts[crowd.min(3)][ratio.min(Model::RATIOS - 1)];
                    if end || coder.bit(chance, *cell > 0) {
                        let count = self.counts.more(coder, about, 1, *cell);
                        none_yet = false;
                        share = Share::new(left - count.min(left), rest - own / 2);
                        count
                    } else {
                        0
                    }
                } else {
                    self.counts.code(coder, about, seen[index] == 0, *cell)
                };
                *cell = count.min(left);
                left -= *cell;
                within -= u64::from(weight);
                if left == 0 {
                    break;
                }
            }
            rest -= own;
        }
    }
}

/// What of the values that are left buckets are expected to get.
#[derive(Clone, Copy)]
struct Share(u64);

impl Share {
    fn new(left: u64, rest: u64) -> Share {
        Share((left << 32) / rest.max(1))
    }

    /// In 2⁻¹⁶.
    fn of(self, weight: u64) -> u64 {
        ((u128::from(self.0) * u128::from(weight)) >> 16) as u64
    }
}

/// Packs what a histogram had when a block began, if it had begun before, and the rows of an open block: some rows at a
/// time.
#[derive(Debug)]
pub(super) struct Packer {
    coder: RangeWriter,
    model: Model,
    /// How many of the open block's bytes are packed.
    done: usize,
    /// The row behind the last one that is.
    next: u32,
    row: u32,
    /// The row that is coded. Kept for its memory.
    gain: Gain,
}

impl Packer {
    /// `None` if there are more values than this can tell.
    pub(super) fn new(precision: Precision, base: Option<&Gain>, open: &[u8]) -> Option<Packer> {
        let (mut stretches, mut all, mut values) = (Stretches::default(), 0u64, 0u64);
        let sum = |gain: &Gain| {
            gain.buckets.iter().try_fold(0u64, |sum, bucket| sum.checked_add(bucket.1))
        };
        let fits = |gain: &Gain, most: u64| sum(gain).is_some_and(|sum| sum <= most);
        let mut small = base.is_none_or(|base| fits(base, MOST_BASE));
        sparse::rows(open, |_, gain| {
            small &= fits(gain, MOST_ROW);
            all += 1;
            values = values.saturating_add(sum(gain).unwrap_or(0));
            stretches.add(&gain.buckets);
        });
        if !small {
            return None;
        }
        let mut coder = RangeWriter::new();
        coder.one_of(2, base.is_some().into());
        if let Some(base) = base {
            code_base(&mut coder, precision, &mut base.clone());
        }
        let (_, values) = code_head(&mut coder, precision, (all, values), base, &mut stretches);
        let model = Model::new(precision, stretches, base, values);
        Some(Packer { coder, model, done: 0, next: 0, row: 0, gain: Gain::default() })
    }

    /// Packs rows of the same open block until they are about so many bytes more; how many bytes they were: none when all
    /// is packed.
    pub(super) fn advance(&mut self, open: &[u8], bytes: usize) -> usize {
        let from = self.done;
        while self.done < open.len() && self.done - from < bytes {
            let mut rest = &open[self.done..];
            self.row = self.row.wrapping_add(sparse::take(&mut rest, &mut self.gain));
            self.done = open.len() - rest.len();
            let mut row = self.row;
            self.model.code(&mut self.coder, self.next, &mut row, u32::MAX, &mut self.gain);
            self.next = self.row.wrapping_add(1);
        }
        self.done - from
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.coder.finish()
    }

    /// Bytes that it takes until it has finished.
    pub(super) fn heap(&self) -> usize {
        let cells = self.model.cells.capacity() + self.model.seen.capacity();
        let stretches = 8 * self.model.filled.capacity() + 4 * self.model.weights.capacity();
        size_of::<Packer>()
            + 8 * cells
            + stretches
            + 16 * self.gain.buckets.capacity()
            + self.coder.heap()
    }
}

/// As a [`Packer`] does, all at once. For tests and fuzzing.
pub(super) fn pack(precision: Precision, base: Option<&Gain>, open: &[u8]) -> Option<Vec<u8>> {
    let mut packer = Packer::new(precision, base, open)?;
    packer.advance(open, usize::MAX);
    Some(packer.finish())
}

/// What comes between what a histogram had and the rows: how many rows and values (to a power of two) there are, and
/// which stretches have any.
fn code_head(
    coder: &mut impl Coder,
    precision: Precision,
    (rows, values): (u64, u64),
    base: Option<&Gain>,
    stretches: &mut Stretches,
) -> (u64, u64) {
    let mut numbers = Numbers::NEW;
    let rows = numbers.code(coder, rows);
    let values = 1 << numbers.code(coder, values.max(1).ilog2().into()).min(44);
    let mut before = Stretches::default();
    before.add(base.map_or(&[], |base| &base.buckets));
    stretches.code(coder, precision, &before);
    (rows, values)
}

/// A packed block, opened for reading.
#[derive(Debug)]
pub(super) struct Dense<'a> {
    /// What the histogram had when the block began.
    pub(super) base: Option<Gain>,
    precision: Precision,
    reader: RangeReader<'a>,
}

impl<'a> Dense<'a> {
    pub(super) fn open(bytes: &'a [u8], precision: Precision) -> Self {
        let mut reader = RangeReader::new(bytes);
        let base = (reader.one_of(2, 0) == 1).then(|| {
            let mut gain = Gain::default();
            code_base(&mut reader, precision, &mut gain);
            gain
        });
        Dense { base, precision, reader }
    }

    /// Calls `each` with the rows up to `until`, exclusive, in which something was added, and what.
    pub(super) fn rows(mut self, until: u32, mut each: impl FnMut(u32, &Gain)) {
        let (base, mut stretches) = (self.base.as_ref(), Stretches::default());
        let coder = &mut self.reader;
        let (all, values) = code_head(coder, self.precision, (0, 0), base, &mut stretches);
        let mut model = Model::new(self.precision, stretches, base, values);
        let (mut next, mut row, mut gain) = (0u32, 0, Gain::default());
        for _ in 0..all {
            gain.clear();
            if !model.code(coder, next, &mut row, until, &mut gain) {
                return;
            }
            each(row, &gain);
            next = row.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    /// Buckets about a place, of small counts and of some that are as large as can be.
    fn gain() -> impl Strategy<Value = Gain> {
        let near = (0u32..400, 1u64..6);
        let far = (
            any::<u32>(),
            (any::<u64>(), 0u32..64).prop_map(|(count, shift)| (count >> shift).max(1)),
        );
        let buckets = prop_oneof![
            4 => btree_map(near.0, near.1, 0..40).boxed(),
            1 => btree_map(far.0, far.1, 0..12).boxed(),
        ];
        (buckets, any::<u128>(), 0u32..128).prop_map(|(buckets, sum, shift)| Gain {
            buckets: buckets.into_iter().collect(),
            sum: sum >> shift,
        })
    }

    fn fit(precision: Precision, mut gain: Gain, middle: bool, most: u64) -> Gain {
        let ordinals = HistogramSnapshot::most_ordinals(precision) as u32;
        let place = |(ordinal, count): (u32, u64)| (ordinal % ordinals, count.min(most));
        let buckets: std::collections::BTreeMap<_, _> =
            gain.buckets.into_iter().map(place).collect();
        gain.buckets = buckets.into_iter().collect();
        if middle {
            let (least, room) = gain.bounds(precision);
            gain.sum = least.wrapping_add(room / 2);
        }
        gain
    }

    fn read(bytes: &[u8], precision: Precision) -> (Option<Gain>, Vec<(u32, Gain)>) {
        let (packed, mut rows) = (Dense::open(bytes, precision), Vec::new());
        let base = packed.base.clone();
        packed.rows(240, |row, gain| rows.push((row, gain.clone())));
        (base, rows)
    }

    fn round_trip(
        precision: Precision,
        base: Option<&Gain>,
        rows: &[(u32, Gain)],
    ) -> Option<usize> {
        let (mut open, mut last) = (Vec::new(), 0);
        for (row, gain) in rows {
            sparse::push(&mut open, row - last, gain);
            last = *row;
        }
        let bytes = pack(precision, base, &open)?;
        let mut by_the_row = Packer::new(precision, base, &open)?;
        while by_the_row.advance(&open, 1) > 0 {}
        assert_eq!(by_the_row.finish(), bytes);
        let (found, all) = read(&bytes, precision);
        assert_eq!(found.as_ref(), base);
        assert_eq!(all, rows);
        Some(bytes.len())
    }

    const PRECISIONS: [Precision; 3] = [Precision::One, Precision::Two, Precision::Three];

    #[test]
    fn what_repeats_takes_next_to_nothing() {
        let all = |times: u64| {
            let gain = Gain { buckets: vec![(700, 3 * times), (701, 5 * times)], sum: 0 };
            fit(Precision::Two, gain, true, u64::MAX)
        };
        let gain = all(1);
        let rows: Vec<_> = (0..240).map(|row| (row, gain.clone())).collect();
        let bytes = round_trip(Precision::Two, None, &rows).expect("few values");
        assert!(bytes < 600, "{bytes} bytes");
        let alone = round_trip(Precision::Two, Some(&all(1_000)), &[]).expect("few values");
        assert!(alone < 40, "{alone} bytes");
    }

    #[test]
    fn more_values_than_it_tells_are_left_to_others() {
        let many = |count| Gain { buckets: vec![(3, count)], sum: 0 };
        for precision in PRECISIONS {
            assert!(round_trip(precision, None, &[(0, many(MOST_ROW))]).is_some());
            assert_eq!(round_trip(precision, None, &[(0, many(MOST_ROW + 1))]), None);
            assert!(round_trip(precision, Some(&many(MOST_BASE)), &[(0, many(1))]).is_some());
            assert_eq!(round_trip(precision, Some(&many(MOST_BASE + 1)), &[(0, many(1))]), None);
            let both = Gain { buckets: vec![(3, u64::MAX), (4, u64::MAX)], sum: 0 };
            assert_eq!(round_trip(precision, Some(&both), &[]), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_packed_is_read(
            figures in 0usize..3,
            base in proptest::option::of(gain()),
            rows in vec((0u32..3, gain(), any::<bool>()), 0..40),
        ) {
            let precision = PRECISIONS[figures];
            let base = base.map(|base| fit(precision, base, true, 1 << 40));
            let mut at = 0;
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(gap, gain, middle)| {
                    at += 1 + gap;
                    (at, fit(precision, gain, middle, 1 << 24))
                })
                .collect();
            prop_assert!(round_trip(precision, base.as_ref(), &rows).is_some());
        }

        #[test]
        fn bytes_that_nobody_packed_are_no_harm(bytes in vec(any::<u8>(), 0..80), figures in 0usize..3) {
            let precision = PRECISIONS[figures];
            let most = HistogramSnapshot::most_ordinals(precision) as u32;
            let (base, rows) = read(&bytes, precision);
            let ordered = |gain: &Gain| {
                gain.buckets.is_sorted_by(|a, b| a.0 < b.0)
                    && gain.buckets.iter().all(|bucket| bucket.1 > 0 && bucket.0 < most + STRETCH as u32)
            };
            prop_assert!(base.iter().all(ordered));
            prop_assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
            prop_assert!(rows.iter().all(|row| row.0 < 240 && ordered(&row.1)));
        }
    }
}
