//! What survives a restart: alerts and silences, for the host to keep wherever it keeps things, in any format of
//! serde's.

use super::alert::{Alert, AlertState};
use super::engine::{Rules, RunningGroup};
use super::evaluate::millis;
use super::silence::{Silence, op_of, op_text};
use crate::limits::RULE_OUTAGE_TOLERANCE;
use crate::query::{Labels, Matcher};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Alerts and silences at one time. Made by [`Rules::state`], taken up by [`Rules::restore`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesState {
    /// When, in milliseconds since 1970.
    pub saved_at_ms: i64,
    alerts: Vec<SavedAlert>,
    silences: Vec<SavedSilence>,
    next_silence: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedAlert {
    file: String,
    group: String,
    /// Its place in the group; the name and the expression say whether it still is that rule.
    number: usize,
    rule: String,
    expr: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    state: AlertState,
    /// The bits of the value: JSON has no NaN.
    value_bits: u64,
    active_at_ms: i64,
    fired_at_ms: Option<i64>,
    resolved_at_ms: Option<i64>,
    keep_firing_since_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SavedSilence {
    number: u64,
    /// Name, operator and value.
    matchers: Vec<(String, String, String)>,
    starts_ms: i64,
    ends_ms: i64,
    created_by: String,
    comment: String,
}

/// What [`Rules::restore`] took up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Alerts that are as they were.
    pub alerts: usize,
    /// Alerts that are not: their rule is no longer there or another, or the state is too old.
    pub forgotten: usize,
    /// Silences that have not ended.
    pub silences: usize,
}

fn map(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Rules {
    /// Alerts and silences as they are now.
    pub fn state(&self, now_ms: i64) -> RulesState {
        let mut alerts = Vec::new();
        for RunningGroup { file, group, rules, .. } in &self.groups {
            for (number, (rule, state)) in group.rules.iter().zip(rules).enumerate() {
                alerts.extend(state.alerts.values().map(|alert| SavedAlert {
                    file: file.clone(),
                    group: group.name.clone(),
                    number,
                    rule: rule.name.clone(),
                    expr: rule.query.text().to_owned(),
                    labels: map(&alert.labels),
                    annotations: map(&alert.annotations),
                    state: alert.state,
                    value_bits: alert.value.to_bits(),
                    active_at_ms: alert.active_at_ms,
                    fired_at_ms: alert.fired_at_ms,
                    resolved_at_ms: alert.resolved_at_ms,
                    keep_firing_since_ms: alert.keep_firing_since_ms,
                }));
            }
        }
        let silences = self.silences.all.iter().map(|(number, silence)| SavedSilence {
            number: *number,
            matchers: silence
                .matchers
                .iter()
                .map(|m| (m.name().to_owned(), op_text(m.op()).to_owned(), m.value().to_owned()))
                .collect(),
            starts_ms: silence.starts_ms,
            ends_ms: silence.ends_ms,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
        });
        let next_silence = self.silences.next;
        RulesState { saved_at_ms: now_ms, alerts, silences: silences.collect(), next_silence }
    }

    /// Takes up a state that was saved: before the first evaluation after a restart.
    ///
    /// Alerts that fire go on firing until an evaluation says otherwise. Of those that are pending, the time in between
    /// does not count as time for which they held. A state older than [`RULE_OUTAGE_TOLERANCE`] gives its silences
    /// only.
    pub fn restore(&mut self, state: RulesState, now_ms: i64) -> Restored {
        let mut restored = Restored::default();
        let away = now_ms.saturating_sub(state.saved_at_ms).max(0);
        for saved in state.alerts {
            let slot = match away <= millis(RULE_OUTAGE_TOLERANCE) {
                true => self.place_of(&saved),
                false => None,
            };
            let Some((group, rule)) = slot else {
                restored.forgotten += 1;
                continue;
            };
            let pause = if saved.state == AlertState::Pending { away } else { 0 };
            let alert = Alert {
                labels: Labels::new(saved.labels),
                annotations: Labels::new(saved.annotations),
                state: saved.state,
                value: f64::from_bits(saved.value_bits),
                active_at_ms: saved.active_at_ms.saturating_add(pause),
                fired_at_ms: saved.fired_at_ms,
                resolved_at_ms: saved.resolved_at_ms,
                keep_firing_since_ms: saved.keep_firing_since_ms,
            };
            self.groups[group].rules[rule].alerts.insert(alert.labels.clone(), alert);
            restored.alerts += 1;
        }
        for saved in state.silences {
            let matcher = |(name, op, value): &(String, String, String)| {
                Matcher::new(name, op_of(op)?, value).ok()
            };
            let matchers: Option<Vec<_>> = saved.matchers.iter().map(matcher).collect();
            let Some(matchers) = matchers.filter(|_| saved.ends_ms > now_ms) else { continue };
            let silence = Silence {
                matchers,
                starts_ms: saved.starts_ms,
                ends_ms: saved.ends_ms,
                created_by: saved.created_by,
                comment: saved.comment,
            };
            self.silences.all.push((saved.number, silence));
            restored.silences += 1;
        }
        self.silences.next = self.silences.next.max(state.next_silence);
        restored
    }

    /// The group and the rule that an alert is of.
    fn place_of(&self, saved: &SavedAlert) -> Option<(usize, usize)> {
        let mut groups = self.groups.iter();
        let group =
            groups.position(|group| group.file == saved.file && group.group.name == saved.group)?;
        let rules = &self.groups[group].group.rules;
        let fits = |number: usize| {
            let rule = rules.get(number);
            rule.is_some_and(|rule| {
                rule.is_alert() && rule.name == saved.rule && rule.query.text() == saved.expr
            })
        };
        let rule = match fits(saved.number) {
            true => saved.number,
            false => (0..rules.len()).find(|number| fits(*number))?,
        };
        Some((group, rule))
    }
}
