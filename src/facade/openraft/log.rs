//! Around the log: appends, votes, purges, commits.

use super::SAMPLE_EVERY;
use super::contents::Contents;
use super::shared::{Shared, locked};
use crate::limits::OPENRAFT_RESTORE_ENTRIES;
use crate::{Histogram, Sampler, Stamp};
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{LogId, OptionalSend, RaftLogId, RaftLogReader, RaftTypeConfig, StorageError, Vote};
use std::fmt::{self, Debug};
use std::num::NonZeroU32;
use std::ops::RangeBounds;
use std::sync::Arc;

/// A log whose appends, votes and purges are recorded. Made by [`Probe::log`](super::Probe::log).
///
/// An append is timed until the log's `append` returns. A log that makes entries durable later than that times itself:
/// [`ProbedLog::times_itself`]. openraft's callback of an append can be called, not wrapped.
pub struct ProbedLog<C: RaftTypeConfig, L, K> {
    log: L,
    shared: Option<Arc<Shared<C, K>>>,
    sampler: Option<Sampler>,
    is_restored: bool,
}

impl<C: RaftTypeConfig, L, K> ProbedLog<C, L, K> {
    pub(super) fn new(log: L, shared: Option<Arc<Shared<C, K>>>) -> Self {
        let sampler = shared.is_some().then(|| Sampler::one_in(SAMPLE_EVERY));
        Self { log, shared, sampler, is_restored: false }
    }

    /// The log makes entries durable after its `append` has returned, and times that with an [`AppendTimer`].
    pub fn times_itself(mut self) -> Self {
        self.sampler = None;
        self
    }
}

impl<C: RaftTypeConfig, L: Debug, K> Debug for ProbedLog<C, L, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProbedLog").field("log", &self.log).finish_non_exhaustive()
    }
}

/// Times appends from where they are asked for to where they are durable. Made by
/// [`Probe::append_timer`](super::Probe::append_timer).
#[derive(Debug)]
pub struct AppendTimer {
    histogram: Option<Histogram>,
    sampler: Sampler,
}

impl AppendTimer {
    pub(super) fn new(histogram: Option<Histogram>, sampler: Sampler) -> Self {
        Self { histogram, sampler }
    }

    /// An append begins. One in [`SAMPLE_EVERY`] is timed.
    #[inline]
    pub fn start(&mut self) -> Appending {
        let Some(histogram) = &self.histogram else { return Appending(None) };
        let weight = self.sampler.draw();
        Appending(weight.map(|weight| (histogram.clone(), Stamp::now(), weight)))
    }
}

/// An append under way; dropped, it was not made.
#[derive(Debug)]
pub struct Appending(Option<(Histogram, Stamp, NonZeroU32)>);

impl Appending {
    /// The entries are durable, as far as the kind of log promises.
    #[inline]
    pub fn durable(self) {
        if let Some((histogram, started, weight)) = self.0 {
            histogram.record_n(started.elapsed_ns(), weight.get().into());
        }
    }
}

/// Passes entries on and sums them up.
struct Weighed<'a, I, C: RaftTypeConfig, K> {
    entries: I,
    shared: &'a Shared<C, K>,
    sum: &'a mut Sum,
}

#[derive(Default)]
struct Sum {
    first: u64,
    entries: u64,
    bytes: u64,
}

