//! A replica's store: the block tree and the application's state, in memory, every operation counted, one in some timed.
//!
//! It outlives its replica, as a disk would: a replica that is stopped and started again finds what it had. Blocks that are
//! deeper than [`BLOCKS_KEPT`] below the last commit are removed as commits go on, which hotstuff_rs leaves to its store.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::Arc;

use hashbrown::HashMap;
use hotstuff_rs::block_tree::pluggables::{KVGet, KVGetError, KVStore, Key, WriteBatch};
use hotstuff_rs::block_tree::variables as keys;
use hotstuff_rs::types::data_types::{CryptoHash, Data};
use parking_lot::{RwLock, RwLockReadGuard};
use tachometer::Sampler;

use super::config::BLOCKS_KEPT;
use super::probe::{KeyType, Probe};

/// One in this many reads is timed.
pub const ONE_READ_IN: NonZeroU32 = NonZeroU32::new(32).unwrap();

/// One in this many written keys is timed; batches are all timed.
pub const ONE_WRITE_IN: NonZeroU32 = NonZeroU32::new(8).unwrap();

thread_local! {
    static READS: RefCell<Sampler> = RefCell::new(Sampler::one_in(ONE_READ_IN));
    static WRITES: RefCell<Sampler> = RefCell::new(Sampler::one_in(ONE_WRITE_IN));
}

/// What a store holds, as figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    pub bytes: u64,
    /// Bytes of the application's committed state.
    pub state_bytes: u64,
    /// Accounts in that state.
    pub accounts: u64,
}

#[derive(Debug, Default)]
struct Entries {
    map: HashMap<Vec<u8>, Vec<u8>, foldhash::fast::RandomState>,
    size: Size,
}

impl Entries {
    fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.remove(&key);
        let weight = (key.len() + value.len()) as u64;
        self.size.bytes += weight;
        if key.starts_with(&keys::COMMITTED_APP_STATE) {
            self.size.state_bytes += weight;
            self.size.accounts += 1;
        }
        self.map.insert(key, value);
    }

    fn remove(&mut self, key: &[u8]) {
        let Some(value) = self.map.remove(key) else { return };
        let weight = (key.len() + value.len()) as u64;
        self.size.bytes -= weight;
        if key.starts_with(&keys::COMMITTED_APP_STATE) {
            self.size.state_bytes -= weight;
            self.size.accounts -= 1;
        }
    }

    fn get(&self, probe: &Probe, key: &[u8]) -> Option<Vec<u8>> {
        let started = READS.with_borrow_mut(|reads| probe.stamp_sampled(reads));
        let value = self.map.get(key).cloned();
        probe.key_read(key_type(key), started);
        value
    }

    /// Removes the block at `height`, if it is there; returns how many keys that were.
    fn remove_block(&mut self, height: u64) -> u64 {
        let at_height = keys::concat(&keys::BLOCK_AT_HEIGHT, &height.to_le_bytes());
        let Some(hash) = self.map.get(&at_height).cloned() else { return 0 };
        let block = keys::concat(&keys::BLOCKS, &hash);
        let of = |field: &[u8]| keys::concat(&block, field);
        let data = of(&keys::BLOCK_DATA);
        let length = self.map.get(&of(&keys::BLOCK_DATA_LEN));
        let length =
            length.and_then(|bytes| Some(u32::from_le_bytes(bytes.as_slice().try_into().ok()?)));
        let data = (0..length.unwrap_or(0)).map(|index| keys::concat(&data, &index.to_le_bytes()));
        let fields =
            [keys::BLOCK_HEIGHT, keys::BLOCK_JUSTIFY, keys::BLOCK_DATA_HASH, keys::BLOCK_DATA_LEN];
        let children = keys::concat(&keys::BLOCK_TO_CHILDREN, &hash);
        let gone: Vec<Vec<u8>> =
            fields.iter().map(|field| of(field)).chain(data).chain([children, at_height]).collect();
        gone.iter().for_each(|key| self.remove(key));
        gone.len() as u64
    }
}

