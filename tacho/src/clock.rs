//! Time stamps that travel inside commands: the engine's own, as a plain number.
//!
//! A stamp goes through log, network and state machine of every node; that is sound here because
//! all nodes live in one process and share one clock.

use serde::{Deserialize, Serialize};

/// A moment, or [`Stamp::NONE`] where nothing is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of code that does not measure; [`Stamp::now`] never returns it.
    pub const NONE: Stamp = Stamp(0);

    /// The current moment.
    #[inline]
    pub fn now() -> Stamp {
        Stamp(tachometer::Stamp::now().to_bits().max(1))
    }

    /// Nanoseconds from `earlier` to `self`; zero when they are out of order.
    #[inline]
    pub fn ns_since(self, earlier: Stamp) -> u64 {
        let [now, then] = [self, earlier].map(|stamp| tachometer::Stamp::from_bits(stamp.0));
        now.ns_since(then)
    }

    /// The stamp as a number.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`Stamp::to_bits`].
    pub fn from_bits(bits: u64) -> Stamp {
        Stamp(bits)
    }
}

/// The engine's own; of a stamp that is none, a moment long ago.
impl From<Stamp> for tachometer::Stamp {
    #[inline]
    fn from(stamp: Stamp) -> Self {
        tachometer::Stamp::from_bits(stamp.0)
    }
}
