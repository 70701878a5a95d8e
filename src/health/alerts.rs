//! From rules to what they say of components. Called on the thread that evaluates: it reads all alerts once, and makes
//! issues only of as many as a report shows.

use super::issue::{Issue, IssueRule, Threshold, cut};
use super::severity::Severity;
use super::state::HealthState;
use super::told::{Listed, Lists, Told};
use super::{METRICS, OTHER};
use crate::limits::{MAX_HEALTH_COMPONENTS, MAX_HEALTH_ISSUES, MAX_HEALTH_NAME_BYTES, MAX_LABELS};
use crate::rules::{Alert, AlertState, Group, Rule, Rules};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Since when rules have failed: by file, group, and number within the group.
pub(super) type Failing = HashMap<(String, String, usize), i64>;

/// What may become an issue.
struct Candidate<'a> {
    state: HealthState,
    since_ms: i64,
    /// Its number among all: what has the same state and time keeps the rules' order.
    number: usize,
    group: &'a Group,
    rule: &'a Rule,
    kind: Kind<'a>,
}

#[derive(Clone, Copy)]
enum Kind<'a> {
    Alert(&'a Alert),
    /// The rule cannot be evaluated, and why.
    Failure(&'a str),
}

#[derive(Default)]
struct Candidates<'a> {
    issues: Vec<Candidate<'a>>,
    pending: Vec<Candidate<'a>>,
    silenced: Vec<Candidate<'a>>,
    informational: Vec<Candidate<'a>>,
}

/// Names of components, as many as there may be.
struct Names<'a, 'b> {
    /// Those that are there anyway.
    declared: &'a BTreeSet<String>,
    found: BTreeMap<&'b str, Candidates<'b>>,
    /// Those of `found` that are not declared.
    further: usize,
}

impl<'b> Names<'_, 'b> {
    /// The component called `name`, or `other` if there are too many; whether it is the one that was asked for.
    fn at(&mut self, name: Option<&'b str>) -> (&mut Candidates<'b>, bool) {
        let name = name.unwrap_or(OTHER);
        let known = self.found.contains_key(name) || self.declared.contains(name);
        // `other` always has a place.
        let room = self.declared.len() + self.further + 1 < MAX_HEALTH_COMPONENTS;
        let fits = known || name == OTHER || (room && name.len() <= MAX_HEALTH_NAME_BYTES);
        let name = if fits { name } else { OTHER };
        if !known && fits && name != OTHER {
            self.further += 1;
        }
        (self.found.entry(name).or_default(), fits)
    }
}

