//! The listener as its clients see it: raw sockets against the real thread, on loopback.
//!
//! Time limits that are longer than a test should wait, and the limit on requests, are tested on
//! connections without sockets, in `src/serve/tests.rs`.
#![cfg(feature = "http")]

#[path = "http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;

use client::{Answer, Client, get};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tachometer::{Counter, Engine, Error, Listener, ManualClock, Registry, TextEncoder, limits};

/// A scrape, as a connection that stays open makes it.
const SCRAPE: &str = "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

/// An engine that nobody but the listener drives, with a counter, and its listener.
struct Stand {
    registry: Registry,
    events: Counter,
    engine: Engine,
    listener: Listener,
}

impl Stand {
    fn new() -> Stand {
        Stand::with(false)
    }

    fn with(own_metrics: bool) -> Stand {
        let registry = Registry::new();
        let events = registry.counter("events_total", "Events.").unwrap();
        let engine = Engine::builder()
            .registry(&registry)
            .manual(&ManualClock::at(Duration::ZERO))
            .own_metrics(own_metrics)
            .start()
            .unwrap();
        let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
        Stand { registry, events, engine, listener }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    fn scrape(&self) -> Answer {
        let answer = get(self.address(), "/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }
}

/// Held by tests that need many descriptors, so that they do not need them at the same time.
fn many_descriptors() -> MutexGuard<'static, ()> {
    static MANY: Mutex<()> = Mutex::new(());
    MANY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_page_is_the_encoders_and_says_which_snapshot_it_shows() {
    let stand = Stand::new();
    stand.events.add(41);
    let latency =
        stand.registry.metric("wait_seconds", "Waits.").unit(tachometer::Unit::Nanoseconds);
    let latency = latency.histogram().unwrap();
    (1..1000).for_each(|ms| latency.record(ms * 1_000_000));
    stand.registry.metric("node_info", "a \\ b").label("name", "ü\"\n").gauge().unwrap().set(0.5);

    let answer = stand.scrape();
    let snapshot = stand.engine.snapshot();
    let mut page = Vec::new();
    TextEncoder::new().encode(&snapshot, &mut page);
    assert_eq!(answer.body.as_bytes(), page);
    assert_eq!(answer.value("events_total"), Some("41"));
    assert_eq!(answer.header("Content-Type"), Some(TextEncoder::CONTENT_TYPE));
    assert_eq!(answer.header("Content-Length"), Some(&*page.len().to_string()));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    // Other tests of this process may hold up its cut.
    let complete = snapshot.is_complete().to_string();
    assert_eq!(answer.header("X-Tachometer-Complete"), Some(&*complete));
    assert_eq!(answer.generation(), snapshot.generation());
    let age: f64 = answer.header("X-Tachometer-Age-Seconds").unwrap().parse().unwrap();
    assert!((0.0..10.0).contains(&age), "{age}");
    assert!(answer.header("Date").is_some_and(|date| date.ends_with(" GMT")));
}

#[test]
fn each_scrape_has_what_was_recorded_before_it() {
    let stand = Stand::new();
    let mut client = stand.connect();
    for round in 1..=50_u64 {
        stand.events.inc();
        let answer = client.get("/metrics");
        assert_eq!(answer.value("events_total"), Some(&*round.to_string()));
        assert_eq!(answer.generation(), round);
    }
}

#[test]
fn pages_are_causal_cuts_while_threads_record() {
    let registry = Registry::new();
    let started = registry.counter("started_total", "Started.").unwrap();
    let finished = registry.counter("finished_total", "Finished.").unwrap();
    let engine = Engine::builder().registry(&registry).start().unwrap();
    let listener = Listener::bind(&engine, "127.0.0.1:0").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    started.inc();
                    finished.inc();
                }
            });
        }
        // Also where an assertion fails: the scope waits for the threads.
        let _stop = SetOnDrop(&stop);
        let mut client = Client::connect(listener.local_addr());
        let mut last = 0;
        for _ in 0..200 {
            let page = client.get("/metrics");
            let value = |name| page.value(name).unwrap().parse::<u64>().unwrap();
            let (started, finished) = (value("started_total"), value("finished_total"));
            if page.header("X-Tachometer-Complete") == Some("true") {
                assert!(finished <= started && started <= finished + 2, "{started} {finished}");
            }
            assert!(started >= last, "{started} after {last}");
            last = started;
        }
    });
}

struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

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

#[test]
fn connections_that_are_cut_leave_nothing_behind() {
    let _alone = many_descriptors();
    let stand = Stand::new();
    let mut honest = stand.connect();
    // More of them, one after the other, than may be open at once.
    for round in 0..2 * limits::MAX_HTTP_CONNECTIONS {
        let mut client = stand.connect();
        match round % 4 {
            0 => {}
            1 => client.send("GET /met"),
            2 => client.send(SCRAPE),
            _ => client.send(format!("{SCRAPE}GET /metrics")),
        }
        drop(client);
        if round % 16 == 0 {
            assert_eq!(honest.get("/metrics").status, 200);
        }
    }
    // Every place is free again.
    let deadline = Instant::now() + Duration::from_secs(60);
    let others = limits::MAX_HTTP_CONNECTIONS - 1;
    loop {
        let mut clients: Vec<_> = (0..others).map(|_| stand.connect()).collect();
        clients.iter_mut().for_each(|client| client.send(SCRAPE));
        let served =
            |client: &mut Client| client.answer_if_whole().is_some_and(|a| a.status == 200);
        if clients.iter_mut().all(served) {
            break;
        }
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn slow_clients_do_not_stop_an_honest_scraper() {
    let _alone = many_descriptors();
    let stand = Stand::new();
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut client = stand.connect();
            client.send("G");
            client
        })
        .collect();
    let began = Instant::now();
    let mut scraper = stand.connect();
    for _ in 0..10 {
        stand.events.inc();
        assert_eq!(scraper.get("/metrics").status, 200);
    }
    assert_eq!(stand.scrape().value("events_total"), Some("10"));
    // All that while the slow ones were there.
    assert!(began.elapsed() < limits::HTTP_HEADER_TIMEOUT, "{:?}", began.elapsed());
    drop(slow);
}

/// Makes the page so large (16 MB) that the buffers of two sockets do not take it.
fn make_large(registry: &Registry) {
    let text = "x".repeat(limits::MAX_LABEL_VALUE_BYTES - 8);
    for index in 0..4_000 {
        let text = format!("{text}{index}");
        registry.metric("large", "Large.").label("text", text).gauge().unwrap();
    }
}

#[test]
fn a_client_that_does_not_read_does_not_stop_an_honest_scraper() {
    let stand = Stand::new();
    make_large(&stand.registry);
    let mut lazy: Vec<_> = (0..4).map(|_| stand.connect()).collect();
    for client in &mut lazy {
        client.send(SCRAPE.repeat(3));
    }
    lazy.iter_mut().for_each(Client::read_a_little);
    stand.events.inc();
    let honest = stand.scrape();
    assert!(honest.body.len() > 15 << 20);
    assert_eq!(honest.value("events_total"), Some("1"));
    // What the lazy ones were being sent is whole, and of its own generation.
    for client in &mut lazy {
        let answer = client.answer();
        assert_eq!(answer.value("events_total"), Some("0"));
        assert!(answer.generation() < honest.generation());
        assert_eq!(client.answer().value("events_total"), Some("1"));
    }
}

#[test]
fn clients_that_do_not_read_hold_a_bounded_number_of_pages() {
    let stand = Stand::with(true);
    make_large(&stand.registry);
    let mut lazy: Vec<_> = (0..limits::MAX_HTTP_PAGES)
        .map(|_| {
            let mut client = stand.connect();
            client.send(SCRAPE);
            client.read_a_little();
            client
        })
        .collect();
    // An honest scraper takes the place of the one who has been reading for longest.
    let honest = stand.scrape();
    let closed = "tachometer_http_connections_closed_total{limit=\"pages\"}";
    assert_eq!(honest.value(closed), Some("1"));
    for (index, client) in lazy.iter_mut().enumerate() {
        assert_eq!(client.answer_if_whole().is_some(), index > 0, "{index}");
    }
    assert_eq!(stand.scrape().value(closed), Some("1"));
}

