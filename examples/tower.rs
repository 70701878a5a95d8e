//! An axum router whose requests are counted: `cargo run --example tower --features axum`.

use axum::{Router, body::Body, routing::get};
use std::time::Duration;
use tachometer::facade::tower::{HttpLayer, traceparent};
use tachometer::{Encoder as _, Engine, ManualClock, OpenMetricsEncoder, Registry};
use tower::ServiceExt as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    let app = Router::new()
        .route("/users/{id}", get(|| async { "a user" }))
        // A slow bucket of an OpenMetrics page leads to the trace of one of its requests.
        .layer(HttpLayer::new(&registry)?.exemplars(traceparent));
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    // In place of a socket, so that the example ends.
    for path in ["/users/1", "/users/2", "/nowhere"] {
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = http::Request::builder().uri(path).header("traceparent", trace);
        let request = request.body(Body::empty())?;
        let response = runtime.block_on(app.clone().oneshot(request))?;
        println!("{path}: {}", response.status());
    }
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let mut page = Vec::new();
    OpenMetricsEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
