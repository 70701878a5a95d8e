//! `Counter`: a count that only rises.

use super::handle::scalar_handle;
use crate::shard::local::{Record, fast, perform};
use crate::shard::{DOMAIN, entry};
use crate::sync::bump;

scalar_handle! {
    /// A count that only rises: requests, bytes, errors.
    ///
    /// Cost: about a nanosecond from any thread, from a `static`, a struct or a clone alike; no lock, no atomic
    /// read-modify-write, no allocation. Visible: in every snapshot whose cut comes after the call. Wraps at 2⁶⁴, which a
    /// count of one a nanosecond reaches after 584 years.
    ///
    /// ```
    /// use tachometer::Counter;
    /// static COMMITS: Counter = Counter::new("commits_total", "Log entries committed.");
    /// COMMITS.inc();
    /// COMMITS.add(3);
    /// ```
    Counter,
    /// A counter's place: what a family's look-up gives, and what a [`Group`](crate::Group) takes.
    CounterRef,
    Counter
}

impl Counter {
    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        match self.place.known() {
            0 => self.add_unbound(n),
            slot => add(slot, n),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_unbound(&self, n: u64) {
        self.as_ref().add(n);
    }
}

impl CounterRef<'_> {
    /// Adds one.
    #[inline(always)]
    pub fn inc(self) {
        self.add(1);
    }

    /// Adds `n`.
    #[inline(always)]
    pub fn add(self, n: u64) {
        add(self.slot, n);
    }
}

/// Adds to a sharded scalar: the recording path itself.
#[inline(always)]
pub(crate) fn add(slot: usize, n: u64) {
    let Some(cells) = fast() else { return add_slow(slot, n) };
    let bank = entry::enter(cells, &DOMAIN.epoch);
    bump(cells.cell(slot + bank), n);
    entry::leave(cells, bank);
}

#[cold]
#[inline(never)]
fn add_slow(slot: usize, n: u64) {
    perform(Record::Add { slot, n });
}
