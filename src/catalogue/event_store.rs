//! What an event store and its control plane record, under the names of AllSource: 41 series and 4.
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::event_store::EventStoreMetrics;
//! let store = EventStoreMetrics::register(&Registry::new())?;
//! store.events_ingested.inc();
//! store.events_ingested_by_type.at(["order.placed"]).inc();
//! store.ingestion_duration.record(1_200_000);
//! store.http_requests.at(["POST", "/api/v1/events", "201"]).inc();
//!
//! // In a hot loop, keep what belongs to a projection.
//! let orders = store.projection("orders");
//! orders.events_processed.inc();
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! The prefix is `allsource_`; [`EventStoreMetrics::register_as`] takes another, or none. Durations are recorded in
//! nanoseconds and exported in seconds. Some counters do not end in `_total`: the names are the originals, and only
//! OpenMetrics, which demands the suffix, shows them with it. The label `endpoint` is for templates of routes
//! (`/api/v1/events/{id}`), never for raw paths.

use super::{new_events, quantile};
use crate::declare::{Alert, Bound, PanelUnit, Severity};
use crate::{Counter, Family, Gauge, Histogram, LabelEnum, Unit, UpDownCounter, bundle, labels};
use std::time::Duration;

labels! {
    /// Whether an event fits its schema.
    pub enum Validation("result") {
        /// It fits.
        Valid = "valid",
        /// It does not.
        Invalid = "invalid",
        /// It could not be checked.
        Error = "error",
    }
}

/// What a person calls the values of `control_plane_core_health_status`.
const HEALTH: &[(f64, &str)] = &[(0.0, "unhealthy"), (1.0, "healthy")];

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

