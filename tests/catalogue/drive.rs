//! Every handle of every bundle of the catalogue, recorded through, each with a value of its own.

use std::collections::BTreeMap;
use tachometer::catalogue::deployment::DeploymentMetrics;
use tachometer::catalogue::event_store::{ControlPlaneMetrics, EventStoreMetrics};
use tachometer::catalogue::hotstuff2::{
    ConsensusMetrics, NetworkMetrics, PerformanceMetrics, StateMetrics, StorageMetrics,
};
use tachometer::catalogue::mixnet::MixnetMetrics;
use tachometer::catalogue::node::NodeMetrics;
use tachometer::catalogue::process::ProcessMetrics;
use tachometer::catalogue::raft::RaftMetrics;
use tachometer::catalogue::system::SystemMetrics;
use tachometer::declare::{Bundle, Series};
use tachometer::{
    Counter, EnumFamily, EnumLabels, Family, Gauge, Histogram, Metric, Registry, UpDownCounter,
};

/// A sample that must be on the page: its name and labels, the labels in the order of their names.
pub type Key = (String, BTreeMap<String, String>);

/// What was recorded.
#[derive(Debug, Default)]
pub struct Driven {
    last: u64,
    /// By the name of the series in its declaration: the samples that must be there, and their values.
    pub samples: Vec<(String, Key, f64)>,
    pub declared: Vec<Bundle>,
}

impl Driven {
    /// A value that nothing else has.
    fn value(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn expect(&mut self, series: &Series, suffix: &str, labels: &[(String, String)], value: f64) {
        let name = series.full_name().to_owned();
        let key = (format!("{name}{suffix}"), labels.iter().cloned().collect());
        self.samples.push((name, key, value));
    }

    /// The value of the one series of this name that has these labels among its own.
    pub fn value_of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |(_, (sample, own), _): &&(String, Key, f64)| {
            sample == name
                && labels
                    .iter()
                    .all(|(label, value)| own.get(*label).is_some_and(|own| own == value))
        };
        self.samples.iter().filter(fits).map(|(_, _, value)| value).sum()
    }
}

/// A type of handle.
pub trait Drive {
    fn drive(&self, series: &Series, driven: &mut Driven);
}

/// A handle of one series.
pub trait DriveOne {
    fn one(&self, series: &Series, labels: &[(String, String)], driven: &mut Driven);
}

fn exported(series: &Series, value: u64) -> f64 {
    value as f64 / series.recorded_unit().divisor() as f64
}

impl DriveOne for Counter {
    fn one(&self, series: &Series, labels: &[(String, String)], driven: &mut Driven) {
        let value = driven.value();
        self.add(value);
        driven.expect(series, "", labels, exported(series, value));
    }
}

impl DriveOne for UpDownCounter {
    fn one(&self, series: &Series, labels: &[(String, String)], driven: &mut Driven) {
        let value = driven.value();
        self.add(value as i64 + 1);
        self.dec();
        driven.expect(series, "", labels, value as f64);
    }
}

impl DriveOne for Gauge {
    fn one(&self, series: &Series, labels: &[(String, String)], driven: &mut Driven) {
        let value = driven.value() as f64;
        self.set(value);
        driven.expect(series, "", labels, value);
    }
}

impl DriveOne for Histogram {
    fn one(&self, series: &Series, labels: &[(String, String)], driven: &mut Driven) {
        let value = driven.value();
        self.record_n(1_000, value);
        driven.expect(series, "_count", labels, value as f64);
        driven.expect(series, "_sum", labels, exported(series, 1_000 * value));
    }
}

macro_rules! drive_scalar {
    ($($handle:ident)+) => {$(
        impl Drive for $handle {
            fn drive(&self, series: &Series, driven: &mut Driven) {
                self.one(series, &[], driven);
            }
        }
    )+};
}
drive_scalar!(Counter UpDownCounter Gauge Histogram);

impl<M: Metric + DriveOne, L: EnumLabels> Drive for EnumFamily<M, L> {
    fn drive(&self, series: &Series, driven: &mut Driven) {
        for index in 0..L::COUNT {
            self.handle(L::nth(index)).one(series, &L::pairs(index), driven);
        }
    }
}

impl<M: Metric + DriveOne, const N: usize> Drive for Family<M, N> {
    /// With two members, so that labels are seen to tell series apart. The last label with a closed set in the catalogue has
    /// each of its values.
    fn drive(&self, series: &Series, driven: &mut Driven) {
        let labels: Vec<&str> = series.labels().iter().map(|label| label.name.as_str()).collect();
        for member in ["one", "two"] {
            let mut closed = crate::inventory::closed_values(series.full_name(), labels[N - 1]);
            if closed.is_empty() && labels[N - 1] == "result" {
                closed = ["ok", "error"].map(str::to_owned).into();
            }
            let last = if closed.is_empty() { vec![member.to_owned()] } else { closed };
            for value in last {
                let values: [&str; N] =
                    std::array::from_fn(|at| if at == N - 1 { value.as_str() } else { member });
                let pairs: Vec<_> = labels
                    .iter()
                    .zip(values)
                    .map(|(label, value)| ((*label).to_owned(), value.to_owned()))
                    .collect();
                if N > 1
                    || !driven.samples.iter().any(|(_, key, _)| {
                        *key == (series.full_name().to_owned(), pairs.iter().cloned().collect())
                    })
                {
                    self.handle(values).one(series, &pairs, driven);
                }
            }
        }
    }
}

