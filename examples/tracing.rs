//! A program that is instrumented with `tracing`: `cargo run --example tracing --features tracing`.

use std::time::Duration;
use tachometer::facade::tracing::MetricsLayer;
use tachometer::{Engine, Error, ManualClock, Registry};
use tracing_subscriber::layer::SubscriberExt as _;

fn query(table: &str) {
    let _span = tracing::info_span!("query", table).entered();
    std::thread::sleep(Duration::from_micros(200));
    tracing::debug!("done");
}

fn main() -> Result<(), Error> {
    let registry = Registry::new();
    let layer = MetricsLayer::builder().field("table").build(&registry)?;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..100).for_each(|i| query(if i % 4 == 0 { "users" } else { "orders" }));
    });
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let now = engine.refresh();
    for table in ["users", "orders"] {
        let spans = now.histogram_with("tracing_span_duration_seconds", &[("table", table)])?;
        println!("{table}: {} queries, p99 {:?}", spans.count(), spans.quantile_duration(0.99));
    }
    println!("{} events", now.counter("tracing_events_total")?);
    Ok(())
}
