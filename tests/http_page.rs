//! What the live page is made of, over HTTP: its files, what bundles declare, heat maps, and the stream of ticks. The page itself is
//! looked at in a real browser: `tacho/tests/browser`.
#![cfg(feature = "page")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
#[path = "common/loopback.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod loopback;

use client::{Answer, Client, get};
use loopback::wait_until;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tachometer::catalogue::raft::RaftMetrics;
use tachometer::limits::{MAX_HEATMAP_COLUMNS, MAX_HTTP_LIVE_QUERIES, MAX_HTTP_LIVE_STREAMS};
use tachometer::query::Settings;
use tachometer::rules::{RuleFile, RuleManager};
use tachometer::serve::Responder;
use tachometer::{
    Engine, Gauge, Histogram, History, Listener, ListenerBuilder, ManualClock, Registry, Unit,
};

const START: u64 = 1_700_000_000;
const RULES: &str = "groups: [{name: g, rules: [{alert: High, expr: level > 5}]}]";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// An engine that the test drives, with a history, and rules over a gauge.
struct Stand {
    clock: ManualClock,
    engine: Engine,
    level: Gauge,
    wait: Histogram,
    manager: RuleManager,
}

impl Stand {
    fn new() -> Stand {
        let registry = Registry::new();
        let level = registry.gauge("level", "A level.").unwrap();
        let wait =
            registry.metric("wait_seconds", "A wait.").unit(Unit::Nanoseconds).histogram().unwrap();
        RaftMetrics::register(&registry).unwrap();
        let clock = ManualClock::at(Duration::from_secs(START));
        let builder = Engine::builder().registry(&registry).manual(&clock).own_metrics(true);
        let engine = builder.start().unwrap();
        let history = History::builder().start(&engine).unwrap();
        let file = RuleFile::parse("rules.yml", RULES).unwrap();
        let manager = RuleManager::builder().file(file).start(&engine, &history).unwrap();
        Stand { clock, engine, level, wait, manager }
    }

    fn builder(&self) -> ListenerBuilder {
        let settings =
            Settings { clock: std::sync::Arc::new(self.clock.clone()), ..Settings::default() };
        Listener::builder().query(self.manager.source(), settings).rules(&self.manager)
    }

    fn listener(&self) -> Listener {
        self.builder().bind(&self.engine, "127.0.0.1:0").unwrap()
    }

    /// A second passes, and there is a generation.
    fn step(&self, level: f64) {
        self.level.set(level);
        self.clock.advance(Duration::from_secs(1));
        self.engine.refresh();
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"))
}

/// The `data` of a call.
fn data(address: SocketAddr, path: &str) -> Value {
    let answer = get(address, path);
    assert_eq!(answer.status, 200, "{answer:?}");
    json(&answer)["data"].take()
}

/// A viewer: a stream that was asked for with a form.
struct Viewer(BufReader<TcpStream>);

impl Viewer {
    fn open(address: SocketAddr, form: &str) -> Result<Viewer, u16> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(loopback::PATIENCE)).unwrap();
        let len = form.len();
        write!(
            stream,
            "POST /api/v1/live HTTP/1.1\r\nHost: a\r\n{FORM}Content-Length: {len}\r\n\r\n{form}"
        )
        .unwrap();
        let mut viewer = Viewer(BufReader::new(stream));
        let head = viewer.line();
        let status = head[9..12].parse().unwrap();
        let mut is_stream = false;
        loop {
            match viewer.line().as_str() {
                "" => break,
                line => is_stream |= line == "Content-Type: text/event-stream",
            }
        }
        if is_stream { Ok(viewer) } else { Err(status) }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended");
        line.trim_end().to_owned()
    }

    /// The next tick.
    fn tick(&mut self) -> Value {
        loop {
            if let Some(text) = self.line().strip_prefix("data: ") {
                let mut tick: Value = serde_json::from_str(text).unwrap();
                assert_eq!(tick["status"], "success", "{tick}");
                return tick["data"].take();
            }
        }
    }

    /// The first tick of which something holds.
    fn until(&mut self, holds: impl Fn(&Value) -> bool) -> Value {
        loop {
            let tick = self.tick();
            if holds(&tick) {
                return tick;
            }
        }
    }
}

