//! An event store in miniature, in memory: it really validates, logs, projects, filters, replays and compacts, and records
//! each through the catalogue's bundle.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tachometer::catalogue::event_store::{
    EventStoreMetrics, PipelineMetrics, ProjectionMetrics, Validation,
};
use tokio::sync::watch;

/// A segment of the write-ahead log this large is closed, and becomes a file.
const SEGMENT_BYTES: usize = 4 << 10;

/// What a file begins with.
const FILE_HEAD: &[u8; 32] = b"event store in miniature, file\r\n";

/// Orders below this are of no interest to the pipeline.
const LARGE: i64 = 500;

struct Event {
    kind: String,
    entity: String,
    amount: Option<i64>,
}

#[derive(Default)]
struct Inner {
    events: Vec<Event>,
    entities: BTreeSet<String>,
    /// The open segment of the write-ahead log, and those that are closed.
    segment: Vec<u8>,
    files: Vec<Vec<u8>>,
    /// Fields that events of a type must have.
    schemas: BTreeMap<String, Vec<String>>,
    totals: BTreeMap<String, i64>,
    snapshots: BTreeMap<String, i64>,
}

/// The store.
pub struct Store {
    metrics: EventStoreMetrics,
    totals: ProjectionMetrics,
    large: PipelineMetrics,
    inner: Mutex<Inner>,
    /// How many events there are, for those who wait for the next.
    news: watch::Sender<usize>,
}

/// Why an event was refused.
#[derive(Debug)]
pub enum Refused {
    NoEvent,
    AgainstSchema,
}

