//! What a tokio runtime does: `cargo run --example tokio --features tokio`.

use std::time::Duration;
use tachometer::{Engine, ManualClock, Registry, TextEncoder, facade};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let registry = Registry::new();
    facade::tokio::register(&registry, runtime.handle())?;
    for _ in 0..10 {
        runtime.spawn(async { tokio::time::sleep(Duration::from_secs(3600)).await });
    }
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    print!("{}", String::from_utf8_lossy(&page));
    Ok(())
}
