//! A thread's own table of a family's series: label values to slot, without a lock or an allocation on a hit.
//!
//! Open addressing with linear probing, never more than half full. Keys are the values' bytes, each ended by 0xFF, a byte
//! that UTF-8 does not have, so that no two sets of values have the same key. Bounded by the family's limit: the overflow
//! series is never entered. Emptied when the family's tenancy changes.

use foldhash::fast::FixedState;
use std::cell::RefCell;
use std::hash::{BuildHasher, Hasher};

thread_local! {
    static TABLES: RefCell<Vec<Table>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Default)]
struct Table {
    /// The tenancy under which all entries were learnt.
    version: u64,
    entries: Box<[Entry]>,
    used: usize,
}

#[derive(Clone, Debug, Default)]
struct Entry {
    hash: u64,
    /// Zero: empty.
    slot: usize,
    key: Box<[u8]>,
}

/// A slot, and the tenancy under which it was learnt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub(crate) slot: usize,
    pub(crate) version: u64,
}

const SMALLEST: usize = 16;

/// The slot of `values` in family `id`, if this thread knows it.
#[inline]
pub(crate) fn find<const N: usize>(id: usize, hash: u64, values: &[&str; N]) -> Option<Hit> {
    // Neither fails but in a destructor of the thread, which then takes the slow path.
    TABLES
        .try_with(|tables| {
            let tables = tables.try_borrow().ok()?;
            let table = tables.get(id)?;
            let slot = table.find(hash, values)?;
            Some(Hit { slot, version: table.version })
        })
        .ok()
        .flatten()
}

/// Remembers a slot. `limit` is the family's limit of series.
pub(crate) fn remember(id: usize, hash: u64, key: &[u8], hit: Hit, limit: usize) {
    let _ = TABLES.try_with(|tables| {
        let Ok(mut tables) = tables.try_borrow_mut() else { return };
        if tables.len() <= id {
            tables.resize_with(id + 1, Table::default);
        }
        let table = &mut tables[id];
        if table.version != hit.version || table.used > limit {
            *table = Table { version: hit.version, ..Table::default() };
        }
        table.insert(hash, key, hit.slot);
    });
}

impl Table {
    #[inline]
    fn find<const N: usize>(&self, hash: u64, values: &[&str; N]) -> Option<usize> {
        let mask = self.entries.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            let entry = self.entries.get(at)?;
            if entry.slot == 0 {
                return None;
            }
            if entry.hash == hash && is_key(&entry.key, values) {
                return Some(entry.slot);
            }
            at = (at + 1) & mask;
        }
    }

    fn insert(&mut self, hash: u64, key: &[u8], slot: usize) {
        if self.entries.len() < 2 * (self.used + 1) {
            self.grow();
        }
        let mask = self.entries.len() - 1;
        let mut at = hash as usize & mask;
        while self.entries[at].slot != 0 {
            if self.entries[at].hash == hash && *self.entries[at].key == *key {
                self.entries[at].slot = slot;
                return;
            }
            at = (at + 1) & mask;
        }
        self.entries[at] = Entry { hash, slot, key: key.into() };
        self.used += 1;
    }

    fn grow(&mut self) {
        let larger = vec![Entry::default(); (self.entries.len() * 2).max(SMALLEST)];
        let old = std::mem::replace(&mut self.entries, larger.into());
        self.used = 0;
        for entry in old.into_iter().filter(|entry| entry.slot != 0) {
            self.insert(entry.hash, &entry.key, entry.slot);
        }
    }
}

/// Whether `key` is that of `values`.
#[inline]
fn is_key<const N: usize>(mut key: &[u8], values: &[&str; N]) -> bool {
    for value in values {
        let value = value.as_bytes();
        match key.split_at_checked(value.len()) {
            Some((own, [SEPARATOR, rest @ ..])) if is_same(own, value) => key = rest,
            _ => return false,
        }
    }
    key.is_empty()
}

/// Whether two texts of the same length are equal: up to sixteen bytes without a call, by their first and last bytes, which
/// may overlap.
#[inline(always)]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ends_by = |same: [bool; 2]| same == [true; 2];
    match a.len() {
        17.. => a == b,
        8.. => ends_by([
            a.first_chunk::<8>() == b.first_chunk(),
            a.last_chunk::<8>() == b.last_chunk(),
        ]),
        4.. => ends_by([
            a.first_chunk::<4>() == b.first_chunk(),
            a.last_chunk::<4>() == b.last_chunk(),
        ]),
        _ => a.iter().eq(b),
    }
}

/// Nothing is secret in it, and tables are bounded: one seed for all threads.
const HASHER: FixedState = FixedState::with_seed(0x7461_6368_6F6D_6574);

/// The hash of `values`. Each goes in with its length, as `write` has it: no separator is needed.
#[inline(always)]
pub(crate) fn hash_of<const N: usize>(values: &[&str; N]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    values.iter().for_each(|value| hasher.write(value.as_bytes()));
    hasher.finish()
}

/// Ends each value of a key.
pub(crate) const SEPARATOR: u8 = 0xFF;

/// The key of `values`.
pub(crate) fn key_of<S: AsRef<str>>(values: &[S]) -> Box<[u8]> {
    let mut key = Vec::with_capacity(values.iter().map(|v| v.as_ref().len() + 1).sum());
    for value in values {
        key.extend_from_slice(value.as_ref().as_bytes());
        key.push(SEPARATOR);
    }
    key.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_values_apart_where_joining_would_not() {
        assert!(is_key(&key_of(&["ab", "c"]), &["ab", "c"]));
        assert!(!is_key(&key_of(&["ab", "c"]), &["a", "bc"]));
        assert!(!is_key(&key_of(&["a", ""]), &["a"]));
        assert!(!is_key(&key_of(&["a"]), &["a", ""]));
    }

    #[test]
    fn short_and_long_texts_are_compared_to_their_last_byte() {
        for length in 0..40 {
            let text = vec![b'x'; length];
            assert!(is_same(&text, &text.clone()));
            for at in 0..length {
                let mut other = text.clone();
                other[at] = b'y';
                assert!(!is_same(&text, &other), "byte {at} of {length}");
            }
        }
    }

    #[test]
    fn a_table_finds_what_was_remembered_with_colliding_hashes_too() {
        let id = 10_000;
        let names: Vec<String> = (0..500).map(|i| format!("peer-{i}")).collect();
        for (i, name) in names.iter().enumerate() {
            let hit = Hit { slot: i + 1, version: 1 };
            remember(id, i as u64 % 7, &key_of(&[name]), hit, 1_000);
        }
        for (i, name) in names.iter().enumerate() {
            assert_eq!(find(id, i as u64 % 7, &[name.as_str()]).map(|h| h.slot), Some(i + 1));
        }
        assert!(find(id, 3, &["nobody"]).is_none());
        remember(id, 0, &key_of(&["new"]), Hit { slot: 9, version: 2 }, 1_000);
        assert!(find(id, 0, &["peer-0"]).is_none(), "a new tenancy forgets the old slots");
        TABLES.with(|tables| tables.borrow_mut().clear());
    }
}
