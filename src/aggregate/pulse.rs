//! Whether the aggregator's thread is alive and on time, for whoever asks after its health.
//!
//! The thread writes, anybody reads, nobody waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(any(feature = "http", feature = "health"))]
use std::time::Duration;
use std::time::Instant;

/// Intervals by which the aggregator may be late before it counts as ill.
#[cfg(any(feature = "http", feature = "health"))]
pub(crate) const LATE_INTERVALS: u32 = 3;

/// What the thread leaves behind at each of its generations.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    /// When the last generation was done, in nanoseconds since `began`.
    beat_ns: AtomicU64,
    /// The thread panicked.
    died: AtomicBool,
}

/// How an engine does.
#[cfg(any(feature = "http", feature = "health"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vital {
    Running,
    /// It has no thread.
    ByHand,
    /// The next generation is overdue by this much.
    Late(Duration),
    /// Its thread panicked.
    Died,
    /// It was stopped, or belongs to the parent of this process.
    Stopped,
}

#[cfg(any(feature = "http", feature = "health"))]
impl Vital {
    /// In a word or two.
    pub(crate) fn state(self) -> &'static str {
        match self {
            Vital::Running => "running",
            Vital::ByHand => "by hand",
            Vital::Late(_) => "late",
            Vital::Died => "died",
            Vital::Stopped => "stopped",
        }
    }

    /// What is wrong, at this interval; `None` if nothing is.
    pub(crate) fn why(self, interval: Duration) -> Option<String> {
        match self {
            Vital::Running | Vital::ByHand => None,
            Vital::Late(by) => {
                let (by, seconds) = (by.as_secs_f64(), interval.as_secs_f64());
                Some(format!(
                    "the aggregator is {by:.3} s late at an interval of {seconds:.3} s: a gauge's callback that does \
                     not return, or a machine without processor time"
                ))
            }
            Vital::Died => {
                let why =
                    "the aggregator's thread panicked; the panic is in the process's error output";
                Some(why.to_owned())
            }
            Vital::Stopped => Some("the metrics engine of this process was stopped".to_owned()),
        }
    }
}

/// Notices on the aggregator's thread when that ends by a panic.
#[derive(Debug)]
pub(crate) struct Watch<'a>(&'a Pulse);

impl Pulse {
    pub(crate) fn new() -> Self {
        Pulse { began: Instant::now(), beat_ns: AtomicU64::new(0), died: AtomicBool::new(false) }
    }

    pub(crate) fn watch(&self) -> Watch<'_> {
        Watch(self)
    }

    /// A generation is done.
    pub(crate) fn beat(&self) {
        // Relaxed: publishes nothing but itself.
        self.beat_ns.store(self.began.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }

    #[cfg(any(feature = "http", feature = "health"))]
    pub(crate) fn vital(&self, interval: Duration) -> Vital {
        // Relaxed: nothing else is read by them.
        if self.died.load(Ordering::Relaxed) {
            return Vital::Died;
        }
        let beat = Duration::from_nanos(self.beat_ns.load(Ordering::Relaxed));
        let overdue = self.began.elapsed().saturating_sub(beat).saturating_sub(interval);
        if overdue > interval.saturating_mul(LATE_INTERVALS) {
            return Vital::Late(overdue);
        }
        Vital::Running
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Relaxed: as above.
            self.0.died.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, any(feature = "http", feature = "health")))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_late_or_panics_is_found_out() {
        let pulse = Pulse::new();
        let interval = Duration::from_secs(60);
        assert_eq!(pulse.vital(interval), Vital::Running);
        let short = Duration::from_millis(1);
        std::thread::sleep(5 * short);
        assert!(matches!(pulse.vital(short), Vital::Late(by) if by >= 4 * short));
        assert_eq!(pulse.vital(Duration::MAX), Vital::Running);
        std::thread::scope(|scope| scope.spawn(|| drop(pulse.watch())).join()).unwrap();
        assert_eq!(pulse.vital(interval), Vital::Running, "it was asked to end");
        let died = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let _watch = pulse.watch();
                std::panic::resume_unwind(Box::new("on purpose"));
            });
            thread.join()
        });
        assert!(died.is_err());
        assert_eq!(pulse.vital(interval), Vital::Died);
    }
}
