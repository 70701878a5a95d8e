//! A mutex that `fork` can hold: for the few process-wide tables of set-up and aggregation, never for a record.
//!
//! `pthread_atfork` handlers take it before the fork and release it after, in the parent and in the child, so that a
//! child never inherits a lock whose holder does not exist there.

use std::cell::UnsafeCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug)]
pub(crate) struct ForkLock<T: 'static> {
    inner: Mutex<T>,
    held: UnsafeCell<Option<MutexGuard<'static, T>>>,
}

// SAFETY: `held` is touched by `hold` and `let_go` alone, both while the forking thread holds `inner`.
unsafe impl<T: Send> Sync for ForkLock<T> {}

impl<T> ForkLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        ForkLock { inner: Mutex::new(value), held: UnsafeCell::new(None) }
    }

    /// Locks. A panic of an earlier holder does not matter: every holder leaves the value fit for use at each step.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks and keeps the guard until [`ForkLock::let_go`] by the same thread.
    pub(crate) fn hold(&'static self) {
        let guard = self.lock();
        // SAFETY: we hold the lock, so nobody else is here.
        unsafe { *self.held.get() = Some(guard) };
    }

    /// Releases what [`ForkLock::hold`] took.
    pub(crate) fn let_go(&'static self) {
        // SAFETY: the calling thread holds the lock since `hold`.
        drop(unsafe { (*self.held.get()).take() });
    }
}
