//! What a Raft node records: node and cluster, replication, elections, commits, snapshots, RPC, log, quorum.
//!
//! Register it once for each group that the process has a replica of, with the group as a constant label:
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::raft::{NodeState, RaftMetrics, Rpc};
//! let registry = Registry::new();
//! let raft = RaftMetrics::register(&registry.scope([("group", "orders/0")])?)?;
//! raft.node_state.at(["1"]).set(NodeState::Leader.value());
//! raft.current_term.set(4.0);
//! raft.commit_latency.record(48_211);
//!
//! // In a hot loop, keep what belongs to a peer.
//! let peer = raft.peer("2");
//! peer.append_entries_sent.inc();
//! peer.requests(Rpc::AppendEntries).ok.inc();
//! raft.rpc_duration.at(Rpc::AppendEntries).record(311_000);
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! Latencies are recorded in nanoseconds and exported in seconds. A group's histograms dominate its memory: about 1 KiB
//! for each octave of values, bank and recording thread at the default precision. With thousands of groups, register
//! with [`Precision::One`](crate::Precision::One) (`RaftMetrics::register_as`), which takes a sixth of that.

use crate::{Buckets, Counter, EnumFamily, Family, Gauge, Histogram, Unit, bundle, labels};

labels! {
    /// Won or lost: of an election.
    pub enum ElectionResult("result") {
        /// The candidate became leader.
        Won = "won",
        /// It did not: another won, or time ran out.
        Lost = "lost",
    }
}

labels! {
    /// How a request ended.
    pub enum Outcome("result") {
        /// As it should.
        Ok = "ok",
        /// With an error.
        Error = "error",
    }
}

labels! {
    /// What made a node take a snapshot.
    pub enum SnapshotTrigger("trigger") {
        /// The log grew past its limit.
        Size = "size",
        /// An interval passed.
        Time = "time",
        /// Somebody asked.
        Manual = "manual",
    }
}

labels! {
    /// The way of a snapshot between nodes.
    pub enum Direction("direction") {
        /// To a follower.
        Send = "send",
        /// From the leader.
        Receive = "receive",
    }
}

labels! {
    /// A remote procedure call of Raft.
    pub enum Rpc("rpc") {
        /// Log entries, or a heartbeat.
        AppendEntries = "append_entries",
        /// A vote in an election.
        Vote = "vote",
        /// A snapshot, or a part of one.
        InstallSnapshot = "install_snapshot",
    }
}

labels! {
    /// Why a call failed.
    pub enum RpcError("error") {
        /// No answer in time.
        Timeout = "timeout",
        /// Nobody listens there.
        ConnectionRefused = "connection_refused",
        /// The connection broke.
        Network = "network",
        /// Anything else, the peer's own errors included.
        Other = "other",
    }
}

labels! {
    /// Why a follower rejected entries.
    pub enum Rejection("reason") {
        /// The sender's term is over.
        StaleTerm = "stale_term",
        /// The entry before the first one sent is missing or another.
        LogInconsistency = "log_inconsistency",
    }
}

labels! {
    /// A change of the membership.
    pub enum ConfigChange("change") {
        /// A node came.
        AddNode = "add_node",
        /// A node went.
        RemoveNode = "remove_node",
    }
}

/// What a node is, as the value of `node_state`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeState {
    /// Not part of the group, or not running.
    None,
    /// It orders the log.
    Leader,
    /// It asks for votes.
    Candidate,
    /// It follows a leader.
    Follower,
    /// It follows without a vote.
    Learner,
}

impl NodeState {
    /// The value on the page: 0 none, 1 leader, 2 candidate, 3 follower, 4 learner.
    pub fn value(self) -> f64 {
        f64::from(self as u8)
    }
}

