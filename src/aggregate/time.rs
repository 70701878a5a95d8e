//! Where the aggregator takes the time from: the system, or a clock that a test moves.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// On the wall's clock, since 1970-01-01 UTC. May step backwards.
    pub unix: Duration,
    /// On the monotonic clock, since the clock was made.
    pub elapsed: Duration,
}

/// What tells the aggregator the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now.
    fn now(&self) -> Moment;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock(Instant);

impl SystemClock {
    pub(crate) fn new() -> Self {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        // A clock set before 1970 reads as 1970.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { unix, elapsed: self.0.elapsed() }
    }
}

/// A clock that stands still until it is moved. Clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Clock, ManualClock};
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// clock.advance(Duration::from_secs(15));
/// assert_eq!(clock.now().unix, Duration::from_secs(1_700_000_015));
/// assert_eq!(clock.now().elapsed, Duration::from_secs(15));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    /// What the wall's clock shows more than the monotonic one.
    ahead_ns: Arc<AtomicU64>,
    elapsed_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock that shows `unix`, the time since 1970-01-01 UTC.
    pub fn at(unix: Duration) -> Self {
        ManualClock { ahead_ns: Arc::new(AtomicU64::new(nanos(unix))), elapsed_ns: Arc::default() }
    }

    /// Sets the wall's clock alone, backwards too, as an operator or NTP may do. Times up to the year 2554.
    pub fn set_wall(&self, unix: Duration) {
        // Relaxed: as in `advance`.
        let elapsed = self.elapsed_ns.load(Ordering::Relaxed);
        self.ahead_ns.store(nanos(unix).wrapping_sub(elapsed), Ordering::Relaxed);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        // Relaxed: the mover and the engine's driver synchronize by other means, or do not care.
        self.elapsed_ns.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        // Relaxed: as above.
        let elapsed = self.elapsed_ns.load(Ordering::Relaxed);
        let unix = elapsed.wrapping_add(self.ahead_ns.load(Ordering::Relaxed));
        Moment { unix: Duration::from_nanos(unix), elapsed: Duration::from_nanos(elapsed) }
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
