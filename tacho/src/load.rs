//! The load: clients that each work as fast as they are answered.
//!
//! Each client counts in a tally of its own, so that a run without metrics is counted the same way
//! as one with.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

/// How long clients may take to finish what they have under way when the load stops.
const GRACE: Duration = Duration::from_secs(1);

/// What became of the operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub acknowledged: u64,
    pub failed: u64,
    pub retried: u64,
}

/// How one operation ended: with an answer or without, and after how many retries.
pub type Ended = Result<u64, u64>;

/// What clients can be let loose on.
pub trait Target {
    /// One client, which works until its `worker` says that it is over.
    fn work(&self, worker: Worker) -> impl Future<Output = ()> + Send + 'static;
}

/// One client's totals, alone on its cache lines. Only that client writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
}

/// Adds without a read-modify-write; only for a cell with one writer.
fn bump(cell: &AtomicU64, by: u64) {
    // Relaxed: a count that publishes nothing else; its single writer sees its own last store.
    cell.store(cell.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

/// What one client knows of the load that it is part of.
#[derive(Debug)]
pub struct Worker {
    number: usize,
    tallies: Arc<[Tally]>,
    is_over: Arc<AtomicBool>,
}

impl Worker {
    /// Which of the clients this is, from 0 on.
    pub fn number(&self) -> u64 {
        self.number as u64
    }

    /// How many clients there are.
    pub fn clients(&self) -> u64 {
        self.tallies.len() as u64
    }

    /// Whether the client is to end.
    pub fn is_over(&self) -> bool {
        // Relaxed: see `Load::stop`.
        self.is_over.load(Ordering::Relaxed)
    }

    /// Counts an operation.
    pub fn count(&mut self, ended: Ended) {
        let tally = &self.tallies[self.number];
        let (count, retries) = match ended {
            Ok(retries) => (&tally.acknowledged, retries),
            Err(retries) => (&tally.failed, retries),
        };
        bump(count, 1);
        if retries > 0 {
            bump(&tally.retried, retries);
        }
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    tallies: Arc<[Tally]>,
    is_over: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    pub fn start(target: &impl Target, clients: usize) -> Self {
        let tallies: Arc<[Tally]> = (0..clients).map(|_| Tally::default()).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for number in 0..clients {
            let worker = Worker { number, tallies: tallies.clone(), is_over: is_over.clone() };
            tasks.spawn(target.work(worker));
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

    /// Lets every client finish what it has under way, for a while, and ends them.
    pub async fn stop(mut self) {
        // Relaxed: clients only look whether it is set.
        self.is_over.store(true, Ordering::Relaxed);
        let all_done = async { while self.clients.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_done).await.is_err() {
            self.clients.shutdown().await;
        }
    }
}