bundle! {
    /// What one replica of a Raft group records. See the module.
    pub struct RaftMetrics("raft_") {
        /// What each node is: 0 none, 1 leader, 2 candidate, 3 follower, 4 learner.
        pub node_state: Family<Gauge, 1> = "node_state", keys(["node"]);
        /// The current term.
        pub current_term: Gauge = "current_term";
        /// Groups that the node leads.
        pub leader_partitions: Family<Gauge, 1> = "leader_partitions", keys(["node"]);
        /// Groups that the node follows.
        pub follower_partitions: Family<Gauge, 1> = "follower_partitions", keys(["node"]);
        /// Replicas that are in step with the leader, itself included.
        pub isr_size: Gauge = "isr_size";
        /// Index of the last entry known to be committed.
        pub commit_index: Gauge = "commit_index";
        /// Index of the last entry that the state machine has applied.
        pub last_applied: Gauge = "last_applied";
        /// Index of the last entry in the log.
        pub last_log_index: Gauge = "last_log_index";
        /// Id of the leader that this node knows; -1 for none.
        pub current_leader: Gauge = "current_leader";
        /// Whether the node runs: 1 or 0.
        pub running: Gauge = "running";
        /// Index of the last entry that a quorum has acknowledged to this leader.
        pub last_quorum_acked_index: Gauge = "last_quorum_acked_index";
        /// Index of the last entry in the newest snapshot.
        pub snapshot_index: Gauge = "snapshot_index";
        /// Index of the last entry purged from the log.
        pub purged_index: Gauge = "purged_index";

        /// Entries that a follower lacks, as its leader sees it.
        pub follower_lag_entries: Family<Gauge, 1> = "follower_lag_entries", keys(["follower"]);
        /// Age of the oldest entry that a follower lacks, as its leader sees it; zero if it lacks none.
        pub follower_lag_seconds: Family<Gauge, 1> =
            "follower_lag_seconds", unit(Unit::Seconds), keys(["follower"]);
        /// When a follower last answered, in seconds since 1970.
        pub follower_last_heartbeat: Family<Gauge, 1> =
            "follower_last_heartbeat_timestamp_seconds", unit(Unit::Seconds), keys(["follower"]);
        /// Index of the last entry that a follower is known to have.
        pub follower_matched_index: Family<Gauge, 1> = "follower_matched_index", keys(["follower"]);
        /// Entries that the slowest follower lacks.
        pub max_follower_lag_entries: Gauge = "max_follower_lag_entries";

        /// Elections in which this node stood.
        pub elections: EnumFamily<Counter, ElectionResult> = "elections_total";
        /// From standing for election to its end.
        pub election_duration: Histogram = "election_duration_seconds", unit(Unit::Nanoseconds);
        /// Votes that this node received in its last election, its own included.
        pub votes_received: Gauge = "votes_received";
        /// Changes of leader that this node saw.
        pub leader_changes: Counter = "leader_changes_total";

        /// From proposal to commit, at the leader.
        pub commit_latency: Histogram = "commit_latency_seconds", unit(Unit::Nanoseconds);
        /// Entries committed together.
        pub commit_batch: Histogram = "commit_batch_entries", buckets(Buckets::Fixed(Buckets::COUNT));
        /// Proposals by result, as their client saw it.
        pub proposals: EnumFamily<Counter, Outcome> = "proposals_total";
        /// Applying a batch of entries to the state machine.
        pub apply_duration: Histogram = "apply_duration_seconds", unit(Unit::Nanoseconds);

        /// Snapshots taken, by what made the node take them.
        pub snapshots_created: EnumFamily<Counter, SnapshotTrigger> = "snapshots_created_total";
        /// Taking a snapshot.
        pub snapshot_create_duration: Histogram =
            "snapshot_create_duration_seconds", unit(Unit::Nanoseconds);
        /// Size of the snapshots taken.
        pub snapshot_size: Histogram = "snapshot_size_bytes", unit(Unit::Bytes);
        /// Installing a snapshot from the leader.
        pub snapshot_apply_duration: Histogram =
            "snapshot_apply_duration_seconds", unit(Unit::Nanoseconds);
        /// Snapshots sent and received, by result.
        pub snapshot_transfers: EnumFamily<Counter, (Direction, Outcome)> =
            "snapshot_transfers_total";

        /// Calls to peers by result.
        pub rpc_requests: Family<Counter, 3> = "rpc_requests_total", keys(["rpc", "peer", "result"]);
        /// Calls to peers, from request to answer.
        pub rpc_duration: EnumFamily<Histogram, Rpc> = "rpc_duration_seconds", unit(Unit::Nanoseconds);
        /// Calls to peers that failed, by reason.
        pub rpc_errors: Family<Counter, 3> = "rpc_errors_total", keys(["rpc", "peer", "error"]);
        /// Append-entries requests sent, heartbeats included.
        pub append_entries_sent: Family<Counter, 1> = "append_entries_sent_total", keys(["peer"]);
        /// Bytes of entries sent.
        pub append_entries_sent_bytes: Family<Counter, 1> =
            "append_entries_sent_bytes_total", unit(Unit::Bytes), keys(["peer"]);
        /// Append-entries requests received, heartbeats included.
        pub append_entries_received: Family<Counter, 1> =
            "append_entries_received_total", keys(["peer"]);
        /// Append-entries requests that this node rejected, by reason.
        pub append_entries_rejected: EnumFamily<Counter, Rejection> =
            "append_entries_rejected_total";

        /// Entries in the log.
        pub log_entries: Gauge = "log_entries";
        /// Bytes in the log.
        pub log_bytes: Gauge = "log_bytes", unit(Unit::Bytes);
        /// Times that the log was purged behind a snapshot.
        pub log_compactions: Counter = "log_compactions_total";
        /// Appending a batch of entries to the log, until it is durable.
        pub log_append_duration: Histogram = "log_append_duration_seconds", unit(Unit::Nanoseconds);

        /// Voting members of the group.
        pub cluster_size: Gauge = "cluster_size";
        /// Changes of the membership.
        pub config_changes: EnumFamily<Counter, ConfigChange> = "config_changes_total";
    }
}

