//! The HTTP of the store and of its control plane, with axum.

use crate::store::{Refused, Store};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;
use tachometer::catalogue::event_store::{ControlPlaneMetrics, EventStoreMetrics};
use tachometer::facade::tower::HttpLayer;

/// How long one who listens waits for the next event.
const LISTEN: Duration = Duration::from_millis(200);

type Answer = (StatusCode, String);

/// The store's routes; every request to them is recorded.
pub fn store(metrics: &EventStoreMetrics) -> Router {
    let store = Arc::new(Store::new(metrics.clone()));
    Router::new()
        .route("/api/v1/schemas/{subject}", post(register_schema))
        .route("/api/v1/events", get(query).post(ingest))
        .route("/api/v1/entities/{entity}/total", get(total))
        .route("/api/v1/entities/{entity}/snapshots", post(take_snapshot))
        .route("/api/v1/replays/{projection}", post(replay))
        .route("/api/v1/compactions", post(compact))
        .route("/api/v1/listen/{from}", get(listen))
        .with_state(store)
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(HttpLayer::event_store(metrics))
}

/// The control plane's.
pub fn control_plane(metrics: &ControlPlaneMetrics) -> Router {
    Router::new()
        .route("/api/v1/dashboard/overview", get(|| async { "{\"cluster\":{\"nodes\":1}}" }))
        .layer(HttpLayer::control_plane(metrics))
}

fn ok(what: impl ToString) -> Answer {
    (StatusCode::OK, what.to_string())
}

fn found(what: Option<impl ToString>) -> Answer {
    what.map_or((StatusCode::NOT_FOUND, String::new()), ok)
}

async fn register_schema(
    State(store): State<Arc<Store>>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer {
    match serde_json::from_slice(&body) {
        Ok(required) => store.register_schema(&subject, required),
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()),
    }
    (StatusCode::CREATED, String::new())
}

async fn ingest(State(store): State<Arc<Store>>, body: Bytes) -> Answer {
    match store.ingest(&body) {
        Ok(count) => (StatusCode::CREATED, count.to_string()),
        Err(Refused::NoEvent) => (StatusCode::BAD_REQUEST, "no event".to_owned()),
        Err(Refused::AgainstSchema) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "a field is missing".to_owned())
        }
    }
}

async fn query(State(store): State<Arc<Store>>, RawQuery(query): RawQuery) -> Answer {
    let query = query.unwrap_or_default();
    let (by, value) = query.split_once('=').unwrap_or(("", ""));
    ok(store.query(by, value))
}

async fn total(State(store): State<Arc<Store>>, Path(entity): Path<String>) -> Answer {
    found(store.total(&entity))
}

async fn take_snapshot(State(store): State<Arc<Store>>, Path(entity): Path<String>) -> Answer {
    found(store.take_snapshot(&entity))
}

async fn replay(State(store): State<Arc<Store>>, Path(projection): Path<String>) -> Answer {
    found(store.replay(&projection))
}

async fn compact(State(store): State<Arc<Store>>) -> Answer {
    ok(store.compact())
}

async fn listen(State(store): State<Arc<Store>>, Path(from): Path<usize>) -> Answer {
    match tokio::time::timeout(LISTEN, store.listen(from)).await {
        Ok(Some(count)) => ok(count),
        Ok(None) => (StatusCode::CONFLICT, String::new()),
        Err(_) => (StatusCode::NO_CONTENT, String::new()),
    }
}
