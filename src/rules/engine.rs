//! All rules, their alerts, and what they recorded: evaluated when the host says so.

use super::alert::{Alert, AlertState, Transition};
use super::evaluate::{Context, millis};
use super::file::{Group, RuleFile};
use super::recorded::{Overlay, Recorded};
use super::settings::RuleSettings;
use super::silence::{Silence, Silences};
use crate::query::{Labels, QueryError, STALE, Sample, Source};
use std::collections::{BTreeMap, HashSet};

/// What became of a rule so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleStatus {
    /// How often it was evaluated.
    pub evaluations: u64,
    /// How often that failed.
    pub failures: u64,
    /// Why it failed the last time that it was evaluated; `None` if it did not.
    pub last_error: Option<String>,
    /// When it was evaluated last, in milliseconds since 1970.
    pub last_ms: Option<i64>,
    /// How many series it recorded then.
    pub series: usize,
}

/// What one evaluation of all that was due resulted in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// What alerts changed, in the order in which they did.
    pub transitions: Vec<Transition>,
    /// What was recorded, for a host that keeps it: series, time in milliseconds since 1970, and value, the stale
    /// marker ([`STALE`]) among them.
    pub recorded: Vec<(Labels, i64, Sample)>,
    /// How many groups were due.
    pub groups: usize,
    /// How many rules failed; [`Rules::status`] says why.
    pub failures: u64,
}

/// The state of a rule.
#[derive(Debug, Default)]
pub(crate) struct Running {
    pub(crate) alerts: BTreeMap<Labels, Alert>,
    /// What it recorded the last time, to end what it no longer records.
    previous: HashSet<Labels>,
    status: RuleStatus,
}

/// A group, and the state of its rules.
#[derive(Debug)]
pub(crate) struct RunningGroup {
    pub(crate) file: String,
    pub(crate) group: Group,
    pub(crate) rules: Vec<Running>,
    /// Which of the intervals since 1970 it was last evaluated in.
    slot: Option<i64>,
}

/// Rules of any number of files, evaluated when the host says so. See the [module](super).
#[derive(Debug)]
pub struct Rules {
    pub(crate) groups: Vec<RunningGroup>,
    pub(crate) silences: Silences,
    recorded: Recorded,
    pub(crate) settings: RuleSettings,
}

impl Rules {
    /// Rules of these files, none of which was evaluated yet. To load files again, save the [state](Rules::state) and
    /// restore it in the new rules.
    pub fn new(files: impl IntoIterator<Item = RuleFile>, settings: RuleSettings) -> Rules {
        let mut groups = Vec::new();
        for file in files {
            for group in file.groups {
                let rules = group.rules.iter().map(|_| Running::default()).collect();
                groups.push(RunningGroup { file: file.name.clone(), group, rules, slot: None });
            }
        }
        Rules { groups, silences: Silences::default(), recorded: Recorded::default(), settings }
    }