/// A store. A clone is the same store.
#[derive(Clone, Debug)]
pub struct Store {
    entries: Arc<RwLock<Entries>>,
    probe: Probe,
}

impl Store {
    /// An empty store whose operations are measured through `probe`.
    pub fn new(probe: Probe) -> Self {
        Self { entries: Arc::default(), probe }
    }

    pub fn size(&self) -> Size {
        self.entries.read().size
    }
}

impl KVGet for Store {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.read().get(&self.probe, key)
    }

    fn block_data(&self, block: &CryptoHash) -> Result<Option<Data>, KVGetError> {
        read_block_data(self, block)
    }
}

impl KVStore for Store {
    type WriteBatch = Batch;
    type Snapshot<'a> = Snapshot<'a>;

    fn write(&mut self, batch: Batch) {
        let operations = batch.0.len() as u64;
        let started = self.probe.stamp();
        let (mut set, mut deleted) = (0, 0);
        let mut entries = self.entries.write();
        for (key, value) in batch.0 {
            let Some(value) = value else {
                entries.remove(&key);
                deleted += 1;
                continue;
            };
            let committed_height = committed_height(&key);
            let started = WRITES.with_borrow_mut(|writes| self.probe.stamp_sampled(writes));
            let kind = key_type(&key);
            entries.insert(key, value);
            self.probe.key_written(kind, started);
            set += 1;
            if let Some(old) = committed_height.and_then(|height| height.checked_sub(BLOCKS_KEPT)) {
                deleted += entries.remove_block(old);
            }
        }
        drop(entries);
        self.probe.batch_written(operations, set, deleted, started);
    }

    fn clear(&mut self) {
        *self.entries.write() = Entries::default();
    }

    fn snapshot<'b>(&'b self) -> Snapshot<'b> {
        let started = self.probe.stamp();
        let entries = self.entries.read();
        self.probe.snapshot_taken(started);
        Snapshot { entries, probe: &self.probe }
    }
}

/// The store at one moment: nothing is written while there is one.
#[derive(Debug)]
pub struct Snapshot<'a> {
    entries: RwLockReadGuard<'a, Entries>,
    probe: &'a Probe,
}

impl KVGet for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.entries.get(self.probe, key)
    }

    fn block_data(&self, block: &CryptoHash) -> Result<Option<Data>, KVGetError> {
        read_block_data(self, block)
    }
}

/// What [`KVGet::block_data`] should do: in hotstuff_rs 0.4 it looks whether all parts are there, uses them up with that, and
/// returns none of them.
fn read_block_data(store: &impl KVGet, block: &CryptoHash) -> Result<Option<Data>, KVGetError> {
    let Some(length) = store.block_data_len(block)? else { return Ok(None) };
    let parts: Option<Vec<_>> =
        (0..length.int()).map(|index| store.block_datum(block, index)).collect();
    let missing = || KVGetError::ValueExpectedButNotFound { key: Key::BlockData { block: *block } };
    Ok(Some(Data::new(parts.ok_or_else(missing)?)))
}

/// Changes that are made together, in their order; `None` removes.
#[derive(Debug)]
pub struct Batch(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl WriteBatch for Batch {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.0.push((key.to_vec(), Some(value.to_vec())));
    }

    fn delete(&mut self, key: &[u8]) {
        self.0.push((key.to_vec(), None));
    }
}

/// The height of the block whose commit sets `key`.
fn committed_height(key: &[u8]) -> Option<u64> {
    let height = key.strip_prefix(&keys::BLOCK_AT_HEIGHT)?;
    Some(u64::from_le_bytes(height.try_into().ok()?))
}

