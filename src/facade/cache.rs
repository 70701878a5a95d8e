//! Handles by what a facade's caller names them with: looked up without a lock, grown under one.
//!
//! Many readers on every record, a writer for each new series. The map is cut into parts by the hash that the caller
//! already has; a part is an immutable map behind an atomic pointer, and a writer replaces it by a copy with one entry
//! more, or one less.

use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Parts of a map: what a new series copies is one of so many.
const PARTS: usize = 64;

/// See the module.
pub(crate) struct Cache<K, V> {
    parts: Box<[ArcSwap<Part<K, V>>]>,
    growing: Mutex<()>,
}

/// By hash; those whose hashes meet stand side by side.
type Part<K, V> = HashMap<u64, Vec<(K, V)>, BuildHasherDefault<Hashed>>;

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.0 = self.0.rotate_left(8) ^ u64::from(byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len: usize = self.parts.iter().map(|part| part.load().len()).sum();
        f.debug_struct("Cache").field("entries", &len).finish()
    }
}

impl<K: Clone, V: Clone> Cache<K, V> {
    pub(crate) fn new() -> Self {
        let parts = (0..PARTS).map(|_| ArcSwap::from_pointee(Part::default())).collect();
        Cache { parts, growing: Mutex::new(()) }
    }

    fn part(&self, hash: u64) -> &ArcSwap<Part<K, V>> {
        // The map itself takes the top and the bottom bits.
        &self.parts[(hash >> 32) as usize % PARTS]
    }

    /// What `found` makes of the value whose key `is` the one.
    #[inline]
    pub(crate) fn with<R>(
        &self,
        hash: u64,
        is: impl Fn(&K) -> bool,
        found: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let part = self.part(hash).load();
        part.get(&hash)?.iter().find(|(key, _)| is(key)).map(|(_, value)| found(value))
    }

    /// Adds a value. The caller's own lock sees to it that there is none for the key.
    #[cold]
    pub(crate) fn insert(&self, hash: u64, key: K, value: V) {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let part = self.part(hash);
        let mut grown = Part::clone(&part.load());
        grown.entry(hash).or_default().push((key, value));
        part.store(Arc::new(grown));
    }
}

#[cfg(feature = "metrics")]
impl<K: Clone + PartialEq, V: Clone> Cache<K, V> {
    /// Takes a value out. Readers that found it before may still have it.
    #[cold]
    pub(crate) fn remove(&self, hash: u64, key: &K) {
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let part = self.part(hash);
        let mut shrunk = Part::clone(&part.load());
        if let Some(meeting) = shrunk.get_mut(&hash) {
            meeting.retain(|(other, _)| other != key);
            if meeting.is_empty() {
                shrunk.remove(&hash);
            }
        }
        part.store(Arc::new(shrunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_whose_hashes_meet_are_told_apart() {
        let cache = Cache::new();
        for key in 0..1_000_u64 {
            cache.insert(key % 10, key, key * 2);
        }
        for key in 0..1_000 {
            assert_eq!(cache.with(key % 10, |k| *k == key, |v| *v), Some(key * 2));
        }
        assert_eq!(cache.with(3, |k| *k == 4, |v| *v), None);
    }
}
