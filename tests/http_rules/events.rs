//! The stream of events, byte by byte: what it says, when it says it again, and who is sent away.

use crate::client::{Client, get};
use crate::common::by_hand_with_own_metrics;
use crate::common::loopback::wait_until;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tachometer::limits::{MAX_HTTP_EVENT_STREAMS, MAX_RULE_EVENTS};
use tachometer::rules::{RuleFile, RuleManager};
use tachometer::{Engine, Gauge, History, Registry};
use tachometer::{Listener, ListenerBuilder};

/// An engine that the test drives, and rules over a gauge.
pub struct Stand {
    pub engine: Engine,
    pub level: Gauge,
    pub manager: RuleManager,
}

pub const RULES: &str = "groups: [{name: g, rules: [{alert: High, expr: level > 5, annotations: {a: 'at {{ $value }}: \"x\"\n\r'}}]}]";

impl Stand {
    pub fn new(rules: &str) -> Stand {
        let registry = Registry::new();
        let level = registry.gauge("level", "A level.").unwrap();
        let engine = by_hand_with_own_metrics(&registry);
        let history = History::builder().start(&engine).unwrap();
        let file = RuleFile::parse("rules.yml", rules).unwrap();
        let manager = RuleManager::builder().file(file).start(&engine, &history).unwrap();
        Stand { engine, level, manager }
    }

    pub fn builder(&self) -> ListenerBuilder {
        Listener::builder().rules(&self.manager)
    }

    fn listener(&self) -> Listener {
        self.builder().bind(&self.engine, "127.0.0.1:0").unwrap()
    }

    pub fn step(&self, level: f64) {
        self.level.set(level);
        self.engine.refresh();
    }
}

/// One event: its id, its type, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub id: Option<String>,
    pub kind: String,
    pub data: Value,
}

/// A client that reads events.
pub struct Events<R>(BufReader<R>);

impl<R: Read> Events<R> {
    /// Reads the head, and the line that says how soon to come back.
    pub fn of(stream: R) -> Events<R> {
        let mut events = Events(BufReader::new(stream));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(events.0.read_line(&mut head).unwrap(), 0, "{head}");
        }
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        assert!(head.contains("\r\ncontent-type: text/event-stream\r\n"), "{head}");
        assert!(head.contains("\r\ncache-control: no-store\r\n"), "{head}");
        events
    }

    pub fn next(&mut self) -> Event {
        let mut event = Event { id: None, kind: String::new(), data: Value::Null };
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended");
            let line = line.trim_end_matches('\n');
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                // Pieces of a chunked body, and comments, say nothing.
                _ if line.is_empty() && !event.kind.is_empty() => return event,
                _ => {}
            }
        }
    }

    /// The next of a type.
    pub fn next_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next();
            if event.kind == kind {
                return event;
            }
        }
    }
}

