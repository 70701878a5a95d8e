//! Exemplars: for each factor of two that a histogram's values span, the trace that the last of them came from.
//!
//! A head that was never given one has none of this. With its first, the owner of a shard allots a *block* from the area of
//! the octaves' blocks: an entry for each position of a value's highest bit. An entry is written inside the entry of the
//! record it belongs to, in the same bank, and the bit in [`FRESH`] that says so last. The cutter reads entries only in a
//! bank that stands still, after a complete cut, and clears the bits again before it hands the bank back: nobody ever reads
//! half an exemplar, and an incomplete cut leaves all of them where they are.
//!
//! There are none in the shared arena, whose cells several threads write at once. A thread without a shard, or without room
//! for the block, records its value all the same; the exemplar is dropped and counted.

use super::arena::Cells;
use super::domain::{Domain, arena_bytes};
use super::layout::{
    BLOCKS, CURSOR, DROPPED_EXEMPLARS, EXEMPLAR_BYTES, EXEMPLAR_OCTAVES, EXEMPLARS, FRESH,
};
use crate::sync::Ordering;

/// A value and where it came from, as the cells have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(C)]
pub(crate) struct Traced {
    pub(crate) value: u64,
    /// Big-endian, as the bytes stand.
    pub(crate) trace: [u64; 2],
    pub(crate) span: u64,
}

impl Traced {
    #[cfg(not(tachometer_loom))]
    pub(crate) fn new(value: u64, trace: [u8; 16], span: [u8; 8]) -> Self {
        let trace = u128::from_be_bytes(trace);
        Traced {
            value,
            trace: [(trace >> 64) as u64, trace as u64],
            span: u64::from_be_bytes(span),
        }
    }

    /// Whether there is a trace: the identifier of all zeros means that there is none
    /// (<https://www.w3.org/TR/trace-context/#trace-id>).
    pub(crate) fn has_trace(self) -> bool {
        self.trace != [0; 2]
    }
}

/// The entry that a value belongs to: the position of its highest bit, zero with one.
pub(crate) fn octave(value: u64) -> usize {
    ((value | 1).ilog2() as usize).min(EXEMPLAR_OCTAVES - 1)
}

/// Keeps an exemplar in the head at `head` (slot plus bank) of the calling thread's own shard, inside the entry that
/// recorded its value; counts it as dropped where there is no place for it.
pub(crate) fn keep(domain: &Domain, own: Option<Cells>, head: usize, traced: Traced) {
    if !traced.has_trace() {
        return;
    }
    let kept = own.is_some_and(|shard| keep_own(shard, head, traced));
    if let (false, Some(shared)) = (kept, domain.shared()) {
        // Relaxed: a statistic.
        shared.cells.cell(DROPPED_EXEMPLARS).fetch_add(1, Ordering::Relaxed);
    }
}

fn keep_own(shard: Cells, head: usize, Traced { value, trace, span }: Traced) -> bool {
    let word = shard.cell(head + EXEMPLARS);
    // Relaxed: the owner wrote it itself, or took it over with the shard (`list::Node::claim`).
    let block = match word.load(Ordering::Relaxed) {
        0 => allot(shard),
        block => Some(block as usize),
    };
    let Some(block) = block else { return false };
    // Relaxed, all of what follows: read after a complete cut only, to which the end of the caller's entry publishes it
    // (`entry::leave`).
    word.store(block as u64, Ordering::Relaxed);
    let octave = octave(value);
    let words = [value, trace[0], trace[1], span];
    for (at, word) in words.into_iter().enumerate() {
        shard.cell(block + EXEMPLAR_BYTES * octave + 8 * at).store(word, Ordering::Relaxed);
    }
    // What the cutter cleared in this bank was handed back by the flip that opened it (`entry::enter`, acquire).
    let fresh = shard.cell(head + FRESH);
    fresh.store(fresh.load(Ordering::Relaxed) | 1 << octave, Ordering::Relaxed);
    true
}

/// Room for a block; `None` if the arena is full. A block belongs to its head for ever.
fn allot(shard: Cells) -> Option<usize> {
    let cursor = shard.cell(CURSOR);
    // Relaxed, both: the owner alone moves the cursor.
    let block = BLOCKS + cursor.load(Ordering::Relaxed) as usize;
    let end = block + EXEMPLAR_OCTAVES * EXEMPLAR_BYTES;
    if end > arena_bytes() {
        return None;
    }
    cursor.store((end - BLOCKS) as u64, Ordering::Relaxed);
    Some(block)
}

/// Takes what was kept at `head` (slot plus bank) since the last call. Only the cutter, of a bank that stands still.
#[inline]
pub(crate) fn take(shard: Cells, head: usize, found: impl FnMut(Traced)) {
    // Relaxed: the bank stands still, and `entry::observe` acquired what its owner wrote.
    let fresh = shard.cell(head + FRESH).load(Ordering::Relaxed);
    if fresh != 0 {
        take_fresh(shard, head, fresh, found);
    }
}

#[cold]
fn take_fresh(shard: Cells, head: usize, mut fresh: u64, mut found: impl FnMut(Traced)) {
    // Relaxed, all: as in `take`.
    let block = shard.cell(head + EXEMPLARS).load(Ordering::Relaxed) as usize;
    while fresh != 0 {
        let at = block + EXEMPLAR_BYTES * fresh.trailing_zeros() as usize;
        let word = |index: usize| shard.cell(at + 8 * index).load(Ordering::Relaxed);
        found(Traced { value: word(0), trace: [word(1), word(2)], span: word(3) });
        fresh &= fresh - 1;
    }
    forget(shard, head);
}

/// Forgets what was kept at `head`, in a bank that stands still.
pub(crate) fn forget(shard: Cells, head: usize) {
    // Relaxed: released to the writers by the next flip (`Domain::flip`), acquired by `entry::enter`.
    shard.cell(head + FRESH).store(0, Ordering::Relaxed);
}
