//! Every bound of the engine, in one place.
//!
//! | limit | at the limit | counted in |
//! |---|---|---|
//! | [`ARENA_BYTES`] of one thread | records that need a new octave go to shared overflow cells: slower, never lost | `tachometer_overflow_records_total` |
//! | [`ARENA_BYTES`] and [`MAX_SHARDS`], for exemplars | the value is recorded, its exemplar is dropped | `tachometer_dropped_exemplars_total` |
//! | [`MAX_SHARDS`] threads alive at once | further threads record through the shared cells | `tachometer_overflow_records_total` |
//! | [`MAX_SCALARS`], [`MAX_HISTOGRAMS`] in the process | registration returns `Error::TooManySeries`; a family's values go to its overflow series | `tachometer_overflow_series_records_total` |
//! | series of one family ([`DEFAULT_FAMILY_LIMIT`]) | further label sets share the series `overflow="true"` | `tachometer_overflow_series_records_total` |
//! | [`MAX_FAMILY_LIMIT`] that a registry's settings can give, [`MAX_SAMPLE_EVERY`] | an error when they are made; a sampler takes the limit | the error |
//! | [`MAX_LABELS`], [`MAX_NAME_BYTES`], [`MAX_HELP_BYTES`] | registration returns an error that names the limit | the error |
//! | [`MAX_LABEL_VALUE_BYTES`] | an error at registration; a family's value goes to its overflow series | `tachometer_overflow_series_records_total` |
//! | [`DEFAULT_CUT_TIMEOUT`] | the generation is published and says how many shards were read while moving | `tachometer_incomplete_cuts_total` |
//! | [`MAX_REJECTED`] refused static handles | further ones share the last entry | `tachometer_rejected_registrations` |
//! | [`METRICS_THREAD_HANDLES`] that a thread remembers (feature `metrics`) | the macro finds the handle in the recorder's own table: slower | nowhere |
//! | [`MAX_OPENRAFT_MARKS`] along a log (feature `openraft`) | each stands for twice the time: ages and weights within it are less exact | nowhere: nothing is lost |
//! | [`OPENRAFT_RESTORE_ENTRIES`] of a log that is weighed at a node's start | the rest is read next | nowhere: nothing is lost |
//! | [`MAX_CONFIG_BYTES`] of a configuration file | it is refused | the error |
//! | [`MAX_SOURCES`], [`MAX_SOURCE_NAME_BYTES`] (feature `source`, as all of the following) | adding one returns an error | the error |
//! | [`MIN_SOURCE_TIME`], [`MAX_SOURCE_TIME`] of intervals and time limits | adding the source returns an error | the error |
//! | [`DEFAULT_SOURCE_TIME_LIMIT`] for a poll, unless set | it has failed; what it still gives counts for nothing, and it is not polled again before it returns | `tachometer_source_failures_total{reason="timeout"}` |
//! | [`DEFAULT_SOURCE_BYTES`] of a poll, unpacked, unless set | it has failed | `tachometer_source_failures_total{reason="too_large"}` |
//! | [`DEFAULT_SOURCE_SERIES`] of a source, unless set | its poll has failed | `tachometer_source_failures_total{reason="too_many_series"}` |
//! | [`MAX_NAME_BYTES`], [`MAX_LABELS`], [`MAX_LABEL_VALUE_BYTES`] of a series that a source gives | the series is left out, for the engine and for receivers | `tachometer_source_left_out_total{reason="invalid"}` |
//! | [`MAX_HELP_BYTES`] of a help that a source gives | the engine shows its beginning | nowhere |
//! | [`SOURCE_STALE_INTERVALS`] without a good poll, unless set | the series of the source end | `tachometer_source_age_seconds` |
//! | [`MAX_MAPPING_METRICS`], [`MAX_MAPPING_STEPS`] of a mapping of JSON | making it returns an error | the error |
//! | [`MAX_SOURCE_MESSAGE_BYTES`] of what a server or command says | an error shows its beginning, or its end | nowhere |
//! | [`MAX_OTLP_ATTRIBUTES`] of a resource or scope, [`MIN_OTLP_BUCKETS`] | `OtlpEncoder`'s setter returns an error that names the limit | the error |
//! | [`DEFAULT_OTLP_BUCKETS`] of a histogram's point, unless set | its buckets become twice as wide until they are few enough; count, sum and extremes stay exact | the point's `scale` |
//! | [`MAX_KEPT_BYTES`] of an encoder | further histograms that did not change are encoded again each time | nowhere: the pages are the same |
//! | [`DEFAULT_REMOTE_WRITE_SERIES`], [`DEFAULT_REMOTE_WRITE_BYTES`] of a remote write request | the rest goes into another request | the number of requests |
//! | [`MAX_REMOTE_WRITE_MARKERS`] that a remote write target is still to get | those that ended first are not sent: such series end when the receiver's lookback is over | nowhere |
//! | [`MAX_HTTP_CONNECTIONS`] at once (feature `http`, as all of the following) | further ones get 503 and are closed, or only closed past [`MAX_HTTP_REFUSALS`] | `tachometer_http_connections_refused_total` |
//! | [`MAX_HTTP_HEADER_BYTES`], [`MAX_HTTP_HEADERS`] of a request | 431, and the connection is closed | `tachometer_http_requests_total{code="431"}` |
//! | [`HTTP_HEADER_TIMEOUT`] for a request | 408, and the connection is closed | `tachometer_http_requests_total{code="408"}` |
//! | [`HTTP_IDLE_TIMEOUT`], [`HTTP_WRITE_TIMEOUT`], [`MAX_HTTP_REQUESTS`] of a connection | it is closed | `tachometer_http_connections_closed_total` |
//! | [`MAX_HTTP_FILTERS`] of one scrape | 400 | `tachometer_http_requests_total{code="400"}` |
//! | [`MAX_HTTP_RENDERS`] different pages at once | further scrapes wait for the next turn | – |
//! | [`MAX_HTTP_PAGES`] being sent at once | the connections that still read the oldest are closed | `tachometer_http_connections_closed_total{limit="pages"}` |
//! | [`MAX_HTTP_QUERIES`] calls of the query API at once (features `http` and `promql`, as all of the following) | further ones get 503 `unavailable` | `tachometer_http_requests_total{path="/api/v1",code="503"}` |
//! | [`MAX_HTTP_FORM_BYTES`] of a call's body | 413, and the connection is closed | `tachometer_http_requests_total{code="413"}` |
//! | [`MAX_HTTP_PARAMETERS`] of a call | 400 | `tachometer_http_requests_total{code="400"}` |
//! | [`MAX_HTTP_ANSWER_BYTES`] of a call's answer | 422 | `tachometer_http_requests_total{code="422"}` |
//! | [`MAX_HTTP_ENDPOINTS`] of the host's own | an error at `bind` | nowhere: the caller is told |
//! | [`HTTP_QUERY_GRACE`] after a query's time limit | 503 `timeout`, and the connection is closed | `tachometer_http_requests_total{path="/api/v1",code="503"}` |
//! | [`HTTP_BACKEND_THREADS`] calls to a query backend at once (feature `backend`, as the following) | further ones wait | nowhere: they are answered |
//! | [`DEFAULT_QUERY_TIME_LIMIT`], [`MAX_HTTP_ANSWER_BYTES`] of a backend's answer, unless set | 503 `timeout`, 422 `execution` | `tachometer_backend_calls_total{outcome="timeout"}`, `{outcome="too_large"}` |
//! | [`MAX_BACKEND_WINDOW_MS`] of samples that are fetched | what is older is not seen | nowhere |
//! | [`MAX_QUANTILES`] of an encoder | an error when it is set up | the error |
//! | [`MAX_INFLUX_KEY_BYTES`], [`MAX_GRAPHITE_PATH_BYTES`] of a series | it goes by its name and a hash of its labels | the tag `collision` |
//! | [`STATSD_DATAGRAM_BYTES`] of a datagram | a datagram ends at a line; a series too long for one goes by its name and a hash of its labels | the tag `collision` |
//! | [`MAX_STATSD_LINES`] of a histogram in one delta | its buckets are combined until they fit | nowhere: counts stay exact |
//! | [`MAX_JSON_BYTES`], [`MAX_JSON_COUNT`] of a page that is read (feature `json`) | an error that says where | the error |
//! | [`MAX_PUSH_TARGETS`] of a pusher (feature `push`, as all of the following) | starting it returns an error | the error |
//! | a target's spool: [`DEFAULT_PUSH_SPOOL_ENTRIES`], [`DEFAULT_PUSH_SPOOL_BYTES`], at most [`MAX_PUSH_SPOOL_BYTES`] | the oldest payload is dropped | `tachometer_push_dropped_total{reason="full"}` |
//! | a payload larger than its spool | it is dropped | `tachometer_push_dropped_total{reason="too_large"}` |
//! | [`DEFAULT_PUSH_TIME_LIMIT`] for an attempt | it ends, and is made again after a pause of [`DEFAULT_PUSH_RETRY_FIRST`] to [`DEFAULT_PUSH_RETRY_LONGEST`] | `tachometer_push_failures_total{reason="timeout"}` |
//! | [`MAX_PUSH_RETRY_AFTER`] that a server asks for | the pause is this long and no longer | `tachometer_push_failures_total{reason="status"}` |
//! | [`MAX_PUSH_RESPONSE_HEAD_BYTES`], [`MAX_PUSH_RESPONSE_HEADERS`] of a response | the attempt ends, and is made again | `tachometer_push_failures_total{reason="malformed"}` |
//! | [`PUSH_TURN_BYTES`] read from a target at once | the other targets have their turn, then it goes on | nowhere: nothing is lost |
//! | [`MAX_PUSH_RESPONSE_BYTES`] of a response's body | the rest is not read; the status stands | nowhere: nothing is lost |
//! | [`MAX_PUSH_MESSAGE_BYTES`] of what a server says about points that it rejects | the rest of the message is cut off | nowhere: the points are counted |
//! | [`DEFAULT_PUSH_FLUSH_LIMIT`] for the last flush | what is left is dropped, or stays in the spool's file | `tachometer_push_dropped_total{reason="shutdown"}`, and `Flush` |
//! | [`DEFAULT_HISTORY_BYTES`] of a history, unless set (feature `history`) | the oldest block of the coarsest tier goes; new series are refused where names and labels take half | `tachometer_history_dropped_chunks_total`, `tachometer_history_refused_series_total` |
//! | [`DEFAULT_HISTORY_DISK_BYTES`] of a history's directory, unless set (feature `history`, as the next three) | the oldest segment of the coarsest tier is deleted, then of finer ones | `tachometer_history_log_deleted_segments_total{reason="bytes"}` |
//! | [`MAX_HISTORY_QUEUE_ROWS`], [`MAX_HISTORY_QUEUE_BYTES`] that wait for the disk | rows are not written until it has caught up | `tachometer_history_log_dropped_rows_total{reason="waiting"}` |
//! | [`MAX_HISTORY_RECORD_BYTES`] of one row | it is not written | `tachometer_history_log_dropped_rows_total{reason="failed"}` |
//! | [`MAX_HISTORY_DAMAGE`] reports of damage | further damage is skipped without one | `tachometer_history_log_damaged_segments` |
//! | [`MAX_QUERY_BYTES`], [`MAX_QUERY_OPERATIONS`], [`MAX_QUERY_DEPTH`], [`MAX_QUERY_REGEXES`], [`MAX_QUERY_REGEX_BYTES`] of a PromQL query (feature `promql`, as all of the following) | it is refused | the error |
//! | [`DEFAULT_QUERY_TIME_LIMIT`], [`DEFAULT_QUERY_SAMPLES`], [`DEFAULT_QUERY_POINTS`], [`MAX_QUERY_STEPS`], [`MAX_QUERY_SUBSTEPS`] of its evaluation | it ends with an error that says what to ask instead | the error |
//! | [`MAX_RULE_FILES`] of a configuration | it is refused | the error |
//! | [`MAX_RULE_FILE_BYTES`], [`MAX_RULE_FILE_NODES`], [`MAX_RULE_FILE_DEPTH`], [`MAX_TEMPLATE_DEPTH`] of a rule file (feature `rules`, as all of the following) | it is refused | the error |
//! | [`MAX_TEMPLATE_BYTES`], [`MAX_TEMPLATE_STEPS`] of a template's expansion | the text is the error, in its place | the text itself |
//! | [`MAX_RULE_ALERTS`] of one alerting rule | the rule fails, as at its group's `limit`: its alerts are forgotten | `RuleStatus::failures` |
//! | [`MAX_RECORDED_SERIES`] of all rules together | further series are not kept for later rules; the caller still gets them | `Rules::dropped` |
//! | [`MAX_ALERT_TIME`] of a threshold of alerts | it is refused | the error |
//! | [`MAX_SILENCES`] | a further one is refused | the error |
//! | [`RULE_OVERDUE_INTERVALS`] without a generation (features `rules` and `history`, as all of the following) | rules are evaluated at the clock's time, each interval | `tachometer_rule_overdue_evaluations_total` |
//! | [`RULE_STATE_PERIOD`], [`RULE_STATE_REFRESH`] between two writes of the rules' state | it is written later | nowhere: nothing is lost while the process runs |
//! | [`MAX_RULE_STATE_BYTES`] of the rules' state | it is not written; of a file, it is set aside as damaged | `tachometer_rule_state_failures_total` |
//! | [`MAX_RULE_EVENTS`], [`MAX_RULE_EVENT_BYTES`] that are kept for streams of events (feature `http`, as all of the following) | the oldest go; who wanted them is told how many, or is closed if it reads too slowly | `tachometer_http_connections_closed_total{limit="slow"}` |
//! | [`MAX_HTTP_EVENT_STREAMS`] at once | further ones get 503 | `tachometer_http_requests_total{path="/api/v1/events",code="503"}` |
//! | [`HTTP_EVENT_BATCH_BYTES`] for a stream of events at a time | the rest comes when those have gone | nowhere: nothing is lost |
//! | [`HTTP_EVENT_HEARTBEAT`] without an event | the stream has a comment | nowhere |
//! | [`MAX_HTTP_LIVE_STREAMS`] of the live page at once (feature `page`, as all of the following) | further ones get 503 | `tachometer_http_requests_total{path="/api/v1",code="503"}` |
//! | [`MAX_HTTP_LIVE_QUERIES`] of one stream | 400 | `tachometer_http_requests_total{path="/api/v1",code="400"}` |
//! | [`HTTP_LIVE_TIME_LIMIT`] for the queries of a tick | those that are left say so in the tick | the tick |
//! | [`HTTP_LIVE_GAP`], [`HTTP_LIVE_BACKEND_GAP`] between two ticks | generations in between have none | nowhere: the next has the newest values |
//! | [`HTTP_LIVE_PATIENCE`] without a generation | there is a tick all the same, which says how old the data are | nowhere |
//! | [`MAX_HEATMAP_COLUMNS`] of a heat map | 400 | `tachometer_http_requests_total{path="/api/v1",code="400"}` |
//! | [`MAX_HEALTH_COMPONENTS`] of a health report (feature `health`, as all of the following) | alerts of further ones count for `other`; a builder's setting is refused | `tachometer_health_left_out{what="components"}`, the report, the error |
//! | [`MAX_HEALTH_ISSUES`] of each list of a component | the worst and oldest are shown; the others count all the same | `tachometer_health_left_out{what="issues"}`, and the report |
//! | [`MAX_HEALTH_TEXT_BYTES`] of a text in it | it is cut, and ends with `…` | the text itself |
//! | [`MAX_HEALTH_CHECKS`], [`MAX_HEALTH_NAME_BYTES`] of a component's or check's name, [`MIN_HEALTH_INTERVAL`] | starting returns an error; an alert's component of a longer name is `other` | the error, the report |
//! | [`MAX_NOTIFY_ENDPOINTS`] of a notifier (feature `notify`, as all of the following) | starting it returns an error | the error |
//! | [`DEFAULT_NOTIFY_QUEUE`] alerts that wait for a handler, unless set | the oldest that say only that alerts resolved are dropped, then the oldest | `tachometer_notify_dropped_total{reason="full"}` |
//! | [`MAX_NOTIFY_BATCH`] alerts of a request to Alertmanager | the rest goes into further requests | nowhere: nothing is lost |
//! | [`MAX_WEBHOOK_ALERTS`] of a webhook's message | changed alerts go into further messages; of others, the message says how many it lacks | `truncatedAlerts` of the message |
//! | [`DEFAULT_NOTIFY_TIME_LIMIT`] for an attempt | it ends, and is made again after a pause of [`DEFAULT_NOTIFY_RETRY_FIRST`] to [`DEFAULT_NOTIFY_RETRY_LONGEST`] | `tachometer_notify_failures_total{reason="timeout"}` |
//! | [`MAX_NOTIFY_RETRY_AFTER`] that a server asks for | the pause is this long and no longer | `tachometer_notify_failures_total{reason="status"}` |
//! | [`MAX_NOTIFY_MESSAGE_BYTES`] of what a server says when it fails | the rest is not read | nowhere: the status stands |
//! | [`MAX_NOTIFY_LINE_BYTES`] of a line in the log | values of labels and annotations after that are left out, and the line ends in `cut=true` | the line itself |
//! | [`DEFAULT_NOTIFY_FLUSH_LIMIT`] for the last flush | what waits is dropped | `tachometer_notify_dropped_total{reason="shutdown"}`, and `notify::Flush` |
//! | [`MIN_LOAD_RATE`], [`MAX_LOAD_RATE`] of a load (feature `testing`, as all of the following) | it is refused | the error |
//! | [`MAX_NETWORK_NODES`], [`MAX_NETWORK_PARTITIONS`] of a test's network | it is refused | the error |
//! | [`MAX_TEST_LINES`] of what an assertion lists | the rest is counted | the message |
//! | [`MAX_WAITED_VALUES`] that a wait in vain tells | those in the middle are left out | the message, `testing::Waited::left_out` |
//! | [`MAX_ARTIFACT_EVENTS`] of a run (features `testing` and `json`, as all of the following) | the first half stays, of the others the latest | `dropped_events` of the artifact |
//! | [`MAX_ARTIFACT_READINGS`] of its memory | every second one goes, but for the first and the latest | nowhere: they lie further apart |
//! | [`MAX_ARTIFACT_FACTS`] | further ones are left out | `dropped_facts` of the artifact |
//! | [`MAX_ARTIFACT_TEXT_BYTES`] of a text in it | it is cut, and ends with `…` | the text itself |
//! | [`MAX_JSON_BYTES`] of an artifact | its metrics are left out | `metrics_left_out` of the artifact |
//! | [`ARTIFACT_PERIOD`] between two writes | what came meanwhile goes out with the next | nowhere: nothing is lost, but to a SIGKILL |

