//! What is told when: changes once, silences, rules that go, restarts.

use crate::common::loopback::PATIENCE;
use crate::fake::Fake;
use crate::node::{Heard, Node, RULES, listening, node, rules};
use serde_json::Value;
use tachometer::notify::{Alertmanager, Notifier};
use tachometer::query::{MatchOp, Matcher};
use tachometer::rules::AlertState::{self, Firing, Inactive, Pending, Resolved};
use tachometer::rules::{RuleSettings, Silence};

fn silence(node: &mut Node, group: &str, seconds: i64) {
    let silence = Silence {
        matchers: vec![Matcher::new("group", MatchOp::Equal, group).unwrap()],
        starts_ms: node.now_ms,
        ends_ms: node.now_ms + seconds * 1_000,
        created_by: "test".to_owned(),
        comment: String::new(),
    };
    node.rules.silence(silence, node.now_ms).unwrap();
}

/// All that was heard, once everything has been delivered.
fn all(notifier: &Notifier, heard: &Heard) -> Vec<(String, AlertState)> {
    assert!(notifier.shutdown(PATIENCE).is_complete());
    heard.lock().unwrap().clone()
}

fn of(all: &[(&str, AlertState)]) -> Vec<(String, AlertState)> {
    all.iter().map(|(group, state)| ((*group).to_owned(), *state)).collect()
}

#[test]
fn each_change_is_told_once() {
    let mut node = node();
    let (callback, heard) = listening();
    let notifier = node.notifier().handler("mine", callback).start().unwrap();
    for without in [&[][..], &["a"], &["a"], &["a", "b"], &["b"], &["a", "b"], &[]] {
        node.step(&notifier, without);
    }
    let wanted = [
        ("a", Firing),
        ("b", Firing),
        ("a", Resolved),
        ("a", Firing),
        ("a", Resolved),
        ("b", Resolved),
    ];
    assert_eq!(all(&notifier, &heard), of(&wanted));
}

#[test]
fn pending_alerts_are_told_to_those_who_want_it() {
    let mut node = crate::node::node_with(
        &RULES.replace("expr:", "for: 2s\n    expr:"),
        RuleSettings::default(),
    );
    let ((plain, heard), (pending, all_heard)) = (listening(), listening());
    let notifier = node.notifier().handler("plain", plain);
    let notifier = notifier.handler("pending", pending.pending(true)).start().unwrap();
    for without in [&["a"][..], &[], &["a"], &["a"], &["a"], &[]] {
        node.step(&notifier, without);
    }
    assert_eq!(all(&notifier, &heard), of(&[("a", Firing), ("a", Resolved)]));
    let wanted = [Pending, Inactive, Pending, Firing, Resolved].map(|state| ("a", state));
    assert_eq!(all(&notifier, &all_heard), of(&wanted));
}

#[test]
fn silenced_alerts_are_told_when_the_silence_ends() {
    let server = Fake::good("127.0.0.1:0");
    let mut node = node();
    let (callback, heard) = listening();
    let oncall = Alertmanager::new([format!("http://{}", server.address)]);
    let notifier = node.notifier().handler("mine", callback).handler("am", oncall).start().unwrap();
    silence(&mut node, "a", 5);
    silence(&mut node, "b", 5);
    node.step(&notifier, &["a", "b"]);
    node.step(&notifier, &["a"]);
    assert_eq!(notifier.status().iter().map(|status| status.sent).sum::<u64>(), 0);
    (0..4).for_each(|_| node.step(&notifier, &["a"]));
    // What resolves under a silence is not told either.
    silence(&mut node, "a", 5);
    node.step(&notifier, &[]);
    assert_eq!(all(&notifier, &heard), of(&[("a", Firing)]));
    let bodies: Vec<Value> =
        server.requests().iter().map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(bodies[0][0]["labels"]["group"], "a");
}

