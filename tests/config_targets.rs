//! Push targets as a file sets them up: that every setting arrives, that wrong ones are told by key and line, and that a
//! secret is nowhere in what a pusher shows. Against a server that notes what it is sent, and a real Pushgateway.
#![cfg(all(feature = "config", feature = "push"))]

mod common;
#[path = "push/fake.rs"]
mod fake;
#[path = "push/real.rs"]
mod real;
#[path = "common/servers.rs"]
mod servers;
#[path = "http/tools.rs"]
#[allow(unused_imports, reason = "each test binary uses some of it")]
mod tools;

use fake::{Fake, free_address, wait_until};
use std::time::Duration;
use tachometer::config::Config;
use tachometer::{Engine, Pusher, Registry};

fn engine(config: &Config) -> Engine {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    config.engine.builder().registry(&registry).start().unwrap()
}

fn push(config: &Config, engine: &Engine) -> Pusher {
    config.pusher(engine).unwrap().expect("targets").start().unwrap()
}

#[test]
fn without_targets_there_is_no_pusher() {
    let config = Config::parse("").unwrap();
    assert!(config.pusher(&engine(&config)).unwrap().is_none());
}

#[test]
fn every_setting_of_a_request_arrives() {
    let server = Fake::good("127.0.0.1:0");
    let token = tools::folder("config-target").join("token");
    std::fs::write(&token, "hunter2-token\n").unwrap();
    let url = server.url();
    let text = format!(
        "[engine]\ninterval = \"20ms\"\n\
         [targets.page]\ntype = \"http\"\nurl = \"{url}\"\nformat = \"openmetrics\"\ninterval = \"20ms\"\n\
         bearer_token = {{ file = {token:?} }}\n\
         [targets.page.headers]\nX-Tenant = \"hunter2-tenant\"\n\
         [targets.store]\ntype = \"victoria-metrics\"\nurl = \"{url}\"\ninterval = \"20ms\"\n\
         user = \"ann\"\npassword = \"hunter2-ann\"\n"
    );
    let config = Config::parse(&text).unwrap();
    let engine = engine(&config);
    let pusher = push(&config, &engine);
    wait_until("a push of each", || pusher.status().iter().all(|status| status.sent > 0));
    let requests = server.requests();
    let with = |header: &str, value: &str| {
        requests
            .iter()
            .find(|request| request.header(header) == Some(value))
            .unwrap_or_else(|| panic!("{value}"))
    };
    let page = with("authorization", "Bearer hunter2-token");
    assert_eq!(page.header("x-tenant"), Some("hunter2-tenant"));
    assert!(
        page.header("content-type")
            .is_some_and(|kind| kind.starts_with("application/openmetrics-text"))
    );
    // ann:hunter2-ann
    let stored = with("authorization", "Basic YW5uOmh1bnRlcjItYW5u");
    assert_eq!(stored.value("events_total"), Some(7));
    let shown = [format!("{pusher:?}"), format!("{:?}", pusher.status()), config.description()];
    for shown in shown {
        assert!(!shown.contains("hunter2") && !shown.contains("YW5uOm"), "{shown}");
    }
    let builder = format!("{:?}", config.pusher(&engine).unwrap());
    assert!(!builder.contains("hunter2") && !builder.contains("YW5uOm"), "{builder}");
}