bundle! {
    /// What an event store records.
    pub struct EventStoreMetrics("allsource_", "Event store") {
        "Ingestion":
        /// Events ingested.
        pub events_ingested: Counter = "events_ingested_total"
            => asks("How many events come in?"), titled("Ingestion rate"), headline();
        /// Events ingested, by their type.
        pub events_ingested_by_type: Family<Counter, 1> = "events_ingested_by_type", keys(["event_type"])
            => asks("Which types of events come in?"), titled("Ingestion by type");
        /// Ingesting an event or a batch, from its arrival until it is durable.
        pub ingestion_duration: Histogram = "ingestion_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does it take to ingest an event?"), titled("Ingestion latency"), headline(),
               alert(Alert::when_beyond(
                       "HighIngestionLatency",
                       quantile("0.95", "allsource_ingestion_duration_seconds", "5m"),
                       Bound::Above(0.1),
                   )
                   .hold(seconds(300))
                   .component("storage")
                   .summary("Ingestion is slow")
                   .description("The 95th percentile of ingestion has been high for 5 minutes: {{ $value | humanizeDuration }}.")
                   .action("Look at the disk of the write-ahead log, at compaction, and at the rate of events."));
        /// Events that could not be ingested.
        pub ingestion_errors: Counter = "ingestion_errors_total"
            => asks("Are events refused?"), titled("Ingestion errors"), headline(),
               alert(Alert::when_beyond("HighErrorRate", "rate(allsource_ingestion_errors_total[5m])", Bound::Above(0.01))
                   .severity(Severity::Critical)
                   .component("storage")
                   .summary("Events cannot be ingested")
                   .description("{{ $value | humanize }} events a second were refused, over 5 minutes.")
                   .action("Look at the log: a full disk, a schema that changed, or a client that sends what is no event."));

        "Queries":
        /// Queries, by their type.
        pub queries: Family<Counter, 1> = "queries_total", keys(["query_type"])
            => asks("What is asked of the store, and how much?"), titled("Queries");
        /// Answering a query, by its type.
        pub query_duration: Family<Histogram, 1> =
            "query_duration_seconds", unit(Unit::Nanoseconds), keys(["query_type"])
            => asks("How long do queries take?"), titled("Query latency"), headline();
        /// Events that queries returned, by the query's type.
        pub query_results: Family<Counter, 1> = "query_results_total", keys(["query_type"])
            => asks("How much do queries return?"), titled("Events returned");

        "Storage":
        /// Events that are stored.
        pub storage_events: Gauge = "storage_events_total"
            => asks("How many events are there?"), titled("Stored events");
        /// Entities that have events.
        pub storage_entities: Gauge = "storage_entities_total"
            => asks("How many entities are there?"), titled("Entities");
        /// Bytes that are stored.
        pub storage_size: Gauge = "storage_size_bytes", unit(Unit::Bytes)
            => asks("How fast does storage grow, and when is it full?"), titled("Storage"), headline(),
               alert(Alert::when_beyond("StorageNearCapacity", "allsource_storage_size_bytes", Bound::Above(10e9))
                   .hold(seconds(60))
                   .component("storage")
                   .summary("Storage is near its capacity")
                   .description("{{ $value | humanize1024 }}B are stored.")
                   .action("Compact, drop what is no longer needed, or make room."));
        /// Parquet files.
        pub parquet_files: Gauge = "parquet_files_total"
            => asks("Does compaction keep up?"), titled("Parquet files");
        /// Segments of the write-ahead log.
        pub wal_segments: Gauge = "wal_segments_total"
            => asks("Is the write-ahead log flushed?"), titled("WAL segments");

        "Projections":
        /// Events that a projection processed.
        pub projection_events_processed: Family<Counter, 1> =
            "projection_events_processed", keys(["projection"])
            => asks("Do projections keep up?"), titled("Events projected");
        /// Events at which a projection failed.
        pub projection_errors: Family<Counter, 1> = "projection_errors_total", keys(["projection"])
            => asks("Which projection fails?"), titled("Projection errors in 5 minutes"), shown_in(PanelUnit::Number),
               alert(Alert::when_beyond(
                       "ProjectionErrors",
                       format!("round({})", new_events("allsource_projection_errors_total")),
                       Bound::Above(0.0),
                   )
                   .component("projections")
                   .summary("Projection {{ $labels.projection }} fails")
                   .description("{{ $value }} events could not be projected within 5 minutes.")
                   .action("Look at the log for the event; rebuild the projection by a replay once it is mended.")),
               plots("increase(allsource_projection_errors_total[5m])", "{{projection}}");
        /// Projecting an event.
        pub projection_processing_duration: Family<Histogram, 1> =
            "projection_processing_duration_seconds", unit(Unit::Nanoseconds), keys(["projection"])
            => asks("Is a projection slow?"), titled("Projection time"), headline();

        "Schemas":
        /// Schemas that are registered.
        pub schemas_registered: Gauge = "schemas_registered_total"
            => asks("How many schemas are there?"), titled("Schemas");
        /// Events checked against the schema of a subject, by result.
        pub schema_validations: Family<Counter, 2> = "schema_validations_total", keys(["subject", "result"])
            => asks("Do events fit their schemas?"), titled("Schema validations"), headline(),
               plots("sum without (subject) (rate(allsource_schema_validations_total[$window]))", "{{result}}"),
               shown_in(PanelUnit::PerSecond);
        /// Checking an event against its schema.
        pub schema_validation_duration: Histogram =
            "schema_validation_duration_seconds", unit(Unit::Nanoseconds)
            => asks("Is checking events slow?"), titled("Schema validation time");

        "Replays":
        /// Replays that began.
        pub replays_started: Counter = "replays_started_total"
            => asks("How many replays run?"), titled("Replays that run"), shown_in(PanelUnit::Number),
               plots(
                   "allsource_replays_started_total - allsource_replays_completed_total - allsource_replays_failed_total",
                   "",
               );
        /// Replays that ended as they should.
        pub replays_completed: Counter = "replays_completed_total"
            => asks("Do replays end?"), titled("Replays completed"),
               plots("increase(allsource_replays_completed_total[$window])", ""), shown_in(PanelUnit::Number);
        /// Replays that failed.
        pub replays_failed: Counter = "replays_failed_total"
            => asks("Do replays fail?"), titled("Replays failed in 5 minutes"), shown_in(PanelUnit::Number),
               alert(Alert::when_beyond(
                       "ReplaysFailed",
                       "round(increase(allsource_replays_failed_total[5m]))",
                       Bound::Above(0.0),
                   )
                   .component("replay")
                   .summary("Replays fail")
                   .description("{{ $value }} replays failed within 5 minutes.")
                   .action("Look at the log for the event that they ended at."));
        /// Events that were replayed.
        pub replay_events_processed: Counter = "replay_events_processed"
            => asks("How fast are replays?"), titled("Replay progress"), headline();
        /// A replay, from begin to end.
        pub replay_duration: Histogram =
            "replay_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long do replays take?"), titled("Replay duration");

        "Pipelines":
        /// Pipelines that are registered.
        pub pipelines_registered: Gauge = "pipelines_registered_total"
            => asks("How many pipelines are there?"), titled("Pipelines");
        /// Events that a pipeline processed.
        pub pipeline_events_processed: Family<Counter, 1> = "pipeline_events_processed", keys(["pipeline"])
            => asks("Do pipelines keep up?"), titled("Events in pipelines");
        /// Events that a pipeline filtered out.
        pub pipeline_events_filtered: Family<Counter, 1> = "pipeline_events_filtered", keys(["pipeline"])
            => asks("How much do pipelines filter out?"), titled("Events filtered out");
        /// Processing an event in a pipeline.
        pub pipeline_processing_duration: Family<Histogram, 1> =
            "pipeline_processing_duration_seconds", unit(Unit::Nanoseconds), keys(["pipeline"])
            => asks("Is a pipeline slow?"), titled("Pipeline time");

        "Snapshots":
        /// Snapshots of entities that were taken.
        pub snapshots_created: Counter = "snapshots_created_total"
            => asks("Are snapshots taken?"), titled("Snapshots taken"),
               plots("increase(allsource_snapshots_created_total[$window])", ""), shown_in(PanelUnit::Number);
        /// Taking a snapshot.
        pub snapshot_creation_duration: Histogram =
            "snapshot_creation_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long does it take to take a snapshot?"), titled("Taking a snapshot");
        /// Snapshots that are stored.
        pub snapshots: Gauge = "snapshots_total"
            => asks("How many snapshots are there?"), titled("Stored snapshots");

        "Compaction":
        /// Compactions.
        pub compactions: Counter = "compactions_total"
            => asks("Is storage compacted?"), titled("Compactions"),
               plots("increase(allsource_compactions_total[$window])", ""), shown_in(PanelUnit::Number);
        /// A compaction, from begin to end.
        pub compaction_duration: Histogram = "compaction_duration_seconds", unit(Unit::Nanoseconds)
            => asks("How long do compactions take?"), titled("Compaction duration");
        /// Files that compactions merged into others.
        pub compaction_files_merged: Counter = "compaction_files_merged"
            => asks("How many files do compactions merge?"), titled("Files merged");
        /// Bytes that compactions saved.
        pub compaction_bytes_saved: Counter = "compaction_bytes_saved"
            => asks("What do compactions save?"), titled("Bytes saved"), shown_in(PanelUnit::BytesPerSecond);

        "WebSocket":
        /// WebSocket connections that are open.
        pub websocket_connections_active: UpDownCounter = "websocket_connections_active"
            => asks("How many clients listen?"), titled("Active WebSockets"), headline();
        /// WebSocket connections that were opened.
        pub websocket_connections: Counter = "websocket_connections_total"
            => asks("Do clients reconnect all the time?"), titled("WebSockets opened");
        /// Messages sent over WebSockets.
        pub websocket_messages_sent: Counter = "websocket_messages_sent"
            => asks("How much is sent to listeners?"), titled("WebSocket messages");
        /// Errors of WebSockets.
        pub websocket_errors: Counter = "websocket_errors_total"
            => asks("Do WebSockets break?"), titled("WebSocket errors"),
               alert(Alert::when_beyond("WebsocketErrors", "rate(allsource_websocket_errors_total[5m])", Bound::Above(0.1))
                   .hold(seconds(60))
                   .component("network")
                   .summary("WebSockets break")
                   .description("{{ $value | humanize }} errors a second, over 5 minutes.")
                   .action("Look whether clients are slow or restart, and at what stands between them and the store."));

        "HTTP":
        /// HTTP requests that were answered, by method, route and status.
        pub http_requests: Family<Counter, 3> = "http_requests_total", keys(["method", "endpoint", "status"])
            => asks("Which requests are there, and which fail?"), titled("Failed HTTP requests"), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond(
                       "HttpErrors",
                       "sum without (method, endpoint, status) (rate(allsource_http_requests_total{status=~\"5..\"}[5m])) \
                        / sum without (method, endpoint, status) (rate(allsource_http_requests_total[5m]))",
                       Bound::Above(0.05),
                   )
                   .hold(seconds(60))
                   .severity(Severity::Critical)
                   .component("network")
                   .summary("HTTP requests fail")
                   .description("{{ $value | humanizePercentage }} of the requests of 5 minutes ended with a status of 500 or more.")
                   .action("Look which endpoint fails, and at the log."));
        /// From an HTTP request to its answer, by method and route.
        pub http_request_duration: Family<Histogram, 2> =
            "http_request_duration_seconds", unit(Unit::Nanoseconds), keys(["method", "endpoint"])
            => asks("How long do clients wait?"), titled("HTTP latency"), headline();
        /// HTTP requests that have begun and not ended.
        pub http_requests_in_flight: UpDownCounter = "http_requests_in_flight"
            => asks("Do requests pile up?"), titled("HTTP requests in flight");
    }
    derived {
        "Ingestion":
        /// Events ingested a second, over a minute. The engine adds it, for the control plane's overview.
        "events_ingestion_rate" = "rate(allsource_events_ingested_total[1m])"
            => asks("How many events come in?"), titled("Ingestion rate over a minute"), shown_in(PanelUnit::PerSecond);
    }
}