    /// Evaluates the groups that are due, at `now_ms` milliseconds since 1970, over `source` and what rules recorded
    /// before.
    ///
    /// A group is due once in each of its intervals, counted from 1970; intervals in which this was not called are left
    /// out. A rule that fails is counted and keeps its alerts as they were (beyond a limit, they are forgotten, as
    /// in Prometheus); the others go on.
    pub fn evaluate(&mut self, now_ms: i64, source: &dyn Source) -> Evaluation {
        let Rules { groups, silences, recorded, settings } = self;
        let mut out = Evaluation::default();
        for running in groups {
            let interval = running.group.interval.unwrap_or(settings.interval);
            let slot = Some(now_ms.div_euclid(millis(interval).max(1)));
            if running.slot == slot {
                continue;
            }
            running.slot = slot;
            out.groups += 1;
            for (rule, state) in running.group.rules.iter().zip(&mut running.rules) {
                let limit = running.group.limit;
                let overlay = Overlay { recorded, base: source };
                let context = Context { source: &overlay, settings, now_ms, limit };
                let result = match rule.is_alert() {
                    true => context.alert(rule, &mut state.alerts),
                    false => context.record(rule).map(|samples| (samples, Vec::new())),
                };
                state.status.evaluations += 1;
                state.status.last_ms = Some(now_ms);
                let (samples, changes) = match result {
                    Ok(result) => result,
                    Err(error) => {
                        state.status.failures += 1;
                        state.status.last_error = Some(error);
                        out.failures += 1;
                        continue;
                    }
                };
                state.status.last_error = None;
                state.status.series = samples.len();
                for (from, alert) in changes {
                    let is_silenced = silences.cover(&alert, now_ms);
                    let (group, rule, to) =
                        (running.group.name.clone(), rule.name.clone(), alert.state);
                    out.transitions.push(Transition {
                        time_ms: now_ms,
                        group,
                        rule,
                        from,
                        to,
                        alert,
                        is_silenced,
                    });
                }
                let mut current = HashSet::with_capacity(samples.len());
                for (labels, sample) in samples {
                    recorded.append(&labels, now_ms, sample.clone());
                    out.recorded.push((labels.clone(), now_ms, sample));
                    current.insert(labels);
                }
                for labels in state.previous.difference(&current) {
                    recorded.end(labels, now_ms);
                    out.recorded.push((labels.clone(), now_ms, Sample::Float(STALE)));
                }
                state.previous = current;
            }
        }
        recorded.expire(now_ms.saturating_sub(millis(settings.recorded_retention)));
        out
    }

    /// `source` with what rules recorded, `ALERTS` and `ALERTS_FOR_STATE` among it: what queries of the host should
    /// see.
    pub fn source<'a>(&'a self, source: &'a dyn Source) -> Overlay<'a> {
        Overlay { recorded: &self.recorded, base: source }
    }

    /// All alerts: pending, firing, and those that resolved lately; each with its group and rule.
    pub fn alerts(&self) -> impl Iterator<Item = (&str, &str, &Alert)> {
        self.groups.iter().flat_map(|running| {
            let rules = running.group.rules.iter().zip(&running.rules);
            rules.flat_map(|(rule, state)| {
                state.alerts.values().map(|alert| (running.group.name(), rule.name(), alert))
            })
        })
    }

    /// The groups, with the files that they are of and what became of their rules, in the order of evaluation.
    pub fn status(&self) -> impl Iterator<Item = (&str, &Group, Vec<&RuleStatus>)> {
        self.groups.iter().map(|running| {
            let rules = running.rules.iter().map(|state| &state.status).collect();
            (running.file.as_str(), &running.group, rules)
        })
    }

    /// How many samples of rules were not kept for later rules: of series beyond
    /// [`MAX_RECORDED_SERIES`](crate::limits::MAX_RECORDED_SERIES), or not later than those that are there (the clock went back, or
    /// two rules record the same series).
    pub fn dropped(&self) -> u64 {
        self.recorded.dropped()
    }

    /// Silences alerts; gives the silence's number. Silences that ended are forgotten.
    ///
    /// # Errors
    /// It ends before it starts, covers every alert, or there are [`MAX_SILENCES`](crate::limits::MAX_SILENCES)
    /// already.
    pub fn silence(&mut self, silence: Silence, now_ms: i64) -> Result<u64, QueryError> {
        self.silences.add(silence, now_ms)
    }

    /// Takes a silence away; whether there was one of this number.
    pub fn unsilence(&mut self, number: u64) -> bool {
        let before = self.silences.all.len();
        self.silences.all.retain(|(known, _)| *known != number);
        self.silences.all.len() < before
    }

    /// The silences, each with its number; those that ended lately among them.
    pub fn silences(&self) -> impl Iterator<Item = (u64, &Silence)> {
        self.silences.all.iter().map(|(number, silence)| (*number, silence))
    }

    /// Whether a silence covers an alert now.
    pub fn is_silenced(&self, alert: &Alert, now_ms: i64) -> bool {
        self.silences.cover(alert, now_ms)
    }

    /// How many alerts are in a state.
    pub fn count(&self, state: AlertState) -> usize {
        self.alerts().filter(|(_, _, alert)| alert.state == state).count()
    }
}
