//! Histograms as history keeps them: what one generation (or one step) added, as pairs of bucket and count, and the
//! exact sum.
//!
//! An open block holds them as plain bytes, appended row by row. A closed block is packed: ordinals as the gaps between
//! them and counts in Rice codes with parameters of their own for dense and for thin stretches of buckets, and of each
//! sum only how far it lies above the least that the buckets allow.

use super::bits::{BitReader, BitWriter, RiceCost};
use crate::snapshot::histogram::parts::ends;
use crate::{HistogramSnapshot, Precision};

/// What a histogram gained between two moments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gain {
    /// Ordinals, ascending, and counts above zero.
    pub(super) buckets: Vec<(u32, u64)>,
    /// The sum of what was added; modulo 2¹²⁸, as cuts that were not complete may take some of it back.
    pub(super) sum: u128,
}

impl Gain {
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty() && self.sum == 0
    }

    pub(super) fn clear(&mut self) {
        self.buckets.clear();
        self.sum = 0;
    }

    /// All that a histogram has.
    pub(super) fn whole(of: &HistogramSnapshot) -> Gain {
        let buckets = of.ordinals().map(|(ordinal, count)| (ordinal as u32, count)).collect();
        Gain { buckets, sum: of.sum() }
    }

    /// Makes this what `later` has and `earlier` had not; `false` if counts fell in between: then it is all of `later`.
    pub(super) fn set(&mut self, later: &HistogramSnapshot, earlier: &HistogramSnapshot) -> bool {
        self.buckets.clear();
        let per_octave = later.precision().shape().buckets(1) as u32;
        let mut before = earlier.counted_octaves().peekable();
        let mut fell = later.precision() != earlier.precision() || later.count() < earlier.count();
        for (octave, counted_now, now) in later.counted_octaves() {
            // What the earlier one has in an octave that the later one lacks was lost.
            fell |= before.next_if(|then| then.0 < octave).is_some();
            let then = before.next_if(|then| then.0 == octave);
            if fell {
                break;
            }
            let first = if octave == 0 { 0 } else { per_octave * (octave as u32 + 1) };
            match then {
                // Counts only rise: with as many values of the same sum, the octave is what it was.
                Some((_, counted_then, _)) if counted_then == counted_now => {}
                Some((_, _, then)) => {
                    // Eight that stand still are one comparison.
                    let (now, more_now) = now.as_chunks::<8>();
                    let (then, more_then) = then.as_chunks::<8>();
                    let (mut at, buckets) = (first, &mut self.buckets);
                    let mut rose = |now: &[u64], then: &[u64], first: u32| {
                        for (ordinal, (&now, &then)) in (first..).zip(now.iter().zip(then)) {
                            fell |= now < then;
                            if now > then {
                                buckets.push((ordinal, now - then));
                            }
                        }
                    };
                    for (now, then) in now.iter().zip(then) {
                        if now != then {
                            rose(now, then, at);
                        }
                        at += 8;
                    }
                    rose(more_now, more_then, at);
                }
                None => self.buckets.extend(
                    (first..).zip(now).filter(|(_, now)| **now > 0).map(|(at, now)| (at, *now)),
                ),
            }
        }
        if fell || before.next().is_some() {
            *self = Gain::whole(later);
            return false;
        }
        self.sum = later.sum().wrapping_sub(earlier.sum());
        true
    }

    /// The least sum that the buckets allow, and how far the sum may lie above it.
    pub(super) fn bounds(&self, precision: Precision) -> (u128, u128) {
        let most = HistogramSnapshot::most_ordinals(precision) as u32;
        let known = self.buckets.iter().filter(|bucket| bucket.0 < most);
        known.fold((0u128, 0u128), |(least, room), &(ordinal, count)| {
            let (low, high) = ends(precision, ordinal as usize);
            let times = |each: u64| u128::from(each).wrapping_mul(count.into());
            (least.wrapping_add(times(low)), room.wrapping_add(times(high - low)))
        })
    }
}