bundle! {
    /// What the control plane of event stores records.
    pub struct ControlPlaneMetrics("allsource_", "Event store control plane") {
        "HTTP":
        /// HTTP requests to the control plane that were answered, by method, route and status.
        pub http_requests: Family<Counter, 3> =
            "control_plane_http_requests_total", keys(["method", "endpoint", "status"])
            => asks("Which requests are there, and which fail?"), titled("Control plane requests");
        /// From an HTTP request to the control plane to its answer, by method and route.
        pub http_request_duration: Family<Histogram, 2> = "control_plane_http_request_duration_seconds",
            unit(Unit::Nanoseconds), keys(["method", "endpoint"])
            => asks("How fast does the control plane answer?"), titled("Control plane latency"), headline();

        "Core nodes":
        /// Whether a core node is healthy, as the control plane sees it: 1 or 0.
        pub core_health_status: Family<Gauge, 1> = "control_plane_core_health_status", keys(["node_id"])
            => asks("Which core node is down?"), titled("Core nodes"), headline(), states(HEALTH),
               alert(Alert::when_beyond("CoreNodeUnhealthy", "allsource_control_plane_core_health_status", Bound::Below(1.0))
                   .hold(seconds(30))
                   .severity(Severity::Critical)
                   .component("host")
                   .summary("Core node {{ $labels.node_id }} is not healthy")
                   .description("The control plane has found it unhealthy for 30 s.")
                   .action("Look whether the node runs and answers at /health."));
        /// Events that a core node has stored, as the control plane read it.
        pub core_events: Family<Gauge, 1> = "control_plane_core_events_total", keys(["node_id"])
            => asks("How many events does each core node have?"), titled("Events of core nodes");
    }
}

