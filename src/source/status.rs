//! How a source does.

use super::SourceError;
use std::time::Duration;

/// How a source does.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Whether its last poll gave samples; `false` before the first, and while one hangs.
    pub up: bool,
    /// Whether its series have ended: it had no good poll for too long.
    pub stale: bool,
    /// How long ago its last good samples were read; `None` before the first.
    pub age: Option<Duration>,
    /// When that was, since 1970-01-01 UTC.
    pub last_good: Option<Duration>,
    /// How long its last poll took.
    pub took: Duration,
    /// Why its last poll gave nothing.
    pub error: Option<SourceError>,
    /// What the last good poll gave that could not be shown, and why: how many series, and what was wrong with the first.
    pub left_out: Vec<(u64, String)>,
    /// Polls so far.
    pub polls: u64,
    /// Those that gave nothing.
    pub failures: u64,
    /// Series that are shown now.
    pub series: usize,
}
