//! What one replica knows of blocks beside the block tree: what is in those that are not yet final, and what to do when
//! they are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hashbrown::HashMap;
use hotstuff_rs::block_tree::pluggables::KVGet;
use hotstuff_rs::types::block::Block;
use hotstuff_rs::types::data_types::CryptoHash;
use parking_lot::Mutex;

use super::config::{BLOCKS_KEPT, ReplicaId};
use super::mempool::{Mempool, Receipts};
use super::probe::{CacheResult, Commit, Probe, SafetyViolation};
use super::store::Store;
use super::transaction::{TRANSACTION_BYTES, Transaction};

/// Blocks that are kept until they are final; of more, the oldest are read from the store again.
const RECENT_BLOCKS: usize = 256;

/// Own proposals whose commit is waited for.
const PROPOSALS: usize = 64;

/// Which block is final at each height, as the first replica that said so has it.
#[derive(Debug, Default)]
pub struct Agreement(Mutex<BTreeMap<u64, CryptoHash>>);

impl Agreement {
    /// Whether `block`, which is final at `height` for somebody, is the one that others have there.
    pub fn is_kept(&self, height: u64, block: CryptoHash) -> bool {
        let mut blocks = self.0.lock();
        let agreed = *blocks.entry(height).or_insert(block) == block;
        while blocks.len() as u64 > BLOCKS_KEPT {
            blocks.pop_first();
        }
        agreed
    }
}

#[derive(Debug)]
struct Recent {
    height: u64,
    inserted_at: SystemTime,
    transactions: Arc<[Transaction]>,
}

#[derive(Debug, Default)]
struct Blocks {
    recent: HashMap<[u8; 32], Recent>,
    order: VecDeque<[u8; 32]>,
    proposals: VecDeque<(CryptoHash, SystemTime)>,
    /// Transactions in recent blocks.
    open: usize,
}

/// One replica's.
#[derive(Debug)]
pub struct Ledger {
    replica: ReplicaId,
    mempool: Mempool,
    receipts: Arc<Receipts>,
    agreement: Arc<Agreement>,
    blocks: Mutex<Blocks>,
    store: Store,
    probe: Probe,
    committed: AtomicU64,
}

impl Ledger {
    pub fn new(
        replica: ReplicaId,
        receipts: Arc<Receipts>,
        agreement: Arc<Agreement>,
        store: Store,
        probe: Probe,
    ) -> Self {
        let (mempool, blocks) = (Mempool::default(), Mutex::default());
        let committed = AtomicU64::new(0);
        Self { replica, mempool, receipts, agreement, blocks, store, probe, committed }
    }

    pub fn mempool(&self) -> &Mempool {
        &self.mempool
    }

    /// Blocks that this replica has committed.
    pub fn committed_blocks(&self) -> u64 {
        // Relaxed: a statistic.
        self.committed.load(Ordering::Relaxed)
    }

    /// Bytes of what is kept of recent blocks.
    pub fn cache_bytes(&self) -> usize {
        let blocks = self.blocks.lock();
        blocks.open * TRANSACTION_BYTES + blocks.recent.len() * size_of::<([u8; 32], Recent)>()
    }

    /// This replica proposed `block`.
    pub fn proposed(&self, block: CryptoHash, at: SystemTime) {
        let mut blocks = self.blocks.lock();
        blocks.proposals.truncate(PROPOSALS - 1);
        blocks.proposals.push_front((block, at));
    }

    /// `block` is in the block tree.
    pub fn inserted(&self, block: &Block, at: SystemTime) {
        let transactions = transactions(block);
        let mut blocks = self.blocks.lock();
        let hash = block.hash.bytes();
        blocks.open += transactions.len();
        blocks.order.push_back(hash);
        let recent = Recent { height: block.height.int(), inserted_at: at, transactions };
        if let Some(before) = blocks.recent.insert(hash, recent) {
            blocks.open -= before.transactions.len();
        }
        while blocks.order.len() > RECENT_BLOCKS {
            let oldest = blocks.order.pop_front();
            if let Some(gone) = oldest.and_then(|hash| blocks.recent.remove(&hash)) {
                blocks.open -= gone.transactions.len();
            }
        }
    }

