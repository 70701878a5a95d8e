//! Recording into a histogram: the one bucket, the octave's sum, the generation's minimum and maximum.
//!
//! An octave's buckets are allotted from the arena's block area on the octave's first value. In a shard the owner does it
//! alone; in the shared arena ([`record_shared`]) threads race, the loser's block stays unused. The reader finds octaves
//! by the head's mask: it reads a bank that stands still, or (in an incomplete cut) relies on the release of the
//! directory entry.

use super::arena::{Arena, Cells};
use super::layout::{BLOCKS, CURSOR, DIRECTORY, MASK, MAX, NOT_MIN, Shape};
use crate::sync::weaken::{Site, order};
use crate::sync::{Ordering, bump};

/// Records `n` times `value` in the head at `head` (slot plus bank) of the calling thread's own shard.
///
/// `false`: the octave has no block yet; nothing was recorded, and [`record_first`] is to be asked.
#[inline(always)]
pub(crate) fn record_own(shard: Cells, head: usize, shape: Shape, value: u64, n: u64) -> bool {
    let octave = shape.octave(value);
    let entry = shard.entry(head + DIRECTORY + 4 * octave as usize);
    // Relaxed: the owner wrote it itself, or took it over with the shard (`list::Node::claim`).
    let block = entry.load(Ordering::Relaxed) as usize;
    if block == 0 {
        return false;
    }
    bump(shard.cell(block + 8 * (value >> octave) as usize), n);
    bump(shard.cell(block + shape.sum_at()), value.wrapping_mul(n));
    raise_own(shard, head + MAX, value);
    raise_own(shard, head + NOT_MIN, !value);
    true
}

#[inline(always)]
fn raise_own(shard: Cells, at: usize, value: u64) {
    let cell = shard.cell(at);
    // Relaxed: one writer between two flips; the cutter's reset of the still bank is taken over with the epoch.
    if value > cell.load(Ordering::Relaxed) {
        cell.store(value, Ordering::Relaxed);
    }
}

/// As [`record_own`], for the octave's first value.
///
/// `false`: the arena has no room for the octave's block; nothing was recorded.
#[cold]
#[inline(never)]
pub(crate) fn record_first(shard: Cells, head: usize, shape: Shape, value: u64, n: u64) -> bool {
    allot_own(shard, head, shape, shape.octave(value)) && record_own(shard, head, shape, value, n)
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
    // Release, partner `merge` reading a moving shard: the entry points to cells that are zero, as the arena always was.
    shard.entry(head + DIRECTORY + 4 * octave as usize).store(biased, Ordering::Release);
    let mask = shard.cell(head + MASK);
    // Release: whoever sees the bit sees the entry.
    mask.store(mask.load(Ordering::Relaxed) | 1 << octave, Ordering::Release);
    true
}

/// As [`record_own`], into cells that several threads write. The caller's entry, or its place among the guests, holds
/// the cut up meanwhile. The registry has made sure that the shared arena has room for every octave of every histogram.
#[cold]
#[inline(never)]
pub(crate) fn record_shared(shared: &Arena, head: usize, shape: Shape, value: u64, n: u64) {
    let octave = shape.octave(value);
    let cells = shared.cells;
    let entry = cells.entry(head + DIRECTORY + 4 * octave as usize);
    // Acquire, partner the exchange in `allot_shared`.
    let mut block = entry.load(order(Site::OctavePublish, Ordering::Acquire));
    if block == 0 {
        block = allot_shared(shared, head, shape, octave);
    }
    let block = block as usize;
    // Relaxed, all four: published to the cut by the release that ends the caller's entry (`entry::leave`,
    // `Guests::leave`).
    cells.cell(block + 8 * (value >> octave) as usize).fetch_add(n, Ordering::Relaxed);
    cells.cell(block + shape.sum_at()).fetch_add(value.wrapping_mul(n), Ordering::Relaxed);
    cells.cell(head + MAX).fetch_max(value, Ordering::Relaxed);
    cells.cell(head + NOT_MIN).fetch_max(!value, Ordering::Relaxed);
}

#[cold]
fn allot_shared(shared: &Arena, head: usize, shape: Shape, octave: u32) -> u32 {
    let cells = shared.cells;
    let bytes = shape.block_bytes(octave as usize) as u64;
    // Relaxed: the addition alone makes the block ours.
    let used = cells.cell(CURSOR).fetch_add(bytes, Ordering::Relaxed) as usize;
    let biased = (BLOCKS + used - shape.bias(octave as usize)) as u32;
    let entry = cells.entry(head + DIRECTORY + 4 * octave as usize);
    let publish = order(Site::OctavePublish, Ordering::AcqRel);
    // AcqRel: publishes the block's offset, or takes over that of the thread that came first.
    match entry.compare_exchange(0, biased, publish, order(Site::OctavePublish, Ordering::Acquire))
    {
        Ok(_) => {
            // Release: whoever sees the bit sees the entry.
            cells.cell(head + MASK).fetch_or(1 << octave, Ordering::Release);
            biased
        }
        Err(first) => {
            // The block that lost the race is given back when nothing was allotted since, else it stays unused.
            let end = (used as u64) + bytes;
            let _ = cells.cell(CURSOR).compare_exchange(
                end,
                used as u64,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            first
        }
    }
}