/// Appends a row to an open block's bytes: how many rows after the last one that has something, and what.
pub(super) fn push(out: &mut Vec<u8>, rows: u32, gain: &Gain) {
    varint(out, rows.into());
    varint(out, gain.buckets.len() as u128);
    let mut next = 0;
    for &(ordinal, count) in &gain.buckets {
        varint(out, (ordinal - next).into());
        varint(out, count.into());
        next = ordinal + 1;
    }
    varint(out, gain.sum);
}

/// Reads an open block's bytes: calls `each` with the row and what was added.
pub(super) fn rows(mut bytes: &[u8], mut each: impl FnMut(u32, &Gain)) {
    let (mut row, mut gain) = (0u32, Gain::default());
    while !bytes.is_empty() {
        row = row.wrapping_add(take(&mut bytes, &mut gain));
        each(row, &gain);
    }
}

/// Reads the next row of an open block's bytes: how many rows after the last one it is.
pub(super) fn take(bytes: &mut &[u8], gain: &mut Gain) -> u32 {
    let rows = take_short(bytes) as u32;
    let length = take_short(bytes) as usize;
    gain.buckets.clear();
    let mut next = 0u32;
    for _ in 0..length {
        let ordinal = next.wrapping_add(take_short(bytes) as u32);
        gain.buckets.push((ordinal, take_short(bytes)));
        next = ordinal.wrapping_add(1);
    }
    gain.sum = take_varint(bytes);
    rows
}

pub(super) fn varint(out: &mut Vec<u8>, mut value: u128) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// One that is most often a single byte.
fn take_short(bytes: &mut &[u8]) -> u64 {
    match **bytes {
        [byte @ 0..0x80, ref rest @ ..] => {
            *bytes = rest;
            byte.into()
        }
        _ => take_varint(bytes) as u64,
    }
}

