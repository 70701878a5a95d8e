//! The load on a Raft cluster: each client writes to keys of its own, one after the other.

use std::future::Future;

use super::client::Client;
use super::cluster::Cluster;
use super::types::Value;
pub use crate::load::{Load, Totals};
use crate::load::{Target, Worker};

/// Clients write to this many keys in turn; the state and its snapshots stay this small.
const KEYS: u64 = 16_384;

impl Target for Cluster {
    fn work(&self, worker: Worker) -> impl Future<Output = ()> + Send + 'static {
        write_until_over(self.client(), worker)
    }
}

async fn write_until_over(mut client: Client, mut worker: Worker) {
    let (own, clients) = (worker.number(), worker.clients());
    let mut writes = 0;
    while !worker.is_over() {
        let result = client.put((own + writes * clients) % KEYS, value(own, writes)).await;
        worker.count(result.map(|written| written.retries).map_err(|given_up| given_up.retries));
        writes += 1;
    }
}

/// Tells in every value who wrote it and when.
fn value(client: u64, write: u64) -> Value {
    (u128::from(client) << 64 | u128::from(write)).to_le_bytes()
}
