//! How targets stand, for programs to ask.

use std::time::Duration;

/// How a target stands. Holds no header, no query and no body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetStatus {
    /// Its name.
    pub name: String,
    /// Payloads that wait, the one being sent included.
    pub waiting: usize,
    /// Their bytes, headers and lengths included.
    pub waiting_bytes: usize,
    /// Payloads that it took.
    pub sent: u64,
    /// Payloads that were given up.
    pub dropped: u64,
    /// Points that it rejected out of payloads whose others it took: a partial success of OTLP, a partial write of
    /// remote write 2.0.
    pub rejected: u64,
    /// What it said, when it last said something, about points that it rejected or would rather not have: in its own
    /// words, at most [`MAX_PUSH_MESSAGE_BYTES`](crate::limits::MAX_PUSH_MESSAGE_BYTES) of them.
    pub last_rejection: Option<String>,
    /// When it last took one: since 1970-01-01 UTC.
    pub last_success: Option<Duration>,
    /// What went wrong last, if nothing has succeeded since.
    pub last_error: Option<String>,
}

/// What the last flush came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flush {
    /// How each target stood at the end: what waited then was dropped, or stays in its spool's file.
    pub targets: Vec<TargetStatus>,
}

impl Flush {
    /// Whether nothing was left waiting.
    pub fn is_complete(&self) -> bool {
        self.targets.iter().all(|target| target.waiting == 0)
    }
}
