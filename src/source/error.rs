//! Why a poll gave nothing.

use std::fmt;
use std::time::Duration;

/// Why a poll gave nothing: what happened, and what to do where there is something to do. It shows no credentials, and of
/// an address its scheme, host and port.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SourceError {
    /// It did not answer in time.
    TimedOut {
        /// The time that it had.
        limit: Duration,
    },
    /// Nobody is there: no such host, nobody listening, a connection that broke, no such file.
    Unreachable {
        /// What was tried, and what the system said.
        reason: String,
    },
    /// It answered, and refused.
    Denied {
        /// The HTTP status.
        status: u16,
        /// What it means here.
        advice: &'static str,
    },
    /// It gave more bytes than a poll may read.
    TooLarge {
        /// The most bytes.
        limit: usize,
    },
    /// It gave more series than a source may have.
    TooManySeries {
        /// How many, if that was still counted.
        series: usize,
        /// The most series.
        limit: usize,
    },
    /// What it gave is not what it should be.
    Malformed {
        /// The line, beginning with 1, of a text.
        line: Option<usize>,
        /// What is there, and what was expected; of JSON, with the path.
        reason: String,
    },
    /// A command that ended with an error, or a host's own source that says so.
    Failed {
        /// What it said.
        reason: String,
    },
    /// A host's own source that panicked.
    Panicked,
}

impl SourceError {
    /// Something that is not what it should be, without a line.
    pub fn malformed(reason: impl Into<String>) -> SourceError {
        SourceError::Malformed { line: None, reason: reason.into() }
    }

    /// Something that went wrong otherwise.
    pub fn failed(reason: impl Into<String>) -> SourceError {
        SourceError::Failed { reason: reason.into() }
    }

    /// The reason in a word, as `tachometer_source_failures_total` has it.
    pub fn reason(&self) -> &'static str {
        match self {
            SourceError::TimedOut { .. } => "timeout",
            SourceError::Unreachable { .. } => "unreachable",
            SourceError::Denied { .. } => "denied",
            SourceError::TooLarge { .. } => "too_large",
            SourceError::TooManySeries { .. } => "too_many_series",
            SourceError::Malformed { .. } => "malformed",
            SourceError::Failed { .. } => "failed",
            SourceError::Panicked => "panicked",
        }
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SourceError::TimedOut { limit } => write!(f, "it did not answer within {limit:?}"),
            SourceError::Unreachable { reason } | SourceError::Failed { reason } => {
                write!(f, "{reason}")
            }
            SourceError::Denied { status, advice } => {
                write!(f, "it answers with status {status}: {advice}")
            }
            SourceError::TooLarge { limit } => {
                write!(
                    f,
                    "it gives more than {limit} bytes; have it give less, or raise `max_bytes`"
                )
            }
            SourceError::TooManySeries { series, limit } => write!(
                f,
                "it gives {series} series, and may give {limit}; have it give fewer, or raise `max_series`"
            ),
            SourceError::Malformed { line: Some(line), reason } => {
                write!(f, "line {line}: {reason}")
            }
            SourceError::Malformed { line: None, reason } => write!(f, "{reason}"),
            SourceError::Panicked => write!(f, "it panicked; the panic's own message was printed"),
        }
    }
}

impl std::error::Error for SourceError {}
