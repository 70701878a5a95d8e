//! Time stamps for measuring: nanoseconds since the process first asked, in one word.
//!
//! A stamp travels inside a command through log, network and state machine of every node; that is
//! sound here because all nodes live in one process and share one clock.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A moment, or [`Stamp::NONE`] where nothing is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// The stamp of code that does not measure; [`now`] never returns it.
    pub const NONE: Stamp = Stamp(0);

    /// Nanoseconds from `earlier` to `self`; zero when they are out of order.
    pub fn nanoseconds_since(self, earlier: Stamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time from `earlier` to `self`; zero when they are out of order.
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_nanos(self.nanoseconds_since(earlier))
    }
}

/// The current moment.
pub fn now() -> Stamp {
    static START: OnceLock<Instant> = OnceLock::new();
    // One is added so that no moment equals `Stamp::NONE`.
    Stamp(START.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1)
}
