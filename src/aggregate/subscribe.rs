//! Those who want each generation, in order, none left out: called by whoever made it, right after it was published, one
//! after the other as they subscribed: who came later finds that those before him have seen it.

use crate::Snapshot;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Somebody who is shown each generation, for as long as he is alive.
pub(crate) trait Subscriber: Send + Sync {
    /// A generation was published. The next one waits until this returns.
    fn published(&self, snapshot: &Snapshot);
}

/// All of them.
#[derive(Default)]
pub(crate) struct Subscribers(Mutex<Vec<Weak<dyn Subscriber>>>);

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscribers")
    }
}

impl Subscribers {
    pub(super) fn add(&self, subscriber: Weak<dyn Subscriber>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(subscriber);
    }

    /// Whether this one is among them.
    #[cfg(feature = "rules")]
    pub(super) fn has(&self, subscriber: *const ()) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|one| std::ptr::addr_eq(one.as_ptr(), subscriber))
    }

    /// Shows all of them a generation; how many panicked.
    pub(super) fn show(&self, snapshot: &Snapshot) -> u64 {
        let mut alive: Vec<Arc<dyn Subscriber>> = Vec::new();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|subscriber| {
            let subscriber = subscriber.upgrade();
            let kept = subscriber.is_some();
            alive.extend(subscriber);
            kept
        });
        let show =
            |one: &Arc<dyn Subscriber>| catch_unwind(AssertUnwindSafe(|| one.published(snapshot)));
        alive.iter().map(|one| u64::from(show(one).is_err())).sum()
    }
}