/// The handles of one projection. Made by [`EventStoreMetrics::projection`].
#[derive(Clone, Debug)]
pub struct ProjectionMetrics {
    /// Events that it processed.
    pub events_processed: Counter,
    /// Events at which it failed.
    pub errors: Counter,
    /// Projecting an event, in nanoseconds.
    pub processing_duration: Histogram,
}

/// The handles of one pipeline. Made by [`EventStoreMetrics::pipeline`].
#[derive(Clone, Debug)]
pub struct PipelineMetrics {
    /// Events that it processed.
    pub events_processed: Counter,
    /// Events that it filtered out.
    pub events_filtered: Counter,
    /// Processing an event, in nanoseconds.
    pub processing_duration: Histogram,
}

/// The handles of one core node, as the control plane sees it. Made by [`ControlPlaneMetrics::core_node`].
#[derive(Clone, Debug)]
pub struct CoreNodeMetrics {
    /// Whether it is healthy: 1 or 0.
    pub health_status: Gauge,
    /// Events that it has stored.
    pub events: Gauge,
}

impl EventStoreMetrics {
    /// The handles of the projection `projection`.
    pub fn projection(&self, projection: &str) -> ProjectionMetrics {
        ProjectionMetrics {
            events_processed: self.projection_events_processed.handle([projection]),
            errors: self.projection_errors.handle([projection]),
            processing_duration: self.projection_processing_duration.handle([projection]),
        }
    }

    /// The handles of the pipeline `pipeline`.
    pub fn pipeline(&self, pipeline: &str) -> PipelineMetrics {
        PipelineMetrics {
            events_processed: self.pipeline_events_processed.handle([pipeline]),
            events_filtered: self.pipeline_events_filtered.handle([pipeline]),
            processing_duration: self.pipeline_processing_duration.handle([pipeline]),
        }
    }

    /// Counts an event of `subject` that was checked against its schema.
    pub fn validated(&self, subject: &str, result: Validation) {
        self.schema_validations.at([subject, Validation::VALUES[result.index()]]).inc();
    }
}

impl ControlPlaneMetrics {
    /// The handles of the core node `node`. Its series live as long as they do: keep them for as long as the node belongs to
    /// the store.
    pub fn core_node(&self, node: &str) -> CoreNodeMetrics {
        CoreNodeMetrics {
            health_status: self.core_health_status.member([node]),
            events: self.core_events.member([node]),
        }
    }
}
