//! What the pusher counts about itself: in the engine's registry, if the engine records its own metrics.

use crate::registry::{Registry, Unit};
use crate::{Counter, Error, Gauge, Histogram};
use std::time::Duration;

/// Why an attempt failed. After `Refused`, `Spool` and `Panic` it is not made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The host's name gave no address.
    Resolve,
    /// No address took the connection.
    Connect,
    /// The TLS session did not come about, or broke: a certificate that nobody vouches for, no TLS at all.
    Tls,
    /// It was not over within the time limit.
    Timeout,
    /// The connection broke before there was an answer.
    Closed,
    /// The answer is not one.
    Malformed,
    /// 429 or 5xx.
    Status,
    /// 3xx or another 4xx: the same again would get the same answer.
    Refused,
    /// A datagram in the middle of others was refused. The rest is tried again.
    Partial,
    /// The spool's file could not be written.
    Spool,
    /// The protocol panicked.
    Panic,
}

impl Failure {
    const ALL: [(Failure, &'static str); 11] = [
        (Failure::Resolve, "resolve"),
        (Failure::Connect, "connect"),
        (Failure::Tls, "tls"),
        (Failure::Timeout, "timeout"),
        (Failure::Closed, "closed"),
        (Failure::Malformed, "malformed"),
        (Failure::Status, "status"),
        (Failure::Refused, "refused"),
        (Failure::Partial, "partial"),
        (Failure::Spool, "spool"),
        (Failure::Panic, "panic"),
    ];
}

/// Why a payload was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It was the oldest in a spool that was full.
    Full,
    /// A later page, which says all that it said, took its place.
    Superseded,
    /// It alone is larger than the spool.
    TooLarge,
    /// The target will not take it.
    Refused,
    /// The pusher stopped before it was delivered, and the spool is in memory.
    Shutdown,
    /// It was in a part of the spool's file that was damaged: counted once for each such file.
    Damaged,
}

impl Loss {
    const ALL: [(Loss, &'static str); 6] = [
        (Loss::Full, "full"),
        (Loss::Superseded, "superseded"),
        (Loss::TooLarge, "too_large"),
        (Loss::Refused, "refused"),
        (Loss::Shutdown, "shutdown"),
        (Loss::Damaged, "damaged"),
    ];
}

/// One target's metrics; records nothing if they are off.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics(Option<Handles>);

#[derive(Debug)]
struct Handles {
    sent: Counter,
    failures: [Counter; Failure::ALL.len()],
    dropped: [Counter; Loss::ALL.len()],
    rejected_points: Counter,
    spool_entries: Gauge,
    spool_bytes: Gauge,
    last_success: Gauge,
    duration: Histogram,
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(registry: &Registry, target: &str) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics(None));
        }
        let metric = |name: &str, help: &str| registry.metric(name, help).label("target", target);
        let failures = |reason: &'static str| {
            let help = "Attempts to push that failed, by reason.";
            let metric = metric("tachometer_push_failures_total", help);
            metric.label("reason", reason).counter()
        };
        let dropped = |reason: &'static str| {
            let help = "Payloads that were given up, by reason.";
            metric("tachometer_push_dropped_total", help).label("reason", reason).counter()
        };
        Ok(OwnMetrics(Some(Handles {
            sent: metric("tachometer_push_sent_total", "Payloads that the target took.")
                .counter()?,
            failures: all(Failure::ALL.map(|(_, name)| failures(name)))?,
            dropped: all(Loss::ALL.map(|(_, name)| dropped(name)))?,
            rejected_points: metric(
                "tachometer_push_rejected_points_total",
                "Points that the target rejected out of payloads that it took.",
            )
            .counter()?,
            spool_entries: metric("tachometer_push_spool_entries", "Payloads that wait.")
                .gauge()?,
            spool_bytes: metric("tachometer_push_spool_bytes", "Bytes of payloads that wait.")
                .unit(Unit::Bytes)
                .gauge()?,
            last_success: metric(
                "tachometer_push_last_success_timestamp_seconds",
                "When the target last took a payload, since 1970; 0 before the first.",
            )
            .gauge()?,
            duration: metric(
                "tachometer_push_duration_seconds",
                "An attempt to push, successful or not, from the look-up of the name to the end.",
            )
            .unit(Unit::Nanoseconds)
            .histogram()?,
        })))
    }

    pub(super) fn sent(&self, unix: Duration) {
        if let Some(own) = &self.0 {
            own.sent.inc();
            own.last_success.set(unix.as_secs_f64());
        }
    }

    pub(super) fn failed(&self, why: Failure, times: u64) {
        if let Some(own) = &self.0 {
            own.failures[why as usize].add(times);
        }
    }

    pub(super) fn dropped(&self, why: Loss) {
        if let Some(own) = &self.0 {
            own.dropped[why as usize].inc();
        }
    }

    pub(super) fn rejected(&self, points: u64) {
        if let Some(own) = &self.0 {
            own.rejected_points.add(points);
        }
    }

    pub(super) fn took(&self, took: Duration) {
        if let Some(own) = &self.0 {
            own.duration.record_duration(took);
        }
    }

    pub(super) fn spooled(&self, entries: usize, bytes: usize) {
        if let Some(own) = &self.0 {
            own.spool_entries.set(entries as f64);
            own.spool_bytes.set(bytes as f64);
        }
    }
}

/// All of them, or the first error.
fn all<const N: usize>(counters: [Result<Counter, Error>; N]) -> Result<[Counter; N], Error> {
    let counters: Vec<Counter> = counters.into_iter().collect::<Result<_, _>>()?;
    Ok(counters.try_into().unwrap_or_else(|_| unreachable!("as many as there were")))
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
