//! How histograms are packed where bytes count more than time: the columns of the coarsest tier.
//!
//! What a histogram had before a block, and what its rows so far gained, tell how likely each bucket is to get how many of
//! the next values. A block is told in segments of its rows: first what each of them adds up to, one after the other, as
//! decisions of a range coder, whose chances start from Poisson's and learn: the number of values, for each stretch of
//! sixteen buckets whether it has any, and the counts. Then the segments' rows, each segment by itself, so that of a
//! block only the segment is read through which a window's edge goes: see [`Segment`].
//!
//! One walk does both ways ([`Coder`]). It depends on nothing but what was written before, in whole numbers.

use super::counts::{ANY, CROWDED, Counts, FIRSTS, NEVER, RATIOS, class};
use super::range::{Chance, Coder, Numbers, RangeReader, RangeWriter};
use super::segment::Segment;
use super::sparse::{self, Gain};
use crate::limits::HISTORY_BLOCK_ROWS;
use crate::{HistogramSnapshot, Precision};
use std::ops::Range;

/// Buckets of a stretch.
pub(super) const STRETCH: usize = 16;
/// Segments of a block, by how many values it has at least, to a power of two: the more there are, the longer it takes to
/// read a row, and the less a segment costs beside its rows.
const SEGMENTS: [(u64, usize); 4] = [(17, 8), (14, 4), (12, 2), (0, 1)];
/// Above this many values, what a histogram had is packed the other way.
const MOST_BASE: u64 = 1 << 44;
/// As many values of a block.
const MOST_VALUES: u64 = 1 << 40;
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
pub(super) struct Stretches(Vec<u32>);

impl Stretches {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The first bucket of a stretch.
    pub(super) fn first_ordinal(&self, at: usize) -> u32 {
        self.0[at] * STRETCH as u32
    }

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
        let mut last = None;
        for &(ordinal, _) in buckets {
            let stretch = ordinal / STRETCH as u32;
            if last.replace(stretch) == Some(stretch) {
                continue;
            }
            if let Err(at) = self.0.binary_search(&stretch) {
                self.0.insert(at, stretch);
            }
        }
    }

    /// Calls `each` with the place of each bucket among those of all stretches, and its count; buckets of stretches that
    /// are not here are left out.
    pub(super) fn places(&self, buckets: &[(u32, u64)], mut each: impl FnMut(usize, u64)) {
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
pub(super) struct Sums {
    regular: Chance,
    places: Numbers,
}

impl Sums {
    pub(super) fn new() -> Sums {
        Sums { regular: Chance::of(0xff00, 8), places: Numbers::NEW }
    }

    pub(super) fn code(
        &mut self,
        coder: &mut impl Coder,
        precision: Precision,
        values: u64,
        gain: &mut Gain,
    ) {
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
            *cell = counts.code(coder, 0, about, (0, MOST_BASE), *cell);
            total = total.saturating_add(*cell);
            last = [*cell, a, b];
            if *cell > 0 {
                gain.buckets.push((ordinal, *cell));
            }
        }
    }
    Sums::new().code(coder, precision, total, gain);
}

/// What is known of a block's segments.
#[derive(Debug)]
struct Model {
    precision: Precision,
    stretches: Stretches,
    /// By bucket, what was seen, and how likely it is; the latter by stretch, too, and of all.
    seen: Vec<u64>,
    weights: Vec<u32>,
    stretch_weights: Vec<u32>,
    weight: u64,
    /// The segment's counts, by bucket, and which stretches have any. Zero between segments.
    cells: Vec<u64>,
    filled: Vec<bool>,
    totals: Counts,
    /// What the segment before had, in 2⁻¹⁶.
    mean: u64,
    counts: Counts,
    any: [Chance; class(CROWDED) + 1],
    firsts: [[Chance; RATIOS]; 4],
    sums: Sums,
}

