//! What stands where in an arena, as byte offsets: the same in every shard, in the shared arena, and in every bank.
//!
//! ```text
//! 0        header: the owner's words
//! HEADER   bank 0: scalar cells, then histogram heads
//! +BANK    bank 1: the same
//! BLOCKS   octave blocks, allotted front to back
//! ```
//!
//! Offsets only, no pointers, and all zero bytes are a valid empty arena: a fresh mapping needs no preparation, and the
//! same bytes mean the same in another process.

use crate::limits::{MAX_HISTOGRAMS, MAX_SCALARS};

/// Bytes of the header.
pub(crate) const HEADER: usize = if cfg!(tachometer_loom) { 128 } else { 256 };
/// The state word: [`super::entry`].
pub(crate) const STATE: usize = 0;
/// Bytes of the block area in use. Owner only; the shared arena has [`super::regions`].
pub(crate) const CURSOR: usize = 8;
/// Of the open group, or of the last one that was: its bank, and how deep groups are nested, in units of
/// [`GROUP_DEPTH`]; and [`ORPHAN`]. Owner only.
pub(crate) const GROUP: usize = 16;
/// State of the generator that spaces sampled timers. Owner only.
pub(crate) const RANDOM: usize = 32;
/// Shared arena: records that came through shared cells.
pub(crate) const OVERFLOW_RECORDS: usize = 64;
/// Shared arena: records that went to the overflow series of a family.
pub(crate) const OVERFLOW_SERIES: usize = 72;
/// Shared arena: exemplars for which there was no place.
pub(crate) const DROPPED_EXEMPLARS: usize = 80;

/// In [`GROUP`], above the bits of a bank: one more group.
pub(crate) const GROUP_DEPTH: u64 = 1 << 32;
/// In [`GROUP`]: the thread has no fast path to put back, as the process has no `membarrier`.
pub(crate) const FENCED: u64 = 1 << 62;
/// In [`GROUP`]: the thread ended while its group was open; the guard hands the shard over.
pub(crate) const ORPHAN: u64 = 1 << 63;

/// Bytes of one histogram's head in one bank. In a model there are two octaves.
pub(crate) const HEAD_BYTES: usize = if cfg!(tachometer_loom) { DIRECTORY + 8 } else { 320 };
/// Head: the largest value of the generation.
pub(crate) const MAX: usize = 0;
/// Head: the bitwise complement of the smallest value of the generation, so that zero means "none".
pub(crate) const NOT_MIN: usize = 8;
/// Head: one bit for each octave that has a block.
pub(crate) const MASK: usize = 16;
/// Head, in bank 0 whatever the epoch: what a sampled timer has left to skip. Not part of a cut.
pub(crate) const SKIP: usize = 24;
/// Head: the smallest value of the generation, and how many values there are from it to the largest: what a record
/// compares with, once for both ends. Zero width: none yet, or more than 64 bits can say. Owner only, but for the reset.
pub(crate) const LOWEST: usize = 32;
/// See [`LOWEST`].
pub(crate) const WIDTH: usize = 40;
/// Head: where this bank's exemplars stand ([`super::exemplar`]); zero if it never had one.
pub(crate) const EXEMPLARS: usize = 48;
/// Head: one bit for each exemplar that the cutter has not taken yet.
pub(crate) const FRESH: usize = 56;
/// Head: 64 offsets of 32 bits, by octave, each biased as [`Shape::bias`] says; zero for an octave without a block.
pub(crate) const DIRECTORY: usize = 64;

/// Exemplars that one head has room for: one for each position of a value's highest bit. In a model there is one.
pub(crate) const EXEMPLAR_OCTAVES: usize = if cfg!(tachometer_loom) { 1 } else { 64 };
/// Bytes of one exemplar: value, trace, span.
pub(crate) const EXEMPLAR_BYTES: usize = 32;

const SCALARS: usize = MAX_SCALARS * 8;
/// Distance between the same cell in bank 0 and bank 1; the epoch holds `0` or this.
pub(crate) const BANK: usize = (SCALARS + MAX_HISTOGRAMS * HEAD_BYTES).next_multiple_of(64);
/// Where the octave blocks begin.
pub(crate) const BLOCKS: usize = (HEADER + 2 * BANK).next_multiple_of(64);

const _: () = assert!(DIRECTORY + 64 * 4 <= HEAD_BYTES || cfg!(tachometer_loom));
const _: () =
    assert!((BANK as u64) < GROUP_DEPTH, "a bank has room below the depth in a group word");
const _: () = assert!(BANK.is_multiple_of(8) && HEADER.is_multiple_of(64));
const _: () =
    assert!(BLOCKS > Shape::new(3).bias(1), "a biased directory entry is never zero or negative");

/// Offset in bank 0 of scalar `index`.
pub(crate) const fn scalar(index: usize) -> usize {
    assert!(index < MAX_SCALARS);
    HEADER + index * 8
}

/// Offset in bank 0 of the head of histogram `index`.
pub(crate) const fn head(index: usize) -> usize {
    assert!(index < MAX_HISTOGRAMS);
    HEADER + SCALARS + index * HEAD_BYTES
}

/// The index whose [`scalar`] is `slot`.
pub(crate) const fn scalar_index(slot: usize) -> usize {
    (slot - HEADER) / 8
}

/// The index whose [`head`] is `slot`.
pub(crate) const fn head_index(slot: usize) -> usize {
    (slot - HEADER - SCALARS) / HEAD_BYTES
}

