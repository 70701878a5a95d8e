//! Everything that can go wrong, at set-up or when reading: what, where, and what to do.

use std::fmt;
use std::time::Duration;

/// An error of set-up or of reading. Recording never fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A metric or label name breaks the rules of Prometheus and OpenMetrics.
    InvalidName {
        /// The name as it was given.
        name: String,
        /// Which rule, and what a valid name looks like.
        reason: String,
    },
    /// The metric was registered before with another definition.
    Conflict {
        /// The definition that stands.
        existing: String,
        /// The definition that was refused.
        refused: String,
    },
    /// A limit of set-up was met (see [`crate::limits`]).
    TooMany {
        /// What there are too many of, and for which metric.
        what: String,
        /// The limit.
        limit: usize,
        /// What to do about it.
        advice: &'static str,
    },
    /// The process's address space has no room for the engine's cells.
    OutOfAddressSpace,
    /// The registry already has a running engine.
    AlreadyRunning,
    /// The engine was stopped, its thread died, or it belongs to the parent of a forked process.
    NotRunning(&'static str),
    /// A setting is out of range or came too late.
    InvalidSetting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A snapshot has no such series.
    NoSuchSeries {
        /// What was asked for.
        asked: String,
        /// What there is instead.
        advice: String,
    },
    /// Two histograms of different precision cannot be merged or subtracted bucket by bucket.
    ShapeMismatch {
        /// Significant figures of the one.
        left: u8,
        /// Significant figures of the other.
        right: u8,
    },
    /// What another program wrote cannot be read.
    Unreadable {
        /// What it should have been.
        what: &'static str,
        /// Where it is not: a line and column, or a path to the value.
        at: String,
        /// What is there, and what was expected.
        reason: String,
    },
    /// A condition did not come true in time.
    TimedOut(Duration),
    /// The operating system refused something.
    Io {
        /// What was attempted.
        attempt: String,
        /// What the system said.
        kind: std::io::ErrorKind,
        /// Its words, and what to do.
        reason: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidName { name, reason } => {
                write!(f, "invalid name {}: {reason}", Short(name))
            }
            Error::Conflict { existing, refused } => write!(
                f,
                "the metric is already registered with another definition:\n  registered: {existing}\n  refused:    \
                 {refused}\ngive one of them another name, or make both the same"
            ),
            Error::TooMany { what, limit, advice } => {
                write!(f, "too many {what}: the limit is {limit}; {advice}")
            }
            Error::OutOfAddressSpace => write!(
                f,
                "no address space for the engine's cells: raise RLIMIT_AS (ulimit -v), or allow overcommit \
                 (vm.overcommit_memory)"
            ),
            Error::AlreadyRunning => write!(
                f,
                "this registry already has a running engine: use that one, stop it first, or give the new engine a \
                 registry of its own"
            ),
            Error::NotRunning(why) => write!(f, "the engine is not running: {why}"),
            Error::InvalidSetting { setting, reason } => write!(f, "setting {setting}: {reason}"),
            Error::NoSuchSeries { asked, advice } => {
                write!(f, "the snapshot has no series {asked}: {advice}")
            }
            Error::ShapeMismatch { left, right } => write!(
                f,
                "histograms of {left} and {right} significant figures cannot be combined: register both with the same \
                 precision"
            ),
            Error::Unreadable { what, at, reason } => {
                write!(f, "cannot read this {what} at {at}: {reason}")
            }
            Error::TimedOut(limit) => write!(f, "the condition did not come true within {limit:?}"),
            Error::Io { attempt, reason, .. } => write!(f, "cannot {attempt}: {reason}"),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(feature = "push")]
impl Error {
    /// Says that it is about the push target `name`.
    pub(crate) fn of_target(mut self, name: &str) -> Error {
        if let Error::InvalidSetting { reason: text, .. } | Error::Io { attempt: text, .. } =
            &mut self
        {
            *text = format!("push target {name:?}: {text}");
        }
        self
    }
}

/// A name in an error: quoted, and cut short where somebody passed a page of text.
struct Short<'a>(&'a str);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 80;
        match self.0.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{:?}… ({} bytes)", &self.0[..end], self.0.len()),
            None => write!(f, "{:?}", self.0),
        }
    }
}
