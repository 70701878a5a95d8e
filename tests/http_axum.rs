//! The endpoints in a host's own axum server: the same answers as the listener's.
#![cfg(feature = "axum")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;

use client::{Answer, Client, get};
use std::net::SocketAddr;
use std::time::Duration;
use tachometer::{Engine, Listener, ManualClock, Registry, serve};
use tokio::runtime::Runtime;

fn engine() -> (Registry, Engine) {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    (registry, engine)
}

/// A server that ends with the runtime.
fn host(router: axum::Router) -> (Runtime, SocketAddr) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_io().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let app = router.route("/host", axum::routing::get(async || "the host's own"));
    runtime.spawn(async move { axum::serve(listener, app).await });
    (runtime, address)
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> (Answer, Vec<u8>) {
    let mut client = Client::connect(address);
    client.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{headers}\r\n"));
    if method == "HEAD" { (client.bare_answer(), Vec::new()) } else { client.answer_bytes() }
}

#[test]
fn the_router_answers_as_the_listener_does() {
    let (_registry, engine) = engine();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let (_runtime, address) = host(serve::router(&engine).unwrap());
    let shown = ["Content-Type", "Content-Encoding", "Vary", "Cache-Control", "Allow"];
    for (method, path, headers) in [
        ("GET", "/metrics?refresh=0", ""),
        ("GET", "/metrics?refresh=0", "Accept-Encoding: gzip\r\n"),
        ("GET", "/metrics?refresh=0", "Accept: */*;q=0.1\r\nAccept-Encoding: *;q=0\r\n"),
        ("GET", "/metrics?refresh=0&name[]=none", ""),
        ("GET", "/metrics?refresh=no", ""),
        ("HEAD", "/metrics?refresh=0", ""),
        ("POST", "/metrics", ""),
        ("GET", "/", ""),
        ("GET", "/health", ""),
        ("GET", "/health/live", ""),
    ] {
        let (own, own_body) = ask(listener.local_addr(), method, path, headers);
        let (host, host_body) = ask(address, method, path, headers);
        assert_eq!((own.status, own_body), (host.status, host_body), "{method} {path}");
        for name in shown {
            assert_eq!(own.header(name), host.header(name), "{method} {path} {name}");
        }
    }
    assert!(get(address, "/stats").body.contains("\"listener\":{"));
    assert_eq!(get(address, "/host").body, "the host's own");
    engine.stop();
    assert_eq!(get(address, "/metrics").status, 503);
    assert_eq!(get(address, "/health/ready").status, 503);
}

#[test]
fn a_router_may_have_a_prefix_and_ask_for_credentials() {
    let (_registry, engine) = engine();
    let builder = Listener::builder().prefix("/internal").bearer_token("t0ken");
    let (_runtime, address) = host(builder.router(&engine).unwrap());
    assert_eq!(get(address, "/internal/metrics").status, 401);
    let (answer, body) =
        ask(address, "GET", "/internal/metrics", "Authorization: Bearer t0ken\r\n");
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8(body).unwrap().ends_with("\nevents_total 7\n"));
    assert_eq!(get(address, "/internal/health").status, 200);
    assert_eq!(get(address, "/metrics").status, 404, "the host's own answer");
    let error = Listener::builder().prefix("x").router(&engine).unwrap_err();
    assert!(error.to_string().contains("setting prefix"), "{error}");
}

#[test]
fn a_page_that_takes_its_time_does_not_hold_up_the_host() {
    let (registry, engine) = engine();
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let ends = std::sync::Mutex::new((entered, may_go_on));
    let wait = move || {
        let ends = ends.lock().unwrap();
        (ends.0.send(()).is_ok(), ends.1.recv().is_ok(), 1.0).2
    };
    registry.metric("gate", "A gate.").gauge_from(wait).unwrap();
    let (_runtime, address) = host(serve::router(&engine).unwrap());
    let mut scrapers: Vec<_> = (0..10).map(|_| Client::connect(address)).collect();
    for client in &mut scrapers {
        client.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    has_entered.recv().unwrap();
    assert_eq!(get(address, "/host").body, "the host's own");
    assert_eq!(get(address, "/health/live").status, 200);
    drop(go_on);
    for client in &mut scrapers {
        assert_eq!(client.answer().value("events_total"), Some("7"));
    }
    // One for the first, and one or a few for those who came while it was made.
    assert!(engine.snapshot().generation() <= 10);
}