impl Store {
    pub fn new(metrics: EventStoreMetrics) -> Store {
        let (totals, large) = (metrics.projection("totals"), metrics.pipeline("large_orders"));
        metrics.pipelines_registered.set(1.0);
        let (inner, news) = (Mutex::default(), watch::Sender::new(0));
        Store { metrics, totals, large, inner, news }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events of type `subject` must have the fields `required` from now on.
    pub fn register_schema(&self, subject: &str, required: Vec<String>) {
        let mut inner = self.inner();
        inner.schemas.insert(subject.to_owned(), required);
        self.metrics.schemas_registered.set(inner.schemas.len() as f64);
    }

    /// Stores the event that `body` is; returns how many there are.
    pub fn ingest(&self, body: &[u8]) -> Result<usize, Refused> {
        let _timer = self.metrics.ingestion_duration.start();
        let stored = self.parse(body).and_then(|(event, value)| self.store(event, &value, body));
        match &stored {
            Ok(count) => {
                self.metrics.events_ingested.inc();
                self.news.send_if_modified(|latest| {
                    let is_later = *count > *latest;
                    *latest = (*latest).max(*count);
                    is_later
                });
            }
            Err(_) => self.metrics.ingestion_errors.inc(),
        }
        stored
    }

    fn parse(&self, body: &[u8]) -> Result<(Event, Value), Refused> {
        let value: Value = serde_json::from_slice(body).map_err(|_| Refused::NoEvent)?;
        let text = |field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
        let (kind, entity) = text("type").zip(text("entity")).ok_or(Refused::NoEvent)?;
        let amount = value.get("amount").and_then(Value::as_i64);
        Ok((Event { kind, entity, amount }, value))
    }

    fn store(&self, event: Event, value: &Value, body: &[u8]) -> Result<usize, Refused> {
        let mut inner = self.inner();
        if let Some(required) = inner.schemas.get(&event.kind) {
            let timer = self.metrics.schema_validation_duration.start();
            let fits = required.iter().all(|field| value.get(field).is_some());
            timer.stop();
            let result = if fits { Validation::Valid } else { Validation::Invalid };
            self.metrics.validated(&event.kind, result);
            if !fits {
                return Err(Refused::AgainstSchema);
            }
        }
        self.log(&mut inner, body);
        self.project(&mut inner, &event);
        self.filter(&event);
        self.metrics.events_ingested_by_type.at([&event.kind]).inc();
        inner.entities.insert(event.entity.clone());
        inner.events.push(event);
        self.metrics.storage_entities.set(inner.entities.len() as f64);
        self.metrics.storage_events.set(inner.events.len() as f64);
        Ok(inner.events.len())
    }

    fn log(&self, inner: &mut Inner, body: &[u8]) {
        inner.segment.extend_from_slice(body);
        inner.segment.push(b'\n');
        if inner.segment.len() >= SEGMENT_BYTES {
            let segment = std::mem::take(&mut inner.segment);
            inner.files.push([FILE_HEAD, &segment[..]].concat());
        }
        self.weigh(inner);
    }

    fn weigh(&self, inner: &Inner) {
        let files: usize = inner.files.iter().map(Vec::len).sum();
        self.metrics.storage_size.set((files + inner.segment.len()) as f64);
        self.metrics.parquet_files.set(inner.files.len() as f64);
        // There is always the one that is written to.
        self.metrics.wal_segments.set(1.0);
    }

    /// The sum of amounts of each entity; an event without one is an error of the projection's.
    fn project(&self, inner: &mut Inner, event: &Event) {
        let _timer = self.totals.processing_duration.start();
        self.totals.events_processed.inc();
        match event.amount {
            Some(amount) => *inner.totals.entry(event.entity.clone()).or_default() += amount,
            None => self.totals.errors.inc(),
        }
    }

    fn filter(&self, event: &Event) {
        let _timer = self.large.processing_duration.start();
        self.large.events_processed.inc();
        if event.amount.is_none_or(|amount| amount < LARGE) {
            self.large.events_filtered.inc();
        }
    }

    /// How many events there are: of an entity, of a type, or all.
    pub fn query(&self, by: &str, value: &str) -> usize {
        let query_type = match by {
            "entity" | "type" => by,
            _ => "all",
        };
        let began = Instant::now();
        let inner = self.inner();
        let is_wanted = |event: &&Event| match query_type {
            "entity" => event.entity == value,
            "type" => event.kind == value,
            _ => true,
        };
        let found = inner.events.iter().filter(is_wanted).count();
        self.metrics.query_duration.at([query_type]).record_duration(began.elapsed());
        self.metrics.queries.at([query_type]).inc();
        self.metrics.query_results.at([query_type]).add(found as u64);
        found
    }

    /// What the projection has of an entity.
    pub fn total(&self, entity: &str) -> Option<i64> {
        self.inner().totals.get(entity).copied()
    }

    /// Builds a projection anew from all events; `None` if there is no such projection.
    pub fn replay(&self, projection: &str) -> Option<usize> {
        self.metrics.replays_started.inc();
        if projection != "totals" {
            self.metrics.replays_failed.inc();
            return None;
        }
        let _timer = self.metrics.replay_duration.start();
        let mut inner = self.inner();
        inner.totals.clear();
        let events = std::mem::take(&mut inner.events);
        events.iter().for_each(|event| self.project(&mut inner, event));
        inner.events = events;
        self.metrics.replay_events_processed.add(inner.events.len() as u64);
        self.metrics.replays_completed.inc();
        Some(inner.events.len())
    }

    /// Keeps what an entity's total is now; `None` if there is no such entity.
    pub fn take_snapshot(&self, entity: &str) -> Option<i64> {
        let timer = self.metrics.snapshot_creation_duration.start();
        let mut inner = self.inner();
        let total = *inner.totals.get(entity)?;
        inner.snapshots.insert(entity.to_owned(), total);
        timer.stop();
        self.metrics.snapshots_created.inc();
        self.metrics.snapshots.set(inner.snapshots.len() as f64);
        Some(total)
    }

    /// Makes one file of all; returns how many there were.
    pub fn compact(&self) -> usize {
        let _timer = self.metrics.compaction_duration.start();
        let mut inner = self.inner();
        let files = std::mem::take(&mut inner.files);
        if !files.is_empty() {
            let bodies = files.iter().map(|file| &file[FILE_HEAD.len()..]);
            inner
                .files
                .push(bodies.fold(FILE_HEAD.to_vec(), |all, body| [&all[..], body].concat()));
        }
        let saved = files.len().saturating_sub(1) * FILE_HEAD.len();
        self.metrics.compactions.inc();
        self.metrics.compaction_files_merged.add(files.len() as u64);
        self.metrics.compaction_bytes_saved.add(saved as u64);
        self.weigh(&inner);
        files.len()
    }

    /// Waits until there are more than `from` events, as a WebSocket would be told of the next. `None` if the request makes no
    /// sense: there are not that many yet.
    pub async fn listen(&self, from: usize) -> Option<usize> {
        let _connection = Connection::open(&self.metrics);
        let mut news = self.news.subscribe();
        if *news.borrow() < from {
            self.metrics.websocket_errors.inc();
            return None;
        }
        let count = *news.wait_for(|count| *count > from).await.ok()?;
        self.metrics.websocket_messages_sent.inc();
        Some(count)
    }
}

/// One who listens, until it goes or its request is dropped.
struct Connection<'a>(&'a EventStoreMetrics);

impl<'a> Connection<'a> {
    fn open(metrics: &'a EventStoreMetrics) -> Self {
        let group = tachometer::group();
        group.add(&metrics.websocket_connections, 1);
        group.add_signed(&metrics.websocket_connections_active, 1);
        Self(metrics)
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.websocket_connections_active.dec();
    }
}
