//! The thread that writes: a row with one call of the system, syncs now and then, and lets old segments go.

use super::format::{self, HEADER, Header, seal};
use super::queue::{Job, Queue};
use crate::limits::{HISTORY_LOG_SYNC, HISTORY_SPAN_SEGMENTS};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Buffers that are kept to be used again, and their size at most.
const SPARE: (usize, usize) = (4, 4 << 20);

/// A segment that is there.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// The time of its last row, or the best that is known.
    pub(super) last: i64,
    /// How long its tier keeps rows.
    pub(super) span: i64,
}

/// The segment of a tier that rows go to.
#[derive(Debug)]
struct Open {
    file: File,
    segment: Segment,
    crc: u32,
    /// Whether it has what was not synced.
    dirty: bool,
}

/// One tier's segments.
#[derive(Debug)]
pub(super) struct TierFiles {
    pub(super) step: i64,
    pub(super) span: i64,
    /// Those that are no longer written to, oldest first.
    pub(super) closed: VecDeque<Segment>,
    open: Option<Open>,
}

impl TierFiles {
    pub(super) fn new(step: i64, span: i64) -> Self {
        TierFiles { step, span, closed: VecDeque::new(), open: None }
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) queue: Arc<Queue>,
    pub(super) folder: PathBuf,
    /// Finest first; behind them segments of tiers that this history has not.
    pub(super) tiers: Vec<TierFiles>,
    pub(super) next_number: u64,
    pub(super) run: u64,
    pub(super) disk_bytes: u64,
    /// Locked for as long as it is open.
    pub(super) _lock: File,
}

