//! The life of alerts: the same transitions at the same times as in Prometheus.

use crate::common::random::Random;
use crate::oracle::{self, Input, STEP_MS, input, judge};
use tachometer::rules::AlertState;

const WRITTEN: &str = r#"
groups:
- name: recorded
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {kind: total}
  - record: job:up:twice
    expr: 2 * job:up:sum
  - record: minutes
    expr: time() / 60
- name: alerts
  rules:
  - alert: Down
    expr: up == 0
    for: 3m
    labels: {severity: critical, where: '{{ $labels.instance | stripPort }}'}
    annotations: {summary: '{{ $labels.instance }} of {{ $labels.job }} is down: {{ $value }}'}
  - alert: Kept
    expr: up == 0
    for: 1m
    keep_firing_for: 3m
  - alert: AtOnce
    expr: up == 0
  - alert: Few
    expr: job:up:twice < 4
    for: 2m
    annotations: {summary: '{{ $value }} are up'}
  - alert: ByValue
    expr: job:up:sum
    for: 1m
    labels: {count: '{{ $value }}'}
  - alert: OfAlerts
    expr: count(ALERTS{alertstate="firing", alertname="Down"}) > 0
    for: 1m
  - alert: Absent
    expr: absent(up{instance="c:1"})
    for: 4m
  - alert: Late
    expr: minutes >= 12
    for: 5m
"#;

#[test]
fn written_rules_have_the_transitions_of_prometheus() {
    if !oracle::is_here() {
        return;
    }
    let up = |instance, values| {
        input(&[("__name__", "up"), ("job", "raft"), ("instance", instance)], values)
    };
    let inputs = [
        // Down for long, and once more, within and beyond the time of `for`.
        up("a:1", "1 1 0 0 0 0 0 0 1 1 0 0 1 0 0 0 0 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        // Gone without a word: the look-back keeps it for five minutes.
        up("b:1", "1 1 1 0 0 0 _ _ _ _ _ _ _ _ _ _ _ 0 0 0 0 0 1 1 1 1 1 1 1 1"),
        // Gone with one.
        up("c:1", "1 0 0 0 0 stale _ _ _ _ _ _ _ _ 1 0 0 0 0 0 0 stale 0 0 0 0 0 0"),
    ];
    let expressions = [
        "ALERTS",
        "ALERTS_FOR_STATE",
        "job:up:sum",
        "job:up:twice",
        "minutes",
        "count_over_time(ALERTS[10m])",
    ];
    let transitions = judge(WRITTEN, &inputs, 32, &expressions);
    let of = |name: &str, instance: &str| -> Vec<_> {
        let all = transitions.iter().filter(|change| change.rule == name);
        let all = all
            .filter(|change| change.alert.labels.get("instance").unwrap_or_default() == instance);
        all.map(|change| (change.time_ms / STEP_MS, change.to)).collect()
    };
    use AlertState::{Firing, Inactive, Pending, Resolved};
    let expected = [
        (2, Pending),
        (5, Firing),
        (8, Resolved),
        (10, Pending),
        (12, Inactive),
        (13, Pending),
        (16, Firing),
        (17, Resolved),
    ];
    assert_eq!(of("Down", "a:1"), expected);
    // It comes back each time before the three minutes are over.
    let kept = [(2, Pending), (3, Firing), (20, Resolved)];
    assert_eq!(of("Kept", "a:1"), kept);
    assert_eq!(of("Late", ""), [(12, Pending), (17, Firing)]);
}

/// Series that go up, down, away and come back, at random.
fn random_inputs(random: &mut Random, minutes: usize) -> Vec<Input> {
    let mut inputs = Vec::new();
    for metric in ["a", "b"] {
        for instance in ["1", "2", "3"] {
            let (mut values, mut now) = (Vec::new(), "0".to_owned());
            for _ in 0..minutes {
                if random.below(4) == 0 {
                    now = ["0", "1", "2", "5", "_", "stale"][random.below(6) as usize].to_owned();
                }
                values.push(now.clone());
            }
            inputs.push(input(&[("__name__", metric), ("x", instance)], &values.join(" ")));
        }
    }
    inputs
}

#[test]
fn random_rules_have_the_transitions_of_prometheus() {
    if !oracle::is_here() {
        return;
    }
    let mut random = Random::new(7);
    let expressions = [
        "a",
        "a > 1",
        "a == b",
        "sum by (x) (a) + r1 > 2",
        "a unless b",
        "r2 > 3",
        "changes(a[5m]) > 1",
    ];
    let mut fired = 0;
    for round in 0..12 {
        let minutes = 40;
        let inputs = random_inputs(&mut random, minutes);
        let mut rules = "groups:\n- name: g\n  rules:\n  - {record: r1, expr: max by (x) (a)}\n  - {record: r2, expr: sum(a) + sum(b)}\n".to_owned();
        for index in 0..4 {
            let expression = expressions[random.below(expressions.len() as u64) as usize];
            let (wait, keep) = (random.below(5), random.below(4));
            rules += &format!(
                "  - {{alert: A{index}, expr: '{expression}', for: {wait}m, keep_firing_for: {keep}m, labels: {{v: '{{{{ if gt $value 1.0 }}}}high{{{{ end }}}}'}}, annotations: {{a: '{{{{ $value }}}} {round}'}}}}\n"
            );
        }
        let transitions =
            judge(&rules, &inputs, minutes, &["ALERTS", "ALERTS_FOR_STATE", "r1", "r2"]);
        fired += transitions.iter().filter(|change| change.to == AlertState::Firing).count();
    }
    assert!(fired > 100, "too little to compare: {fired} alerts fired");
}
