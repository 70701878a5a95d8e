//! Waiting until something that is recorded is so, with a limit, and what is said if it never is.

use crate::limits::MAX_WAITED_VALUES;
use crate::{Engine, Snapshot};
use std::fmt::{self, Debug};
use std::time::{Duration, Instant};

/// Waits until what `read` gives of the engine's snapshots meets a condition, and returns it. Looks at the latest snapshot, and
/// then at each that the engine publishes: nothing sleeps in between, and nothing is asked of the engine.
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Engine, Registry, testing::wait_until};
/// let registry = Registry::new();
/// let engine = Engine::builder().registry(&registry).interval(Duration::from_millis(10)).start()?;
/// let commits = registry.counter("commits_total", "Commits.")?;
/// std::thread::spawn(move || (0..3).for_each(|_| commits.inc()));
/// let read = |now: &tachometer::Snapshot| now.counter("commits_total").unwrap_or(0);
/// wait_until(&engine, Duration::from_secs(30), "three commits", read, |commits| *commits >= 3);
/// # Ok::<(), tachometer::Error>(())
/// ```
///
/// An engine that is driven by hand publishes only what somebody else asks of it: see
/// [`Collector::wait_until`](super::Collector::wait_until).
///
/// # Panics
/// It did not come true within `limit`; the message says what the value was all along.
#[track_caller]
pub fn wait_until<T: Debug>(
    engine: &Engine,
    limit: Duration,
    what: &str,
    read: impl FnMut(&Snapshot) -> T,
    is_met: impl FnMut(&T) -> bool,
) -> T {
    match try_wait_until(engine, limit, what, read, is_met) {
        Ok(value) => value,
        Err(waited) => panic!("{waited}"),
    }
}

/// As [`wait_until`], with an error in the place of a panic.
///
/// # Errors
/// It did not come true within `limit`.
pub fn try_wait_until<T: Debug>(
    engine: &Engine,
    limit: Duration,
    what: &str,
    mut read: impl FnMut(&Snapshot) -> T,
    mut is_met: impl FnMut(&T) -> bool,
) -> Result<T, Waited> {
    let began = Instant::now();
    let mut seen = Seen::default();
    let mut met = None;
    let found = engine.wait_for(limit, |snapshot| {
        let value = read(snapshot);
        if is_met(&value) {
            met = Some(value);
            return true;
        }
        seen.add(began.elapsed(), &value);
        false
    });
    match (found, met) {
        (Ok(_), Some(value)) => Ok(value),
        _ => Err(seen.in_vain(what, limit)),
    }
}

/// What was waited for in vain, and what there was instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// What was waited for.
    pub what: String,
    /// How long.
    pub limit: Duration,
    /// How many snapshots were looked at.
    pub snapshots: u64,
    /// The values, each with the time at which it came: the first few and the last few of [`MAX_WAITED_VALUES`].
    pub values: Vec<(Duration, String)>,
    /// Values in the middle that were not kept.
    pub left_out: u64,
}

impl std::error::Error for Waited {}

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waited { what, limit, snapshots, .. } = self;
        write!(f, "waited {limit:?} in vain until {what}, over {snapshots} snapshots. It was:")?;
        if self.values.is_empty() {
            return write!(f, "\n  nothing: there was no snapshot");
        }
        for (index, (at, value)) in self.values.iter().enumerate() {
            if self.left_out > 0 && index == KEPT_FIRST {
                write!(f, "\n  … {} other values …", self.left_out)?;
            }
            write!(f, "\n  {:>9.3} s  {value}", at.as_secs_f64())?;
        }
        write!(f, "\n  and so it stayed")
    }
}

const KEPT_FIRST: usize = MAX_WAITED_VALUES / 2;

/// The values that a wait saw, as text, where they changed.
#[derive(Debug, Default)]
pub(super) struct Seen {
    values: Vec<(Duration, String)>,
    left_out: u64,
    snapshots: u64,
}

impl Seen {
    pub(super) fn add(&mut self, at: Duration, value: &impl Debug) {
        self.snapshots += 1;
        let text = format!("{value:?}");
        if self.values.last().is_some_and(|(_, last)| *last == text) {
            return;
        }
        if self.values.len() == MAX_WAITED_VALUES {
            self.values.remove(KEPT_FIRST);
            self.left_out += 1;
        }
        self.values.push((at, text));
    }

    pub(super) fn in_vain(self, what: &str, limit: Duration) -> Waited {
        let Seen { values, left_out, snapshots } = self;
        Waited { what: what.to_owned(), limit, snapshots, values, left_out }
    }
}
