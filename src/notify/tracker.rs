//! What handlers were told of each alert, and so what they are to be told now. It runs on the thread that evaluates,
//! and does no more than to look at each alert and to copy what is due.
//!
//! For Alertmanager as Prometheus's `rules/alerting.go` has it: an alert that fires is sent at once, and again after
//! each delay; one that resolved at once, and again until the rules forget it. Other handlers are told of changes.
//! Silenced alerts are left out of both; of one that still fires when its silence ends, all are told then.

use super::notice::{Change, Notice, Posting, Told, starts_ms, with_external};
use super::text::generator_url;
use crate::query::Labels;
use crate::rules::{Alert, AlertState, Evaluation, Rules};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What handlers want to be told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Wants {
    /// The resend delay of each Alertmanager, in milliseconds.
    pub(super) resends_ms: Vec<i64>,
    /// Whether somebody wants whole groups.
    pub(super) groups: bool,
    /// Whether somebody wants to hear of pending alerts.
    pub(super) pending: bool,
}

/// What is to be told after one evaluation.
#[derive(Debug, Default)]
pub(super) struct Due {
    /// For each Alertmanager, in the order of [`Wants::resends_ms`].
    pub(super) postings: Vec<Vec<Arc<Posting>>>,
    pub(super) notices: Vec<Arc<Notice>>,
    pub(super) changes: Vec<Change>,
}

#[derive(Debug, Default)]
pub(super) struct Tracker {
    wants: Wants,
    slots: Vec<Slot>,
    evaluations: u64,
}

/// What was told of the alerts of one rule.
#[derive(Debug)]
struct Slot {
    file: Arc<str>,
    group: Arc<str>,
    rule: Arc<str>,
    /// Its place in the group: rules of one name are apart.
    number: usize,
    alerts: HashMap<Labels, Known>,
}

#[derive(Debug)]
struct Known {
    /// The last evaluation that had it.
    seen: u64,
    fired_at_ms: Option<i64>,
    /// As it was when handlers were told that it fires; `None` if they were not, or were told that it resolved.
    told: Option<Told>,
    /// When it was last sent to each Alertmanager.
    sent_ms: Vec<Option<i64>>,
}

impl Tracker {
    pub(super) fn new(wants: Wants) -> Tracker {
        Tracker { wants, ..Tracker::default() }
    }

    /// What is to be told after this evaluation.
    pub(super) fn evaluated(&mut self, now_ms: i64, evaluation: &Evaluation, rules: &Rules) -> Due {
        self.evaluations += 1;
        let mut due = Due::default();
        due.postings.resize_with(self.wants.resends_ms.len(), Vec::new);
        if self.wants.pending {
            due.notices.extend(pending(evaluation, rules));
        }
        let mut position = 0;
        for running in &rules.groups {
            let (file, group) = (&*running.file, running.group.name());
            let mut changed = Vec::new();
            let first = position;
            for (number, (rule, state)) in
                running.group.rules.iter().zip(&running.rules).enumerate()
            {
                if !rule.is_alert() {
                    continue;
                }
                self.place(position, file, group, rule.name(), number);
                let interval = running.group.interval.unwrap_or(rules.settings.interval);
                let link = OnceCell::new();
                let of_rule = OfRule {
                    now_ms,
                    rules,
                    interval_ms: millis(interval),
                    evaluations: self.evaluations,
                    link: &|| {
                        let external_url = &rules.settings.external_url;
                        let url = || generator_url(external_url, rule.query().text());
                        link.get_or_init(url).clone()
                    },
                };
                let slot = &mut self.slots[position];
                for alert in state.alerts.values() {
                    of_rule.alert(&self.wants, slot, alert, &mut due, &mut changed);
                }
                slot.forget(self.evaluations, now_ms, rules, &mut due, &mut changed);
                position += 1;
            }
            if !changed.is_empty() && self.wants.groups {
                let others = others(&self.slots[first..position], &changed, rules, now_ms);
                due.changes.push(change(file, group, changed, others, rules));
            }
        }
        // Rules that are no longer there.
        for mut slot in self.slots.split_off(position) {
            let mut changed = Vec::new();
            slot.forget(self.evaluations, now_ms, rules, &mut due, &mut changed);
            if !changed.is_empty() && self.wants.groups {
                due.changes.push(change(&slot.file, &slot.group, changed, Vec::new(), rules));
            }
        }
        due
    }

    /// Makes the slot at `position` that of a rule: it is there already, unless rules were loaded anew.
    fn place(&mut self, position: usize, file: &str, group: &str, rule: &str, number: usize) {
        let fits = |slot: &Slot| {
            *slot.rule == *rule
                && slot.number == number
                && *slot.group == *group
                && *slot.file == *file
        };
        if self.slots.get(position).is_some_and(fits) {
            return;
        }
        let later = self.slots.get(position..).unwrap_or_default().iter().position(fits);
        let slot = match later {
            Some(later) => self.slots.remove(position + later),
            None => Slot {
                file: file.into(),
                group: group.into(),
                rule: rule.into(),
                number,
                alerts: HashMap::new(),
            },
        };
        self.slots.insert(position, slot);
    }
}

/// One evaluation, seen from one rule.
struct OfRule<'a> {
    now_ms: i64,
    rules: &'a Rules,
    interval_ms: i64,
    evaluations: u64,
    link: &'a dyn Fn() -> Arc<str>,
}

