//! Reads a journal back after a restart.
//!
//! Segments are synced before the next one begins, so only the last one may end in the middle of a
//! record: the write that a crash interrupted, which nobody was told of. That tail is cut off.
//! Damage anywhere else is an error; a node must not start without entries that it acknowledged.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::super::types::{Entry, LogId, Vote};
use super::entries::Entries;
use super::journal::{ClosedSegment, Journal};
use super::record::{Record, Records};
use super::segment;

/// Why a journal could not be read back.
#[derive(Debug)]
pub enum RecoveryError {
    Io(io::Error),
    /// A segment that was complete no longer is.
    Damaged {
        segment: PathBuf,
        offset: usize,
    },
    /// Entries are missing before this index.
    Hole {
        segment: PathBuf,
        index: u64,
    },
}

impl From<io::Error> for RecoveryError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the log cannot be read back: {error}"),
            Self::Damaged { segment, offset } => {
                let segment = segment.display();
                write!(f, "log segment {segment} is damaged at byte {offset}")
            }
            Self::Hole { segment, index } => {
                let segment = segment.display();
                write!(f, "log segment {segment}: entries are missing before index {index}")
            }
        }
    }
}

impl std::error::Error for RecoveryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Damaged { .. } | Self::Hole { .. } => None,
        }
    }
}

/// Reads the log in `folder` back, or begins one, and opens its journal for writing.
pub fn open(folder: &Path) -> Result<(Entries, Journal), RecoveryError> {
    fs::create_dir_all(folder)?;
    let numbers = segment::list(folder)?;
    let mut replay = Replay::default();
    let mut closed = VecDeque::new();
    for &number in &numbers {
        let path = segment::path(folder, number);
        let bytes = fs::read(&path)?;
        let (intact, last_index) = replay.segment(&path, &bytes)?;
        if intact < bytes.len() {
            if Some(&number) != numbers.last() {
                return Err(RecoveryError::Damaged { segment: path, offset: intact });
            }
            cut(&path, intact as u64)?;
        }
        closed.push_back(ClosedSegment { number, last_index });
    }
    let next = numbers.last().map_or(1, |last| last + 1);
    let Replay { list, vote, purged } = replay.finish(folder)?;
    let journal = Journal::begin(folder.to_path_buf(), closed, next, vote, purged)?;
    Ok((Entries::restored(list, purged, vote), journal))
}

fn cut(path: &Path, length: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

/// The log as the records so far tell it.
#[derive(Default)]
struct Replay {
    list: VecDeque<Entry>,
    vote: Option<Vote>,
    purged: Option<LogId>,
}

impl Replay {
    /// Replays a segment; returns how much of it is intact and its highest index.
    fn segment(
        &mut self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(usize, Option<u64>), RecoveryError> {
        let mut last_index = None;
        let mut records = Records::new(bytes);
        for record in records.by_ref() {
            if let Record::Entry(entry) = &record {
                let index = entry.log_id.index;
                last_index = last_index.max(Some(index));
                // The first entry of all may be any: those before it may be in segments that are
                // gone. Whether it is early enough, `finish` checks.
                if self.list.back().is_some_and(|last| last.log_id.index + 1 != index) {
                    return Err(RecoveryError::Hole { segment: path.to_path_buf(), index });
                }
            }
            self.record(record);
        }
        Ok((records.offset(), last_index))
    }

    fn record(&mut self, record: Record) {
        match record {
            Record::State { vote, purged } => {
                self.vote = vote.or(self.vote);
                self.purge(purged);
            }
            Record::Entry(entry) => self.list.push_back(entry),
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Truncate(from) => {
                while self.list.pop_back_if(|last| last.log_id.index >= from).is_some() {}
            }
            Record::Purge(upto) => self.purge(Some(upto)),
        }
    }

    fn purge(&mut self, upto: Option<LogId>) {
        self.purged = self.purged.max(upto);
        let Some(purged) = self.purged else { return };
        while self.list.pop_front_if(|first| first.log_id.index <= purged.index).is_some() {}
    }

    fn finish(self, folder: &Path) -> Result<Self, RecoveryError> {
        let expected = self.purged.map_or(0, |purged| purged.index + 1);
        match self.list.front().map(|first| first.log_id.index) {
            Some(index) if index != expected => {
                Err(RecoveryError::Hole { segment: folder.to_path_buf(), index })
            }
            _ => Ok(self),
        }
    }
}