#[test]
fn what_a_rule_leaves_behind_resolves() {
    let mut node = node();
    let (callback, heard) = listening();
    let notifier = node.notifier().handler("mine", callback).start().unwrap();
    node.step(&notifier, &["a"]);
    // Loaded anew, with one rule more in front of it: it is the same alert.
    let state = node.rules.state(node.now_ms);
    let more = "groups:\n- name: other\n  rules:\n  - {alert: Other, expr: leader > 7}\n";
    node.rules = rules(&RULES.replace("groups:\n", more), RuleSettings::default());
    node.rules.restore(state, node.now_ms);
    node.step(&notifier, &["a"]);
    assert_eq!(notifier.status()[0].waiting + notifier.status()[0].sent as usize, 1);
    // Loaded anew, without it.
    node.rules = rules(more, RuleSettings::default());
    node.step(&notifier, &["a"]);
    assert_eq!(all(&notifier, &heard), of(&[("a", Firing), ("a", Resolved)]));
}

#[test]
fn after_a_restart_it_is_told_again() {
    let mut node = node();
    let ((callback, _), (after, heard)) = (listening(), listening());
    let before = node.notifier().handler("before", callback).start().unwrap();
    node.step(&before, &["a", "b"]);
    let state = node.rules.state(node.now_ms);
    node.rules = rules(RULES, RuleSettings::default());
    node.rules.restore(state, node.now_ms);
    let notifier = node.notifier().handler("after", after).start().unwrap();
    // One still fires; the other resolved, and who was told of it is not known.
    node.step(&notifier, &["a"]);
    node.step(&notifier, &["a"]);
    assert_eq!(all(&notifier, &heard), of(&[("a", Firing), ("b", Resolved)]));
}

#[test]
fn alertmanager_is_told_again_after_the_delay() {
    let server = Fake::good("127.0.0.1:0");
    let mut node = node();
    let oncall = Alertmanager::new([format!("http://{}/am/", server.address)]);
    let notifier = node.notifier().handler("am", oncall).start().unwrap();
    let mut sent = Vec::new();
    let begin = node.now_ms;
    let mut look = |node: &Node, wanted: usize| {
        server.wait_for(wanted);
        let request = server.requests().pop().unwrap();
        assert!(request.head.starts_with("POST /am/api/v2/alerts HTTP/1.1"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/json"));
        let body: Value = serde_json::from_str(&request.body).unwrap();
        let at = |field: &str| time(body[0][field].as_str().unwrap());
        sent.push((node.now_ms - begin, at("startsAt") - begin, at("endsAt") - begin));
    };
    node.step(&notifier, &["a"]);
    look(&node, 1);
    // At the delay itself not yet, as Prometheus has it.
    node.step_by(60_000, &notifier, &["a"]);
    node.step(&notifier, &["a"]);
    look(&node, 2);
    node.step(&notifier, &[]);
    look(&node, 3);
    node.step_by(61_000, &notifier, &[]);
    look(&node, 4);
    // 15 minutes later the rules have forgotten it.
    node.step_by(840_000, &notifier, &[]);
    node.step_by(61_000, &notifier, &[]);
    node.step_by(61_000, &notifier, &["z"]);
    look(&node, 5);
    let wanted = [
        (1_000, 1_000, 241_000),
        (62_000, 1_000, 302_000),
        (63_000, 1_000, 63_000),
        (124_000, 1_000, 63_000),
        // The alert of the other group.
        (1_086_000, 1_086_000, 1_326_000),
    ];
    assert_eq!(sent, wanted);
}

/// Milliseconds since 1970.
pub fn time(text: &str) -> i64 {
    (seconds(text) * 1_000.0).round() as i64
}

/// `2026-11-21T16:47:01.250Z` as seconds since 1970, by another way than the library's: days counted one by one.
fn seconds(text: &str) -> f64 {
    let number = |from: usize, to: usize| text[from..to].parse::<u32>().unwrap();
    assert!(text.ends_with('Z'), "{text}");
    let leap = |year: u32| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (year, month) = (number(0, 4), number(5, 7));
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: u32 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months: u32 = lengths[..month as usize - 1].iter().sum();
    let days = years + months + number(8, 10) - 1;
    let of_day = number(11, 13) * 3_600 + number(14, 16) * 60 + number(17, 19);
    let fraction: f64 = format!("0{}", &text[19..text.len() - 1]).parse().unwrap();
    f64::from(days) * 86_400.0 + f64::from(of_day) + fraction
}
