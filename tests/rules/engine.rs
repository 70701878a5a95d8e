//! What Prometheus does not show: rules that fail, limits, intervals, silences, restarts, the clock.

use crate::memory::Memory;
use std::time::Duration;
use tachometer::query::{Answer, MatchOp, Matcher, Query, STALE_BITS, Sample, Settings};
use tachometer::rules::{AlertState, RuleFile, RuleSettings, Rules, Silence};

fn rules(text: &str) -> Rules {
    Rules::new([RuleFile::parse("rules.yml", text).unwrap()], RuleSettings::default())
}

/// `up` of two instances, by the second: of the first it goes at second 10 and comes back at second 40.
fn history() -> Memory {
    let seconds =
        |value: fn(i64) -> f64| -> Vec<_> { (0..100).map(|t| (t * 1_000, value(t))).collect() };
    Memory::default()
        .with(
            &[("__name__", "up"), ("i", "1")],
            &seconds(|t| if (10..40).contains(&t) { 0.0 } else { 1.0 }),
        )
        .with(&[("__name__", "up"), ("i", "2")], &seconds(|_| 1.0))
}

const DOWN: &str = "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 10s, annotations: {a: 'down: {{ $value }}'}}]}]";

fn run(rules: &mut Rules, seconds: std::ops::Range<i64>) -> Vec<(i64, AlertState, bool)> {
    let history = history();
    let mut said = Vec::new();
    for second in seconds {
        for change in rules.evaluate(second * 1_000, &history).transitions {
            said.push((second, change.to, change.is_silenced));
        }
    }
    said
}

#[test]
fn a_rule_that_fails_stops_no_other() {
    let mut rules = rules(
        "groups:\n- name: g\n  rules:\n  - {record: r, expr: 'up * on() up'}\n  - {record: text, expr: '\"x\"'}\n  - {alert: A, expr: 'vector(1)'}\n",
    );
    let evaluation = rules.evaluate(5_000, &history());
    assert_eq!((evaluation.failures, evaluation.transitions.len()), (2, 2));
    let (file, group, status) = rules.status().next().unwrap();
    assert_eq!((file, group.name()), ("rules.yml", "g"));
    assert!(status[0].last_error.as_ref().unwrap().contains("many-to-many"), "{:?}", status[0]);
    assert_eq!(status[1].last_error.as_deref(), Some("rule result is not a vector or scalar"));
    assert_eq!((status[2].failures, status[2].evaluations, status[2].series), (0, 1, 2));
}

#[test]
fn beyond_its_groups_limit_a_rule_fails() {
    let mut limited = rules(
        "groups:\n- name: g\n  limit: 1\n  rules:\n  - {record: r, expr: up}\n  - {alert: A, expr: up}\n  - {alert: B, expr: 'up{i=\"1\"}'}\n",
    );
    let evaluation = limited.evaluate(5_000, &history());
    assert_eq!(evaluation.failures, 2);
    let errors: Vec<_> =
        limited.status().next().unwrap().2.iter().map(|status| status.last_error.clone()).collect();
    let errors: Vec<_> = errors.iter().map(Option::as_deref).collect();
    assert_eq!(
        errors,
        [
            Some("exceeded limit of 1 with 2 series"),
            Some("exceeded limit of 1 with 2 alerts"),
            None
        ]
    );
    assert_eq!(limited.alerts().map(|(_, rule, _)| rule).collect::<Vec<_>>(), ["B"]);
    // Labels that make two series one.
    let mut doubled = rules(
        "groups: [{name: g, rules: [{record: r, expr: up, labels: {i: x}}, {alert: A, expr: up, labels: {i: x}}]}]",
    );
    assert_eq!(doubled.evaluate(5_000, &history()).failures, 2);
}