impl Model {
    fn new(precision: Precision, head: Head, base: Option<&Gain>) -> Model {
        let Head { values, stretches } = head;
        let mean = (values << 16) / u64::from(HISTORY_BLOCK_ROWS as u32 / segment(values));
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
            totals: Counts::new(),
            mean,
            counts: Counts::new(),
            any: ANY[0],
            firsts: FIRSTS,
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

    /// What a segment gained: its counts, its sum.
    fn code(&mut self, coder: &mut impl Coder, gain: &mut Gain) {
        let mut total = 0;
        self.stretches.places(&gain.buckets, |at, count| {
            (self.cells[at], self.filled[at / STRETCH]) = (count, true);
            total += count;
        });
        let most = if self.cells.is_empty() { 0 } else { MOST_VALUES };
        let total = self.totals.code(coder, 0, self.mean, (0, most), total);
        self.mean = total << 16;
        self.code_cells(coder, total);
        self.gather(&mut gain.buckets);
        self.sums.code(coder, self.precision, total, gain);
        self.weigh();
    }

    /// The segment's buckets, which are learned from, and forgotten.
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
                    let chance = &mut self.firsts[crowd.min(3)][ratio.min(RATIOS - 1)];
                    if end || coder.bit(chance, *cell > 0) {
                        let count = self.counts.code(coder, 0, about, (1, left), *cell);
                        none_yet = false;
                        share = Share::new(left - count.min(left), rest - own / 2);
                        count
                    } else {
                        0
                    }
                } else {
                    let phase = if seen[index] == 0 { NEVER } else { 0 };
                    self.counts.code(coder, phase, about, (0, left), *cell)
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
pub(super) struct Share(u64);

impl Share {
    pub(super) fn new(left: u64, rest: u64) -> Share {
        // Both are far below 2⁶⁴, but not 32 bits below it.
        let shift = (64 - left.leading_zeros()).saturating_sub(31);
        Share(((left >> shift) << 32) / (rest >> shift).max(1))
    }

    /// In 2⁻¹⁶.
    pub(super) fn of(self, weight: u64) -> u64 {
        ((u128::from(self.0) * u128::from(weight)) >> 16) as u64
    }
}

/// What is told before the segments: how many values there are, to a power of two, and which stretches have any.
#[derive(Debug)]
struct Head {
    values: u64,
    stretches: Stretches,
}

impl Head {
    fn code(&mut self, coder: &mut impl Coder, precision: Precision, base: Option<&Gain>) {
        let octave = u64::from(self.values.max(1).ilog2());
        let mut numbers = Numbers::NEW;
        self.values = 1 << numbers.code(coder, octave).min(44);
        let mut before = Stretches::default();
        before.add(base.map_or(&[], |base| &base.buckets));
        self.stretches.code(coder, precision, &before);
    }
}

/// How many rows a segment of a block with so many values has.
fn segment(values: u64) -> u32 {
    let many = SEGMENTS.iter().find(|(octave, _)| values >> octave > 0).map_or(1, |found| found.1);
    (HISTORY_BLOCK_ROWS / many) as u32
}

/// How many of a segment's rows have something: all, mostly.
fn code_rows(coder: &mut impl Coder, all: &mut Chance, segment: u32, rows: u64) -> u64 {
    if coder.bit(all, rows == u64::from(segment)) {
        return segment.into();
    }
    coder.one_of(segment, rows.min(u64::from(segment) - 1) as u32).into()
}

/// What rows gained in all.
fn whole(stretches: &Stretches, rows: &[(u32, Gain)]) -> Gain {
    let (mut cells, mut gain) = (vec![0; stretches.len() * STRETCH], Gain::default());
    for (_, row) in rows {
        stretches.places(&row.buckets, |at, count| cells[at] += count);
        gain.sum = gain.sum.wrapping_add(row.sum);
    }
    for (at, cells) in cells.chunks_exact(STRETCH).enumerate() {
        let counted = cells.iter().zip(stretches.first_ordinal(at)..);
        let counted = counted.filter(|(count, _)| **count > 0);
        gain.buckets.extend(counted.map(|(&count, ordinal)| (ordinal, count)));
    }
    gain
}

/// Packs what a histogram had when a block began, if it had begun before, and the rows of an open block: some segments at
/// a time.
#[derive(Debug)]
pub(super) struct Packer {
    precision: Precision,
    /// What segments add up to.
    coder: RangeWriter,
    model: Model,
    all: Chance,
    stretches: Stretches,
    /// How many rows a segment has.
    segment: u32,
    /// The first row of the next one.
    first: u32,
    /// How many of the open block's bytes are packed, and the last row that they have.
    done: usize,
    row: u32,
    /// The segments' rows, each with the row behind its last.
    pieces: Vec<(u32, Vec<u8>)>,
}

impl Packer {
    /// `None` if there are more values than this can tell.
    pub(super) fn new(precision: Precision, base: Option<&Gain>, open: &[u8]) -> Option<Packer> {
        let sum = |gain: &Gain| {
            gain.buckets.iter().try_fold(0u64, |sum, bucket| sum.checked_add(bucket.1))
        };
        if base.is_some_and(|base| sum(base).is_none_or(|sum| sum > MOST_BASE)) {
            return None;
        }
        let (mut stretches, mut values) = (Stretches::default(), Some(0u64));
        sparse::rows(open, |_, gain| {
            values = values.zip(sum(gain)).and_then(|(values, more)| values.checked_add(more));
            stretches.add(&gain.buckets);
        });
        let mut head = Head { values: values.filter(|values| *values <= MOST_VALUES)?, stretches };
        let mut coder = RangeWriter::new();
        coder.one_of(2, base.is_some().into());
        if let Some(base) = base {
            code_base(&mut coder, precision, &mut base.clone());
        }
        head.code(&mut coder, precision, base);
        let (segment, stretches) = (segment(head.values), head.stretches.clone());
        let model = Model::new(precision, head, base);
        Some(Packer {
            precision,
            coder,
            model,
            all: ALL,
            stretches,
            segment,
            first: 0,
            done: 0,
            row: 0,
            pieces: Vec::new(),
        })
    }

    /// Packs segments of the same open block until their rows are about so many bytes more; how many bytes they were, one at
    /// least: none when all is packed.
    pub(super) fn advance(&mut self, open: &[u8], bytes: usize) -> usize {
        let from = self.done;
        if self.first >= HISTORY_BLOCK_ROWS as u32 {
            return 0;
        }
        while self.first < HISTORY_BLOCK_ROWS as u32 && self.done - from < bytes {
            self.pack_segment(open);
        }
        (self.done - from).max(1)
    }

    fn pack_segment(&mut self, open: &[u8]) {
        let (mut next, end) = (self.first, self.first + self.segment);
        self.first = end;
        let mut rows = Vec::new();
        while self.done < open.len() {
            let (mut rest, mut gain) = (&open[self.done..], Gain::default());
            let row = self.row.wrapping_add(sparse::take(&mut rest, &mut gain));
            if row >= end {
                break;
            }
            (self.row, self.done) = (row, open.len() - rest.len());
            rows.push((row, gain));
        }
        let many = code_rows(&mut self.coder, &mut self.all, self.segment, rows.len() as u64);
        if many == 0 {
            return;
        }
        let mut whole = whole(&self.stretches, &rows);
        let mut part = Segment::new(self.precision, &self.stretches, many, &whole);
        self.model.code(&mut self.coder, &mut whole);
        let mut coder = RangeWriter::new();
        for (row, gain) in &mut rows {
            part.code(&mut coder, next, row, u32::MAX, gain);
            next = *row + 1;
        }
        self.pieces.push((end, coder.finish()));
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let (mut out, main) = (Vec::new(), self.coder.finish());
        for (end, piece) in std::iter::once((0, main)).chain(self.pieces) {
            if end < HISTORY_BLOCK_ROWS as u32 {
                sparse::varint(&mut out, piece.len() as u128);
            }
            out.extend(piece);
        }
        out
    }

    /// Bytes that it takes until it has finished.
    pub(super) fn heap(&self) -> usize {
        let cells = self.model.cells.capacity() + self.model.seen.capacity();
        let stretches = self.stretches.0.capacity() + self.model.stretches.0.capacity();
        let weights = self.model.weights.capacity() + self.model.stretch_weights.capacity();
        let pieces: usize = self.pieces.iter().map(|(_, piece)| piece.capacity()).sum();
        size_of::<Packer>()
            + 8 * cells
            + 4 * (stretches + weights)
            + self.model.filled.capacity()
            + size_of::<(u32, Vec<u8>)>() * self.pieces.capacity()
            + pieces
            + self.coder.heap()
    }
}

/// As a [`Packer`] does, all at once. For tests and fuzzing.
pub(super) fn pack(precision: Precision, base: Option<&Gain>, open: &[u8]) -> Option<Vec<u8>> {
    let mut packer = Packer::new(precision, base, open)?;
    packer.advance(open, usize::MAX);
    Some(packer.finish())
}

/// A packed block, opened for reading.
#[derive(Debug)]
pub(super) struct Dense<'a> {
    /// What the histogram had when the block began.
    pub(super) base: Option<Gain>,
    precision: Precision,
    reader: RangeReader<'a>,
    /// The segments' rows.
    pieces: &'a [u8],
}

impl<'a> Dense<'a> {
    pub(super) fn open(mut bytes: &'a [u8], precision: Precision) -> Self {
        let mut reader = RangeReader::new(take_piece(&mut bytes, 0));
        let base = (reader.one_of(2, 0) == 1).then(|| {
            let mut gain = Gain::default();
            code_base(&mut reader, precision, &mut gain);
            gain
        });
        Dense { base, precision, reader, pieces: bytes }
    }

