//! A listener as a file sets it up: that every setting arrives, that wrong ones are told by key and line, and that a secret
//! is nowhere in what it shows. Against curl and a real Prometheus.
#![cfg(all(feature = "config", feature = "http", unix))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "prometheus/server.rs"]
mod prometheus;
#[path = "common/servers.rs"]
mod servers;
#[path = "http/tools.rs"]
mod tools;

use client::{Answer, Client, get};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tachometer::config::Config;
use tachometer::{Engine, Listener, ManualClock, Registry};

fn engine() -> Engine {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    let clock = ManualClock::at(Duration::ZERO);
    Engine::builder().registry(&registry).manual(&clock).start().unwrap()
}

fn listen(engine: &Engine, settings: &str) -> (Listener, SocketAddr) {
    let text = format!("[listener]\naddress = \"127.0.0.1:0\"\n{settings}");
    let listener = Config::parse(&text).unwrap().listener.bind(engine).unwrap().expect("enabled");
    let address = listener.local_addr();
    (listener, address)
}

fn get_with(address: SocketAddr, path: &str, header: &str) -> Answer {
    let mut client = Client::connect(address);
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n{header}\r\n"));
    client.answer()
}

#[test]
fn every_setting_arrives() {
    let folder = tools::folder("config-listener");
    let file = folder.join("token");
    std::fs::write(&file, "hunter2-file\n").unwrap();
    let engine = engine();
    let settings = format!(
        "prefix = \"/internal\"\nallow = [\"127.0.0.0/8\"]\nconnections = 7\nheader_bytes = 1024\n\
         request_time = \"2s\"\nconcurrent_renders = 3\nprotect_health = true\n\
         bearer_tokens = [\"hunter2-text\", {{ file = {file:?} }}]\nusers = {{ ann = \"hunter2-ann\" }}\n"
    );
    let (listener, address) = listen(&engine, &settings);
    assert_eq!(get(address, "/internal/metrics").status, 401);
    assert_eq!(get(address, "/internal/health").status, 401);
    // ann:hunter2-ann
    for good in ["Bearer hunter2-text", "Bearer hunter2-file", "Basic YW5uOmh1bnRlcjItYW5u"] {
        let header = format!("Authorization: {good}\r\n");
        let answer = get_with(address, "/internal/metrics", &header);
        assert_eq!(answer.value("events_total"), Some("7"), "{good}");
        assert_eq!(get_with(address, "/metrics", &header).status, 404);
    }
    let stats = get_with(address, "/internal/stats", "Authorization: Bearer hunter2-text\r\n").body;
    for limit in
        ["\"connections\":7", "\"header_bytes\":1024", "\"request_seconds\":2", "\"renders\":3"]
    {
        let spaceless: String = stats.chars().filter(|c| !c.is_whitespace()).collect();
        assert!(spaceless.contains(limit), "{limit} in {stats}");
    }
    assert!(stats.contains("\"authentication\""), "{stats}");
    for shown in [stats, format!("{listener:?}"), engine_page(&engine)] {
        assert!(!shown.contains("hunter2") && !shown.contains("YW5uOm"), "{shown}");
    }
    let long = format!("X-Long: {}\r\n", "x".repeat(1024));
    assert_eq!(get_with(address, "/internal/metrics", &long).status, 431);
    // Nobody of this machine's is let in.
    let (_closed, address) = listen(&engine, "allow = [\"192.0.2.0/24\"]\n");
    let mut client = Client::connect(address);
    client.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    assert!(client.drained().is_empty());
}

/// The page that the engine shows of itself, the listener's metrics included.
fn engine_page(engine: &Engine) -> String {
    let mut page = Vec::new();
    tachometer::TextEncoder::new().encode(&engine.refresh(), &mut page);
    String::from_utf8(page).unwrap()
}

#[test]
fn it_listens_where_it_is_told() {
    let engine = engine();
    let none = Config::parse("[listener]\nenabled = false").unwrap();
    assert!(none.listener.bind(&engine).unwrap().is_none());
    let six = Config::parse("[listener]\naddress = \"[::1]:0\"").unwrap();
    if let Ok(listener) = six.listener.bind(&engine) {
        let address = listener.expect("enabled").local_addr();
        assert!(address.is_ipv6() && address.port() != 0, "{address}");
    } else {
        common::debian::missing("IPv6", "there is no ::1 here");
    }
    let path = tools::folder("config-socket").join("metrics.sock");
    let text = format!("[listener]\naddress = \"unix:{}\"\nsocket_mode = 0o640", path.display());
    let listener = Config::parse(&text).unwrap().listener.bind(&engine).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    if tools::is_here("curl", "curl") {
        let arguments = ["--unix-socket", path.to_str().unwrap(), "http://localhost/metrics"];
        assert!(tools::curl_text(&arguments).contains("events_total 7"));
    }
    drop(listener);
    assert!(!path.exists());
}