impl Writer {
    pub(super) fn run(mut self) {
        let mut synced = Instant::now();
        let queue = self.queue.clone();
        let mut state = queue.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.waiting -= job.record.len();
                state.busy = true;
                drop(state);
                let buffer = self.take(job);
                state = queue.lock();
                self.report(&mut state.counts);
                state.busy = false;
                if state.spare.len() < SPARE.0 && buffer.capacity() <= SPARE.1 {
                    state.spare.push(buffer);
                }
                queue.news.notify_all();
            }
            let asked = state.asked;
            let due = synced.elapsed() >= HISTORY_LOG_SYNC && self.is_dirty();
            let idle = state.jobs.is_empty();
            let stop = state.stop && idle;
            if due || stop || idle && asked > state.done {
                drop(state);
                let result = self.sync();
                synced = Instant::now();
                state = queue.lock();
                state.counts.syncs += 1;
                state.counts.errors += u64::from(result.is_err());
                state.refused = result.err().map(|error| format!("cannot sync: {error}"));
                if idle {
                    state.done = asked;
                }
                queue.news.notify_all();
                if stop && state.jobs.is_empty() {
                    return;
                }
                continue;
            }
            if idle {
                let left = HISTORY_LOG_SYNC.saturating_sub(synced.elapsed());
                state = if self.is_dirty() {
                    let waited = queue.work.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                } else {
                    queue.work.wait(state).unwrap_or_else(PoisonError::into_inner)
                };
            }
        }
    }

    pub(super) fn report(&self, counts: &mut super::queue::Counts) {
        counts.bytes = self.bytes();
        let open = self.tiers.iter().filter(|tier| tier.open.is_some()).count();
        counts.segments = open + self.tiers.iter().map(|tier| tier.closed.len()).sum::<usize>();
    }

    fn is_dirty(&self) -> bool {
        self.tiers.iter().filter_map(|tier| tier.open.as_ref()).any(|open| open.dirty)
    }

    fn bytes(&self) -> u64 {
        let open = self.tiers.iter().filter_map(|tier| tier.open.as_ref());
        let closed = self.tiers.iter().flat_map(|tier| &tier.closed);
        open.map(|open| open.segment.bytes).sum::<u64>()
            + closed.map(|segment| segment.bytes).sum::<u64>()
    }

    /// Writes a row, if it can be; its buffer, to be used again.
    fn take(&mut self, mut job: Job) -> Vec<u8> {
        self.let_age(job.time);
        if job.begins {
            self.close(job.tier);
        } else if self.tiers[job.tier].open.is_none() {
            // It builds on rows that were not written.
            self.queue.lock().counts.dropped_failed += 1;
            job.record.clear();
            return job.record;
        }
        let needs = job.record.len() as u64 + if job.begins { HEADER as u64 } else { 0 };
        if let Err(why) = self.make_room(needs) {
            // The segment that is closed now is one that can go.
            self.close(job.tier);
            self.queue.fail(job.tier, why, job.begins);
        } else {
            match self.write(&mut job) {
                Ok(bytes) => self.queue.written(job.tier, bytes),
                Err(error) => {
                    self.abandon(job.tier);
                    self.queue.lock().counts.errors += 1;
                    let folder = self.folder.display();
                    self.queue.fail(job.tier, format!("cannot write to {folder}: {error}"), true);
                }
            }
        }
        job.record.clear();
        job.record
    }

    fn write(&mut self, job: &mut Job) -> io::Result<u64> {
        let tier = &mut self.tiers[job.tier];
        if !job.begins
            && let Some(open) = &mut tier.open
        {
            let crc = seal(&mut job.record, open.crc);
            open.file.write_all(&job.record)?;
            let bytes = job.record.len() as u64;
            (open.crc, open.segment.last, open.dirty) = (crc, job.time, true);
            open.segment.bytes += bytes;
            return Ok(bytes);
        }
        let header = Header {
            step: tier.step,
            span: tier.span,
            finest: job.tier == 0,
            number: self.next_number,
            run: self.run,
        };
        let mut bytes = header.write();
        let crc = seal(&mut job.record, format::seed(&bytes));
        bytes.extend_from_slice(&job.record);
        let path = self.folder.join(format::name(tier.step, self.next_number));
        self.next_number += 1;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let segment = Segment { path, bytes: 0, last: job.time, span: tier.span };
        let open = tier.open.insert(Open { file, segment, crc, dirty: true });
        open.file.write_all(&bytes)?;
        open.segment.bytes = bytes.len() as u64;
        // So that the file is found after a loss of power.
        File::open(&self.folder)?.sync_all()?;
        Ok(bytes.len() as u64)
    }

    /// Closes the segment of a tier after a write that failed: what is whole of it stays.
    fn abandon(&mut self, tier: usize) {
        let Some(open) = self.tiers[tier].open.take() else { return };
        if open.segment.bytes == 0 {
            drop(std::fs::remove_file(&open.segment.path));
            return;
        }
        // A part of a row may be behind it. If it cannot be cut off, its checksum tells the next reader.
        let _ = open.file.set_len(open.segment.bytes);
        self.tiers[tier].closed.push_back(open.segment);
    }

    fn close(&mut self, tier: usize) {
        let Some(open) = self.tiers[tier].open.take() else { return };
        if open.dirty
            && let Err(error) = open.file.sync_data()
        {
            self.queue.refused(format!("cannot sync: {error}"));
        }
        self.tiers[tier].closed.push_back(open.segment);
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for open in self.tiers.iter_mut().filter_map(|tier| tier.open.as_mut()) {
            if open.dirty {
                result = result.and(open.file.sync_data());
                // Once refused, the system does not try these bytes again.
                open.dirty = false;
            }
        }
        result
    }

    /// Deletes segments whose rows are all older than their tier's span, and older than that by what a segment covers:
    /// windows as long as the span begin with the row before them.
    fn let_age(&mut self, now: i64) {
        for at in 0..self.tiers.len() {
            let past = |segment: &Segment| {
                let kept = segment.span.saturating_add(segment.span / HISTORY_SPAN_SEGMENTS);
                segment.last < now.saturating_sub(kept)
            };
            while self.tiers[at].closed.front().is_some_and(past) {
                self.delete_oldest(at);
                self.queue.lock().counts.aged_segments += 1;
            }
        }
    }

    /// Deletes the oldest segments of the coarsest tier, then of finer ones, until there is room for `bytes`.
    fn make_room(&mut self, bytes: u64) -> Result<(), String> {
        while self.bytes() + bytes > self.disk_bytes {
            let Some(at) = self.tiers.iter().rposition(|tier| !tier.closed.is_empty()) else {
                return Err(format!(
                    "a row of {bytes} bytes has no room within disk_bytes, which are {}: allow more",
                    self.disk_bytes
                ));
            };
            self.delete_oldest(at);
            self.queue.lock().counts.displaced_segments += 1;
        }
        Ok(())
    }

    fn delete_oldest(&mut self, tier: usize) {
        let Some(segment) = self.tiers[tier].closed.pop_front() else { return };
        if let Err(error) = std::fs::remove_file(&segment.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            self.queue.refused(format!("cannot delete {}: {error}", segment.path.display()));
        }
    }
}