    /// Calls `each` with the rows up to `until`, exclusive, in which something was added, and what.
    pub(super) fn rows(self, until: u32, each: impl FnMut(u32, &Gain)) {
        self.walk(0..until, false, each);
    }

    /// Calls `each` with what was added in these rows, in a few parts.
    pub(super) fn gained(self, rows: Range<u32>, mut each: impl FnMut(&Gain)) {
        self.walk(rows, true, |_, gain| each(gain));
    }

    /// Calls `each` with rows, or if `joined` with segments that lie within `asked`: the first row, and what was added.
    fn walk(mut self, asked: Range<u32>, joined: bool, mut each: impl FnMut(u32, &Gain)) {
        let (base, coder) = (self.base.as_ref(), &mut self.reader);
        let mut head = Head { values: 0, stretches: Stretches::default() };
        head.code(coder, self.precision, base);
        let (segment, stretches) = (segment(head.values), head.stretches.clone());
        let (mut model, mut all) = (Model::new(self.precision, head, base), ALL);
        let (mut whole, mut gain) = (Gain::default(), Gain::default());
        for first in (0..(HISTORY_BLOCK_ROWS as u32).min(asked.end)).step_by(segment as usize) {
            let many = code_rows(coder, &mut all, segment, 0);
            if many == 0 {
                continue;
            }
            whole.clear();
            model.code(coder, &mut whole);
            let end = first + segment;
            let piece = take_piece(&mut self.pieces, end);
            if end <= asked.start {
                continue;
            }
            if joined && asked.start <= first && end <= asked.end {
                each(first, &whole);
                continue;
            }
            let mut rows = Segment::new(self.precision, &stretches, many, &whole);
            let (mut coder, mut next, mut row) = (RangeReader::new(piece), first, 0);
            gain.clear();
            while rows.code(&mut coder, next, &mut row, end.min(asked.end), &mut gain) {
                if row >= asked.start {
                    each(row, &gain);
                }
                next = row.saturating_add(1);
                gain.clear();
            }
        }
    }
}

/// How likely it is that all rows of a segment have something.
const ALL: Chance = Chance::of(0xe000, 2);

/// The next piece, up to which row it tells. It begins with its length, unless it is of the block's last rows.
fn take_piece<'a>(bytes: &mut &'a [u8], end: u32) -> &'a [u8] {
    if end >= HISTORY_BLOCK_ROWS as u32 {
        return std::mem::take(bytes);
    }
    let length = sparse::take_varint(bytes).min(bytes.len() as u128) as usize;
    let (piece, rest) = bytes.split_at(length);
    *bytes = rest;
    piece
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

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
        let buckets: BTreeMap<_, _> = gain.buckets.into_iter().map(place).collect();
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
        let mut by_segment = Packer::new(precision, base, &open)?;
        while by_segment.advance(&open, 1) > 0 {}
        assert_eq!(by_segment.finish(), bytes);
        let (found, all) = read(&bytes, precision);
        assert_eq!(found.as_ref(), base);
        assert_eq!(all, rows);
        for asked in [0..240, 0..30, 17..18, 59..61, 30..210, 100..240, 239..240, 30..30] {
            let within = rows.iter().filter(|row| asked.contains(&row.0)).map(|row| &row.1);
            let mut found = Vec::new();
            let packed = Dense::open(&bytes, precision);
            packed.gained(asked.clone(), |gain| found.push(gain.clone()));
            assert_eq!(added(&found), added(within), "{asked:?}");
        }
        Some(bytes.len())
    }

    /// What gains add up to.
    fn added<'a>(gains: impl IntoIterator<Item = &'a Gain>) -> (BTreeMap<u32, u64>, u128) {
        let (mut counts, mut sum) = (BTreeMap::new(), 0u128);
        for gain in gains {
            gain.buckets.iter().for_each(|(at, count)| *counts.entry(*at).or_insert(0) += count);
            sum = sum.wrapping_add(gain.sum);
        }
        (counts, sum)
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
            assert!(round_trip(precision, None, &[(0, many(MOST_VALUES))]).is_some());
            assert_eq!(round_trip(precision, None, &[(0, many(MOST_VALUES + 1))]), None);
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
            apart in prop_oneof![0u32..3, 3u32..20],
            rows in vec((any::<u32>(), gain(), any::<bool>()), 0..40),
            most in prop_oneof![Just(1u64 << 24), Just(3)],
        ) {
            let precision = PRECISIONS[figures];
            let base = base.map(|base| fit(precision, base, true, 1 << 40));
            let mut at = 0;
            let rows: Vec<_> = rows
                .into_iter()
                .map(|(gap, gain, middle)| {
                    at += 1 + gap % (apart + 1);
                    (at, fit(precision, gain, middle, most))
                })
                .filter(|row| row.0 < 240)
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
