//! The control plane's answers about event stores: overview, time series, top entities.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tachometer::Kind;
use tachometer::catalogue::event_store::EventStoreMetrics;
use tachometer::declare::{Bundle, Series};
use tachometer::query::{Answer, Query, Settings, Source};
use tachometer::serve::{EndpointError, EndpointRequest};

/// Points of a time series at most.
const POINTS: u32 = 300;
/// The shortest range that a rate is taken over.
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest range that can be asked for.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// The most entities that can be asked for.
const ENTITIES: usize = 100;

/// What entities can be: what is asked for, the counter, and its label.
const ENTITIES_BY: [(&str, &str, &str); 6] = [
    ("event_type", "events_ingested_by_type", "event_type"),
    ("projection", "projection_events_processed", "projection"),
    ("pipeline", "pipeline_events_processed", "pipeline"),
    ("query_type", "queries_total", "query_type"),
    ("endpoint", "http_requests_total", "endpoint"),
    ("node", "events_ingested_total", "instance"),
];

/// How a core node does.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub name: String,
    pub healthy: bool,
}

/// What answers.
pub struct Dashboard {
    source: Arc<dyn Source>,
    settings: Settings,
    bundle: Bundle,
    /// How far polls are apart.
    interval: Duration,
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard").field("prefix", &self.bundle.prefix()).finish_non_exhaustive()
    }
}

type Answered = Result<Value, EndpointError>;

impl Dashboard {
    /// Answers from `source`, where event stores' series begin with `prefix`.
    pub fn new(source: Arc<dyn Source>, prefix: &str, interval: Duration) -> Self {
        let bundle = EventStoreMetrics::declaration_as(prefix);
        Self { source, settings: Settings::default(), bundle, interval }
    }

    /// `/api/v1/dashboard/overview`: all event stores together. What nothing is known of is `null`.
    pub fn overview(&self, nodes: &[Node]) -> Answered {
        let p = self.bundle.prefix();
        let w = seconds(self.window());
        let rate = |window: &str| format!("sum(rate({p}events_ingested_total[{window}]))");
        let ingestion = format!("{p}ingestion_duration_seconds");
        let mean = format!(
            "histogram_avg(sum(rate({ingestion}[{w}]))) \
             or sum(rate({ingestion}_sum[{w}])) / sum(rate({ingestion}_count[{w}]))"
        );
        let number = |query: &str| self.number(query);
        let milliseconds = |value: Option<f64>| value.map(|seconds| seconds * 1_000.0);
        let healthy = nodes.iter().filter(|node| node.healthy).count();
        let status = match (healthy, nodes.len()) {
            (_, 0) => "unknown",
            (0, _) => "unhealthy",
            (healthy, all) if healthy < all => "degraded",
            _ => "healthy",
        };
        Ok(json!({
            "timestamp": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            "cluster": {
                "total_nodes": nodes.len(),
                "healthy_nodes": healthy,
                "total_events": number(&format!("sum({p}storage_events_total)"))?,
                "ingestion_rate": number(&rate("5m"))?,
            },
            "performance": {
                "avg_ingestion_latency_ms": milliseconds(number(&mean)?),
                "p95_query_latency_ms": milliseconds(number(&self.quantile("query_duration_seconds", &w))?),
                "events_per_second": number(&rate(&w))?,
            },
            "health": {
                "status": status,
                "storage_size_bytes": number(&format!("sum({p}storage_size_bytes)"))?,
                "wal_segments": number(&format!("sum({p}wal_segments_total)"))?,
                "nodes": nodes.iter().map(|node| json!({"node": node.name, "healthy": node.healthy})).collect::<Vec<_>>(),
            },
        }))
    }

    /// `/api/v1/dashboard/timeseries?metric=&range=`: one series of the bundle over all nodes; of counters a second's worth, of
    /// histograms the p95.
    pub fn timeseries(&self, request: &EndpointRequest<'_>) -> Answered {
        let name = request.parameter("metric").ok_or_else(|| {
            bad("the parameter `metric` is not given: the name of a series, as events_ingested_total")
        })?;
        let series = self.series(name)?;
        let range = range(request, Duration::from_secs(3_600))?;
        let step = (range / POINTS).max(self.interval).max(Duration::from_secs(1));
        let w = seconds(step.max(self.window()));
        let (full, p95) = (series.full_name(), self.quantile(series.name(), &w));
        let (query, shows) = match series.kind() {
            Kind::Counter => (format!("sum(rate({full}[{w}]))"), "rate"),
            Kind::Histogram => (p95, "p95"),
            _ => (format!("sum({full})"), "sum"),
        };
        let step_ms = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        let end = now_ms() / step_ms * step_ms;
        let start = end - i64::try_from(range.as_millis()).unwrap_or(i64::MAX);
        let answer =
            Query::parse(&query)?.range(&*self.source, (start, end), step_ms, &self.settings)?;
        let points: Vec<Value> = match answer {
            Answer::Matrix(lines) => {
                let floats = lines.iter().flat_map(|line| &line.floats);
                let known = floats.filter(|(_, value)| value.is_finite());
                known
                    .map(|(time, value)| json!({"time": *time as f64 / 1e3, "value": value}))
                    .collect()
            }
            _ => Vec::new(),
        };
        let (range, step) = (range.as_secs_f64(), step.as_secs_f64());
        Ok(json!({
            "metric": full, "shows": shows, "range_seconds": range, "step_seconds": step, "points": points,
        }))
    }

