//! The query API at its limits: slow queries, too many of them, forms that are too long or come in pieces, answers too large.
#![cfg(all(feature = "http", feature = "promql"))]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
mod common;
#[path = "promql/memory.rs"]
mod memory;

use client::{Answer, Client, get};
use common::loopback::{wait_for, wait_until};
use memory::Memory;
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tachometer::limits::{
    HTTP_QUERY_THREADS, MAX_HTTP_ANSWER_BYTES, MAX_HTTP_FORM_BYTES, MAX_HTTP_PARAMETERS,
    MAX_HTTP_QUERIES, MAX_QUERY_STEPS,
};
use tachometer::query::{Matcher, QueryError, Series, Settings, Source};
use tachometer::serve::Responder;
use tachometer::{Engine, Listener, ListenerBuilder, ManualClock, Registry};

const END: i64 = 1_700_000_600;

fn memory() -> Memory {
    let samples: Vec<_> = (0..=600).map(|i| ((END - 600 + i) * 1_000, i as f64)).collect();
    Memory::default().with(&[("__name__", "a"), ("x", "1")], &samples)
}

fn engine() -> (Registry, Engine) {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap().add(7);
    let clock = ManualClock::at(Duration::from_secs(END as u64));
    let engine = Engine::builder().registry(&registry).manual(&clock).own_metrics(true);
    let engine = engine.start().unwrap();
    (registry, engine)
}

fn serve(source: impl Source + 'static, settings: Settings) -> (Engine, Listener, SocketAddr) {
    let (_registry, engine) = engine();
    let builder = Listener::builder().query(Arc::new(source), settings);
    let listener = builder.bind(&engine, "127.0.0.1:0").unwrap();
    let address = listener.local_addr();
    (engine, listener, address)
}

fn kind(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    (answer.status, body["errorType"].as_str().unwrap_or_default().to_owned())
}

fn post(head: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /api/v1/query HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n{head}\r\n{body}"
    )
}

/// A source that answers nothing until it is opened.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar, AtomicUsize)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    fn waiting(&self) -> usize {
        self.0.2.load(Ordering::SeqCst)
    }
}

impl Source for Gate {
    fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        self.0.2.fetch_add(1, Ordering::SeqCst);
        let open = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(open, |open| !*open).unwrap());
        self.0.2.fetch_sub(1, Ordering::SeqCst);
        Ok(Vec::new())
    }
}

#[test]
fn slow_queries_stop_no_scrape_and_too_many_are_refused() {
    let gate = Gate::default();
    let (_engine, listener, address) = serve(gate.clone(), Settings::default());
    let ask = |client: &mut Client| {
        client.send("GET /api/v1/query?query=a HTTP/1.1\r\nHost: test\r\n\r\n");
    };
    let mut clients: Vec<_> = (0..MAX_HTTP_QUERIES).map(|_| Client::connect(address)).collect();
    clients.iter_mut().for_each(ask);
    wait_until("all threads at work", || gate.waiting() == HTTP_QUERY_THREADS);
    // One more than there may be, once all others have been read.
    let mut late = Vec::new();
    let refused = wait_for("a refusal", || {
        let mut client = Client::connect(address);
        ask(&mut client);
        client.send("GET /health/live HTTP/1.1\r\nHost: test\r\n\r\n");
        late.push(client);
        let scrape = get(address, "/metrics");
        assert!(scrape.status == 200 && scrape.body.contains("events_total 7"), "{scrape:?}");
        let refused = "tachometer_http_requests_total{code=\"503\",path=\"/api/v1\"}";
        let other = "tachometer_http_requests_total{path=\"/api/v1\",code=\"503\"}";
        let scrape = get(address, "/metrics");
        scrape.value(refused).or(scrape.value(other)).map(str::to_owned)
    });
    assert_ne!(refused, "0");
    gate.open();
    let answered = clients.iter_mut().map(|client| client.answer());
    assert!(answered.map(|answer| answer.status).all(|status| status == 200));
    let mut last = late.pop().unwrap();
    let answer = last.answer();
    assert_eq!(kind(&answer), (503, "unavailable".to_owned()), "{answer:?}");
    assert_eq!(answer.header("Retry-After"), Some("1"));
    assert_eq!(last.answer().status, 200, "the connection goes on");
    assert_eq!(get(address, "/api/v1/query?query=1").status, 200);
    listener.stop();
}

#[test]
fn a_listener_stops_while_a_query_hangs() {
    let gate = Gate::default();
    let (_engine, listener, address) = serve(gate.clone(), Settings::default());
    let mut client = Client::connect(address);
    client.send("GET /api/v1/series?match[]=a HTTP/1.1\r\nHost: test\r\n\r\n");
    wait_until("the query", || gate.waiting() == 1);
    listener.stop();
    assert!(client.has_ended());
    gate.open();
    wait_until("the threads' end", || Arc::strong_count(&gate.0) == 1);
}

