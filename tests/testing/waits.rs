//! Waits: they end when it is so, and say what there was all along when it never is.

use crate::panic_of;
use std::time::Duration;
use tachometer::testing::{Collector, try_wait_until, wait_until};
use tachometer::{Engine, Registry, Snapshot};

const PATIENCE: Duration = Duration::from_secs(60);

fn total(now: &Snapshot) -> u64 {
    now.counter("done_total").unwrap_or(0)
}

#[test]
fn an_engine_of_its_own_thread_is_waited_for() {
    let registry = Registry::new();
    let done = registry.counter("done_total", "Done.").unwrap();
    let builder = Engine::builder().registry(&registry).interval(Duration::from_millis(5));
    let engine = builder.start().unwrap();
    let worker = std::thread::spawn(move || (0..1_000).for_each(|_| done.inc()));
    let met = wait_until(&engine, PATIENCE, "all is done", total, |done| *done == 1_000);
    assert_eq!(met, 1_000);
    worker.join().unwrap();
    let waited =
        try_wait_until(&engine, Duration::from_millis(50), "more is done", total, |done| {
            *done > 1_000
        });
    let waited = waited.unwrap_err();
    assert!(waited.snapshots >= 1 && waited.left_out == 0, "{waited:?}");
    let values: Vec<&str> = waited.values.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, ["1000"], "it was the same all along");
    let text = waited.to_string();
    assert!(text.starts_with("waited 50ms in vain until more is done, over "), "{text}");
    assert!(text.ends_with(" s  1000\n  and so it stayed"), "{text}");
}

#[test]
fn what_other_threads_record_is_waited_for_by_hand() {
    let test = Collector::new();
    let done = test.registry().counter("done_total", "Done.").unwrap();
    let worker = std::thread::spawn(move || (0..500).for_each(|_| done.inc()));
    test.wait_until(PATIENCE, "all is done", total, |done| *done == 500);
    worker.join().unwrap();
    let said = panic_of(|| {
        test.wait_until(Duration::ZERO, "more is done", total, |done| *done > 500);
    });
    assert!(
        said.starts_with("waited 0ns in vain until more is done, over 1 snapshots. It was:\n"),
        "{said}"
    );
}

#[test]
fn the_clock_is_moved_until_it_is_so() {
    let test = Collector::new();
    let done = test.registry().counter("done_total", "Done.").unwrap();
    let second = Duration::from_secs(1);
    let hour = Duration::from_secs(3_600);
    let drive = |_| done.inc();
    test.advance_until(second, hour, "an hour has passed", drive, total, |done| *done == 3_601);
    let said = panic_of(|| {
        test.advance_until(second, 100 * second, "it stands still", drive, total, |done| {
            *done == 0
        });
    });
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "waited 100s in vain until it stands still, over 101 snapshots. It was:");
    assert_eq!(lines[1], "      0.000 s  3602");
    let half = tachometer::limits::MAX_WAITED_VALUES / 2;
    assert_eq!(lines[1 + half], format!("  … {} other values …", 101 - 2 * half));
    assert_eq!(lines[lines.len() - 2], "    100.000 s  3702");
}
