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
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AnyError, OptionalSend, StorageIOError};
use parking_lot::Mutex;
use tachometer::Sampler;

pub use self::entries::Entries;
pub use self::recovery::RecoveryError;
pub use self::segment::sync_folder;
use self::writer::{Appended, Writer};
use super::elections::Elections;
use super::probe::{NodeProbe, ONE_IN};
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

    /// Gives the log to the node that `elections` and `probe` belong to.
    pub fn attach(self, elections: Arc<Elections>, probe: NodeProbe) -> LogStore {
        let reader = LogReader { entries: self.entries };
        let (sampler, commit_index) = (Sampler::one_in(ONE_IN), Arc::default());
        LogStore { reader, writer: self.writer, elections, probe, sampler, commit_index }
    }
}

/// The log of a running node.
#[derive(Debug)]
pub struct LogStore {
    reader: LogReader,
    writer: Option<Arc<Writer>>,
    elections: Arc<Elections>,
    probe: NodeProbe,
    sampler: Sampler,
    commit_index: Arc<AtomicU64>,
}

impl LogStore {
    /// What stays in hand when openraft owns the store: to close the log and to look at it.
    pub fn handle(&self) -> LogHandle {
        let (reader, writer) = (self.reader.clone(), self.writer.clone());
        LogHandle { reader, writer, commit_index: self.commit_index.clone() }
    }
}

/// A running node's log, seen from outside.
#[derive(Clone, Debug)]
pub struct LogHandle {
    reader: LogReader,
    writer: Option<Arc<Writer>>,
    commit_index: Arc<AtomicU64>,
}

impl LogHandle {
    /// Ends the writer's thread once it has written what it was given. Blocks on the disk.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
    }

    /// How far the log is known to be committed; 0 until the node has heard.
    pub fn commit_index(&self) -> u64 {
        // Relaxed: a statistic that publishes nothing else.
        self.commit_index.load(Ordering::Relaxed)
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
        self.elections.vote_saved(vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let vote = self.reader.entries.lock().vote();
        if let Some(vote) = &vote {
            self.elections.vote_restored(vote);
        }
        Ok(vote)
    }

    /// Only observed: a restarted node learns from the leader how far the log is committed.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        // Relaxed: a statistic that publishes nothing else.
        self.commit_index.store(committed.map_or(0, |id| id.index), Ordering::Relaxed);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, done: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let started = self.probe.stamp_sampled(&mut self.sampler);
        match &self.writer {
            None => {
                self.reader.entries.lock().append(entries);
                self.probe.log_appended(started);
                done.log_io_completed(Ok(()));
            }
            Some(writer) => {
                self.reader.entries.lock().append(entries.clone());
                let probe = self.probe.clone();
                writer.append(entries, Appended { probe, started }, done);
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
        self.probe.log_compacted();
        Ok(())
    }
}

fn write_failed(error: io::Error) -> StorageIOError<u64> {
    StorageIOError::write_logs(AnyError::new(&error))
}
