//! The process's own metrics: `cargo run --example process --features process`.

use std::time::Duration;
use tachometer::{Engine, Error, ManualClock, Registry, TextEncoder, facade::process};

fn main() -> Result<(), Error> {
    let registry = Registry::new();
    process::register(&registry)?;
    // By hand, so that the page has nothing but the process; a service would just `start()` an engine.
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
