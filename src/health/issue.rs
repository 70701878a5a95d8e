//! What is wrong: one alert, one check, one rule that cannot be evaluated, or data that are stale.

use super::state::HealthState;
use crate::limits::MAX_HEALTH_TEXT_BYTES;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// Something that is wrong with a component. Texts are cut at
/// [`MAX_HEALTH_TEXT_BYTES`](crate::limits::MAX_HEALTH_TEXT_BYTES).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Issue {
    /// What is wrong, for people: an alert's annotation `summary`, else `description`, else its name.
    pub what: String,
    /// What it makes of the component; of an alert that is only pending, silenced or informational, what it would make.
    pub state: HealthState,
    /// Since when, in milliseconds since 1970: of an alert, when its expression began to hold. In JSON `since`, in
    /// seconds.
    #[serde(rename = "since", serialize_with = "seconds")]
    pub since_ms: i64,
    /// The expression's value when it last held, or what the check measured. In JSON, NaN and infinities are texts:
    /// `"NaN"`, `"+Inf"`, `"-Inf"`.
    #[serde(serialize_with = "number")]
    pub value: Option<f64>,
    /// What the value was compared with.
    pub threshold: Option<Threshold>,
    /// The alert's labels, but for `alertname`, `component` and `severity`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The rule that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<IssueRule>,
    /// The name of the check that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// What a value was compared with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Threshold {
    /// How the value compares with the threshold while the issue holds: `">"`, say.
    pub operator: &'static str,
    /// The threshold. In JSON as [`Issue::value`].
    #[serde(serialize_with = "plain_number")]
    pub value: f64,
}

/// The rule behind an issue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct IssueRule {
    /// Its group.
    pub group: String,
    /// Its name: the alert's, or of what it records.
    pub name: String,
    /// Its expression.
    pub expression: String,
    /// The alert's label `severity`, as it stands.
    pub severity: Option<String>,
}

impl Issue {
    /// Without labels, rule and check.
    pub(super) fn new(what: &str, state: HealthState, since_ms: i64) -> Issue {
        Issue {
            what: cut(what),
            state,
            since_ms,
            value: None,
            threshold: None,
            labels: BTreeMap::new(),
            rule: None,
            check: None,
        }
    }
}

/// A text that is not longer than a report wants it.
pub(super) fn cut(text: &str) -> String {
    if text.len() <= MAX_HEALTH_TEXT_BYTES {
        return text.to_owned();
    }
    let mut short = text[..text.floor_char_boundary(MAX_HEALTH_TEXT_BYTES)].to_owned();
    short.push('…');
    short
}

/// Milliseconds as seconds.
pub(super) fn seconds<S: Serializer>(ms: &i64, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(*ms as f64 / 1_000.0)
}

pub(super) fn number<S: Serializer>(value: &Option<f64>, out: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => plain_number(value, out),
        None => out.serialize_none(),
    }
}

/// JSON has neither NaN nor infinities; which of them it is matters to who reads a report.
fn plain_number<S: Serializer>(value: &f64, out: S) -> Result<S::Ok, S::Error> {
    match *value {
        value if value.is_finite() => out.serialize_f64(value),
        value if value.is_nan() => out.serialize_str("NaN"),
        f64::INFINITY => out.serialize_str("+Inf"),
        _ => out.serialize_str("-Inf"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        let text = "ü".repeat(MAX_HEALTH_TEXT_BYTES);
        let short = cut(&format!("x{text}"));
        assert!(short.ends_with("ü…") && short.len() <= MAX_HEALTH_TEXT_BYTES + '…'.len_utf8());
        let fits = "x".repeat(MAX_HEALTH_TEXT_BYTES);
        assert_eq!(cut(&fits), fits);
    }

    #[test]
    fn numbers_that_json_lacks_are_texts() {
        let json = |value| {
            let issue = Issue { value, ..Issue::new("x", HealthState::Warning, 1_500) };
            serde_json::to_value(issue).unwrap()
        };
        assert_eq!(json(Some(f64::NAN))["value"], "NaN");
        assert_eq!(json(Some(f64::INFINITY))["value"], "+Inf");
        assert_eq!(json(Some(f64::NEG_INFINITY))["value"], "-Inf");
        assert_eq!(json(Some(-0.25))["value"], -0.25);
        assert!(json(None)["value"].is_null());
        assert_eq!(json(None)["since"], 1.5);
    }
}
