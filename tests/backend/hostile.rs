//! Servers that are down, slow, or answer something else: a clear error of the API, counted, and nothing else is held up.

use crate::Front;
use crate::client::{Client, get};
use crate::common::loopback::{free_address, wait_until};
use crate::fake::{Fake, say};
use serde_json::Value;
use std::io::Write as _;
use std::time::Duration;
use tachometer::Backend;
use tachometer::limits::{HTTP_BACKEND_THREADS, MAX_QUERY_BYTES};

const FINE: &str = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}"#;

fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

/// Status, kind and text of what the listener says to a query.
fn asked(front: &Front) -> (u16, String, String) {
    let (status, body) = front.get("/api/v1/query?query=1&time=1");
    let read: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
    let text = |name: &str| read[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("status"), if status == 200 { "success" } else { "error" });
    (status, text("errorType"), text("error"))
}

#[test]
fn whatever_else_is_answered_is_an_error_of_the_api() {
    let html = "<html><body>Bad gateway, says the proxy</body></html>";
    let error = |kind: &str| {
        format!(r#"{{"status":"error","errorType":"{kind}","error":"words of its own"}}"#)
    };
    let list = r#"{"status":"success","data":[]}"#;
    let long = format!(
        "{{\"status\":\"success\",\"data\":{{\"resultType\":\"vector\",\"result\":[{}1]}}}}",
        "1,".repeat(5_000)
    );
    // What it answers, and then: status, kind, a word, how it is counted.
    let cases = [
        (answer("200 OK", FINE), 200, "", "", "answered"),
        (answer("200 OK", html), 500, "internal", "Bad gateway, says", "malformed"),
        (answer("200 OK", ""), 500, "internal", "without a word", "malformed"),
        (answer("200 OK", list), 500, "internal", "API", "malformed"),
        (answer("200 OK", &error("bad_data")), 500, "internal", "API", "malformed"),
        (answer("200 OK", &FINE[..60]), 500, "internal", "API", "malformed"),
        (answer("500 Oops", "out of memory"), 500, "internal", "out of memory", "malformed"),
        (answer("500 Oops", &error("internal")), 500, "internal", "words of its own", "error"),
        (answer("422 No", &error("execution")), 422, "execution", "words of its own", "error"),
        (
            answer("429 No", &error("too_many_requests")),
            503,
            "too_many_requests",
            "words of its own",
            "error",
        ),
        (answer("418 No", &error("teapot")), 422, "teapot", "words of its own", "error"),
        (answer("429 No", "slower"), 503, "unavailable", "too often", "denied"),
        (answer("502 Bad", html), 503, "unavailable", "proxy", "denied"),
        (answer("404 No", html), 503, "unavailable", "URL", "denied"),
        (answer("401 No", &error("x")), 503, "unavailable", "credentials", "denied"),
        (
            answer("302 Go\r\nLocation: http://127.0.0.1:1/", ""),
            503,
            "unavailable",
            "elsewhere",
            "denied",
        ),
        (answer("200 OK", &long), 422, "execution", "10000 bytes", "too_large"),
        ("no HTTP at all\r\n\r\n".to_owned(), 500, "internal", "API", "malformed"),
        (
            answer("200 OK", FINE).replace(": 6", ": 9"),
            503,
            "unavailable",
            "127.0.0.1",
            "unreachable",
        ),
        (String::new(), 503, "unavailable", "127.0.0.1", "unreachable"),
    ];
    for (text, status, kind, word, outcome) in cases {
        let said = text.clone();
        let fake = Fake::answering("127.0.0.1:0", move |_, stream| say(stream, &said));
        let backend = Backend::builder(format!("http://{}", fake.address)).max_bytes(10_000);
        let front = Front::new(backend);
        let (own, own_kind, why) = asked(&front);
        assert_eq!((own, &*own_kind), (status, kind), "{text}: {why}");
        assert!(why.contains(word), "{text}: {why}");
        assert_eq!(front.counted(outcome), 1, "{text}: {outcome}");
    }
    let bytes = Fake::answering("127.0.0.1:0", |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe");
    });
    assert_eq!(asked(&Front::of(bytes.address)).1, "internal");
    let endless = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
    });
    let front = Front::of(endless.address);
    assert_eq!(asked(&front).1, "execution");
    assert_eq!(front.counted("too_large"), 1);
    let nobody = Front::of(free_address());
    let (status, kind, why) = asked(&nobody);
    assert_eq!((status, &*kind), (503, "unavailable"), "{why}");
    assert!(why.contains("cannot be reached") && why.contains("refused"), "{why}");
    assert_eq!(nobody.get("/metrics/aggregated").0, 503);
    assert_eq!(nobody.counted("unreachable"), 3, "the page asks for metadata, then for samples");
}

