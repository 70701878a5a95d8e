//! A place that can be taken back while handles of it exist.
//!
//! The handle looks at its slot inside the entry, after the announcement. The aggregator takes the slot back by a zero; once
//! a cut that began afterwards is complete, nobody writes the slot any more, and that cut has everything that was ever
//! recorded there: the argument of [`crate::shard::tenancy`], with the slot itself in the place of a version.

use super::gauge::GaugeRef;
use crate::shard::layout::Shape;
use crate::shard::local::{Access, Record, enter_slow, fast, finish};
use crate::shard::{DOMAIN, entry, octave};
use crate::sync::{AtomicUsize, Ordering, bump};
use std::marker::PhantomData;

/// See the module. Zero: taken back.
#[derive(Debug)]
pub(crate) struct Lease(AtomicUsize);

impl Lease {
    pub(crate) fn new(slot: usize) -> Self {
        Lease(AtomicUsize::new(slot))
    }

    /// The slot, for the entry that the caller is in.
    #[inline(always)]
    fn slot(&self) -> usize {
        // Relaxed: ordered after the announcement by the asymmetric barrier that `entry::enter` contains; what stands at
        // the slot is published by the epoch.
        self.0.load(Ordering::Relaxed)
    }

    /// Takes the slot back. Before a cut, whose completion ends the last record there.
    pub(crate) fn revoke(&self) {
        // Relaxed: ordered before the cut's loads of the state words by its heavy barrier.
        self.0.store(0, Ordering::Relaxed);
    }

    /// Gives a slot: the one that was taken back but never given up, or a fresh one.
    pub(crate) fn renew(&self, slot: usize) {
        // Relaxed: as in `slot`.
        self.0.store(slot, Ordering::Relaxed);
    }

    /// Adds to a sharded scalar; `false` if the slot was taken back, and nothing was added.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) -> bool {
        let Some(cells) = fast() else { return self.add_slow(n) };
        let bank = entry::enter(cells, &DOMAIN.epoch);
        let slot = self.slot();
        if slot == 0 {
            entry::leave(cells, bank);
            return false;
        }
        bump(cells.cell(slot + bank), n);
        entry::leave(cells, bank);
        true
    }

    /// Records in a histogram; `false` as in [`Lease::add`].
    #[inline(always)]
    pub(crate) fn record(&self, shape: Shape, value: u64, n: u64) -> bool {
        let Some(cells) = fast() else { return self.record_slow(shape, value, n) };
        let bank = entry::enter(cells, &DOMAIN.epoch);
        let slot = self.slot();
        if slot == 0 {
            entry::leave(cells, bank);
            return false;
        }
        if !octave::record_own(cells, slot + bank, shape, value, n) {
            finish(cells, bank, slot, shape, value, n);
            return true;
        }
        entry::leave(cells, bank);
        true
    }

    /// Writes a gauge inside an entry; `false` as in [`Lease::add`].
    pub(crate) fn write(&self, write: impl FnOnce(GaugeRef<'_>)) -> bool {
        self.within(|_, slot| write(GaugeRef { slot, handle: PhantomData }))
    }

    /// The gauge's place, if no one takes it back: without an entry.
    #[inline(always)]
    pub(crate) fn gauge(&self) -> GaugeRef<'_> {
        GaugeRef { slot: self.slot(), handle: PhantomData }
    }

    #[cold]
    #[inline(never)]
    fn add_slow(&self, n: u64) -> bool {
        self.within(|access, slot| access.apply(Record::Add { slot, n }))
    }

    #[cold]
    #[inline(never)]
    fn record_slow(&self, shape: Shape, value: u64, n: u64) -> bool {
        self.within(|access, slot| access.apply(Record::Histogram { slot, shape, value, n }))
    }

    fn within(&self, write: impl FnOnce(Access, usize)) -> bool {
        let access = enter_slow();
        let slot = self.slot();
        if slot != 0 {
            write(access, slot);
        }
        access.leave();
        slot != 0
    }
}