#[test]
fn a_wrong_setting_is_told_with_its_line_and_what_was_expected() {
    let wrong = [
        ("address = \"9464\"", "address", "expected an address and a port"),
        ("address = \"::1:9464\"", "address", "\"[::1]:9464\""),
        ("address = \"localhost:99999\"", "address", "expected an address and a port"),
        ("address = \"unix:\"", "address", "\"unix:/run/tachometer.sock\""),
        ("socket_mode = 0o1777", "socket_mode", "from 0o000 to 0o777"),
        ("socket_mode = \"rw\"", "socket_mode", "expected u32"),
        ("prefix = \"no slash\"", "prefix", "begins with a slash"),
        ("allow = [\"10.0.0.0/8\", \"10.1.2.3/8\"]", "allow", "write 10.0.0.0/8"),
        ("allow = \"everybody\"", "allow", "expected a sequence"),
        ("users = { \"a:b\" = \"x\" }", "users", "a user has no colon"),
        ("connections = 0", "connections", "0 is not from 1 to 65536"),
        ("connections = -1", "connections", "expected usize"),
        ("header_bytes = 1", "header_bytes", "1 is not from 256 to 1048576"),
        ("request_time = \"1h\"", "request_time", "is not from 10ms to 90s"),
        ("request_time = 5", "request_time", "5 has no unit"),
        ("concurrent_renders = 9", "concurrent_renders", "9 is not from 1 to 8"),
        ("protect_health = 1", "protect_health", "expected a boolean"),
        ("tls = { certificate = \"/c\" }", "tls", "both `certificate` and `key`"),
        ("tls = { certificat = \"/c\" }", "certificat", "expected `certificate` or `key`"),
        (
            "adress = \"127.0.0.1:1\"",
            "adress",
            "unknown field `adress`, expected one of `enabled`, `address`",
        ),
    ];
    for (line, key, expected) in wrong {
        let error = Config::parse(&format!("[listener]\n\n{line}\n")).unwrap_err();
        assert_eq!(error.place.map(|place| place.0), Some(3), "{line}: {error}");
        assert!(error.reason.contains(key) && error.reason.contains(expected), "{line}: {error}");
    }
    // Known only when it is looked up.
    let engine = engine();
    let bind = |line: &str| {
        let config =
            Config::parse(&format!("[listener]\naddress = \"127.0.0.1:0\"\n{line}")).unwrap();
        config.listener.bind(&engine).unwrap_err().to_string()
    };
    let error = bind("users = { ann = { env = \"TACHOMETER_NO_SUCH_VARIABLE\" } }");
    assert!(
        error.contains("`listener.users.ann`") && error.contains("TACHOMETER_NO_SUCH_VARIABLE"),
        "{error}"
    );
    let error = bind("bearer_tokens = [{ file = \"/no/such/file\" }]");
    assert!(
        error.contains("`listener.bearer_tokens`") && error.contains("/no/such/file"),
        "{error}"
    );
    let error = bind("bearer_tokens = [\"hunter\u{e9}2\"]");
    assert!(error.contains("visible ASCII") && !error.contains("hunter"), "{error}");
}

/// A file that sets up encryption and credentials, with a real Prometheus that has what it takes to scrape it, and one that
/// has not.
#[test]
#[cfg(feature = "tls")]
fn prometheus_scrapes_what_a_file_has_encrypted_and_locked() {
    if !prometheus::is_here() || !tools::is_here("openssl", "openssl") {
        return;
    }
    let folder = tools::folder("config-tls");
    let (certificate, key) = tools::certificate(&folder, "server");
    let password = folder.join("password");
    std::fs::write(&password, "hunter2\n").unwrap();
    let file = folder.join("tachometer.toml");
    let text = format!(
        "[engine]\ninterval = \"100ms\"\nlabels = {{ node = \"n1\" }}\n\
         [listener]\naddress = \"127.0.0.1:0\"\nprefix = \"/internal\"\n\
         [listener.users]\nprometheus = {{ file = {password:?} }}\n\
         [listener.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"
    );
    std::fs::write(&file, &text).unwrap();
    let (config, description) = Config::check_file(&file).unwrap();
    assert!(
        description.contains("listener: https://127.0.0.1:0/internal/metrics"),
        "{description}"
    );
    assert!(description.contains(password.to_str().unwrap()), "{description}");
    assert!(!description.contains("hunter2"), "{description}");

    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    let engine = config.engine.builder().registry(&registry).start().unwrap();
    let listener = config.listener.bind(&engine).unwrap().expect("enabled");
    let settings = |password: &str| {
        let certificate = certificate.display();
        format!(
            ", scheme: https, metrics_path: /internal/metrics, tls_config: {{ca_file: '{certificate}'}}, \
             basic_auth: {{username: prometheus, password: {password}}}"
        )
    };
    let right = prometheus::Prometheus::scraping_with(listener.local_addr(), &settings("hunter2"));
    right.wait_for("events_total{node=\"n1\"}", 7.0);
    drop(right);
    let wrong = prometheus::Prometheus::scraping_with(listener.local_addr(), &settings("hunter3"));
    wrong.wait_for("up", 0.0);
    assert!(wrong.query("events_total").is_none());
    drop(wrong);

    // What is missing is told with file, line and key; what is there and no certificate, too.
    std::fs::remove_file(&password).unwrap();
    let error = Config::check_file(&file).unwrap_err().to_string();
    assert!(
        error.contains("tachometer.toml, line 8, column 1: `listener.users.prometheus`"),
        "{error}"
    );
    std::fs::write(&password, "hunter2").unwrap();
    std::fs::write(&key, "hunter2").unwrap();
    let error = Config::check_file(&file).unwrap_err().to_string();
    assert!(error.contains("line 9") && error.contains("`listener.tls`"), "{error}");
    assert!(error.contains("BEGIN PRIVATE KEY") && !error.contains("hunter2"), "{error}");
    assert!(config.listener.bind(&engine).is_err());
}
