//! The journal: records appended to the last of a row of segment files.
//!
//! Guarantees: what [`Journal::commit`] returned from is on the disk, in order; a segment is
//! removed only when all its entries are purged and a later segment's first record, synced before
//! the removal, holds vote and purged position.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

use super::super::types::{Entry, LogId, Vote};
use super::record::{self, RecordRef};
use super::segment;

/// A new segment is begun when the last one has this size.
const SEGMENT_BYTES: u64 = 16 << 20;

/// A segment that is no longer written.
#[derive(Clone, Copy, Debug)]
pub struct ClosedSegment {
    pub number: u64,
    /// The highest index of any entry in it.
    pub last_index: Option<u64>,
}

/// The writing end of a journal. Only the writer's thread holds it.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    closed: VecDeque<ClosedSegment>,
    active: File,
    active_segment: ClosedSegment,
    active_bytes: u64,
    pending: Vec<u8>,
    needs_sync: bool,
    vote: Option<Vote>,
    purged: Option<LogId>,
}

impl Journal {
    /// Begins segment `number` after those in `closed`.
    pub fn begin(
        folder: PathBuf,
        closed: VecDeque<ClosedSegment>,
        number: u64,
        vote: Option<Vote>,
        purged: Option<LogId>,
    ) -> io::Result<Self> {
        let (active, active_bytes) = begin_segment(&folder, number, vote, purged)?;
        Ok(Self {
            folder,
            closed,
            active,
            active_segment: ClosedSegment { number, last_index: None },
            active_bytes,
            pending: Vec::new(),
            needs_sync: false,
            vote,
            purged,
        })
    }

    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        for entry in entries {
            self.add(RecordRef::Entry(entry))?;
        }
        let last = entries.last().map(|entry| entry.log_id.index);
        self.active_segment.last_index = self.active_segment.last_index.max(last);
        self.needs_sync |= !entries.is_empty();
        Ok(())
    }

    pub fn save_vote(&mut self, vote: Vote) -> io::Result<()> {
        self.vote = Some(vote);
        self.needs_sync = true;
        self.add(RecordRef::Vote(vote))
    }

    pub fn truncate(&mut self, from: u64) -> io::Result<()> {
        self.needs_sync = true;
        self.add(RecordRef::Truncate(from))
    }

    /// Not synced by itself: entries that a crash brings back are purged again.
    pub fn purge(&mut self, upto: LogId) -> io::Result<()> {
        self.purged = self.purged.max(Some(upto));
        self.add(RecordRef::Purge(upto))
    }

    /// Writes what was added since the last commit and waits until it is on the disk.
    pub fn commit(&mut self) -> io::Result<()> {
        self.active.write_all(&self.pending)?;
        self.active_bytes += self.pending.len() as u64;
        self.pending.clear();
        if self.needs_sync {
            self.active.sync_data()?;
            self.needs_sync = false;
        }
        if self.active_bytes >= SEGMENT_BYTES {
            self.roll()?;
        }
        self.remove_purged()
    }

    fn add(&mut self, record: RecordRef<'_>) -> io::Result<()> {
        record::encode(record, &mut self.pending).map_err(io::Error::other)
    }

    fn roll(&mut self) -> io::Result<()> {
        self.active.sync_data()?;
        let number = self.active_segment.number + 1;
        let (active, bytes) = begin_segment(&self.folder, number, self.vote, self.purged)?;
        self.closed.push_back(self.active_segment);
        self.active = active;
        self.active_bytes = bytes;
        self.active_segment = ClosedSegment { number, last_index: None };
        Ok(())
    }

    /// Removes segments from the oldest on, as long as all their entries are purged.
    fn remove_purged(&mut self) -> io::Result<()> {
        let Some(purged) = self.purged else { return Ok(()) };
        let is_purged = |segment: &mut ClosedSegment| segment.last_index <= Some(purged.index);
        while let Some(segment) = self.closed.pop_front_if(is_purged) {
            fs::remove_file(segment::path(&self.folder, segment.number))?;
        }
        Ok(())
    }
}

/// Creates a segment whose first record is on the disk when this returns.
fn begin_segment(
    folder: &std::path::Path,
    number: u64,
    vote: Option<Vote>,
    purged: Option<LogId>,
) -> io::Result<(File, u64)> {
    let path = segment::path(folder, number);
    let mut file = OpenOptions::new().create_new(true).append(true).open(path)?;
    let mut first = Vec::new();
    record::encode(RecordRef::State { vote, purged }, &mut first).map_err(io::Error::other)?;
    file.write_all(&first)?;
    file.sync_data()?;
    segment::sync_folder(folder)?;
    Ok((file, first.len() as u64))
}
