//! What a page shows, and of which moment.

use crate::client::Client;
use crate::common::causality::SetOnDrop;
use crate::stand::{SCRAPE, Stand, many_descriptors};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use tachometer::{Engine, Listener, Registry, TextEncoder};

#[test]
fn the_page_is_the_encoders_and_says_which_snapshot_it_shows() {
    let stand = Stand::new();
    stand.events.add(41);
    let latency =
        stand.registry.metric("wait_seconds", "Waits.").unit(tachometer::Unit::Nanoseconds);
    let latency = latency.histogram().unwrap();
    (1..1000).for_each(|ms| latency.record(ms * 1_000_000));
    stand.registry.metric("node_info", "a \\ b").label("name", "ü\"\n").gauge().unwrap().set(0.5);

    let answer = stand.scrape();
    let snapshot = stand.engine.snapshot();
    let mut page = Vec::new();
    TextEncoder::new().encode(&snapshot, &mut page);
    assert_eq!(answer.body.as_bytes(), page);
    assert_eq!(answer.value("events_total"), Some("41"));
    assert_eq!(answer.header("Content-Type"), Some(TextEncoder::CONTENT_TYPE));
    assert_eq!(answer.header("Content-Length"), Some(&*page.len().to_string()));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    // Other tests of this process may hold up its cut.
    let complete = snapshot.is_complete().to_string();
    assert_eq!(answer.header("X-Tachometer-Complete"), Some(&*complete));
    assert_eq!(answer.generation(), snapshot.generation());
    let age: f64 = answer.header("X-Tachometer-Age-Seconds").unwrap().parse().unwrap();
    assert!((0.0..10.0).contains(&age), "{age}");
    assert!(answer.header("Date").is_some_and(|date| date.ends_with(" GMT")));
}

#[test]
fn each_scrape_has_what_was_recorded_before_it() {
    let stand = Stand::new();
    let mut client = stand.connect();
    for round in 1..=50_u64 {
        stand.events.inc();
        let answer = client.get("/metrics");
        assert_eq!(answer.value("events_total"), Some(&*round.to_string()));
        assert_eq!(answer.generation(), round);
    }
}

#[test]
fn pages_are_causal_cuts_while_threads_record() {
    let registry = Registry::new();
    let started = registry.counter("started_total", "Started.").unwrap();
    let finished = registry.counter("finished_total", "Finished.").unwrap();
    let engine = Engine::builder().registry(&registry).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    started.inc();
                    finished.inc();
                }
            });
        }
        // Also where an assertion fails: the scope waits for the threads.
        let _stop = SetOnDrop(&stop);
        let mut client = Client::connect(listener.local_addr());
        let mut last = 0;
        for _ in 0..200 {
            let page = client.get("/metrics");
            let value = |name| page.value(name).unwrap().parse::<u64>().unwrap();
            let (started, finished) = (value("started_total"), value("finished_total"));
            if page.header("X-Tachometer-Complete") == Some("true") {
                assert!(finished <= started && started <= finished + 2, "{started} {finished}");
            }
            assert!(started >= last, "{started} after {last}");
            last = started;
        }
    });
}

/// A callback that, once armed, says that it runs and stays until it is told to go on.
fn gate(registry: &Registry) -> (Receiver<()>, Sender<()>) {
    let (entered, has_entered) = channel();
    let (go_on, may_go_on) = channel();
    let ends = Mutex::new(Some((entered, may_go_on)));
    let callback = move || {
        if let Some((entered, may_go_on)) = ends.lock().unwrap().take() {
            let _: Result<(), _> = entered.send(());
            let _: Result<(), _> = may_go_on.recv();
        }
        1.0
    };
    registry.metric("gate", "A gate.").gauge_from(callback).unwrap();
    (has_entered, go_on)
}

#[test]
fn scrapes_that_arrive_together_share_a_snapshot() {
    let _alone = many_descriptors();
    let stand = Stand::new();
    let (has_entered, go_on) = gate(&stand.registry);
    let mut first = stand.connect();
    first.send(SCRAPE);
    has_entered.recv().unwrap();
    // While the first snapshot is being made, a hundred more ask.
    let mut others: Vec<_> = (0..100).map(|_| stand.connect()).collect();
    stand.events.inc();
    others.iter_mut().for_each(|client| client.send(SCRAPE));
    go_on.send(()).unwrap();

    assert_eq!(first.answer().generation(), 1);
    for client in &mut others {
        assert_eq!(client.answer().value("events_total"), Some("1"));
    }
    // One for all of them; a busy system may be late to deliver what some sent.
    let generations = stand.engine.snapshot().generation();
    assert!((2..=4).contains(&generations), "{generations}");
}

#[test]
fn the_listener_counts_what_it_does_if_the_engine_does() {
    let stand = Stand::with(true);
    let mut client = stand.connect();
    for path in ["/metrics", "/metrics", "/", "/nothing", "/else?"] {
        client.get(path);
    }
    client.send("POST /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    client.answer();
    let mut wrong = stand.connect();
    wrong.send("hello?\r\n\r\n");
    wrong.answer();
    let page = client.get("/metrics");
    let requests = |code: &str, path: &str| {
        let labels = format!("{{code=\"{code}\",path=\"{path}\"}}");
        page.value(&format!("tachometer_http_requests_total{labels}")).unwrap()
    };
    assert_eq!(requests("200", "/metrics"), "2");
    assert_eq!(requests("200", "/"), "1");
    assert_eq!(requests("404", "other"), "2");
    assert_eq!(requests("405", "/metrics"), "1");
    assert_eq!(requests("400", "other"), "1");
    assert_eq!(page.value("tachometer_http_scrape_duration_seconds_count"), Some("2"));
    assert_eq!(page.value("tachometer_http_connections_refused_total"), Some("0"));

    assert!(!Stand::new().scrape().body.contains("tachometer_http"));
}
