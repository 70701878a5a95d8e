//! A program that is instrumented with the OpenTelemetry API:
//! `cargo run --example opentelemetry --features opentelemetry`.

use opentelemetry::{KeyValue, metrics::MeterProvider as _};
use std::time::Duration;
use tachometer::facade::opentelemetry::MeterProvider;
use tachometer::{Engine, Error, ManualClock, Registry, TextEncoder};

fn main() -> Result<(), Error> {
    let registry = Registry::new();
    // A program would hand it to `opentelemetry::global::set_meter_provider`.
    let meter = MeterProvider::new(&registry)?.meter("shop");
    let orders = meter.u64_counter("orders.placed").with_description("Orders placed.").build();
    let latency = meter.f64_histogram("orders.latency").with_unit("ms").build();
    for i in 0..100_u32 {
        let country = KeyValue::new("country", if i % 3 == 0 { "is" } else { "no" });
        orders.add(1, &[country]);
        latency.record(f64::from(i) / 10.0, &[]);
    }
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