pub(super) fn take_varint(bytes: &mut &[u8]) -> u128 {
    let mut value = 0;
    for shift in (0..128).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        value |= u128::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// The parameters of a packed block's codes, and the measuring that finds them.
struct Codes<T> {
    rows: T,
    lengths: T,
    /// The first bucket's ordinal, less the least of all rows'.
    firsts: T,
    /// By whether the bucket before was near.
    gaps: [T; 2],
    /// By whether the bucket before is next to it.
    counts: [T; 2],
    least: u32,
}

/// A bucket is near the one before if fewer than so many lie between them.
const NEAR: u32 = 3;
/// Bits of a parameter.
const PARAMETER: u32 = 5;

impl<T> Codes<T> {
    fn each(&mut self) -> [&mut T; 7] {
        let Codes { rows, lengths, firsts, gaps: [a, b], counts: [c, d], .. } = self;
        [rows, lengths, firsts, a, b, c, d]
    }
}

impl Codes<u32> {
    /// The parameters that suit the numbers which `measure` adds.
    fn fitting(least: u32, measure: impl FnOnce(&mut Codes<RiceCost>)) -> Self {
        let cost = RiceCost::new;
        let (gaps, counts) = ([cost(), cost()], [cost(), cost()]);
        let mut costs =
            Codes { rows: cost(), lengths: cost(), firsts: cost(), gaps, counts, least };
        measure(&mut costs);
        let [rows, lengths, firsts, a, b, c, d] = costs.each().map(|cost| cost.best());
        Codes { rows, lengths, firsts, gaps: [a, b], counts: [c, d], least }
    }

    fn put(&mut self, out: &mut BitWriter) {
        out.varint(self.least.into());
        self.each().into_iter().for_each(|k| out.put((*k).into(), PARAMETER));
    }
}

/// Calls `code` for each number of a gain's buckets, as they are written.
fn walk<T>(codes: &mut Codes<T>, gain: &Gain, mut code: impl FnMut(&mut T, u64)) {
    code(&mut codes.lengths, gain.buckets.len() as u64);
    let (mut next, mut near, mut first) = (codes.least, false, true);
    for &(ordinal, count) in &gain.buckets {
        let gap = ordinal - next;
        let by = if first { &mut codes.firsts } else { &mut codes.gaps[usize::from(near)] };
        code(by, gap.into());
        first = false;
        code(&mut codes.counts[usize::from(gap == 0)], count - 1);
        near = gap < NEAR;
        next = ordinal + 1;
    }
}

/// Packs what a histogram had when a block began, if it had begun before, and the rows of an open block.
pub(super) fn pack(precision: Precision, base: Option<&Gain>, open: &[u8]) -> Vec<u8> {
    let (mut all, mut least) = (0, u32::MAX);
    rows(open, |_, gain| {
        least = least.min(gain.buckets.first().map_or(u32::MAX, |bucket| bucket.0))
    });
    let least = if least == u32::MAX { 0 } else { least };
    let mut found = Codes::fitting(least, |costs| {
        let mut last = 0;
        rows(open, |row, gain| {
            all += 1;
            costs.rows.add((row - last).into());
            last = row;
            walk(costs, gain, RiceCost::add);
        });
    });
    let mut out = BitWriter::default();
    out.put(base.is_some().into(), 1);
    if let Some(base) = base {
        let mut own = Codes::fitting(0, |costs| walk(costs, base, RiceCost::add));
        own.put(&mut out);
        write(&mut out, precision, &mut own, base);
    }
    out.varint(all);
    found.put(&mut out);
    let mut last = 0;
    rows(open, |row, gain| {
        out.rice((row - last).into(), found.rows);
        last = row;
        write(&mut out, precision, &mut found, gain);
    });
    out.finish()
}

fn write(out: &mut BitWriter, precision: Precision, codes: &mut Codes<u32>, gain: &Gain) {
    walk(codes, gain, |k, value| out.rice(value, *k));
    let (least, room) = gain.bounds(precision);
    let above = gain.sum.wrapping_sub(least);
    let regular = above <= room;
    out.put(regular.into(), 1);
    out.put_wide(above, if regular { 128 - room.leading_zeros() } else { 128 });
}

fn read(reader: &mut BitReader<'_>, precision: Precision, codes: &Codes<u32>, gain: &mut Gain) {
    gain.buckets.clear();
    let most = HistogramSnapshot::most_ordinals(precision);
    let length = (reader.rice(codes.lengths) as usize).min(most);
    let (mut next, mut near) = (codes.least, false);
    for index in 0..length {
        let k = if index == 0 { codes.firsts } else { codes.gaps[usize::from(near)] };
        let gap = reader.rice(k) as u32;
        let count = reader.rice(codes.counts[usize::from(gap == 0)]).wrapping_add(1);
        let ordinal = next.wrapping_add(gap);
        gain.buckets.push((ordinal, count));
        near = gap < NEAR;
        next = ordinal.wrapping_add(1);
    }
    let (least, room) = gain.bounds(precision);
    let regular = reader.take(1) == 1;
    let above = reader.take_wide(if regular { 128 - room.leading_zeros() } else { 128 });
    gain.sum = least.wrapping_add(above);
}

fn parameters(reader: &mut BitReader<'_>) -> Codes<u32> {
    let least = reader.varint() as u32;
    let mut codes = Codes { rows: 0, lengths: 0, firsts: 0, gaps: [0; 2], counts: [0; 2], least };
    codes.each().into_iter().for_each(|k| *k = reader.take(PARAMETER) as u32);
    codes
}

/// A packed block, opened for reading.
#[derive(Debug)]
pub(super) struct Packed<'a> {
    /// What the histogram had when the block began.
    pub(super) base: Option<Gain>,
    precision: Precision,
    reader: BitReader<'a>,
}

impl<'a> Packed<'a> {
    pub(super) fn open(bytes: &'a [u8], precision: Precision) -> Self {
        let mut reader = BitReader::new(bytes);
        let base = (reader.take(1) == 1).then(|| {
            let (codes, mut gain) = (parameters(&mut reader), Gain::default());
            read(&mut reader, precision, &codes, &mut gain);
            gain
        });
        Packed { base, precision, reader }
    }

