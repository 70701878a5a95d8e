//! A function of the host.

use super::notice::Notice;
use super::pace::{Pace, pace_settings};
use super::queue::Entry;
use super::worker::{Deliver, Outcome};
use std::fmt;
use std::time::Duration;

/// A function of the host, called for each alert that fires or resolved, on a thread of its own: it may take its time,
/// and holds up nobody else.
///
/// A panic in it is caught and counted; the notice at which it panicked is given up, and the next call is with the next
/// one. A call cannot be interrupted: [`Notifier::shutdown`](super::Notifier::shutdown) waits for it no longer than its
/// limit.
///
/// ```
/// use tachometer::notify::Callback;
/// use tachometer::rules::AlertState;
/// let handler = Callback::new(|notice| {
///     if notice.to == AlertState::Firing && notice.rule == "LostQuorum" {
///         // … step down …
///     }
/// });
/// ```
pub struct Callback {
    function: Box<dyn Fn(&Notice) + Send>,
    pub(super) wants_pending: bool,
    pub(super) pace: Pace,
}

pace_settings!(Callback);

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("pending", &self.wants_pending).finish_non_exhaustive()
    }
}

impl Callback {
    /// Calls this function.
    pub fn new(function: impl Fn(&Notice) + Send + 'static) -> Callback {
        let function = Box::new(function);
        Callback { function, wants_pending: false, pace: Pace::default() }
    }

    /// Whether it is called for alerts that become pending, and that end without having fired, too; not unless it is
    /// called.
    #[must_use]
    pub fn pending(mut self, wanted: bool) -> Self {
        self.wants_pending = wanted;
        self
    }

    pub(super) fn sender(self) -> Sender {
        Sender(self.function)
    }
}

pub(super) struct Sender(Box<dyn Fn(&Notice) + Send>);

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl Deliver for Sender {
    fn batch(&self) -> usize {
        1
    }

    fn deliver(&mut self, entries: &[Entry], _: Duration) -> Outcome {
        if let Some(Entry::Notice(notice)) = entries.first() {
            (self.0)(notice);
        }
        Outcome::Arrived
    }
}
