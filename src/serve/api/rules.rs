//! The rules as Prometheus's API shows them: `/api/v1/rules` and `/api/v1/alerts`, of the last evaluation. Nothing here waits for
//! the next one.

use super::form::Form;
use super::write::{Text, labels};
use super::{Data, Failure};
use crate::query::Labels;
use crate::rules::view::{GroupView, RuleView, RulesView};
use crate::rules::{Alert, AlertState, Rule, Shared, rfc3339};
use crate::serve::events::Events;
use crate::serve::json::quote;
use crate::serve::query::shown;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// What a listener knows of rules.
#[derive(Debug)]
pub(in crate::serve) struct RulesApi {
    rules: Arc<Shared>,
    pub(in crate::serve) events: Arc<Events>,
}

impl RulesApi {
    pub(in crate::serve) fn new(rules: Arc<Shared>) -> RulesApi {
        let events = Events::of(&rules);
        RulesApi { rules, events }
    }

    /// The `data` of `/api/v1/rules`.
    pub(super) fn rules(&self, form: &Form) -> Data {
        let wanted = Wanted::read(form)?;
        let view = self.rules.view();
        let mut groups: Vec<&GroupView> =
            view.groups.iter().filter(|group| wanted.has(group)).collect();
        groups.sort_by(|a, b| (&a.file, a.group.name()).cmp(&(&b.file, b.group.name())));
        let mut out = Text("{\"groups\":".to_owned());
        out.list(groups, |out, group| {
            write_group(&mut out.0, group, &wanted);
            Ok(())
        })?;
        out.0.push('}');
        Ok((out.0, false))
    }

    /// The `data` of `/api/v1/alerts`.
    pub(super) fn alerts(&self) -> Data {
        let view: Arc<RulesView> = self.rules.view();
        let rules = view.groups.iter().flat_map(|group| &group.rules);
        let mut out = Text("{\"alerts\":".to_owned());
        out.list(rules.flat_map(active), |out, alert| {
            write_alert(&mut out.0, alert);
            Ok(())
        })?;
        out.0.push('}');
        Ok((out.0, false))
    }
}

/// Which rules are asked for; all of a list that is empty.
struct Wanted<'a> {
    /// Whether those that alert, or those that record.
    alerts: Option<bool>,
    names: Vec<&'a str>,
    groups: Vec<&'a str>,
    files: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    fn read(form: &'a Form) -> Result<Wanted<'a>, Failure> {
        let alerts = match form.first("type") {
            None => None,
            Some(kind) if kind.eq_ignore_ascii_case("alert") => Some(true),
            Some(kind) if kind.eq_ignore_ascii_case("record") => Some(false),
            Some(kind) => {
                let why = format!("not supported value {}", shown(kind));
                return Err(Failure::parameter("type", why));
            }
        };
        let all = |name| form.all(name).collect();
        let (names, groups, files) = (all("rule_name[]"), all("rule_group[]"), all("file[]"));
        Ok(Wanted { alerts, names, groups, files })
    }

    fn has(&self, group: &GroupView) -> bool {
        let among = |all: &[&str], one: &str| all.is_empty() || all.contains(&one);
        among(&self.groups, group.group.name())
            && among(&self.files, &group.file)
            // As in Prometheus 3, a group without a rule of the name is left out; in one that is asked for by type alone, the
            // list is empty.
            && (self.names.is_empty() || group.group.rules().iter().any(|rule| self.takes(rule)))
    }

    fn takes(&self, rule: &Rule) -> bool {
        self.alerts.is_none_or(|alerts| alerts == rule.is_alert())
            && (self.names.is_empty() || self.names.contains(&rule.name()))
    }
}

/// Alerts that are pending or fire.
fn active(rule: &RuleView) -> impl Iterator<Item = &Alert> {
    rule.alerts
        .iter()
        .filter(|alert| matches!(alert.state, AlertState::Pending | AlertState::Firing))
}

/// When and for how long.
fn write_evaluation(out: &mut String, last_ms: Option<i64>, took: Duration) {
    // Go's zero time.
    let last = last_ms.map_or("0001-01-01T00:00:00Z".to_owned(), rfc3339);
    // Writing to a string does not fail.
    let _ = write!(out, "\"evaluationTime\":{},\"lastEvaluation\":\"{last}\"", took.as_secs_f64());
}

