//! What probes and operators ask: `/health`, `/stats`, `/`. Against the real listener.
#![cfg(feature = "http")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;

use client::{Answer, get};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tachometer::{Engine, Listener, ManualClock, Registry};

const PATIENCE: Duration = Duration::from_secs(60);

fn probe(address: SocketAddr, path: &str, state: &str) -> u16 {
    let answer = get(address, path);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    let status = if answer.status == 200 { "ok" } else { "failing" };
    let wanted = format!("{{\"status\":\"{status}\",\"state\":\"{state}\"");
    assert!(answer.body.starts_with(&wanted), "{}", answer.body);
    answer.status
}

#[test]
fn an_engine_that_is_driven_by_hand_is_well_and_one_that_was_stopped_is_not_ready() {
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    let all = |state: &str| {
        ["/health", "/health/ready", "/health/live"].map(|path| probe(address, path, state))
    };
    assert_eq!(all("by hand"), [200, 200, 200]);
    engine.refresh();
    let body = get(address, "/health").body;
    assert!(body.contains("\"generation\":1,\"age_seconds\":0,\"interval_seconds\":1}"), "{body}");
    engine.stop();
    assert_eq!(all("stopped"), [503, 503, 200]);
    let body = get(address, "/health").body;
    assert!(body.contains("\"why\":\"the metrics engine of this process was stopped\""), "{body}");
    drop(engine);
    assert_eq!(all("stopped"), [503, 503, 200]);
}

#[test]
fn an_aggregator_that_is_late_is_not_healthy_until_it_is_back() {
    let interval = Duration::from_millis(200);
    let registry = Registry::new();
    let engine = Engine::builder().registry(&registry).interval(interval).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    let wait_for = |wanted: &dyn Fn(&Answer) -> bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = get(address, "/health/ready");
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{answer:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(&|answer| answer.status == 200);
    assert_eq!(probe(address, "/health/live", "running"), 200);
    // A callback that does not return holds the aggregator up.
    let (go_on, may_go_on) = channel::<()>();
    let end = Mutex::new(may_go_on);
    let block = move || (end.lock().unwrap().recv().is_ok(), 1.0).1;
    registry.metric("gate", "A gate.").gauge_from(block).unwrap();
    let began = Instant::now();
    let answer = wait_for(&|answer| answer.status == 503);
    assert!(began.elapsed() > 3 * interval, "not before three intervals: {:?}", began.elapsed());
    assert!(
        answer.body.contains("\"why\":\"the aggregator is 0.") || began.elapsed() > 4 * interval
    );
    assert_eq!(probe(address, "/health", "late"), 503);
    assert_eq!(probe(address, "/health/live", "late"), 503);
    // It answers without waiting for the engine, and so does this.
    assert!(get(address, "/stats").body.contains("\"state\":\"late\""));
    drop(go_on);
    wait_for(&|answer| answer.status == 200);
}

#[test]
fn a_young_engine_lives_and_is_not_ready_yet() {
    let hour = Duration::from_secs(3_600);
    let engine = Engine::builder().registry(&Registry::new()).interval(hour).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    assert_eq!(probe(address, "/health/live", "starting"), 200);
    assert_eq!(probe(address, "/health/ready", "starting"), 503);
    get(address, "/metrics");
    assert_eq!(probe(address, "/health/ready", "running"), 200);
}

#[test]
fn stats_say_what_the_engine_costs_and_holds() {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().inc();
    let engine = Engine::builder().registry(&registry).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    get(address, "/metrics");
    get(address, "/metrics");
    let answer = get(address, "/stats");
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("application/json")));
    let version = concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\",");
    assert!(answer.body.starts_with(version), "{}", answer.body);
    for part in [
        "\"engine\":{\"state\":\"running\",\"generation\":",
        "\"interval_seconds\":1,\"series\":",
        "\"cut_wait_seconds\":{\"count\":",
        "\"generation_seconds\":{\"count\":",
        "\"arena_bytes\":67108864",
        "\"overflow\":{\"records\":0,\"series_records\":0}",
        "\"listener\":{\"connections\":",
        "\"pages\":2,",
        "\"formats\":[\"text/plain; version=0.0.4\"",
        "\"header_bytes\":8192,\"request_seconds\":5",
    ] {
        assert!(answer.body.contains(part), "no {part} in {}", answer.body);
    }
    assert_eq!(answer.body.matches('{').count(), answer.body.matches('}').count());
    engine.stop();
    assert!(get(address, "/stats").body.contains("\"state\":\"stopped\""));
    drop(engine);
    assert!(get(address, "/stats").body.contains("\"engine\":null"));
}

#[test]
fn the_index_links_to_what_there_is() {
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let index = get(listener.local_addr(), "/").body;
    let links: Vec<_> =
        index.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(links, ["/metrics", "/metrics?refresh=0", "/health", "/stats"]);
    for link in links {
        assert_eq!(get(listener.local_addr(), link).status, 200, "{link}");
    }
}