#[test]
fn groups_are_due_once_in_an_interval() {
    let mut rules = rules(
        "groups: [{name: a, interval: 10s, rules: [{record: r, expr: '1'}]}, {name: b, rules: []}]",
    );
    let due = |rules: &mut Rules, now: i64| rules.evaluate(now, &history()).groups;
    assert_eq!(due(&mut rules, 10_000), 2);
    assert_eq!(due(&mut rules, 10_400), 0, "the same second");
    assert_eq!(due(&mut rules, 11_000), 1);
    assert_eq!(due(&mut rules, 20_001), 2);
    assert_eq!(due(&mut rules, 95_000), 2, "intervals that were missed are not made up for");
    // The clock goes back: samples that would be before the last one are dropped and counted.
    assert_eq!(due(&mut rules, 30_000), 2);
    assert_eq!(rules.dropped(), 1);
}

#[test]
fn what_is_recorded_ends_when_it_is_no_longer() {
    let mut rules = rules(
        "groups: [{name: g, rules: [{record: down, expr: up == 0}, {record: twice, expr: 2 + down}]}]",
    );
    let history = history();
    let mut ends = Vec::new();
    for second in 0..60 {
        for (labels, time, sample) in rules.evaluate(second * 1_000, &history).recorded {
            if sample.as_float().is_some_and(|value| value.to_bits() == STALE_BITS) {
                ends.push((labels.to_string(), time));
            }
        }
        let ask = |text: &str| {
            let source = rules.source(&history);
            let answer =
                Query::parse(text).unwrap().instant(&source, second * 1_000, &Settings::default());
            let Answer::Vector(samples) = answer.unwrap() else { panic!("{text}") };
            samples.first().map(|sample| sample.value.clone())
        };
        let expected = (10..40).contains(&second).then_some(Sample::Float(2.0));
        assert_eq!(ask("twice"), expected, "at {second}");
    }
    assert_eq!(ends, [("down{i=\"1\"}".to_owned(), 40_000), ("twice{i=\"1\"}".to_owned(), 40_000)]);
}

#[test]
fn what_is_recorded_is_kept_for_a_while() {
    let settings =
        RuleSettings { recorded_retention: Duration::from_secs(30), ..RuleSettings::default() };
    let file = RuleFile::parse(
        "rules.yml",
        "groups: [{name: g, rules: [{record: r, expr: 'vector(1)'}]}]",
    )
    .unwrap();
    let mut rules = Rules::new([file], settings);
    let history = history();
    (0..100).for_each(|second| drop(rules.evaluate(second * 1_000, &history)));
    let source = rules.source(&history);
    let answer = Query::parse("count_over_time(r[1h])").unwrap().instant(
        &source,
        99_000,
        &Settings::default(),
    );
    let Answer::Vector(samples) = answer.unwrap() else { panic!("no vector") };
    assert_eq!(samples[0].value, Sample::Float(31.0));
}

fn silence(name: &str, op: MatchOp, value: &str, starts_ms: i64, ends_ms: i64) -> Silence {
    Silence {
        matchers: vec![Matcher::new(name, op, value).unwrap()],
        starts_ms,
        ends_ms,
        created_by: "a test".to_owned(),
        comment: "works on it".to_owned(),
    }
}

#[test]
fn silences_cover_alerts_for_a_time() {
    let mut rules = rules(DOWN);
    assert!(
        rules.silence(silence("i", MatchOp::Regex, ".*", 0, 9), 0).is_err(),
        "covers every alert"
    );
    assert!(rules.silence(silence("i", MatchOp::Equal, "1", 9, 9), 0).is_err(), "never holds");
    let other = rules.silence(silence("i", MatchOp::Equal, "2", 0, 90_000), 0).unwrap();
    let number = rules.silence(silence("i", MatchOp::Regex, "1|3", 15_000, 30_000), 0).unwrap();
    let said = run(&mut rules, 0..50);
    let expected = [
        (10, AlertState::Pending, false),
        (20, AlertState::Firing, true),
        (40, AlertState::Resolved, false),
    ];
    assert_eq!(said, expected);
    assert!(rules.unsilence(number) && !rules.unsilence(number));
    assert_eq!(rules.silences().map(|(number, _)| number).collect::<Vec<_>>(), [other]);
}

