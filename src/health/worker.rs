//! The threads of the checks: one each, so that a check that hangs holds up no other.

use super::Shared;
use super::outcome::{Call, ask};
use crate::Error;
use crate::shard::fork;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// The threads. Dropping it stops them: those that wait at once, those that are in a check when that returns.
#[derive(Debug)]
pub(super) struct Workers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The fork generation that they belong to.
    born: u64,
}

impl Workers {
    /// Starts a thread for each of `calls`, in the order of the checks.
    pub(super) fn start(shared: &Arc<Shared>, calls: Vec<Call>) -> Result<Workers, Error> {
        let workers =
            Workers { shared: shared.clone(), threads: Mutex::default(), born: fork::generation() };
        for (number, call) in calls.into_iter().enumerate() {
            let shared = shared.clone();
            let thread = thread::Builder::new().name("tachometer-check".to_owned());
            let thread =
                thread.spawn(move || run(&shared, number, call)).map_err(|error| Error::Io {
                    attempt: "start a health check's thread".to_owned(),
                    kind: error.kind(),
                    reason: format!("{error}; raise the limit on threads (ulimit -u)"),
                })?;
            // Dropping `workers` on the way out stops those that began.
            workers.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(workers)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        let threads = mem::take(threads);
        if self.born != fork::generation() {
            // They are the parent's; joining what this process does not have would wait for ever.
            return mem::forget(threads);
        }
        self.shared.stop();
        // A thread says that it asks before it looks whether it is to stop: whoever does not say so now asks no more.
        let asks: Vec<bool> =
            self.shared.lock().checks.iter().map(|check| check.is_asked()).collect();
        for (thread, asks) in threads.into_iter().zip(asks) {
            // The last handle may go on the thread of a check that holds one.
            if !asks && thread.thread().id() != thread::current().id() {
                // A panic was already shown by the panic hook.
                let _ = thread.join();
            }
        }
    }
}

/// One check's thread.
fn run(shared: &Shared, number: usize, mut call: Call) {
    let interval = shared.interval_of(number);
    while shared.begin(number) {
        let (outcome, panicked) = ask(&mut call);
        shared.answered(number, outcome, panicked);
        if shared.rest(interval) {
            return;
        }
    }
}