#[test]
fn time_samples_and_points_are_bounded() {
    let settings = Settings { max_samples: 100, max_points: 50, ..Settings::default() };
    let (_engine, _listener, address) = serve(memory(), settings);
    let ask = |target: &str| kind(&get(address, target));
    assert_eq!(ask("/api/v1/query?query=a&time=1700000600"), (422, "execution".to_owned()));
    assert_eq!(
        ask("/metrics/aggregated?window=10m&time=1700000600"),
        (422, "execution".to_owned())
    );
    assert_eq!(ask("/api/v1/query?query=a&time=1700000600&lookback_delta=10s").0, 200);
    assert_eq!(ask("/api/v1/query?query=a&lookback_delta=x"), (400, "bad_data".to_owned()));
    let range = |points: u64| {
        format!("/api/v1/query_range?query=vector(1)&start=0&end={}&step=1", points - 1)
    };
    assert_eq!(ask(&range(51)), (422, "execution".to_owned()));
    assert_eq!(ask(&range(50)).0, 200);
    assert_eq!(ask("/api/v1/query?query=a&timeout=0"), (503, "timeout".to_owned()));
    assert_eq!(ask("/api/v1/query?query=a&timeout=-1"), (503, "timeout".to_owned()));
    let (_engine, _listener, address) = serve(memory(), Settings::default());
    assert_eq!(kind(&get(address, &range(MAX_QUERY_STEPS))).0, 200);
    let beyond = kind(&get(address, &range(MAX_QUERY_STEPS + 1)));
    assert_eq!(beyond, (400, "bad_data".to_owned()));
    let many = "x=1&".repeat(MAX_HTTP_PARAMETERS) + "query=1";
    assert_eq!(kind(&get(address, &format!("/api/v1/query?{many}"))), (400, "bad_data".to_owned()));
}

#[test]
fn answers_are_bounded() {
    let mut memory = Memory::default();
    for x in 0..100 {
        memory = memory.with(&[("__name__", "a"), ("x", &x.to_string())], &[(0, 0.123456789)]);
    }
    let settings = Settings { lookback: Duration::from_secs(20_000), ..Settings::default() };
    let (_engine, _listener, address) = serve(memory, settings);
    let range = "start=0&end=10999&step=1";
    let answer = get(address, &format!("/api/v1/query_range?query=a&{range}"));
    assert_eq!(kind(&answer), (422, "execution".to_owned()), "{answer:?}");
    assert!(answer.body.contains(&MAX_HTTP_ANSWER_BYTES.to_string()), "{answer:?}");
    let answer = get(address, &format!("/api/v1/query_range?query=topk(20,a)&{range}"));
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > 20 * 10_999 * 16, "{} bytes", answer.body.len());
}

#[test]
fn forms_come_in_pieces_and_one_after_the_other() {
    let (_engine, _listener, address) = serve(memory(), Settings::default());
    let value = |answer: &Answer| {
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        body["data"]["result"][1].as_str().map(str::to_owned)
    };
    let mut client = Client::connect(address);
    let pair = post("", "query=1%2B1")
        + &post("", "query=3&time=4")
        + "GET /health HTTP/1.1\r\nHost: t\r\n\r\n";
    client.send(&pair);
    assert_eq!(value(&client.answer()).as_deref(), Some("2"));
    assert_eq!(value(&client.answer()).as_deref(), Some("3"));
    assert_eq!(client.answer().status, 200);
    for piece in post("", "query=1%2B4").as_bytes().chunks(7) {
        client.send(piece);
        // A segment each; whether the listener sees them so does not matter to the answer.
        std::thread::yield_now();
    }
    assert_eq!(value(&client.answer()).as_deref(), Some("5"));
    // Longer than the buffer for heads.
    let long = format!("query=7&x={}", "y".repeat(MAX_HTTP_FORM_BYTES - 10));
    client.send(post("", &long));
    assert_eq!(value(&client.answer()).as_deref(), Some("7"));
    client.send(post("", &(long + "y")));
    assert_eq!(client.answer().status, 413);
    assert!(client.has_ended());
    for (request, wanted) in [
        (post("Transfer-Encoding: chunked\r\n", ""), 411),
        (post("Content-Length: 3\r\n", "query=1"), 400),
        (post("", "query=1").replace("-urlencoded", "-other"), 400),
        (post("", "query=1").replace("/query ", "/metadata "), 405),
        (post("", "query=1").replace("POST", "PUT"), 405),
        (post("", "query=1").replace("/api", "/other"), 404),
    ] {
        let mut client = Client::connect(address);
        client.send(&request);
        assert_eq!(client.answer().status, wanted, "{request}");
    }
    let mut client = Client::connect(address);
    client.send(post("", "query=1").replace("Content-Length: 7", "Content-Length: 8"));
    client.hang_up_half();
    assert_eq!(client.answer().status, 400);
}

