//! How queries are evaluated, and what they may cost.

use crate::aggregate::time::{Clock, SystemClock};
use crate::limits::{DEFAULT_QUERY_POINTS, DEFAULT_QUERY_SAMPLES, DEFAULT_QUERY_TIME_LIMIT};
use std::sync::Arc;
use std::time::Duration;

/// How queries are evaluated, and what one of them may cost. The defaults are Prometheus's.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long before the moment of evaluation a series' last sample may lie; 5 minutes.
    pub lookback: Duration,
    /// The step of a subquery that names none; a minute, as is Prometheus's evaluation interval.
    pub subquery_step: Duration,
    /// Windows and the look-back have their older end in them, as in Prometheus 2 (`false`, the default), or not, as in
    /// Prometheus 3 (`true`): of a sample a second, `[5m]` has 301 or 300.
    pub left_open: bool,
    /// How long an evaluation may take; see [`DEFAULT_QUERY_TIME_LIMIT`].
    pub time_limit: Duration,
    /// How many samples it may read; see [`DEFAULT_QUERY_SAMPLES`].
    pub max_samples: u64,
    /// How many points it, and each of its parts, may result in; see [`DEFAULT_QUERY_POINTS`].
    pub max_points: u64,
    /// By which the time limit is measured.
    pub clock: Arc<dyn Clock>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            lookback: Duration::from_secs(300),
            subquery_step: Duration::from_secs(60),
            left_open: false,
            time_limit: DEFAULT_QUERY_TIME_LIMIT,
            max_samples: DEFAULT_QUERY_SAMPLES,
            max_points: DEFAULT_QUERY_POINTS,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

impl Settings {
    pub(crate) fn lookback_ms(&self) -> i64 {
        i64::try_from(self.lookback.as_millis()).unwrap_or(i64::MAX)
    }

    pub(crate) fn default_step_ms(&self) -> i64 {
        i64::try_from(self.subquery_step.as_millis()).unwrap_or(i64::MAX)
    }

    /// The oldest time in a window of this length that ends at `to_ms`.
    pub(crate) fn oldest(&self, to_ms: i64, length_ms: i64) -> i64 {
        to_ms.saturating_sub(length_ms).saturating_add(i64::from(self.left_open))
    }
}
