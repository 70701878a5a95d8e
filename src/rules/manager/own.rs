//! What a manager counts about itself: in the engine's registry, if the engine records its own metrics. The names are
//! Prometheus's where it has them, with `tachometer` in front.

use crate::registry::{Registry, Unit};
use crate::rules::{AlertState, Evaluation, Rules};
use crate::{Counter, EnumFamily, Error, Gauge, Histogram};
use std::time::Duration;

crate::labels! {
    /// What an alert is, as in the series `ALERTS`.
    enum Active("alertstate") {
        Pending = "pending",
        Firing = "firing",
    }
}

/// A manager's metrics; records nothing if they are off.
#[derive(Debug, Default)]
pub(super) struct OwnMetrics(Option<Handles>);

#[derive(Debug)]
struct Handles {
    evaluations: Counter,
    failures: Counter,
    duration: Histogram,
    skipped: Counter,
    overdue: Counter,
    alerts: EnumFamily<Gauge, Active>,
    panics: Counter,
    dropped: Gauge,
    unsaved: Counter,
}

impl OwnMetrics {
    /// Registers them beside the engine's own metrics, if those are there.
    pub(super) fn register(registry: &Registry) -> Result<OwnMetrics, Error> {
        if !registry.has_own_metrics() {
            return Ok(OwnMetrics(None));
        }
        Ok(OwnMetrics(Some(Handles {
            evaluations: registry
                .counter("tachometer_rule_evaluations_total", "Evaluations of rules.")?,
            failures: registry.counter(
                "tachometer_rule_evaluation_failures_total",
                "Evaluations of rules that failed; /api/v1/rules says why.",
            )?,
            duration: registry
                .metric(
                    "tachometer_rule_evaluation_duration_seconds",
                    "Evaluating all rules that are due, and telling those who want to know.",
                )
                .unit(Unit::Nanoseconds)
                .histogram()?,
            skipped: registry.counter(
                "tachometer_rule_skipped_generations_total",
                "Generations at which no rule was evaluated, as the evaluation before took too long.",
            )?,
            overdue: registry.counter(
                "tachometer_rule_overdue_evaluations_total",
                "Evaluations at the clock's time, as no generation came.",
            )?,
            alerts: registry
                .metric("tachometer_rule_alerts", "Alerts that are pending, and that fire.")
                .enum_family()?,
            panics: registry.counter(
                "tachometer_rule_panics_total",
                "Panics of those who are told of evaluations, and of evaluations.",
            )?,
            dropped: registry.gauge(
                "tachometer_rule_dropped_samples",
                "Samples of rules that were not kept: too many series, or not later than the last.",
            )?,
            unsaved: registry.counter(
                "tachometer_rule_state_failures_total",
                "How often the state of rules could not be written, or read.",
            )?,
        })))
    }

    /// After an evaluation; `rules` is how many were evaluated.
    pub(super) fn evaluated(
        &self,
        evaluation: &Evaluation,
        rules: &Rules,
        evaluations: u64,
        took: Duration,
    ) {
        let Some(own) = &self.0 else { return };
        own.evaluations.add(evaluations);
        own.failures.add(evaluation.failures);
        own.duration.record_duration(took);
        own.alerts.at(Active::Pending).set(rules.count(AlertState::Pending) as f64);
        own.alerts.at(Active::Firing).set(rules.count(AlertState::Firing) as f64);
        own.dropped.set(rules.dropped() as f64);
    }

    pub(super) fn skipped(&self) {
        self.0.iter().for_each(|own| own.skipped.inc());
    }

    pub(super) fn overdue(&self) {
        self.0.iter().for_each(|own| own.overdue.inc());
    }

    pub(super) fn panicked(&self) {
        self.0.iter().for_each(|own| own.panics.inc());
    }

    pub(super) fn unsaved(&self) {
        self.0.iter().for_each(|own| own.unsaved.inc());
    }
}
