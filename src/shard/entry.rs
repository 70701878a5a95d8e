//! The stores that surround a record: enter, leave, and what the cut reads of them.
//!
//! The state word of a shard goes `IDLE → INSIDE → OUTSIDE | bank → INSIDE → …`; the owner makes every step but one: the
//! cut may turn an `OUTSIDE | bank` that it has read into `IDLE`, which says "nothing new since" and lets the next cuts
//! pass the shard by.

use super::arena::Cells;
use super::layout::{BANK, STATE};
use crate::sync::weaken::{Site, is_weak, order};
use crate::sync::{AtomicUsize, Ordering, barrier, fence, overwrite};

/// Nothing was recorded since the cut last read the shard.
pub(crate) const IDLE: u64 = 0;
/// The owner is inside a record or a group.
pub(crate) const INSIDE: u64 = 1;
/// With a bank's offset: the owner left a record in that bank.
pub(crate) const OUTSIDE: u64 = 2;

const _: () =
    assert!(BANK.is_multiple_of(4), "a bank's offset leaves room for the state's two bits");

/// The bank that is being written, as the offset that is added to a slot: `0` or [`BANK`].
pub(crate) type Bank = usize;

/// Announces a record and returns the bank to write.
#[inline(always)]
pub(crate) fn enter(shard: Cells, epoch: &AtomicUsize) -> Bank {
    // Relaxed: the announcement is ordered before the load below by the asymmetric barrier, whose heavy half is in
    // `Domain::flip`; the words before it were published by the previous `leave`.
    overwrite(shard.cell(STATE), INSIDE);
    barrier::light();
    // Acquire, partner `Domain::flip` (release): takes over the bank from the cutter, which may have reset minima and
    // maxima or zeroed an expired slot there. Being one atomic, its coherence order makes the cut causal.
    epoch.load(order(Site::EpochLoad, Ordering::Acquire))
}

/// As [`enter`] with a real fence, for processes without `membarrier`.
#[inline]
pub(crate) fn enter_fenced(shard: Cells, epoch: &AtomicUsize) -> Bank {
    // Relaxed: ordered before the load of the epoch by the fence.
    overwrite(shard.cell(STATE), INSIDE);
    // SeqCst, partner: the fence in `barrier::heavy`.
    fence(Ordering::SeqCst);
    // Acquire: as in `enter`.
    epoch.load(Ordering::Acquire)
}

/// Ends a record that wrote `bank`.
#[inline(always)]
pub(crate) fn leave(shard: Cells, bank: Bank) {
    // Release, partner `observe` (acquire): whoever sees this store sees every cell that the record wrote.
    shard.cell(STATE).store(bank as u64 | OUTSIDE, order(Site::Leave, Ordering::Release));
}

/// What the cut finds in a state word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Nothing was recorded since the last cut that read the shard: both banks are as they were read.
    Idle,
    /// Outside any record. `true`: the state was turned into [`IDLE`], since all that it announced is in the old bank.
    Outside(bool),
    /// Inside a record: wait.
    Inside,
}

/// One look at a shard after a flip away from bank `old`.
#[inline]
pub(crate) fn observe(shard: Cells, old: Bank) -> Seen {
    let state = shard.cell(STATE);
    // Acquire, partner `leave` (release): the cells of every record that ended before are visible.
    match state.load(Ordering::Acquire) {
        IDLE => Seen::Idle,
        INSIDE => Seen::Inside,
        seen if seen == old as u64 | OUTSIDE => {
            // The owner may be entering again: then its plain store wins, the exchange fails or is overwritten, and the
            // shard is read again next time. Acquire on success as above; the word publishes nothing of the cutter's,
            // whose writes to the still bank are released by the next flip.
            if is_weak(Site::IdleExchange) {
                state.swap(IDLE, Ordering::Acquire);
                return Seen::Outside(true);
            }
            let idle =
                state.compare_exchange(seen, IDLE, Ordering::Acquire, Ordering::Relaxed).is_ok();
            Seen::Outside(idle)
        }
        _ => Seen::Outside(false),
    }
}
