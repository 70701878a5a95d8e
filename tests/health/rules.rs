//! Alerts become issues of components: when, since when, and which of them count.

use crate::stand::{BEGIN, Stand, of, second_of, state_of, whats};
use tachometer::health::HealthState::{Critical, Failing, Healthy, Warning};
use tachometer::query::{MatchOp, Matcher};
use tachometer::rules::Silence;

const LEADER: &str = "
groups:
- name: raft
  rules:
  - alert: Slow
    expr: latency > 0.25
    for: 2s
    labels: {severity: warning, component: consensus}
    annotations: {summary: 'commits of {{ $labels.node }} are slow'}
  - alert: NoLeader
    expr: leader < 0 and leader < 10
    for: 1s
    labels: {severity: critical, component: consensus}
    annotations: {description: 'no leader'}
  - alert: Disk
    expr: 0.1 > disk
    labels: {severity: page, component: storage}
  - {record: 'x:y', expr: leader}
";

/// Latency is high from second 3 to 12, the leader gone from 6 to 9.
fn leader() -> Stand {
    let latency: Vec<_> = (0..30).map(|s| if (3..=12).contains(&s) { 0.5 } else { 0.1 }).collect();
    let leader: Vec<_> = (0..30).map(|s| if (6..=9).contains(&s) { -1.0 } else { 1.0 }).collect();
    Stand::new(LEADER)
        .series("latency", &latency)
        .series("leader", &leader)
        .series("disk", &[0.5; 30])
}

#[test]
fn a_component_follows_its_alerts_from_pending_to_resolved() {
    let mut stand = leader();
    let names = |report: &tachometer::health::HealthReport| -> Vec<String> {
        report.components.iter().map(|component| component.name.clone()).collect()
    };
    let report = stand.until(2);
    assert_eq!(names(&report), ["consensus", "metrics", "storage"], "rules name them");
    assert_eq!((report.status, report.why.clone(), report.ready), (Healthy, None, true));
    assert_eq!(state_of(&report, "consensus"), (Healthy, 0));

    let report = stand.until(4);
    assert_eq!(state_of(&report, "consensus"), (Healthy, 0), "pending does not count");
    let pending = &of(&report, "consensus").pending;
    assert_eq!((pending.len(), pending[0].state, second_of(pending[0].since_ms)), (1, Warning, 3));
    assert_eq!(report.rules.unwrap().pending, 1);

    let report = stand.until(6);
    assert_eq!(state_of(&report, "consensus"), (Warning, 5));
    assert_eq!((report.status, second_of(report.since_ms)), (Warning, 5));
    let issue = &of(&report, "consensus").issues[0];
    assert_eq!((issue.what.as_str(), issue.value), ("commits of n1 are slow", Some(0.5)));
    assert_eq!(second_of(issue.since_ms), 3, "since the expression holds");
    let threshold = issue.threshold.unwrap();
    assert_eq!((threshold.operator, threshold.value), (">", 0.25));
    let rule = issue.rule.as_ref().unwrap();
    assert_eq!((rule.group.as_str(), rule.name.as_str()), ("raft", "Slow"));
    assert_eq!(
        (rule.expression.as_str(), rule.severity.as_deref()),
        ("latency > 0.25", Some("warning"))
    );
    assert_eq!(issue.labels.iter().collect::<Vec<_>>(), [(&"node".into(), &"n1".into())]);

    let report = stand.until(8);
    assert_eq!(state_of(&report, "consensus"), (Critical, 7), "critical over warning");
    assert_eq!(
        whats(&report, "consensus"),
        ["no leader", "commits of n1 are slow"],
        "the worst first"
    );
    let threshold = of(&report, "consensus").issues[0].threshold.unwrap();
    assert_eq!((threshold.operator, threshold.value), ("<", 0.0), "of what the value is of");
    assert_eq!(report.why.as_deref(), Some("consensus is critical"));
    assert!(report.ready && !report.ok);

    let report = stand.until(11);
    assert_eq!(state_of(&report, "consensus"), (Warning, 10), "the leader is back");
    let report = stand.until(20);
    assert_eq!(state_of(&report, "consensus"), (Healthy, 13));
    assert_eq!((report.status, second_of(report.since_ms)), (Healthy, 13));
    assert!(of(&report, "consensus").issues.is_empty());
    assert_eq!(state_of(&report, "storage"), (Healthy, 0), "the others were never touched");
}

