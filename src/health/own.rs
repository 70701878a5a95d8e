//! Health as series, and what its checks cost: in the engine's registry, if the engine records its own metrics.

use super::rollup::Prepared;
use super::standing::{Answered, CheckSpec};
use crate::limits::{HEALTH_SERIES_IDLE, MAX_HEALTH_COMPONENTS};
use crate::registry::{Registry, Unit};
use crate::{Counter, Error, Family, Gauge, Histogram};

/// Health's own metrics; records nothing if they are off.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics(Option<Handles>);

#[derive(Debug)]
struct Handles {
    state: Family<Gauge, 1>,
    checks: Vec<CheckHandles>,
    issues_left_out: Gauge,
    components_left_out: Gauge,
    unknown_severities: Gauge,
}

#[derive(Debug)]
struct CheckHandles {
    duration: Histogram,
    timeouts: Counter,
    panics: Counter,
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register<'a>(
        registry: &Registry,
        checks: impl Iterator<Item = &'a CheckSpec>,
    ) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics(None));
        }
        let left_out = |what: &str| {
            let help = "What the last health report left out, at a limit.";
            registry.metric("tachometer_health_left_out", help).label("what", what).gauge()
        };
        let help = "How each component does: 0 healthy, 1 warning, 2 critical, 3 failing.";
        Ok(OwnMetrics(Some(Handles {
            state: registry
                .metric("tachometer_health_state", help)
                .limit(2 * MAX_HEALTH_COMPONENTS)
                .expire_after(HEALTH_SERIES_IDLE)
                .family(["component"])?,
            checks: checks
                .map(|spec| CheckHandles::register(registry, spec))
                .collect::<Result<_, _>>()?,
            issues_left_out: left_out("issues")?,
            components_left_out: left_out("components")?,
            unknown_severities: registry.gauge(
                "tachometer_health_unknown_severities",
                "Alerts of a severity that health does not know; they count as warnings.",
            )?,
        })))
    }

    pub(super) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Before a generation.
    pub(super) fn show(&self, prepared: &Prepared) {
        let Some(own) = &self.0 else { return };
        for component in &prepared.components {
            own.state.at([&component.name]).set(component.state.level().into());
        }
        own.issues_left_out.set(prepared.left_out() as f64);
        let counts = prepared.counts.unwrap_or_default();
        own.components_left_out.set(counts.components_left_out as f64);
        own.unknown_severities.set(counts.unknown_severities as f64);
    }

    /// The check of this number answered.
    pub(super) fn answered(&self, number: usize, answered: Answered, panicked: bool) {
        let Some(check) = self.0.as_ref().and_then(|own| own.checks.get(number)) else { return };
        check.duration.record_duration(answered.took);
        check.panics.add(panicked.into());
        check.timeouts.add(answered.timed_out.into());
    }

    /// The check of this number does not answer.
    pub(super) fn timed_out(&self, number: usize) {
        if let Some(check) = self.0.as_ref().and_then(|own| own.checks.get(number)) {
            check.timeouts.inc();
        }
    }
}

impl CheckHandles {
    fn register(registry: &Registry, spec: &CheckSpec) -> Result<CheckHandles, Error> {
        let metric = |name: &str, help: &str| {
            let metric = registry.metric(name, help);
            metric.label("component", &spec.component).label("check", &spec.name)
        };
        Ok(CheckHandles {
            duration: metric(
                "tachometer_health_check_duration_seconds",
                "From asking a check to its answer.",
            )
            .unit(Unit::Nanoseconds)
            .histogram()?,
            timeouts: metric(
                "tachometer_health_check_timeouts_total",
                "How often a check gave no answer within its time limit.",
            )
            .counter()?,
            panics: metric("tachometer_health_check_panics_total", "How often a check panicked.")
                .counter()?,
        })
    }
}
