//! What handlers are told: of a change, of a group of alerts, of an alert for Alertmanager.

use crate::query::Labels;
use crate::rules::{Alert, AlertState};
use std::sync::Arc;

/// One change of one alert, as handlers are told of it.
///
/// An alert that began to fire while a silence covered it is told of when the silence ends, with that time; one whose
/// rule went away is told of as resolved.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// When it was found, in milliseconds since 1970.
    pub time_ms: i64,
    /// The name of the rule's file.
    pub file: String,
    /// The rule's group.
    pub group: String,
    /// The rule.
    pub rule: String,
    /// What the alert was.
    pub from: AlertState,
    /// What it is: firing or resolved; for handlers that want that, also pending, and inactive.
    pub to: AlertState,
    /// The alert, after the change.
    pub alert: Alert,
}

/// An alert of a webhook's message.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) alert: Alert,
    pub(super) generator_url: Arc<str>,
}

/// What one evaluation changed in a group.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) file: Arc<str>,
    pub(super) group: Arc<str>,
    /// What fires now or resolved now.
    pub(super) changed: Vec<Told>,
    /// What fired before, and still does.
    pub(super) others: Vec<Told>,
    pub(super) external_url: Arc<str>,
    pub(super) external_labels: Labels,
}

/// An alert as Alertmanager is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Posting {
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) starts_ms: i64,
    pub(super) ends_ms: i64,
    pub(super) generator_url: Arc<str>,
    pub(super) is_resolved: bool,
}

/// When an alert began to fire.
pub(super) fn starts_ms(alert: &Alert) -> i64 {
    alert.fired_at_ms.unwrap_or(alert.active_at_ms)
}

/// Labels with those of `external` that they lack.
pub(super) fn with_external(labels: &Labels, external: &Labels) -> Labels {
    let lacking = external.iter().filter(|(name, _)| labels.get(name).is_none());
    lacking.fold(labels.clone(), |labels, (name, value)| labels.with(name, value))
}
