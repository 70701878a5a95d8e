//! A process in small: handles, an engine on a clock that the test moves, its history, and rules over that, second by
//! second.

use crate::common::by_hand_with;
use std::ops::RangeInclusive;
use std::time::Duration;
use tachometer::rules::{AlertState, RuleFile, RuleSettings, Rules};
use tachometer::{Engine, History, ManualClock, Registry};

const START: Duration = Duration::from_secs(1_700_000_000);

/// An alert that fired: its rule, the labels that tell it from the rule's others, when it fired, and when it resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    pub rule: String,
    pub labels: String,
    pub fired: i64,
    pub resolved: Option<i64>,
}

pub struct Lab {
    clock: ManualClock,
    engine: Engine,
    history: History,
    rules: Rules,
    /// Seconds since the start.
    pub second: i64,
    pub incidents: Vec<Incident>,
}

impl Lab {
    /// What is registered may come later.
    pub fn new(registry: &Registry, file: RuleFile) -> Lab {
        let clock = ManualClock::at(START);
        let engine = by_hand_with(registry, &clock);
        let history = History::builder().start(&engine).unwrap();
        let rules = Rules::new([file], RuleSettings::default());
        Lab { clock, engine, history, rules, second: 0, incidents: Vec::new() }
    }

    /// A second goes by: what was recorded in it is cut and kept, then the rules are evaluated.
    pub fn step(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.engine.refresh();
        self.second += 1;
        self.evaluate();
    }

    /// A second goes by in which the engine makes no snapshot; only the rules are evaluated.
    pub fn step_without_snapshot(&mut self) {
        self.clock.advance(Duration::from_secs(1));
        self.second += 1;
        self.evaluate();
    }

    fn evaluate(&mut self) {
        let now = START.as_millis() as i64 + self.second * 1_000;
        let evaluation = self.rules.evaluate(now, &self.history);
        assert_eq!(evaluation.failures, 0, "{:?}", self.rules.status().collect::<Vec<_>>());
        for change in evaluation.transitions {
            let mut texts = change.alert.annotations.iter();
            if let Some((name, text)) = texts.find(|(_, text)| text.contains("<error")) {
                panic!("{} says in {name}: {text}", change.rule);
            }
            let own = ["alertname", "severity", "component"];
            let labels = change.alert.labels.iter().filter(|(name, _)| !own.contains(name));
            let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value}")).collect();
            let labels = labels.join(",");
            match change.to {
                AlertState::Firing => self.incidents.push(Incident {
                    rule: change.rule,
                    labels,
                    fired: self.second,
                    resolved: None,
                }),
                AlertState::Resolved => {
                    let known = self.incidents.iter_mut().rev();
                    let mut known = known.filter(|i| i.rule == change.rule && i.labels == labels);
                    known.next().expect("it fired").resolved = Some(self.second);
                }
                AlertState::Pending | AlertState::Inactive => {}
            }
        }
    }

    /// That each of these rules, with these labels, had one incident, which began and ended within these seconds;
    /// `i64::MAX` for one that goes on.
    #[track_caller]
    pub fn check(&self, expected: &[(&str, &str, RangeInclusive<i64>, RangeInclusive<i64>)]) {
        let mut wrong = Vec::new();
        for (rule, labels, fires, resolves) in expected {
            let (fired, resolved) = self.incident(rule, labels);
            let resolved = resolved.unwrap_or(i64::MAX);
            if !fires.contains(&fired) || !resolves.contains(&resolved) {
                wrong.push(format!("{rule}: {fired} to {resolved}, not {fires:?} to {resolves:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// The one incident of a rule with these labels: when it fired, and when it resolved.
    #[track_caller]
    pub fn incident(&self, rule: &str, labels: &str) -> (i64, Option<i64>) {
        let found = self.incidents.iter().filter(|i| i.rule == rule && i.labels == labels);
        let found: Vec<_> = found.collect();
        let [one] = found[..] else { panic!("{rule}: {:#?}", self.incidents) };
        (one.fired, one.resolved)
    }
}
