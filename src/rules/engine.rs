//! All rules, their alerts, and what they recorded: evaluated when the host says so.

use super::alert::{Alert, AlertState, Transition};
use super::evaluate::{Context, millis};
use super::file::{Group, RuleFile};
use super::recorded::{Overlay, Recorded};
use super::replace::Left;
use super::settings::RuleSettings;
use super::silence::{Silence, Silences};
use crate::query::{Labels, QueryError, STALE, Sample, Source};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

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
    /// How long that took, by the clock of [`RuleSettings::query`].
    pub duration: Duration,
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
    pub(crate) previous: HashSet<Labels>,
    pub(crate) status: RuleStatus,
}

/// A group, and the state of its rules.
#[derive(Debug)]
pub(crate) struct RunningGroup {
    pub(crate) file: String,
    pub(crate) group: Arc<Group>,
    pub(crate) rules: Vec<Running>,
    /// Which of the intervals since 1970 it was last evaluated in.
    slot: Option<i64>,
    /// When it was evaluated last, and how long that took.
    last: Option<(i64, Duration)>,
}

impl RunningGroup {
    /// The groups of files, none of which was evaluated yet.
    pub(crate) fn of(files: impl IntoIterator<Item = RuleFile>) -> Vec<RunningGroup> {
        let mut groups = Vec::new();
        for file in files {
            for group in file.groups {
                let rules = group.rules.iter().map(|_| Running::default()).collect();
                let (file, group) = (file.name.clone(), Arc::new(group));
                groups.push(RunningGroup { file, group, rules, slot: None, last: None });
            }
        }
        groups
    }

    /// When it was evaluated last, and how long that took.
    #[cfg(all(feature = "history", feature = "http"))]
    pub(crate) fn last(&self) -> Option<(i64, Duration)> {
        self.last
    }

    /// Takes over when the one before was evaluated.
    pub(crate) fn follow(&mut self, before: &RunningGroup) {
        (self.slot, self.last) = (before.slot, before.last);
    }
}

/// Rules of any number of files, evaluated when the host says so. See the [module](super).
#[derive(Debug)]
pub struct Rules {
    pub(crate) groups: Vec<RunningGroup>,
    pub(crate) silences: Silences,
    recorded: Recorded,
    pub(crate) settings: RuleSettings,
    /// What rules left behind that are no longer there.
    pub(crate) left: Left,
    /// Evaluations of all rules, those that are no longer there among them.
    pub(crate) evaluations: u64,
}

impl Rules {
    /// Rules of these files, none of which was evaluated yet. To load files again: [`Rules::replace`].
    pub fn new(files: impl IntoIterator<Item = RuleFile>, settings: RuleSettings) -> Rules {
        let groups = RunningGroup::of(files);
        let (silences, recorded) = (Silences::default(), Recorded::default());
        Rules { groups, silences, recorded, settings, left: Left::default(), evaluations: 0 }
    }

    /// Evaluates the groups that are due, at `now_ms` milliseconds since 1970, over `source` and what rules recorded
    /// before.
    ///
    /// A group is due once in each of its intervals, counted from 1970; intervals in which this was not called are left
    /// out. A rule that fails is counted and keeps its alerts as they were (beyond a limit, they are forgotten, as
    /// in Prometheus); the others go on.
    pub fn evaluate(&mut self, now_ms: i64, source: &dyn Source) -> Evaluation {
        self.evaluate_each(Duration::ZERO, now_ms, source)
    }

    /// As [`Rules::evaluate`], for a caller who comes each `tick`: groups with an interval no longer than that are due each
    /// time. He may come a little late, or have slept over the border of an interval.
    pub(crate) fn evaluate_each(
        &mut self,
        tick: Duration,
        now_ms: i64,
        source: &dyn Source,
    ) -> Evaluation {
        let Rules { groups, silences, recorded, settings, left, evaluations } = self;
        let mut out = Evaluation::default();
        left.report(now_ms, silences, &mut out);
        let clock = settings.query.clock.clone();
        let elapsed = || clock.now().elapsed;
        for running in &mut *groups {
            let interval = running.group.interval.unwrap_or(settings.interval);
            let slot = Some(now_ms.div_euclid(millis(interval).max(1)));
            if running.slot == slot && interval > tick {
                continue;
            }
            running.slot = slot;
            out.groups += 1;
            let group_began = elapsed();
            for (rule, state) in running.group.rules.iter().zip(&mut running.rules) {
                let limit = running.group.limit;
                let overlay = Overlay { recorded, base: source };
                let context = Context { source: &overlay, settings, now_ms, limit };
                let began = elapsed();
                let result = match rule.is_alert() {
                    true => context.alert(rule, &mut state.alerts),
                    false => context.record(rule).map(|samples| (samples, Vec::new())),
                };
                state.status.duration = elapsed().saturating_sub(began);
                state.status.evaluations += 1;
                *evaluations += 1;
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
            running.last = Some((now_ms, elapsed().saturating_sub(group_began)));
        }
        for labels in left.ended(groups) {
            recorded.end(&labels, now_ms);
            out.recorded.push((labels, now_ms, Sample::Float(STALE)));
        }
        recorded.expire(now_ms.saturating_sub(millis(settings.recorded_retention)));
        out
    }

    /// `source` with what rules recorded, `ALERTS` and `ALERTS_FOR_STATE` among it: what queries of the host should
    /// see.
    pub fn source<'a>(&'a self, source: &'a dyn Source) -> Overlay<'a> {
        Overlay { recorded: &self.recorded, base: source }
    }

    /// What rules recorded; the same, whatever is evaluated from now on.
    #[cfg(feature = "history")]
    pub(crate) fn recorded(&self) -> Recorded {
        self.recorded.clone()
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
            (running.file.as_str(), &*running.group, rules)
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