    /// `block` is final.
    pub fn committed(&self, block: CryptoHash, at: SystemTime) {
        let mut blocks = self.blocks.lock();
        let recent = blocks.recent.remove(&block.bytes());
        blocks.open -= recent.as_ref().map_or(0, |recent| recent.transactions.len());
        let proposed_at = blocks.proposals.iter().find(|(hash, _)| *hash == block);
        let since = |then: SystemTime| at.duration_since(then).ok();
        let since_proposed = proposed_at.and_then(|(_, then)| since(*then));
        drop(blocks);
        let hit = if recent.is_some() { CacheResult::Hit } else { CacheResult::Miss };
        self.probe.cache_asked(hit);
        let since_inserted = recent.as_ref().and_then(|recent| since(recent.inserted_at));
        let found = recent.map(|recent| (recent.height, recent.transactions));
        let Some((height, transactions)) = found.or_else(|| self.read(&block)) else { return };

        // Relaxed: a statistic.
        self.committed.fetch_add(1, Ordering::Relaxed);
        if !self.agreement.is_kept(height, block) {
            self.probe.safety_violated(SafetyViolation::ConflictingCommit);
        }
        let transactions = &transactions[..];
        self.probe.block_committed(&Commit {
            height,
            transactions,
            since_inserted,
            since_proposed,
        });
        if !transactions.is_empty() {
            self.mempool.remove(transactions);
            self.receipts.committed(self.replica, transactions);
        }
    }

    /// A block's height and transactions, from the store.
    fn read(&self, block: &CryptoHash) -> Option<(u64, Arc<[Transaction]>)> {
        let block = self.store.block(block).ok()??;
        Some((block.height.int(), transactions(&block)))
    }

    /// Forgets what a replica that stops has in memory only.
    pub fn clear(&self) {
        self.mempool.clear();
        *self.blocks.lock() = Blocks::default();
    }
}

fn transactions(block: &Block) -> Arc<[Transaction]> {
    // What is no transaction was refused with its block.
    block.data.iter().filter_map(|datum| Transaction::decode(datum.bytes())).collect()
}

#[cfg(test)]
mod tests {
    use hotstuff_rs::hotstuff::types::PhaseCertificate;
    use hotstuff_rs::types::data_types::BlockHeight;
    use tachometer::{Engine, ManualClock, Registry};

    use super::*;
    use crate::clock::Stamp;
    use crate::hotstuff::transaction::block_data;

    fn block(height: u64, account: u64) -> Block {
        let transaction =
            Transaction { account, nonce: 1, value: [0; 16], submitted_at: Stamp::from_bits(1) };
        let (data, hash) = block_data(&[transaction]);
        Block::new(BlockHeight::new(height), PhaseCertificate::genesis_pc(), hash, data)
    }

    #[test]
    fn a_commit_that_contradicts_another_is_told() {
        let registry = Registry::new();
        let clock = ManualClock::at(std::time::Duration::ZERO);
        let engine =
            Engine::builder().registry(&registry).manual(&clock).start().expect("it starts");
        let agreement = Arc::new(Agreement::default());
        let ledger = |replica| {
            let probe = Probe::measuring(&registry, replica).expect("it is registered");
            let store = Store::new(probe.clone());
            Ledger::new(replica, Arc::default(), agreement.clone(), store, probe)
        };
        let (one, two) = (ledger(1), ledger(2));
        let now = SystemTime::now();
        let commit = |ledger: &Ledger, block: &Block| {
            ledger.inserted(block, now);
            ledger.committed(block.hash, now);
        };
        let violations = || {
            let name = "hotstuff_safety_violations_total";
            engine.refresh().counter(name).unwrap_or(0)
        };
        commit(&one, &block(0, 7));
        commit(&two, &block(0, 7));
        assert_eq!(violations(), 0);
        commit(&one, &block(1, 7));
        commit(&two, &block(1, 8));
        assert_eq!(violations(), 1);
        assert_eq!((one.committed_blocks(), two.committed_blocks()), (2, 2));
    }

    #[test]
    fn recent_blocks_are_bounded() {
        let store = Store::new(Probe::default());
        let ledger = Ledger::new(1, Arc::default(), Arc::default(), store, Probe::default());
        for height in 0..2 * RECENT_BLOCKS as u64 {
            ledger.inserted(&block(height, height), SystemTime::now());
        }
        let blocks = ledger.blocks.lock();
        assert_eq!((blocks.recent.len(), blocks.open), (RECENT_BLOCKS, RECENT_BLOCKS));
    }
}
