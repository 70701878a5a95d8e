//! Publication: the latest snapshot, swapped in whole, and those who wait for the next.
//!
//! Readers load it without blocking anybody. The swap releases everything that made the snapshot to whoever loads it;
//! arc-swap keeps the old one alive for as long as somebody reads it.

use crate::sync::weaken::{Site, is_weak};
use crate::sync::{ArcSwap, Condvar, Mutex};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// The latest of something, and a bell for those who wait.
#[derive(Debug)]
pub(crate) struct Publisher<T> {
    latest: ArcSwap<T>,
    bell: Mutex<()>,
    rung: Condvar,
}

impl<T> Publisher<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        Publisher { latest: ArcSwap::new(first), bell: Mutex::new(()), rung: Condvar::new() }
    }

    pub(crate) fn latest(&self) -> Arc<T> {
        self.latest.load_full()
    }

    /// Swaps `next` in and wakes everybody who waits.
    pub(crate) fn publish(&self, next: Arc<T>) {
        self.latest.store(next);
        // Through the lock, so that a waiter between its look and its sleep does not miss the bell.
        if !is_weak(Site::Bell) {
            drop(self.bell.lock().unwrap_or_else(PoisonError::into_inner));
        }
        self.rung.notify_all();
    }

    /// The first published value that meets `condition`, from the latest on; `None` when `limit` is over.
    pub(crate) fn wait(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&T) -> bool,
    ) -> Option<Arc<T>> {
        let deadline = Instant::now().checked_add(limit);
        loop {
            let latest = self.latest();
            // Without the lock: the condition is the caller's, who may take his time or publish himself.
            if condition(&latest) {
                return Some(latest);
            }
            let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let left =
                    deadline.map_or(limit, |at| at.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return None;
                }
                // What was published since the look rang before we had the lock.
                if !Arc::ptr_eq(&self.latest(), &latest) {
                    break;
                }
                bell = self.rung.wait_timeout(bell, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}
