//! What waits is bounded, and what is dropped at the bound is what matters least.

use crate::common::loopback::{PATIENCE, free_address, wait_until};
use crate::fake::Fake;
use crate::node::node;
use crate::told::time;
use serde_json::Value;
use std::time::Duration;
use tachometer::notify::{Alertmanager, Webhook};

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn at_the_bound_the_resolved_go_first_then_the_oldest() {
    let address = free_address();
    let mut node = node();
    let oncall = Alertmanager::new([format!("http://{address}")]).queue(3).retry(HOUR, HOUR);
    let notifier = node.notifier().handler("am", oncall).start().unwrap();
    node.step(&notifier, &["a"]);
    // What is on its way is not dropped: it must have come back.
    wait_until("a failure", || notifier.status()[0].last_error.is_some());
    let state = || (notifier.status()[0].waiting, notifier.status()[0].dropped);
    node.step(&notifier, &["a", "b"]);
    node.step(&notifier, &["b"]);
    assert_eq!(state(), (3, 0), "a fires, b fires, a resolved");
    node.step(&notifier, &["b", "c"]);
    assert_eq!(state(), (3, 1), "a fires, b fires, c fires");
    node.step(&notifier, &["b", "c", "d"]);
    assert_eq!(state(), (3, 2), "b fires, c fires, d fires");
    // What is sent again takes the place of what waits; a is told again that it resolved, which goes at once.
    node.step_by(61_000, &notifier, &["b", "c", "d"]);
    assert_eq!(state(), (3, 3));
    let own = |name: &str, reason| node.own(&format!("tachometer_notify_{name}"), "am", reason);
    assert_eq!(own("dropped_total", Some("full")), 3.0);
    assert_eq!(own("queue_length", None), 3.0);
    assert_eq!(own("last_success_timestamp_seconds", None), 0.0);

    let server = Fake::good(&address.to_string());
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let [request] = &server.requests()[..] else { panic!("one request") };
    let body: Vec<Value> = serde_json::from_str(&request.body).unwrap();
    let told = |alert: &Value| {
        let group = alert["labels"]["group"].as_str().unwrap().to_owned();
        (group, time(alert["endsAt"].as_str().unwrap()) - node.now_ms)
    };
    let told: Vec<_> = body.iter().map(told).collect();
    assert_eq!(told, ["b", "c", "d"].map(|group| (group.to_owned(), 240_000)));
    assert_eq!(own("sent_total", None), 3.0);
    assert!(own("last_success_timestamp_seconds", None) > 1e9);
}

#[test]
fn a_message_counts_for_its_alerts() {
    let address = free_address();
    let mut node = node();
    let hook = Webhook::new(format!("http://{address}/")).queue(4).retry(HOUR, HOUR);
    let notifier = node.notifier().handler("hook", hook).start().unwrap();
    node.step(&notifier, &["a"]);
    wait_until("a failure", || notifier.status()[0].last_error.is_some());
    node.step(&notifier, &["a", "b", "c"]);
    let state = || (notifier.status()[0].waiting, notifier.status()[0].dropped);
    assert_eq!(state(), (2, 0), "of one alert and of three");
    node.step(&notifier, &["a", "b", "c", "d"]);
    assert_eq!(state(), (1, 2), "of four");
    // More than there is room for goes into several messages.
    node.step(&notifier, &["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    assert_eq!(state(), (1, 4), "of one and its three others, where one of four was before");
    let server = Fake::good(&address.to_string());
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let [request] = &server.requests()[..] else { panic!("one request") };
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let groups: Vec<_> = body["alerts"].as_array().unwrap().iter().collect();
    assert_eq!(groups[0]["labels"]["group"], "i");
    assert_eq!((groups.len(), &body["truncatedAlerts"]), (4, &Value::from(1)));
}

#[test]
fn an_alertmanager_gets_batches_in_the_order_of_events() {
    let address = free_address();
    let mut node = node();
    let oncall = Alertmanager::new([format!("http://{address}")]).retry(HOUR, HOUR);
    let notifier = node.notifier().handler("am", oncall).start().unwrap();
    node.step(&notifier, &["first"]);
    wait_until("a failure", || notifier.status()[0].last_error.is_some());
    let groups: Vec<String> = (0..150).map(|group| format!("g{group:03}")).collect();
    let mut all: Vec<&str> = groups.iter().map(String::as_str).collect();
    all.push("first");
    node.step(&notifier, &all);
    node.step(&notifier, &["first"]);
    let server = Fake::good(&address.to_string());
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let bodies: Vec<Vec<Value>> =
        server.requests().iter().map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    assert!(bodies.iter().all(|body| (1..=64).contains(&body.len())));
    let is_resolved = |alert: &Value| time(alert["endsAt"].as_str().unwrap()) == node.now_ms;
    for body in &bodies {
        let names: std::collections::HashSet<_> =
            body.iter().map(|alert| alert["labels"]["group"].to_string()).collect();
        assert_eq!(names.len(), body.len(), "an alert twice in one request");
    }
    let told: Vec<_> = bodies
        .iter()
        .flatten()
        .map(|alert| (alert["labels"]["group"].as_str().unwrap(), is_resolved(alert)))
        .collect();
    assert_eq!(told.len(), 301);
    let of =
        |group: &str| told.iter().filter(|(g, _)| *g == group).map(|(_, r)| *r).collect::<Vec<_>>();
    assert_eq!(of("first"), [false]);
    assert!(groups.iter().all(|group| of(group) == [false, true]), "firing, then resolved");
}
