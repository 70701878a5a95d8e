//! Why a query has no answer.

use std::fmt;

/// Why a query has no answer: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// It is no PromQL, or has the wrong types.
    Invalid {
        /// What is wrong.
        reason: String,
    },
    /// It is PromQL that is not supported here.
    Unsupported {
        /// The function, operator or modifier.
        what: String,
    },
    /// It cannot be evaluated over these series: a match that is not unique, say.
    Execution {
        /// What was found, and what would help.
        reason: String,
    },
    /// A limit was met; see [`crate::limits`].
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What to do about it.
        advice: &'static str,
    },
    /// The time for it was up.
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// Whoever keeps the series cannot be asked just now.
    Unavailable {
        /// What the source says.
        reason: String,
    },
    /// The series could not be read.
    Source {
        /// What the source says.
        reason: String,
    },
}

impl QueryError {
    pub(crate) fn invalid(reason: impl Into<String>) -> Self {
        QueryError::Invalid { reason: reason.into() }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        QueryError::Unsupported { what: what.into() }
    }

    pub(crate) fn execution(reason: impl Into<String>) -> Self {
        QueryError::Execution { reason: reason.into() }
    }

    /// The kind of error in the words of Prometheus's HTTP API: `bad_data`, `execution`, `timeout`, `unavailable` or
    /// `internal`.
    pub fn kind(&self) -> &'static str {
        match self {
            QueryError::Invalid { .. } | QueryError::Unsupported { .. } => "bad_data",
            QueryError::Execution { .. } | QueryError::TooMany { .. } => "execution",
            QueryError::TimedOut { .. } => "timeout",
            QueryError::Unavailable { .. } => "unavailable",
            QueryError::Source { .. } => "internal",
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Invalid { reason } => write!(f, "invalid query: {reason}"),
            QueryError::Unsupported { what } => write!(f, "{what} is not supported"),
            QueryError::Execution { reason } => f.write_str(reason),
            QueryError::TooMany { what, limit, advice } => {
                write!(f, "too many {what}: the limit is {limit}; {advice}")
            }
            QueryError::TimedOut { limit_ms } => write!(
                f,
                "the query took longer than {limit_ms} ms: ask for fewer series, a shorter time or a longer step, or raise \
                 the time limit"
            ),
            QueryError::Unavailable { reason } => {
                write!(f, "the series cannot be read now: {reason}")
            }
            QueryError::Source { reason } => write!(f, "the series cannot be read: {reason}"),
        }
    }
}

impl std::error::Error for QueryError {}
