//! A node's log: openraft's storage trait over entries in memory and, for `--log disk`, a journal.
//!
//! All entries that are not purged are held in memory, where reads find them. A log on disk also
//! hands every change to a writer, one thread per node, and acknowledges it once it is synced.
//!
//! openraft's own task is the only one that changes the log; replication tasks only read.

mod entries;
mod journal;
mod record;
mod recovery;
mod segment;
mod writer;

use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::path::Path;
use std::sync::Arc;

use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AnyError, OptionalSend, StorageIOError};
use parking_lot::Mutex;
use tachometer::facade::openraft::AppendTimer;

pub use self::entries::Entries;
pub use self::recovery::RecoveryError;
pub use self::segment::sync_folder;
use self::writer::Writer;
use super::router::Router;
use super::types::{Entry, LogId, StorageError, Types, Vote};

/// A log that is open but has no node yet.
#[derive(Debug)]
pub struct OpenLog {
    entries: Arc<Mutex<Entries>>,
    writer: Option<Arc<Writer>>,
}

impl OpenLog {
    /// A log that lives in `entries` only.
    pub fn in_memory(entries: Arc<Mutex<Entries>>) -> Self {
        Self { entries, writer: None }
    }

    /// Reads the journal in `folder` back, or begins one. Blocks on the disk.
    pub fn on_disk(folder: &Path) -> Result<Self, RecoveryError> {
        let (entries, journal) = recovery::open(folder)?;
        let writer = Writer::start(journal)?;
        Ok(Self { entries: Arc::new(Mutex::new(entries)), writer: Some(Arc::new(writer)) })
    }

    /// Gives the log to a node, which tells `router` who leads. Appends that go to the disk are timed by `timer`.
    pub fn attach(self, router: Arc<Router>, timer: AppendTimer) -> LogStore {
        let reader = LogReader { entries: self.entries };
        LogStore { reader, writer: self.writer, router, timer }
    }
}

/// The log of a running node.
#[derive(Debug)]
pub struct LogStore {
    reader: LogReader,
    writer: Option<Arc<Writer>>,
    router: Arc<Router>,
    timer: AppendTimer,
}

impl LogStore {
    /// What stays in hand when openraft owns the store: to close the log and to look at it.
    pub fn handle(&self) -> LogHandle {
        LogHandle { reader: self.reader.clone(), writer: self.writer.clone() }
    }

    /// A committed vote is how a node learns who leads, exactly: openraft saves it before it acts on it.
    fn tell_leader(&self, vote: &Vote) {
        if vote.is_committed() {
            self.router.leader_elected(vote.leader_id().term, vote.leader_id().node_id);
        }
    }
}

/// A running node's log, seen from outside.
#[derive(Clone, Debug)]
pub struct LogHandle {
    reader: LogReader,
    writer: Option<Arc<Writer>>,
}

impl LogHandle {
    /// Ends the writer's thread once it has written what it was given. Blocks on the disk.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }

    /// Looks at the entries; the node waits while `look` runs.
    pub fn look<T>(&self, look: impl FnOnce(&Entries) -> T) -> T {
        look(&self.reader.entries.lock())
    }
}

/// Reads the log for replication.
#[derive(Clone, Debug)]
pub struct LogReader {
    entries: Arc<Mutex<Entries>>,
}

impl RaftLogReader<Types> for LogReader {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self.entries.lock().range(range))
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        self.reader.try_get_log_entries(range).await
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let entries = self.reader.entries.lock();
        Ok(LogState { last_purged_log_id: entries.purged(), last_log_id: entries.last() })
    }

    async fn get_log_reader(&mut self) -> LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        if let Some(writer) = &self.writer {
            let saved = writer.save_vote(*vote).await;
            saved.map_err(|error| StorageIOError::write_vote(AnyError::new(&error)))?;
        }
        self.reader.entries.lock().set_vote(*vote);
        self.tell_leader(vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let vote = self.reader.entries.lock().vote();
        if let Some(vote) = &vote {
            self.tell_leader(vote);
        }
        Ok(vote)
    }

    async fn append<I>(&mut self, entries: I, done: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        match &self.writer {
            None => {
                self.reader.entries.lock().append(entries);
                done.log_io_completed(Ok(()));
            }
            Some(writer) => {
                let appending = self.timer.start();
                self.reader.entries.lock().append(entries.clone());
                writer.append(entries, appending, done);
            }
        }
        Ok(())
    }

    async fn truncate(&mut self, from: LogId) -> Result<(), StorageError> {
        self.reader.entries.lock().truncate(from.index);
        if let Some(writer) = &self.writer {
            writer.truncate(from.index).await.map_err(write_failed)?;
        }
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        self.reader.entries.lock().purge(upto);
        if let Some(writer) = &self.writer {
            writer.purge(upto).await.map_err(write_failed)?;
        }
        Ok(())
    }
}

fn write_failed(error: io::Error) -> StorageIOError<u64> {
    StorageIOError::write_logs(AnyError::new(&error))
}