/// The handles that belong to one peer, to be kept where it is talked to. Made by [`RaftMetrics::peer`].
#[derive(Clone, Debug)]
pub struct PeerMetrics {
    /// Append-entries requests sent to it.
    pub append_entries_sent: Counter,
    /// Bytes of entries sent to it.
    pub append_entries_sent_bytes: Counter,
    /// Append-entries requests received from it.
    pub append_entries_received: Counter,
    /// Entries that it lacks.
    pub lag_entries: Gauge,
    /// Age of the oldest entry that it lacks; zero if it lacks none.
    pub lag_seconds: Gauge,
    /// When it last answered, in seconds since 1970.
    pub last_heartbeat: Gauge,
    /// Index of the last entry that it is known to have.
    pub matched_index: Gauge,
    requests: [RequestCounters; 3],
}

/// Calls of one kind to one peer.
#[derive(Clone, Debug)]
pub struct RequestCounters {
    /// Calls that were answered.
    pub ok: Counter,
    /// Calls that failed.
    pub error: Counter,
    errors: [Counter; 4],
}

impl RequestCounters {
    /// Counts a call that failed, and why.
    pub fn failed(&self, error: RpcError) {
        let group = crate::group();
        group.add(&self.error, 1);
        group.add(&self.errors[error as usize], 1);
    }
}

impl PeerMetrics {
    /// The counters of one kind of call.
    #[inline]
    pub fn requests(&self, rpc: Rpc) -> &RequestCounters {
        &self.requests[rpc as usize]
    }
}

impl RaftMetrics {
    /// The handles that belong to `peer`. Its series live as long as they do, and on.
    pub fn peer(&self, peer: &str) -> PeerMetrics {
        use crate::LabelEnum;
        let requests = [Rpc::AppendEntries, Rpc::Vote, Rpc::InstallSnapshot].map(|rpc| {
            let rpc = Rpc::VALUES[rpc as usize];
            let error = |error: RpcError| {
                self.rpc_errors.handle([rpc, peer, RpcError::VALUES[error as usize]])
            };
            RequestCounters {
                ok: self.rpc_requests.handle([rpc, peer, Outcome::VALUES[Outcome::Ok as usize]]),
                error: self.rpc_requests.handle([
                    rpc,
                    peer,
                    Outcome::VALUES[Outcome::Error as usize],
                ]),
                errors: [
                    RpcError::Timeout,
                    RpcError::ConnectionRefused,
                    RpcError::Network,
                    RpcError::Other,
                ]
                .map(error),
            }
        });
        PeerMetrics {
            append_entries_sent: self.append_entries_sent.handle([peer]),
            append_entries_sent_bytes: self.append_entries_sent_bytes.handle([peer]),
            append_entries_received: self.append_entries_received.handle([peer]),
            lag_entries: self.follower_lag_entries.handle([peer]),
            lag_seconds: self.follower_lag_seconds.handle([peer]),
            last_heartbeat: self.follower_last_heartbeat.handle([peer]),
            matched_index: self.follower_matched_index.handle([peer]),
            requests,
        }
    }
}