/// What `rules` say at `now_ms`; `at` is the same moment on the monotonic clock.
pub(super) fn read(
    rules: &Rules,
    now_ms: i64,
    at: Duration,
    declared: &BTreeSet<String>,
    failing: &mut Failing,
) -> Told {
    let mut told = Told { at, ..Told::default() };
    let counts = &mut told.counts;
    counts.evaluated_at_ms = now_ms;
    let mut names = Names { declared, found: BTreeMap::new(), further: 0 };
    let mut still_failing = Failing::new();
    let has_silences = rules.silences().next().is_some();
    let mut number = 0;
    for (running, (file, group, statuses)) in rules.groups.iter().zip(rules.status()) {
        let states = running.rules.iter().zip(statuses);
        for (index, (rule, (state, status))) in group.rules().iter().zip(states).enumerate() {
            // One that is a template is known only by its alerts.
            let named = rule.labels().find(|(name, _)| *name == "component");
            if let Some((_, name)) = named.filter(|(_, name)| !name.contains("{{")) {
                names.at(Some(name).filter(|name| !name.is_empty()));
            }
            if let Some(error) = &status.last_error {
                counts.failing_rules += 1;
                let key = (file.to_owned(), group.name().to_owned(), index);
                let since_ms = failing.get(&key).copied().or(status.last_ms).unwrap_or(now_ms);
                still_failing.insert(key, since_ms);
                let kind = Kind::Failure(error);
                let state = HealthState::Warning;
                let issue = Candidate { state, since_ms, number, group, rule, kind };
                names.at(Some(METRICS)).0.issues.push(issue);
                number += 1;
            }
            for alert in state.alerts.values() {
                let (component, fits) = names.at(alert.labels.get("component"));
                counts.components_left_out += usize::from(!fits);
                let severity = Severity::of(alert.labels.get("severity"));
                let is_silenced = || has_silences && rules.is_silenced(alert, now_ms);
                let (list, count) = match alert.state {
                    // Remembered for a while, and so is their component.
                    AlertState::Inactive | AlertState::Resolved => continue,
                    AlertState::Pending => (&mut component.pending, &mut counts.pending),
                    AlertState::Firing if is_silenced() => {
                        (&mut component.silenced, &mut counts.silenced)
                    }
                    AlertState::Firing if severity == Severity::Informational => {
                        (&mut component.informational, &mut counts.informational)
                    }
                    AlertState::Firing => (&mut component.issues, &mut counts.firing),
                };
                *count += 1;
                counts.unknown_severities += usize::from(severity == Severity::Unknown);
                let (state, since_ms) = (severity.state(), alert.active_at_ms);
                list.push(Candidate {
                    state,
                    since_ms,
                    number,
                    group,
                    rule,
                    kind: Kind::Alert(alert),
                });
                number += 1;
            }
        }
    }
    *failing = still_failing;
    let lists = names.found.into_iter();
    told.components = lists.map(|(name, all)| (name.to_owned(), all.lists())).collect();
    told
}

impl Candidates<'_> {
    fn lists(self) -> Lists {
        let worst = self.issues.iter().map(|one| one.state).max().unwrap_or_default();
        Lists {
            worst,
            issues: listed(self.issues),
            pending: listed(self.pending),
            silenced: listed(self.silenced),
            informational: listed(self.informational),
        }
    }
}

/// The worst, of these the oldest, as many as a report shows.
fn listed(mut all: Vec<Candidate<'_>>) -> Listed {
    let order = |one: &Candidate<'_>| (Reverse(one.state), one.since_ms, one.number);
    let left_out = all.len().saturating_sub(MAX_HEALTH_ISSUES);
    if left_out > 0 {
        all.select_nth_unstable_by_key(MAX_HEALTH_ISSUES, order);
        all.truncate(MAX_HEALTH_ISSUES);
    }
    all.sort_unstable_by_key(order);
    Listed { kept: all.iter().map(issue).collect(), left_out }
}

fn issue(one: &Candidate<'_>) -> Issue {
    let (group, rule) = (one.group, one.rule);
    let mut behind = IssueRule {
        group: cut(group.name()),
        name: cut(rule.name()),
        expression: cut(rule.query().text()),
        severity: None,
    };
    let alert = match one.kind {
        Kind::Alert(alert) => alert,
        Kind::Failure(error) => {
            let name = (rule.name(), group.name());
            let what =
                format!("rule {:?} of group {:?} cannot be evaluated: {error}", name.0, name.1);
            let issue = Issue::new(&what, one.state, one.since_ms);
            return Issue { rule: Some(behind), ..issue };
        }
    };
    behind.severity = alert.labels.get("severity").map(cut);
    let text = |name: &str| alert.annotations.get(name);
    let what = text("summary").or_else(|| text("description")).unwrap_or(rule.name());
    let own = |name: &str| !["alertname", "component", "severity"].contains(&name);
    let labels = alert.labels.iter().filter(|(name, _)| own(name)).take(MAX_LABELS);
    let threshold = rule.query().threshold();
    Issue {
        value: Some(alert.value),
        threshold: threshold.map(|(operator, value)| Threshold { operator, value }),
        labels: labels.map(|(name, value)| (cut(name), cut(value))).collect(),
        rule: Some(behind),
        ..Issue::new(what, one.state, one.since_ms)
    }
}
