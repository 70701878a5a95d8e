//! What is counted of calls to a backend: in the registry of an engine that records its own metrics.

use super::BackendError;
use crate::registry::{Registry, Unit};
use crate::{Counter, EnumFamily, Error, Histogram};
use std::time::Duration;

crate::labels! {
    /// How a call went.
    enum Outcome("outcome") {
        /// An answer.
        Answered = "answered",
        /// An error of the API: what was asked is wrong, or cannot be evaluated.
        Error = "error",
        Unreachable = "unreachable",
        TimedOut = "timeout",
        TooLarge = "too_large",
        Malformed = "malformed",
        Denied = "denied",
    }
}

/// The handles.
#[derive(Clone, Debug)]
pub(super) struct Own {
    calls: EnumFamily<Counter, Outcome>,
    duration: Histogram,
}

impl Own {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(registry: &Registry) -> Result<Option<Own>, Error> {
        if !registry.has_own_metrics() {
            return Ok(None);
        }
        let calls = registry
            .metric("tachometer_backend_calls_total", "Calls to the query backend by outcome.");
        let duration = registry.metric(
            "tachometer_backend_call_duration_seconds",
            "From a call to the query backend to the end of its answer.",
        );
        Ok(Some(Own {
            calls: calls.enum_family()?,
            duration: duration.unit(Unit::Nanoseconds).histogram()?,
        }))
    }

    pub(super) fn called(&self, error: Option<&BackendError>, took: Duration) {
        let outcome = match error {
            None => Outcome::Answered,
            Some(BackendError::Answered { .. }) => Outcome::Error,
            Some(BackendError::Unreachable { .. }) => Outcome::Unreachable,
            Some(BackendError::TimedOut { .. }) => Outcome::TimedOut,
            Some(BackendError::TooLarge { .. }) => Outcome::TooLarge,
            Some(BackendError::Malformed { .. }) => Outcome::Malformed,
            Some(BackendError::Denied { .. }) => Outcome::Denied,
        };
        self.calls.at(outcome).inc();
        self.duration.record_duration(took);
    }
}
