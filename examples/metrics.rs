//! A library that uses the `metrics` crate, recording into the engine:
//! `cargo run --example metrics --features metrics`.

use metrics::{Unit, counter, describe_histogram, gauge, histogram};
use std::time::Duration;
use tachometer::{Engine, Error, ManualClock, Registry, TextEncoder, facade::metrics::Recorder};

/// Knows nothing of the engine.
fn somebody_elses_library() {
    describe_histogram!("query.duration", Unit::Milliseconds, "How long queries take.");
    for i in 0..100_u32 {
        counter!("queries.total", "table" => if i % 3 == 0 { "users" } else { "orders" })
            .increment(1);
        histogram!("query.duration").record(0.2 * f64::from(i));
    }
    gauge!("pool.connections").set(8.0);
}

fn main() -> Result<(), Error> {
    let registry = Registry::new();
    // Series that nobody has recorded in for an hour leave the page, and come back with their next record.
    Recorder::new(&registry)?.idle_timeout(Duration::from_secs(3600)).install()?;
    somebody_elses_library();
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