#[test]
fn the_page_is_at_the_root_where_something_can_be_asked_for() {
    let stand = Stand::new();
    let listener = stand.listener();
    let mut client = Client::connect(listener.local_addr());
    let page = client.get("/");
    assert!(
        page.body.starts_with("<!DOCTYPE html>") && page.body.contains("./page/app.js"),
        "{page:?}"
    );
    let policy = page.header("Content-Security-Policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(page.header("Cache-Control"), Some("no-cache"));
    let script = client.get("/page/app.js");
    assert_eq!(
        (script.status, script.header("Content-Type")),
        (200, Some("text/javascript; charset=utf-8"))
    );
    // The browser has it: nothing is sent, and the connection goes on.
    let tag = script.header("ETag").unwrap();
    client.send(format!("GET /page/app.js HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tag}\r\n\r\n"));
    let same = client.bare_answer();
    assert_eq!(
        (same.status, same.header("Content-Length"), same.header("ETag")),
        (304, None, Some(tag))
    );
    client.send("GET /page/uplot.js HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n");
    let (packed, bytes) = client.answer_bytes();
    assert_eq!((packed.header("Content-Encoding"), &bytes[..2]), (Some("gzip"), &[0x1f, 0x8b][..]));
    client.send("HEAD /page/page.css HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.bare_answer().status, 200);
    assert_eq!((client.get("/page/none.js").status, client.get("/page/").status), (404, 404));
    let lost = client.get("/nothing");
    assert!(lost.status == 404 && lost.body.contains("/ (a page for people)"), "{lost:?}");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 405);

    let without = stand.builder().page(false).bind(&stand.engine, "127.0.0.1:0").unwrap();
    let plain = Listener::bind(&stand.engine, "127.0.0.1:0").unwrap();
    for listener in [without, plain] {
        let index = get(listener.local_addr(), "/");
        assert!(
            index.status == 200 && index.body.contains("the metrics of this process"),
            "{index:?}"
        );
        for path in ["/page/app.js", "/api/v1/bundles", "/api/v1/live", "/api/v1/heatmap?query=x"] {
            assert_eq!(get(listener.local_addr(), path).status, 404, "{path}");
        }
    }
}

#[test]
fn prefix_and_credentials_hold_for_the_page() {
    let stand = Stand::new();
    let builder = stand.builder().prefix("/deep/internal").basic_auth("anna", "secret");
    let listener = builder.bind(&stand.engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    for path in ["", "/", "/page/app.js", "/api/v1/bundles", "/api/v1/live"] {
        let answer = get(address, &format!("/deep/internal{path}"));
        let challenge = answer.header("WWW-Authenticate");
        assert!(
            answer.status == 401 && challenge.is_some_and(|one| one.starts_with("Basic")),
            "{path}: {answer:?}"
        );
    }
    let known = |path: &str| {
        let mut client = Client::connect(address);
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YW5uYTpzZWNyZXQ=\r\n\r\n"
        ));
        client.answer()
    };
    // Where the address has no slash at its end, the way to the files begins one directory above.
    assert!(known("/deep/internal").body.contains("src=\"internal/page/app.js\""));
    assert!(known("/deep/internal/").body.contains("src=\"./page/app.js\""));
    assert_eq!(known("/deep/internal/page/app.js").status, 200);
    assert_eq!((known("/page/app.js").status, known("/").status), (404, 404));
}

#[test]
fn bundles_are_those_of_the_registry_and_of_the_host() {
    let stand = Stand::new();
    let bundles = [RaftMetrics::declaration(), RaftMetrics::declaration_as("other_")];
    let listener = stand.builder().bundles(bundles).bind(&stand.engine, "127.0.0.1:0").unwrap();
    let all = data(listener.local_addr(), "/api/v1/bundles");
    let prefixes: Vec<&Value> =
        all.as_array().unwrap().iter().map(|bundle| &bundle["prefix"]).collect();
    assert_eq!(prefixes, ["raft_", "other_"]);
    let sections = all[0]["sections"].as_array().unwrap();
    let panels: Vec<&Value> =
        sections.iter().flat_map(|section| section["panels"].as_array().unwrap()).collect();
    let declared = RaftMetrics::declaration();
    assert_eq!(panels.len(), declared.series().len());
    let role = panels.iter().find(|panel| panel["metric"] == "raft_node_state").unwrap();
    assert_eq!((&role["kind"], &role["headline"]), (&json!("timeline"), &json!(true)));
    assert_eq!(role["states"][1], json!([1.0, "leader"]));
}