#[test]
fn a_wrong_setting_is_told_with_its_line_and_what_was_expected() {
    let gateway = "type = \"pushgateway\"\nurl = \"http://h:1\"\njob = \"j\"";
    let wrong = [
        (
            gateway,
            "database = \"d\"",
            5,
            "pushgateway targets do not have it; it is for \"influx\"",
        ),
        (
            gateway,
            "address = \"h:1\"",
            5,
            "pushgateway targets do not have it; it is for \"graphite\", \"statsd\"",
        ),
        (gateway, "format = \"text\"", 5, "pushgateway targets do not have it; it is for \"http\""),
        (gateway, "interval = \"1ms\"", 5, "`targets.t.interval`: 1ms is below 10ms"),
        (gateway, "interval = 3", 5, "3 has no unit"),
        (gateway, "time_limit = \"0s\"", 5, "`targets.t.time_limit`"),
        (gateway, "retry_first = \"1h\"", 5, "nor longer than the longest"),
        (gateway, "spool_entries = 0", 5, "there must be room for one payload"),
        (gateway, "spool_bytes = \"much\"", 5, "expected usize"),
        (
            gateway,
            "headers = { \"X Y\" = \"z\" }",
            5,
            "`targets.t.headers`: \"X Y\": its name must be letters",
        ),
        (gateway, "headers = { Host = \"z\" }", 5, "the pusher sets this one itself"),
        (gateway, "user = \"ann\"", 5, "both `user` and `password`"),
        (
            gateway,
            "grouping = { \"a-b\" = \"x\" }",
            5,
            "`targets.t.grouping`: \"a-b\" is not a label's name",
        ),
        ("type = \"pushgateway\"", "url = \"http://h\"", 1, "has no `job`"),
        (
            "type = \"graphite\"",
            "job = \"j\"",
            3,
            "graphite targets do not have it; it is for \"pushgateway\"",
        ),
        ("type = \"graphite\"", "address = \"nowhere\"", 3, "`targets.t.address`: bad address"),
        ("type = \"http\"", "url = \"http://h\"", 1, "has no `format`"),
        (
            "type = \"http\"\nurl = \"http://h\"",
            "format = \"xml\"",
            4,
            "unknown variant `xml`, expected one of `text`",
        ),
        (
            "type = \"http\"\nformat = \"csv\"",
            "url = \"ftp://h\"",
            4,
            "`targets.t.url`: bad URL: its scheme is neither http nor https",
        ),
        (
            "",
            "type = \"carbon\"",
            3,
            "unknown variant `carbon`, expected one of `http`, `pushgateway`",
        ),
        ("", "url = \"http://h\"", 1, "has no `type`; expected one of \"http\""),
    ];
    let more = [
        (
            "type = \"influx\"\nurl = \"http://h\"",
            "bucket = \"b\"",
            4,
            "influx targets do not have it; it is for \"influx2\"",
        ),
        ("type = \"influx\"", "url = \"http://h\"", 1, "has no `database`"),
        ("type = \"influx2\"\nurl = \"http://h\"", "org = \"o\"", 1, "has no `bucket`"),
        (
            "type = \"otlp\"\nurl = \"http://h\"",
            "temporality = \"deltas\"",
            4,
            "expected `cumulative` or `delta`",
        ),
        (
            "type = \"otlp\"\nurl = \"http://h\"",
            "resource = { \"\" = \"x\" }",
            4,
            "`targets.t.resource`",
        ),
        (
            "type = \"statsd\"\naddress = \"h:1\"",
            "datagram_bytes = 9",
            4,
            "`targets.t.datagram_bytes`",
        ),
        (
            "type = \"statsd\"\naddress = \"h:1\"",
            "version = \"1.0\"",
            4,
            "it is for \"remote-write\"",
        ),
        (
            "type = \"graphite\"\naddress = \"h:1\"",
            "ca_file = \"/c\"",
            4,
            "graphite targets do not have it",
        ),
        (gateway, "ca_file = \"/c\"", 5, "`targets.t.ca_file`: only https:// URLs have TLS"),
        (gateway, "client_key = \"/c\"", 1, "both `client_certificate` and `client_key`"),
        (gateway, "gzip = \"yes\"", 5, "expected a boolean"),
    ];
    #[cfg(feature = "remote-write")]
    let version = "version = \"3.0\"";
    #[cfg(feature = "remote-write")]
    let remote = [
        (
            "type = \"remote-write\"\nurl = \"http://h/w\"",
            version,
            4,
            "unknown variant `3.0`, expected `1.0` or `2.0`",
        ),
        (
            "type = \"remote-write\"\nurl = \"http://h/w\"",
            "gzip = true",
            4,
            "remote-write targets do not have it",
        ),
    ];
    #[cfg(not(feature = "remote-write"))]
    let remote =
        [("type = \"remote-write\"", "url = \"http://h/w\"", 2, "the feature `remote-write`")];
    for (before, line, at, expected) in wrong.into_iter().chain(more).chain(remote) {
        let error = Config::parse(&format!("[targets.t]\n{before}\n{line}\n")).unwrap_err();
        assert!(error.reason.contains(expected), "{line}: {error}");
        assert_eq!(error.place.map(|place| place.0), Some(at), "{line}: {error}");
    }
    let many: String = (0..33).map(|n| format!("[targets.t{n}]\n{gateway}\n")).collect();
    let error = Config::parse(&many).unwrap_err().to_string();
    assert!(error.contains("`targets`: there are 33, the limit is 32"), "{error}");
    // Known only when it is looked up.
    let text = format!(
        "[targets.t]\n{gateway}\nbearer_token = {{ env = \"TACHOMETER_NO_SUCH_VARIABLE\" }}"
    );
    let config = Config::parse(&text).unwrap();
    let error = config.pusher(&engine(&config)).unwrap_err().to_string();
    assert!(
        error.contains("`targets.t.bearer_token`") && error.contains("TACHOMETER_NO_SUCH_VARIABLE"),
        "{error}"
    );
}