#[test]
fn connections_over_the_limit_are_told_so_and_counted() {
    let _alone = many_descriptors();
    let stand = Stand::with(true);
    let mut clients: Vec<_> = (0..limits::MAX_HTTP_CONNECTIONS).map(|_| stand.connect()).collect();
    // Whoever has asked once may stay for longer than this test takes.
    assert!(clients.iter_mut().all(|client| client.get("/").status == 200));
    let over = 10;
    for _ in 0..over {
        let mut client = stand.connect();
        // Whether it asks or not.
        client.send(SCRAPE);
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("Retry-After")), (503, Some("1")));
        assert!(client.has_ended());
    }
    let refused = "tachometer_http_connections_refused_total";
    assert_eq!(clients[0].get("/metrics").value(refused), Some(&*over.to_string()));

    // Past the limit on refusals they are closed without a word, and counted all the same.
    let mute: Vec<_> = (0..2 * limits::MAX_HTTP_REFUSALS).map(|_| stand.connect()).collect();
    let counted = (over + mute.len()).to_string();
    let deadline = Instant::now() + Duration::from_secs(60);
    while clients[0].get("/metrics").value(refused) != Some(&counted) {
        assert!(Instant::now() < deadline);
        thread::sleep(Duration::from_millis(100));
    }
    // A place that becomes free can be taken.
    clients.truncate(clients.len() / 2);
    loop {
        let mut client = stand.connect();
        client.send(SCRAPE);
        if client.answer_if_whole().is_some_and(|answer| answer.status == 200) {
            break;
        }
        assert!(Instant::now() < deadline);
    }
}

/// A callback that, once armed, says that it runs and stays until it is told to go on.
fn gate(registry: &Registry) -> (Receiver<()>, Sender<()>) {
    let (entered, has_entered) = channel();
    let (go_on, may_go_on) = channel();
    let ends = Mutex::new(Some((entered, may_go_on)));
    let callback = move || {
        if let Some((entered, may_go_on)) = ends.lock().unwrap().take() {
            let _: Result<(), _> = entered.send(());
            let _: Result<(), _> = may_go_on.recv();
        }
        1.0
    };
    registry.metric("gate", "A gate.").gauge_from(callback).unwrap();
    (has_entered, go_on)
}

#[test]
fn scrapes_that_arrive_together_share_a_snapshot() {
    let _alone = many_descriptors();
    let stand = Stand::new();
    let (has_entered, go_on) = gate(&stand.registry);
    let mut first = stand.connect();
    first.send(SCRAPE);
    has_entered.recv().unwrap();
    // While the first snapshot is being made, a hundred more ask.
    let mut others: Vec<_> = (0..100).map(|_| stand.connect()).collect();
    stand.events.inc();
    others.iter_mut().for_each(|client| client.send(SCRAPE));
    go_on.send(()).unwrap();

    assert_eq!(first.answer().generation(), 1);
    for client in &mut others {
        assert_eq!(client.answer().value("events_total"), Some("1"));
    }
    // One for all of them; a busy system may be late to deliver what some sent.
    let generations = stand.engine.snapshot().generation();
    assert!((2..=4).contains(&generations), "{generations}");
}