use std::num::NonZeroU32;
use std::time::Duration;

/// Address space reserved for one thread's cells; memory is used only as it is touched.
pub const ARENA_BYTES: usize = if cfg!(tachometer_loom) { 1 << 10 } else { 64 << 20 };
/// Address space reserved for the cells shared by threads without a shard of their own.
pub const SHARED_ARENA_BYTES: usize = 4 << 30;
/// The largest number of recording threads alive at once that have a shard of their own.
pub const MAX_SHARDS: usize = 16_384;
/// Counters, up-down counters and gauges in one process, all registries together.
pub const MAX_SCALARS: usize = if cfg!(tachometer_loom) { 2 } else { 1 << 17 };
/// Histograms in one process, all registries together.
pub const MAX_HISTOGRAMS: usize = if cfg!(tachometer_loom) { 1 } else { 1 << 13 };
/// Labels of one series, constant ones included.
pub const MAX_LABELS: usize = 32;
/// Bytes of a metric's or label's name.
pub const MAX_NAME_BYTES: usize = 256;
/// Bytes of a metric's help.
pub const MAX_HELP_BYTES: usize = 4096;
/// Bytes of a label's value.
pub const MAX_LABEL_VALUE_BYTES: usize = 4096;
/// Handles of each type that a thread remembers for the macros of the `metrics` crate.
pub const METRICS_THREAD_HANDLES: usize = 2_048;
/// `le` bounds of one histogram on a page.
pub const MAX_BUCKETS: usize = 512;
/// Series of one family unless it is given another limit.
pub const DEFAULT_FAMILY_LIMIT: usize = 1_000;
/// The highest limit that [`RegistrySettings`](crate::RegistrySettings) can give to all families: the scalars of a process.
pub const MAX_FAMILY_LIMIT: usize = 1 << 17;
/// Marks along the log of an openraft node (feature `openraft`), 16 KiB: enough for the age and weight of any entry within a
/// two-hundredth of the log.
pub const MAX_OPENRAFT_MARKS: usize = 512;
/// Entries that are read at once when an openraft node's log is weighed at its start.
pub const OPENRAFT_RESTORE_ENTRIES: u64 = 1_000;
/// Of events that are too many to measure each, one in so many is, unless an operator says otherwise: see
/// [`Sampler`](crate::Sampler).
pub const DEFAULT_SAMPLE_EVERY: NonZeroU32 = NonZeroU32::new(8).unwrap();
/// The largest N of which one event is drawn: a sample of fewer says nothing.
pub const MAX_SAMPLE_EVERY: u32 = 1 << 20;
/// Refused registrations of static handles that are kept, with their reason, for the operator to see.
pub const MAX_REJECTED: usize = 64;
/// How long a cut waits for a thread that stopped inside a record.
pub const DEFAULT_CUT_TIMEOUT: Duration = Duration::from_millis(10);
/// How often the aggregator cuts unless told otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes of a configuration file.
pub const MAX_CONFIG_BYTES: usize = 1 << 20;
/// The shortest interval that the aggregator accepts.
pub const MIN_INTERVAL: Duration = Duration::from_millis(1);
/// Attributes of an OTLP resource, and of its scope: OpenTelemetry's own default.
pub const MAX_OTLP_ATTRIBUTES: usize = 128;
/// Buckets of one point of an OTLP exponential histogram, zeros in between included, unless it is
/// given another limit: what OpenTelemetry's own aggregation takes, so what every receiver expects.
pub const DEFAULT_OTLP_BUCKETS: usize = 160;
/// The smallest limit for them: the coarsest buckets end at 1, with values on both sides of it.
pub const MIN_OTLP_BUCKETS: usize = 2;
/// Bytes of histograms that did not change since they were encoded last, which an encoder of Prometheus protobuf or remote write
/// keeps so as not to encode them again. A native histogram of some hundred buckets has about 1 KiB.
pub const MAX_KEPT_BYTES: usize = 16 << 20;
/// Series of one remote write request unless the encoder is given another limit.
pub const DEFAULT_REMOTE_WRITE_SERIES: usize = 2_000;
/// Bytes of one remote write request, before compression, unless the encoder is given another limit.
pub const DEFAULT_REMOTE_WRITE_BYTES: usize = 1 << 20;
/// The largest number of bytes that can be allowed a remote write request: receivers decode no more.
pub const MAX_REMOTE_WRITE_BYTES: usize = 32 << 20;
/// Staleness markers that were in requests which were given up, and are to be sent again.
pub const MAX_REMOTE_WRITE_MARKERS: usize = 10_000;
/// HTTP connections that are served at once. Each costs a file descriptor and
/// [`MAX_HTTP_HEADER_BYTES`] of memory, and no thread.
pub const MAX_HTTP_CONNECTIONS: usize = 256;
/// HTTP connections over [`MAX_HTTP_CONNECTIONS`] that are being told so at once.
pub const MAX_HTTP_REFUSALS: usize = 32;
/// Different pages that HTTP clients are being sent at once, which bounds the memory that clients
/// who do not read can hold. Scrapes that arrive together share a page.
pub const MAX_HTTP_PAGES: usize = 8;
/// Different pages (format, coding, filter) that the HTTP listener makes before it looks at its
/// connections again, unless told otherwise. Whoever wants another one waits for the next turn.
pub const MAX_HTTP_RENDERS: usize = 4;
/// Names and labels by which one scrape may choose its series.
pub const MAX_HTTP_FILTERS: usize = 64;
/// Bytes of an HTTP request: its first line and its headers.
pub const MAX_HTTP_HEADER_BYTES: usize = 8 << 10;
/// Headers of an HTTP request.
pub const MAX_HTTP_HEADERS: usize = 64;
/// Requests that one HTTP connection may make; then it is closed and the client opens another.
pub const MAX_HTTP_REQUESTS: u32 = 1_000;
/// From an HTTP request's first byte (a connection's first one: from its acceptance) to its last.
pub const HTTP_HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an HTTP connection may stay without a request: longer than the usual scrape intervals,
/// so that a scraper keeps its connection.
pub const HTTP_IDLE_TIMEOUT: Duration = Duration::from_secs(90);
/// How long an HTTP client may take to read one response.
pub const HTTP_WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a closing HTTP connection waits for the client to read the last response and to close.
pub const HTTP_LINGER: Duration = Duration::from_secs(1);
/// How long the HTTP listener leaves new connections waiting when the process has no file
/// descriptor for them.
pub const HTTP_ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Threads that evaluate queries for one HTTP listener, beside the one that serves.
pub const HTTP_QUERY_THREADS: usize = 2;
/// Endpoints of the host's own at one listener.
pub const MAX_HTTP_ENDPOINTS: usize = 64;
/// Calls of the query API that wait, are evaluated or are being sent at once, for one HTTP listener.
pub const MAX_HTTP_QUERIES: usize = 64;
/// Bytes of the body of a call of the query API: a query of [`MAX_QUERY_BYTES`], percent-encoded, and room beside it.
pub const MAX_HTTP_FORM_BYTES: usize = 256 << 10;
/// Parameters of a call of the query API.
pub const MAX_HTTP_PARAMETERS: usize = 256;
/// Bytes of an answer of the query API: [`MAX_QUERY_STEPS`] points each of 50 series.
pub const MAX_HTTP_ANSWER_BYTES: usize = 16 << 20;
/// How long after its time limit a query's client still waits for the answer: a source may be slow to say anything at all.
pub const HTTP_QUERY_GRACE: Duration = Duration::from_secs(30);
/// Threads that hand queries on to a backend for one HTTP listener: they wait more than they work.
pub const HTTP_BACKEND_THREADS: usize = 8;
/// How long a connection to a query backend is kept without a call.
pub const BACKEND_IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest window, in milliseconds, that is fetched of a query backend to be evaluated here: ten years.
pub const MAX_BACKEND_WINDOW_MS: i64 = 10 * 366 * 24 * 3_600_000;
/// The window of `/metrics/aggregated`, unless asked for another one.
pub const DEFAULT_AGGREGATION_WINDOW: Duration = Duration::from_secs(300);
/// Quantiles that an encoder shows of each histogram.
pub const MAX_QUANTILES: usize = 32;
/// Bytes of a measurement and its tags in the Influx line protocol; InfluxDB takes 65,535.
pub const MAX_INFLUX_KEY_BYTES: usize = 65_000;
/// Bytes of a name and its tags for Graphite; carbon closes a connection after a line of 16,384.
pub const MAX_GRAPHITE_PATH_BYTES: usize = 16_000;
/// Bytes of a StatsD datagram unless told otherwise: what an Ethernet frame of 1,500 carries, with room for tunnels.
pub const STATSD_DATAGRAM_BYTES: usize = 1_432;
/// The smallest limit of a StatsD datagram: the longest name, a hash, a value and a rate have room in it.
pub const MIN_STATSD_DATAGRAM_BYTES: usize = 512;
/// Lines that one histogram becomes in one StatsD delta.
pub const MAX_STATSD_LINES: usize = 128;
/// Bytes of a JSON page that is read.
pub const MAX_JSON_BYTES: usize = 64 << 20;
/// Values that one histogram of a page that is read can have: 256 such histograms add up without overflow.
pub const MAX_JSON_COUNT: u64 = 1 << 55;
/// Operations a second of a load: one in 11 days.
pub const MIN_LOAD_RATE: f64 = 1e-6;
/// Operations a second of a load: one a nanosecond.
pub const MAX_LOAD_RATE: f64 = 1e9;
/// Nodes of a test's network.
pub const MAX_NETWORK_NODES: usize = 1_024;
/// Partitions of a test's network.
pub const MAX_NETWORK_PARTITIONS: usize = 65_536;
/// Lines of a list in a message of an assertion: what one reads.
pub const MAX_TEST_LINES: usize = 24;
/// Values that a wait in vain tells.
pub const MAX_WAITED_VALUES: usize = 24;
/// How long the cuts of a test's collector wait: as long as a busy machine may leave another test's thread without a processor in
/// the middle of a record.
pub const TEST_CUT_TIMEOUT: Duration = Duration::from_secs(60);
/// The time between two writes of a run's artifact. What it says at its end, and of a panic, is written at once.
pub const ARTIFACT_PERIOD: Duration = Duration::from_secs(1);
/// Events of a run's artifact.
pub const MAX_ARTIFACT_EVENTS: usize = 4_096;
/// Readings of the process's memory in a run's artifact: one a minute for almost three days.
pub const MAX_ARTIFACT_READINGS: usize = 4_096;
/// Facts of a run's artifact.
pub const MAX_ARTIFACT_FACTS: usize = 256;
/// Bytes of one text of a run's artifact.
pub const MAX_ARTIFACT_TEXT_BYTES: usize = 1_024;
/// Targets of one pusher. Each may need a descriptor, and a thread while its host's name is looked up.
pub const MAX_PUSH_TARGETS: usize = 32;
/// How often a target is pushed to unless it is told otherwise.
pub const DEFAULT_PUSH_INTERVAL: Duration = Duration::from_secs(10);
/// The shortest interval and time limit that a push target accepts.
pub const MIN_PUSH_INTERVAL: Duration = Duration::from_millis(10);
/// How long an attempt to push may take, from the look-up of the name to the last byte of the
/// response.
pub const DEFAULT_PUSH_TIME_LIMIT: Duration = Duration::from_secs(10);
/// The pause after a first attempt that failed; it doubles with each further one.
pub const DEFAULT_PUSH_RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest pause between attempts, unless the server asks for a longer one.
pub const DEFAULT_PUSH_RETRY_LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a server can ask for.
pub const MAX_PUSH_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// Payloads that wait for one target: an hour of them at the default interval.
pub const DEFAULT_PUSH_SPOOL_ENTRIES: usize = 360;
/// Bytes that wait for one target.
pub const DEFAULT_PUSH_SPOOL_BYTES: usize = 16 << 20;
/// The most bytes that a target's spool can be given.
pub const MAX_PUSH_SPOOL_BYTES: usize = 1 << 30;
/// Bytes of settled payloads that a spool's file may hold beside as many bytes as wait.
pub const PUSH_SPOOL_SLACK_BYTES: u64 = 1 << 20;
/// How long the last flush may take.
pub const DEFAULT_PUSH_FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a UDP datagram: what an Ethernet frame carries over IPv6 or a tunnel.
pub const DEFAULT_PUSH_DATAGRAM_BYTES: usize = 1432;
/// Bytes that are read from one target before the others have their turn.
pub const PUSH_TURN_BYTES: usize = 256 << 10;
/// Bytes of the head of a response to a push.
pub const MAX_PUSH_RESPONSE_HEAD_BYTES: usize = 16 << 10;
/// Headers of a response to a push.
pub const MAX_PUSH_RESPONSE_HEADERS: usize = 64;
/// Bytes of a response's body that are kept for the protocol to look at.
pub const MAX_PUSH_RESPONSE_BYTES: usize = 64 << 10;
/// Bytes of what a server says about points that it rejects that are kept for the target's status.
pub const MAX_PUSH_MESSAGE_BYTES: usize = 1 << 10;
/// Bytes of a PromQL query.
pub const MAX_QUERY_BYTES: usize = 64 << 10;
/// Operators, calls, parentheses and brackets of a PromQL query, outside of selectors.
pub const MAX_QUERY_OPERATIONS: usize = 1_000;
/// How deep a PromQL query's expressions may nest: each level takes some of the stack.
pub const MAX_QUERY_DEPTH: usize = 100;
/// Bytes of a regular expression of a PromQL query, once compiled.
pub const MAX_QUERY_REGEX_BYTES: usize = 1 << 20;
/// Regular expressions in the selectors of a PromQL query.
pub const MAX_QUERY_REGEXES: usize = 100;
/// How long the evaluation of a PromQL query may take, unless told otherwise.
pub const DEFAULT_QUERY_TIME_LIMIT: Duration = Duration::from_secs(30);
/// Samples that the evaluation of a PromQL query may touch, unless told otherwise. A histogram counts by its buckets.
pub const DEFAULT_QUERY_SAMPLES: u64 = 50_000_000;
/// Points that a PromQL query, or a part of it, may result in, unless told otherwise.
pub const DEFAULT_QUERY_POINTS: u64 = 5_000_000;
/// Steps of a PromQL range query, as Prometheus has it.
pub const MAX_QUERY_STEPS: u64 = 11_000;
/// Steps of a subquery: a day by the second.
pub const MAX_QUERY_SUBSTEPS: u64 = 100_000;
/// Tiers of a history unless told otherwise, each with its step and its span.
pub const DEFAULT_HISTORY_TIERS: [(Duration, Duration); 2] = [
    (Duration::from_secs(1), Duration::from_secs(15 * 60)),
    (Duration::from_secs(15), Duration::from_secs(24 * 60 * 60)),
];
/// Tiers that a history can have.
pub const MAX_HISTORY_TIERS: usize = 4;
/// The shortest step of a history's tier.
pub const MIN_HISTORY_STEP: Duration = Duration::from_millis(1);
/// The longest span of a history's tier: ten years.
pub const MAX_HISTORY_SPAN: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);
/// Bytes that a history may take unless told otherwise.
pub const DEFAULT_HISTORY_BYTES: usize = 256 << 20;
/// The smallest bound on a history's bytes.
pub const MIN_HISTORY_BYTES: usize = 64 << 10;
/// Rows of one block of a history: generations in the finest tier, steps in the others. A block is packed, and leaves,
/// as a whole.
pub const HISTORY_BLOCK_ROWS: usize = 240;
/// Bytes that a history may take on disk unless told otherwise.
pub const DEFAULT_HISTORY_DISK_BYTES: u64 = 1 << 30;
/// The smallest bound on a history's bytes on disk.
pub const MIN_HISTORY_DISK_BYTES: u64 = 256 << 10;
/// How many segments of one size the bound of a history's bytes on disk is divided into.
pub(crate) const HISTORY_SEGMENTS: u64 = 32;
/// The smallest and the largest size at which a segment of a history ends, unless four times its first row is more.
pub(crate) const HISTORY_SEGMENT_BYTES: (usize, usize) = (16 << 10, 16 << 20);
/// The part of its tier's span (one in so many) after which a segment of a history ends.
pub const HISTORY_SPAN_SEGMENTS: i64 = 8;
/// Bytes of one row of a history on disk.
pub const MAX_HISTORY_RECORD_BYTES: usize = 256 << 20;
/// Rows of a history that may wait for the disk.
pub const MAX_HISTORY_QUEUE_ROWS: usize = 1_024;
/// Bytes of rows that may wait for the disk, but for the last one.
pub const MAX_HISTORY_QUEUE_BYTES: usize = 32 << 20;
/// How often what was written of a history is synced: what a loss of power may cost.
pub const HISTORY_LOG_SYNC: Duration = Duration::from_secs(5);
/// How long after the disk refused a row of a history the next attempt is made.
pub const HISTORY_LOG_RETRY: Duration = Duration::from_secs(5);
/// Damaged parts of a history on disk that are told one by one.
pub const MAX_HISTORY_DAMAGE: usize = 1_000;
/// Rule files that a configuration names.
pub const MAX_RULE_FILES: usize = 1_000;
/// Generations over which a history packs a closed block's columns: five sixths of those that the block took, within
/// these bounds. A block's packing is over before the next one closes.
pub(crate) const HISTORY_PACKING_GENERATIONS: (u64, u64) = (200, 3_000);
/// Rows of numbers that wait, at most, before a history gives them to their series' columns.
#[cfg(feature = "history")]
pub(crate) const HISTORY_STAGED_ROWS: usize = 8;
/// Numbers of a history's column that are packed in one piece while their block is open.
#[cfg(feature = "history")]
pub(crate) const HISTORY_PIECE_ROWS: usize = 40;
/// Generations over which the columns of a block that is too old leave a history.
#[cfg(feature = "history")]
pub(crate) const HISTORY_AGING_GENERATIONS: usize = 32;
/// How long a history waits for the lock of a directory that this very process holds: a child that is being started has it for a
/// moment.
#[cfg(feature = "history")]
pub(crate) const HISTORY_LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(1);
/// The least work of a generation's packing, in bytes of numbers: small histories are packed at once.
#[cfg(feature = "history")]
pub(crate) const HISTORY_PACKING_WORK: usize = 32 << 10;
/// Bytes of a rule file.
pub const MAX_RULE_FILE_BYTES: usize = 1 << 20;
/// Values of a rule file's YAML, those that its aliases repeat counted each time.
pub const MAX_RULE_FILE_NODES: usize = 100_000;
/// How deep a rule file's YAML may nest; rules need six levels.
pub const MAX_RULE_FILE_DEPTH: usize = 32;
/// How deep actions and parentheses of a template may nest.
pub const MAX_TEMPLATE_DEPTH: usize = 32;
/// Bytes that a template may expand to.
pub const MAX_TEMPLATE_BYTES: usize = 64 << 10;
/// Actions, arguments and turns of `range` in one expansion of a template.
pub const MAX_TEMPLATE_STEPS: usize = 100_000;
/// Alerts that one rule may have, pending and firing, whatever its group's `limit` says.
pub const MAX_RULE_ALERTS: usize = 10_000;
/// Series that rules record, `ALERTS` and `ALERTS_FOR_STATE` among them, that are kept for later rules.
pub const MAX_RECORDED_SERIES: usize = 100_000;
/// How long what rules record is kept for later rules, unless told otherwise.
pub const DEFAULT_RECORDED_RETENTION: Duration = Duration::from_secs(3_600);
/// How long an alert that resolved is remembered, as Prometheus has it.
pub const RESOLVED_RETENTION: Duration = Duration::from_secs(900);
/// After how long without an evaluation the alerts of a saved state are no longer taken up, as Prometheus has it.
pub const RULE_OUTAGE_TOLERANCE: Duration = Duration::from_secs(3_600);
/// The longest time that a threshold of an alert configuration may have: the default history reaches no further back.
pub const MAX_ALERT_TIME: Duration = Duration::from_secs(24 * 3_600);
/// Silences at a time.
pub const MAX_SILENCES: usize = 10_000;
/// Intervals without a generation after which rules are evaluated all the same, at the clock's time.
pub const RULE_OVERDUE_INTERVALS: u32 = 3;
/// How often the state of rules is written while alerts change.
pub const RULE_STATE_PERIOD: Duration = Duration::from_secs(1);
/// How often it is written while alerts are pending or fire and nothing changes: it says how long the process was away.
pub const RULE_STATE_REFRESH: Duration = Duration::from_secs(15);
/// Bytes of a file with the state of rules.
pub const MAX_RULE_STATE_BYTES: usize = 64 << 20;
/// Changes of alerts that are kept for streams of events that come back, or read slowly.
pub const MAX_RULE_EVENTS: usize = 1_024;
/// Bytes of changes of alerts that are kept so.
pub const MAX_RULE_EVENT_BYTES: usize = 4 << 20;
/// Streams of events at once, of one listener or router.
pub const MAX_HTTP_EVENT_STREAMS: usize = 64;
/// Bytes that a stream of events is given at a time; one more event may begin below it.
pub const HTTP_EVENT_BATCH_BYTES: usize = 64 << 10;
/// After how long without an event a stream has a comment, so that both ends see that the other is there.
pub const HTTP_EVENT_HEARTBEAT: Duration = Duration::from_secs(15);
/// Streams of the live page at once, of one listener.
pub const MAX_HTTP_LIVE_STREAMS: usize = 16;
/// Queries and heat maps of one stream of the live page.
pub const MAX_HTTP_LIVE_QUERIES: usize = 200;
/// How long the queries of one tick of the live page may take together.
pub const HTTP_LIVE_TIME_LIMIT: Duration = Duration::from_secs(5);
/// The shortest time between two ticks of the live page: generations that scrapes ask for in between have none.
pub const HTTP_LIVE_GAP: Duration = Duration::from_millis(500);
/// The same, where each query goes to a backend.
pub const HTTP_LIVE_BACKEND_GAP: Duration = Duration::from_secs(5);
/// After how long without a generation the live page gets a tick all the same.
pub const HTTP_LIVE_PATIENCE: Duration = Duration::from_secs(2);
/// Columns of a heat map.
pub const MAX_HEATMAP_COLUMNS: usize = 1_000;
/// Components of a health report, `metrics` and `other` among them.
pub const MAX_HEALTH_COMPONENTS: usize = 64;
/// Issues that each list of a component has in a health report.
pub const MAX_HEALTH_ISSUES: usize = 50;
/// Bytes of a text in a health report: an alert's summary, a label's value, an expression, what a check says.
pub const MAX_HEALTH_TEXT_BYTES: usize = 1 << 10;
/// Bytes of the name of a component, or of a check.
pub const MAX_HEALTH_NAME_BYTES: usize = 128;
/// Checks of the host. Each has a thread, so that one that hangs holds up no other.
pub const MAX_HEALTH_CHECKS: usize = 64;
/// The shortest interval and time limit of a check.
pub const MIN_HEALTH_INTERVAL: Duration = Duration::from_millis(1);
/// How long the series of a component stays that nobody names any more.
pub const HEALTH_SERIES_IDLE: Duration = Duration::from_secs(60);
/// Endpoints of one notifier: each handler is one, one of Alertmanagers as many as it has addresses. Each has a thread.
pub const MAX_NOTIFY_ENDPOINTS: usize = 32;
/// Alerts that wait for one endpoint of a notifier, as many as Prometheus keeps.
pub const DEFAULT_NOTIFY_QUEUE: usize = 10_000;
/// The most alerts that can be allowed to wait for one endpoint of a notifier.
pub const MAX_NOTIFY_QUEUE: usize = 1_000_000;
/// Alerts of one request to Alertmanager, as Prometheus has it.
pub const MAX_NOTIFY_BATCH: usize = 64;
/// Alerts of one message to a webhook.
pub const MAX_WEBHOOK_ALERTS: usize = 1_000;
/// After how long Alertmanager is told again of an alert, unless told otherwise, as Prometheus does.
pub const DEFAULT_NOTIFY_RESEND_DELAY: Duration = Duration::from_secs(60);
/// How long an attempt to notify may take, from the look-up of the name to the end of the answer's head.
pub const DEFAULT_NOTIFY_TIME_LIMIT: Duration = Duration::from_secs(10);
/// The shortest time limit, pause and delay that a handler of notifications accepts.
pub const MIN_NOTIFY_TIME: Duration = Duration::from_millis(10);
/// The pause after a first attempt to notify that failed; it doubles with each further one.
pub const DEFAULT_NOTIFY_RETRY_FIRST: Duration = Duration::from_millis(500);
/// The longest pause between attempts to notify, unless the server asks for a longer one.
pub const DEFAULT_NOTIFY_RETRY_LONGEST: Duration = Duration::from_secs(30);
/// The longest pause that a server which is notified can ask for: whoever waits longer for an alert has no alert.
pub const MAX_NOTIFY_RETRY_AFTER: Duration = Duration::from_secs(300);
/// Bytes of what a server says when it does not take a notification that are kept for the handler's status.
pub const MAX_NOTIFY_MESSAGE_BYTES: usize = 512;
/// Bytes of a line in the log about an alert.
pub const MAX_NOTIFY_LINE_BYTES: usize = 16 << 10;
/// How long the last flush of notifications may take.
pub const DEFAULT_NOTIFY_FLUSH_LIMIT: Duration = Duration::from_secs(5);
/// Sources at a time. Each has a thread, so that one that hangs holds up no other.
pub const MAX_SOURCES: usize = 1_000;
/// Bytes of a source's name.
pub const MAX_SOURCE_NAME_BYTES: usize = 128;
/// From one poll of a source to the next, unless told otherwise.
pub const DEFAULT_SOURCE_INTERVAL: Duration = Duration::from_secs(15);
/// How long a poll of a source may take, unless told otherwise, as Prometheus has it.
pub const DEFAULT_SOURCE_TIME_LIMIT: Duration = Duration::from_secs(10);
/// The shortest interval and time limit of a source.
pub const MIN_SOURCE_TIME: Duration = Duration::from_millis(1);
/// The longest interval and time limit of a source.
pub const MAX_SOURCE_TIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Intervals without a good poll after which the series of a source end.
pub const SOURCE_STALE_INTERVALS: u32 = 3;
/// The longest pause after polls that failed, unless the interval is longer: eight intervals, and at most this.
pub const SOURCE_RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Bytes that a poll of a source may read, after unpacking, unless told otherwise.
pub const DEFAULT_SOURCE_BYTES: usize = 16 << 20;
/// Series that a source may give, each bucket and quantile counted, unless told otherwise.
pub const DEFAULT_SOURCE_SERIES: usize = 50_000;
/// How long the series about a source stay after it was removed.
pub const SOURCE_SERIES_IDLE: Duration = Duration::from_secs(60);
/// Bytes of what a command says, or a server, that are kept for an error.
pub const MAX_SOURCE_MESSAGE_BYTES: usize = 512;
/// Metrics of a mapping of JSON.
pub const MAX_MAPPING_METRICS: usize = 1_000;
/// Steps of a path in a mapping of JSON.
pub const MAX_MAPPING_STEPS: usize = 32;
/// Generations a shard must have been idle before its cells are no longer read at each cut.
pub(crate) const IDLE_CUTS: u32 = if cfg!(tachometer_loom) { 1 } else { 4 };
/// Cuts of a bank that read only the histograms which say that they changed, before one that reads all of them: so that
/// even a record outside the guarantees, made in a signal handler that interrupts another, shows in the end.
pub(crate) const TRUSTED_CUTS: u32 = 64;

