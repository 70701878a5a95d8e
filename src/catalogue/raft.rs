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

use crate::declare::{Alert, Bound, PanelUnit, Severity};
use crate::{Buckets, Counter, EnumFamily, Family, Gauge, Histogram, Unit, bundle, labels};
use std::time::Duration;

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

/// What a person calls the values of `node_state`.
const NODE_STATES: &[(f64, &str)] =
    &[(0.0, "none"), (1.0, "leader"), (2.0, "candidate"), (3.0, "follower"), (4.0, "learner")];

bundle! {
    /// What one replica of a Raft group records. See the module.
    pub struct RaftMetrics("raft_", "Raft") {
        "Node and cluster":
        /// What each node is: 0 none, 1 leader, 2 candidate, 3 follower, 4 learner.
        pub node_state: Family<Gauge, 1> = "node_state", keys(["node"])
            => asks("What is each node, and when did that change?"), titled("Role"), headline(), states(NODE_STATES);
        /// The current term.
        pub current_term: Gauge = "current_term"
            => asks("Did anybody start an election?"), titled("Term"), headline();
        /// Groups that the node leads.
        pub leader_partitions: Family<Gauge, 1> = "leader_partitions", keys(["node"])
            => asks("How many groups does each node lead?"), titled("Groups led");
        /// Groups that the node follows.
        pub follower_partitions: Family<Gauge, 1> = "follower_partitions", keys(["node"])
            => asks("How many groups does each node follow?"), titled("Groups followed");
        /// Replicas that are in step with the leader, itself included.
        pub isr_size: Gauge = "isr_size"
            => asks("How many replicas are in step?"), titled("Replicas in step");
        /// Index of the last entry known to be committed.
        pub commit_index: Gauge = "commit_index"
            => asks("Do commits move, and how fast?"), titled("Commits a second"), headline(),
               plots("deriv(raft_commit_index[$window])", ""), shown_in(PanelUnit::PerSecond),
               // The last sample is older than ten seconds: what the other rules say is about then.
               alert(Alert::when_beyond("RaftDataStale", "time() - timestamp(raft_commit_index)", Bound::Above(10.0))
                   .severity(Severity::Critical)
                   .component("metrics")
                   .summary("The metrics of Raft are stale")
                   .description("The last sample is {{ $value | humanizeDuration }} old; other alerts cannot be trusted.")
                   .action("Look whether the process still runs, and whether it makes snapshots.")),
               // Not even an old sample is left.
               alert(Alert::when("RaftDataAbsent", "absent(raft_commit_index)")
                   .hold(Duration::from_secs(10))
                   .severity(Severity::Critical)
                   .component("metrics")
                   .summary("There are no metrics of Raft")
                   .description("Neither this node's commit index nor an old sample of it is there; no other alert can fire.")
                   .action("Look whether the process runs, and whether it is reached."));
        /// Index of the last entry that the state machine has applied.
        pub last_applied: Gauge = "last_applied"
            => asks("Does the state machine keep up with commits?"), titled("Committed, not applied"),
               plots("raft_commit_index - raft_last_applied", "");
        /// Index of the last entry in the log.
        pub last_log_index: Gauge = "last_log_index"
            => asks("How many entries wait for their commit?"), titled("Logged, not committed"),
               plots("raft_last_log_index - raft_commit_index", ""),
               alert(Alert::when(
                       "RaftCommitsStalled",
                       "raft_last_log_index - raft_commit_index > 0 and changes(raft_commit_index[15s]) == 0",
                   )
                   .hold(Duration::from_secs(10))
                   .severity(Severity::Critical)
                   .component("consensus")
                   .summary("Raft commits have stalled")
                   .description("{{ $value | humanize }} entries wait in the log, and the commit index does not move.")
                   .action("Look whether a quorum of the nodes runs, and whether they reach each other."));
        /// Id of the leader that this node knows; -1 for none.
        pub current_leader: Gauge = "current_leader"
            => asks("Who leads, as each node knows it?"), titled("Known leader"),
               alert(Alert::when("RaftNoLeader", "raft_current_leader < 0 and raft_running == 1")
                   .hold(Duration::from_secs(5))
                   .severity(Severity::Critical)
                   .component("consensus")
                   .summary("Raft has no leader")
                   .description("This node has known no leader for 5 s; nothing commits until one is elected.")
                   .action("Look whether a quorum of the nodes runs, and whether they reach each other."));
        /// Whether the node runs: 1 or 0.
        pub running: Gauge = "running"
            => asks("Does the node run?"), titled("Running"), states(&[(0.0, "stopped"), (1.0, "running")]);
        /// Index of the last entry that a quorum has acknowledged to this leader.
        pub last_quorum_acked_index: Gauge = "last_quorum_acked_index"
            => asks("How far is the quorum behind the leader's log?"), titled("Logged, not acknowledged by a quorum"),
               plots("raft_last_log_index - raft_last_quorum_acked_index", "");
        /// Index of the last entry in the newest snapshot.
        pub snapshot_index: Gauge = "snapshot_index"
            => asks("How much would have to be replayed after a restart?"), titled("Entries since the snapshot"),
               plots("raft_last_log_index - raft_snapshot_index", "");
        /// Index of the last entry purged from the log.
        pub purged_index: Gauge = "purged_index"
            => asks("From where on is the log still there?"), titled("Purged up to");

        "Replication":
        /// Entries that a follower lacks, as its leader sees it.
        pub follower_lag_entries: Family<Gauge, 1> = "follower_lag_entries", keys(["follower"])
            => asks("Which follower lags, and by how much?"), titled("Follower lag, entries"),
               alert(Alert::when_beyond("RaftFollowerLagEntries", "raft_follower_lag_entries", Bound::Above(10_000.0))
                   .hold(Duration::from_secs(10))
                   .component("consensus")
                   .summary("Raft follower {{ $labels.follower }} lags")
                   .description("Follower {{ $labels.follower }} has lacked {{ $value | humanize }} entries for 10 s.")
                   .action("Look at the follower's disk and load, and at the network to it."));
        /// Age of the oldest entry that a follower lacks, as its leader sees it; zero if it lacks none.
        pub follower_lag_seconds: Family<Gauge, 1> =
            "follower_lag_seconds", unit(Unit::Seconds), keys(["follower"])
            => asks("How old is what a follower lacks?"), titled("Follower lag"), headline(),
               alert(Alert::when_beyond("RaftFollowerLag", "raft_follower_lag_seconds", Bound::Above(1.0))
                   .hold(Duration::from_secs(10))
                   .component("consensus")
                   .summary("Raft follower {{ $labels.follower }} lags")
                   .description("Follower {{ $labels.follower }} has lagged for 10 s, by {{ $value | humanizeDuration }}.")
                   .action("Look at the follower's disk and load, and at the network to it."));
        /// When a follower last answered, in seconds since 1970.
        pub follower_last_heartbeat: Family<Gauge, 1> =
            "follower_last_heartbeat_timestamp_seconds", unit(Unit::Seconds), keys(["follower"])
            => asks("How long has a follower been silent?"), titled("Since the last answer"),
               plots("time() - raft_follower_last_heartbeat_timestamp_seconds", "");
        /// Index of the last entry that a follower is known to have.
        pub follower_matched_index: Family<Gauge, 1> = "follower_matched_index", keys(["follower"])
            => asks("How fast does each follower get entries?"), titled("Entries replicated a second"),
               plots("deriv(raft_follower_matched_index[$window])", ""), shown_in(PanelUnit::PerSecond);
        /// Entries that the slowest follower lacks.
        pub max_follower_lag_entries: Gauge = "max_follower_lag_entries"
            => asks("How far is the slowest follower behind?"), titled("Largest lag, entries");

        "Elections":
        /// Elections in which this node stood.
        pub elections: EnumFamily<Counter, ElectionResult> = "elections_total"
            => asks("How often does this node stand for election, and does it win?"), titled("Elections"),
               plots("increase(raft_elections_total[$window])", ""), shown_in(PanelUnit::Number);
        /// From standing for election to its end.
        pub election_duration: Histogram = "election_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long is there no leader?"), titled("Election duration");
        /// Votes that this node received in its last election, its own included.
        pub votes_received: Gauge = "votes_received"
            => asks("Did the last election get its votes?"), titled("Votes received");
        /// Changes of leader that this node saw.
        pub leader_changes: Counter = "leader_changes_total"
            => asks("Is leadership stable?"), titled("Changes of leader in 5 minutes"), headline(),
               plots("raft:leader_changes:increase5m", ""), shown_in(PanelUnit::Number),
               // Rounded: over a part of five minutes, three changes are estimated as a little more.
               alert(Alert::when_beyond("RaftLeaderFlapping", "round(raft:leader_changes:increase5m)", Bound::Above(3.0))
                   .component("consensus")
                   .summary("The Raft leader changes often")
                   .description("{{ $value | printf \"%.0f\" }} changes of leader in 5 minutes.")
                   .action("Look for lost heartbeats, slow disks, and election timeouts that are too short."));

        "Commits":
        /// From proposal to commit, at the leader.
        pub commit_latency: Histogram = "commit_latency_seconds", unit(Unit::Nanoseconds)
            => asks("How long does a write wait until it is committed?"), titled("Commit latency"), headline(),
               alert(Alert::when_beyond("RaftCommitLatencyHigh", "raft:commit_latency_seconds:p99", Bound::Above(0.25))
                   .hold(Duration::from_secs(30))
                   .component("consensus")
                   .summary("Raft commits are slow")
                   .description("The 99th percentile of commit latency has been high for 30 s: {{ $value | humanizeDuration }}.")
                   .action("Look at log appends and at calls to peers: what of the two is slow?"));
        /// Entries committed together.
        pub commit_batch: Histogram = "commit_batch_entries", buckets(Buckets::Fixed(Buckets::COUNT))
            => asks("How well are commits batched?"), titled("Entries a commit");
        /// Proposals by result, as their client saw it.
        pub proposals: EnumFamily<Counter, Outcome> = "proposals_total"
            => asks("Do writes succeed, and how many are there?"), titled("Proposals"), headline();
        /// Applying a batch of entries to the state machine.
        pub apply_duration: Histogram = "apply_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Is the state machine slow?"), titled("Apply duration");

        "Snapshots":
        /// Snapshots taken, by what made the node take them.
        pub snapshots_created: EnumFamily<Counter, SnapshotTrigger> = "snapshots_created_total"
            => asks("How often are snapshots taken, and why?"), titled("Snapshots taken"),
               plots("increase(raft_snapshots_created_total[$window])", ""), shown_in(PanelUnit::Number);
        /// Taking a snapshot.
        pub snapshot_create_duration: Histogram =
            "snapshot_create_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does it take to take a snapshot?"), titled("Taking a snapshot");
        /// Size of the snapshots taken.
        pub snapshot_size: Histogram = "snapshot_size_bytes", unit(Unit::Bytes)
            => asks("How large are snapshots?"), titled("Snapshot size");
        /// Installing a snapshot from the leader.
        pub snapshot_apply_duration: Histogram =
            "snapshot_apply_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does it take to install a snapshot?"), titled("Installing a snapshot");
        /// Snapshots sent and received, by result.
        pub snapshot_transfers: EnumFamily<Counter, (Direction, Outcome)> =
            "snapshot_transfers_total"
            => asks("Do followers need snapshots to catch up, and do they get them?"), titled("Snapshots sent and received"),
               plots("increase(raft_snapshot_transfers_total[$window])", ""), shown_in(PanelUnit::Number);

        "RPC":
        /// Calls to peers by result.
        pub rpc_requests: Family<Counter, 3> = "rpc_requests_total", keys(["rpc", "peer", "result"])
            => asks("How much do nodes call each other, and does it fail?"), titled("Failed calls to a peer"),
               shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond("RaftRpcErrors", "raft:rpc_errors:ratio1m", Bound::Above(0.05))
                   .hold(Duration::from_secs(15))
                   .component("network")
                   .summary("Calls to Raft peer {{ $labels.peer }} fail")
                   .description("{{ $value | humanizePercentage }} of the calls to {{ $labels.peer }} failed in the last minute.")
                   .action("Look whether the peer runs, and at the network to it.")),
               plots("raft:rpc_errors:ratio1m", "");
        /// Calls to peers, from request to answer.
        pub rpc_duration: EnumFamily<Histogram, Rpc> = "rpc_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How fast do peers answer?"), titled("Calls to peers"), headline();
        /// Calls to peers that failed, by reason.
        pub rpc_errors: Family<Counter, 3> = "rpc_errors_total", keys(["rpc", "peer", "error"])
            => asks("Why do calls fail?"), titled("Failed calls by reason");
        /// Append-entries requests sent, heartbeats included.
        pub append_entries_sent: Family<Counter, 1> = "append_entries_sent_total", keys(["peer"])
            => asks("How often is each peer sent entries?"), titled("Append-entries requests sent");
        /// Bytes of entries sent.
        pub append_entries_sent_bytes: Family<Counter, 1> =
            "append_entries_sent_bytes_total", unit(Unit::Bytes), keys(["peer"])
            => asks("How much data is each peer sent?"), titled("Bytes of entries sent");
        /// Append-entries requests received, heartbeats included.
        pub append_entries_received: Family<Counter, 1> =
            "append_entries_received_total", keys(["peer"])
            => asks("From whom do entries come?"), titled("Append-entries requests received");
        /// Append-entries requests that this node rejected, by reason.
        pub append_entries_rejected: EnumFamily<Counter, Rejection> =
            "append_entries_rejected_total"
            => asks("Does this node reject entries, and why?"), titled("Append-entries requests rejected");

        "Log":
        /// Entries in the log.
        pub log_entries: Gauge = "log_entries" => asks("How long is the log?"), titled("Entries in the log");
        /// Bytes in the log.
        pub log_bytes: Gauge = "log_bytes", unit(Unit::Bytes)
            => asks("How large is the log?"), titled("Bytes in the log");
        /// Times that the log was purged behind a snapshot.
        pub log_compactions: Counter = "log_compactions_total"
            => asks("Is the log purged?"), titled("Purges of the log"),
               plots("increase(raft_log_compactions_total[$window])", ""), shown_in(PanelUnit::Number);
        /// Appending a batch of entries to the log, until it is durable.
        pub log_append_duration: Histogram = "log_append_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Is the disk slow?"), titled("Log append");

        "Quorum":
        /// Voting members of the group.
        pub cluster_size: Gauge = "cluster_size"
            => asks("How many members vote?"), titled("Voting members");
        /// Changes of the membership.
        pub config_changes: EnumFamily<Counter, ConfigChange> = "config_changes_total"
            => asks("Did the membership change?"), titled("Changes of the membership"),
               plots("increase(raft_config_changes_total[$window])", ""), shown_in(PanelUnit::Number);
    }
    derived {
        "Commits":
        /// 99th percentile of commit latency over a minute, in seconds.
        "raft:commit_latency_seconds:p99" =
            // In the process, and as native histograms, the first; scraped as text, the second.
            "histogram_quantile(0.99, rate(raft_commit_latency_seconds[1m])) \
             or histogram_quantile(0.99, rate(raft_commit_latency_seconds_bucket[1m]))", unit(Unit::Seconds)
            => asks("How slow are the slowest commits of each node?"), titled("Commit latency p99");
        "Elections":
        /// Changes of leader within 5 minutes.
        "raft:leader_changes:increase5m" = "increase(raft_leader_changes_total[5m])"
            => asks("How often did the leader change lately?"), titled("Changes of leader in 5 minutes");
        "RPC":
        /// The part of a minute's calls to a peer that failed.
        "raft:rpc_errors:ratio1m" =
            "sum without (rpc, result) (rate(raft_rpc_requests_total{result=\"error\"}[1m])) \
             / sum without (rpc, result) (rate(raft_rpc_requests_total[1m]))", unit(Unit::Ratio)
            => asks("Which peer cannot be called?"), titled("Failed calls to a peer");
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
    /// The handles that belong to `peer`. Its series live as long as they do: keep them where the member is kept, and drop them
    /// with it. Within two generations of the last drop the series are gone, and push targets are told so; with new
    /// handles they come back from zero.
    pub fn peer(&self, peer: &str) -> PeerMetrics {
        use crate::LabelEnum;
        let requests = [Rpc::AppendEntries, Rpc::Vote, Rpc::InstallSnapshot].map(|rpc| {
            let rpc = Rpc::VALUES[rpc as usize];
            let error = |error: RpcError| {
                self.rpc_errors.member([rpc, peer, RpcError::VALUES[error as usize]])
            };
            RequestCounters {
                ok: self.rpc_requests.member([rpc, peer, Outcome::VALUES[Outcome::Ok as usize]]),
                error: self.rpc_requests.member([
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
            append_entries_sent: self.append_entries_sent.member([peer]),
            append_entries_sent_bytes: self.append_entries_sent_bytes.member([peer]),
            append_entries_received: self.append_entries_received.member([peer]),
            lag_entries: self.follower_lag_entries.member([peer]),
            lag_seconds: self.follower_lag_seconds.member([peer]),
            last_heartbeat: self.follower_last_heartbeat.member([peer]),
            matched_index: self.follower_matched_index.member([peer]),
            requests,
        }
    }

    /// Lets all series go that tell of `peer`, or of the node of that name; those of which somebody has a handle when that is
    /// dropped.
    pub fn forget_peer(&self, peer: &str) {
        ["peer", "follower", "node"].iter().for_each(|label| self.forget(label, peer));
    }
}
