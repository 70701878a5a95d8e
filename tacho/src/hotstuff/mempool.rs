//! Transactions that wait at a replica for a block, and clients that wait for their answer.

use std::collections::VecDeque;
use std::time::Instant;

use hashbrown::HashMap;
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::config::{FAULTS, MEMPOOL_TRANSACTIONS, ReplicaId};
use super::transaction::Transaction;

/// What waits at one replica, oldest first. Of an account, at most one transaction waits: clients send the next when they
/// have the answer.
#[derive(Debug, Default)]
pub struct Mempool {
    waiting: Mutex<VecDeque<Transaction>>,
    came: Condvar,
}

impl Mempool {
    /// Takes `transaction` in; `false` when too many wait.
    pub fn offer(&self, transaction: Transaction) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MEMPOOL_TRANSACTIONS {
            return false;
        }
        waiting.push_back(transaction);
        drop(waiting);
        self.came.notify_one();
        true
    }

    /// Waits until there is a transaction, but no longer than until `deadline`.
    pub fn wait_until(&self, deadline: Instant) {
        let mut waiting = self.waiting.lock();
        while waiting.is_empty() && !self.came.wait_until(&mut waiting, deadline).timed_out() {}
    }

    /// Up to `limit` transactions that are `wanted`, oldest first. They stay: only a commit removes them, so that those of
    /// a block that is given up come into another.
    pub fn choose(
        &self,
        limit: usize,
        mut wanted: impl FnMut(&Transaction) -> bool,
    ) -> Vec<Transaction> {
        let waiting = self.waiting.lock();
        waiting.iter().filter(|transaction| wanted(transaction)).take(limit).copied().collect()
    }

    /// Removes what was `committed`, and what an account asked for before.
    pub fn remove(&self, committed: &[Transaction]) {
        let nonces: HashMap<u64, u64> =
            committed.iter().map(|transaction| (transaction.account, transaction.nonce)).collect();
        let is_open = |waiting: &Transaction| {
            nonces.get(&waiting.account).is_none_or(|nonce| waiting.nonce > *nonce)
        };
        self.waiting.lock().retain(is_open);
    }

    /// Forgets everything, as a replica that stops does.
    pub fn clear(&self) {
        self.waiting.lock().clear();
    }

    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Clients that wait, by account. A client believes no single replica: it is answered when one more than may lie have told
/// it that its transaction is committed.
#[derive(Debug, Default)]
pub struct Receipts(Mutex<HashMap<u64, Waiting>>);

#[derive(Debug)]
struct Waiting {
    nonce: u64,
    /// One bit for each replica that told of the commit.
    told_by: u64,
    answer: oneshot::Sender<()>,
}

impl Receipts {
    /// Expects the commit of `account`'s transaction `nonce`, instead of one that was expected before.
    pub fn expect(&self, account: u64, nonce: u64) -> oneshot::Receiver<()> {
        let (answer, receiver) = oneshot::channel();
        self.0.lock().insert(account, Waiting { nonce, told_by: 0, answer });
        receiver
    }

    /// Nobody waits for `account` any more.
    pub fn forget(&self, account: u64) {
        self.0.lock().remove(&account);
    }

    /// `replica` has committed `transactions`.
    pub fn committed(&self, replica: ReplicaId, transactions: &[Transaction]) {
        let mut waiting = self.0.lock();
        for transaction in transactions {
            let Some(client) = waiting.get_mut(&transaction.account) else { continue };
            if client.nonce != transaction.nonce {
                continue;
            }
            client.told_by |= 1 << replica;
            if client.told_by.count_ones() as usize > FAULTS
                && let Some(client) = waiting.remove(&transaction.account)
            {
                // A client that gave up no longer listens.
                let _ = client.answer.send(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Stamp;

    fn transaction(account: u64, nonce: u64) -> Transaction {
        Transaction { account, nonce, value: [0; 16], submitted_at: Stamp::NONE }
    }

    #[test]
    fn what_is_chosen_stays_until_it_is_committed() {
        let pool = Mempool::default();
        for account in 0..5 {
            assert!(pool.offer(transaction(account, 2)));
        }
        let chosen = pool.choose(2, |transaction| transaction.account % 2 == 0);
        assert_eq!(chosen, [transaction(0, 2), transaction(2, 2)]);
        assert_eq!(pool.len(), 5);
        // An older one of an account is not the one that waits.
        pool.remove(&[transaction(0, 2), transaction(1, 1)]);
        assert_eq!(pool.choose(9, |_| true).len(), 4);
        pool.clear();
        assert!(pool.is_empty());
    }

    #[test]
    fn a_full_pool_refuses() {
        let pool = Mempool::default();
        assert!(
            (0..MEMPOOL_TRANSACTIONS as u64).all(|account| pool.offer(transaction(account, 1)))
        );
        assert!(!pool.offer(transaction(0, 2)));
        assert_eq!(pool.len(), MEMPOOL_TRANSACTIONS);
    }

    #[test]
    fn a_client_believes_two_replicas_not_one() {
        let receipts = Receipts::default();
        let mut answer = receipts.expect(7, 3);
        receipts.committed(1, &[transaction(7, 3)]);
        receipts.committed(1, &[transaction(7, 3)]);
        receipts.committed(2, &[transaction(7, 2), transaction(8, 3)]);
        assert!(answer.try_recv().is_err());
        receipts.committed(2, &[transaction(7, 3)]);
        assert!(answer.try_recv().is_ok());
    }
}