/// What is stored under `key`.
fn key_type(key: &[u8]) -> KeyType {
    let Some(first) = key.first() else { return KeyType::Other };
    match [*first] {
        keys::BLOCKS
        | keys::BLOCK_AT_HEIGHT
        | keys::BLOCK_TO_CHILDREN
        | keys::NEWEST_BLOCK
        | keys::HIGHEST_COMMITTED_BLOCK => KeyType::Block,
        keys::COMMITTED_APP_STATE | keys::PENDING_APP_STATE_UPDATES => KeyType::State,
        keys::HIGHEST_PC | keys::HIGHEST_TC => KeyType::Certificate,
        keys::LOCKED_PC | keys::HIGHEST_VIEW_ENTERED | keys::HIGHEST_VIEW_PHASE_VOTED => {
            KeyType::Protocol
        }
        keys::COMMITTED_VALIDATOR_SET
        | keys::PREVIOUS_VALIDATOR_SET
        | keys::VALIDATOR_SET_UPDATES_STATUS
        | keys::VALIDATOR_SET_UPDATE_BLOCK_HEIGHT
        | keys::VALIDATOR_SET_UPDATE_DECIDED => KeyType::Validators,
        _ => KeyType::Other,
    }
}

#[cfg(test)]
mod tests {
    use borsh::BorshSerialize;

    use super::*;

    /// Stores a block of `parts` bytes, committed at `height`, as hotstuff_rs does.
    fn commit(store: &mut Store, height: u64, parts: &[&[u8]]) -> CryptoHash {
        let mut hash = [7; 32];
        hash[..8].copy_from_slice(&height.to_le_bytes());
        let block = keys::concat(&keys::BLOCKS, &hash);
        let mut batch = Batch::new();
        batch.set(&keys::concat(&block, &keys::BLOCK_HEIGHT), &height.to_le_bytes());
        let length = (parts.len() as u32).try_to_vec().expect("bytes");
        batch.set(&keys::concat(&block, &keys::BLOCK_DATA_LEN), &length);
        let data = keys::concat(&block, &keys::BLOCK_DATA);
        for (index, part) in (0_u32..).zip(parts) {
            batch.set(&keys::concat(&data, &index.try_to_vec().expect("bytes")), part);
        }
        batch.set(&keys::concat(&keys::BLOCK_AT_HEIGHT, &height.to_le_bytes()), &hash);
        store.write(batch);
        CryptoHash::new(hash)
    }

    #[test]
    fn a_blocks_data_come_back() {
        let mut store = Store::new(Probe::default());
        let hash = commit(&mut store, 0, &[b"one", b"two"]);
        let parts = |data: Option<Data>| -> Vec<Vec<u8>> {
            data.expect("it is there").iter().map(|datum| datum.bytes().clone()).collect()
        };
        let data = store.block_data(&hash).expect("it can be read");
        assert_eq!(parts(data), [b"one", b"two"]);
        let data = store.snapshot().block_data(&hash).expect("it can be read");
        assert_eq!(parts(data), [b"one", b"two"]);
        assert!(store.block_data(&CryptoHash::new([1; 32])).expect("no error").is_none());
    }

    #[test]
    fn old_blocks_go_with_all_their_keys() {
        let mut store = Store::new(Probe::default());
        commit(&mut store, 0, &[b"one", b"two"]);
        let one = store.size().bytes;
        commit(&mut store, BLOCKS_KEPT - 1, &[b"one", b"two"]);
        assert_eq!(store.size().bytes, 2 * one);
        commit(&mut store, BLOCKS_KEPT, &[b"one", b"two"]);
        assert_eq!(store.size().bytes, 2 * one);
    }

    #[test]
    fn the_size_is_what_is_stored() {
        let mut store = Store::new(Probe::default());
        let account = keys::concat(&keys::COMMITTED_APP_STATE, b"a");
        let write = |store: &mut Store, value: Option<&[u8]>| {
            let mut batch = Batch::new();
            match value {
                Some(value) => batch.set(&account, value),
                None => batch.delete(&account),
            }
            store.write(batch);
        };
        write(&mut store, Some(b"12345"));
        assert_eq!(store.size(), Size { bytes: 7, state_bytes: 7, accounts: 1 });
        write(&mut store, Some(b"123"));
        assert_eq!(store.size(), Size { bytes: 5, state_bytes: 5, accounts: 1 });
        write(&mut store, None);
        write(&mut store, None);
        assert_eq!(store.size(), Size::default());
    }
}