impl<I, C, K> Iterator for Weighed<'_, I, C, K>
where
    I: Iterator<Item = C::Entry>,
    C: RaftTypeConfig,
    K: Contents<C>,
{
    type Item = C::Entry;

    #[inline]
    fn next(&mut self) -> Option<C::Entry> {
        let entry = self.entries.next()?;
        if self.sum.entries == 0 {
            self.sum.first = entry.get_log_id().index;
        }
        self.sum.entries += 1;
        self.sum.bytes += self.shared.contents.bytes(&entry);
        Some(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}

impl<C, L, K> ProbedLog<C, L, K>
where
    C: RaftTypeConfig,
    L: RaftLogStorage<C>,
    K: Contents<C>,
{
    /// Weighs what the log held when its node started.
    async fn restore(&mut self, state: &LogState<C>) -> Result<(), StorageError<C::NodeId>> {
        let Some(shared) = self.shared.clone() else { return Ok(()) };
        *locked(&shared.marks) = super::marks::Marks::default();
        let purged = state.last_purged_log_id.as_ref().map_or(0, |id| id.index + 1);
        let end = state.last_log_id.as_ref().map_or(0, |id| id.index + 1);
        let mut from = purged;
        while from < end {
            let upto = end.min(from + OPENRAFT_RESTORE_ENTRIES);
            let entries = self.log.try_get_log_entries(from..upto).await?;
            let bytes = entries.iter().map(|entry| shared.contents.bytes(entry)).sum();
            locked(&shared.marks).append(from, upto - from, bytes, Stamp::now());
            from = upto;
        }
        Ok(())
    }
}

impl<C, L, K> RaftLogReader<C> for ProbedLog<C, L, K>
where
    C: RaftTypeConfig,
    L: RaftLogStorage<C>,
    K: Contents<C>,
{
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<C::Entry>, StorageError<C::NodeId>> {
        self.log.try_get_log_entries(range).await
    }
}

impl<C, L, K> RaftLogStorage<C> for ProbedLog<C, L, K>
where
    C: RaftTypeConfig,
    L: RaftLogStorage<C>,
    K: Contents<C>,
{
    type LogReader = L::LogReader;

    async fn get_log_state(&mut self) -> Result<LogState<C>, StorageError<C::NodeId>> {
        let state = self.log.get_log_state().await?;
        if !self.is_restored {
            self.is_restored = true;
            self.restore(&state).await?;
        }
        Ok(state)
    }

    async fn get_log_reader(&mut self) -> L::LogReader {
        self.log.get_log_reader().await
    }

    async fn save_vote(&mut self, vote: &Vote<C::NodeId>) -> Result<(), StorageError<C::NodeId>> {
        self.log.save_vote(vote).await?;
        if let Some(shared) = &self.shared {
            shared.vote_saved(vote);
        }
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<C::NodeId>>, StorageError<C::NodeId>> {
        let vote = self.log.read_vote().await?;
        if let (Some(shared), Some(vote)) = (&self.shared, &vote) {
            shared.vote_restored(vote);
        }
        Ok(vote)
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogId<C::NodeId>>,
    ) -> Result<(), StorageError<C::NodeId>> {
        if let Some(shared) = &self.shared {
            shared.committed(committed.as_ref().map_or(0, |id| id.index));
        }
        self.log.save_committed(committed).await
    }

    async fn read_committed(
        &mut self,
    ) -> Result<Option<LogId<C::NodeId>>, StorageError<C::NodeId>> {
        let committed = self.log.read_committed().await?;
        if let (Some(shared), Some(id)) = (&self.shared, &committed) {
            shared.committed(id.index);
        }
        Ok(committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<C>,
    ) -> Result<(), StorageError<C::NodeId>>
    where
        I: IntoIterator<Item = C::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let Some(shared) = &self.shared else { return self.log.append(entries, callback).await };
        let timed = self.sampler.as_mut().and_then(Sampler::draw);
        let (started, mut sum) = (Stamp::now(), Sum::default());
        let weighed = Weighed { entries: entries.into_iter(), shared, sum: &mut sum };
        self.log.append(weighed, callback).await?;
        if let Some(weight) = timed {
            let took = started.elapsed_ns();
            shared.metrics.log_append_duration.record_n(took, weight.get().into());
        }
        locked(&shared.marks).append(sum.first, sum.entries, sum.bytes, started);
        Ok(())
    }

    async fn truncate(&mut self, from: LogId<C::NodeId>) -> Result<(), StorageError<C::NodeId>> {
        if let Some(shared) = &self.shared {
            locked(&shared.marks).truncate(from.index);
        }
        self.log.truncate(from).await
    }

    async fn purge(&mut self, upto: LogId<C::NodeId>) -> Result<(), StorageError<C::NodeId>> {
        let index = upto.index;
        self.log.purge(upto).await?;
        if let Some(shared) = &self.shared {
            locked(&shared.marks).purge(index);
            shared.metrics.log_compactions.inc();
        }
        Ok(())
    }
}
