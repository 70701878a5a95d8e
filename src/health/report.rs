//! A report: what is asked for, as structures and as JSON.

use super::issue::{Issue, Threshold, seconds};
use super::state::HealthState;
use serde::{Serialize, Serializer};
use std::time::Duration;

/// The health of the node, at one moment.
///
/// In JSON: the fields, with times as seconds since 1970 and durations as seconds; see [`to_json`](HealthReport::to_json).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HealthReport {
    /// The worst of all components; [`Failing`](HealthState::Failing) while something has not said anything yet.
    pub status: HealthState,
    /// The engine: `running`, `by hand`, `starting`, `late`, `died` or `stopped`.
    #[serde(rename = "state")]
    pub engine: &'static str,
    /// What is wrong, in a line; `None` if nothing is.
    pub why: Option<String>,
    /// Whether the node is ready to work: everything has said something, and the status is not as bad as
    /// [`HealthBuilder::unready_from`](super::HealthBuilder::unready_from).
    pub ready: bool,
    /// Whether `/health` says 200.
    #[serde(skip)]
    pub ok: bool,
    /// Since when the status is what it is, in milliseconds since 1970. In JSON `since`, in seconds.
    #[serde(rename = "since", serialize_with = "seconds")]
    pub since_ms: i64,
    /// When the question was asked, in milliseconds since 1970. In JSON `generated_at`, in seconds.
    #[serde(rename = "generated_at", serialize_with = "seconds")]
    pub generated_at_ms: i64,
    /// The engine's latest generation.
    pub generation: Option<u64>,
    /// How long ago its cut was made.
    #[serde(rename = "age_seconds", serialize_with = "optional_span")]
    pub age: Option<Duration>,
    /// How often there is to be one.
    #[serde(rename = "interval_seconds", serialize_with = "optional_span")]
    pub interval: Option<Duration>,
    /// What the rules say, if some are evaluated.
    pub rules: Option<RulesReport>,
    /// The components, by name. Not in the JSON of a summary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentReport>,
}

/// What the rules said when they were evaluated last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RulesReport {
    /// When, in milliseconds since 1970. In JSON `evaluated_at`, in seconds.
    #[serde(rename = "evaluated_at", serialize_with = "seconds")]
    pub evaluated_at_ms: i64,
    /// How long ago.
    #[serde(rename = "age_seconds", serialize_with = "span")]
    pub age: Duration,
    /// Alerts that fire and count.
    pub firing: usize,
    /// Alerts that are pending.
    pub pending: usize,
    /// Alerts that fire and are silenced.
    pub silenced: usize,
    /// Alerts that fire and are only there to inform.
    pub informational: usize,
    /// Rules that could not be evaluated.
    pub failing_rules: usize,
    /// Alerts of a severity that is not known; they count as warnings.
    pub unknown_severities: usize,
    /// Alerts whose component is one more than there may be; they count for `other`.
    pub components_left_out: usize,
}

/// The health of a component.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComponentReport {
    /// Its name.
    pub name: String,
    /// The worst of its issues and checks.
    pub state: HealthState,
    /// Since when it is in this state, in milliseconds since 1970. In JSON `since`, in seconds.
    #[serde(rename = "since", serialize_with = "seconds")]
    pub since_ms: i64,
    /// What is wrong: the worst first, of these the oldest first; at most
    /// [`MAX_HEALTH_ISSUES`](crate::limits::MAX_HEALTH_ISSUES), as all lists of issues.
    pub issues: Vec<Issue>,
    /// How many further ones there are.
    pub issues_left_out: usize,
    /// Alerts that do not hold for long enough yet. They do not count.
    pub pending: Vec<Issue>,
    /// How many further ones there are.
    pub pending_left_out: usize,
    /// Alerts that fire, and that somebody silenced. They do not count.
    pub silenced: Vec<Issue>,
    /// How many further ones there are.
    pub silenced_left_out: usize,
    /// Alerts that fire, and whose severity says that they are no issue. They do not count.
    pub informational: Vec<Issue>,
    /// How many further ones there are.
    pub informational_left_out: usize,
    /// The host's checks of this component.
    pub checks: Vec<CheckReport>,
}

/// What a check of the host said last.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// What it makes of the component; `None` until it has said something.
    pub state: Option<HealthState>,
    /// What is wrong; empty if nothing is.
    pub what: String,
    /// Since when it is in this state, in milliseconds since 1970. In JSON `since`, in seconds.
    #[serde(rename = "since", serialize_with = "optional_seconds")]
    pub since_ms: Option<i64>,
    /// What it measured.
    #[serde(serialize_with = "super::issue::number")]
    pub value: Option<f64>,
    /// What that was compared with.
    pub threshold: Option<Threshold>,
    /// When it answered last, in milliseconds since 1970. In JSON `answered_at`, in seconds.
    #[serde(rename = "answered_at", serialize_with = "optional_seconds")]
    pub answered_at_ms: Option<i64>,
    /// How long that took.
    #[serde(rename = "took_seconds", serialize_with = "optional_span")]
    pub took: Option<Duration>,
    /// How often it was asked.
    pub runs: u64,
    /// How often it gave no answer in time.
    pub timeouts: u64,
    /// How often it panicked.
    pub panics: u64,
}

impl HealthReport {
    /// As JSON, in one line: what `/health` answers.
    pub fn to_json(&self) -> String {
        // Structures of texts and numbers, and maps whose keys are texts: nothing that JSON could refuse.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The component of this name.
    pub fn component(&self, name: &str) -> Option<&ComponentReport> {
        self.components.iter().find(|component| component.name == name)
    }
}

/// The JSON of a summary with that of the components, which seldom change, put into it.
pub(super) fn spliced(summary: &HealthReport, components: &str) -> String {
    let mut json = summary.to_json();
    json.pop();
    json.reserve(components.len() + 16);
    json.push_str(",\"components\":");
    json.push_str(components);
    json.push('}');
    json
}

fn span<S: Serializer>(span: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(span.as_secs_f64())
}

fn optional_span<S: Serializer>(value: &Option<Duration>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => span(value, out),
        None => out.serialize_none(),
    }
}

fn optional_seconds<S: Serializer>(value: &Option<i64>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => seconds(value, out),
        None => out.serialize_none(),
    }
}
