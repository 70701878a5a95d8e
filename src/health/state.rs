//! The four states of health.

use serde::Serialize;
use std::fmt;

/// How a component does. Ordered: the worst is the largest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// Nothing is known to be wrong, and what is known is fresh.
    #[default]
    Healthy,
    /// Somebody should look at it; it works.
    Warning,
    /// It does not do all that it should.
    Critical,
    /// It does not work, or nobody can tell whether it does.
    Failing,
}

impl HealthState {
    /// In lower case, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthState::Healthy => "healthy",
            HealthState::Warning => "warning",
            HealthState::Critical => "critical",
            HealthState::Failing => "failing",
        }
    }

    /// 0 for healthy to 3 for failing, as in the series `tachometer_health_state`.
    pub fn level(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for HealthState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
