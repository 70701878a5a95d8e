//! A client: gives its transaction to every replica that runs, and waits until two say that it is final.
//!
//! One that gets no answer tries again until a deadline. Trying again is harmless: a transaction has a number, and counts
//! once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::config::{REPLICAS, ReplicaId};
use super::mempool::Receipts;
use super::network::Switch;
use super::replica::Place;
use super::transaction::{Transaction, Value};

/// After this a transaction is given up.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long an attempt may go without an answer. With a replica down, views fail for two seconds at a time.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait when no replica takes the transaction.
const PAUSE: Duration = Duration::from_millis(20);

/// A transaction that is final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    pub nonce: u64,
    /// Attempts before the one that succeeded.
    pub retries: u64,
}

/// A transaction that was given up; it may become final all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub retries: u64,
}

impl fmt::Display for GivenUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not final within {DEADLINE:?}, after {} retries", self.retries)
    }
}

impl std::error::Error for GivenUp {}

/// One client of one account, with one transaction under way at a time.
#[derive(Debug)]
pub struct Client {
    places: Arc<[Place]>,
    switch: Arc<Switch>,
    receipts: Arc<Receipts>,
    last_nonce: u64,
}

impl Client {
    pub(crate) fn new(places: Arc<[Place]>, switch: Arc<Switch>, receipts: Arc<Receipts>) -> Self {
        Self { places, switch, receipts, last_nonce: 0 }
    }

    /// The replica that answers for the others: whom the client's questions go to, and who counts its waiting.
    fn home(account: u64) -> ReplicaId {
        account % REPLICAS + 1
    }

    /// Sets `account`, which no other client may use, to `value`; returns when that is final.
    pub async fn put(&mut self, account: u64, value: Value) -> Result<Confirmed, GivenUp> {
        self.last_nonce += 1;
        let nonce = self.last_nonce;
        let home = &self.places[Self::home(account) as usize - 1];
        let submitted_at = home.probe().stamp();
        let transaction = Transaction { account, nonce, value, submitted_at };
        let deadline = Instant::now() + DEADLINE;
        let mut retries = 0;
        loop {
            let answer = self.receipts.expect(account, nonce);
            if self.offer(transaction) {
                if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, answer).await {
                    home.probe().answered(submitted_at);
                    return Ok(Confirmed { nonce, retries });
                }
            } else {
                tokio::time::sleep(PAUSE).await;
            }
            if Instant::now() >= deadline {
                self.receipts.forget(account);
                return Err(GivenUp { retries });
            }
            retries += 1;
        }
    }

    /// What one replica has for `account`: its last nonce and value.
    pub fn get(&self, account: u64) -> Option<(u64, Value)> {
        self.places[Self::home(account) as usize - 1].account(account)
    }

    /// Gives `transaction` to all that run; whether anybody took it.
    fn offer(&self, transaction: Transaction) -> bool {
        let mut is_taken = false;
        for id in self.switch.running() {
            is_taken |= self.places[id as usize - 1].ledger().mempool().offer(transaction);
        }
        is_taken
    }
}
