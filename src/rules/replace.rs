//! Other rules in place of those that there are, without a gap: files that were loaded again.
//!
//! A rule is the same as before if its file, its group, its name and its labels are, as Prometheus has it: it keeps its
//! alerts and its status, whatever else changed. Of several that are the same in this way, the first is the first. What
//! the others leave behind is settled by the next evaluation: their alerts resolve, their series end.

use super::alert::{Alert, AlertState, Transition};
use super::engine::{Evaluation, Rules, Running, RunningGroup};
use super::file::{Rule, RuleFile};
use super::silence::Silences;
use crate::query::Labels;
use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;

/// What rules left behind that are no longer there.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Alerts that are pending or fire, with group and rule.
    alerts: Vec<(String, String, Alert)>,
    series: HashSet<Labels>,
}

/// What makes a rule the same: kind, name, and labels as they are written.
type Identity = (bool, String, Vec<(String, String)>);

fn identity(rule: &Rule) -> Identity {
    let labels = rule.labels().map(|(name, text)| (name.to_owned(), text.to_owned()));
    (rule.is_alert(), rule.name().to_owned(), labels.collect())
}

impl Left {
    fn take(&mut self, group: &str, rule: &str, state: Running) {
        let is_there =
            |alert: &Alert| matches!(alert.state, AlertState::Pending | AlertState::Firing);
        let alerts = state.alerts.into_values().filter(is_there);
        self.alerts.extend(alerts.map(|alert| (group.to_owned(), rule.to_owned(), alert)));
        self.series.extend(state.previous);
    }

    /// Says of the alerts that they are no longer.
    pub(crate) fn report(&mut self, now_ms: i64, silences: &Silences, out: &mut Evaluation) {
        for (group, rule, mut alert) in mem::take(&mut self.alerts) {
            let from = alert.state;
            if from == AlertState::Firing {
                alert.state = AlertState::Resolved;
                alert.resolved_at_ms = Some(now_ms);
            } else {
                alert.state = AlertState::Inactive;
            }
            let is_silenced = silences.cover(&alert, now_ms);
            let (time_ms, to) = (now_ms, alert.state);
            out.transitions.push(Transition { time_ms, group, rule, from, to, alert, is_silenced });
        }
    }

    /// The series that nobody records any more.
    pub(crate) fn ended(&mut self, groups: &[RunningGroup]) -> Vec<Labels> {
        let mut series = mem::take(&mut self.series);
        if !series.is_empty() {
            let rules = groups.iter().flat_map(|group| &group.rules);
            let recorded: HashSet<_> = rules.flat_map(|state| &state.previous).collect();
            series.retain(|one| !recorded.contains(one));
        }
        series.into_iter().collect()
    }
}

impl Rules {
    /// Evaluates the rules of these files from now on, instead of those that there are.
    ///
    /// A rule of the same file, group, name and labels keeps its alerts and its status, even if its expression is another
    /// one. Of the others, the next evaluation says that their alerts resolved, or are no longer pending, and ends what
    /// they recorded. Silences stay.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use tachometer::query::{Matcher, QueryError, Series, Source};
    /// # struct Nothing;
    /// # impl Source for Nothing {
    /// #     fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
    /// #         Ok(Vec::new())
    /// #     }
    /// # }
    /// # let history = Nothing;
    /// use tachometer::rules::{AlertState, RuleFile, RuleSettings, Rules};
    /// let file = |text| RuleFile::parse("raft.yml", text);
    /// let rule = "groups: [{name: g, rules: [{alert: A, expr: vector(1)}]}]";
    /// let mut rules = Rules::new([file(rule)?], RuleSettings::default());
    /// rules.evaluate(1_000, &history);
    /// rules.replace([file(&rule.replace("vector(1)", "vector(2)"))?]);
    /// assert!(rules.evaluate(2_000, &history).transitions.is_empty(), "it fires as it did");
    /// rules.replace([]);
    /// assert_eq!(rules.evaluate(3_000, &history).transitions[0].to, AlertState::Resolved);
    /// # Ok::<(), tachometer::rules::RuleErrors>(())
    /// ```
    pub fn replace(&mut self, files: impl IntoIterator<Item = RuleFile>) {
        let before = mem::replace(&mut self.groups, RunningGroup::of(files));
        for old in before {
            let same =
                |new: &&mut RunningGroup| new.file == old.file && new.group.name == old.group.name;
            let mut new = self.groups.iter_mut().find(same);
            if let Some(new) = &mut new {
                new.follow(&old);
            }
            let mut places: HashMap<Identity, VecDeque<usize>> = HashMap::new();
            for (place, rule) in new.iter().flat_map(|new| new.group.rules.iter().enumerate()) {
                places.entry(identity(rule)).or_default().push_back(place);
            }
            for (rule, state) in old.group.rules.iter().zip(old.rules) {
                let place = places.get_mut(&identity(rule)).and_then(VecDeque::pop_front);
                match (place, &mut new) {
                    (Some(place), Some(new)) => new.rules[place] = state,
                    _ => self.left.take(&old.group.name, &rule.name, state),
                }
            }
        }
    }
}
