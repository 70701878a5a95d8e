//! Runs models, and canaries: models that must fail.
//!
//! The models stand in `tests/models`, one file a protocol. What they show, and what they cannot, is told in
//! `docs/verification.md`. Run them with
//! `RUSTFLAGS="--cfg tachometer_loom" cargo test -p loom-tests --release --target-dir target/loom`.

#![cfg(tachometer_loom)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tachometer::model::{Site, weaken};

/// Models set limits of the process, so they run one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Explores every execution.
pub fn exhaustively(model: impl Fn() + Send + Sync + 'static) {
    explore(None, model);
}

/// As [`exhaustively`], with [`Site::PlainAnnouncement`].
pub fn plainly(model: impl Fn() + Send + Sync + 'static) {
    weaken(Site::PlainAnnouncement);
    explore(None, model);
    weaken(Site::None);
}

/// Explores every execution in which the scheduler takes the processor from a thread, against its will, at most
/// `preemptions` times; with `TACHOMETER_UNBOUNDED` in the environment, every execution.
pub fn bounded(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let unbounded = std::env::var_os("TACHOMETER_UNBOUNDED").is_some();
    explore((!unbounded).then_some(preemptions), model);
}

/// Explores `model` with `site` weakened; it must fail, with a message that has `complaint` in it.
pub fn canary(
    site: Site,
    complaint: &str,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        weaken(site);
        explore(preemptions, model);
    }));
    weaken(Site::None);
    let panic = outcome.expect_err("the model passed although its ordering was weakened");
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref().copied()).unwrap_or_default();
    assert!(message.contains(complaint), "failed otherwise than expected: {message}");
}

fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.or(builder.preemption_bound);
    builder.max_branches = 10_000;
    let executions = Arc::new(AtomicUsize::new(0));
    let count = executions.clone();
    let began = Instant::now();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let test = std::thread::current();
    let name = test.name().unwrap_or_default();
    let executions = executions.load(Ordering::Relaxed);
    println!("{name}: {executions} executions in {:.1?}", began.elapsed());
}
