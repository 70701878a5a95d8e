//! The threads that answer calls, so that the one that serves goes on meanwhile.
//!
//! The worker sends jobs and takes what is done when it is woken; it bounds how many there are at once, so that the channel need
//! not. Ticks of the live page have a thread of their own: a viewer must not take the process for dead because others ask much.
//! Dropping the pool ends the threads: each after the call that it is at, which is told to stop and does so at its next look
//! at the clock. They are not joined: a source that does not return must not hold up whoever stops the listener.

use super::{Api, Call, panicked};
use crate::serve::site::Reply;
use mio::Waker;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// A call, and the connection that it is from.
type Job = (usize, Call);

#[derive(Debug)]
pub(in crate::serve) struct Pool {
    jobs: Sender<Job>,
    /// For the calls that are repeated.
    #[cfg(feature = "page")]
    ticks: Sender<Job>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: Arc<Api>,
    done: Mutex<Vec<(usize, Reply)>>,
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
}

impl Pool {
    pub(in crate::serve) fn start(
        api: Arc<Api>,
        threads: usize,
        waker: Arc<Waker>,
    ) -> io::Result<Pool> {
        let (jobs, waiting) = channel();
        let shared = Arc::new(Shared { api, done: Mutex::default(), waker, stop: Arc::default() });
        // If the system gives no thread, dropping it ends those before.
        #[cfg(feature = "page")]
        let (ticks, waiting_ticks) = channel();
        let pool = Pool {
            jobs,
            #[cfg(feature = "page")]
            ticks,
            shared,
        };
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            pool.spawn("tachometer-query", waiting.clone())?;
        }
        #[cfg(feature = "page")]
        pool.spawn("tachometer-live", Arc::new(Mutex::new(waiting_ticks)))?;
        Ok(pool)
    }

    fn spawn(&self, name: &str, jobs: Arc<Mutex<Receiver<Job>>>) -> io::Result<()> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || shared.run(&jobs)).map(drop)
    }

    pub(in crate::serve) fn api(&self) -> &Api {
        &self.shared.api
    }

    pub(in crate::serve) fn submit(&self, connection: usize, call: Call) {
        #[cfg(feature = "page")]
        let jobs = if call.is_repeated() { &self.ticks } else { &self.jobs };
        #[cfg(not(feature = "page"))]
        let jobs = &self.jobs;
        // The receivers live as long as their threads, which end after the pool.
        let _ = jobs.send((connection, call));
    }

    /// What was done since the last time.
    pub(in crate::serve) fn done(&self) -> Vec<(usize, Reply)> {
        std::mem::take(&mut *self.shared.done.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // Relaxed: it publishes nothing; whoever misses it ends at the time limit.
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    /// A thread: until the pool, and so the sender, is gone. `jobs` are those that no thread has taken yet; locked by the
    /// thread that waits for the next.
    fn run(&self, jobs: &Mutex<Receiver<Job>>) {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok((connection, call)) = job else { return };
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // A source is the host's own code. The panic hook has shown the panic.
            let answer = AssertUnwindSafe(|| self.api.answer(&call, &self.stop));
            let reply = catch_unwind(answer).unwrap_or_else(|_| panicked());
            self.done.lock().unwrap_or_else(PoisonError::into_inner).push((connection, reply));
            // Fails only if the listener is gone.
            let _ = self.waker.wake();
        }
    }
}
