//! Health, as far as an operator sets it.

#[cfg(feature = "health")]
use crate::health::{Health, HealthBuilder, HealthState};
use serde::{Deserialize, Serialize};

/// What the answers of `/health` mean: see `Health`, feature `health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct HealthConfig {
    /// From which state on `/health` has status 503.
    pub unhealthy_from: HealthLevel,
    /// From which state on the process is not ready.
    pub unready_from: HealthLevel,
}

/// A state that is not well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthLevel {
    /// Somebody should look at it; it works.
    Warning,
    /// It does not do all that it should.
    Critical,
    /// It does not work, or nobody can tell.
    Failing,
}

impl Default for HealthConfig {
    fn default() -> Self {
        HealthConfig { unhealthy_from: HealthLevel::Critical, unready_from: HealthLevel::Failing }
    }
}

/// With feature `health`.
#[cfg(feature = "health")]
impl HealthConfig {
    /// Health of these settings, for the host's checks to be added, and to be started.
    ///
    /// ```
    /// use tachometer::{Engine, Registry, config::Config, health::HealthState};
    /// let config = Config::parse("[health]\nunhealthy_from = \"warning\"")?;
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// engine.refresh();
    /// let health = config.health.builder().start(&engine)?;
    /// assert_eq!(health.status(), HealthState::Healthy);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(&self) -> HealthBuilder {
        let state = |level| match level {
            HealthLevel::Warning => HealthState::Warning,
            HealthLevel::Critical => HealthState::Critical,
            HealthLevel::Failing => HealthState::Failing,
        };
        Health::builder()
            .unhealthy_from(state(self.unhealthy_from))
            .unready_from(state(self.unready_from))
    }
}
