//! Metrics of a tokio runtime: those that tokio calls stable.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::{Engine, ManualClock, Registry, facade};
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let registry = Registry::new();
//! facade::tokio::register(&registry, runtime.handle())?;
//! let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
//! assert_eq!(engine.refresh().gauge("tokio_workers")?, 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | series | |
//! |---|---|
//! | `tokio_workers` | worker threads |
//! | `tokio_alive_tasks` | tasks spawned and not ended |
//! | `tokio_global_queue_depth` | tasks waiting in the queue that all workers share |
//! | `tokio_worker_busy_seconds_total{worker}` | the time in which a worker ran tasks, in nanoseconds |
//! | `tokio_worker_parks_total{worker}` | how often a worker found nothing to do and slept |
//!
//! Read once a snapshot, before its cut; a few loads for each worker. Several runtimes in one process want a
//! [scope](Registry::scope) each.

use crate::{Counter, Error, Registry, Unit};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Registers the metrics of the runtime that `handle` belongs to.
///
/// # Errors
/// One of them is registered as something else, or there are too many series.
pub fn register(registry: &Registry, handle: &Handle) -> Result<(), Error> {
    let workers = registry.gauge("tokio_workers", "Worker threads.")?;
    let tasks = registry.gauge("tokio_alive_tasks", "Tasks spawned and not ended.")?;
    let queued = registry
        .gauge("tokio_global_queue_depth", "Tasks waiting in the queue that all workers share.")?;
    let metrics = handle.metrics();
    let each = (0..metrics.num_workers())
        .map(|index| Worker::register(registry, index))
        .collect::<Result<Vec<_>, _>>()?;
    let each = Mutex::new(each);
    registry.before_snapshots(move || {
        workers.set(metrics.num_workers() as f64);
        tasks.set(metrics.num_alive_tasks() as f64);
        queued.set(metrics.global_queue_depth() as f64);
        let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, worker) in each.iter_mut().enumerate() {
            let busy = metrics.worker_total_busy_duration(index);
            worker.show(busy, metrics.worker_park_count(index));
        }
    });
    Ok(())
}

/// What is shown of one worker, and what it shows so far.
struct Worker {
    busy: Counter,
    parks: Counter,
    last: (u64, u64),
}

impl Worker {
    fn register(registry: &Registry, index: usize) -> Result<Worker, Error> {
        let metric = |name, help| registry.metric(name, help).label("worker", index.to_string());
        let busy = metric("tokio_worker_busy_seconds_total", "Time in which a worker ran tasks.");
        let parks = metric("tokio_worker_parks_total", "How often a worker slept.");
        let busy = busy.unit(Unit::Nanoseconds).counter()?;
        Ok(Worker { busy, parks: parks.counter()?, last: (0, 0) })
    }

    fn show(&mut self, busy: Duration, parks: u64) {
        let busy = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.busy.add(busy.saturating_sub(self.last.0));
        self.parks.add(parks.saturating_sub(self.last.1));
        self.last = (busy, parks);
    }
}
