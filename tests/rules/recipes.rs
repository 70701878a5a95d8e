//! Recipes: what they refuse, what they write, and that Prometheus takes it and sees it as the evaluator here does.

use crate::oracle::{self, Input, input};
use std::time::Duration;
use tachometer::rules::recipes::{
    Anomaly, BURN_WINDOWS, Bound, BurnRate, BurnWindows, Recipe, RecipeError, Severity,
};
use tachometer::rules::{AlertState, RuleFile};

const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

fn budget(objective: f64) -> BurnRate {
    BurnRate::of("errors_total", "calls_total", objective)
}

/// One of each kind.
fn all() -> Vec<Recipe> {
    vec![
        Recipe::threshold(
            "QueueLong",
            r#"max by (peer) (queue{kind!="it's {{ .x }}"})"#,
            Bound::AtLeast(50.0),
        )
        .hold(minutes(2))
        .keep_firing(minutes(3))
        .severity(Severity::Page)
        .component("network")
        .label("team", "it's {{ $labels.peer | toUpper }}")
        .description("The queue of {{ $labels.peer }} is long:\n{{ $value }}")
        .action("Look whether the peer still answers.")
        .annotation("runbook_url", "https://example.org/#queue"),
        Recipe::rate_of_change(
            "Requests",
            r#"requests_total{job="a"}"#,
            minutes(5),
            Bound::Below(0.5),
        ),
        Recipe::drift("Leak", "heap", minutes(20), Bound::Above(0.1)),
        Recipe::anomaly("Unusual", Anomaly::of("level", minutes(20)).above(3.0).offset(minutes(5))),
        Recipe::anomaly(
            "Slow",
            Anomaly::of("rate(work_total[5m])", minutes(20)).below(3.0).floor(0.01),
        ),
        Recipe::absence("NoLevel", r#"other{job="a",i=~".+"}"#, minutes(5)),
        Recipe::vanished("Gone", "peer_up", minutes(20)),
        Recipe::dead_mans_switch("AlertsArrive"),
        Recipe::burn_rate("RequestErrors", budget(0.99).by(["job"])),
        Recipe::stale_data("Stale", "level", minutes(3)),
    ]
}

#[test]
fn what_is_written_is_read_again_and_promtool_takes_it() {
    let file = RuleFile::of_recipes("all.yml", "it's a group", &all()).unwrap();
    let yaml = file.to_yaml();
    let read = RuleFile::parse("all.yml", &yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    assert_eq!(format!("{:?}", read.groups()), format!("{:?}", file.groups()));
    assert_eq!(read.to_yaml(), yaml);
    if oracle::is_here() {
        assert_eq!(oracle::check(&yaml), Ok(()), "{yaml}");
    }
}

/// Series by the minute: sound for an hour, then each with its fault for half an hour, then sound again.
fn inputs() -> Vec<Input> {
    let values = |value: fn(u32) -> Option<f64>| {
        let text = |minute| value(minute).map_or("_".to_owned(), |value| value.to_string());
        (0..150).map(text).collect::<Vec<_>>().join(" ")
    };
    fn is_bad(minute: u32) -> bool {
        (60..90).contains(&minute)
    }
    // Noise that repeats itself, with a deviation of its own.
    fn noise(minute: u32) -> f64 {
        f64::from(minute * 7 % 5) - 2.0
    }
    let series = |labels: &[(&str, &str)], value| input(labels, &values(value));
    vec![
        series(&[("__name__", "queue"), ("peer", "p1"), ("kind", "b")], |t| {
            Some(if is_bad(t) { 60.0 } else { 10.0 })
        }),
        series(&[("__name__", "requests_total"), ("job", "a")], |t| {
            Some(120.0 * f64::from(t.min(60) + t.saturating_sub(90)) + f64::from(t))
        }),
        series(&[("__name__", "calls_total"), ("job", "a")], |t| Some(60.0 * f64::from(t))),
        series(&[("__name__", "errors_total"), ("job", "a")], |t| {
            Some(30.0 * f64::from(t.clamp(60, 90)))
        }),
        series(&[("__name__", "heap")], |t| {
            Some(500.0 + noise(t) + 10.0 * f64::from(t.clamp(60, 90)))
        }),
        series(&[("__name__", "level")], |t| {
            (!(100..110).contains(&t)).then_some(noise(t) + if is_bad(t) { 20.0 } else { 0.0 })
        }),
        series(&[("__name__", "work_total")], |t| {
            Some(60.0 * f64::from(t) - 50.0 * f64::from(t.clamp(60, 90)))
        }),
        series(&[("__name__", "other"), ("job", "a"), ("i", "1")], |t| (!is_bad(t)).then_some(1.0)),
        series(&[("__name__", "peer_up"), ("peer", "1")], |_| Some(1.0)),
        input(
            &[("__name__", "peer_up"), ("peer", "2")],
            &values(|t| (t < 60).then_some(1.0)).replacen('_', "stale", 1),
        ),
    ]
}

#[test]
fn promtool_sees_the_same_alerts_minute_by_minute() {
    if !oracle::is_here() {
        return;
    }
    let file = RuleFile::of_recipes("all.yml", "all", &all()).unwrap();
    let said = oracle::judge(&file.to_yaml(), &inputs(), 150, &["ALERTS"]);
    // What `promtool` confirmed is what the recipes are for.
    let fired = |rule: &str| {
        let firing =
            said.iter().filter(|change| change.rule == rule && change.to == AlertState::Firing);
        firing.map(|change| change.time_ms / 60_000).collect::<Vec<_>>()
    };
    assert_eq!(fired("AlertsArrive"), [0]);
    assert_eq!(fired("QueueLong"), [62]);
    assert_eq!(fired("Unusual"), [60]);
    assert_eq!(fired("NoLevel"), [65]);
    assert_eq!(fired("Gone"), [60]);
    assert_eq!(fired("Stale"), [103]);
    for rule in ["Requests", "Leak", "Slow"] {
        let fired = fired(rule);
        assert!(matches!(fired[..], [at] if (61..75).contains(&at)), "{rule}: {fired:?}");
    }
    assert!(fired("RequestErrors").first().is_some_and(|at| (61..80).contains(at)));
    let said_once = |rule: &str| {
        let resolved = |change: &&_| {
            let change: &tachometer::rules::Transition = change;
            change.rule == rule && change.to == AlertState::Resolved
        };
        said.iter().filter(resolved).count()
    };
    for rule in ["QueueLong", "Unusual", "NoLevel", "Gone", "Stale", "Requests", "Leak", "Slow"] {
        assert_eq!(said_once(rule), 1, "{rule} resolves");
    }
    assert_eq!(said_once("AlertsArrive"), 0);
}

#[track_caller]
fn refused(recipe: Recipe, setting: &str, reason: &str) {
    let error = recipe.rules().expect_err(reason);
    assert_eq!(error.setting, setting, "{error}");
    assert!(error.reason.contains(reason), "{error}");
    let RecipeError { recipe, .. } = &error;
    assert!(error.to_string().starts_with(&format!("recipe {recipe:?}: {setting}: ")));
}

#[test]
fn wrong_settings_are_named() {
    let above = Bound::Above(1.0);
    let minute = minutes(1);
    let rate = |series: &str, window| Recipe::rate_of_change("R", series, window, above);
    refused(Recipe::threshold("my alert", "up", above), "name", "no name of an alert");
    refused(Recipe::threshold("", "up", above), "name", "no name of an alert");
    refused(Recipe::threshold("T", "sum(", above), "expression", "invalid query");
    refused(Recipe::threshold("T", "up[5m]", above), "expression", "no instant vector");
    refused(Recipe::threshold("T", "up # comment", above), "expression", "ends with a comment");
    refused(Recipe::threshold("T", "up", Bound::Below(f64::NAN)), "bound", "finite number");
    refused(rate("requests_total", Duration::ZERO), "window", "0s");
    refused(rate("requests_total", Duration::from_nanos(1_500)), "window", "milliseconds");
    refused(rate("requests_total", Duration::MAX), "window", "too long");
    refused(rate("9requests", minute), "series", "invalid query");
    refused(rate("sum(requests_total)", minute), "series", "no selector");
    refused(rate(r#"{job="a"}"#, minute), "series", "a name was expected");
    refused(rate("requests_total offset 5m", minute), "series", "no selector");
    refused(Recipe::absence("A", "rate(x[5m])", minute), "series", "no selector");
    refused(Recipe::vanished("A", "x", Duration::ZERO), "window", "0s");
    refused(Recipe::stale_data("A", "x", Duration::ZERO), "age", "0s");

    let anomaly = |anomaly| Recipe::anomaly("A", anomaly);
    refused(anomaly(Anomaly::of("x", Duration::ZERO)), "window", "0s");
    refused(anomaly(Anomaly::of("x", minute).beyond(0.0)), "z", "more than 0");
    refused(anomaly(Anomaly::of("x", minute).above(f64::INFINITY)), "z", "more than 0");
    refused(anomaly(Anomaly::of("x", minute).floor(-1.0)), "floor", "more than 0");
    refused(anomaly(Anomaly::of("x", minute).offset(Duration::MAX)), "window", "too long");

    let burn = |burn_rate| Recipe::burn_rate("B", burn_rate);
    for objective in [1.2, 1.0, 0.0, -0.5, f64::NAN] {
        refused(burn(budget(objective)), "objective", "as 0.999 for 99.9 %");
    }
    refused(burn(BurnRate::of("rate(x[5m])", "y", 0.9)), "errors", "no selector");
    refused(burn(BurnRate::of("x", "1", 0.9)), "total", "no instant vector");
    refused(burn(budget(0.99).by(["my-label"])), "by", "no label's name");
    refused(burn(budget(0.99).kept(minute)), "windows", "there is none");
    let pair = |factor, long, short| BurnWindows { factor, long, short, severity: Severity::Page };
    let own = |pair| burn(budget(0.99).windows([pair]));
    refused(own(pair(0.0, minutes(60), minute)), "windows", "more than 0");
    refused(own(pair(2.0, minute, minute)), "windows", "not shorter");
    refused(own(pair(2.0, minutes(60), Duration::ZERO)), "windows", "0s");
    refused(own(pair(100.0, minutes(60), minute)), "windows", "never met");
    refused(own(BURN_WINDOWS[3]), "windows", "further back than what is kept");

    let switch = || Recipe::dead_mans_switch("D");
    refused(switch().label("my-label", "x"), "label", "no name of labels");
    refused(switch().label("alertname", "x"), "label", "the rules' own");
    refused(switch().label("x", "{{ .Wrong"), "label", "\"x\": ");
    refused(switch().summary("{{ if }}"), "annotation", "\"summary\": ");
    refused(switch().annotation("", "x"), "annotation", "no name of annotations");
    refused(switch().hold(Duration::from_nanos(1)), "hold", "milliseconds");
    refused(switch().interval(Duration::ZERO), "interval", "0s");

    let twice = RuleFile::of_recipes("f", "g", &[switch(), switch()]).unwrap_err();
    assert!(twice.to_string().contains("of this name already"), "{twice}");
    let nameless = RuleFile::of_recipes("f", "", &[switch()]).unwrap_err();
    assert_eq!(nameless.setting, "group");
}

#[test]
fn burn_rates_have_the_windows_that_there_is_room_for() {
    let windows = |burn_rate: BurnRate| {
        let rules = Recipe::burn_rate("B", burn_rate).rules().unwrap();
        let alerts = rules.iter().filter(|rule| rule.is_alert());
        alerts
            .map(|rule| rule.labels().find(|(name, _)| *name == "window").unwrap().1.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(windows(budget(0.999)), ["1h", "6h", "1d"]);
    assert_eq!(windows(budget(0.999).kept(minutes(6 * 60))), ["1h", "6h"]);
    assert_eq!(windows(budget(0.999).kept(minutes(30 * 24 * 60))), ["1h", "6h", "1d", "3d"]);
    // Of an objective of 90 %, 14.4 times the budget is more than there can be.
    assert_eq!(windows(budget(0.9)), ["6h", "1d"]);
}
