//! `/api/v1/rules` and `/api/v1/alerts`, field by field with a real Prometheus's.

use crate::common::loopback::wait;
use crate::server::{self, Prometheus};
use crate::servers::ask;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tachometer::rules::{RuleFile, RuleManager};
use tachometer::{Engine, History, Listener, Registry};

/// With everything that can stand there, and expressions as nobody should write them.
const RULES: &str = r#"
groups:
- name: b
  interval: 1s
  limit: 7
  rules:
  - {record: 'level:sum', expr: 'sum(level)by(job)', labels: {kind: total}}
  - {record: plain, expr: '2*level'}
  - alert: Fires
    expr: level>5
    labels: {severity: critical, by: '{{ $labels.peer }}'}
    annotations: {summary: '{{ $labels.peer }} is at {{ $value }}, "high" & <odd>'}
  - alert: Waits
    expr: level>=1 and  on(peer)level
    for: 1h30m
  - alert: Kept
    expr: (falling>0)
    keep_firing_for: 10m
  - {alert: Quiet, expr: level>100, annotations: {a: b}}
  - {alert: Fails, expr: level*on()level}
- name: a
  interval: 1s
  rules: []
- name: c
  interval: 1s
  rules: [{alert: Other, expr: 'vector(0.25)', for: 0s}]
"#;

/// A listener and a Prometheus that scrapes it, with the same rules.
struct Both {
    registry: Registry,
    _engine: Engine,
    manager: RuleManager,
    listener: Listener,
    prometheus: Prometheus,
}

impl Both {
    fn new() -> Both {
        let registry = Registry::new();
        for (peer, value) in [("n1", 6.0), ("n 2", 2.0)] {
            let metric = registry.metric("level", "A level.").label("peer", peer);
            metric.gauge().unwrap().set(value);
        }
        registry.gauge("falling", "It falls.").unwrap().set(1.0);
        // As scrapes would label it.
        let engine = Engine::builder().registry(&registry).interval(Duration::from_millis(200));
        let engine = engine.label("job", "j").label("instance", "i").own_metrics(false);
        let engine = engine.start().unwrap();
        let history = History::builder().start(&engine).unwrap();
        let manager = RuleManager::builder().start(&engine, &history).unwrap();
        let listener = Listener::builder().rules(&manager).bind(&engine, "127.0.0.1:0").unwrap();
        let settings = ", honor_labels: true";
        let prometheus = Prometheus::with_rules(listener.local_addr(), settings, RULES);
        manager.replace([RuleFile::parse(&prometheus.rule_file(), RULES).unwrap()]);
        Both { registry, _engine: engine, manager, listener, prometheus }
    }

    /// Waits until both answer alike; gives the answer.
    fn agree(&self, path: &str) -> Value {
        let get = |address: SocketAddr| {
            let (status, body) = ask(address, "GET", path, "", b"").unwrap();
            let mut answer: Value = serde_json::from_str(&body).unwrap();
            common(&mut answer, "");
            (status, answer)
        };
        wait(|| {
            let (own, theirs) = (get(self.listener.local_addr()), get(self.prometheus.address()));
            match own == theirs {
                true => Ok(own.1),
                false => Err(format!(
                    "{path}\n{}: {:#}\nthere\n{}: {:#}",
                    own.0, own.1, theirs.0, theirs.1
                )),
            }
        })
    }
}

/// Puts a mark in the place of what cannot be the same, if it is what it should be; and lists of alerts in order.
fn common(value: &mut Value, key: &str) {
    match (key, &mut *value) {
        ("activeAt" | "lastEvaluation" | "keepFiringSince", Value::String(time)) => {
            let has_passed = time.starts_with("20") && time.ends_with('Z') && time.contains('T');
            *value = if has_passed { json!("a time") } else { json!(time) };
        }
        ("evaluationTime", Value::Number(time))
            if time.as_f64().is_some_and(|time| time >= 0.0) =>
        {
            *value = json!("a duration");
        }
        // In words of their own.
        ("lastError" | "error", Value::String(text)) if text.len() > 10 => *value = json!("why"),
        // 1 is 1.0.
        (_, Value::Number(number)) => *value = json!(number.as_f64()),
        (_, Value::Array(all)) => {
            all.iter_mut().for_each(|one| common(one, ""));
            if key == "alerts" {
                all.sort_by_key(|alert| alert["labels"].to_string());
            }
        }
        (_, Value::Object(fields)) => fields.iter_mut().for_each(|(key, one)| common(one, key)),
        _ => {}
    }
}

#[test]
fn rules_and_alerts_are_shown_as_by_prometheus() {
    if !server::is_here() {
        return;
    }
    let both = Both::new();
    // What is asked for in vain is refused alike.
    both.agree("/api/v1/rules?type=x");
    // The one fires for as long as the value says so, and then a while.
    wait(|| match both.prometheus.query("ALERTS{alertname=\"Kept\",alertstate=\"firing\"}") {
        Some(_) => Ok(()),
        None => Err("it does not fire there".to_owned()),
    });
    let kept = || both.manager.read(|rules| rules.alerts().any(|(_, rule, _)| rule == "Kept"));
    wait(|| kept().then_some(()).ok_or_else(|| "it does not fire here".to_owned()));
    both.registry.gauge("falling", "It falls.").unwrap().set(0.0);
    wait(|| {
        let (_, body) = ask(both.listener.local_addr(), "GET", "/api/v1/alerts", "", b"").unwrap();
        body.contains("keepFiringSince").then_some(()).ok_or(body)
    });
    for path in [
        "rules",
        "alerts",
        "rules?type=alert",
        "rules?type=record",
        "rules?type=RECORD&type=alert",
        "rules?unknown=1",
    ] {
        let answer = both.agree(&format!("/api/v1/{path}"));
        assert_eq!(answer["status"], "success");
        if path == "rules" {
            let rules = answer["data"]["groups"][1]["rules"].as_array().unwrap();
            let states: Vec<_> =
                rules.iter().map(|rule| rule["state"].as_str().unwrap_or("-")).collect();
            assert_eq!(states, ["-", "-", "firing", "pending", "firing", "inactive", "inactive"]);
            let errors = rules.iter().filter(|rule| rule["health"] == "err").count();
            assert_eq!(errors, 1, "{answer:#}");
        }
    }
    let posted = [both.listener.local_addr(), both.prometheus.address()]
        .map(|address| ask(address, "POST", "/api/v1/rules", "", b"").unwrap().0);
    assert_eq!(posted, [405, 405]);
    // As in Prometheus 3.
    for (path, groups, rules) in [
        ("rules?rule_name[]=Fires&rule_name[]=Other", 2, 2),
        ("rules?rule_group[]=b", 1, 7),
        ("rules?rule_group[]=a&rule_group[]=c", 2, 1),
        ("rules?rule_group[]=b&rule_name[]=Other", 0, 0),
        ("rules?file[]=none", 0, 0),
    ] {
        let path = format!("/api/v1/{path}");
        let (_, body) = ask(both.listener.local_addr(), "GET", &path, "", b"").unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        let shown = answer["data"]["groups"].as_array().unwrap();
        let count: usize = shown.iter().map(|group| group["rules"].as_array().unwrap().len()).sum();
        assert_eq!((shown.len(), count), (groups, rules), "{path}");
    }
    // Without a source to ask, there are no queries.
    let asked = ask(both.listener.local_addr(), "GET", "/api/v1/query?query=1", "", b"").unwrap();
    assert_eq!(asked.0, 404);
}
