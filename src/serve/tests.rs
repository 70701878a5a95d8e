//! Parsing, and the deadlines and limits of a connection, without sockets and without waiting.

use super::coding::Coding;
use super::connection::{Connection, Progress, Stream};
use super::own::{Code, OwnMetrics, Path};
use super::page::{Key, Page, Pages};
use super::query::Query;
use super::request::{Asks, Parsed, Probe, Request, Rules, parse};
use super::response::date;
use super::settings::Limits;
use super::site::Site;
use crate::limits::{
    HTTP_HEADER_TIMEOUT, HTTP_IDLE_TIMEOUT, HTTP_LINGER, HTTP_WRITE_TIMEOUT, MAX_HTTP_HEADER_BYTES,
    MAX_HTTP_REQUESTS,
};
use crate::{Engine, ManualClock, Registry};
use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// A client in memory: what it sends, what it has got, and how much more of it it will take.
#[derive(Debug, Default)]
struct Client {
    sends: Vec<u8>,
    hangs_up: bool,
    got: Vec<u8>,
    takes: usize,
    told_the_end: Cell<bool>,
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.sends.is_empty() && !self.hangs_up {
            return Err(ErrorKind::WouldBlock.into());
        }
        let len = buffer.len().min(self.sends.len());
        buffer[..len].copy_from_slice(&self.sends[..len]);
        self.sends.drain(..len);
        Ok(len)
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.takes);
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.got.extend_from_slice(&bytes[..len]);
        self.takes -= len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Client {
    fn end(&mut self) {
        self.told_the_end.set(true);
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const SECOND: Duration = Duration::from_secs(1);

fn connect(sends: &[u8], takes: usize, now: Instant) -> Connection<Client> {
    let client = Client { sends: sends.to_vec(), takes, ..Client::default() };
    Connection::new(client, Limits::default(), now)
}

fn read(bytes: &[u8]) -> Parsed {
    parse(bytes, &Rules::default())
}

/// A site whose engine has ended.
fn site() -> Site {
    Site::new(std::sync::Weak::new(), Rules::default(), OwnMetrics::default())
}

fn page() -> Page {
    Page {
        id: 1,
        bytes: Vec::from("up 1\n").into(),
        content_type: "text/plain".into(),
        coding: Coding::Identity,
        generation: 7,
        complete: true,
        cut_at: Instant::now(),
    }
}

/// Steps and answers until the connection waits or ends.
fn run(connection: &mut Connection<Client>, now: Instant) -> Progress {
    let site = site();
    loop {
        match connection.step(now, &site) {
            Progress::Asked => match connection.answer(Some(page()), now, &site) {
                Progress::Again => {}
                progress => return progress,
            },
            Progress::Again => {}
            progress => return progress,
        }
    }
}

fn got(connection: &mut Connection<Client>) -> String {
    String::from_utf8(connection.stream().got.clone()).unwrap()
}

fn expire(connection: &mut Connection<Client>, now: Instant) -> Progress {
    connection.expire(now, &site())
}

#[test]
fn a_request_is_whole_at_its_empty_line_and_not_before() {
    let text = b"GET /metrics? HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\nGET";
    let whole = text.len() - 3;
    for len in 0..whole {
        assert_eq!(read(&text[..len]), Parsed::Partial, "{len} bytes");
    }
    let key = Key { format: 0, coding: Coding::Identity, query: Query::default() };
    let asks = Asks::Page(key);
    let request = Request { path: Path::Metrics, asks, bare: false, keep_alive: true };
    assert_eq!(read(text), Parsed::Whole(request, whole));
}

#[test]
fn what_is_asked_for_is_read_behind_the_prefix() {
    let rules = Rules { prefix: "/a/b".to_owned(), ..Rules::default() };
    let asks =
        |target: &str| match parse(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes(), &rules) {
            Parsed::Whole(request, _) => request.asks,
            parsed => panic!("{target}: {parsed:?}"),
        };
    assert_eq!(asks("/a/b/health/ready"), Asks::Health(Probe::Ready));
    assert_eq!(asks("/a/b/health?x"), Asks::Health(Probe::Report));
    assert_eq!(asks("/a/b/health/live"), Asks::Health(Probe::Live));
    assert_eq!(asks("/a/b/stats"), Asks::Stats);
    assert_eq!((asks("/a/b"), asks("/a/b/")), (Asks::Index, Asks::Index));
    for target in ["/", "/metrics", "/a/bmetrics", "/a", "/a/b/a/b/metrics", "/a/b//metrics"] {
        let Asks::Refused(Code::NotFound, why) = asks(target) else { panic!("{target}") };
        assert!(why.contains("/a/b/metrics"), "{why}");
    }
}

#[test]
fn targets_are_read_without_query_and_without_host() {
    let path = |target: &str| match read(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()) {
        Parsed::Whole(request, _) => request.path,
        parsed => panic!("{target}: {parsed:?}"),
    };
    for target in ["/", "/?", "/?q=/metrics", "http://h", "http://h/", "http://h?q"] {
        assert_eq!(path(target), Path::Root, "{target}");
    }
    for target in ["/metrics", "/metrics?a=b", "http://h:1/metrics", "https://h/metrics?x"] {
        assert_eq!(path(target), Path::Metrics, "{target}");
    }
    for target in ["/metrics/", "//metrics", "/Metrics", "*", "h:443", "/x://metrics"] {
        assert_eq!(path(target), Path::Other, "{target}");
    }
}

#[test]
fn who_may_send_another_request() {
    let keep = |rest: &str| match read(format!("GET / HTTP/1.{rest}\r\n\r\n").as_bytes()) {
        Parsed::Whole(request, _) => request.keep_alive,
        parsed => panic!("{rest}: {parsed:?}"),
    };
    assert!(keep("1\r\nHost: h"));
    assert!(keep("1\r\nHost: h\r\ncontent-length: 0"));
    assert!(keep("0\r\nConnection: Keep-Alive"));
    assert!(!keep("0"));
    assert!(!keep("1\r\nHost: h\r\nConnection: TE, Close"));
    assert!(!keep("1\r\nHost: h\r\nConnection: close\r\nConnection: keep-alive, close"));
    // A body would have to be skipped to find the next request.
    assert!(!keep("1\r\nHost: h\r\nContent-Length: 3"));
    assert!(!keep("1\r\nHost: h\r\nTransfer-Encoding: chunked"));
}

#[test]
fn what_is_not_a_request_is_refused_at_once() {
    let code = |text: &[u8]| match read(text) {
        Parsed::Refused(code, _) => code,
        parsed => panic!("{parsed:?}"),
    };
    assert_eq!(code(b"\x16\x03\x01\x02\x00"), Code::BadRequest, "a TLS client hello");
    assert_eq!(code(b"PRI * HTTP/2.0\r\n"), Code::BadRequest, "HTTP/2");
    assert_eq!(code(b"GET / HTTP/1.1\r\n\r\n"), Code::BadRequest, "no host");
    assert_eq!(code(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Code::BadRequest);
    let many = format!("GET / HTTP/1.0\r\n{}", "A: b\r\n".repeat(100));
    assert_eq!(code(many.as_bytes()), Code::HeaderTooLarge);
}

#[test]
fn dates_are_as_http_writes_them() {
    let at = |seconds| date(Duration::from_secs(seconds));
    assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(at(1_709_251_199), "Thu, 29 Feb 2024 23:59:59 GMT");
    assert_eq!(at(1_735_689_599), "Tue, 31 Dec 2024 23:59:59 GMT");
    assert_eq!(at(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
}

#[test]
fn a_request_that_is_begun_and_not_finished_gets_408() {
    let now = Instant::now();
    let mut connection = connect(&GET[..GET.len() - 1], 9999, now);
    assert_eq!(run(&mut connection, now), Progress::Waiting);
    assert_eq!(expire(&mut connection, now + HTTP_HEADER_TIMEOUT - SECOND), Progress::Waiting);
    let late = now + HTTP_HEADER_TIMEOUT;
    assert_eq!(expire(&mut connection, late), Progress::Again);
    assert!(got(&mut connection).starts_with("HTTP/1.1 408 "));
    assert!(connection.stream().told_the_end.get());
    // The rest of the request is read away, and the wait for the client's end has an end.
    connection.stream().sends = vec![b'x'; 100_000];
    assert_eq!(run(&mut connection, late), Progress::Waiting);
    assert!(connection.stream().sends.is_empty());
    assert_eq!(expire(&mut connection, late + HTTP_LINGER), Progress::Ended);
}

#[test]
fn dripping_does_not_move_the_deadline() {
    let start = Instant::now();
    let mut connection = connect(b"", 9999, start);
    let mut now = start;
    for byte in GET {
        now += HTTP_HEADER_TIMEOUT / 20;
        connection.stream().sends.push(*byte);
        assert_eq!(run(&mut connection, now), Progress::Waiting);
        if now >= start + HTTP_HEADER_TIMEOUT {
            break;
        }
    }
    assert_eq!(expire(&mut connection, now), Progress::Again);
    assert!(got(&mut connection).starts_with("HTTP/1.1 408 "));
}

#[test]
fn a_silent_connection_ends_silently() {
    let now = Instant::now();
    let mut connection = connect(b"", 9999, now);
    assert_eq!(run(&mut connection, now), Progress::Waiting);
    assert_eq!(expire(&mut connection, now + HTTP_HEADER_TIMEOUT), Progress::Ended);
    assert_eq!(got(&mut connection), "");
}

#[test]
fn between_requests_the_idle_limit_holds_and_within_one_the_header_limit() {
    let mut now = Instant::now();
    let mut connection = connect(GET, 9999, now);
    assert_eq!(run(&mut connection, now), Progress::Waiting);
    assert_eq!(expire(&mut connection, now + HTTP_IDLE_TIMEOUT - SECOND), Progress::Waiting);
    now += HTTP_IDLE_TIMEOUT / 2;
    connection.stream().sends = b"GET".to_vec();
    assert_eq!(run(&mut connection, now), Progress::Waiting);
    assert_eq!(connection.deadline(), now + HTTP_HEADER_TIMEOUT);

    let mut idle = connect(GET, 9999, now);
    run(&mut idle, now);
    let answered = got(&mut idle);
    assert_eq!(expire(&mut idle, now + HTTP_IDLE_TIMEOUT), Progress::Ended);
    assert_eq!(got(&mut idle), answered);
}

#[test]
fn a_client_that_does_not_read_is_dropped_after_the_write_limit() {
    let now = Instant::now();
    let mut connection = connect(&GET.repeat(3), 10, now);
    assert_eq!(run(&mut connection, now), Progress::Waiting);
    assert_eq!(got(&mut connection).len(), 10);
    // Nor does a little progress move the deadline.
    connection.stream().takes = 10;
    let late = now + HTTP_WRITE_TIMEOUT - SECOND;
    assert_eq!(run(&mut connection, late), Progress::Waiting);
    assert_eq!(expire(&mut connection, late), Progress::Waiting);
    assert_eq!(expire(&mut connection, now + HTTP_WRITE_TIMEOUT), Progress::Ended);
    assert_eq!(got(&mut connection).len(), 20, "and no second request was answered meanwhile");
}

#[test]
fn pieces_of_a_response_make_the_whole() {
    let now = Instant::now();
    let request = b"GET /metrics HTTP/1.0\r\n\r\n";
    let mut whole = connect(request, 9999, now);
    run(&mut whole, now);
    let mut pieces = connect(request, 0, now);
    loop {
        pieces.stream().takes = 1;
        run(&mut pieces, now);
        if pieces.stream().takes == 1 {
            break;
        }
    }
    let without_times = |text: String| {
        let lines = text.lines().filter(|l| !l.starts_with("Date") && !l.contains("-Age-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_times(got(&mut pieces)), without_times(got(&mut whole)));
    assert!(got(&mut whole).ends_with("\r\n\r\nup 1\n"));
}

#[test]
fn one_step_answers_one_request_and_the_last_allowed_one_closes() {
    let now = Instant::now();
    let site = site();
    let many = MAX_HTTP_REQUESTS as usize + 5;
    let mut connection = connect(&GET.repeat(many), usize::MAX, now);
    assert_eq!(connection.step(now, &site), Progress::Asked);
    assert_eq!(connection.answer(None, now, &site), Progress::Again);
    assert_eq!(got(&mut connection).matches("HTTP/1.1 200 OK").count(), 1);

    assert_eq!(run(&mut connection, now), Progress::Waiting);
    let all = got(&mut connection);
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), MAX_HTTP_REQUESTS as usize);
    assert_eq!(all.matches("Connection: close").count(), 1);
    assert!(connection.stream().told_the_end.get());
}

#[test]
fn all_requests_of_a_client_that_hung_up_its_half_are_answered() {
    let now = Instant::now();
    let mut connection = connect(&GET.repeat(2), 9999, now);
    connection.stream().hangs_up = true;
    assert_eq!(run(&mut connection, now), Progress::Ended);
    assert_eq!(got(&mut connection).matches("HTTP/1.1 200 OK").count(), 2);

    let mut cut = connect(&GET[..9], 9999, now);
    cut.stream().hangs_up = true;
    assert_eq!(run(&mut cut, now), Progress::Ended);
    assert_eq!(got(&mut cut), "");
}

#[test]
fn a_head_may_fill_the_buffer_and_not_a_byte_more() {
    let now = Instant::now();
    let head = |len: usize| {
        let start = "GET / HTTP/1.0\r\nX: ";
        format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4)).into_bytes()
    };
    let mut fits = connect(&head(MAX_HTTP_HEADER_BYTES), 9999, now);
    run(&mut fits, now);
    assert!(got(&mut fits).starts_with("HTTP/1.1 200 "));
    let mut too_long = connect(&head(MAX_HTTP_HEADER_BYTES + 1), 9999, now);
    run(&mut too_long, now);
    assert!(got(&mut too_long).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_refused_connection_is_told_why_whatever_it_sends() {
    let now = Instant::now();
    let client = Client { sends: GET.to_vec(), takes: 9999, ..Client::default() };
    let mut connection = Connection::refused(client, Limits::default(), now);
    assert!(connection.is_refused());
    assert_eq!(run(&mut connection, now), Progress::Waiting);
    let all = got(&mut connection);
    assert!(all.starts_with("HTTP/1.1 503 ") && all.contains("\r\nRetry-After: 1\r\n"), "{all}");
    assert_eq!(expire(&mut connection, now + HTTP_LINGER), Progress::Ended);
}

#[test]
fn pages_are_fresh_and_end_with_the_engine() {
    let registry = Registry::new();
    let events = registry.counter("events_total", "Events.").unwrap();
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let site = Site::new(
        std::sync::Arc::downgrade(engine.core()),
        Rules::default(),
        OwnMetrics::default(),
    );
    let mut pages = Pages::new(site.rules.formats.clone());
    let mut fresh = || {
        let key = Key { format: 0, coding: Coding::Identity, query: Query::default() };
        site.snapshot(false).map(|(snapshot, cut_at)| pages.page(&snapshot, cut_at, &key))
    };
    for round in 1..=3_u64 {
        events.inc();
        let page = fresh().unwrap();
        assert_eq!(page.generation, round);
        let text = String::from_utf8(page.bytes.to_vec()).unwrap();
        assert!(text.ends_with(&format!("\nevents_total {round}\n")), "{text}");
    }
    // A page that is still being sent is not written over.
    let sending = fresh().unwrap().bytes;
    let before = sending.to_vec();
    events.inc();
    fresh().unwrap();
    assert_eq!(*sending, before);

    engine.stop();
    assert!(fresh().is_none());
    drop(engine);
    assert!(fresh().is_none());
    assert!(site.snapshot(true).is_none(), "nor is an old one shown as if it were new");
}

#[test]
fn a_page_is_made_once_for_each_format_coding_and_generation() {
    let registry = Registry::new();
    registry.counter("events_total", "Events.").unwrap();
    let clock = ManualClock::at(Duration::ZERO);
    let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
    let mut pages = Pages::new(Rules::default().formats);
    let key = |coding| Key { format: 0, coding, query: Query::default() };
    let now = Instant::now();
    for generation in 1..=3 {
        let snapshot = engine.refresh();
        for _ in 0..100 {
            for &coding in Coding::ALL {
                let page = pages.page(&snapshot, now, &key(coding));
                assert_eq!((page.generation, page.coding), (generation, coding));
            }
        }
        assert_eq!(pages.made(), generation * Coding::ALL.len() as u64);
    }
    // Some of the series: made anew, and it does not disturb the others.
    let snapshot = engine.snapshot();
    let made = pages.made();
    let query = super::query::parse("name[]=none").unwrap();
    let some = Key { query, ..key(Coding::Identity) };
    assert!(pages.page(&snapshot, now, &some).bytes.is_empty());
    assert!(!pages.page(&snapshot, now, &key(Coding::Identity)).bytes.is_empty());
    assert_eq!(pages.made(), made + 1);
}

#[test]
#[cfg(all(feature = "history", feature = "rules"))]
fn a_stream_of_events_beats_while_there_is_nothing_and_ends_where_nobody_reads() {
    use crate::limits::HTTP_EVENT_HEARTBEAT;
    use crate::rules::RuleManager;
    let registry = Registry::new();
    let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(SECOND));
    let engine = engine.start().unwrap();
    let history = crate::History::builder().start(&engine).unwrap();
    let manager = RuleManager::builder().start(&engine, &history).unwrap();
    let site = super::responder::site(&engine, super::ListenerBuilder::default().rules(&manager));
    let site = site.unwrap();
    let mut now = Instant::now();
    let request = b"GET /api/v1/events HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut connection = connect(request, 9999, now);
    assert_eq!(connection.step(now, &site), Progress::Asked);
    assert_eq!(connection.answer(None, now, &site), Progress::Waiting);
    assert!(connection.streams() && got(&mut connection).ends_with("\r\n\r\nretry: 1000\n\n"));
    for _ in 0..3 {
        assert_eq!(connection.deadline(), now + HTTP_EVENT_HEARTBEAT);
        now += HTTP_EVENT_HEARTBEAT;
        assert_eq!(connection.expire(now, &site), Progress::Waiting);
    }
    assert!(got(&mut connection).ends_with("retry: 1000\n\n:\n\n:\n\n:\n\n"));
    engine.refresh();
    assert_eq!(connection.step(now, &site), Progress::Waiting);
    assert!(
        got(&mut connection).contains("data: {\"generation\":1,\"at\":\"1970-01-01T00:00:01Z\"}")
    );
    // From here on it takes nothing, however much there is.
    connection.stream().takes = 0;
    engine.refresh();
    assert_eq!(connection.step(now, &site), Progress::Waiting);
    let last = now + HTTP_WRITE_TIMEOUT;
    engine.refresh();
    assert_eq!(connection.step(last - SECOND, &site), Progress::Waiting);
    assert_eq!((connection.deadline(), connection.expire(last, &site)), (last, Progress::Ended));
}
