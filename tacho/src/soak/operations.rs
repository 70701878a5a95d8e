//! Where a workload tells what it did: every operation is counted and timed, in the engine itself.

use std::time::Duration;

use tachometer::{Counter, EnumFamily, Error, Histogram, Registry, Snapshot, Unit};

use super::judge::Standing;

tachometer::labels! {
    /// What became of an operation.
    pub enum Outcome("result") { Succeeded = "ok", Failed = "failed" }
}

const TOTAL: &str = "soak_operations_total";
/// Of the operations that succeeded.
pub const LATENCY: &str = "soak_operation_duration_seconds";

/// The operations of a soak. Clones are the same.
#[derive(Clone, Debug)]
pub struct Operations {
    total: EnumFamily<Counter, Outcome>,
    latency: Histogram,
}

impl Operations {
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let total = registry.metric(TOTAL, "Operations of the soak's workload.").enum_family()?;
        let latency =
            registry.metric(LATENCY, "Operations that succeeded.").unit(Unit::Nanoseconds);
        Ok(Self { total, latency: latency.histogram()? })
    }

    /// One came to its end, and took so long.
    pub fn succeeded(&self, took: Duration) {
        self.latency.record_duration(took);
        self.total.at(Outcome::Succeeded).inc();
    }

    /// One failed.
    pub fn failed(&self) {
        self.total.at(Outcome::Failed).inc();
    }
}

/// What the operations came to, in a snapshot; without memory.
pub fn standing(snapshot: &Snapshot) -> Standing {
    let count = |result| snapshot.counter_with(TOTAL, &[("result", result)]).unwrap_or(0);
    let latency = snapshot.histogram(LATENCY).ok();
    let p99 = latency.and_then(|latency| latency.quantile_duration(0.99));
    Standing { succeeded: count("ok"), failed: count("failed"), p99, memory: None }
}
