//! Recording into a histogram: the one bucket, the octave's sum, the generation's minimum and maximum.
//!
//! An octave's buckets are allotted from the arena's block area on the octave's first value. In a shard the owner does it
//! alone; in the shared arena ([`record_shared`]) each has its place beforehand ([`super::regions`]), so that threads have
//! nothing to race for. The reader finds octaves by the head's mask: it reads a bank that stands still, or (in an
//! incomplete cut) relies on the release of the mask's bit, which comes after the directory entry.

use super::arena::Cells;
use super::entry::Bank;
use super::layout::{BLOCKS, CURSOR, DIRECTORY, LOWEST, MASK, MAX, NOT_MIN, Shape, WIDTH};
use crate::sync::weaken::{Site, order};
use crate::sync::{Ordering, bump};

/// Records `n` times `value` in the head at `head` (slot plus bank) of the calling thread's own shard.
///
/// `false`: the octave has no block yet, or the value is the smallest or largest of the generation; nothing was recorded,
/// and [`record_first`] is to be asked. One cold way out, at the end of the caller's path, so that the hot path saves no
/// registers for a call.
#[inline(always)]
pub(crate) fn record_own(shard: Cells, head: usize, shape: Shape, value: u64, n: u64) -> bool {
    let octave = shape.octave(value);
    // Relaxed, all: the owner wrote them itself, took them over with the shard (`list::Node::claim`), or, for the cutter's
    // reset of the still bank, with the epoch.
    let block =
        shard.entry(head + DIRECTORY + 4 * octave as usize).load(Ordering::Relaxed) as usize;
    let lowest = shard.cell(head + LOWEST).load(Ordering::Relaxed);
    let width = shard.cell(head + WIDTH).load(Ordering::Relaxed);
    if block == 0 || value.wrapping_sub(lowest) >= width {
        return false;
    }
    bump_bucket(shard, block, shape, octave, value, n);
    true
}

#[inline(always)]
fn bump_bucket(shard: Cells, block: usize, shape: Shape, octave: u32, value: u64, n: u64) {
    bump(shard.cell(block + 8 * (value >> octave) as usize), n);
    bump(shard.cell(block + shape.sum_at()), value.wrapping_mul(n));
}

/// As [`record_own`], for an octave's first value, or a new extreme.
///
/// `false`: the arena has no room for the octave's block; nothing was recorded.
#[cold]
#[inline(never)]
pub(crate) fn record_first(shard: Cells, head: usize, shape: Shape, value: u64, n: u64) -> bool {
    if n == 0 {
        // A value that was recorded no times is no extreme.
        return true;
    }
    let octave = shape.octave(value);
    let entry = shard.entry(head + DIRECTORY + 4 * octave as usize);
    // Relaxed: the owner's own word.
    if entry.load(Ordering::Relaxed) == 0 && !allot_own(shard, head, shape, octave) {
        return false;
    }
    widen(shard, head, value);
    bump_bucket(shard, entry.load(Ordering::Relaxed) as usize, shape, octave, value, n);
    true
}

/// Takes a new smallest or largest value of the generation in.
fn widen(shard: Cells, head: usize, value: u64) {
    let cell = |at| shard.cell(head + at);
    // Relaxed, all: as in `record_own`; what the cut reads is published by the end of the entry.
    let max = cell(MAX).load(Ordering::Relaxed).max(value);
    let not_min = cell(NOT_MIN).load(Ordering::Relaxed).max(!value);
    cell(MAX).store(max, Ordering::Relaxed);
    cell(NOT_MIN).store(not_min, Ordering::Relaxed);
    cell(LOWEST).store(!not_min, Ordering::Relaxed);
    // Wraps to zero for the whole range: then every record comes here, which is slower and still right.
    cell(WIDTH).store((max - !not_min).wrapping_add(1), Ordering::Relaxed);
}

/// Gives an octave its block; `false` if the arena is full.
fn allot_own(shard: Cells, head: usize, shape: Shape, octave: u32) -> bool {
    let cursor = shard.cell(CURSOR);
    // Relaxed: the owner alone moves the cursor.
    let used = cursor.load(Ordering::Relaxed) as usize;
    let end = BLOCKS + used + shape.block_bytes(octave as usize);
    if end > super::domain::arena_bytes() {
        return false;
    }
    cursor.store((end - BLOCKS) as u64, Ordering::Relaxed);
    let biased = (BLOCKS + used - shape.bias(octave as usize)) as u32;
    // Relaxed: published by the bit below; it leads to cells that are zero, as the arena always was.
    shard.entry(head + DIRECTORY + 4 * octave as usize).store(biased, Ordering::Relaxed);
    let mask = shard.cell(head + MASK);
    let publish = order(Site::OctavePublish, Ordering::Release);
    // Release, partner `Sums::add_shard` reading a moving shard: whoever sees the bit sees the entry.
    mask.store(mask.load(Ordering::Relaxed) | 1 << octave, publish);
    true
}

/// As [`record_own`], into cells of the shared arena, which several threads write. The caller's entry, or its place among
/// the guests, holds the cut up meanwhile. `region` is the histogram's, `slot` and `bank` make its head.
#[cold]
#[inline(never)]
pub(crate) fn record_shared(
    shared: Cells,
    region: usize,
    (slot, bank): (usize, Bank),
    shape: Shape,
    value: u64,
    n: u64,
) {
    // Without a region: a sink, in a process in which no histogram has registered yet.
    if n == 0 || region == 0 {
        return;
    }
    let octave = shape.octave(value);
    let head = slot + bank;
    let half = if bank == 0 { region } else { region + shape.bank_bytes() };
    let block = half + shape.block_at(octave as usize) - shape.bias(octave as usize);
    let entry = shared.entry(head + DIRECTORY + 4 * octave as usize);
    // Relaxed, both: all threads write the same, and the cut learns of the entry by the bit.
    if entry.load(Ordering::Relaxed) == 0 {
        entry.store(block as u32, Ordering::Relaxed);
    }
    let bit = 1 << octave;
    let mask = shared.cell(head + MASK);
    // Relaxed: a bit that is set stays set; whoever set it is waited for by the cut, as this thread is.
    if mask.load(Ordering::Relaxed) & bit == 0 {
        // Release, partner `Sums::add_shard` reading moving cells: whoever sees the bit sees the entry.
        mask.fetch_or(bit, order(Site::OctavePublish, Ordering::Release));
    }
    // Relaxed, all four: published to the cut by the release that ends the caller's entry (`entry::leave`,
    // `Guests::leave`).
    shared.cell(block + 8 * (value >> octave) as usize).fetch_add(n, Ordering::Relaxed);
    shared.cell(block + shape.sum_at()).fetch_add(value.wrapping_mul(n), Ordering::Relaxed);
    shared.cell(head + MAX).fetch_max(value, Ordering::Relaxed);
    shared.cell(head + NOT_MIN).fetch_max(!value, Ordering::Relaxed);
}
