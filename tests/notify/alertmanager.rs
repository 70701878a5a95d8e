//! A real Alertmanager: it takes what it is sent, shows it, and passes it on to a webhook of the test; also when it was
//! away for a while.

use crate::common::loopback::{PATIENCE, free_address, wait, wait_until};
use crate::fake::Fake;
use crate::node::{Node, node_with};
use crate::real::{Real, get};
use crate::servers;
use crate::told::time;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tachometer::notify::{Alertmanager, Notifier, Webhook};
use tachometer::query::Labels;
use tachometer::rules::RuleSettings;

const MS: Duration = Duration::from_millis(1);

pub fn is_here() -> bool {
    servers::is_here("prometheus-alertmanager amtool", "prometheus-alertmanager")
}

/// One that passes everything on to `hook` at once. It forgets what it had when it ends.
fn alertmanager(name: &str, address: SocketAddr, hook: &Fake) -> Real {
    alertmanager_with(name, address, hook, &[], "/am/-/ready")
}

/// As [`alertmanager`], with more arguments; it is ready when `path`, if there is one, answers.
pub fn alertmanager_with(
    name: &str,
    address: SocketAddr,
    hook: &Fake,
    more: &[&str],
    path: &str,
) -> Real {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("alertmanager-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let config = format!(
        "route: {{receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 100ms, repeat_interval: 1h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
        hook.url()
    );
    let file = folder.join("alertmanager.yml");
    std::fs::write(&file, config).unwrap();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.path={}", folder.join("data").display()),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
        "--web.route-prefix=/am".to_owned(),
    ];
    let arguments = arguments.iter().map(String::as_str).chain(more.iter().copied());
    let arguments: Vec<&str> = arguments.collect();
    Real::start("prometheus-alertmanager", &arguments, address, path)
}

fn settings() -> RuleSettings {
    RuleSettings {
        external_labels: Labels::new([("node", "n1")]),
        external_url: "http://node:9464".to_owned(),
        ..RuleSettings::default()
    }
}

fn told(address: SocketAddr) -> Alertmanager {
    Alertmanager::new([format!("http://{address}/am")]).retry(10 * MS, 100 * MS)
}

/// The message about `group` with this status, once it is there.
pub fn message(hook: &Fake, group: &str, status: &str) -> Value {
    wait(|| {
        let requests = hook.requests();
        let mut bodies =
            requests.iter().map(|request| serde_json::from_str::<Value>(&request.body).unwrap());
        let is_it = |body: &Value| {
            body["alerts"][0]["labels"]["group"] == group && body["alerts"][0]["status"] == status
        };
        bodies.find(is_it).ok_or_else(|| format!("no {group} {status} among {}", requests.len()))
    })
}

/// The groups of the alerts that Alertmanager says are active.
fn active(address: SocketAddr) -> Vec<String> {
    let alerts: Vec<Value> = serde_json::from_str(&get(address, "/am/api/v2/alerts")).unwrap();
    let group = |alert: &Value| alert["labels"]["group"].as_str().unwrap().to_owned();
    let mut groups: Vec<_> = alerts.iter().map(group).collect();
    groups.sort();
    groups
}

/// An evaluation at the wall's time, which an Alertmanager goes by.
pub fn now(node: &mut Node, notifier: &Notifier, without_leader: &[&str]) {
    let by = crate::node::wall_ms() - node.now_ms;
    // A second at least, or no group would be due.
    if by < 1_000 {
        std::thread::sleep(Duration::from_millis((1_000 - by) as u64));
    }
    let by = crate::node::wall_ms() - node.now_ms;
    node.step_by(by, notifier, without_leader);
}

