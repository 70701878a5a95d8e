//! What happens at the limits, and with texts that somebody else wrote.

use crate::stand::{BEGIN, Stand, of};
use serde_json::Value;
use std::time::Duration;
use tachometer::health::CheckOutcome;
use tachometer::health::HealthState::{Critical, Failing, Healthy, Warning};
use tachometer::limits::{
    MAX_HEALTH_CHECKS, MAX_HEALTH_COMPONENTS, MAX_HEALTH_ISSUES, MAX_HEALTH_NAME_BYTES,
    MAX_HEALTH_TEXT_BYTES,
};
use tachometer::{Engine, Error, Health, ManualClock, Registry};

const HOUR: Duration = Duration::from_secs(3_600);

fn json(health: &Health) -> Value {
    serde_json::from_str(&health.report().to_json()).unwrap()
}

#[test]
fn of_ten_thousand_alerts_the_worst_and_oldest_are_shown() {
    let mut stand = Stand::new(
        "groups: [{name: g, rules: [{alert: Down, expr: up == 0, labels: {component: network, severity: '{{ if eq $labels.i \"7\" }}page{{ else }}warning{{ end }}'}}]}]",
    );
    for index in 0..10_000 {
        // The first two hundred are down a second later.
        let values = if index < 200 { [1.0, 0.0] } else { [0.0, 0.0] };
        let floats = [(BEGIN * 1_000, values[0]), ((BEGIN + 1) * 1_000, values[1])];
        let index = index.to_string();
        stand.source =
            std::mem::take(&mut stand.source).with(&[("__name__", "up"), ("i", &index)], &floats);
    }
    let report = stand.until(1);
    let network = of(&report, "network");
    assert_eq!((network.state, report.status), (Failing, Failing));
    assert_eq!(network.issues.len(), MAX_HEALTH_ISSUES);
    assert_eq!(network.issues_left_out, 10_000 - MAX_HEALTH_ISSUES);
    assert_eq!(report.rules.unwrap().firing, 10_000);
    let first = &network.issues[0];
    assert_eq!((first.state, first.labels["i"].as_str()), (Failing, "7"), "the worst");
    let oldest = |issue: &tachometer::health::Issue| issue.since_ms == BEGIN * 1_000;
    assert!(network.issues[1..].iter().all(oldest), "then the oldest");
    let json = json(&stand.health);
    let network = json["components"].as_array().unwrap().iter().find(|c| c["name"] == "network");
    let network = network.unwrap();
    assert_eq!(network["issues"].as_array().unwrap().len(), MAX_HEALTH_ISSUES);
    assert_eq!(network["issues_left_out"], 10_000 - MAX_HEALTH_ISSUES);
    let left_out = stand.own("tachometer_health_left_out", &[("what", "issues")]);
    assert_eq!(left_out, (10_000 - MAX_HEALTH_ISSUES) as f64);
    assert!(stand.health.report().to_json().len() < 100_000);
}

#[test]
fn issues_of_checks_and_rules_share_the_limit_and_count_beyond_it() {
    let mut rules = "groups:\n- name: g\n  rules:\n".to_owned();
    for index in 0..MAX_HEALTH_ISSUES + 5 {
        rules += &format!(
            "  - {{alert: A{index}, expr: vector(1), labels: {{severity: critical, component: c}}}}\n"
        );
    }
    let builder = Health::builder()
        .check("c", "worse", HOUR, HOUR, || CheckOutcome::failing("worse"))
        .check("c", "less", HOUR, HOUR, || CheckOutcome::warning("less"));
    let mut stand = Stand::with(&rules, builder);
    stand.health.run_checks();
    let report = stand.step();
    let component = of(&report, "c");
    assert_eq!((component.state, component.issues[0].what.as_str()), (Failing, "worse"));
    assert_eq!((component.issues.len(), component.issues_left_out), (MAX_HEALTH_ISSUES, 7));
    assert!(component.issues[1..].iter().all(|issue| issue.state == Critical), "{component:?}");
}

