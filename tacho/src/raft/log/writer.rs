//! The writer: one thread per node that owns the journal and commits in groups.
//!
//! It takes all jobs that wait, writes them with one call, syncs once, and only then tells those
//! who wait. After an error it writes no more: every later job fails with the same message, and
//! openraft stops the node.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use openraft::storage::LogFlushed;
use parking_lot::Mutex;
use tachometer::facade::openraft::Appending;
use tokio::sync::oneshot;

use super::super::types::{Entry, LogId, Types, Vote};
use super::journal::Journal;

/// Most jobs that are committed together; openraft never has more than a few waiting.
const JOBS_PER_COMMIT: usize = 64;

enum Change {
    Append(Vec<Entry>),
    SaveVote(Vote),
    Truncate(u64),
    Purge(LogId),
}

#[allow(
    clippy::large_enum_variant,
    reason = "nearly all are appends; a box would be an allocation for each"
)]
enum Waiter {
    Append(Appending, LogFlushed<Types>),
    Other(oneshot::Sender<io::Result<()>>),
}

impl Waiter {
    fn tell(self, result: io::Result<()>) {
        match self {
            Self::Append(appending, done) => {
                if result.is_ok() {
                    appending.durable();
                }
                done.log_io_completed(result);
            }
            // Nobody waits any more when the node is being shut down.
            Self::Other(done) => {
                let _ = done.send(result);
            }
        }
    }
}

type Job = (Change, Waiter);

/// The way to the writer's thread.
pub struct Writer {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("is_open", &self.jobs.lock().is_some()).finish()
    }
}

impl Writer {
    pub fn start(journal: Journal) -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("tacho-log".to_owned())
            .spawn(move || write_until_closed(journal, &receiver))?;
        Ok(Self { jobs: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Writes what was submitted before, then ends the thread. Later jobs fail.
    pub fn close(&self) {
        self.jobs.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // The thread never panics by itself; a panic in a waiter's code was reported there.
            let _ = thread.join();
        }
    }

    /// `done` hears of it when the entries are durable.
    pub fn append(&self, entries: Vec<Entry>, appending: Appending, done: LogFlushed<Types>) {
        self.submit((Change::Append(entries), Waiter::Append(appending, done)));
    }

    pub async fn save_vote(&self, vote: Vote) -> io::Result<()> {
        self.change(Change::SaveVote(vote)).await
    }

    pub async fn truncate(&self, from: u64) -> io::Result<()> {
        self.change(Change::Truncate(from)).await
    }

    pub async fn purge(&self, upto: LogId) -> io::Result<()> {
        self.change(Change::Purge(upto)).await
    }

    async fn change(&self, change: Change) -> io::Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.submit((change, Waiter::Other(sender)));
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    fn submit(&self, job: Job) {
        let refused = match &*self.jobs.lock() {
            Some(jobs) => jobs.send(job).err().map(|error| error.0),
            None => Some(job),
        };
        if let Some((_, waiter)) = refused {
            waiter.tell(Err(closed()));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn closed() -> io::Error {
    io::Error::other("the log is closed")
}

fn write_until_closed(mut journal: Journal, jobs: &Receiver<Job>) {
    let mut waiters = Vec::new();
    let mut failed: Option<String> = None;
    while let Ok(first) = jobs.recv() {
        let mut written = Ok(());
        for (change, waiter) in
            std::iter::once(first).chain(jobs.try_iter().take(JOBS_PER_COMMIT - 1))
        {
            waiters.push(waiter);
            if failed.is_none() && written.is_ok() {
                written = add(&mut journal, change);
            }
        }
        if failed.is_none() {
            failed = written.and_then(|()| journal.commit()).err().map(|error| error.to_string());
        }
        for waiter in waiters.drain(..) {
            waiter.tell(failed.clone().map_or(Ok(()), |message| Err(io::Error::other(message))));
        }
    }
}

fn add(journal: &mut Journal, change: Change) -> io::Result<()> {
    match change {
        Change::Append(entries) => journal.append(&entries),
        Change::SaveVote(vote) => journal.save_vote(vote),
        Change::Truncate(from) => journal.truncate(from),
        Change::Purge(upto) => journal.purge(upto),
    }
}
