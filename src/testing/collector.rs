//! A collector of one test's own.

use super::Recorded;
use super::waiting::Seen;
use crate::limits::TEST_CUT_TIMEOUT;
use crate::{Engine, ManualClock, Registry, Snapshot};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long [`Collector::wait_until`] leaves the processor to others between two cuts.
const PAUSE: Duration = Duration::from_millis(1);

/// A registry of one test's own, and an engine on it that is driven by hand: it sees what was recorded through this registry and
/// nothing else, beside any number of other tests.
///
/// `static` handles are the process's ([`Registry::global`]), and so seen by all of its tests: what is to be tested takes a
/// registry, or a struct of handles that was made from one.
///
/// Its clock stands still until [`Collector::advance`], so rates are exact. See [`Recorded`] for what can be asserted.
///
/// ```
/// use std::time::Duration;
/// use tachometer::testing::Collector;
/// let test = Collector::new();
/// let sent = test.registry().counter("sent_total", "Sent.")?;
/// for _ in 0..10 {
///     sent.add(50);
///     test.advance(Duration::from_secs(1));
/// }
/// test.cut().assert_rate("sent_total", &[], 50.0..=50.0);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct Collector {
    engine: Engine,
    clock: ManualClock,
    /// The snapshot of the last cut.
    last: Mutex<Arc<Snapshot>>,
}

impl Default for Collector {
    fn default() -> Self {
        Collector::new()
    }
}

impl Collector {
    /// A collector whose clock shows 2023-11-14 22:13:20 UTC.
    ///
    /// # Panics
    /// The process has no address space for the engine.
    pub fn new() -> Collector {
        let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
        // A thread of another test may lose the processor within a record for long; its cut would not be whole.
        let builder = Engine::builder().registry(&Registry::new()).cut_timeout(TEST_CUT_TIMEOUT);
        let engine = builder.manual(&clock).start();
        // Of all that can go wrong, only a lack of address space can here.
        let engine = engine.unwrap_or_else(|error| panic!("no collector can be made: {error}"));
        let last = Mutex::new(engine.refresh());
        Collector { engine, clock, last }
    }

    /// Where what is tested registers.
    pub fn registry(&self) -> &Registry {
        self.engine.registry()
    }

    /// The engine, for what reads one: a listener, a history.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The clock of the engine.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Moves the clock, and makes no snapshot.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// What was recorded since the last cut, or since the collector was made: everything that happened-before this call.
    pub fn cut(&self) -> Recorded {
        // Before the snapshot, so that of two threads that cut at once the later has the later one.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.engine.refresh();
        let earlier = std::mem::replace(&mut *last, now.clone());
        Recorded::between(earlier, now)
    }

    /// What was recorded since the collector was made. Leaves the last cut where it is.
    pub fn total(&self) -> Recorded {
        Recorded::of(self.engine.refresh())
    }

    /// Waits until what `read` gives of a snapshot meets a condition, and returns it: for what other threads record. Makes a
    /// snapshot each millisecond; the clock stands still. `limit` is real time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachometer::testing::Collector;
    /// let test = Collector::new();
    /// let done = test.registry().counter("done_total", "Done.")?;
    /// let worker = std::thread::spawn(move || (0..100).for_each(|_| done.inc()));
    /// let read = |now: &tachometer::Snapshot| now.counter("done_total").unwrap_or(0);
    /// test.wait_until(Duration::from_secs(30), "all is done", read, |done| *done == 100);
    /// # worker.join().unwrap();
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    ///
    /// # Panics
    /// It did not come true within `limit`: the message says what the value was all along.
    #[track_caller]
    pub fn wait_until<T: Debug>(
        &self,
        limit: Duration,
        what: &str,
        mut read: impl FnMut(&Snapshot) -> T,
        mut is_met: impl FnMut(&T) -> bool,
    ) -> T {
        let began = Instant::now();
        let mut seen = Seen::default();
        loop {
            let value = read(&self.engine.refresh());
            if is_met(&value) {
                return value;
            }
            seen.add(began.elapsed(), &value);
            if began.elapsed() >= limit {
                panic!("{}", seen.in_vain(what, limit));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Moves the clock by `step`, calls `drive` (which does what is to be done at that time) and makes a snapshot, until what
    /// `read` gives of it meets a condition; returns it. `limit` is the clock's time: nothing is waited for, and each run is the
    /// same.
    ///
    /// # Panics
    /// It did not come true within `limit`: the message says what the value was all along. A step of no time is a nanosecond.
    #[track_caller]
    pub fn advance_until<T: Debug>(
        &self,
        step: Duration,
        limit: Duration,
        what: &str,
        mut drive: impl FnMut(Duration),
        mut read: impl FnMut(&Snapshot) -> T,
        mut is_met: impl FnMut(&T) -> bool,
    ) -> T {
        let step = step.max(Duration::from_nanos(1));
        let mut passed = Duration::ZERO;
        let mut seen = Seen::default();
        loop {
            drive(passed);
            let value = read(&self.engine.refresh());
            if is_met(&value) {
                return value;
            }
            seen.add(passed, &value);
            if passed >= limit {
                panic!("{}", seen.in_vain(what, limit));
            }
            self.clock.advance(step);
            passed = passed.saturating_add(step);
        }
    }
}
