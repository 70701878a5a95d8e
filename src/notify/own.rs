//! What a notifier counts about itself: in the engine's registry, if the engine records its own metrics.

use crate::registry::Registry;
use crate::{Counter, Error, Gauge};
use std::time::Duration;

/// Why an attempt failed. After `Refused` and `Panic` it is not made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host's name gave no address.
    Resolve,
    /// No address took the connection.
    Connect,
    /// The TLS session did not come about, or broke.
    Tls,
    /// It was not over within the time limit.
    Timeout,
    /// The connection broke before there was an answer.
    Closed,
    /// The answer is not one.
    Malformed,
    /// 408, 429 or 5xx.
    Status,
    /// 3xx or another 4xx: the same again would get the same answer.
    Refused,
    /// The log's writer failed.
    Write,
    /// The callback panicked.
    Panic,
}

impl Failure {
    const ALL: [(Failure, &'static str); 10] = [
        (Failure::Resolve, "resolve"),
        (Failure::Connect, "connect"),
        (Failure::Tls, "tls"),
        (Failure::Timeout, "timeout"),
        (Failure::Closed, "closed"),
        (Failure::Malformed, "malformed"),
        (Failure::Status, "status"),
        (Failure::Refused, "refused"),
        (Failure::Write, "write"),
        (Failure::Panic, "panic"),
    ];
}

/// Why an entry was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It was the least important in a queue that was full.
    Full,
    /// The endpoint will not take it.
    Refused,
    /// The handler panicked at it.
    Panic,
    /// The notifier was shut down before it was delivered.
    Shutdown,
}

impl Loss {
    const ALL: [(Loss, &'static str); 4] = [
        (Loss::Full, "full"),
        (Loss::Refused, "refused"),
        (Loss::Panic, "panic"),
        (Loss::Shutdown, "shutdown"),
    ];
}

/// One endpoint's metrics; records nothing if they are off.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics(Option<Handles>);

#[derive(Debug)]
struct Handles {
    sent: Counter,
    failures: Vec<Counter>,
    dropped: Vec<Counter>,
    queue: Gauge,
    last_success: Gauge,
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(
        registry: &Registry,
        handler: &str,
        endpoint: &str,
    ) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics(None));
        }
        let metric = |name: &str, help: &str| {
            registry.metric(name, help).label("handler", handler).label("endpoint", endpoint)
        };
        let failures = |(_, reason): (Failure, &'static str)| {
            let help = "Attempts to notify that failed, by reason.";
            metric("tachometer_notify_failures_total", help).label("reason", reason).counter()
        };
        let dropped = |(_, reason): (Loss, &'static str)| {
            let help = "Notifications that were given up, by reason.";
            metric("tachometer_notify_dropped_total", help).label("reason", reason).counter()
        };
        let help = "Notifications that arrived: alerts, messages, lines or calls.";
        let sent = metric("tachometer_notify_sent_total", help).counter()?;
        let queue = metric("tachometer_notify_queue_length", "Notifications that wait.").gauge()?;
        let help = "When the endpoint last took a notification, since 1970; 0 before the first.";
        let last_success =
            metric("tachometer_notify_last_success_timestamp_seconds", help).gauge()?;
        Ok(OwnMetrics(Some(Handles {
            sent,
            failures: Failure::ALL.into_iter().map(failures).collect::<Result<_, _>>()?,
            dropped: Loss::ALL.into_iter().map(dropped).collect::<Result<_, _>>()?,
            queue,
            last_success,
        })))
    }

    pub(super) fn sent(&self, count: u64, unix: Duration) {
        if let Some(own) = &self.0 {
            own.sent.add(count);
            own.last_success.set(unix.as_secs_f64());
        }
    }

    pub(super) fn failed(&self, why: Failure) {
        if let Some(own) = &self.0 {
            own.failures[why as usize].inc();
        }
    }

    pub(super) fn dropped(&self, why: Loss, count: u64) {
        if let Some(own) = &self.0 {
            own.dropped[why as usize].add(count);
        }
    }

    pub(super) fn waiting(&self, entries: usize) {
        if let Some(own) = &self.0 {
            own.queue.set(entries as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_stand_where_they_are_looked_for() {
        Failure::ALL.iter().enumerate().for_each(|(at, why)| assert_eq!(why.0 as usize, at));
        Loss::ALL.iter().enumerate().for_each(|(at, why)| assert_eq!(why.0 as usize, at));
    }
}