fn connect(address: SocketAddr, headers: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: test\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

fn open(listener: &Listener, headers: &str) -> Events<TcpStream> {
    Events::of(connect(listener.local_addr(), headers))
}

#[test]
fn changes_and_generations_are_told_and_told_again_to_who_comes_back() {
    let stand = Stand::new(RULES);
    let listener = stand.listener();
    let mut events = open(&listener, "");
    stand.step(1.0);
    let generation = events.next();
    assert_eq!((generation.kind.as_str(), generation.id), ("generation", None));
    let number = stand.engine.snapshot().generation();
    assert_eq!(generation.data["generation"], number);
    assert_eq!(generation.data["at"], "1970-01-01T00:00:00Z");
    stand.step(6.0);
    let (pending, firing) = (events.next(), events.next());
    assert_eq!([&pending.kind, &firing.kind], ["alert"; 2]);
    assert_eq!(
        (&pending.data["from"], &pending.data["to"]),
        (&"inactive".into(), &"pending".into())
    );
    for (field, wanted) in [
        ("from", "pending"),
        ("to", "firing"),
        ("group", "g"),
        ("rule", "High"),
        ("value", "6e+00"),
        ("at", "1970-01-01T00:00:00.001Z"),
        ("activeAt", "1970-01-01T00:00:00.001Z"),
    ] {
        assert_eq!(firing.data[field], wanted, "{field}");
    }
    assert_eq!(firing.data["silenced"], false);
    assert_eq!(firing.data["labels"]["alertname"], "High");
    assert_eq!(firing.data["annotations"]["a"].as_str().unwrap().trim_end(), "at 6: \"x\"");
    assert_eq!(events.next().data["generation"], number + 1);
    // Gone for a while; what it missed is there when it comes back.
    drop(events);
    stand.step(1.0);
    stand.step(1.0);
    let id = pending.id.unwrap();
    let mut events = open(&listener, &format!("Last-Event-ID: {id}\r\n"));
    assert_eq!(events.next(), firing);
    let resolved = events.next();
    assert_eq!(resolved.data["to"], "resolved");
    assert_eq!(events.next().data["generation"], number + 3, "of generations the last");
    let mut late = open(&listener, &format!("Last-Event-ID: {}\r\n", resolved.id.unwrap()));
    assert_eq!(late.next().kind, "generation");
    // An id of another run: all that there is, and a word that there may have been more.
    for id in ["0-0", "x", "18446744073709551615", &format!("{id}9")] {
        let mut events = open(&listener, &format!("Last-Event-ID: {id}\r\n"));
        let missed = events.next();
        assert_eq!(
            (missed.kind.as_str(), &missed.data["missed"]),
            ("missed", &Value::Null),
            "{id}"
        );
        assert_eq!(events.next().data["to"], "pending");
    }
}

#[test]
fn one_who_was_away_for_too_long_is_told_how_much_he_missed() {
    let stand = Stand::new(RULES);
    let listener = stand.listener();
    let mut events = open(&listener, "");
    stand.step(6.0);
    let first = events.next();
    drop(events);
    // Two changes each time, or three with the one that resolves.
    let mut changes = 2;
    while changes < MAX_RULE_EVENTS + 100 {
        stand.step(1.0);
        stand.step(6.0);
        changes += 3;
    }
    let mut events = open(&listener, &format!("Last-Event-ID: {}\r\n", first.id.unwrap()));
    let missed = events.next();
    assert_eq!(missed.kind, "missed");
    // All after the first, but for those that are kept.
    assert_eq!(missed.data["missed"], changes - 1 - MAX_RULE_EVENTS);
    let kept = (0..MAX_RULE_EVENTS).filter(|_| events.next().kind == "alert").count();
    assert_eq!(kept, MAX_RULE_EVENTS);
    assert_eq!(events.next().kind, "generation");
}

#[test]
fn an_evaluation_with_more_changes_than_are_kept_sends_nobody_away() {
    let rules = "groups: [{name: g, rules: [{alert: A, expr: 'label_replace(vector(1), \"n\", \"1\", \"\", \"\") and on () level > 5'}]}]";
    // As many rules as it takes.
    let one = rules.split('{').nth(2).unwrap().trim_end_matches("}]}]");
    let many = vec![format!("{{{one}}}"); MAX_RULE_EVENTS].join(",");
    let rules = format!("groups: [{{name: g, rules: [{many}]}}]");
    let stand = Stand::new(&rules);
    let listener = stand.listener();
    let mut events = open(&listener, "");
    stand.step(1.0);
    assert_eq!(events.next().kind, "generation");
    stand.step(6.0);
    let missed = events.next();
    assert_eq!((missed.kind.as_str(), &missed.data["missed"]), ("missed", &MAX_RULE_EVENTS.into()));
    for _ in 0..MAX_RULE_EVENTS {
        assert_eq!(events.next().kind, "alert");
    }
    assert_eq!(events.next().kind, "generation");
}

#[test]
fn who_does_not_read_is_sent_away_and_holds_up_nobody() {
    // Each change is a quarter of what is kept, so that few of them fill what the system holds for the client.
    let text = "x".repeat(60_000);
    let annotations: Vec<_> = (0..16).map(|index| format!("a{index}: {text}")).collect();
    let annotations = annotations.join(", ");
    let rules = format!(
        "groups: [{{name: g, rules: [{{alert: High, expr: level > 5, annotations: {{{annotations}}}}}]}}]"
    );
    let stand = Stand::new(&rules);
    let listener = stand.listener();
    let _slow = connect(listener.local_addr(), "");
    let mut quick = open(&listener, "");
    let mut level = 1.0;
    wait_until("the slow client to be sent away", || {
        level = 7.0 - level;
        stand.step(level);
        quick.next_of("generation");
        // Scrapes go on.
        let page = get(listener.local_addr(), "/metrics?refresh=0").body;
        page.contains("tachometer_http_connections_closed_total{limit=\"slow\"} 1\n")
    });
    stand.step(7.0 - level);
    assert_eq!(quick.next_of("alert").kind, "alert");
}

#[test]
fn streams_are_bounded() {
    let stand = Stand::new(RULES);
    let listener = stand.listener();
    let all: Vec<_> = (0..MAX_HTTP_EVENT_STREAMS).map(|_| open(&listener, "")).collect();
    let refused = get(listener.local_addr(), "/api/v1/events");
    assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("1")));
    drop(all);
    // Who is gone is found out when something is sent.
    let mut level = 1.0;
    wait_until("the places to be free", || {
        level = 7.0 - level;
        stand.step(level);
        let mut client = Client::connect(listener.local_addr());
        client.send("GET /api/v1/events HTTP/1.0\r\n\r\n");
        client.bare_answer().status == 200
    });
}

#[test]
fn the_path_takes_get_and_head_where_there_are_rules() {
    let stand = Stand::new(RULES);
    let listener = stand.listener();
    let mut client = Client::connect(listener.local_addr());
    client.send("HEAD /api/v1/events HTTP/1.1\r\nHost: test\r\n\r\n");
    let answer = client.bare_answer();
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/event-stream")));
    client.send("POST /api/v1/events HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.answer().status, 405);
    let none = Listener::bind(&stand.engine, "127.0.0.1:0").unwrap();
    for path in ["events", "rules", "alerts"] {
        assert_eq!(get(none.local_addr(), &format!("/api/v1/{path}")).status, 404);
    }
    let closed = stand.builder().bearer_token("t0ken").bind(&stand.engine, "127.0.0.1:0").unwrap();
    assert_eq!(get(closed.local_addr(), "/api/v1/events").status, 401);
    let mut events = open(&closed, "Authorization: Bearer t0ken\r\n");
    stand.step(1.0);
    assert_eq!(events.next().kind, "generation");
    // Whoever only answers has no stream.
    let responder = stand.builder().responder(&stand.engine).unwrap();
    assert_eq!(responder.respond("GET", "/api/v1/events", []).status(), 501);
    assert_eq!(responder.respond("GET", "/api/v1/alerts", []).status(), 200);
    drop(listener);
}
