//! The load: clients that each write as fast as they are answered.
//!
//! Each client counts in a tally of its own, so that a run without metrics is counted the same way
//! as one with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{Client, GivenUp, Written};
use super::cluster::Cluster;
use super::types::Value;

/// Clients write to this many keys in turn; the state and its snapshots stay this small.
const KEYS: u64 = 16_384;

/// How long clients may take to finish what they have under way when the load stops.
const GRACE: Duration = Duration::from_secs(1);

/// What became of the writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub acknowledged: u64,
    pub failed: u64,
    pub retried: u64,
}

/// One client's totals, alone on its cache lines. Only that client writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
}

impl Tally {
    fn add(&self, result: Result<Written, GivenUp>) {
        let (count, retries) = match result {
            Ok(written) => (&self.acknowledged, written.retries),
            Err(given_up) => (&self.failed, given_up.retries),
        };
        bump(count, 1);
        if retries > 0 {
            bump(&self.retried, retries);
        }
    }
}

/// Adds without a read-modify-write; only for a cell with one writer.
fn bump(cell: &AtomicU64, by: u64) {
    // Relaxed: a count that publishes nothing else; its single writer sees its own last store.
    cell.store(cell.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    tallies: Arc<[Tally]>,
    is_over: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    pub fn start(cluster: &Cluster, clients: usize) -> Self {
        let tallies: Arc<[Tally]> = (0..clients).map(|_| Tally::default()).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let (client, tallies) = (cluster.client(), tallies.clone());
            tasks.spawn(write_until(is_over.clone(), client, tallies, number));
        }
        Self { tallies, is_over, clients: tasks }
    }

    /// What was done so far. Clients go on meanwhile.
    pub fn totals(&self) -> Totals {
        self.tallies.iter().fold(Totals::default(), |sum, tally| {
            // Relaxed: see `bump`.
            let read = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
            Totals {
                acknowledged: sum.acknowledged + read(&tally.acknowledged),
                failed: sum.failed + read(&tally.failed),
                retried: sum.retried + read(&tally.retried),
            }
        })
    }

    /// Lets every client finish its write, for a while, and ends them.
    pub async fn stop(mut self) {
        // Relaxed: clients only look whether it is set.
        self.is_over.store(true, Ordering::Relaxed);
        let all_done = async { while self.clients.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_done).await.is_err() {
            self.clients.shutdown().await;
        }
    }
}

async fn write_until(
    is_over: Arc<AtomicBool>,
    mut client: Client,
    tallies: Arc<[Tally]>,
    number: usize,
) {
    let (own, clients) = (number as u64, tallies.len() as u64);
    let mut writes = 0;
    // Relaxed: see `Load::stop`.
    while !is_over.load(Ordering::Relaxed) {
        let result = client.put((own + writes * clients) % KEYS, value(own, writes)).await;
        tallies[number].add(result);
        writes += 1;
    }
}

/// Tells in every value who wrote it and when.
fn value(client: u64, write: u64) -> Value {
    (u128::from(client) << 64 | u128::from(write)).to_le_bytes()
}
