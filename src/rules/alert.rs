//! The life of an alert, as Prometheus has it.
//!
//! For each label set of an alerting rule: inactive → pending, when the expression has it; pending → firing, when it
//! has had it for `for`; pending → inactive, when it has it no longer; firing → resolved, when it has had it no longer
//! for `keep_firing_for`. One that resolved is remembered for [`RESOLVED_RETENTION`], and may become pending again.

use crate::limits::RESOLVED_RETENTION;
use crate::query::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// What an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It is not.
    Inactive,
    /// Its expression holds, but not yet for long enough.
    Pending,
    /// It holds.
    Firing,
    /// It fired, and does no longer. Prometheus calls this inactive, too, and tells Alertmanager of it.
    Resolved,
}

impl AlertState {
    /// In Prometheus's words, as in the label `alertstate`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Resolved => "resolved",
        }
    }
}

/// An alert of one label set.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The labels of the expression, of the rule, and `alertname`.
    pub labels: Labels,
    /// What the rule says of it, expanded.
    pub annotations: Labels,
    /// What it is: pending, firing or resolved.
    pub state: AlertState,
    /// The expression's value when it last held. A histogram has 0, as there.
    pub value: f64,
    /// When the expression began to hold, in milliseconds since 1970.
    pub active_at_ms: i64,
    /// When it began to fire.
    pub fired_at_ms: Option<i64>,
    /// When it resolved.
    pub resolved_at_ms: Option<i64>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since_ms: Option<i64>,
}

/// A change of an alert's state.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The rule's group.
    pub group: String,
    /// The rule.
    pub rule: String,
    /// What it was.
    pub from: AlertState,
    /// What it is.
    pub to: AlertState,
    /// The alert, after the change.
    pub alert: Alert,
    /// Whether a silence covers it at this time.
    pub is_silenced: bool,
}

/// Times that decide of an alerting rule's alerts, in milliseconds.
pub(crate) struct Delays {
    pub(crate) wait_ms: i64,
    pub(crate) keep_firing_ms: i64,
}

/// Changes of alerts: what each was, and what it is.
pub(crate) type Changes = Vec<(AlertState, Alert)>;

/// Takes up what an expression has now. Gives the changes, and how many alerts are pending or fire.
pub(crate) fn advance(
    active: &mut BTreeMap<Labels, Alert>,
    now: BTreeMap<Labels, (Labels, f64)>,
    now_ms: i64,
    delays: &Delays,
) -> (Changes, usize) {
    let mut changes = Vec::new();
    let retention = RESOLVED_RETENTION.as_millis() as i64;
    let mut count = 0;
    active.retain(|labels, alert| {
        if now.contains_key(labels) {
            return true;
        }
        match alert.state {
            AlertState::Firing => {
                let since = *alert.keep_firing_since_ms.get_or_insert(now_ms);
                if delays.keep_firing_ms > 0 && now_ms.saturating_sub(since) < delays.keep_firing_ms
                {
                    count += 1;
                    return true;
                }
                alert.state = AlertState::Resolved;
                alert.resolved_at_ms = Some(now_ms);
                changes.push((AlertState::Firing, alert.clone()));
                true
            }
            AlertState::Resolved => {
                let resolved = alert.resolved_at_ms.unwrap_or(now_ms);
                now_ms.saturating_sub(resolved) <= retention
            }
            AlertState::Pending | AlertState::Inactive => {
                alert.state = AlertState::Inactive;
                changes.push((AlertState::Pending, alert.clone()));
                false
            }
        }
    });
    for (labels, (annotations, value)) in now {
        let fresh = || Alert {
            labels: labels.clone(),
            annotations: Labels::empty(),
            state: AlertState::Inactive,
            value,
            active_at_ms: now_ms,
            fired_at_ms: None,
            resolved_at_ms: None,
            keep_firing_since_ms: None,
        };
        let alert = match active.entry(labels.clone()) {
            Entry::Vacant(entry) => entry.insert(fresh()),
            Entry::Occupied(entry) => {
                let alert = entry.into_mut();
                if alert.state == AlertState::Resolved {
                    *alert = fresh();
                }
                alert
            }
        };
        count += 1;
        alert.annotations = annotations;
        alert.value = value;
        alert.keep_firing_since_ms = None;
        let before = alert.state;
        if before == AlertState::Inactive {
            alert.state = AlertState::Pending;
            changes.push((AlertState::Inactive, alert.clone()));
        }
        if alert.state == AlertState::Pending
            && now_ms.saturating_sub(alert.active_at_ms) >= delays.wait_ms
        {
            alert.state = AlertState::Firing;
            alert.fired_at_ms = Some(now_ms);
            changes.push((AlertState::Pending, alert.clone()));
        }
    }
    (changes, count)
}