#[test]
fn an_alert_goes_through_it_to_a_webhook() {
    if !is_here() {
        return;
    }
    let (hook, own) = (Fake::good("127.0.0.1:0"), Fake::good("127.0.0.1:0"));
    let address = free_address();
    let _real = alertmanager("through", address, &hook);
    let mut node = node_with(crate::node::RULES, settings());
    node.now_ms -= 1_000;
    let notifier = node.notifier().handler("am", told(address));
    let notifier = notifier.handler("hook", Webhook::new(own.url())).start().unwrap();
    now(&mut node, &notifier, &["a \"b\"\nc"]);
    let fired = message(&hook, "a \"b\"\nc", "firing");

    let url = format!("--alertmanager.url=http://{address}/am");
    let shown = Command::new("amtool").args([&url, "alert", "query", "-o", "json"]).output();
    let shown = shown.unwrap();
    let shown: Vec<Value> = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0]["labels"]["alertname"], "NoLeader");
    assert_eq!(shown[0]["labels"]["node"], "n1");
    assert_eq!(shown[0]["status"]["state"], "active");
    let ends = time(shown[0]["endsAt"].as_str().unwrap());
    assert_eq!(ends - node.now_ms, 240_000);

    now(&mut node, &notifier, &[]);
    let resolved = message(&hook, "a \"b\"\nc", "resolved");
    assert_eq!(time(resolved["alerts"][0]["endsAt"].as_str().unwrap()), node.now_ms);
    wait_until("an end", || active(address).is_empty());

    // Our own webhook says the same.
    let ours = [message(&own, "a \"b\"\nc", "firing"), message(&own, "a \"b\"\nc", "resolved")];
    for (theirs, ours) in [fired, resolved].iter().zip(&ours) {
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(theirs), names(ours));
        assert_eq!(names(&theirs["alerts"][0]), names(&ours["alerts"][0]));
        for same in ["status", "version", "truncatedAlerts", "commonLabels", "commonAnnotations"] {
            assert_eq!(theirs[same], ours[same], "{same}");
        }
        for same in ["status", "labels", "annotations", "generatorURL", "fingerprint"] {
            assert_eq!(theirs["alerts"][0][same], ours["alerts"][0][same], "{same}");
        }
        for same in ["startsAt", "endsAt"] {
            let [theirs, ours] =
                [theirs, ours].map(|body| body["alerts"][0][same].as_str().unwrap().to_owned());
            match theirs.starts_with("0001") {
                true => assert_eq!(theirs, ours),
                false => assert_eq!(time(&theirs), time(&ours), "{same}"),
            }
        }
    }
}

#[test]
fn nothing_is_lost_while_it_is_away() {
    if !is_here() {
        return;
    }
    let hook = Fake::good("127.0.0.1:0");
    let addresses = crate::common::loopback::free_addresses(2);
    let there = alertmanager("there", addresses[0], &hook);
    let mut node = node_with(crate::node::RULES, settings());
    node.now_ms -= 1_000;
    let both = addresses.iter().map(|address| format!("http://{address}/am"));
    let both = Alertmanager::new(both).retry(10 * MS, 100 * MS);
    let notifier = node.notifier().handler("am", both).start().unwrap();
    // Of two that should be there, one is; it is told, and the other one holds up nothing.
    now(&mut node, &notifier, &["a", "b"]);
    message(&hook, "a", "firing");
    drop(there);
    now(&mut node, &notifier, &["b", "c"]);
    wait_until("failures of both", || {
        notifier.status().iter().all(|status| status.last_error.is_some() && status.waiting > 0)
    });
    let away: BTreeMap<_, _> =
        notifier.status().iter().map(|s| (s.endpoint.clone(), s.waiting)).collect();
    assert_eq!(away[&format!("http://{}", addresses[0])], 2, "a resolved, c fires");
    assert_eq!(away[&format!("http://{}", addresses[1])], 4, "a and b fire, too");
    let later = Fake::good("127.0.0.1:0");
    let _both = [("again", addresses[0]), ("late", addresses[1])]
        .map(|(name, address)| alertmanager(name, address, &later));
    // The first one has forgotten that b fires: it is told again after the resend delay.
    wait_until("c at the first", || active(addresses[0]) == ["c"]);
    wait_until("b and c at the other", || active(addresses[1]) == ["b", "c"]);
    message(&later, "c", "firing");
    assert!(notifier.shutdown(PATIENCE).is_complete());
    assert!(notifier.status().iter().all(|status| status.dropped == 0 && status.sent == 4));
}
