//! All ways in at once: what is instrumented for other libraries records into one engine. The README shows these lines.
//! `cargo run --example ways_in --features axum,metrics,opentelemetry,process,tokio,tracing`.

use axum::{Router, routing::get};
use std::error::Error;
use tachometer::{Engine, Registry, TextEncoder, facade};
use tracing_subscriber::layer::SubscriberExt as _;

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let handle = runtime.handle().clone();

    // metrics: every crate that uses `counter!`, `gauge!`, `histogram!`
    facade::metrics::Recorder::new(Registry::global())?.install()?;
    metrics::counter!("jobs_total", "queue" => "mail").increment(1);

    // tracing: durations by span, events by level, exemplars of the current trace
    let layer = facade::tracing::MetricsLayer::builder().exemplars(true);
    let layer = layer.build(Registry::global())?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;

    // OpenTelemetry's API: counters, up-down counters, gauges, histograms, observables
    let provider = facade::opentelemetry::MeterProvider::new(Registry::global())?;
    opentelemetry::global::set_meter_provider(provider);

    // tower and axum: requests by method, route template and status; durations; in flight
    let requests = facade::tower::HttpLayer::new(Registry::global())?;
    let app: Router = Router::new().route("/users/{id}", get(|| async { "a user" }));
    let app = app.layer(requests.exemplars(facade::tower::traceparent));

    // the process (CPU, memory, files, faults, disk, network) and a tokio runtime
    facade::process::register(Registry::global())?;
    facade::tokio::register(Registry::global(), &handle)?;

    tracing::info_span!("start").in_scope(|| tracing::info!("started"));
    opentelemetry::global::meter("shop").u64_counter("orders_total").build().add(1, &[]);
    runtime.block_on(async {
        let request = http::Request::builder().uri("/users/7").body(axum::body::Body::empty())?;
        tower::ServiceExt::oneshot(app, request).await?;
        Ok::<(), Box<dyn Error>>(())
    })?;
    let engine = Engine::builder().start()?;
    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
