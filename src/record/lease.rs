//! Recording at a place that can be taken back while handles of it exist: [`crate::shard::tenancy`] says why nothing is lost.

use super::gauge::GaugeRef;
use crate::shard::layout::Shape;
use crate::shard::local::{Access, Record, enter_slow, fast, finish};
pub(crate) use crate::shard::tenancy::Lease;
use crate::shard::{DOMAIN, entry, octave};
use crate::sync::bump;
use std::marker::PhantomData;

impl Lease {
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
