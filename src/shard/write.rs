//! What a record writes, by the slow path: in the thread's own cells where there are any, else in the shared ones.

use super::arena::Cells;
use super::entry::Bank;
use super::layout::{OVERFLOW_RECORDS, Shape, head_index};
use super::{Domain, octave};
use crate::sync::{Ordering, bump};

/// A record, spelled out for the slow path.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Record {
    /// Add `n` to the scalar at `slot`.
    Add { slot: usize, n: u64 },
    /// Record `value` `n` times in the histogram at `slot`.
    Histogram { slot: usize, shape: Shape, value: u64, n: u64 },
}

impl Record {
    /// Writes it inside the entry that the calling thread is in: its `own` shard's, or that of a guest of the shared
    /// arena.
    #[inline]
    pub(crate) fn write(self, domain: &Domain, own: Option<Cells>, bank: Bank) {
        match (own, self) {
            (Some(cells), Record::Add { slot, n }) => bump(cells.cell(slot + bank), n),
            (Some(cells), Record::Histogram { slot, shape, value, n }) => {
                let head = slot + bank;
                if !octave::record_own(cells, head, shape, value, n)
                    && !octave::record_first(cells, head, shape, value, n)
                {
                    self.spill(domain, bank);
                }
            }
            (None, _) => self.spill(domain, bank),
        }
    }

    /// Writes it in the shared cells of `bank`.
    #[cold]
    #[inline(never)]
    fn spill(self, domain: &Domain, bank: Bank) {
        // The slot was registered, so the shared arena was opened before.
        let Some(shared) = domain.shared() else { return };
        // Relaxed, both: published by the end of the caller's entry; the first is only a statistic.
        shared.cells.cell(OVERFLOW_RECORDS).fetch_add(1, Ordering::Relaxed);
        match self {
            Record::Add { slot, n } => {
                shared.cells.cell(slot + bank).fetch_add(n, Ordering::Relaxed);
            }
            Record::Histogram { slot, shape, value, n } => {
                let region = domain.regions.of(head_index(slot));
                octave::record_shared(shared.cells, region, (slot, bank), shape, value, n);
            }
        }
    }
}