#[test]
fn a_restart_changes_no_transition() {
    let through = run(&mut rules(DOWN), 0..60);
    for at in [5, 12, 15, 20, 25, 39, 40, 45] {
        let mut before = rules(DOWN);
        let mut said = run(&mut before, 0..at);
        let _ = before.silence(silence("i", MatchOp::NotEqual, "1", 0, 90_000), 0);
        // By way of JSON, as a host would.
        let text = serde_json::to_string(&before.state(at * 1_000)).unwrap();
        let mut after = rules(DOWN);
        let restored = after.restore(serde_json::from_str(&text).unwrap(), at * 1_000);
        assert_eq!(restored.forgotten, 0);
        said.extend(run(&mut after, at..60));
        assert_eq!(said, through, "restarted at {at}");
    }
}

#[test]
fn a_restored_state_is_of_these_rules_and_not_too_old() {
    let mut before = rules(DOWN);
    run(&mut before, 0..15);
    let state = before.state(15_000);
    let restored = |text: &str, now: i64| {
        let mut after = rules(text);
        let restored = after.restore(state.clone(), now);
        let since = after.alerts().next().map(|(_, _, alert)| alert.active_at_ms);
        (restored.alerts, restored.forgotten, since)
    };
    assert_eq!(restored(DOWN, 15_000), (1, 0, Some(10_000)));
    assert_eq!(restored(DOWN, 75_000), (1, 0, Some(70_000)), "a minute away does not count");
    assert_eq!(restored(DOWN, 4_000_000), (0, 1, None), "too old");
    assert_eq!(restored(&DOWN.replace("== 0", "< 1"), 15_000), (0, 1, None), "another rule");
    let moved = DOWN.replace("rules: [", "rules: [{record: r, expr: up}, ");
    assert_eq!(restored(&moved, 15_000), (1, 0, Some(10_000)), "moved within its group");
}

#[test]
fn what_resolved_is_remembered_for_a_quarter_of_an_hour() {
    let mut rules = rules(DOWN);
    run(&mut rules, 0..60);
    assert_eq!(rules.count(AlertState::Resolved), 1);
    let nothing = Memory::default();
    rules.evaluate(40_000 + 900_000, &nothing);
    assert_eq!(rules.count(AlertState::Resolved), 1);
    rules.evaluate(40_000 + 901_000, &nothing);
    assert_eq!(rules.alerts().count(), 0);
}

#[test]
fn templates_are_bounded() {
    let text = r#"groups: [{name: g, rules: [{alert: A, expr: vector(1), annotations: {
        long: '{{ range query "up" }}{{ printf "%900s" "x" }}{{ $x := "" }}{{ range query "up" }}{{ end }}{{ end }}',
        longer: '{{ $x := "xxxxxxxxxxxxxxxx" }}{{ range query "many" }}{{ printf "%999s" $x }}{{ end }}',
        turns: '{{ range query "many" }}{{ range query "many" }}{{ range query "many" }}{{ end }}{{ end }}{{ end }}'}}]}]"#;
    let many = (0..80).fold(history(), |memory, index| {
        memory.with(&[("__name__", "many"), ("i", &index.to_string())], &[(0, 1.0)])
    });
    let mut rules = rules(text);
    let evaluation = rules.evaluate(5_000, &many);
    let annotations = &evaluation.transitions[0].alert.annotations;
    assert_eq!(annotations.get("long").unwrap().len(), 1_800);
    assert!(annotations.get("longer").unwrap().contains("the text is longer than 65536 bytes"));
    assert!(annotations.get("turns").unwrap().contains("takes more than 100000 steps"));
}