#[test]
fn a_slow_backend_costs_its_time_limit_and_holds_up_nobody() {
    // It takes the question, and says the beginning of an answer.
    let fake = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, &answer("200 OK", FINE)[..50]);
        let mut rest = Vec::new();
        // Until the other side gives up.
        let _ = std::io::Read::read_to_end(stream, &mut rest);
    });
    let limit = Duration::from_millis(1_500);
    let backend = || Backend::builder(format!("http://{}", fake.address)).time_limit(limit);
    let front = Front::new(backend());
    let mut clients: Vec<_> =
        (0..2 * HTTP_BACKEND_THREADS).map(|_| Client::connect(front.address())).collect();
    for client in &mut clients {
        client.send("GET /api/v1/query?query=1 HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    fake.wait_for(HTTP_BACKEND_THREADS);
    // Meanwhile scrapes and probes go on.
    for path in ["/metrics", "/health/live", "/stats"] {
        assert_eq!(get(front.address(), path).status, 200, "{path}");
    }
    assert!(get(front.address(), "/metrics").body.contains("events_total 7"));
    for client in &mut clients {
        let answer = client.answer();
        assert!(answer.status == 503 && answer.body.contains("\"timeout\""), "{answer:?}");
    }
    assert_eq!(front.counted("timeout"), 2 * HTTP_BACKEND_THREADS as u64);
    // A client can ask for less time, and the listener stops without waiting.
    let front = Front::new(backend().time_limit(Duration::from_secs(600)));
    let (status, body) = front.get("/api/v1/query?query=1&timeout=50ms");
    assert!(status == 503 && body.contains("50ms"), "{body}");
    let mut client = Client::connect(front.address());
    let before = fake.requests().len();
    client.send("GET /api/v1/query?query=1 HTTP/1.1\r\nHost: test\r\n\r\n");
    fake.wait_for(before + 1);
    front.listener.stop();
    assert!(client.has_ended());
}

#[test]
fn a_backend_is_asked_what_the_operator_and_the_api_say_and_nothing_else() {
    let fake = Fake::answering("127.0.0.1:0", |_, stream| say(stream, &answer("200 OK", FINE)));
    let backend = Backend::builder(format!("http://{}/prometheus", fake.address))
        .header("X-Scope-OrgID", "first")
        .header("x-scope-orgid", "orders")
        .bearer_token("secret")
        .parameter("extra_label", "tenant=a b");
    let front = Front::new(backend);
    let target = "/api/v1/query?query=1%2B1&time=5&extra_label=other&query=2&nocache=1&timeout=2s&lookback_delta=10s";
    assert_eq!(front.get(target).0, 200);
    let request = fake.requests().pop().unwrap();
    assert!(
        request.head.starts_with("POST /prometheus/api/v1/query HTTP/1.1\r\n"),
        "{}",
        request.head
    );
    assert_eq!(request.header("x-scope-orgid"), Some("orders"));
    assert_eq!(request.head.to_ascii_lowercase().matches("x-scope-orgid").count(), 1);
    assert_eq!(request.header("authorization"), Some("Bearer secret"));
    let mut form: Vec<_> = request.body.split('&').collect();
    form.sort_unstable();
    let space = form[0];
    assert!(
        ["extra_label=tenant%3Da+b", "extra_label=tenant%3Da%20b"].contains(&space),
        "{form:?}"
    );
    assert_eq!(form[1..], ["lookback_delta=10s", "query=1%2B1", "time=5", "timeout=2000ms"]);
    // What is refused here is not asked there.
    let long = "1".repeat(MAX_QUERY_BYTES + 1);
    let head = "Content-Type: application/x-www-form-urlencoded\r\n";
    let body = format!("query={long}");
    let (status, said) =
        crate::ask(front.address(), "POST", "/api/v1/query", head, body.as_bytes()).unwrap();
    assert!(status == 400 && said.contains("bytes in a query"), "{said}");
    for target in [
        "query?query=1&time=x",
        "query?query=1&timeout=x",
        "query_range?query=1&start=0&end=20000&step=1",
        "series",
        "labels?limit=x",
        "label/a%2Fb/values",
        "label/..%2F..%2Fx/values",
        "metadata?limit=x",
    ] {
        assert_eq!(front.get(&format!("/api/v1/{target}")).0, 400, "{target}");
    }
    assert_eq!(fake.requests().len(), 1);
}

#[test]
fn a_backend_that_comes_back_is_asked_again() {
    let address = free_address();
    let front = Front::of(address);
    assert_eq!(asked(&front).1, "unavailable");
    let fake =
        Fake::answering(&address.to_string(), |_, stream| say(stream, &answer("200 OK", FINE)));
    wait_until("an answer", || asked(&front).0 == 200);
    // A connection that ends without an answer is tried once more: the backend may have closed it while it was idle.
    let fake_two = Fake::answering("127.0.0.1:0", |number, stream| match number {
        0 => {}
        _ => say(stream, &answer("200 OK", FINE)),
    });
    assert_eq!(asked(&Front::of(fake_two.address)).0, 200);
    assert_eq!(fake_two.requests().len(), 2);
    drop(fake);
}
