//! The application: accounts with a value each. Leaders make blocks of what waits, everybody carries blocks out alike.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use hashbrown::HashMap;
use hotstuff_rs::app::{
    App, ProduceBlockRequest, ProduceBlockResponse, ValidateBlockRequest, ValidateBlockResponse,
};
use hotstuff_rs::block_tree::accessors::app::AppBlockTreeView;
use hotstuff_rs::types::update_sets::AppStateUpdates;
use tachometer::Sampler;

use super::config::{BLOCK_TRANSACTIONS, IDLE_BLOCK_EVERY};
use super::ledger::Ledger;
use super::probe::{Probe, Validity};
use super::store::Store;
use super::transaction::{
    Transaction, account_key, account_state, block_data, data_hash, read_account,
};

/// One in this many checks of a transaction is timed.
pub const ONE_CHECK_IN: NonZeroU32 = NonZeroU32::new(8).unwrap();

thread_local! {
    static CHECKS: RefCell<Sampler> = RefCell::new(Sampler::one_in(ONE_CHECK_IN));
}

/// One replica's application.
#[derive(Debug)]
pub struct Accounts {
    ledger: Arc<Ledger>,
    probe: Probe,
    /// Told when hotstuff_rs lets go of the application: on a stop, or when its thread has died.
    is_running: Arc<AtomicBool>,
}

impl Accounts {
    pub fn new(ledger: Arc<Ledger>, probe: Probe, is_running: Arc<AtomicBool>) -> Self {
        // Relaxed, here and where it is dropped: nothing else is published with it.
        is_running.store(true, Ordering::Relaxed);
        Self { ledger, probe, is_running }
    }
}

impl Drop for Accounts {
    fn drop(&mut self) {
        // Relaxed: see `new`.
        self.is_running.store(false, Ordering::Relaxed);
    }
}

/// The last nonce of `account`, by all blocks up to the one that is built on; 0 if it never was.
fn last_nonce(state: &AppBlockTreeView<'_, Store>, account: u64) -> u64 {
    let state = state.app_state(&account_key(account));
    state.and_then(|state| read_account(&state)).map_or(0, |(nonce, _)| nonce)
}

impl App<Store> for Accounts {
    fn produce_block(&mut self, request: ProduceBlockRequest<'_, Store>) -> ProduceBlockResponse {
        let mempool = self.ledger.mempool();
        // What is in a block stays in the pool until it is final, so that blocks on top of it are not waited for.
        mempool.wait_until(Instant::now() + IDLE_BLOCK_EVERY);
        // What an ancestor holds already is not asked for again.
        let is_open = |transaction: &Transaction| {
            transaction.nonce > last_nonce(request.block_tree(), transaction.account)
        };
        let chosen = mempool.choose(BLOCK_TRANSACTIONS, is_open);
        let (data, data_hash) = block_data(&chosen);
        // hotstuff_rs asks for the updates again when the leader gets its own proposal.
        ProduceBlockResponse {
            data_hash,
            data,
            app_state_updates: None,
            validator_set_updates: None,
        }
    }

    fn validate_block(
        &mut self,
        request: ValidateBlockRequest<'_, '_, Store>,
    ) -> ValidateBlockResponse {
        self.validate_block_for_sync(request)
    }

    fn validate_block_for_sync(
        &mut self,
        request: ValidateBlockRequest<'_, '_, Store>,
    ) -> ValidateBlockResponse {
        let block = request.proposed_block();
        if block.data_hash != data_hash(&block.data) {
            return ValidateBlockResponse::Invalid;
        }
        let started = self.probe.stamp();
        let mut nonces: HashMap<u64, u64> = HashMap::new();
        let mut updates = AppStateUpdates::new();
        for datum in block.data.iter() {
            let started = CHECKS.with_borrow_mut(|checks| self.probe.stamp_sampled(checks));
            let Some(transaction) = Transaction::decode(datum.bytes()) else {
                self.probe.transaction_checked(Validity::Invalid, started);
                return ValidateBlockResponse::Invalid;
            };
            let Transaction { account, nonce, .. } = transaction;
            let last = nonces.entry(account);
            let last = last.or_insert_with(|| last_nonce(request.block_tree(), account));
            // One that comes again does nothing: that its client asked twice is no reason to refuse the block.
            let is_new = nonce > *last;
            if is_new {
                *last = nonce;
                updates.insert(account_key(account).to_vec(), account_state(&transaction));
            }
            let validity = if is_new { Validity::Valid } else { Validity::Invalid };
            self.probe.transaction_checked(validity, started);
        }
        self.probe.block_applied(started);
        let app_state_updates = (!nonces.is_empty()).then_some(updates);
        ValidateBlockResponse::Valid { app_state_updates, validator_set_updates: None }
    }
}
