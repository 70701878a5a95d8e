//! What makes a histogram native, as a message of Prometheus has it: schema, zero bucket, spans of buckets and deltas.
//!
//! The way of the data: counts by exponential bucket, added up ([`Cumulative`]); blocks of 64 buckets, in which the deltas are
//! worked out and put into the bytes that they mostly have, and a bit says whether a bucket has a count; the bits of short
//! gaps are filled; each run of bits is a span, and its deltas are copied. Nothing in the blocks depends on what the counts
//! are: a processor that has to guess is slower than one that does a little too much, and what has no branch it does four
//! buckets at a time.

use super::exponential::{Cumulative, Sum, schema};
use super::wire::{Scratch, Wire, zigzag};
use crate::snapshot::HistogramSnapshot;

/// The zero bucket is as wide as Prometheus has it by default. Only the value zero is ever in it.
pub(crate) const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

/// Buckets without a count that are written rather than left out. A new span has six bytes at least, a bucket without a
/// count one.
const GAP: u32 = 5;

/// Buckets of a block: as many as a word has bits.
const BLOCK: usize = u64::BITS as usize;

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

/// Writes what makes a histogram native. Keep one: it is used again and again.
#[derive(Debug, Default)]
pub(crate) struct Native {
    small: Cumulative<u32>,
    large: Cumulative<u64>,
    work: Work,
}

/// What is worked out about one histogram.
#[derive(Debug, Default)]
struct Work {
    /// How many more each bucket counts than the one before, zigzag, as a varint of one or two bytes; anything for longer ones.
    short: Vec<u16>,
    blocks: Vec<Block>,
    deltas: Scratch,
}

/// [`BLOCK`] buckets that follow each other.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// Whether the varints of all are short.
    is_short: bool,
    /// Bit by bit, which buckets are to be written.
    written: u64,
}

impl Native {
    /// Writes schema, zero bucket, spans (which buckets there are) and deltas (how many more each bucket counts than the one
    /// before).
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        histogram: &HistogramSnapshot,
        fields: &Fields,
    ) {
        let Native { small, large, work } = self;
        // What is below 2^31 can be told from what is less, modulo 2^32.
        if histogram.count() <= i32::MAX as u64 {
            small.fill(histogram);
            work.fill_short(small.upto(BLOCK));
            work.write(out, histogram, fields, small);
        } else {
            large.fill(histogram);
            work.fill_long(large.upto(BLOCK));
            work.write(out, histogram, fields, large);
        }
    }
}

impl Work {
    /// Works out the blocks of small counts; `written` is then set for the buckets that have a count.
    fn fill_short(&mut self, upto: &[u32]) {
        let buckets = upto.len() - 1;
        if self.short.len() < buckets {
            self.short.resize(buckets, 0);
        }
        self.blocks.clear();
        let mut last = 0;
        for (at, short) in (0..buckets).step_by(BLOCK).zip(self.short.chunks_mut(BLOCK)) {
            let mut counts = [last; BLOCK + 1];
            subtract(&mut counts[1..], &upto[at + 1..at + 1 + BLOCK], &upto[at..at + BLOCK]);
            last = counts[BLOCK];
            let is_short = short_deltas(short, &counts[1..], &counts[..BLOCK]);
            self.blocks.push(Block { is_short, written: which(&counts[1..]) });
        }
    }

    /// As [`Work::fill_short`], for counts that are not small.
    fn fill_long(&mut self, upto: &[u64]) {
        self.blocks.clear();
        for at in (0..upto.len() - 1).step_by(BLOCK) {
            let counts = upto[at..at + BLOCK + 1].windows(2).enumerate();
            let written =
                counts.fold(0, |bits, (bit, pair)| bits | u64::from(pair[0] != pair[1]) << bit);
            self.blocks.push(Block { is_short: false, written });
        }
    }

    fn write<T: Sum>(
        &mut self,
        out: &mut Vec<u8>,
        histogram: &HistogramSnapshot,
        fields: &Fields,
        counts: &mut Cumulative<T>,
    ) {
        out.sint(fields.schema, schema(histogram.precision()).into());
        out.double(fields.zero_threshold, ZERO_THRESHOLD);
        out.uint_always(fields.zero_count, counts.zeros);
        close_gaps(&mut self.blocks);
        let first = counts.first;
        self.write_runs(out, fields, first, counts.upto(BLOCK));
        if !self.deltas.is_empty() {
            out.bytes(fields.deltas, self.deltas.as_slice());
        }
    }

    /// Writes a span for each run of buckets, and its deltas into `deltas`.
    fn write_runs<T: Sum>(&mut self, out: &mut Vec<u8>, fields: &Fields, first: i32, upto: &[T]) {
        let Work { short, blocks, deltas } = self;
        deltas.clear();
        let count = |at: usize| upto[at + 1].minus(upto[at]).count();
        let (mut index, mut at, mut before) = (0, 0, 0);
        while let Some(from) = find(blocks, at, |written| written) {
            let to = find(blocks, from, |written| !written).unwrap_or(upto.len() - 1);
            let run = first + from as i32;
            out.message(fields.spans, |out| {
                out.sint(1, (run - index).into());
                out.uint(2, (to - from) as u64);
            });
            (index, at) = (run + (to - from) as i32, to);
            // What is before the run has no count, but is not what the first delta is about.
            deltas.varint(zigzag(count(from).wrapping_sub(before) as i64));
            before = count(to - 1);
            let mut from = from + 1;
            while from < to {
                let end = to.min(from - from % BLOCK + BLOCK);
                if blocks[from / BLOCK].is_short {
                    deltas.short_varints(&short[from..end]);
                } else {
                    for at in from..end {
                        deltas.varint(zigzag(count(at).wrapping_sub(count(at - 1)) as i64));
                    }
                }
                from = end;
            }
        }
    }
}

