//! The message of a webhook: Alertmanager's, with all that fires in the group.

use crate::common::loopback::PATIENCE;
use crate::fake::Fake;
use crate::node::{RULES, node, node_with};
use serde_json::{Value, json};
use tachometer::limits::MAX_WEBHOOK_ALERTS;
use tachometer::notify::Webhook;
use tachometer::query::Labels;
use tachometer::rules::RuleSettings;

fn bodies(server: &Fake) -> Vec<Value> {
    server.requests().iter().map(|r| serde_json::from_str(&r.body).unwrap()).collect()
}

#[test]
fn it_has_what_changed_and_what_fires() {
    let server = Fake::good("127.0.0.1:0");
    let settings = RuleSettings {
        external_labels: Labels::new([("node", "n1"), ("severity", "other")]),
        external_url: "http://node:9464".to_owned(),
        ..RuleSettings::default()
    };
    let more = RULES.replace(
        "  rules:",
        "  rules:\n  - {alert: Any, expr: leader < 1, annotations: {summary: any}}",
    );
    let mut node = node_with(&more, settings);
    let hook = Webhook::new(format!("{}?key=1", server.url()));
    let notifier = node.notifier().handler("pager", hook).start().unwrap();
    node.now_ms = 1_700_000_000_250;
    node.step(&notifier, &["a"]);
    node.step(&notifier, &["a", "b"]);
    node.step(&notifier, &["b"]);
    node.step(&notifier, &["b"]);
    node.step(&notifier, &[]);
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let requests = server.requests();
    assert!(requests[0].head.starts_with("POST /push?key=1 HTTP/1.1\r\n"), "{}", requests[0].head);
    let bodies = bodies(&server);
    let mut first = bodies[0].clone();
    for alert in first["alerts"].as_array_mut().unwrap() {
        // Held against Alertmanager's own elsewhere.
        let fingerprint = alert.as_object_mut().unwrap().remove("fingerprint").unwrap();
        assert_eq!(fingerprint.as_str().unwrap().len(), 16);
    }
    let link = |expr: &str| format!("http://node:9464/graph?g0.expr={expr}&g0.tab=1");
    assert_eq!(
        first,
        json!({
            "receiver": "pager",
            "status": "firing",
            "alerts": [
                {
                    "status": "firing",
                    "labels": {"alertname": "Any", "group": "a", "node": "n1", "severity": "other"},
                    "annotations": {"summary": "any"},
                    "startsAt": "2023-11-14T22:13:21.250Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": link("leader+%3C+1"),
                },
                {
                    "status": "firing",
                    "labels":
                        {"alertname": "NoLeader", "group": "a", "node": "n1", "severity": "critical"},
                    "annotations": {"summary": "no leader in a"},
                    "startsAt": "2023-11-14T22:13:21.250Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": link("leader+%3D%3D+0"),
                },
            ],
            "groupLabels": {"rule_file": "raft.yml", "rule_group": "raft"},
            "commonLabels": {"group": "a", "node": "n1"},
            "commonAnnotations": {},
            "externalURL": "http://node:9464",
            "version": "4",
            "groupKey": "{}:{rule_file=\"raft.yml\", rule_group=\"raft\"}",
            "truncatedAlerts": 0,
        })
    );
    let told = |body: &Value| {
        let alert = |alert: &Value| {
            format!(
                "{} {} {}",
                alert["labels"]["alertname"].as_str().unwrap(),
                alert["labels"]["group"].as_str().unwrap(),
                alert["status"].as_str().unwrap()
            )
        };
        let mut alerts: Vec<_> = body["alerts"].as_array().unwrap().iter().map(alert).collect();
        alerts.sort();
        (body["status"].as_str().unwrap().to_owned(), alerts.join(", "))
    };
    let wanted = [
        ("firing", "Any a firing, NoLeader a firing"),
        ("firing", "Any a firing, Any b firing, NoLeader a firing, NoLeader b firing"),
        ("firing", "Any a resolved, Any b firing, NoLeader a resolved, NoLeader b firing"),
        ("resolved", "Any b resolved, NoLeader b resolved"),
    ];
    let wanted = wanted.map(|(status, alerts)| (status.to_owned(), alerts.to_owned()));
    assert_eq!(bodies.iter().map(told).collect::<Vec<_>>(), wanted);
    assert_eq!(bodies[3]["alerts"][0]["endsAt"], "2023-11-14T22:13:25.250Z");
}

#[test]
fn many_changes_go_into_several_messages() {
    let server = Fake::good("127.0.0.1:0");
    let mut node = node();
    let hook = Webhook::new(server.url());
    let notifier = node.notifier().handler("pager", hook).start().unwrap();
    let groups: Vec<String> = (0..MAX_WEBHOOK_ALERTS + 200).map(|n| format!("g{n:04}")).collect();
    let mut groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    node.step(&notifier, &groups);
    groups.push("one more");
    node.step(&notifier, &groups);
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let lengths: Vec<_> = bodies(&server)
        .iter()
        .map(|body| (body["alerts"].as_array().unwrap().len(), body["truncatedAlerts"].clone()))
        .collect();
    assert_eq!(lengths, [(1_000, json!(0)), (200, json!(0)), (1_000, json!(201))]);
    assert_eq!(bodies(&server)[2]["alerts"][0]["labels"]["group"], "one more");
}
