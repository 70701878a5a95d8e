//! An engine that is driven by hand, rules over series that a test writes, and their health.

use crate::memory::Memory;
use std::time::Duration;
use tachometer::health::{ComponentReport, HealthBuilder, HealthReport, HealthState};
use tachometer::rules::{RuleFile, RuleObserver, RuleSettings, Rules};
use tachometer::{Clock, Engine, Health, ManualClock, Registry};

/// When tests begin, in seconds since 1970.
pub const BEGIN: i64 = 1_700_000_000;

pub struct Stand {
    pub clock: ManualClock,
    pub engine: Engine,
    pub health: Health,
    pub rules: Rules,
    pub source: Memory,
}

impl Stand {
    pub fn new(rules: &str) -> Stand {
        Stand::with(rules, Health::builder())
    }

    pub fn with(rules: &str, builder: HealthBuilder) -> Stand {
        let clock = ManualClock::at(Duration::from_secs(BEGIN as u64));
        let engine = Engine::builder().registry(&Registry::new()).manual(&clock).own_metrics(true);
        // As long as a busy machine may leave another test's thread without a processor.
        let engine = engine.cut_timeout(Duration::from_secs(60)).start().unwrap();
        let health = builder.start(&engine).unwrap();
        let file = RuleFile::parse("rules.yml", rules).unwrap();
        let rules = Rules::new([file], RuleSettings::default());
        Stand { clock, engine, health, rules, source: Memory::default() }
    }

    /// Series of these names: each has a value a second from the beginning on.
    pub fn series(mut self, name: &str, values: &[f64]) -> Stand {
        let times = (BEGIN..).map(|second| second * 1_000);
        let floats: Vec<_> = times.zip(values.iter().copied()).collect();
        self.source = self.source.with(&[("__name__", name), ("node", "n1")], &floats);
        self
    }

    /// Seconds since the beginning, on the wall's clock.
    pub fn second(&self) -> i64 {
        self.clock.now().unix.as_secs() as i64 - BEGIN
    }

    /// A generation and an evaluation now.
    pub fn step(&mut self) -> HealthReport {
        self.engine.refresh();
        self.evaluate();
        self.health.report()
    }

    pub fn evaluate(&mut self) {
        let now_ms = self.clock.now().unix.as_millis() as i64;
        let evaluation = self.rules.evaluate(now_ms, &self.source);
        self.health.evaluated(now_ms, &evaluation, &self.rules);
    }

    /// The value of one of health's own series, in a generation that is made now.
    pub fn own(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.engine.refresh().gauge_with(name, labels).unwrap()
    }

    /// Steps up to and including this second; the report of the last one.
    pub fn until(&mut self, second: i64) -> HealthReport {
        let mut report = self.step();
        while self.second() < second {
            self.clock.advance(Duration::from_secs(1));
            report = self.step();
        }
        report
    }
}

/// The second since the beginning that a report means.
pub fn second_of(since_ms: i64) -> i64 {
    assert_eq!(since_ms % 1_000, 0, "{since_ms}");
    since_ms / 1_000 - BEGIN
}

/// A component's state, and since which second.
pub fn state_of(report: &HealthReport, component: &str) -> (HealthState, i64) {
    let component = of(report, component);
    (component.state, second_of(component.since_ms))
}

pub fn of<'a>(report: &'a HealthReport, component: &str) -> &'a ComponentReport {
    report.component(component).unwrap_or_else(|| panic!("no {component} in {report:?}"))
}

/// What is wrong with a component.
pub fn whats<'a>(report: &'a HealthReport, component: &str) -> Vec<&'a str> {
    of(report, component).issues.iter().map(|issue| issue.what.as_str()).collect()
}
