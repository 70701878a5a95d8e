//! Who may read, and where: addresses, Unix sockets, credentials, networks, a prefix, limits. Against the real listener,
//! with curl where it can say what a raw socket would not.
#![cfg(all(feature = "http", unix))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "http/tools.rs"]
mod tools;

use client::{Answer, Client, get};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};
use tachometer::serve::Address;
use tachometer::{Engine, Error, Listener, ListenerBuilder, ManualClock, Registry};

fn engine() -> Engine {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    let clock = ManualClock::at(Duration::ZERO);
    Engine::builder().registry(&registry).manual(&clock).own_metrics(true).start().unwrap()
}

fn bind(engine: &Engine, builder: ListenerBuilder) -> (Listener, SocketAddr) {
    let listener = builder.bind(engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    (listener, address)
}

fn get_with(address: SocketAddr, path: &str, header: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{header}\r\n"));
    client.answer()
}

#[test]
fn only_who_knows_a_secret_may_read_but_everybody_may_ask_after_the_health() {
    let engine = engine();
    let builder = Listener::builder().basic_auth("ann", "p:w é").bearer_token("t0ken");
    assert!(!format!("{builder:?}").contains("t0ken"), "{builder:?}");
    let (_listener, address) = bind(&engine, builder.clone());
    for path in ["/", "/metrics", "/stats", "/nothing", "/metrics?name=wrong"] {
        let answer = get(address, path);
        assert_eq!(answer.status, 401, "{path}");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("www-authenticate: basic realm=\"tachometer\""), "{head}");
        assert!(head.contains("www-authenticate: bearer realm=\"tachometer\""), "{head}");
    }
    for wrong in ["Bearer t0ke", "Basic t0ken", "Bearer", "Basic YW5uOng="] {
        let answer = get_with(address, "/metrics", &format!("Authorization: {wrong}\r\n"));
        assert_eq!(answer.status, 401, "{wrong}");
    }
    // ann:p:w é
    for good in ["Bearer t0ken", "Basic YW5uOnA6dyDDqQ=="] {
        let answer = get_with(address, "/metrics", &format!("Authorization: {good}\r\n"));
        assert_eq!(answer.value("events_total"), Some("7"), "{good}");
    }
    let refused = "tachometer_http_requests_total{code=\"401\",path=\"/metrics\"}";
    let page = get_with(address, "/metrics", "Authorization: Bearer t0ken\r\n");
    assert_eq!(page.value(refused), Some("6"));
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(get(address, path).status, 200, "{path}");
    }
    // Nothing that is told has a secret in it.
    let stats = get_with(address, "/stats", "Authorization: Bearer t0ken\r\n").body;
    assert!(stats.contains("\"authentication\":true"), "{stats}");
    assert!(["t0ken", "ann", "p:w", "YW5u"].iter().all(|secret| !stats.contains(secret)));

    let (_closed, address) = bind(&engine, builder.protect_health(true));
    assert_eq!(get(address, "/health/live").status, 401);
}

#[test]
fn curl_brings_user_and_password() {
    if !tools::is_here("curl", "curl") {
        return;
    }
    let engine = engine();
    let (_listener, address) = bind(&engine, Listener::builder().basic_auth("ann", "pässword"));
    let url = format!("http://{address}/metrics");
    let page = tools::curl_text(&["--fail", "--compressed", "--user", "ann:pässword", &url]);
    assert!(page.contains("\nevents_total 7\n"), "{page}");
    let old = tools::curl_text(&["--fail", "--http1.0", "--user", "ann:pässword", &url]);
    assert!(old.contains("\nevents_total 7\n"), "{old}");
    assert!(!tools::curl(&["--fail", "--user", "ann:password", &url]).status.success());
}

#[test]
fn only_clients_of_allowed_networks_are_let_in() {
    let engine = engine();
    let allow = |network: &str| Listener::builder().allow(network.parse().unwrap());
    let (_own, own) = bind(&engine, allow("10.0.0.0/8").allow("127.0.0.1".parse().unwrap()));
    assert_eq!(get(own, "/metrics").status, 200);
    let (_others, others) = bind(&engine, allow("10.0.0.0/8").allow("::/0".parse().unwrap()));
    for _ in 0..3 {
        let mut client = Client::connect(others);
        client.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
        assert!(client.has_ended(), "without a word");
    }
    let closed = "tachometer_http_connections_closed_total{limit=\"network\"}";
    assert_eq!(get(own, "/metrics").value(closed), Some("3"));
}