impl OfRule<'_> {
    fn alert(
        &self,
        wants: &Wants,
        slot: &mut Slot,
        alert: &Alert,
        due: &mut Due,
        changed: &mut Vec<Told>,
    ) {
        let fires = match alert.state {
            AlertState::Firing => true,
            AlertState::Resolved => false,
            AlertState::Pending | AlertState::Inactive => return,
        };
        let known = slot.alerts.entry(alert.labels.clone()).or_insert_with(|| Known {
            seen: 0,
            fired_at_ms: alert.fired_at_ms,
            told: None,
            sent_ms: vec![None; wants.resends_ms.len()],
        });
        known.seen = self.evaluations;
        if known.fired_at_ms != alert.fired_at_ms {
            known.fired_at_ms = alert.fired_at_ms;
            known.told = None;
            known.sent_ms.fill(None);
        }
        let silent = OnceCell::new();
        let is_silent = || *silent.get_or_init(|| self.rules.is_silenced(alert, self.now_ms));
        // In the first evaluation, nobody knows what was told before the process began: rather twice than never.
        let first = self.evaluations == 1;
        let told = || Told { alert: alert.clone(), generator_url: (self.link)() };
        let change = match known.told.is_some() {
            false if fires && !is_silent() => {
                known.told = Some(told());
                true
            }
            false => !fires && first && alert.resolved_at_ms == Some(self.now_ms) && !is_silent(),
            true if fires => false,
            true => {
                known.told = None;
                !is_silent()
            }
        };
        if change {
            let from = if fires { AlertState::Pending } else { AlertState::Firing };
            due.notices.push(slot_notice(
                (&slot.file, &slot.group, &slot.rule),
                self.now_ms,
                from,
                alert.clone(),
            ));
            changed.push(told());
        }
        for (at, (sent, resend_ms)) in known.sent_ms.iter_mut().zip(&wants.resends_ms).enumerate() {
            let needed = match *sent {
                None => fires || first,
                // A clock that went back says nothing of how long ago that was.
                Some(sent) => {
                    alert.resolved_at_ms.is_some_and(|resolved| resolved > sent)
                        || self.now_ms < sent
                        || self.now_ms - sent > *resend_ms
                }
            };
            if needed && !is_silent() {
                *sent = Some(self.now_ms);
                due.postings[at].push(Arc::new(self.posting(alert, *resend_ms)));
            }
        }
    }

    fn posting(&self, alert: &Alert, resend_ms: i64) -> Posting {
        // As there: two more evaluations, or attempts to send, may fail.
        let until = 4_i64.saturating_mul(resend_ms.max(self.interval_ms));
        let ends_ms = alert.resolved_at_ms.unwrap_or(self.now_ms.saturating_add(until));
        Posting {
            labels: with_external(&alert.labels, &self.rules.settings.external_labels),
            annotations: alert.annotations.clone(),
            starts_ms: starts_ms(alert),
            ends_ms,
            generator_url: (self.link)(),
            is_resolved: alert.state == AlertState::Resolved,
        }
    }
}

impl Slot {
    /// Forgets alerts that this evaluation no longer has. Of those that were told of as firing, it is told that they
    /// resolved: their rule is gone, or its alerts were given up because they were too many.
    fn forget(
        &mut self,
        evaluations: u64,
        now_ms: i64,
        rules: &Rules,
        due: &mut Due,
        changed: &mut Vec<Told>,
    ) {
        let of = (&*self.file, &*self.group, &*self.rule);
        self.alerts.retain(|_, known| {
            if known.seen == evaluations {
                return true;
            }
            if let Some(mut told) = known.told.take()
                && !rules.is_silenced(&told.alert, now_ms)
            {
                told.alert.state = AlertState::Resolved;
                told.alert.resolved_at_ms = Some(now_ms);
                due.notices.push(slot_notice(of, now_ms, AlertState::Firing, told.alert.clone()));
                changed.push(told);
            }
            false
        });
    }
}

fn slot_notice(
    (file, group, rule): (&str, &str, &str),
    time_ms: i64,
    from: AlertState,
    alert: Alert,
) -> Arc<Notice> {
    let (file, group, rule) = (file.to_owned(), group.to_owned(), rule.to_owned());
    Arc::new(Notice { time_ms, file, group, rule, from, to: alert.state, alert })
}

/// Alerts that became pending, or are no longer without having fired.
fn pending<'a>(
    evaluation: &'a Evaluation,
    rules: &'a Rules,
) -> impl Iterator<Item = Arc<Notice>> + 'a {
    let wanted = |state| matches!(state, AlertState::Pending | AlertState::Inactive);
    let transitions = evaluation.transitions.iter();
    transitions.filter(move |change| wanted(change.to) && !change.is_silenced).map(|change| {
        let file = rules.groups.iter().find(|running| running.group.name() == change.group);
        let file = file.map_or("", |running| &running.file);
        let of = (file, &*change.group, &*change.rule);
        slot_notice(of, change.time_ms, change.from, change.alert.clone())
    })
}

/// What of a group's alerts fires, beside what changed.
fn others(slots: &[Slot], changed: &[Told], rules: &Rules, now_ms: i64) -> Vec<Told> {
    let told = slots.iter().flat_map(|slot| slot.alerts.values()).filter_map(|k| k.told.as_ref());
    let changed: std::collections::HashSet<_> =
        changed.iter().map(|told| (&told.alert.labels, &told.generator_url)).collect();
    let is_other = |told: &&Told| {
        !changed.contains(&(&told.alert.labels, &told.generator_url))
            && !rules.is_silenced(&told.alert, now_ms)
    };
    told.filter(is_other).cloned().collect()
}

fn change(file: &str, group: &str, changed: Vec<Told>, others: Vec<Told>, rules: &Rules) -> Change {
    Change {
        file: file.into(),
        group: group.into(),
        changed,
        others,
        external_url: rules.settings.external_url.trim_end_matches('/').into(),
        external_labels: rules.settings.external_labels.clone(),
    }
}

pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