// The loops that follow are short, and go over slices of a length that the compiler does not know: so it makes them loops over
// several numbers at once.

/// Becomes the differences of `upto` and `below`.
#[inline(never)]
fn subtract(counts: &mut [u32], upto: &[u32], below: &[u32]) {
    for ((count, upto), below) in counts.iter_mut().zip(upto).zip(below) {
        *count = upto.wrapping_sub(*below);
    }
}

/// Becomes the zigzag varints of the differences of `counts` and those `before`. Whether they have all room in two bytes.
#[inline(never)]
fn short_deltas(short: &mut [u16], counts: &[u32], before: &[u32]) -> bool {
    let mut longest = 0;
    for ((short, count), before) in short.iter_mut().zip(counts).zip(before) {
        let delta = count.wrapping_sub(*before) as i32;
        let delta = delta.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        let zigzag = (delta << 1 ^ delta >> 15) as u16;
        longest |= zigzag;
        // Seven bits and seven bits, and a bit for whether there is a second byte. The comparison is of what is not negative.
        let two = zigzag.wrapping_add(zigzag & 0x3F80);
        *short = two | u16::from(zigzag as i16 > 0x7F) << 7;
    }
    longest < 1 << 14
}

/// Which counts are not zero, bit by bit.
#[inline(never)]
fn which(counts: &[u32]) -> u64 {
    let mut has = [0u8; BLOCK];
    for (has, count) in has.iter_mut().zip(counts) {
        *has = u8::from(*count != 0);
    }
    let mut bits = 0;
    for (at, eight) in has.as_chunks::<8>().0.iter().enumerate() {
        // The lowest bit of each byte into the highest byte, side by side.
        let eight = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        bits |= eight << (8 * at);
    }
    bits
}

/// Has buckets written that are in gaps of no more than [`GAP`]: what a bit that is moved over the gap, and then moved back,
/// leaves.
fn close_gaps(blocks: &mut [Block]) {
    let mut before = 0;
    for block in &mut *blocks {
        let both = u128::from(block.written) << 64 | u128::from(before);
        before = block.written;
        block.written = (spread(both, |bits, by| bits | bits << by) >> 64) as u64;
    }
    // What is moved out of the last block is needed to move it back.
    let mut behind = (spread(before.into(), |bits, by| bits | bits << by) >> 64) as u64;
    for block in blocks.iter_mut().rev() {
        let both = u128::from(behind) << 64 | u128::from(block.written);
        behind = block.written;
        block.written = spread(both, |bits, by| bits & bits >> by) as u64;
    }
}

/// What `step` makes of bits that are moved by one up to [`GAP`].
fn spread(bits: u128, step: impl Fn(u128, u32) -> u128) -> u128 {
    const { assert!(GAP == 5) };
    // By 0 to 1, by 0 to 3, by 0 to 5.
    step(step(step(bits, 1), 2), 2)
}

/// The first bucket from `at` on whose bit, in what `of` makes of a block's bits, is set.
fn find(blocks: &[Block], at: usize, of: impl Fn(u64) -> u64) -> Option<usize> {
    let mut mask = u64::MAX << (at % BLOCK);
    for (number, block) in blocks.iter().enumerate().skip(at / BLOCK) {
        let bits = of(block.written) & mask;
        if bits != 0 {
            return Some(number * BLOCK + bits.trailing_zeros() as usize);
        }
        mask = u64::MAX;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a walk over the bits makes of them.
    fn closed(bits: &[bool]) -> Vec<bool> {
        let mut closed = bits.to_vec();
        let set: Vec<usize> = (0..bits.len()).filter(|&at| bits[at]).collect();
        for pair in set.windows(2).filter(|pair| pair[1] - pair[0] <= GAP as usize + 1) {
            closed[pair[0]..pair[1]].fill(true);
        }
        closed
    }

    fn check(bits: &[bool]) {
        let word =
            |bits: &[bool]| (0..).zip(bits).fold(0, |word, (at, bit)| word | u64::from(*bit) << at);
        let of = |bits: &[bool]| -> Vec<u64> { bits.chunks(BLOCK).map(word).collect() };
        let mut blocks: Vec<Block> =
            of(bits).into_iter().map(|written| Block { is_short: true, written }).collect();
        close_gaps(&mut blocks);
        let written: Vec<u64> = blocks.iter().map(|block| block.written).collect();
        assert_eq!(written, of(&closed(bits)));
    }

    #[test]
    fn gaps_are_closed_wherever_they_are() {
        for len in [BLOCK, 3 * BLOCK] {
            for one in 0..len {
                for other in one..len.min(one + 9) {
                    check(&(0..len).map(|at| at == one || at == other).collect::<Vec<_>>());
                }
            }
        }
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        for round in 0..2_000 {
            let bit = |_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.is_multiple_of(2 + round % 9)
            };
            check(&(0..4 * BLOCK).map(bit).collect::<Vec<_>>());
        }
    }
}
