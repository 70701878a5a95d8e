//! Metrics of a tokio runtime against what was done with it.
#![cfg(feature = "tokio")]

mod common;

use common::{by_hand, page, page_of};
use std::time::{Duration, Instant};
use tachometer::{Registry, facade};

#[test]
fn a_runtime_s_tasks_and_workers() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    let registry = Registry::new();
    facade::tokio::register(&registry, runtime.handle()).unwrap();
    let engine = by_hand(&registry);
    assert_eq!(engine.refresh().gauge("tokio_workers").unwrap(), 2.0);
    let tasks: Vec<_> = (0..7)
        .map(|_| runtime.spawn(async { tokio::time::sleep(Duration::from_secs(3600)).await }))
        .collect();
    let busy = runtime.spawn(async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
    });
    runtime.block_on(busy).unwrap();
    // A worker adds what it was busy when it next looks about itself.
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(50)).await });
    let now = engine.refresh();
    assert_eq!(now.gauge("tokio_alive_tasks").unwrap(), 7.0);
    assert_eq!(now.gauge("tokio_global_queue_depth").unwrap(), 0.0);
    let busy = now.counter("tokio_worker_busy_seconds_total").unwrap();
    assert!((40_000_000..10_000_000_000).contains(&busy), "{busy} ns for 50 ms of work");
    assert!(now.counter("tokio_worker_parks_total").unwrap() > 0);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    runtime.block_on(async {
        for task in tasks {
            assert!(task.await.unwrap_err().is_cancelled());
        }
    });
    // Whoever waits for a task may hear of its end before the runtime has counted it.
    let deadline = Instant::now() + Duration::from_secs(30);
    let samples = loop {
        let samples = page::parse(&page_of(&engine));
        let alive = page::value(&samples, "tokio_alive_tasks", &[]).map(str::to_owned);
        if alive.as_deref() == Some("0") {
            break samples;
        }
        assert!(Instant::now() < deadline, "{alive:?} tasks are alive");
        std::thread::sleep(Duration::from_millis(1));
    };
    assert!(page::value(&samples, "tokio_worker_parks_total", &[("worker", "1")]).is_some());
    // A runtime that has ended is still safe to ask.
    drop(runtime);
    engine.refresh();
}