/// Each type builds the target that it says, by what arrives at a server that takes anything.
#[test]
fn every_type_over_http_sends_what_it_should_where_it_should() {
    let server = Fake::good("127.0.0.1:0");
    let url = server.url();
    let kinds = [
        (
            "otlp",
            "gzip = true\nresource = { \"service.name\" = \"s\" }",
            "/v1/metrics ",
            "application/x-protobuf",
        ),
        ("otlp-json", "temporality = \"delta\"", "/v1/metrics ", "application/json"),
        ("influx", "database = \"d b\"\ngzip = false", "/write?db=d%20b&", "text/plain"),
        (
            "influx2",
            "org = \"o\"\nbucket = \"b\"\ntoken = \"hunter2\"",
            "/api/v2/write?org=o&bucket=b&",
            "text/plain",
        ),
        ("pushgateway", "job = \"j\"", "/metrics/job/j ", "text/plain"),
        ("victoria-metrics", "", "/api/v1/import/prometheus?", "text/plain"),
        #[cfg(feature = "remote-write")]
        (
            "remote-write",
            "version = \"2.0\"\nend_series = false",
            " ",
            "application/x-protobuf;proto=io",
        ),
        #[cfg(feature = "json")]
        ("http", "format = \"json\"", " ", "application/json"),
        ("http", "format = \"csv\"", " ", "text/csv"),
        ("http", "format = \"protobuf\"", " ", "application/vnd.google.protobuf"),
    ];
    for (kind, more, path, content) in kinds {
        let text = format!(
            "[engine]\ninterval = \"20ms\"\n[targets.t]\ntype = \"{kind}\"\nurl = \"{url}\"\ninterval = \"20ms\"\n{more}"
        );
        let config = Config::parse(&text).unwrap();
        let engine = engine(&config);
        let before = server.requests().len();
        let pusher = push(&config, &engine);
        wait_until(kind, || server.requests().len() > before);
        let requests = server.requests();
        let request = &requests[before];
        let wanted = ["POST ", "PUT "].map(|method| format!("{method}/push{path}"));
        assert!(
            wanted.iter().any(|wanted| request.head.starts_with(wanted)),
            "{kind}: {}",
            request.head
        );
        let kind_of = request.header("content-type").unwrap_or_default();
        assert!(kind_of.starts_with(content), "{kind}: {kind_of}");
        if kind == "influx2" {
            assert_eq!(request.header("authorization"), Some("Token hunter2"));
        }
        let packed = ["influx2", "otlp"].contains(&kind);
        assert_eq!(request.header("content-encoding") == Some("gzip"), packed, "{kind}");
        assert!(!format!("{pusher:?}{config:?}{}", config.description()).contains("hunter2"));
        drop(pusher);
    }
}

