//! A web server with axum that serves its own metrics: `cargo run --example axum --features axum`, then
//! `curl http://127.0.0.1:8080/hello` and `curl http://127.0.0.1:8080/internal/metrics`. An address may be given.

use axum::{Router, routing::get};
use tachometer::{Counter, Engine, Histogram, Listener, Unit};

static HELLOS: Counter = Counter::new("hellos_total", "Greetings given.");
static DURATION: Histogram =
    Histogram::new("hello_duration_seconds", "To give one.").unit(Unit::Nanoseconds);

async fn hello() -> &'static str {
    let _timer = DURATION.start();
    HELLOS.inc();
    "hello\n"
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let engine = Engine::builder().label("service", "hello").start()?;
    let metrics = Listener::builder().prefix("/internal").router(&engine)?;
    let app = Router::new().route("/hello", get(hello)).merge(metrics);

    let listener = tokio::net::TcpListener::bind(&address).await?;
    println!("http://{}/internal/metrics", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