#[test]
fn a_busy_port_is_an_error_that_says_what_to_do() {
    let stand = Stand::new();
    let address = stand.address();
    let error = Listener::bind(&stand.engine, address).unwrap_err();
    assert!(matches!(error, Error::Io { kind: std::io::ErrorKind::AddrInUse, .. }));
    let text = error.to_string();
    for part in [
        &format!("cannot listen on {address}: "),
        "in use",
        &format!("`ss -ltnp 'sport = :{}'`", address.port()),
        "choose another port",
    ] {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
    assert_eq!(stand.scrape().status, 200, "the first listener goes on");
}

#[test]
fn an_address_that_cannot_be_is_an_error_that_says_what_could() {
    let stand = Stand::new();
    // 192.0.2.0/24 is for documentation; no machine has it.
    let text = Listener::bind(&stand.engine, "192.0.2.1:0").unwrap_err().to_string();
    assert!(text.contains("192.0.2.1:0") && text.contains("127.0.0.1"), "{text}");
    let text = Listener::bind(&stand.engine, "9464").unwrap_err().to_string();
    assert!(text.contains("\"9464\"") && text.contains("127.0.0.1:9464"), "{text}");
}

#[test]
fn stopping_closes_everything_at_once_and_frees_the_port() {
    let stand = Stand::new();
    let address = stand.address();
    let mut idle = stand.connect();
    idle.get("/");
    let mut half = stand.connect();
    half.send("GET /metrics HT");
    let mut silent = stand.connect();
    let began = Instant::now();
    stand.listener.stop();
    stand.listener.stop();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(idle.has_ended() && half.has_ended() && silent.has_ended());
    assert!(TcpStream::connect(address).is_err());
    // Neither does the engine care, nor the next listener.
    assert!(stand.engine.is_running());
    let again = Listener::bind(&stand.engine, address).unwrap();
    assert_eq!(get(again.local_addr(), "/metrics").status, 200);
    drop(again);
    assert!(TcpListener::bind(address).is_ok());
}

#[test]
fn stopping_from_many_threads_and_from_a_callback_is_stopping_once() {
    let stand = Stand::new();
    let address = stand.address();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                stand.listener.stop();
                assert!(TcpStream::connect(address).is_err(), "stopped when `stop` returns");
            });
        }
    });

    let listener = std::sync::Arc::new(Listener::bind(&stand.engine, "127.0.0.1:0").unwrap());
    let address = listener.local_addr();
    let weak = std::sync::Arc::downgrade(&listener);
    let stop = move || weak.upgrade().map_or(0.0, |listener| (listener.stop(), 1.0).1);
    stand.registry.metric("stops", "Stops the listener.").gauge_from(stop).unwrap();
    let mut client = Client::connect(address);
    assert_eq!(client.get("/metrics").value("stops"), Some("1"));
    assert!(client.has_ended());
}

#[test]
fn an_engine_that_ended_is_said_to_have_ended() {
    let Stand { registry, engine, listener, .. } = Stand::new();
    let mut client = Client::connect(listener.local_addr());
    assert_eq!(client.get("/metrics").status, 200);
    let stopped = |client: &mut Client| {
        let answer = client.get("/metrics");
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("engine of this process was stopped"), "{}", answer.body);
    };
    engine.stop();
    stopped(&mut client);
    drop(engine);
    stopped(&mut client);
    assert_eq!(client.get("/").status, 200, "the listener itself lives");

    // The listener does not hold the registry's one engine, and does not take the next one for its
    // own.
    let next = Engine::builder().registry(&registry).start().unwrap();
    stopped(&mut client);
    let listener = Listener::bind(&next, "127.0.0.1:0").unwrap();
    assert_eq!(get(listener.local_addr(), "/metrics").status, 200);
    next.stop();
    assert!(matches!(Listener::bind(&next, "127.0.0.1:0"), Err(Error::NotRunning(_))));
}

#[test]
fn dropping_the_engine_while_clients_scrape_harms_nobody() {
    for _ in 0..20 {
        let Stand { engine, listener, .. } = Stand::new();
        let address = listener.local_addr();
        let scrapers: Vec<_> = (0..4)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = Client::connect(address);
                    while client.get("/metrics").status == 200 {}
                    assert_eq!(client.get("/metrics").status, 503);
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(5));
        drop(engine);
        scrapers.into_iter().for_each(|scraper| scraper.join().unwrap());
    }
}

#[test]
fn the_listener_counts_what_it_does_if_the_engine_does() {
    let stand = Stand::with(true);
    let mut client = stand.connect();
    for path in ["/metrics", "/metrics", "/", "/nothing", "/else?"] {
        client.get(path);
    }
    client.send("POST /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
    client.answer();
    let mut wrong = stand.connect();
    wrong.send("hello?\r\n\r\n");
    wrong.answer();
    let page = client.get("/metrics");
    let requests = |code: &str, path: &str| {
        let labels = format!("{{code=\"{code}\",path=\"{path}\"}}");
        page.value(&format!("tachometer_http_requests_total{labels}")).unwrap()
    };
    assert_eq!(requests("200", "/metrics"), "2");
    assert_eq!(requests("200", "/"), "1");
    assert_eq!(requests("404", "other"), "2");
    assert_eq!(requests("405", "/metrics"), "1");
    assert_eq!(requests("400", "other"), "1");
    assert_eq!(page.value("tachometer_http_scrape_duration_seconds_count"), Some("2"));
    assert_eq!(page.value("tachometer_http_connections_refused_total"), Some("0"));

    assert!(!Stand::new().scrape().body.contains("tachometer_http"));
}
