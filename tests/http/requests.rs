//! What is asked, well or badly, and what is answered.

use crate::client::get;
use crate::stand::{SCRAPE, Stand};
use std::thread;
use std::time::{Duration, Instant};
use tachometer::limits;

#[test]
fn a_connection_serves_many_requests_and_closes_when_asked() {
    let stand = Stand::new();
    let mut client = stand.connect();
    for path in ["/", "/metrics", "/nothing", "/metrics?format=text"] {
        assert_eq!(client.get(path).header("Connection"), Some("keep-alive"));
    }
    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    assert_eq!(client.answer().header("Connection"), Some("close"));
    assert!(client.has_ended());

    // HTTP/1.0 the other way round.
    let mut old = stand.connect();
    old.send("GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(old.answer().header("Connection"), Some("keep-alive"));
    old.send("GET /metrics HTTP/1.0\r\n\r\n");
    assert_eq!(old.answer().header("Connection"), Some("close"));
    assert!(old.has_ended());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let stand = Stand::new();
    let mut client = stand.connect();
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let head = "HEAD /metrics HTTP/1.1\r\nHost: test\r\n\r\n".to_owned();
    client.send(
        [request("/metrics"), request("/no"), head, request("/"), request("/metrics")].concat(),
    );
    // Closing the sending half does not take back what was sent.
    client.hang_up_half();
    let first = client.answer();
    assert_eq!(first.status, 200);
    assert_eq!(client.answer().status, 404);
    assert_eq!(client.bare_answer().status, 200);
    assert!(client.answer().body.contains("href=\"/metrics\""));
    assert!(client.answer().generation() > first.generation());
    assert!(client.has_ended());
}

#[test]
fn head_is_get_without_the_body() {
    let stand = Stand::new();
    for path in ["/metrics", "/", "/nothing"] {
        let mut client = stand.connect();
        let whole = client.get(path);
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let bare = client.bare_answer();
        assert_eq!(
            (bare.status, bare.header("Content-Type")),
            (whole.status, whole.header("Content-Type"))
        );
        assert_eq!(bare.header("Content-Length"), Some(&*whole.body.len().to_string()));
        // Nothing follows the head but the next answer.
        assert_eq!(client.get(path).status, whole.status);
    }
}

#[test]
fn other_paths_and_methods_are_told_what_there_is() {
    let stand = Stand::new();
    let index = get(stand.address(), "/");
    assert_eq!((index.status, index.header("Content-Type")), (200, Some("text/html")));
    assert!(index.body.contains("/metrics"));

    let missing = get(stand.address(), "/metric");
    assert_eq!(missing.status, 404);
    assert!(missing.body.contains("/metrics"), "{}", missing.body);

    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let mut client = stand.connect();
        client.send(format!("{method} /metrics HTTP/1.1\r\nHost: test\r\n\r\n"));
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("Allow")), (405, Some("GET, HEAD")));
        assert_eq!(client.get("/metrics").status, 200, "the connection goes on");
    }
    // After a body, which is not read as a request, it does not.
    let mut client = stand.connect();
    let body = "GET /metrics HTTP/1.0\r\n\r\n";
    let len = body.len();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n{body}"));
    assert_eq!(client.answer().status, 405);
    assert!(client.has_ended());
}

#[test]
fn what_is_not_a_request_gets_400_and_the_end() {
    let stand = Stand::new();
    let not_requests: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost : a\r\n\r\n",
    ];
    for bytes in not_requests {
        let mut client = stand.connect();
        client.send(bytes);
        let answer = client.answer();
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!((answer.status, answer.header("Connection")), (400, Some("close")), "{shown}");
        assert!(client.has_ended(), "{shown}");
    }
}

#[test]
fn a_head_that_is_too_large_gets_431() {
    let stand = Stand::new();
    let bytes = "x".repeat(limits::MAX_HTTP_HEADER_BYTES);
    let many = "A: b\r\n".repeat(limits::MAX_HTTP_HEADERS + 1);
    let long = [
        format!("GET /{bytes} HTTP/1.1\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nCookie: {bytes}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"),
        // Much more than is read: the answer must survive what is still on its way.
        format!("GET /{}", bytes.repeat(100)),
    ];
    for request in long {
        let mut client = stand.connect();
        client.send(&request);
        assert_eq!(client.answer().status, 431);
        assert!(client.has_ended());
    }
    let most = "A: b\r\n".repeat(limits::MAX_HTTP_HEADERS - 1);
    let mut client = stand.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{most}\r\n"));
    assert_eq!(client.answer().status, 200);
}

#[test]
fn a_request_that_does_not_end_gets_408() {
    let stand = Stand::with(true);
    let mut slow = stand.connect();
    slow.send("GET /metrics HTTP/1.1\r\nHo");
    let mut silent = stand.connect();
    let began = Instant::now();
    let answer = slow.answer();
    assert!(began.elapsed() + Duration::from_millis(100) > limits::HTTP_HEADER_TIMEOUT);
    assert_eq!(answer.status, 408);
    assert!(slow.has_ended());
    assert!(silent.has_ended(), "who asks nothing is answered nothing");
    let page = stand.scrape();
    let requests = "tachometer_http_requests_total{code=\"408\",path=\"other\"}";
    assert_eq!(page.value(requests), Some("1"), "{}", page.body);
    assert_eq!(page.value("tachometer_http_connections_closed_total{limit=\"idle\"}"), Some("1"));
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let stand = Stand::new();
    let mut client = stand.connect();
    for byte in SCRAPE.as_bytes() {
        client.send([*byte]);
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.answer().status, 200);
}