/// The bucket layout of a histogram: that of the `hdrhistogram` crate, cut into octaves.
///
/// `2^half_bits` buckets an octave. Octave 0 holds the values below `2^(half_bits + 1)`, each in a bucket of its own
/// (so it has two halves); octave `o > 0` holds `[2^(half_bits + o), 2^(half_bits + o + 1))` in buckets `2^o` wide.
/// Bucket `value >> o` of the octave's block counts it; behind the buckets stands the octave's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub(crate) struct Shape {
    half_bits: u32,
    /// Derived, and kept because every record needs it: see [`Shape::linear_max`].
    linear_max: u32,
}

impl Shape {
    /// The shape for 1 to 3 significant figures.
    pub(crate) const fn new(figures: u8) -> Self {
        // The smallest power of two that tells 2 * 10^figures values apart, halved: 16, 128, 1024.
        let half_bits = match figures {
            1 => 4,
            2 => 7,
            _ => 10,
        };
        let half_bits = if cfg!(tachometer_loom) { 1 } else { half_bits };
        Shape { half_bits, linear_max: (2 << half_bits) - 1 }
    }

    /// The shape as two numbers, of which it can be made again.
    pub(crate) const fn parts(self) -> (u32, u32) {
        (self.half_bits, self.linear_max)
    }

    #[inline(always)]
    pub(crate) const fn from_parts(half_bits: u32, linear_max: u32) -> Self {
        Shape { half_bits, linear_max }
    }

    pub(crate) const fn half_bits(self) -> u32 {
        self.half_bits
    }

    /// All values up to this one are in octave 0.
    pub(crate) const fn linear_max(self) -> u64 {
        self.linear_max as u64
    }

    /// The number of octaves that the 64-bit range has.
    pub(crate) const fn octaves(self) -> usize {
        if cfg!(tachometer_loom) { 2 } else { (64 - self.half_bits) as usize }
    }

    /// The octave of `value`.
    #[inline(always)]
    pub(crate) const fn octave(self, value: u64) -> u32 {
        // `^ 63`, not `63 -`: the position of the highest bit as one instruction gives it, which the optimizer would
        // otherwise take apart and subtract in another order.
        ((value | self.linear_max()).leading_zeros() ^ 63) - self.half_bits
    }

    /// Buckets that octave `octave` has.
    pub(crate) const fn buckets(self, octave: usize) -> usize {
        if octave == 0 { 2 << self.half_bits } else { 1 << self.half_bits }
    }

    /// Cells of an octave's block: its buckets and its sum.
    pub(crate) const fn cells(self, octave: usize) -> usize {
        self.buckets(octave) + 1
    }

    /// Bytes allotted to an octave's block.
    pub(crate) const fn block_bytes(self, octave: usize) -> usize {
        (self.cells(octave) * 8).next_multiple_of(if cfg!(tachometer_loom) { 8 } else { 64 })
    }

    /// What is subtracted from a block's offset in the directory, so that `value >> octave` indexes it directly.
    pub(crate) const fn bias(self, octave: usize) -> usize {
        if octave == 0 { 0 } else { 8 << self.half_bits }
    }

    /// Offset of an octave's sum from its biased entry.
    pub(crate) const fn sum_at(self) -> usize {
        8 * (self.linear_max as usize + 1)
    }

    /// The smallest value of the first bucket of an octave's block.
    pub(crate) const fn low(self, octave: usize) -> u64 {
        if octave == 0 { 0 } else { 1 << (self.half_bits + octave as u32) }
    }

    /// Where an octave's block begins in the half, for one bank, of a histogram's region in the shared arena.
    pub(crate) const fn block_at(self, octave: usize) -> usize {
        match octave {
            0 => 0,
            later => self.block_bytes(0) + (later - 1) * self.block_bytes(1),
        }
    }

    /// Bytes that one histogram can need in one bank, every octave seen.
    pub(crate) const fn bank_bytes(self) -> usize {
        self.block_at(self.octaves())
    }

    /// Bytes that one histogram can need in both banks.
    pub(crate) const fn worst_bytes(self) -> usize {
        2 * self.bank_bytes()
    }
}

/// What a range of slots holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Scalar,
    Head(Shape),
}

impl Class {
    /// Bytes from one slot to the next.
    pub(crate) const fn stride(self) -> usize {
        match self {
            Class::Scalar => 8,
            Class::Head(_) => HEAD_BYTES,
        }
    }
}

/// Neighbouring slots of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) class: Class,
    /// Offset in bank 0 of the first.
    pub(crate) slot: usize,
    pub(crate) len: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octaves_and_buckets_cover_the_range_without_gap() {
        for figures in 1..=3 {
            let shape = Shape::new(figures);
            for octave in 0..shape.octaves() {
                let low = shape.low(octave);
                let high =
                    low + ((shape.buckets(octave) as u64 - 1) << octave) + ((1 << octave) - 1);
                assert_eq!(shape.octave(low), octave as u32);
                assert_eq!(shape.octave(high), octave as u32);
                match shape.octaves() - 1 == octave {
                    true => assert_eq!(high, u64::MAX),
                    false => assert_eq!(high + 1, shape.low(octave + 1)),
                }
            }
        }
    }

    #[test]
    fn slots_do_not_overlap() {
        assert_eq!(scalar(0), HEADER);
        assert_eq!(scalar(MAX_SCALARS - 1) + 8, head(0));
        assert!(head(MAX_HISTOGRAMS - 1) + HEAD_BYTES <= HEADER + BANK);
        assert_eq!(head_index(head(7)), 7);
        assert_eq!(scalar_index(scalar(7)), 7);
    }
}