#[test]
fn ipv6_is_spoken() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return assert!(std::env::var_os("CI").is_none(), "CI needs IPv6 on loopback");
    }
    let engine = engine();
    let builder = Listener::builder().allow("::1".parse().unwrap());
    let listener = builder.bind(&engine, "[::1]:0").unwrap();
    assert!(listener.local_addr().is_ipv6());
    assert_eq!(get(listener.local_addr(), "/metrics").status, 200);
}

#[test]
fn paths_stand_behind_the_prefix() {
    let engine = engine();
    let (_listener, address) = bind(&engine, Listener::builder().prefix("/a/tacho.meter/"));
    assert_eq!(get(address, "/a/tacho.meter/metrics").value("events_total"), Some("7"));
    assert_eq!(get(address, "/a/tacho.meter/health/live").status, 200);
    assert!(get(address, "/a/tacho.meter").body.contains("href=\"/a/tacho.meter/metrics\""));
    let missing = get(address, "/metrics");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("/a/tacho.meter/metrics"), "{}", missing.body);
    for wrong in ["a", "/a//b", "/a b", "/a?b", "/ü", "/%20"] {
        let error = Listener::builder().prefix(wrong).bind(&engine, "127.0.0.1:0").unwrap_err();
        assert!(error.to_string().contains("setting prefix"), "{error}");
    }
}

#[test]
fn a_unix_socket_serves_and_goes_with_the_listener() {
    if !tools::is_here("curl", "curl") {
        return;
    }
    let engine = engine();
    let path = tools::folder("unix").join("metrics.socket");
    let builder = || Listener::builder().socket_mode(0o640);
    let listener = builder().bind_unix(&engine, &path).unwrap();
    assert_eq!(*listener.address(), Address::Unix(path.clone()));
    assert_eq!(listener.local_addr().port(), 0);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    let shown = path.to_str().unwrap();
    let fetch = || {
        let url = "http://any/metrics";
        let arguments = ["--fail", "--compressed", "--unix-socket", shown, url];
        assert!(tools::curl_text(&arguments).contains("\nevents_total 7\n"));
    };
    fetch();
    // It is taken while somebody listens, and nobody's other file is touched.
    let error = builder().bind_unix(&engine, &path).unwrap_err();
    assert!(error.to_string().contains("somebody listens there"), "{error}");
    fetch();
    listener.stop();
    assert!(!path.exists());

    // What a process that was killed left behind.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = builder().bind_unix(&engine, &path).unwrap();
    fetch();
    // Whoever took the place meanwhile keeps it.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "mine").unwrap();
    drop(listener);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    let error = builder().bind_unix(&engine, &path).unwrap_err();
    assert!(error.to_string().contains("a file that is no socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
    let error = builder().bind_unix(&engine, path.join("no/where")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn limits_are_those_that_were_set() {
    let engine = engine();
    let builder = Listener::builder()
        .connections(3)
        .header_bytes(300)
        .request_time(Duration::from_millis(300))
        .concurrent_renders(1);
    let (_listener, address) = bind(&engine, builder.clone());
    let began = Instant::now();
    let mut slow = Client::connect(address);
    slow.send("GET /metr");
    assert_eq!(slow.answer().status, 408);
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop(slow);
    let mut long = Client::connect(address);
    long.send(format!("GET / HTTP/1.0\r\nX: {}\r\n\r\n", "x".repeat(300)));
    assert_eq!(long.answer().status, 431);
    // One page a turn: the others wait theirs, and all are served.
    let (_listener, address) = bind(&engine, builder);
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(address)).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        let path = format!("/metrics?name[]=events_total&label[none]={index}");
        client.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n").repeat(2));
    }
    for client in &mut clients {
        assert_eq!((client.answer().status, client.answer().status), (200, 200));
    }
    let mut fourth = Client::connect(address);
    assert_eq!(fourth.answer().status, 503);

    for (wrong, setting) in [
        (Listener::builder().connections(0), "connections"),
        (Listener::builder().header_bytes(10), "header_bytes"),
        (Listener::builder().request_time(Duration::ZERO), "request_time"),
        (Listener::builder().concurrent_renders(1_000), "concurrent_renders"),
        (Listener::builder().basic_auth("a:b", "c"), "basic_auth"),
        (Listener::builder().bearer_token(""), "bearer_token"),
        (Listener::builder().format("json", || unreachable!("it is no media type")), "format"),
    ] {
        let error = wrong.bind(&engine, "127.0.0.1:0").unwrap_err();
        assert!(error.to_string().starts_with(&format!("setting {setting}: ")), "{error}");
    }
}
