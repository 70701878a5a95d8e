//! An axum router whose requests are counted: `cargo run --example tower --features axum`.

use axum::{Router, body::Body, routing::get};
use std::time::Duration;
use tachometer::{Engine, ManualClock, Registry, TextEncoder, facade::tower::HttpLayer};
use tower::ServiceExt as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    let app = Router::new()
        .route("/users/{id}", get(|| async { "a user" }))
        .layer(HttpLayer::new(&registry)?);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    // In place of a socket, so that the example ends.
    for path in ["/users/1", "/users/2", "/nowhere"] {
        let request = http::Request::builder().uri(path).body(Body::empty())?;
        let response = runtime.block_on(app.clone().oneshot(request))?;
        println!("{path}: {}", response.status());
    }
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