#[test]
fn more_components_than_there_may_be_are_other() {
    let mut stand = Stand::with(
        "groups: [{name: g, rules: [{alert: A, expr: x, labels: {severity: critical, component: '{{ $labels.i }}'}}]}]",
        Health::builder().component("own"),
    );
    let (many, long) = (2 * MAX_HEALTH_COMPONENTS, "x".repeat(MAX_HEALTH_NAME_BYTES + 1));
    for name in (0..many).map(|index| format!("c{index:03}")).chain([long]) {
        let floats = [(BEGIN * 1_000, 1.0)];
        stand.source =
            std::mem::take(&mut stand.source).with(&[("__name__", "x"), ("i", &name)], &floats);
    }
    let report = stand.step();
    assert_eq!(report.components.len(), MAX_HEALTH_COMPONENTS);
    assert_eq!((of(&report, "own").state, of(&report, "metrics").state), (Healthy, Healthy));
    assert_eq!(of(&report, "c000").state, Critical);
    let other = of(&report, "other");
    let left_out = many + 1 - (MAX_HEALTH_COMPONENTS - 3);
    assert_eq!((other.state, report.rules.unwrap().components_left_out), (Critical, left_out));
    assert_eq!(other.issues.len() + other.issues_left_out, left_out);
    let counted = stand.own("tachometer_health_left_out", &[("what", "components")]);
    assert_eq!(counted, left_out as f64);
    assert_eq!(stand.own("tachometer_health_state", &[("component", "other")]), 2.0);
}

#[test]
fn hostile_texts_are_escaped_and_cut() {
    let nasty = "\"}]</script>\\\n\r\t\u{0}\u{1b}[31m\u{2028}{{ü}}\u{7f}";
    let text = nasty.to_owned() + &"😀".repeat(MAX_HEALTH_TEXT_BYTES);
    let said = text.clone();
    let builder =
        Health::builder().component(nasty).check("storage", nasty, HOUR, HOUR, move || {
            CheckOutcome::warning(&said).value(f64::NEG_INFINITY)
        });
    let mut stand = Stand::with(
        "groups: [{name: g, rules: [{alert: A, expr: x > -Inf, labels: {component: network}, annotations: {summary: '{{ $labels.i }}'}}]}]",
        builder,
    );
    let floats = [(BEGIN * 1_000, f64::INFINITY)];
    stand.source =
        std::mem::take(&mut stand.source).with(&[("__name__", "x"), ("i", &text)], &floats);
    stand.health.run_checks();
    stand.step();
    let line = stand.health.report().to_json();
    assert!(!line.contains(|char: char| char < ' '), "control characters are escaped");
    let json = json(&stand.health);
    let components = json["components"].as_array().unwrap();
    let of = |name: &str| components.iter().find(|component| component["name"] == name).unwrap();
    assert_eq!(of(nasty)["state"], "healthy");
    let issue = &of("network")["issues"][0];
    for shown in [issue["what"].as_str(), issue["labels"]["i"].as_str()] {
        let shown = shown.unwrap();
        assert!(shown.starts_with(nasty) && shown.ends_with("😀…"), "{shown}");
        assert!(shown.len() <= MAX_HEALTH_TEXT_BYTES + '…'.len_utf8());
    }
    assert_eq!((&issue["value"], &issue["threshold"]["value"]), (&"+Inf".into(), &"-Inf".into()));
    let issue = &of("storage")["issues"][0];
    assert_eq!((issue["check"].as_str(), issue["value"].as_str()), (Some(nasty), Some("-Inf")));
    assert_eq!(stand.health.status(), Warning);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap();
    let check = |component: &str, name: &str, interval, limit| {
        Health::builder().check(component, name, interval, limit, CheckOutcome::healthy)
    };
    let zero = Duration::ZERO;
    let twice = check("a", "b", HOUR, HOUR).check("a", "b", HOUR, HOUR, CheckOutcome::healthy);
    let long = "x".repeat(MAX_HEALTH_NAME_BYTES + 1);
    for (builder, wanted) in [
        (check("", "b", HOUR, HOUR), "component: a name has 1 to 128 bytes"),
        (check("a", &long, HOUR, HOUR), "check: a name has 1 to 128 bytes"),
        (twice, "two of the name \"b\" for \"a\""),
        (check("a", "b", zero, HOUR), "the interval of \"b\" is 0ns"),
        (check("a", "b", HOUR, zero), "the time limit of \"b\" is 0ns"),
        (Health::builder().rules_every(zero), "rules_every: 0ns is below"),
    ] {
        let error = builder.start(&engine).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let all = 0..MAX_HEALTH_CHECKS + 1;
    let many = all.fold(Health::builder(), |builder, index| {
        builder.check("a", index.to_string(), HOUR, HOUR, CheckOutcome::healthy)
    });
    assert!(matches!(many.start(&engine), Err(Error::TooMany { limit: MAX_HEALTH_CHECKS, .. })));
    let all = 0..MAX_HEALTH_COMPONENTS - 1;
    let many = all.fold(Health::builder(), |builder, index| builder.component(index.to_string()));
    let error = many.start(&engine).unwrap_err().to_string();
    assert!(error.contains("too many components: the limit is 64"), "{error}");
}
