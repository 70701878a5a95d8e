//! Four HotStuff replicas as the commands see them.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;

use tachometer::Registry;

use super::client::Client;
use super::cluster::Cluster;
use super::config::{ClusterConfig, REPLICAS};
use super::handles;
use super::trouble::{self, Trouble};
use crate::cli::{HotStuffArgs, RunArgs};
use crate::load::{Target, Worker};
use crate::report::Row;
use crate::summary::Setup;
use crate::system::{Course, Flags, System, Tasks, Words};
use crate::text::grouped;

/// A client asks for what it has set after its first transaction, and then each time after so many.
const QUERY_EVERY: u64 = 16;

/// The rows of the summary, in its order.
const ROWS: &[Row] = &[
    ("client, end to end", "hotstuff_end_to_end_duration_seconds", &[]),
    ("transaction to commit", "hotstuff_transaction_confirmation_duration_seconds", &[]),
    ("insertion to commit", "hotstuff_block_commit_duration_seconds", &[]),
    ("proposal to commit", "hotstuff_block_finalization_duration_seconds", &[]),
    ("making a proposal", "hotstuff_block_proposal_duration_seconds", &[]),
    ("processing a vote", "hotstuff_vote_processing_duration_seconds", &[]),
    ("failed views", "hotstuff_view_change_duration_seconds", &[]),
    ("transactions a block", "hotstuff_block_transactions", &[]),
    ("message to a peer", "hotstuff_peer_latency_seconds", &[]),
    ("applying a block", "hotstuff_state_transition_duration_seconds", &[]),
    ("write to the store", "hotstuff_storage_batch_duration_seconds", &[]),
    ("read from the store, sampled", "hotstuff_storage_read_duration_seconds", &[]),
];

impl Flags for HotStuffArgs {
    fn run(&self) -> &RunArgs {
        &self.run
    }

    fn setup(&self) -> Setup {
        let text = format!("{REPLICAS} replicas");
        Setup { clients: self.run.clients, text, log: None, words: Cluster::WORDS }
    }
}

impl Target for Cluster {
    fn work(&self, worker: Worker) -> impl Future<Output = ()> + Send + 'static {
        put_until_over(self.client(), worker)
    }
}

async fn put_until_over(mut client: Client, mut worker: Worker) {
    let account = worker.number();
    let mut done = 0;
    while !worker.is_over() {
        let value = (u128::from(account) << 64 | u128::from(done)).to_le_bytes();
        let result = client.put(account, value).await;
        worker.count(result.map(|sure| sure.retries).map_err(|given_up| given_up.retries));
        done += 1;
        if done % QUERY_EVERY == 1 {
            client.get(account);
        }
    }
}

impl System for Cluster {
    type Args = HotStuffArgs;

    const WORDS: Words = Words {
        operations: "transactions",
        operation: "transaction",
        latency: ("end to end", "hotstuff_end_to_end_duration_seconds"),
        rows: ROWS,
        rules: handles::shipped_rules,
    };

    async fn start(
        _: &HotStuffArgs,
        metrics: Option<&Registry>,
        _: NonZeroU32,
    ) -> anyhow::Result<Self> {
        Cluster::start(ClusterConfig { metrics: metrics.cloned() }).await
    }

    fn disturb(self: &Arc<Self>, args: &HotStuffArgs, course: &Course) -> Tasks {
        let mut tasks = Tasks::new();
        let wanted = [
            (Trouble::Stop, args.stop_replica),
            (Trouble::Isolate, args.isolate_replica),
            (Trouble::Lie, args.byzantine_replica),
        ];
        for (trouble, span) in wanted {
            let Some(span) = span else { continue };
            let Course { timeline, stopped } = course.clone();
            tasks.spawn(trouble::make(trouble, self.clone(), span, timeline, stopped));
        }
        tasks
    }

    async fn standing(&self) -> String {
        let view = self.view();
        let mut text = format!("view {:<6}  blocks {:<7}  behind", view.view, grouped(view.blocks));
        for (replica, behind) in &view.behind {
            let behind = behind.map_or("-".to_owned(), grouped);
            text += &format!(" {replica}:{behind}");
        }
        text
    }

    async fn check(&self) -> anyhow::Result<()> {
        self.check().await
    }

    async fn shutdown(self) -> anyhow::Result<()> {
        self.shutdown().await
    }
}
