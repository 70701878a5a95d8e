//! How handlers stand, for programs to ask.

use std::time::Duration;

/// How an endpoint of a handler stands. Holds no header, and of a URL no path and no query.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandlerStatus {
    /// The handler's name.
    pub handler: String,
    /// What it is told through: `http://host:port`, `log` or `callback`.
    pub endpoint: String,
    /// What waits: alerts for Alertmanager, messages for a webhook, notices for others.
    pub waiting: usize,
    /// What arrived.
    pub sent: u64,
    /// What was given up.
    pub dropped: u64,
    /// When it last took something: since 1970-01-01 UTC.
    pub last_success: Option<Duration>,
    /// What went wrong last, if nothing has succeeded since.
    pub last_error: Option<String>,
}

impl HandlerStatus {
    pub(super) fn new(handler: &str, endpoint: &str) -> HandlerStatus {
        HandlerStatus {
            handler: handler.to_owned(),
            endpoint: endpoint.to_owned(),
            waiting: 0,
            sent: 0,
            dropped: 0,
            last_success: None,
            last_error: None,
        }
    }
}

/// What the last flush came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flush {
    /// How each endpoint stood at the end: what waited then was dropped.
    pub handlers: Vec<HandlerStatus>,
}

impl Flush {
    /// Whether nothing was left waiting.
    pub fn is_complete(&self) -> bool {
        self.handlers.iter().all(|handler| handler.waiting == 0)
    }
}
