//! A thread's own table of handles: from a macro's key to its handle without a lock, a shared line or an allocation.
//!
//! A record through a macro asks for the handle each time. The table remembers the last ones by the hash that the key
//! carries; a key in a `static` is known by its address, any other by its text. Handles are held weakly: a table keeps no
//! series, and no recorder, and what has gone is taken for a miss. Recorders have numbers of their own, so that several
//! in one process do not meet.

use super::handle::Handle;
use crate::limits::METRICS_THREAD_HANDLES;
use crate::record::family::Metric;
use crate::{Counter, Gauge, Histogram};
use metrics::Key;
use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::thread::LocalKey;

/// Entries of a table to begin with. Each key has two places, side by side.
const SMALLEST: usize = 32;
const _: () =
    assert!(SMALLEST <= METRICS_THREAD_HANDLES && METRICS_THREAD_HANDLES.is_power_of_two());

/// See the module.
#[derive(Debug)]
pub(super) struct Table<M> {
    entries: Vec<Option<Entry<M>>>,
}

#[derive(Debug)]
struct Entry<M> {
    recorder: u64,
    key: Key,
    handle: Weak<Handle<M>>,
}

/// A type of metric that threads have a table for.
pub(super) trait Remembered: Metric {
    fn table() -> &'static LocalKey<RefCell<Table<Self>>>;
}

macro_rules! remembered {
    ($($metric:ident)*) => { $(
        impl Remembered for $metric {
            #[inline(always)]
            fn table() -> &'static LocalKey<RefCell<Table<Self>>> {
                thread_local! {
                    static TABLE: RefCell<Table<$metric>> =
                        const { RefCell::new(Table { entries: Vec::new() }) };
                }
                &TABLE
            }
        }
    )* };
}
remembered! { Counter Gauge Histogram }

/// The handle of `key`, if the calling thread remembers it.
#[inline(always)]
pub(super) fn find<M: Remembered>(recorder: u64, key: &Key) -> Option<Arc<Handle<M>>> {
    // Neither fails but in a destructor of the thread.
    M::table().try_with(|table| table.try_borrow().ok()?.find(recorder, key)).ok().flatten()
}

/// Remembers a handle for its key.
pub(super) fn remember<M: Remembered>(recorder: u64, handle: &Arc<Handle<M>>) {
    let _ = M::table().try_with(|table| {
        let Ok(mut table) = table.try_borrow_mut() else { return };
        let (key, handle) = (handle.key.clone(), Arc::downgrade(handle));
        table.remember(Entry { recorder, key, handle });
    });
}

impl<M> Table<M> {
    #[inline(always)]
    fn find(&self, recorder: u64, key: &Key) -> Option<Arc<Handle<M>>> {
        let at = place(key, self.entries.len());
        let is = |entry: &&Entry<M>| entry.recorder == recorder && is_key(&entry.key, key);
        if let Some(entry) = self.entries.get(at)?.as_ref().filter(is) {
            return entry.handle.upgrade();
        }
        self.entries.get(at ^ 1)?.as_ref().filter(is)?.handle.upgrade()
    }

    fn remember(&mut self, entry: Entry<M>) {
        if self.entries.is_empty() {
            self.entries.resize_with(SMALLEST, || None);
        }
        loop {
            let at = place(&entry.key, self.entries.len());
            let is_free = |at: &usize| match &self.entries[*at] {
                Some(there) => {
                    let same = there.recorder == entry.recorder && is_key(&there.key, &entry.key);
                    same || there.handle.strong_count() == 0
                }
                None => true,
            };
            let full = self.entries.len() >= METRICS_THREAD_HANDLES;
            match [at, at ^ 1].into_iter().find(is_free) {
                Some(free) => return self.entries[free] = Some(entry),
                None if full => return self.entries[at] = Some(entry),
                None => self.grow(),
            }
        }
    }

    /// Twice as many places. What still meets is remembered again when it is next asked for.
    fn grow(&mut self) {
        let mut larger = Vec::new();
        larger.resize_with(2 * self.entries.len(), || None);
        let old = std::mem::replace(&mut self.entries, larger);
        for entry in old.into_iter().flatten().filter(|entry| entry.handle.strong_count() > 0) {
            let at = place(&entry.key, self.entries.len());
            let at = if self.entries[at].is_none() { at } else { at ^ 1 };
            self.entries[at] = Some(entry);
        }
    }
}

/// The first place of a key among `len`, a power of two; out of bounds where there is none.
#[inline(always)]
fn place(key: &Key, len: usize) -> usize {
    let hash = key.get_hash();
    (hash ^ hash >> 32) as usize & len.wrapping_sub(1)
}

/// Whether both are the same: by their addresses, which are those of keys that live, or else by their text.
#[inline(always)]
fn is_key(known: &Key, asked: &Key) -> bool {
    if known.get_hash() != asked.get_hash() {
        return false;
    }
    let same_name = std::ptr::eq(known.name(), asked.name());
    same_name && std::ptr::eq(known.labels().as_slice(), asked.labels().as_slice())
        || known == asked
}
