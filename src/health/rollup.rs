//! The roll-up: what rules and checks say, and how fresh that is, become components with a state. Pure: the time is an
//! argument.
//!
//! A report is prepared when something changed, and shared by all who ask until something does again. What changes with
//! every question (the time, ages) is not in it.

use super::METRICS;
use super::issue::Issue;
use super::report::{ComponentReport, RulesReport};
use super::standing::Check;
use super::state::HealthState;
use super::told::{Listed, Told};
use super::vitals::Vitals;
use crate::limits::MAX_HEALTH_ISSUES;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Everything that a report is made of.
#[derive(Debug)]
pub(super) struct RollUp {
    /// Components that are there whatever rules say.
    pub(super) declared: Arc<BTreeSet<String>>,
    pub(super) checks: Vec<Check>,
    /// `None` until rules were evaluated.
    pub(super) told: Option<Told>,
    /// How often rules are to be evaluated, if the host said so.
    pub(super) rules_every: Option<Duration>,
    /// Since when each component, and the whole under the name "", is in its state.
    tracks: BTreeMap<String, Track>,
    /// Counts what was said by rules and checks.
    version: u64,
    prepared: Option<(Key, Arc<Prepared>)>,
}

#[derive(Clone, Copy, Debug)]
struct Track {
    state: HealthState,
    since_ms: i64,
}

/// What a prepared report depends on. Equal keys: the same report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    version: u64,
    engine: &'static str,
    starting: Option<Starting>,
    rules_late: bool,
}

/// What has not said anything yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starting {
    Engine,
    Rules,
    /// The number of the check.
    Check(usize),
}

/// A report, but for what changes with every question.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) status: HealthState,
    pub(super) since_ms: i64,
    /// What keeps it from saying anything; `None` once all have.
    pub(super) starting: Option<String>,
    /// Rules are no longer evaluated.
    pub(super) rules_late: bool,
    pub(super) counts: Option<RulesReport>,
    pub(super) components: Vec<ComponentReport>,
    json: OnceLock<String>,
}

impl Prepared {
    /// The components as JSON.
    pub(super) fn json(&self) -> &str {
        // Structures of texts and numbers: nothing that JSON could refuse.
        self.json.get_or_init(|| serde_json::to_string(&self.components).unwrap_or_default())
    }

    /// Issues that no list has.
    pub(super) fn left_out(&self) -> usize {
        let of = |one: &ComponentReport| {
            one.issues_left_out
                + one.pending_left_out
                + one.silenced_left_out
                + one.informational_left_out
        };
        self.components.iter().map(of).sum()
    }
}

impl RollUp {
    pub(super) fn new(
        declared: BTreeSet<String>,
        checks: Vec<Check>,
        rules_every: Option<Duration>,
    ) -> RollUp {
        RollUp {
            declared: Arc::new(declared),
            checks,
            told: None,
            rules_every,
            tracks: BTreeMap::new(),
            version: 0,
            prepared: None,
        }
    }

    /// Rules or checks said something.
    pub(super) fn changed(&mut self) {
        self.version += 1;
    }

    /// The report at a time; `onset_ms` is when what changed did so.
    pub(super) fn prepare(&mut self, vitals: &Vitals, onset_ms: i64) -> Arc<Prepared> {
        let news = self.checks.iter_mut().fold(false, |news, check| check.look(vitals.now) | news);
        self.version += u64::from(news);
        let every = self.rules_every.unwrap_or(vitals.interval);
        let late = |told: &Told| Vitals::is_late(vitals.now.elapsed, told.at, every);
        let key = Key {
            version: self.version,
            engine: vitals.state(),
            starting: self.starting(vitals),
            // Who stopped the engine on purpose knows why its rules are not evaluated.
            rules_late: !vitals.is_ill() && self.told.as_ref().is_some_and(late),
        };
        if let Some((_, prepared)) = self.prepared.as_ref().filter(|(known, _)| *known == key) {
            return prepared.clone();
        }
        let prepared = Arc::new(self.roll(&key, every, vitals, onset_ms));
        self.prepared = Some((key, prepared.clone()));
        prepared
    }

    fn starting(&self, vitals: &Vitals) -> Option<Starting> {
        if vitals.is_ill() {
            return None;
        }
        if vitals.generation.is_none() {
            return Some(Starting::Engine);
        }
        if self.rules_every.is_some() && self.told.is_none() {
            return Some(Starting::Rules);
        }
        self.checks.iter().position(|check| !check.has_said()).map(Starting::Check)
    }

