//! Stale data are never healthy, and a clock that steps does not make them stale.

use crate::stand::{BEGIN, Stand, of, state_of, whats};
use std::time::Duration;
use tachometer::health::HealthState::{Failing, Healthy};
use tachometer::{Engine, Health, Registry};

const QUIET: &str =
    "groups: [{name: g, rules: [{alert: A, expr: up == 0, labels: {component: network}}]}]";

fn seconds(stand: &Stand, seconds: u64) {
    stand.clock.advance(Duration::from_secs(seconds));
}

#[test]
fn without_generations_it_is_failing_at_the_time_of_the_question() {
    let mut stand = Stand::new(QUIET).series("up", &[1.0; 30]);
    assert_eq!(stand.until(2).status, Healthy);
    seconds(&stand, 4);
    assert_eq!(stand.health.report().status, Healthy, "three intervals late, and no more");
    seconds(&stand, 1);
    let report = stand.health.report();
    assert_eq!((report.status, report.engine, report.ready), (Failing, "late", false));
    assert!(report.why.unwrap().contains("the latest generation is 5.000 s old"));
    assert_eq!(state_of(&stand.health.report(), "metrics"), (Failing, 7));
    assert_eq!(state_of(&stand.health.report(), "network"), (Healthy, 0), "as far as is known");
    let issue = &of(&stand.health.report(), "metrics").issues[0].clone();
    assert!(issue.what.starts_with("the data are stale: no generation"), "{issue:?}");
    assert_eq!(issue.since_ms / 1_000 - BEGIN, 2, "since the last generation");
    // Rules that are evaluated over data that no longer come do not mend it.
    stand.evaluate();
    assert_eq!(stand.health.status(), Failing);
    let report = stand.step();
    assert_eq!((report.status, report.engine), (Healthy, "by hand"));
    assert_eq!(state_of(&report, "metrics"), (Healthy, 7));
}

#[test]
fn rules_that_are_no_longer_evaluated_are_failing() {
    let mut stand = Stand::new(QUIET).series("up", &[1.0; 90]);
    stand.until(2);
    for _ in 0..4 {
        seconds(&stand, 1);
        stand.engine.refresh();
    }
    assert_eq!(stand.health.status(), Healthy);
    seconds(&stand, 1);
    stand.engine.refresh();
    let report = stand.health.report();
    assert_eq!((report.status, report.engine), (Failing, "by hand"));
    assert_eq!(whats(&report, "metrics"), ["no rule was evaluated for longer than three times 1s"]);
    assert_eq!(report.why.as_deref(), Some("metrics is failing; rules are no longer evaluated"));
    assert_eq!(stand.step().status, Healthy);
}

#[test]
fn rules_can_be_expected_at_an_interval_of_their_own() {
    let every = Duration::from_secs(15);
    let mut stand =
        Stand::with(QUIET, Health::builder().rules_every(every)).series("up", &[1.0; 90]);
    stand.engine.refresh();
    let report = stand.health.report();
    assert_eq!((report.status, report.engine, report.ready), (Failing, "starting", false));
    assert_eq!(report.why.as_deref(), Some("no rule was evaluated yet"));
    assert_eq!(stand.step().status, Healthy);
    for _ in 0..60 {
        seconds(&stand, 1);
        stand.engine.refresh();
        assert_eq!(stand.health.status(), Healthy);
    }
    seconds(&stand, 1);
    stand.engine.refresh();
    assert_eq!(stand.health.status(), Failing);
}

#[test]
fn the_walls_clock_may_step() {
    let mut stand = Stand::new(QUIET).series("up", &[1.0; 30]);
    stand.until(2);
    for wall in [BEGIN - 86_400, BEGIN + 86_400, BEGIN + 3] {
        stand.clock.set_wall(Duration::from_secs(wall as u64));
        let report = stand.health.report();
        assert_eq!((report.status, report.generated_at_ms), (Healthy, wall * 1_000));
        assert_eq!(report.rules.unwrap().age, Duration::ZERO);
    }
    assert_eq!(stand.step().status, Healthy);
    // Nor does it hide that time went by.
    seconds(&stand, 5);
    stand.clock.set_wall(Duration::from_secs(BEGIN as u64 + 3));
    assert_eq!(stand.health.status(), Failing);
}

#[test]
fn an_engine_that_was_stopped_is_not_healthy_even_when_it_is_gone() {
    let mut stand = Stand::new(QUIET).series("up", &[1.0; 30]);
    assert_eq!(stand.until(1).status, Healthy);
    stand.engine.stop();
    let stopped = |health: &Health| {
        let report = health.report();
        assert_eq!((report.status, report.engine, report.ready), (Failing, "stopped", false));
        assert_eq!(report.why.as_deref(), Some("the metrics engine of this process was stopped"));
        assert_eq!(of(&report, "metrics").state, Failing);
    };
    stopped(&stand.health);
    let Stand { engine, health, .. } = stand;
    drop(engine);
    stopped(&health);
}

#[test]
fn nothing_is_healthy_before_the_first_generation() {
    let stand = Stand::new(QUIET);
    let report = stand.health.report();
    assert_eq!((report.status, report.engine, report.generation), (Failing, "starting", None));
    assert_eq!(report.why.as_deref(), Some("the first interval is not over yet"));
    stand.engine.refresh();
    let report = stand.health.report();
    assert_eq!((report.status, report.generation), (Healthy, Some(1)), "no rules are expected");
}

#[test]
fn an_engine_that_was_stopped_before_gives_an_error() {
    let engine = Engine::builder().registry(&Registry::new()).start().unwrap();
    engine.stop();
    let error = Health::builder().start(&engine).unwrap_err().to_string();
    assert!(error.contains("start an engine first"), "{error}");
}