#[test]
fn what_severities_count_as() {
    let mut rules = "groups:\n- name: g\n  rules:\n".to_owned();
    let severities =
        ["warning", "Critical", "page", "failing", "none", "info", "sev2", "'{{ $value }}'", ""];
    for (index, severity) in severities.iter().enumerate() {
        let severity = match *severity {
            "" => String::new(),
            severity => format!("severity: {severity}, "),
        };
        rules += &format!(
            "  - {{alert: A{index}, expr: vector(1), labels: {{{severity}component: c{index}}}}}\n"
        );
    }
    let mut stand = Stand::new(&rules);
    let report = stand.step();
    let state = |index: usize| state_of(&report, &format!("c{index}")).0;
    let states: Vec<_> = (0..severities.len()).map(state).collect();
    let expected =
        [Warning, Critical, Failing, Failing, Healthy, Healthy, Warning, Warning, Warning];
    assert_eq!(states, expected);
    let rules = report.rules.unwrap();
    assert_eq!((rules.firing, rules.informational, rules.unknown_severities), (7, 2, 2));
    assert_eq!(stand.own("tachometer_health_unknown_severities", &[]), 2.0);
    assert_eq!(
        of(&report, "c4").informational[0].what,
        "A4",
        "a name, where there is no annotation"
    );
    assert_eq!(
        of(&report, "c6").issues[0].rule.as_ref().unwrap().severity.as_deref(),
        Some("sev2")
    );
}

#[test]
fn silenced_alerts_are_listed_and_do_not_count() {
    let mut stand = leader();
    let silence = |name: &str, from: i64, to: i64| Silence {
        matchers: vec![Matcher::new("alertname", MatchOp::Equal, name).unwrap()],
        starts_ms: (BEGIN + from) * 1_000,
        ends_ms: (BEGIN + to) * 1_000,
        created_by: "operator".to_owned(),
        comment: "known".to_owned(),
    };
    stand.rules.silence(silence("NoLeader", 0, 9), BEGIN * 1_000).unwrap();
    let report = stand.until(8);
    assert_eq!(state_of(&report, "consensus"), (Warning, 5));
    assert_eq!(of(&report, "consensus").silenced[0].what, "no leader");
    assert_eq!(of(&report, "consensus").silenced[0].state, Critical, "what it would make of it");
    assert_eq!(report.rules.unwrap().silenced, 1);
    let report = stand.until(9);
    assert_eq!(state_of(&report, "consensus"), (Critical, 9), "the silence is over");
}

#[test]
fn alerts_without_a_component_are_of_other_and_templates_name_components_too() {
    let mut stand = Stand::new(
        "groups: [{name: g, rules: [{alert: A, expr: up == 0}, {alert: B, expr: up == 0, labels: {component: '{{ $labels.node }}'}}]}]",
    )
    .series("up", &[1.0, 1.0, 0.0, 1.0]);
    let names = |stand: &mut Stand, second| -> Vec<String> {
        let report = stand.until(second);
        report.components.iter().map(|component| component.name.clone()).collect()
    };
    assert_eq!(names(&mut stand, 1), ["metrics"]);
    assert_eq!(names(&mut stand, 2), ["metrics", "n1", "other"]);
    let report = stand.until(3);
    assert_eq!(state_of(&report, "n1"), (Healthy, 3), "remembered for a while");
    assert_eq!(names(&mut stand, 3 + 900), ["metrics", "n1", "other"]);
    assert_eq!(names(&mut stand, 3 + 902), ["metrics"]);
}

#[test]
fn a_rule_that_cannot_be_evaluated_is_an_issue_of_metrics() {
    let mut stand = Stand::new(
        "groups: [{name: g, rules: [{record: r, expr: up * on() up2}, {alert: A, expr: up == 0}]}]",
    )
    .series("up", &[1.0; 20]);
    assert_eq!(stand.until(2).status, Healthy);
    // From now on the match is not unique.
    let second = |node| {
        let floats: Vec<_> = (3..6).map(|s| ((BEGIN + s) * 1_000, 1.0)).collect();
        ([("__name__", "up2"), ("node", node)], floats)
    };
    for (labels, mut floats) in [second("a"), second("b")] {
        // A series that ends says so.
        floats.push(((BEGIN + 6) * 1_000, tachometer::query::STALE));
        stand.source = std::mem::take(&mut stand.source).with(&labels, &floats);
    }
    let report = stand.until(5);
    assert_eq!(state_of(&report, "metrics"), (Warning, 3));
    let issue = &of(&report, "metrics").issues[0];
    assert!(issue.what.starts_with("rule \"r\" of group \"g\" cannot be evaluated: "), "{issue:?}");
    assert_eq!((second_of(issue.since_ms), report.rules.unwrap().failing_rules), (3, 1));
    let report = stand.until(7);
    assert_eq!(state_of(&report, "metrics"), (Healthy, 6));
}
