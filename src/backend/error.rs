//! Why a backend gave no answer.

use crate::query::QueryError;
use std::fmt;
use std::time::Duration;

/// Why a backend gave no answer: what happened, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendError {
    /// There is no connection, or it broke.
    Unreachable {
        /// Where the backend should be.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// The answer did not come within the time limit.
    TimedOut {
        /// Where the backend is.
        address: String,
        /// The limit.
        limit: Duration,
    },
    /// The answer has too many bytes.
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// The answer is none of Prometheus's API: a page of a proxy, say.
    Malformed {
        /// Where it came from.
        address: String,
        /// What it is instead.
        reason: String,
    },
    /// It does not let us in, or has no such endpoint.
    Denied {
        /// Where the backend is.
        address: String,
        /// The HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// The backend says what is wrong with the question.
    Answered {
        /// The HTTP status.
        status: u16,
        /// `errorType`, in the words of Prometheus's API: `bad_data`, `execution`, `timeout`, `unavailable`, …
        kind: String,
        /// `error`.
        reason: String,
    },
}

impl BackendError {
    /// The kind of error in the words of Prometheus's API: what the backend said, or `unavailable` (there is none, or it lets
    /// nobody in), `timeout`, `execution` (too large), `internal` (its answer cannot be read).
    pub fn kind(&self) -> &str {
        match self {
            BackendError::Unreachable { .. } | BackendError::Denied { .. } => "unavailable",
            BackendError::TimedOut { .. } => "timeout",
            BackendError::TooLarge { .. } => "execution",
            BackendError::Malformed { .. } => "internal",
            BackendError::Answered { kind, .. } => kind,
        }
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackendError::Unreachable { address, reason } => {
                write!(f, "{address} cannot be reached: {reason}")
            }
            BackendError::TimedOut { address, limit } => write!(
                f,
                "{address} did not answer within {limit:?}: ask for fewer series, a shorter time or a longer step, or raise \
                 the time limit"
            ),
            BackendError::TooLarge { limit } => write!(
                f,
                "the answer has more than {limit} bytes: ask for fewer series, a shorter time or a longer step, or \
                 aggregate"
            ),
            BackendError::Malformed { address, reason } => {
                write!(f, "{address} does not answer as Prometheus's API does: {reason}")
            }
            BackendError::Denied { address, status, advice } => {
                write!(f, "{address} answers with status {status}: {advice}")
            }
            BackendError::Answered { status, kind, reason } if reason.is_empty() => {
                write!(f, "status {status}, {kind}")
            }
            BackendError::Answered { reason, .. } => f.write_str(reason),
        }
    }
}

impl std::error::Error for BackendError {}

impl From<BackendError> for QueryError {
    fn from(error: BackendError) -> QueryError {
        let reason = error.to_string();
        match error {
            BackendError::TimedOut { limit, .. } => {
                QueryError::TimedOut { limit_ms: limit.as_millis() as u64 }
            }
            BackendError::TooLarge { limit } => QueryError::TooMany {
                what: "bytes of the backend's answer",
                limit: limit as u64,
                advice: "ask for fewer series, a shorter time or a longer step, or aggregate",
            },
            BackendError::Answered { kind, .. } => match &*kind {
                "bad_data" => QueryError::Invalid { reason },
                "execution" => QueryError::Execution { reason },
                "timeout" | "unavailable" => QueryError::Unavailable { reason },
                _ => QueryError::Source { reason },
            },
            BackendError::Unreachable { .. } | BackendError::Denied { .. } => {
                QueryError::Unavailable { reason }
            }
            BackendError::Malformed { .. } => QueryError::Source { reason },
        }
    }
}
