//! For each shipped alert: samples, one every 5 seconds, on which it fires after 12 minutes, and such on which it does not. In
//! promtool's words: `a+bxn` begins with a and rises by b, n times.

pub struct Scenario {
    pub alert: &'static str,
    pub fires: &'static [(&'static str, &'static str)],
    pub silent: &'static [(&'static str, &'static str)],
}

macro_rules! scenarios {
    ($($alert:literal: $({$fault:literal $($faulty:literal)?})* / $({$series:literal $($sound:literal)?})*;)+) => {
        pub const SCENARIOS: &[Scenario] = &[$(Scenario {
            alert: $alert,
            fires: &[$(($fault, concat!($($faulty)?))),*],
            silent: &[$(($series, concat!($($sound)?))),*],
        }),+];
    };
}

scenarios! {
    "RaftDataStale": {"raft_commit_index" "0+1x100"} / {"raft_commit_index" "0+1x200"};
    "RaftDataAbsent": {"up" "1x200"} / {"raft_commit_index" "0+1x200"};
    "RaftCommitsStalled": {"raft_last_log_index" "100x200"} {"raft_commit_index" "50x200"}
        / {"raft_last_log_index" "10+1x200"} {"raft_commit_index" "0+1x200"};
    "RaftNoLeader": {"raft_current_leader" "-1x200"} {"raft_running" "1x200"}
        / {"raft_current_leader" "1x200"} {"raft_running" "1x200"};
    "RaftFollowerLagEntries": {"raft_follower_lag_entries{follower=\"2\"}" "20000x200"}
        / {"raft_follower_lag_entries{follower=\"2\"}" "20x200"};
    "RaftFollowerLag": {"raft_follower_lag_seconds{follower=\"2\"}" "4x200"}
        / {"raft_follower_lag_seconds{follower=\"2\"}" "0.01x200"};
    "RaftLeaderFlapping": {"raft_leader_changes_total" "0+1x200"} / {"raft_leader_changes_total" "1x200"};
    "RaftCommitLatencyHigh":
        {"raft_commit_latency_seconds_bucket{le=\"0.25\"}" "0x200"}
        {"raft_commit_latency_seconds_bucket{le=\"0.5\"}" "0+10x200"}
        {"raft_commit_latency_seconds_bucket{le=\"+Inf\"}" "0+10x200"}
        / {"raft_commit_latency_seconds_bucket{le=\"0.1\"}" "0+10x200"}
        {"raft_commit_latency_seconds_bucket{le=\"+Inf\"}" "0+10x200"};
    "RaftRpcErrors":
        {"raft_rpc_requests_total{rpc=\"vote\",peer=\"2\",result=\"error\"}" "0+1x200"}
        {"raft_rpc_requests_total{rpc=\"vote\",peer=\"2\",result=\"ok\"}" "0+1x200"}
        / {"raft_rpc_requests_total{rpc=\"vote\",peer=\"2\",result=\"error\"}" "3x200"}
        {"raft_rpc_requests_total{rpc=\"vote\",peer=\"2\",result=\"ok\"}" "0+1x200"};

    "HotStuffBlockTimeHigh": {"hotstuff_blocks_committed_total" "0+1x200"} / {"hotstuff_blocks_committed_total" "0+10x200"};
    "HotStuffDataStale": {"hotstuff_committed_height" "0+1x100"} / {"hotstuff_committed_height" "0+1x200"};
    "HotStuffDataAbsent": {"up" "1x200"} / {"hotstuff_committed_height" "0+1x200"};
    "HotStuffViewChangesFrequent": {"hotstuff_view_changes_total{reason=\"timeout\"}" "0+1x200"}
        / {"hotstuff_view_changes_total{reason=\"timeout\"}" "3x200"};
    "HotStuffLivenessTimeouts": {"hotstuff_liveness_timeouts_total" "0+1x200"} / {"hotstuff_liveness_timeouts_total" "3x200"};
    // Once, less than five minutes ago.
    "HotStuffSafetyViolation": {"hotstuff_safety_violations_total{kind=\"conflicting_commit\"}" "0x130 1x70"}
        / {"hotstuff_safety_violations_total{kind=\"conflicting_commit\"}" "0x200"};
    "HotStuffByzantineBehavior": {"hotstuff_byzantine_behaviors_total{kind=\"equivocation\",validator=\"v\"}" "0x130 1x70"}
        / {"hotstuff_byzantine_behaviors_total{kind=\"equivocation\",validator=\"v\"}" "0x200"};
    "HotStuffViewsWasted":
        {"hotstuff_blocks_committed_total" "0+1x200"} {"hotstuff_view_changes_total{reason=\"timeout\"}" "0+3x200"}
        / {"hotstuff_blocks_committed_total" "0+1x200"} {"hotstuff_view_changes_total{reason=\"timeout\"}" "3x200"};
    "HotStuffPeerDisconnects": {"hotstuff_peer_disconnections_total{reason=\"network\"}" "0+1x200"}
        / {"hotstuff_peer_disconnections_total{reason=\"network\"}" "3x200"};
    "HotStuffPeerLatencyHigh":
        {"hotstuff_peer_latency_seconds_bucket{peer=\"2\",le=\"0.5\"}" "0x200"}
        {"hotstuff_peer_latency_seconds_bucket{peer=\"2\",le=\"1\"}" "0+10x200"}
        {"hotstuff_peer_latency_seconds_bucket{peer=\"2\",le=\"+Inf\"}" "0+10x200"}
        / {"hotstuff_peer_latency_seconds_bucket{peer=\"2\",le=\"0.1\"}" "0+10x200"}
        {"hotstuff_peer_latency_seconds_bucket{peer=\"2\",le=\"+Inf\"}" "0+10x200"};
    "HotStuffPartitioned": {"hotstuff_partition_affected_peers" "1x200"} / {"hotstuff_partition_affected_peers" "0x200"};
    "HotStuffMessageLoss":
        {"hotstuff_messages_lost_total" "0+1x200"} {"hotstuff_messages_sent_total{kind=\"vote\",peer=\"2\"}" "0+2x200"}
        / {"hotstuff_messages_lost_total" "3x200"} {"hotstuff_messages_sent_total{kind=\"vote\",peer=\"2\"}" "0+2x200"};
    "HotStuffBandwidthFull":
        {"hotstuff_bytes_sent_total{peer=\"2\"}" "0+475x200"} {"hotstuff_bytes_received_total{peer=\"2\"}" "0x200"}
        {"hotstuff_bandwidth_limit_bytes" "100x200"}
        / {"hotstuff_bytes_sent_total{peer=\"2\"}" "0+100x200"} {"hotstuff_bytes_received_total{peer=\"2\"}" "0x200"}
        {"hotstuff_bandwidth_limit_bytes" "100x200"};
    "HotStuffStorageErrors": {"hotstuff_storage_errors_total" "0x130 1x70"} / {"hotstuff_storage_errors_total" "0x200"};
    "HotStuffStorageFull": {"hotstuff_storage_size_bytes" "90x200"} {"hotstuff_storage_capacity_bytes" "100x200"}
        / {"hotstuff_storage_size_bytes" "10x200"} {"hotstuff_storage_capacity_bytes" "100x200"};
    "HotStuffTransactionsRefused":
        {"hotstuff_transaction_validations_total{result=\"invalid\"}" "0+3x200"}
        {"hotstuff_transaction_validations_total{result=\"valid\"}" "0+1x200"}
        / {"hotstuff_transaction_validations_total{result=\"invalid\"}" "3x200"}
        {"hotstuff_transaction_validations_total{result=\"valid\"}" "0+1x200"};

    "HighIngestionLatency":
        {"allsource_ingestion_duration_seconds_bucket{le=\"0.1\"}" "0x200"}
        {"allsource_ingestion_duration_seconds_bucket{le=\"0.25\"}" "0+10x200"}
        {"allsource_ingestion_duration_seconds_bucket{le=\"+Inf\"}" "0+10x200"}
        / {"allsource_ingestion_duration_seconds_bucket{le=\"0.05\"}" "0+10x200"}
        {"allsource_ingestion_duration_seconds_bucket{le=\"+Inf\"}" "0+10x200"};
    "HighErrorRate": {"allsource_ingestion_errors_total" "0+1x200"} / {"allsource_ingestion_errors_total" "3x200"};
    "StorageNearCapacity": {"allsource_storage_size_bytes" "11000000000x200"} / {"allsource_storage_size_bytes" "9000000000x200"};
    "ProjectionErrors": {"allsource_projection_errors_total{projection=\"p\"}" "0x130 1x70"}
        / {"allsource_projection_errors_total{projection=\"p\"}" "0x200"};
    "ReplaysFailed": {"allsource_replays_failed_total" "0x130 1x70"} / {"allsource_replays_failed_total" "0x200"};
    "WebsocketErrors": {"allsource_websocket_errors_total" "0+1x200"} / {"allsource_websocket_errors_total" "3x200"};
    "HttpErrors":
        {"allsource_http_requests_total{method=\"GET\",endpoint=\"/\",status=\"500\"}" "0+1x200"}
        {"allsource_http_requests_total{method=\"GET\",endpoint=\"/\",status=\"200\"}" "0+1x200"}
        / {"allsource_http_requests_total{method=\"GET\",endpoint=\"/\",status=\"500\"}" "3x200"}
        {"allsource_http_requests_total{method=\"GET\",endpoint=\"/\",status=\"200\"}" "0+1x200"};
    "CoreNodeUnhealthy": {"allsource_control_plane_core_health_status{node_id=\"a\"}" "0x200"}
        / {"allsource_control_plane_core_health_status{node_id=\"a\"}" "1x200"};

    "NodeCpuHigh": {"node_cpu_usage{node_id=\"a\"}" "0.95x200"} / {"node_cpu_usage{node_id=\"a\"}" "0.5x200"};
    "NodeMemoryHigh": {"node_memory_usage{node_id=\"a\"}" "0.95x200"} / {"node_memory_usage{node_id=\"a\"}" "0.5x200"};
    "NodeDiskFull": {"node_disk_usage{node_id=\"a\"}" "0.95x200"} / {"node_disk_usage{node_id=\"a\"}" "0.5x200"};
    "DeploymentDown": {"deployment_replica_count{deployment_id=\"api\"}" "0x200"}
        / {"deployment_replica_count{deployment_id=\"api\"}" "3x200"};
    "DeploymentErrors":
        {"deployment_requests_total{deployment_id=\"api\"}" "0+10x200"} {"deployment_errors_total{deployment_id=\"api\"}" "0+5x200"}
        / {"deployment_requests_total{deployment_id=\"api\"}" "0+10x200"};
    "MixnetPacketsDropped": {"betanet_packets_dropped_total" "0+5x200"} {"betanet_packets_processed_total" "0+5x200"}
        / {"betanet_packets_dropped_total" "3x200"} {"betanet_packets_processed_total" "0+5x200"};
    "MixnetDisconnected": {"betanet_connections" "0x200"} / {"betanet_connections" "4x200"};
    "SystemNodesLost": {"system_total_nodes" "5x130 4x70"} / {"system_total_nodes" "5x200"};
    "ProcessFilesNearLimit": {"process_open_fds" "950x200"} {"process_max_fds" "1000x200"}
        / {"process_open_fds" "10x200"} {"process_max_fds" "1000x200"};
}
