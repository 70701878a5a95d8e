//! A node whose rules a test evaluates by hand, over values that it sets.

use crate::common::{by_hand_with_own_metrics, page_of};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tachometer::notify::{Callback, Notice, Notifier, NotifierBuilder};
use tachometer::query::{Distribution, Labels, Matcher, QueryError, Series, Source};
use tachometer::rules::{AlertState, RuleFile, RuleObserver, RuleSettings, Rules};
use tachometer::{Engine, Registry};

/// What most tests evaluate.
pub const RULES: &str = "
groups:
- name: raft
  rules:
  - alert: NoLeader
    expr: leader == 0
    labels: {severity: critical}
    annotations: {summary: 'no leader in {{ $labels.group }}'}
";

struct Now(Labels, f64);

impl Series for Now {
    fn labels(&self) -> &Labels {
        &self.0
    }

    fn floats(&self, _: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        out.push((to_ms, self.1));
    }

    fn histograms(&self, _: i64, _: i64, _: &mut Vec<(i64, Arc<Distribution>)>) {}
}

/// Values of the gauge `leader`, by its label `group`, at any time.
#[derive(Default)]
struct Values(BTreeMap<String, f64>);

impl Source for Values {
    fn select(
        &self,
        matchers: &[Matcher],
        _: i64,
        _: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        let all = self.0.iter().map(|(group, value)| {
            Now(Labels::new([("__name__", "leader"), ("group", group)]), *value)
        });
        let taken = |now: &Now| matchers.iter().all(|matcher| matcher.matches(&now.0));
        Ok(all.filter(taken).map(|now| Arc::new(now) as Arc<dyn Series>).collect())
    }
}

pub struct Node {
    pub engine: Engine,
    values: Values,
    pub rules: Rules,
    pub now_ms: i64,
}

pub fn node() -> Node {
    node_with(RULES, RuleSettings::default())
}

pub fn node_with(text: &str, settings: RuleSettings) -> Node {
    Node {
        engine: by_hand_with_own_metrics(&Registry::new()),
        values: Values::default(),
        rules: rules(text, settings),
        now_ms: wall_ms(),
    }
}

pub fn rules(text: &str, settings: RuleSettings) -> Rules {
    Rules::new([RuleFile::parse("raft.yml", text).unwrap()], settings)
}

pub fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

impl Node {
    pub fn notifier(&self) -> NotifierBuilder {
        Notifier::builder(&self.engine).flush_within(Duration::ZERO)
    }

    /// A second later, these groups have no leader, and all others that were ever named have one.
    pub fn step(&mut self, notifier: &Notifier, without_leader: &[&str]) {
        self.step_by(1_000, notifier, without_leader);
    }

    pub fn step_by(&mut self, by_ms: i64, notifier: &Notifier, without_leader: &[&str]) {
        self.now_ms += by_ms;
        self.values.0.values_mut().for_each(|value| *value = 1.0);
        for group in without_leader {
            self.values.0.insert((*group).to_owned(), 0.0);
        }
        let evaluation = self.rules.evaluate(self.now_ms, &self.values);
        assert_eq!(evaluation.failures, 0);
        notifier.evaluated(self.now_ms, &evaluation, &self.rules);
    }

    /// One of the notifier's own metrics.
    pub fn own(&self, name: &str, handler: &str, reason: Option<&str>) -> f64 {
        let samples = crate::common::page::parse(&page_of(&self.engine));
        let has = |labels: &[(String, String)], name: &str, value: &str| {
            labels.iter().any(|(n, v)| n == name && v == value)
        };
        let is_it = |labels: &[(String, String)]| {
            has(labels, "handler", handler)
                && reason.is_none_or(|reason| has(labels, "reason", reason))
        };
        let found: Vec<_> =
            samples.iter().filter(|((n, labels), _)| n == name && is_it(labels)).collect();
        assert_eq!(found.len(), 1, "{name} of {handler}, {reason:?}: {found:?}");
        found[0].1.parse().unwrap()
    }
}

/// What a callback was told: group and state.
pub type Heard = Arc<Mutex<Vec<(String, AlertState)>>>;

/// A callback that writes down what it is told.
pub fn listening() -> (Callback, Heard) {
    let heard = Heard::default();
    let hears = heard.clone();
    let callback = move |notice: &Notice| {
        let group = notice.alert.labels.get("group").unwrap_or_default().to_owned();
        hears.lock().unwrap().push((group, notice.to));
    };
    (Callback::new(callback), heard)
}