#[test]
fn a_heat_map_has_the_values_of_each_step() {
    let stand = Stand::new();
    stand.step(0.0);
    for values in [[1_000, 1_000, 4_000], [1_000_000, 1_000_000, 1_000_000]] {
        values.into_iter().for_each(|value| stand.wait.record(value));
        stand.step(0.0);
    }
    let listener = stand.listener();
    let address = listener.local_addr();
    let (start, end) = (START + 2, START + 3);
    let span = format!("start={start}&end={end}&step=1");
    let found = data(
        address,
        &format!("/api/v1/heatmap?query=increase(wait_seconds[1s])&quantile=0.5&quantile=1&{span}"),
    );
    assert_eq!((&found["resolution"], found["columns"].as_array().unwrap().len()), (&json!(4), 2));
    let column = &found["columns"][0];
    assert_eq!(
        (&column["time"], &column["count"], &column["zero"]),
        (&json!(start), &json!(3), &json!(0))
    );
    let first = (1e-6_f64.log2() * 4.0).floor();
    assert_eq!(column["first"], json!(first as i64));
    let counts: Vec<f64> =
        column["counts"].as_array().unwrap().iter().map(|count| count.as_f64().unwrap()).collect();
    assert_eq!((counts[0], counts.iter().sum::<f64>(), counts.len()), (2.0, 3.0, 9));
    let quantile = |index: usize| column["quantiles"][index].as_f64().unwrap();
    assert!(
        (0.99e-6..1.02e-6).contains(&quantile(0)) && (3.9e-6..4.1e-6).contains(&quantile(1)),
        "{column}"
    );

    let refused = |query: &str| {
        let answer = get(address, &format!("/api/v1/heatmap?{query}"));
        let error = json(&answer)["error"].as_str().unwrap().to_owned();
        (answer.status, error)
    };
    let (status, why) = refused(&format!("query=level&{span}"));
    assert!(status == 400 && why.contains("histograms"), "{why}");
    let end = START + MAX_HEATMAP_COLUMNS as u64;
    let (status, why) = refused(&format!("query=wait_seconds&start={START}&end={end}&step=1"));
    assert!(status == 400 && why.contains("columns at most"), "{why}");
    let (status, why) = refused(&format!("query=wait_seconds&quantile=2&{span}"));
    assert!(status == 400 && why.contains("from 0 to 1"), "{why}");
    assert_eq!(refused(&format!("query=wait_seconds[&{span}")).0, 400);
}

#[test]
fn each_generation_is_a_tick_with_everything_new() {
    let stand = Stand::new();
    stand.step(1.0);
    let listener = stand.listener();
    let form =
        "query=level&query=level%20%2B&query=1%2B1&heatmap=increase(wait_seconds[2s])&quantile=0.5";
    let mut viewer = Viewer::open(listener.local_addr(), form).unwrap();
    let first = viewer.tick();
    assert_eq!((&first["time"], &first["interval"]), (&json!(START + 1), &json!(1)));
    assert_eq!(first["health"]["status"], "healthy");
    assert_eq!(first["alerts"], json!([]));
    let value = |tick: &Value| tick["values"][0]["result"][0]["value"][1].clone();
    assert_eq!(value(&first), "1");
    assert!(
        first["values"][1]["error"].as_str().is_some_and(|error| error.contains("invalid query")),
        "{first}"
    );
    assert_eq!(first["values"][2]["result"][1], "2");

    stand.wait.record(1_000_000);
    stand.step(9.0);
    let fired = viewer.until(|tick| tick["time"] == json!(START + 2));
    assert_eq!(value(&fired), "9");
    assert_eq!(
        (&fired["alerts"][0]["labels"]["alertname"], &fired["alerts"][0]["state"]),
        (&json!("High"), &json!("firing"))
    );
    assert_eq!(fired["run"], first["run"]);
    assert!(fired["generation"].as_u64() > first["generation"].as_u64());
    stand.step(2.0);
    let resolved = viewer.until(|tick| tick["time"] == json!(START + 3));
    assert_eq!((value(&resolved), &resolved["alerts"]), (json!("2"), &json!([])));
    assert_eq!(
        resolved["heatmaps"][0]["columns"][0]["counts"].as_array().map(Vec::len),
        Some(1),
        "{resolved}"
    );

    // An engine that was stopped has no generations any more: the stream goes on, and says so.
    stand.engine.stop();
    let ended = viewer.until(|tick| tick["health"]["status"] == "failing");
    assert_eq!(ended["health"]["state"], "stopped", "{ended}");
}

