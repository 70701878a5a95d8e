//! `UpDownCounter`: what threads add to and subtract from.

use super::counter::add;
use super::handle::scalar_handle;

scalar_handle! {
    /// A count that threads add to and subtract from: connections, queued items, bytes in use.
    ///
    /// Sharded like a [`Counter`](crate::Counter) and as cheap; one thread may add what another subtracts, and since
    /// every snapshot is a causal cut, a count that the program never lets fall below zero is never seen below zero.
    /// Exported as a gauge.
    ///
    /// ```
    /// use tachometer::UpDownCounter;
    /// static OPEN: UpDownCounter = UpDownCounter::new("connections_open", "Connections now open.");
    /// OPEN.inc();
    /// OPEN.dec();
    /// ```
    UpDownCounter,
    /// An up-down counter's place: what a family's look-up gives, and what a [`Group`](crate::Group) takes.
    UpDownCounterRef,
    UpDownCounter
}

impl UpDownCounter {
    /// Adds one.
    #[inline(always)]
    pub fn inc(&self) {
        self.as_ref().add(1);
    }

    /// Subtracts one.
    #[inline(always)]
    pub fn dec(&self) {
        self.as_ref().add(-1);
    }

    /// Adds `n`, which may be negative.
    #[inline(always)]
    pub fn add(&self, n: i64) {
        self.as_ref().add(n);
    }
}

impl UpDownCounterRef<'_> {
    /// Adds one.
    #[inline(always)]
    pub fn inc(self) {
        self.add(1);
    }

    /// Subtracts one.
    #[inline(always)]
    pub fn dec(self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative.
    #[inline(always)]
    pub fn add(self, n: i64) {
        // Two's complement: the sum over shards and banks wraps to the right value.
        add(self.slot, n as u64);
    }
}