    /// Calls `each` with the rows up to `until`, exclusive, in which something was added, and what.
    pub(super) fn rows(mut self, until: u32, mut each: impl FnMut(u32, &Gain)) {
        let all = self.reader.varint();
        let codes = parameters(&mut self.reader);
        let (mut row, mut gain) = (0u32, Gain::default());
        for _ in 0..all.min(until.into()) {
            row = row.saturating_add(self.reader.rice(codes.rows).min(u32::MAX.into()) as u32);
            if row >= until {
                return;
            }
            read(&mut self.reader, self.precision, &codes, &mut gain);
            each(row, &gain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unit;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn snapshot(precision: Precision, values: &[u64]) -> HistogramSnapshot {
        let mut hdr =
            hdrhistogram::Histogram::<u64>::new_with_bounds(1, u64::MAX, precision.figures())
                .unwrap();
        values.iter().for_each(|&value| hdr.record(value).unwrap());
        HistogramSnapshot::from_hdr(&hdr, Unit::None).unwrap()
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        vec((any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift), 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn gains_add_up_and_are_read_as_written(
            figures in 0usize..3,
            steps in vec((1u32..4, values(), any::<bool>()), 0..12),
        ) {
            let precision = [Precision::One, Precision::Two, Precision::Three][figures];
            let mut all = HistogramSnapshot::empty(precision, Unit::None);
            let (mut open, mut row, mut last, mut expected) = (Vec::new(), 0, 0, Vec::new());
            let (mut gain, mut total) = (Gain::default(), std::collections::BTreeMap::new());
            for (rows, values, odd) in &steps {
                let before = all.clone();
                all.merge(&snapshot(precision, values)).unwrap();
                prop_assert!(gain.set(&all, &before));
                row += rows;
                gain.buckets.iter().for_each(|(at, count)| *total.entry(*at).or_insert(0) += count);
                // A sum that the buckets do not allow is kept, too.
                gain.sum = gain.sum.wrapping_sub(u128::from(*odd));
                push(&mut open, row - last, &gain);
                last = row;
                expected.push((row, gain.clone()));
            }
            prop_assert_eq!(total.into_iter().collect::<Vec<_>>(), Gain::whole(&all).buckets);
            let mut found = Vec::new();
            rows(&open, |row, gain| found.push((row, gain.clone())));
            prop_assert_eq!(&found, &expected);
            for base in [None, Some(Gain::whole(&all))] {
                let bytes = pack(precision, base.as_ref(), &open);
                let packed = Packed::open(&bytes, precision);
                prop_assert_eq!(&packed.base, &base);
                let mut found = Vec::new();
                packed.rows(u32::MAX, |row, gain| found.push((row, gain.clone())));
                prop_assert_eq!(&found, &expected);
            }
        }

        #[test]
        fn a_fall_is_seen(before in values(), after in values()) {
            let (before, after) = (snapshot(Precision::Two, &before), snapshot(Precision::Two, &after));
            let mut gain = Gain::default();
            let counts: std::collections::HashMap<_, _> = after.ordinals().collect();
            let rose = before.ordinals().all(|(at, count)| counts.get(&at).is_some_and(|now| *now >= count));
            // An octave that fell in one bucket as much as it rose in another, in number and sum, is none of an engine's.
            let totals = |of: &HistogramSnapshot| -> std::collections::HashMap<usize, (u64, u128)> {
                of.counted_octaves().map(|(octave, counted, _)| (octave, counted)).collect()
            };
            let (earlier, later) = (totals(&before), totals(&after));
            prop_assume!(rose || earlier.iter().all(|(octave, counted)| later.get(octave) != Some(counted)));
            prop_assert_eq!(gain.set(&after, &before), rose);
            if !rose {
                prop_assert_eq!(gain, Gain::whole(&after));
            }
        }
    }
}