#[test]
fn there_are_so_many_viewers_and_a_place_becomes_free() {
    let stand = Stand::new();
    stand.step(1.0);
    let listener = stand.listener();
    let address = listener.local_addr();
    let open = || Viewer::open(address, "query=level");
    let mut viewers: Vec<Viewer> = (0..MAX_HTTP_LIVE_STREAMS).map(|_| open().unwrap()).collect();
    viewers.iter_mut().for_each(|viewer| drop(viewer.tick()));
    assert_eq!(open().err(), Some(503));
    // Others are served all the same.
    assert_eq!(get(address, "/api/v1/query?query=level").status, 200);
    drop(viewers.pop());
    wait_until("a place", || {
        // Who has gone shows at the next tick.
        stand.step(1.0);
        open().is_ok()
    });
    let metrics = get(address, "/metrics");
    let is_told = |line: &str| {
        let is_of = |label: &str| line.contains(label);
        line.starts_with("tachometer_http_requests_total{")
            && is_of("path=\"/api/v1\"")
            && is_of("code=\"503\"")
            && !line.ends_with(" 0")
    };
    assert!(metrics.body.lines().any(is_told), "{metrics:?}");

    let many = "query=1&".repeat(MAX_HTTP_LIVE_QUERIES + 1);
    assert_eq!(Viewer::open(address, &many).err(), Some(400));
}

#[test]
fn a_stream_ends_with_the_listener_and_holds_nobody_up() {
    let stand = Stand::new();
    stand.step(1.0);
    let listener = stand.listener();
    let mut viewer = Viewer::open(listener.local_addr(), "query=level").unwrap();
    // One that never reads, beside one that does.
    let idle = Viewer::open(listener.local_addr(), &"query=rate(level[1m])&".repeat(100)).unwrap();
    viewer.tick();
    for time in 2..5 {
        stand.step(time as f64);
        viewer.until(|tick| tick["time"] == json!(START + time));
    }
    drop(idle);
    listener.stop();
    let mut rest = Vec::new();
    assert!(std::io::Read::read_to_end(&mut viewer.0, &mut rest).is_ok());
}

#[test]
fn a_host_without_streams_gets_one_tick_at_a_time() {
    let stand = Stand::new();
    stand.step(3.0);
    let responder: Responder = stand.builder().responder(&stand.engine).unwrap();
    let headers = [("Content-Type", &b"application/x-www-form-urlencoded"[..])];
    let tick = responder.respond_with("POST", "/api/v1/live", headers, b"query=level".to_vec());
    assert_eq!(tick.status(), 200);
    let tick: Value = serde_json::from_slice(tick.body()).unwrap();
    assert_eq!(tick["data"]["values"][0]["result"][0]["value"][1], "3");
    let script = responder.respond("GET", "/page/app.js", []);
    assert!(script.status() == 200 && script.body().starts_with(b"//"));
}

#[cfg(feature = "axum")]
#[test]
fn a_router_has_the_page_too() {
    let stand = Stand::new();
    stand.step(3.0);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build().unwrap();
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    let router = stand.builder().prefix("/internal").router(&stand.engine).unwrap();
    runtime.spawn(async move { axum::serve(socket, router).await });
    assert!(get(address, "/internal").body.contains("src=\"internal/page/app.js\""));
    assert!(get(address, "/internal/").body.contains("src=\"./page/app.js\""));
    assert_eq!(get(address, "/internal/page/page.css").status, 200);
    assert_eq!(get(address, "/internal/page/none.css").status, 404);
    assert_eq!(
        data(address, "/internal/api/v1/live?query=level")["values"][0]["result"][0]["value"][1],
        "3"
    );
}
