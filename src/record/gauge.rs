//! `Gauge`: a value that is set.

use super::handle::scalar_handle;
use crate::registry::slots::is_sink;
use crate::shard::DOMAIN;
use crate::sync::{AtomicU64, Ordering};

scalar_handle! {
    /// A value that is set: a term, a role, a temperature, a size read from elsewhere.
    ///
    /// One cell shared by all threads, read right after the cut: the last value set is what a snapshot shows. A gauge has
    /// no part in the cut's causality. For what threads add to and subtract from in hot loops, use an
    /// [`UpDownCounter`](crate::UpDownCounter).
    ///
    /// Cost: `set` is one store to a shared cache line; `add` is a compare-exchange loop.
    ///
    /// ```
    /// use tachometer::Gauge;
    /// static TERM: Gauge = Gauge::new("raft_term", "The current term.");
    /// TERM.set(7.0);
    /// TERM.add(1.0);
    /// assert_eq!(TERM.value(), 8.0);
    /// ```
    Gauge,
    /// A gauge's place: what a family's look-up gives.
    GaugeRef,
    Gauge
}

impl Gauge {
    /// Sets the value.
    #[inline(always)]
    pub fn set(&self, value: f64) {
        self.as_ref().set(value);
    }

    /// Adds `value`, which may be negative.
    #[inline]
    pub fn add(&self, value: f64) {
        self.as_ref().add(value);
    }

    /// The value now.
    pub fn value(&self) -> f64 {
        self.as_ref().value()
    }
}

impl GaugeRef<'_> {
    #[inline(always)]
    fn cell(self) -> Option<&'static AtomicU64> {
        // The shared arena was opened when the slot was registered. In a sink others count: a value would spoil it.
        DOMAIN.shared().filter(|_| !is_sink(self.slot)).map(|shared| shared.cells.cell(self.slot))
    }

    /// Sets the value.
    #[inline(always)]
    pub fn set(self, value: f64) {
        if let Some(cell) = self.cell() {
            // Relaxed: a gauge publishes nothing but itself.
            cell.store(value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Adds `value`, which may be negative.
    #[inline]
    pub fn add(self, value: f64) {
        if let Some(cell) = self.cell() {
            // Relaxed: as in `set`.
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
                Some((f64::from_bits(bits) + value).to_bits())
            });
        }
    }

    /// The value now.
    pub fn value(self) -> f64 {
        // Relaxed: as in `set`.
        self.cell().map_or(0.0, |cell| f64::from_bits(cell.load(Ordering::Relaxed)))
    }
}