fn write_group(out: &mut String, group: &GroupView, wanted: &Wanted<'_>) {
    out.push_str("{\"name\":");
    quote(group.group.name(), out);
    out.push_str(",\"file\":");
    quote(&group.file, out);
    out.push_str(",\"rules\":[");
    let rules = group.group.rules().iter().zip(&group.rules);
    for (index, (rule, view)) in rules.filter(|(rule, _)| wanted.takes(rule)).enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_rule(out, rule, view);
    }
    let (interval, limit) = (group.interval.as_secs_f64(), group.group.limit());
    let _ = write!(out, "],\"interval\":{interval},\"limit\":{limit},");
    let (last, took) = group.last.unzip();
    write_evaluation(out, last, took.unwrap_or_default());
    out.push('}');
}

fn write_rule(out: &mut String, rule: &Rule, view: &RuleView) {
    out.push('{');
    if rule.is_alert() {
        let states = active(view).map(|alert| alert.state);
        let state = match states.max_by_key(|state| *state == AlertState::Firing) {
            None => AlertState::Inactive,
            Some(state) => state,
        };
        let _ = write!(out, "\"state\":\"{}\",", state.as_str());
    }
    out.push_str("\"name\":");
    quote(rule.name(), out);
    out.push_str(",\"query\":");
    quote(&rule.formatted, out);
    if rule.is_alert() {
        let (hold, keep) = (rule.hold().as_secs_f64(), rule.keep_firing().as_secs_f64());
        let _ = write!(out, ",\"duration\":{hold},\"keepFiringFor\":{keep}");
    }
    if rule.is_alert() || rule.labels().next().is_some() {
        out.push_str(",\"labels\":");
        labels(out, &Labels::new(rule.labels()));
    }
    if rule.is_alert() {
        out.push_str(",\"annotations\":");
        labels(out, &Labels::new(rule.annotations()));
        out.push_str(",\"alerts\":[");
        for (index, alert) in active(view).enumerate() {
            if index > 0 {
                out.push(',');
            }
            write_alert(out, alert);
        }
        out.push(']');
    }
    let status = &view.status;
    out.push_str(match (status.last_ms, &status.last_error) {
        (None, _) => ",\"health\":\"unknown\",",
        (_, None) => ",\"health\":\"ok\",",
        (_, Some(_)) => ",\"health\":\"err\",",
    });
    if let Some(error) = &status.last_error {
        out.push_str("\"lastError\":");
        quote(error, out);
        out.push(',');
    }
    write_evaluation(out, status.last_ms, status.duration);
    out.push_str(",\"type\":");
    out.push_str(if rule.is_alert() { "\"alerting\"}" } else { "\"recording\"}" });
}

/// An alert, as both endpoints list it.
fn write_alert(out: &mut String, alert: &Alert) {
    out.push('{');
    write_alert_fields(out, alert);
    let _ = write!(out, ",\"state\":\"{}\"}}", alert.state.as_str());
}

/// What an alert is, but for its state, which events tell in words of their own.
pub(in crate::serve) fn write_alert_fields(out: &mut String, alert: &Alert) {
    out.push_str("\"labels\":");
    labels(out, &alert.labels);
    out.push_str(",\"annotations\":");
    labels(out, &alert.annotations);
    let _ = write!(out, ",\"activeAt\":\"{}\"", rfc3339(alert.active_at_ms));
    if let Some(since) = alert.keep_firing_since_ms {
        let _ = write!(out, ",\"keepFiringSince\":\"{}\"", rfc3339(since));
    }
    let _ = write!(out, ",\"value\":\"{}\"", scientific(alert.value));
}

/// A number as Go's `%e` with as many digits as it has.
fn scientific(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "NaN"
        } else if value > 0.0 {
            "+Inf"
        } else {
            "-Inf"
        }
        .to_owned();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_go_writes_them() {
        for (value, wanted) in [
            (1.0, "1e+00"),
            (0.0, "0e+00"),
            (-0.25, "-2.5e-01"),
            (1.5e300, "1.5e+300"),
            (5e-324, "5e-324"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(scientific(value), wanted);
        }
    }
}