/// Registers a bundle and records through each of its handles. A handle that is missing here does not compile.
#[macro_export]
macro_rules! drive {
    ($driven:ident, $registry:expr, $bundle:ident { $($field:ident),+ }) => {{
        let $bundle { $($field),+ } = &$bundle::register($registry).unwrap();
        let declared = $bundle::declaration();
        let mut series = declared.series().iter().filter(|series| series.expression().is_none());
        $($crate::drive::Drive::drive($field, series.next().expect("declared"), $driven);)+
        assert!(series.next().is_none(), "{} has a series without a handle", declared.title());
        $driven.declared.push(declared);
    }};
}

/// Records through every handle of every bundle.
pub fn all(registry: &Registry, driven: &mut Driven) {
    drive!(
        driven,
        registry,
        RaftMetrics {
            node_state,
            current_term,
            leader_partitions,
            follower_partitions,
            isr_size,
            commit_index,
            last_applied,
            last_log_index,
            current_leader,
            running,
            last_quorum_acked_index,
            snapshot_index,
            purged_index,
            follower_lag_entries,
            follower_lag_seconds,
            follower_last_heartbeat,
            follower_matched_index,
            max_follower_lag_entries,
            elections,
            election_duration,
            votes_received,
            leader_changes,
            commit_latency,
            commit_batch,
            proposals,
            apply_duration,
            snapshots_created,
            snapshot_create_duration,
            snapshot_size,
            snapshot_apply_duration,
            snapshot_transfers,
            rpc_requests,
            rpc_duration,
            rpc_errors,
            append_entries_sent,
            append_entries_sent_bytes,
            append_entries_received,
            append_entries_rejected,
            log_entries,
            log_bytes,
            log_compactions,
            log_append_duration,
            cluster_size,
            config_changes
        }
    );
    drive!(
        driven,
        registry,
        ConsensusMetrics {
            blocks_proposed,
            blocks_committed,
            block_proposal_duration,
            block_commit_duration,
            block_transactions,
            committed_height,
            quorum_certificates,
            current_view,
            view_changes,
            view_change_duration,
            liveness_timeouts,
            votes_sent,
            votes_received,
            vote_processing_duration,
            safety_violations,
            byzantine_behaviors
        }
    );
    drive!(
        driven,
        registry,
        PerformanceMetrics {
            transaction_confirmation_duration,
            block_finalization_duration,
            end_to_end_duration,
            transactions_committed
        }
    );
    drive!(
        driven,
        registry,
        NetworkMetrics {
            messages_sent,
            messages_received,
            messages_lost,
            message_processing_duration,
            message_queue_length,
            bytes_sent,
            bytes_received,
            bandwidth_limit,
            active_peers,
            peer_connections,
            peer_disconnections,
            peer_latency,
            network_partitions,
            partition_affected_peers,
            connection_failures
        }
    );
    drive!(
        driven,
        registry,
        StorageMetrics {
            storage_operations,
            storage_read_duration,
            storage_write_duration,
            storage_batch_duration,
            storage_batch_operations,
            storage_errors,
            storage_size,
            storage_capacity,
            cache_requests,
            cache_size
        }
    );
    drive!(
        driven,
        registry,
        StateMetrics {
            state_transitions,
            state_transition_duration,
            transaction_validations,
            transaction_validation_duration,
            state_queries,
            state_query_duration,
            state_snapshots,
            state_snapshot_duration,
            state_size,
            accounts,
            contracts
        }
    );
    drive!(
        driven,
        registry,
        EventStoreMetrics {
            events_ingested,
            events_ingested_by_type,
            ingestion_duration,
            ingestion_errors,
            queries,
            query_duration,
            query_results,
            storage_events,
            storage_entities,
            storage_size,
            parquet_files,
            wal_segments,
            projection_events_processed,
            projection_errors,
            projection_processing_duration,
            schemas_registered,
            schema_validations,
            schema_validation_duration,
            replays_started,
            replays_completed,
            replays_failed,
            replay_events_processed,
            replay_duration,
            pipelines_registered,
            pipeline_events_processed,
            pipeline_events_filtered,
            pipeline_processing_duration,
            snapshots_created,
            snapshot_creation_duration,
            snapshots,
            compactions,
            compaction_duration,
            compaction_files_merged,
            compaction_bytes_saved,
            websocket_connections_active,
            websocket_connections,
            websocket_messages_sent,
            websocket_errors,
            http_requests,
            http_request_duration,
            http_requests_in_flight
        }
    );
    drive!(
        driven,
        registry,
        ControlPlaneMetrics {
            http_requests,
            http_request_duration,
            core_health_status,
            core_events
        }
    );
    drive!(driven, registry, NodeMetrics { cpu_usage, memory_usage, disk_usage, network_io });
    drive!(driven, registry, DeploymentMetrics { replica_count, requests, errors, latency });
    drive!(
        driven,
        registry,
        MixnetMetrics { packets_processed, packets_dropped, latency, connections }
    );
    drive!(driven, registry, SystemMetrics { uptime, total_nodes, active_deployments });
    drive!(
        driven,
        registry,
        ProcessMetrics {
            cpu,
            context_switches,
            threads,
            start_time,
            resident_memory,
            virtual_memory,
            virtual_memory_max,
            minor_page_faults,
            major_page_faults,
            open_fds,
            max_fds,
            disk_read,
            disk_written,
            network_receive,
            network_transmit
        }
    );
}
