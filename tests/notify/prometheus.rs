//! What a real Prometheus sends to Alertmanager for a rule file is what we send.

use crate::common::loopback::{PATIENCE, wait, wait_until};
use crate::fake::Fake;
use crate::node::{node_with, wall_ms};
use crate::servers::{self, Server};
use crate::told::time;
use serde_json::{Map, Value};
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;
use tachometer::notify::Alertmanager;
use tachometer::query::Labels;
use tachometer::rules::RuleSettings;

/// Two alerts, of which one ends at this second since 1970.
fn rules(ends: i64) -> String {
    format!(
        r#"
groups:
- name: raft
  interval: 500ms
  rules:
  - alert: Always
    expr: vector(7) > 3
    labels: {{severity: critical, node: its own}}
    annotations: {{summary: 'the value is {{{{ $value }}}} on {{{{ $externalLabels.zone }}}}', text: "two\nlines"}}
  - alert: Ends
    expr: vector(time()) < {ends}
    keep_firing_for: 1s
"#
    )
}

/// The alerts of this name in all requests, in their order.
fn alerts(server: &Fake, name: &str) -> Vec<Map<String, Value>> {
    let requests = server.requests();
    for request in &requests {
        let line = request.head.lines().next().unwrap();
        assert_eq!(line, "POST /am/api/v2/alerts HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
    let all = requests.iter().flat_map(|request| {
        serde_json::from_str::<Vec<Map<String, Value>>>(&request.body).unwrap()
    });
    all.filter(|alert| alert["labels"]["alertname"] == name).collect()
}

fn starts(alert: &Map<String, Value>) -> i64 {
    time(alert["startsAt"].as_str().unwrap())
}

fn ends(alert: &Map<String, Value>) -> i64 {
    time(alert["endsAt"].as_str().unwrap())
}

/// The first about an alert, one that was sent again, the first about `Ends`, and the one that says that it ended.
fn all(server: &Fake) -> Result<[Map<String, Value>; 4], String> {
    let (always, ending) = (alerts(server, "Always"), alerts(server, "Ends"));
    // While it fires, the end is later each time.
    let resolved = ending.windows(2).find(|two| ends(&two[1]) < ends(&two[0]));
    match (&always[..], resolved) {
        ([first, again, ..], Some([_, resolved])) => {
            Ok([first, again, &ending[0], resolved].map(Clone::clone))
        }
        _ => Err(format!("{} and {} alerts", always.len(), ending.len())),
    }
}

fn prometheus(target: SocketAddr, end: i64) -> Server {
    Server::start_with("prometheus", 1, "/-/ready", |folder, ports| {
        let file = folder.join("prometheus.yml");
        let config = format!(
            "global: {{external_labels: {{zone: east, node: n1}}}}\n\
             rule_files: [rules.yml]\n\
             alerting: {{alertmanagers: [{{path_prefix: /am, static_configs: [{{targets: ['{target}']}}]}}]}}\n"
        );
        std::fs::write(&file, config).unwrap();
        std::fs::write(folder.join("rules.yml"), rules(end)).unwrap();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={}", ports[0]))
            .args(["--web.external-url=http://node:9464/", "--rules.alert.resend-delay=1s"]);
        command
    })
}

/// What Prometheus sends, and when the second alert ended, in seconds since 1970.
fn wait_for_prometheus() -> ([Map<String, Value>; 4], i64) {
    // It looks its Alertmanagers up after five seconds; and on a busy machine it may be late for the alert's time.
    for seconds in [8, 25, 60] {
        let end = wall_ms() / 1_000 + seconds;
        let server = Fake::good("127.0.0.1:0");
        let _prometheus = prometheus(server.address, end);
        let began = wait(|| match alerts(&server, "Ends").is_empty() {
            false => Ok(true),
            true if wall_ms() / 1_000 > end => Ok(false),
            true => Err(format!("no alert {seconds} s before its end")),
        });
        if began {
            return (wait(|| all(&server)), end);
        }
    }
    panic!("Prometheus evaluates no rules");
}

#[test]
fn prometheus_sends_the_same() {
    if !servers::is_here("prometheus", "prometheus") {
        return;
    }
    let (theirs, end) = wait_for_prometheus();
    let ours = Fake::good("127.0.0.1:0");
    let settings = RuleSettings {
        external_labels: Labels::new([("zone", "east"), ("node", "n1")]),
        external_url: "http://node:9464/".to_owned(),
        ..RuleSettings::default()
    };
    let mut node = node_with(&rules(end), settings);
    node.now_ms = (end - 5) * 1_000;
    let oncall = Alertmanager::new([format!("http://{}/am", ours.address)]);
    let oncall = oncall.resend_delay(Duration::from_secs(1));
    let notifier = node.notifier().handler("am", oncall).start().unwrap();
    for _ in 0..20 {
        node.step_by(500, &notifier, &[]);
        // What is sent again would take the place of what waits.
        wait_until("an arrival", || notifier.status()[0].waiting == 0);
    }
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let ours = all(&ours).expect("everything");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        let names = |alert: &Map<String, Value>| alert.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(theirs), names(ours));
        assert_eq!(theirs["labels"], ours["labels"]);
        // Without any, there is no such field.
        assert_eq!(theirs.get("annotations"), ours.get("annotations"));
        // Theirs has the expression as their parser prints it; of the first rule, that is how it is written.
        if theirs["labels"]["alertname"] == "Always" {
            assert_eq!(theirs["generatorURL"], ours["generatorURL"]);
        }
    }
    for [first, again, begins, resolved] in [&theirs, &ours] {
        // Four times the resend delay, which is longer than the interval, after the evaluation that it was sent in:
        // theirs come once Prometheus has looked up its Alertmanagers, some evaluations after the first.
        for sent in [first, begins] {
            let more = ends(sent) - starts(sent) - 4_000;
            assert!(more >= 0 && more % 500 == 0, "{more}");
        }
        assert_eq!(starts(again), starts(first));
        // More than a second later, at the next evaluation or, on a busy machine, some later.
        let later = ends(again) - ends(first);
        assert!(later > 1_000 && later % 500 == 0, "{later}");
        assert_eq!(starts(resolved), starts(begins));
        // A second after it should have ended.
        assert!(ends(resolved) >= (end + 1) * 1_000, "{} {end}", ends(resolved));
    }
    assert_eq!([&ours[0], &ours[2]].map(|sent| ends(sent) - starts(sent)), [4_000; 2]);
    assert_eq!(ends(&ours[3]), (end + 1) * 1_000);
}
