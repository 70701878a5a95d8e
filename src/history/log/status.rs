//! What a log says of itself.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A part of a log that could not be read, and was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// Where what was skipped begins, in bytes.
    pub offset: u64,
    /// How many bytes were skipped.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage { file, offset, bytes, reason } = self;
        write!(f, "{}: {bytes} bytes from byte {offset} on are skipped: {reason}", file.display())
    }
}

/// How a history on disk does.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Persistence {
    /// Bytes of all segments.
    pub bytes: u64,
    /// How many segments there are.
    pub segments: usize,
    /// Bytes that were written since the start.
    pub written_bytes: u64,
    /// Rows that were written since the start: of the finest tier one for each generation, of others one for each step.
    pub written_rows: u64,
    /// Rows that were not written, as the disk did not follow, refused, or had no room. The history in memory has them.
    pub dropped_rows: u64,
    /// Segments that were deleted: their tier's span was over, or the bound of bytes was met.
    pub deleted_segments: u64,
    /// How often the system refused to write, sync or delete.
    pub errors: u64,
    /// Why the last row was not written; `None` if it was.
    pub failing: Option<String>,
    /// Rows that were read at the start.
    pub replayed_rows: u64,
    /// How long reading took.
    pub replay_time: Duration,
}