#[test]
fn queries_are_for_those_who_may_scrape() {
    let (_registry, engine) = engine();
    let builder = || ListenerBuilder::default().bearer_token("secret").prefix("/in");
    let closed = builder().query(Arc::new(memory()), Settings::default());
    let listener = closed.bind(&engine, "127.0.0.1:0").unwrap();
    for path in ["/api/v1/query?query=1", "/api/v1/labels", "/metrics/aggregated"] {
        let mut client = Client::connect(listener.local_addr());
        assert_eq!(client.get(&format!("/in{path}")).status, 401);
        let head = "Host: test\r\nAuthorization: Bearer secret\r\n";
        client.send(format!("GET /in{path} HTTP/1.1\r\n{head}\r\n"));
        assert_eq!(client.answer().status, 200, "{path}");
    }
    let mut client = Client::connect(listener.local_addr());
    client.send(post("", "query=1").replace("/api", "/in/api"));
    assert_eq!(client.answer().status, 401);
    // Without a source there is nothing to ask.
    let open = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    assert_eq!(get(open.local_addr(), "/api/v1/query?query=1").status, 404);
}

#[test]
fn a_limit_cuts_lists_and_says_so() {
    let memory = memory().with(&[("__name__", "b"), ("y", "2")], &[(END * 1_000, 1.0)]);
    let (_engine, _listener, address) = serve(memory, Settings::default());
    let all = "match[]=%7B__name__!=%22%22%7D";
    for path in ["series", "labels", "label/__name__/values"] {
        let ask = |limit: &str| -> Value {
            let answer = get(address, &format!("/api/v1/{path}?{all}&limit={limit}"));
            serde_json::from_str(&answer.body).unwrap()
        };
        let cut = ask("1");
        assert_eq!(cut["data"].as_array().unwrap().len(), 1, "{cut}");
        assert_eq!(cut["warnings"][0], "results truncated due to limit");
        let whole = ask("0");
        assert!(whole["data"].as_array().unwrap().len() >= 2 && whole.get("warnings").is_none());
        assert_eq!(ask("-1")["errorType"], "bad_data");
    }
}

#[test]
fn a_hosts_own_server_answers_the_same() {
    let (_registry, engine) = engine();
    let builder = ListenerBuilder::default().query(Arc::new(memory()), Settings::default());
    let listener = builder.clone().bind(&engine, "127.0.0.1:0").unwrap();
    let responder: Responder = builder.responder(&engine).unwrap();
    for target in [
        "/api/v1/query?query=a&time=1700000600",
        "/api/v1/query",
        "/api/v1/labels",
        "/metrics/aggregated?time=1700000600",
    ] {
        let own = responder.respond("GET", target, []);
        let served = get(listener.local_addr(), target);
        assert_eq!((own.status(), own.body()), (served.status, served.body.as_bytes()));
    }
    let headers = [("Content-Type", &b"application/x-www-form-urlencoded; charset=utf-8"[..])];
    let posted = |body: Vec<u8>| responder.respond_with("POST", "/api/v1/query", headers, body);
    assert!(posted(b"query=2%2B2&time=1".to_vec()).body().ends_with(b"[1,\"4\"]}}"));
    assert_eq!(posted(vec![b'a'; MAX_HTTP_FORM_BYTES + 1]).status(), 413);
}

/// As an axum router, below a prefix.
#[cfg(feature = "axum")]
#[test]
fn a_router_answers_queries_and_reads_forms() {
    let (_registry, engine) = engine();
    let builder = ListenerBuilder::default().prefix("/in");
    let router = builder.query(Arc::new(memory()), Settings::default()).router(&engine).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_io().build();
    let runtime = runtime.unwrap();
    let socket = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = socket.local_addr().unwrap();
    runtime.spawn(async move { axum::serve(socket, router).await });
    let form = |body: &str| {
        let mut client = Client::connect(address);
        client.send(post("", body).replace("/api", "/in/api"));
        client.answer()
    };
    let answer = form("query=2*3&time=1");
    assert!(answer.status == 200 && answer.body.ends_with("[1,\"6\"]}}"), "{answer:?}");
    assert_eq!(form(&"y".repeat(MAX_HTTP_FORM_BYTES + 1)).status, 413);
    assert_eq!(kind(&get(address, "/in/api/v1/query")), (400, "bad_data".to_owned()));
    let values = get(address, "/in/api/v1/label/x/values");
    assert!(values.body.contains("[\"1\"]"), "{values:?}");
    assert_eq!(get(address, "/in/metrics/aggregated").status, 200);
    assert_eq!(get(address, "/in/api/v1/none").status, 404);
}
