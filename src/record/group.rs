//! `Group`: several records that are in one snapshot whole, or not at all.

use super::counter::CounterRef;
use super::histogram::HistogramRef;
use super::updown::UpDownCounterRef;
use crate::shard::exemplar::Traced;
use crate::shard::local::{
    Open, add_grouped, close_group, open_group, record_grouped, record_grouped_traced,
};
use crate::shard::octave;
use crate::sync::bump;
use std::marker::PhantomData;

/// Several records that are in one snapshot whole, or not at all. Made by [`group`].
///
/// One entry serves them all, so a group is also cheaper than the same records singly. Keep it short: a cut waits for an
/// open group, at most its time limit (10 ms by default), then publishes a generation that says it is incomplete.
/// Groups nest: the inner joins the outer. A plain record made on the same thread while a group is open becomes part of
/// it, by a slower path. Cannot be sent to another thread, nor be held across an `await` of a task that moves.
///
/// A group that is leaked (`std::mem::forget`) never closes: its records are counted, but every later generation says
/// that it is incomplete.
///
/// ```
/// use tachometer::{Counter, Histogram, group};
/// static BATCHES: Counter = Counter::new("batches_total", "Batches appended.");
/// static SIZES: Histogram = Histogram::new("batch_entries", "Entries a batch.");
/// let group = group();
/// group.add(&BATCHES, 1);
/// group.record(&SIZES, 17);
/// drop(group); // every snapshot has both or neither
/// ```
#[derive(Debug)]
#[must_use = "the group closes when the guard is dropped"]
pub struct Group {
    open: Open,
    /// The entry belongs to this thread's shard.
    not_send: PhantomData<*mut ()>,
}

/// Opens a group on the calling thread.
#[inline(always)]
pub fn group() -> Group {
    Group { open: open_group(), not_send: PhantomData }
}

impl Group {
    /// Adds `n` to a counter.
    #[inline(always)]
    pub fn add<'a>(&self, counter: impl Into<CounterRef<'a>>, n: u64) {
        self.bump(counter.into().slot, n);
    }

    /// Adds `n`, which may be negative, to an up-down counter.
    #[inline(always)]
    pub fn add_signed<'a>(&self, counter: impl Into<UpDownCounterRef<'a>>, n: i64) {
        self.bump(counter.into().slot, n as u64);
    }

    /// Records `value` in a histogram.
    #[inline(always)]
    pub fn record<'a>(&self, histogram: impl Into<HistogramRef<'a>>, value: u64) {
        self.record_n(histogram, value, 1);
    }

    /// Records `value` `n` times in a histogram: a sampled value counts as many.
    #[inline(always)]
    pub fn record_n<'a>(&self, histogram: impl Into<HistogramRef<'a>>, value: u64, n: u64) {
        let HistogramRef { slot, shape, .. } = histogram.into();
        let Open { own, bank, .. } = self.open;
        let recorded =
            own.is_some_and(|cells| octave::record_own(cells, slot + bank, shape, value, n));
        if !recorded {
            record_grouped(own, bank, slot, shape, value, n);
        }
    }

    /// Records `value` in a histogram, with where it came from; see
    /// [`Histogram::record_with_exemplar`](crate::Histogram::record_with_exemplar).
    pub fn record_with_exemplar<'a>(
        &self,
        histogram: impl Into<HistogramRef<'a>>,
        value: u64,
        trace_id: [u8; 16],
        span_id: [u8; 8],
    ) {
        let HistogramRef { slot, shape, .. } = histogram.into();
        let Open { own, bank, .. } = self.open;
        record_grouped_traced(own, bank, slot, shape, Traced::new(value, trace_id, span_id));
    }

    #[inline(always)]
    fn bump(&self, slot: usize, n: u64) {
        let Open { own, bank, .. } = self.open;
        match own {
            Some(cells) => bump(cells.in_bank(bank).cell(slot), n),
            None => add_grouped(own, bank, slot, n),
        }
    }
}

impl Drop for Group {
    #[inline(always)]
    fn drop(&mut self) {
        close_group(self.open);
    }
}
