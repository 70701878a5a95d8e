//! Throughput, what a transaction waits, and how well what there is gets used.

use super::consensus::ConsensusMetrics;
use super::network::NetworkMetrics;
use super::storage::StorageMetrics;
use crate::declare::{Alert, Bound, PanelUnit};
use crate::{Counter, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// How well a HotStuff-2 replica performs. What its process uses of CPU, memory, disk and network are the
    /// series `process_*`, which `facade::process` records.
    pub struct PerformanceMetrics(
        "hotstuff_", "HotStuff-2 performance"; beside ConsensusMetrics, NetworkMetrics, StorageMetrics
    ) {
        "Latency":
        /// From a transaction's arrival at this replica to its block's commit.
        pub transaction_confirmation_duration: Histogram =
            "transaction_confirmation_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does a client wait for its transaction?"), titled("Transaction confirmation"), headline();
        /// From a block's proposal to the moment from which it cannot be undone.
        pub block_finalization_duration: Histogram = "block_finalization_duration_seconds", unit(Unit::Nanoseconds)
            => asks("When is a block final?"), titled("Block finalization");
        /// From a client's submission to its answer.
        pub end_to_end_duration: Histogram = "end_to_end_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long is the whole way, client to client?"), titled("End to end");

        "Throughput":
        /// Transactions in committed blocks. The engine adds it to the original list, to derive throughput from it.
        pub transactions_committed: Counter = "transactions_committed_total"
            => asks("How many transactions were committed?"), titled("Transactions committed");
    }
    derived {
        "Throughput":
        /// Transactions committed a second, over a minute.
        "transaction_throughput" = "rate(hotstuff_transactions_committed_total[1m])"
            => asks("How many transactions are committed?"), titled("Transaction throughput"), headline(),
               shown_in(PanelUnit::PerSecond);
        /// Blocks committed a second, over a minute.
        "block_throughput" = "rate(hotstuff_blocks_committed_total[1m])"
            => asks("How many blocks are committed?"), titled("Block throughput"), shown_in(PanelUnit::PerSecond);
        /// Quorum certificates a second, over a minute: what replicas agree on, whether it ends in a commit or not.
        "consensus_throughput" = "rate(hotstuff_quorum_certificates_total[1m])"
            => asks("How fast do replicas agree?"), titled("Consensus throughput"), shown_in(PanelUnit::PerSecond);
        "Efficiency":
        /// The part of a minute's views that ended with a committed block, and not with a timeout or a byzantine leader.
        "consensus_efficiency" =
            "rate(hotstuff_blocks_committed_total[1m]) / ((rate(hotstuff_blocks_committed_total[1m]) \
             + sum without (reason) (rate(hotstuff_view_changes_total{reason=~\"timeout|byzantine\"}[1m]))) > 0)",
            unit(Unit::Ratio)
            => asks("How many views are wasted?"), titled("Consensus efficiency"),
               alert(Alert::when_beyond("HotStuffViewsWasted", "hotstuff_consensus_efficiency", Bound::Below(0.5))
                   .hold(Duration::from_secs(60))
                   .component("consensus")
                   .summary("Most views end without a block")
                   .description("Only {{ $value | humanizePercentage }} of the views of a minute ended with a block.")
                   .action("Look at the changes of view: which reason, and which leaders do not answer?"));
        /// The part of a minute's messages and connections that arrived or came about.
        "network_efficiency" =
            "1 - (rate(hotstuff_messages_lost_total[1m]) \
             + sum without (error) (rate(hotstuff_connection_failures_total[1m]))) \
             / ((sum without (kind, peer) (rate(hotstuff_messages_sent_total[1m])) \
             + sum without (kind) (rate(hotstuff_peer_connections_total[1m])) \
             + sum without (error) (rate(hotstuff_connection_failures_total[1m]))) > 0)",
            unit(Unit::Ratio)
            => asks("How much of what is tried over the network is in vain?"), titled("Network efficiency");
        /// The part of a minute's requests to the cache that it could answer: what storage was spared.
        "storage_efficiency" =
            "sum without (result) (rate(hotstuff_cache_requests_total{result=\"hit\"}[1m])) \
             / (sum without (result) (rate(hotstuff_cache_requests_total[1m])) > 0)",
            unit(Unit::Ratio)
            => asks("How much does the cache spare the disk?"), titled("Storage efficiency");
    }
}
