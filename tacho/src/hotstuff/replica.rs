//! One replica: what it stores, whether it runs or not, and its threads while it does.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use hotstuff_rs::block_tree::accessors::public::BlockTreeCamera;
use hotstuff_rs::replica::Replica;

use super::app::Accounts;
use super::config::ReplicaId;
use super::events::Observer;
use super::ledger::{Agreement, Ledger};
use super::mempool::Receipts;
use super::network::Switch;
use super::probe::{Probe, Sight};
use super::store::Store;
use super::transaction::{Value, account_key, read_account};

/// One replica's place.
#[derive(Debug)]
pub struct Place {
    id: ReplicaId,
    switch: Arc<Switch>,
    store: Store,
    ledger: Arc<Ledger>,
    probe: Probe,
    is_running: Arc<AtomicBool>,
}

/// What a replica knows of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub view: u64,
    /// Height of the last block that is final; `None` before the first.
    pub committed_height: Option<u64>,
    /// View of the highest certificate.
    pub certified_view: u64,
}

impl Place {
    /// A place with the state that all begin with. Nothing runs yet.
    pub fn new(
        id: ReplicaId,
        switch: Arc<Switch>,
        receipts: Arc<Receipts>,
        agreement: Arc<Agreement>,
        probe: Probe,
    ) -> Self {
        let store = Store::new(probe.clone());
        let (state, validators) = switch.members().genesis();
        Replica::initialize(store.clone(), state, validators);
        let ledger = Ledger::new(id, receipts, agreement, store.clone(), probe.clone());
        Self { id, switch, store, ledger: Arc::new(ledger), probe, is_running: Arc::default() }
    }

    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Starts the replica's threads.
    pub fn start(&self) -> Replica<Store> {
        let endpoint = self.switch.connect(self.id);
        let app = Accounts::new(self.ledger.clone(), self.probe.clone(), self.is_running.clone());
        let observer = Observer::new(self.switch.clone(), self.ledger.clone(), self.probe.clone());
        let configuration = self.switch.members().configuration(self.id);
        observer.start(app, endpoint, self.store.clone(), configuration)
    }

    /// Ends the replica's threads; what is stored stays. Takes until its view is over or a message comes.
    pub fn stop(&self, replica: Replica<Store>) -> anyhow::Result<()> {
        self.switch.disconnect(self.id);
        // Dropped, it waits for its threads, and panics if one of them has.
        let stopped = panic::catch_unwind(AssertUnwindSafe(|| drop(replica)));
        self.ledger.clear();
        if stopped.is_err() {
            bail!("replica {} had stopped by itself", self.id);
        }
        Ok(())
    }

    /// Whether the thread that runs the protocol is there.
    pub fn is_running(&self) -> bool {
        // Relaxed: see `Accounts::new`.
        self.is_running.load(Ordering::Relaxed)
    }

    /// What the store says, whether the replica runs or not.
    pub fn progress(&self) -> anyhow::Result<Progress> {
        let tree = BlockTreeCamera::new(self.store.clone());
        let tree = tree.snapshot();
        let unread = |error| anyhow::anyhow!("the block tree cannot be read: {error:?}");
        let highest = tree.highest_committed_block().map_err(unread)?;
        let height = highest.map(|block| tree.block_height(&block).map_err(unread)).transpose()?;
        Ok(Progress {
            view: tree.highest_view_entered().map_err(unread)?.int(),
            committed_height: height.flatten().map(|height| height.int()),
            certified_view: tree.highest_pc().map_err(unread)?.view.int(),
        })
    }

    /// The hash of the block that is final at `height`, if there is one.
    pub fn block_at(&self, height: u64) -> Option<[u8; 32]> {
        use hotstuff_rs::block_tree::pluggables::KVGet;
        use hotstuff_rs::types::data_types::BlockHeight;
        Some(self.store.block_at_height(BlockHeight::new(height)).ok()??.bytes())
    }

    /// An account's last nonce and value, as this replica has committed them.
    pub fn account(&self, account: u64) -> Option<(u64, Value)> {
        let started = self.probe.stamp();
        let tree = BlockTreeCamera::new(self.store.clone());
        let state = tree.snapshot().committed_app_state(&account_key(account));
        self.probe.state_queried(started);
        read_account(&state?)
    }

    /// Sets the gauges to what the replica has now.
    pub fn observe(&self) {
        if self.probe.is_measuring() {
            self.probe.observed(&Sight {
                size: self.store.size(),
                cache_bytes: self.ledger.cache_bytes(),
                waiting: self.switch.waiting(self.id),
            });
        }
    }
}

/// Runs what may wait for threads to end where it holds nobody up.
pub async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a replica could not be started or stopped")
}
