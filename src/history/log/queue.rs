//! What the aggregator's thread and the writer's have in common: rows that wait to be written, and how writing goes.

use crate::limits::{HISTORY_LOG_RETRY, MAX_HISTORY_QUEUE_BYTES, MAX_HISTORY_QUEUE_ROWS};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A row that waits to be written.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) tier: usize,
    pub(super) time: i64,
    /// Whether a segment begins with it.
    pub(super) begins: bool,
    /// The payload, behind as many bytes as its frame takes.
    pub(super) record: Vec<u8>,
}

/// What a log has counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Bytes of all segments, and how many there are.
    pub(crate) bytes: u64,
    pub(crate) segments: usize,
    pub(crate) written_bytes: u64,
    pub(crate) rows: u64,
    /// Rows that were not written, because too many waited; because the system or the bound did not let them.
    pub(crate) dropped_waiting: u64,
    pub(crate) dropped_failed: u64,
    pub(crate) aged_segments: u64,
    pub(crate) displaced_segments: u64,
    pub(crate) errors: u64,
    pub(crate) syncs: u64,
    /// Why a tier's last row was not written, or the last sync not made.
    pub(crate) failing: Option<String>,
}

/// How writing a tier goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    /// Whether the writer has no open segment, although one was begun.
    failed: bool,
    /// Why the last row was not written, if so.
    why: Option<String>,
    /// When the next attempt is made.
    retry: Option<Instant>,
}

/// Whether a row may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// In the segment that is open.
    Row,
    /// If it begins a segment.
    Segment,
    No,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) jobs: VecDeque<Job>,
    /// Bytes of them.
    pub(super) waiting: usize,
    /// Buffers to be used again.
    pub(super) spare: Vec<Vec<u8>>,
    tiers: Vec<Course>,
    /// Why the last sync was not made, or a segment not deleted, if so.
    pub(super) refused: Option<String>,
    pub(super) counts: Counts,
    /// Whether the writer is at a job.
    pub(super) busy: bool,
    pub(super) stop: bool,
    /// Syncs that were asked for, and that were made.
    pub(super) asked: u64,
    pub(super) done: u64,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// There is something for the writer to do.
    pub(super) work: Condvar,
    /// The writer did something.
    pub(super) news: Condvar,
}

impl Queue {
    pub(super) fn new(tiers: usize) -> Queue {
        let state = State { tiers: vec![Course::default(); tiers], ..State::default() };
        Queue { state: Mutex::new(state), ..Queue::default() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a row of `tier` may be written; `lost` if the one before was not.
    pub(super) fn admits(&self, tier: usize, lost: bool) -> Admission {
        let mut state = self.lock();
        let state = &mut *state;
        let course = &mut state.tiers[tier];
        let failed = course.failed;
        let full =
            state.jobs.len() >= MAX_HISTORY_QUEUE_ROWS || state.waiting >= MAX_HISTORY_QUEUE_BYTES;
        let admission = if failed || lost {
            // A segment's first row is a large one: not before the writer has caught up, or can be expected to succeed.
            let waits = !state.jobs.is_empty() || state.busy;
            let later = course.retry.is_some_and(|at| Instant::now() < at);
            if waits || later { Admission::No } else { Admission::Segment }
        } else if full {
            Admission::No
        } else {
            Admission::Row
        };
        match admission {
            Admission::No if failed => state.counts.dropped_failed += 1,
            Admission::No => state.counts.dropped_waiting += 1,
            _ => course.failed = false,
        }
        admission
    }

    /// A buffer for a record.
    pub(super) fn buffer(&self) -> Vec<u8> {
        self.lock().spare.pop().unwrap_or_default()
    }

    pub(super) fn push(&self, job: Job) {
        let mut state = self.lock();
        state.waiting += job.record.len();
        state.jobs.push_back(job);
        drop(state);
        self.work.notify_one();
    }

    /// Notes that a row of a tier could not be written: its next one begins a segment, after a pause if that is asked for.
    pub(super) fn fail(&self, tier: usize, why: String, pause: bool) {
        let mut state = self.lock();
        state.counts.dropped_failed += 1;
        let retry = pause.then(|| Instant::now() + HISTORY_LOG_RETRY);
        state.tiers[tier] = Course { failed: true, why: Some(why), retry };
    }

    /// Notes that a row of a tier was written.
    pub(super) fn written(&self, tier: usize, bytes: u64) {
        let mut state = self.lock();
        state.counts.written_bytes += bytes;
        state.counts.rows += 1;
        let course = &mut state.tiers[tier];
        (course.why, course.retry) = (None, None);
    }

    /// Notes that the system refused to sync or to delete.
    pub(super) fn refused(&self, why: String) {
        let mut state = self.lock();
        state.counts.errors += 1;
        state.refused = Some(why);
    }

    pub(super) fn counts(&self) -> Counts {
        let state = self.lock();
        let mut why = state.tiers.iter().map(|course| &course.why).chain([&state.refused]);
        Counts { failing: why.find_map(Clone::clone), ..state.counts.clone() }
    }

    /// Waits until the writer has nothing left to do, and if `sync` is asked for has synced after that. Not longer than
    /// `limit`; whether it has.
    pub(super) fn wait(&self, sync: bool, limit: Duration) -> bool {
        let mut state = self.lock();
        let deadline = Instant::now() + limit;
        if sync {
            state.asked += 1;
        }
        let ticket = state.asked;
        self.work.notify_one();
        loop {
            let idle = state.jobs.is_empty() && !state.busy;
            if idle && (!sync || state.done >= ticket) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
