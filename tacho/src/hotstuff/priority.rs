//! Threads of hotstuff_rs that ask without a pause whether there is something to do: they may, when nobody else wants the
//! processor.
//!
//! Each replica has two: the one that calls event handlers and the one that serves blocks to others. On two processors
//! eight such threads would take nearly all of both, and what is measured would be their waiting.

use std::cell::Cell;

/// The least weight that a thread can ask for.
const LEAST: i32 = 19;

thread_local! {
    static YIELDS: Cell<bool> = const { Cell::new(false) };
}

/// Lets the calling thread run only in the time that others leave; for good, and only once however often it is called.
/// Where the system does not do that for a single thread, nothing is done.
pub fn yield_to_all() {
    if YIELDS.replace(true) {
        return;
    }
    #[cfg(target_os = "linux")]
    // Linux means the thread by its number, not the process. Asking for less is always allowed.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), LEAST);
}
