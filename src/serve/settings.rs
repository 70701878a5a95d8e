//! What a listener may be told about its limits.

use super::json::Json;
use crate::Error;
use crate::limits::{
    HTTP_HEADER_TIMEOUT, HTTP_IDLE_TIMEOUT, HTTP_WRITE_TIMEOUT, MAX_HTTP_CONNECTIONS,
    MAX_HTTP_HEADER_BYTES, MAX_HTTP_PAGES, MAX_HTTP_RENDERS,
};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The limits of one listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) header_bytes: usize,
    /// From a request's first byte to its last.
    pub(super) request_time: Duration,
    /// Different pages that are made in one turn.
    pub(super) renders: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: MAX_HTTP_CONNECTIONS,
            header_bytes: MAX_HTTP_HEADER_BYTES,
            request_time: HTTP_HEADER_TIMEOUT,
            renders: MAX_HTTP_RENDERS,
        }
    }
}

impl Limits {
    /// For `/stats`.
    pub(super) fn rows(&self) -> Vec<(&'static str, Json)> {
        vec![
            ("connections", self.connections.into()),
            ("header_bytes", self.header_bytes.into()),
            ("request_seconds", self.request_time.into()),
            ("idle_seconds", HTTP_IDLE_TIMEOUT.into()),
            ("write_seconds", HTTP_WRITE_TIMEOUT.into()),
            ("renders", self.renders.into()),
            ("pages", MAX_HTTP_PAGES.into()),
        ]
    }

    /// # Errors
    /// One of them makes no sense.
    pub(super) fn check(&self) -> Result<(), Error> {
        let seconds = Duration::from_millis(10)..=HTTP_IDLE_TIMEOUT;
        within("connections", self.connections, &(1..=1 << 16))?;
        within("header_bytes", self.header_bytes, &(256..=1 << 20))?;
        within("request_time", self.request_time, &seconds)?;
        within("concurrent_renders", self.renders, &(1..=MAX_HTTP_PAGES))
    }
}

fn within<T: PartialOrd + fmt::Debug>(
    setting: &'static str,
    value: T,
    range: &RangeInclusive<T>,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    let reason = format!("{value:?} is not from {least:?} to {most:?}");
    Err(Error::InvalidSetting { setting, reason })
}