const _: () = assert!(
    MAX_HTTP_EVENT_STREAMS < MAX_HTTP_CONNECTIONS,
    "streams of events leave connections for scrapes"
);
const _: () = assert!(
    MAX_HTTP_LIVE_STREAMS < MAX_HTTP_QUERIES && MAX_HTTP_LIVE_QUERIES < MAX_HTTP_PARAMETERS,
    "streams of the live page leave queries for others, and their forms can be read"
);
const _: () = assert!(ARENA_BYTES < u32::MAX as usize, "block offsets are 32 bits wide");
const _: () = assert!(SHARED_ARENA_BYTES <= 1 << 32, "block offsets are 32 bits wide");
const _: () =
    assert!(crate::shard::layout::BLOCKS < ARENA_BYTES, "the slots leave room for blocks");
const _: () =
    assert!(MAX_BUCKETS + 3 < DEFAULT_REMOTE_WRITE_SERIES, "a classic histogram fits a request");
const _: () = assert!(DEFAULT_REMOTE_WRITE_BYTES <= MAX_REMOTE_WRITE_BYTES);
const _: () = assert!(
    HTTP_LINGER.as_secs() < HTTP_HEADER_TIMEOUT.as_secs()
        && HTTP_HEADER_TIMEOUT.as_secs() < HTTP_WRITE_TIMEOUT.as_secs()
        && HTTP_WRITE_TIMEOUT.as_secs() < HTTP_IDLE_TIMEOUT.as_secs(),
    "the less an HTTP client deserves it, the less time it gets"
);
const _: () = assert!(MAX_HTTP_RENDERS <= MAX_HTTP_PAGES, "the pages of one turn can all be kept");
const _: () = assert!(
    MAX_NAME_BYTES + 128 < MIN_STATSD_DATAGRAM_BYTES
        && MIN_STATSD_DATAGRAM_BYTES < STATSD_DATAGRAM_BYTES,
    "every StatsD line fits a datagram"
);
const _: () = assert!(MAX_STATSD_LINES >= 64, "a line for each octave");
const _: () = assert!(
    MAX_HTTP_PAGES < MAX_HTTP_CONNECTIONS && MAX_HTTP_REFUSALS < MAX_HTTP_CONNECTIONS,
    "those who make trouble are a part of all HTTP connections"
);
const _: () = assert!(
    DEFAULT_PUSH_RETRY_FIRST.as_millis() < DEFAULT_PUSH_RETRY_LONGEST.as_millis()
        && DEFAULT_PUSH_RETRY_LONGEST.as_secs() <= MAX_PUSH_RETRY_AFTER.as_secs(),
    "pauses between attempts to push grow"
);
const _: () = assert!(
    MIN_NOTIFY_TIME.as_millis() < DEFAULT_NOTIFY_RETRY_FIRST.as_millis()
        && DEFAULT_NOTIFY_RETRY_FIRST.as_millis() < DEFAULT_NOTIFY_RETRY_LONGEST.as_millis()
        && DEFAULT_NOTIFY_RETRY_LONGEST.as_secs() <= MAX_NOTIFY_RETRY_AFTER.as_secs(),
    "pauses between attempts to notify grow"
);
const _: () = assert!(
    2 * 9 * MAX_SOURCES <= MAX_FAMILY_LIMIT,
    "the series about sources fit their families, by reason, those of removed ones too"
);
const _: () = assert!(MAX_WEBHOOK_ALERTS < DEFAULT_NOTIFY_QUEUE, "a message fits a queue");
const _: () =
    assert!(MAX_PUSH_SPOOL_BYTES < u32::MAX as usize, "lengths in a spool's file are 32 bits wide");
const _: () =
    assert!(HISTORY_BLOCK_ROWS <= u16::MAX as usize, "rows of a block are counted in 16 bits");
const _: () = assert!(
    MAX_HISTORY_RECORD_BYTES <= u32::MAX as usize,
    "lengths of a history's records are 32 bits wide"
);
const _: () = assert!(
    HISTORY_SEGMENT_BYTES.0 as u64 * HISTORY_SEGMENTS / 2 <= MIN_HISTORY_DISK_BYTES,
    "the smallest bound has room for sixteen of the smallest segments"
);
const _: () =
    assert!(HISTORY_PACKING_GENERATIONS.0 < HISTORY_BLOCK_ROWS as u64, "packing keeps up");
const _: () = assert!(
    // An escaped byte is up to six; each event has two texts, each fact too.
    12 * MAX_ARTIFACT_TEXT_BYTES * (MAX_ARTIFACT_EVENTS + MAX_ARTIFACT_FACTS) < MAX_JSON_BYTES,
    "an artifact without its metrics can be read"
);