    /// `/api/v1/dashboard/top_entities?by=&limit=&range=`: who had the most events.
    pub fn top_entities(&self, request: &EndpointRequest<'_>) -> Answered {
        let by = request.parameter("by").unwrap_or("event_type");
        let known = ENTITIES_BY.iter().find(|(name, ..)| *name == by);
        let Some((_, counter, label)) = known else {
            let names: Vec<_> = ENTITIES_BY.iter().map(|(name, ..)| *name).collect();
            return Err(bad(format!("`by` is {by:?}; there are {}", names.join(", "))));
        };
        let limit = request.parameter("limit").unwrap_or("10");
        let limit = limit.parse().ok().filter(|limit| (1..=ENTITIES).contains(limit));
        let limit =
            limit.ok_or_else(|| bad(format!("`limit` is a number from 1 to {ENTITIES}")))?;
        let range = range(request, Duration::from_secs(300))?;
        let (p, w) = (self.bundle.prefix(), seconds(range));
        let query = format!("topk({limit}, sum by ({label}) (increase({p}{counter}[{w}])) > 0)");
        let answer = self.instant(&query)?;
        let Answer::Vector(samples) = answer else { return Ok(Value::Null) };
        let mut entities: Vec<(String, f64)> = samples
            .iter()
            .filter_map(|sample| {
                let entity = sample.labels.get(label).unwrap_or_default().to_owned();
                Some((entity, sample.value.as_float()?))
            })
            .collect();
        entities.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let span = range.as_secs_f64();
        let shown = entities.iter().map(|(entity, events)| {
            json!({"entity": entity, "events": events, "events_per_second": events / span})
        });
        let entities: Vec<Value> = shown.collect();
        Ok(json!({"by": by, "range_seconds": span, "entities": entities}))
    }

    /// A series of the bundle, by its name with or without prefix.
    fn series(&self, name: &str) -> Result<&Series, EndpointError> {
        let mut all = self.bundle.series().iter().filter(|series| series.expression().is_none());
        let found = all.clone().find(|series| series.full_name() == name);
        let found = found.or_else(|| all.find(|series| series.name() == name));
        found.ok_or_else(|| {
            let names = self.bundle.series().iter().filter(|series| series.expression().is_none());
            let names: Vec<_> = names.map(Series::name).collect();
            let shown: String = name.chars().take(80).collect();
            EndpointError::NotFound(format!(
                "there is no metric {shown:?}; there are {}",
                names.join(", ")
            ))
        })
    }

    /// The p95 over all nodes: HDR histograms and native ones are merged, of others the buckets.
    fn quantile(&self, histogram: &str, window: &str) -> String {
        let p = self.bundle.prefix();
        format!(
            "histogram_quantile(0.95, sum(rate({p}{histogram}[{window}]))) \
             or histogram_quantile(0.95, sum by (le) (rate({p}{histogram}_bucket[{window}])))"
        )
    }

    /// Over what rates are taken: long enough for some polls.
    fn window(&self) -> Duration {
        SHORTEST.max(self.interval * 4)
    }

    fn instant(&self, query: &str) -> Result<Answer, EndpointError> {
        Ok(Query::parse(query)?.instant(&*self.source, now_ms(), &self.settings)?)
    }

    /// The one number of a query; `None` if nothing is known.
    fn number(&self, query: &str) -> Result<Option<f64>, EndpointError> {
        Ok(match self.instant(query)? {
            Answer::Vector(samples) => samples.first().and_then(|sample| sample.value.as_float()),
            Answer::Scalar { value, .. } => Some(value),
            _ => None,
        }
        .filter(|value| value.is_finite()))
    }
}

/// Now, in milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn bad(why: impl Into<String>) -> EndpointError {
    EndpointError::BadRequest(why.into())
}

/// As PromQL writes it.
fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs().max(1))
}

fn range(request: &EndpointRequest<'_>, default: Duration) -> Result<Duration, EndpointError> {
    let Some(text) = request.parameter("range") else { return Ok(default) };
    let wrong = |why: String| bad(format!("`range`: {why}; write it as 15m, 1h or 7d"));
    let range = humantime::parse_duration(text).map_err(|error| wrong(error.to_string()))?;
    match (SHORTEST..=LONGEST).contains(&range) {
        true => Ok(range),
        false => Err(wrong("it is from 1m to 30d".to_owned())),
    }
}