    fn roll(&mut self, key: &Key, every: Duration, vitals: &Vitals, onset_ms: i64) -> Prepared {
        let mut all: BTreeMap<&str, ComponentReport> = BTreeMap::new();
        for name in self.declared.iter() {
            at(&mut all, name);
        }
        for (name, lists) in self.told.iter().flat_map(|told| &told.components) {
            let component = at(&mut all, name);
            component.state = lists.worst;
            put(&lists.issues, &mut component.issues, &mut component.issues_left_out);
            put(&lists.pending, &mut component.pending, &mut component.pending_left_out);
            put(&lists.silenced, &mut component.silenced, &mut component.silenced_left_out);
            let left_out = &mut component.informational_left_out;
            put(&lists.informational, &mut component.informational, left_out);
        }
        for check in &self.checks {
            let component = at(&mut all, &check.spec.component);
            component.checks.push(check.report());
            component.issues.extend(check.issue());
        }
        let metrics = at(&mut all, METRICS);
        if let Some(what) = vitals.issue() {
            metrics.issues.push(Issue::new(&what, HealthState::Failing, vitals.since_ms(onset_ms)));
        }
        if key.rules_late {
            let since_ms = self.told.as_ref().map_or(onset_ms, |told| told.counts.evaluated_at_ms);
            let what = format!("no rule was evaluated for longer than three times {every:?}");
            metrics.issues.push(Issue::new(&what, HealthState::Failing, since_ms));
        }
        let mut components: Vec<_> = all.into_values().collect();
        let mut status = HealthState::Healthy;
        for component in &mut components {
            shorten(component);
            status = status.max(component.state);
        }
        if key.starting.is_some() {
            status = HealthState::Failing;
        }
        let since_ms = self.track(&mut components, status, onset_ms);
        Prepared {
            status,
            since_ms,
            starting: key.starting.map(|starting| self.waits_for(starting)),
            rules_late: key.rules_late,
            counts: self.told.as_ref().map(|told| told.counts),
            components,
            json: OnceLock::new(),
        }
    }

    /// Says of each component since when it is in its state; gives since when the whole is.
    fn track(
        &mut self,
        components: &mut [ComponentReport],
        status: HealthState,
        onset_ms: i64,
    ) -> i64 {
        let before = std::mem::take(&mut self.tracks);
        let mut note = |name: &str, state: HealthState| {
            let same = before.get(name).filter(|track| track.state == state);
            let since_ms = same.map_or(onset_ms, |track| track.since_ms);
            self.tracks.insert(name.to_owned(), Track { state, since_ms });
            since_ms
        };
        for component in components {
            component.since_ms = note(&component.name, component.state);
        }
        note("", status)
    }

    fn waits_for(&self, starting: Starting) -> String {
        match starting {
            Starting::Engine => "the first interval is not over yet".to_owned(),
            Starting::Rules => "no rule was evaluated yet".to_owned(),
            Starting::Check(number) => {
                let spec = self.checks.get(number).map(|check| &check.spec);
                let (component, name) =
                    spec.map_or(("", ""), |spec| (spec.component.as_str(), spec.name.as_str()));
                format!("the check {name:?} of {component:?} has not answered yet")
            }
        }
    }
}

/// The component called `name`, which begins well.
fn at<'a, 'b>(
    all: &'a mut BTreeMap<&'b str, ComponentReport>,
    name: &'b str,
) -> &'a mut ComponentReport {
    all.entry(name).or_insert_with(|| ComponentReport {
        name: name.to_owned(),
        state: HealthState::Healthy,
        since_ms: 0,
        issues: Vec::new(),
        issues_left_out: 0,
        pending: Vec::new(),
        pending_left_out: 0,
        silenced: Vec::new(),
        silenced_left_out: 0,
        informational: Vec::new(),
        informational_left_out: 0,
        checks: Vec::new(),
    })
}

fn put(list: &Listed, issues: &mut Vec<Issue>, left_out: &mut usize) {
    issues.clone_from(&list.kept);
    *left_out = list.left_out;
}

/// The state of a component, and no more issues than a report shows: checks and stale data come to those of rules.
fn shorten(component: &mut ComponentReport) {
    let issues = &mut component.issues;
    let worst = issues.iter().map(|issue| issue.state).max().unwrap_or_default();
    component.state = component.state.max(worst);
    // Stable: what rules put in order stays in it.
    issues.sort_by_key(|issue| (Reverse(issue.state), issue.since_ms));
    component.issues_left_out += issues.len().saturating_sub(MAX_HEALTH_ISSUES);
    issues.truncate(MAX_HEALTH_ISSUES);
}
