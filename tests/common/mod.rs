//! What several test files share.
#![allow(dead_code, reason = "each test binary uses some of it")]

pub mod causality;
pub mod conservation;
pub mod debian;
pub mod forked;
pub mod loopback;
pub mod page;
pub mod process;
pub mod random;

use std::time::Duration;
use tachometer::{Engine, ManualClock, Registry};

/// How long stress tests look for what they must not find; `TACHOMETER_STRESS_SECONDS` lengthens it.
pub fn stress_time() -> Duration {
    let seconds = std::env::var("TACHOMETER_STRESS_SECONDS").ok().and_then(|s| s.parse().ok());
    Duration::from_secs(seconds.unwrap_or(3))
}

/// How long cuts of engines that are driven by hand wait: as long as a busy machine may leave another test's thread
/// without a processor in the middle of a record.
const PATIENCE: Duration = Duration::from_secs(60);

/// An engine without a thread: snapshots by `refresh` alone, no metrics of its own.
pub fn by_hand(registry: &Registry) -> Engine {
    by_hand_with(registry, &ManualClock::at(Duration::from_secs(1_700_000_000)))
}

/// As [`by_hand`], on a clock that the test moves.
pub fn by_hand_with(registry: &Registry, clock: &ManualClock) -> Engine {
    let builder = Engine::builder().registry(registry).manual(clock).cut_timeout(PATIENCE);
    builder.start().expect("a registry of its own")
}

/// As [`by_hand`], with the engine's own metrics.
pub fn by_hand_with_own_metrics(registry: &Registry) -> Engine {
    let clock = ManualClock::at(Duration::ZERO);
    let builder = Engine::builder().registry(registry).manual(&clock).cut_timeout(PATIENCE);
    builder.own_metrics(true).start().expect("a registry of its own")
}

/// The text page of the engine's next snapshot.
pub fn page_of(engine: &Engine) -> String {
    let mut page = Vec::new();
    tachometer::TextEncoder::new().encode(&engine.refresh(), &mut page);
    String::from_utf8(page).expect("a page is UTF-8")
}