#[test]
fn statsd_and_graphite_get_their_lines() {
    let statsd = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    statsd.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let carbon = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "[engine]\ninterval = \"20ms\"\nown_metrics = false\n\
         [targets.statsd]\ntype = \"statsd\"\naddress = \"{}\"\ninterval = \"20ms\"\nplain = true\ndatagram_bytes = 600\n\
         [targets.carbon]\ntype = \"graphite\"\naddress = \"{}\"\ninterval = \"20ms\"\n",
        statsd.local_addr().unwrap(),
        carbon.local_addr().unwrap()
    );
    let config = Config::parse(&text).unwrap();
    let engine = engine(&config);
    let _pusher = push(&config, &engine);
    let mut datagram = [0; 2048];
    let length = statsd.recv(&mut datagram).unwrap();
    let lines = String::from_utf8_lossy(&datagram[..length]).into_owned();
    assert!(lines.contains(":7|c") && !lines.contains('#'), "{lines}");
    let (mut stream, _) = carbon.accept().unwrap();
    let mut lines = String::new();
    std::io::Read::read_to_string(&mut stream, &mut lines).unwrap();
    assert!(lines.starts_with("events_total") && lines.contains(" 7 "), "{lines}");
}

#[test]
fn files_of_certificates_are_read_when_they_are_needed_and_told_by_key() {
    let text = "[targets.t]\ntype = \"victoria-metrics\"\nurl = \"https://h\"\nca_file = \"/no/such/ca.pem\"\n";
    let folder = tools::folder("config-ca");
    let file = folder.join("tachometer.toml");
    std::fs::write(&file, text).unwrap();
    if cfg!(feature = "tls") {
        let config = Config::load(&file).expect("the file may come later");
        let error = Config::check_file(&file).unwrap_err().to_string();
        assert!(
            error.contains("tachometer.toml, line 4, column 1: `targets.t.ca_file`"),
            "{error}"
        );
        assert!(error.contains("/no/such/ca.pem"), "{error}");
        let pusher = config.pusher(&engine(&config)).unwrap().expect("a target");
        assert!(pusher.start().unwrap_err().to_string().contains("/no/such/ca.pem"));
    } else {
        let error = Config::load(&file).unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("feature `tls`"), "{error}");
    }
}

#[test]
fn a_pushgateway_has_what_a_file_says() {
    if !servers::is_here("prometheus-pushgateway", "prometheus-pushgateway") {
        return;
    }
    let address = free_address();
    let listen = format!("--web.listen-address={address}");
    let _gateway = real::Real::start("prometheus-pushgateway", &[&listen], address, "/-/ready");
    let folder = tools::folder("config-gateway");
    let file = folder.join("tachometer.toml");
    let text = format!(
        "[engine]\ninterval = \"50ms\"\n[push]\nflush_within = \"30s\"\n\
         [targets.gateway]\ntype = \"pushgateway\"\nurl = \"http://{address}\"\njob = \"nightly\"\ninterval = \"50ms\"\n\
         spool_file = {:?}\ngrouping = {{ instance = \"n 1/a\" }}\n",
        folder.join("spool")
    );
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    let engine = engine(&config);
    let pusher = push(&config, &engine);
    wait_until("a push", || pusher.status()[0].sent > 0);
    assert!(pusher.stop().is_complete());
    let page = real::get(address, "/metrics");
    let series = "events_total{instance=\"n 1/a\",job=\"nightly\"} 7";
    assert!(page.contains(series), "{page}");
    assert!(folder.join("spool").exists());
    std::fs::remove_file(folder.join("spool")).unwrap();
    assert_eq!(config.targets["gateway"].interval.0, Duration::from_millis(50));
}
