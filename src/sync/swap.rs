//! Under loom, in the place of `arc_swap::ArcSwap`: a pointer with the orderings that arc-swap promises.
//!
//! What was stored is never freed, which spares the model arc-swap's debts; that machinery is arc-swap's to prove.

use super::weaken::{Site, order};
use super::{AtomicPtr, Ordering};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct ArcSwap<T>(AtomicPtr<T>);

impl<T> ArcSwap<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        ArcSwap(AtomicPtr::new(Arc::into_raw(first).cast_mut()))
    }

    pub(crate) fn load_full(&self) -> Arc<T> {
        // Acquire, partner `store`: everything that made the value is visible.
        let latest = self.0.load(order(Site::Publish, Ordering::Acquire));
        // SAFETY: from `Arc::into_raw`, by `new` or `store`, which gave up the one count that is never taken back.
        unsafe {
            Arc::increment_strong_count(latest);
            Arc::from_raw(latest)
        }
    }

    pub(crate) fn store(&self, next: Arc<T>) {
        // Release, partner `load_full`.
        self.0.store(Arc::into_raw(next).cast_mut(), order(Site::Publish, Ordering::Release));
    }
}
