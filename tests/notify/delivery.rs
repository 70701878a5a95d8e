//! Endpoints that are down, slow, silent or mad, and what is tried again.

use crate::common::loopback::{PATIENCE, free_address, wait_until};
use crate::fake::{Fake, say};
use crate::node::{Heard, listening, node};
use serde_json::Value;
use std::sync::mpsc;
use std::time::Duration;
use tachometer::notify::{Alertmanager, Callback, Notifier, Webhook};
use tachometer::rules::AlertState::{Firing, Resolved};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

fn webhook(server: &Fake) -> Webhook {
    Webhook::new(server.url()).retry(10 * MS, 20 * MS)
}

fn heard_of(heard: &Heard, changes: usize) {
    wait_until(&format!("{changes} changes"), || heard.lock().unwrap().len() >= changes);
}

/// Waits until an attempt of this handler failed.
fn wait_for_failure(notifier: &Notifier, handler: &str) -> String {
    let failed = || {
        let status = notifier.status();
        status.into_iter().find(|status| status.handler == handler).unwrap().last_error
    };
    wait_until(&format!("{handler} to fail"), || failed().is_some());
    failed().unwrap_or_default()
}

fn never_answering() -> (Fake, mpsc::Sender<()>) {
    let (end, ended) = mpsc::channel::<()>();
    let ended = std::sync::Mutex::new(ended);
    let fake = Fake::answering("127.0.0.1:0", move |_, _| {
        let _ = ended.lock().unwrap().recv();
    });
    (fake, end)
}

#[test]
fn none_holds_up_another() {
    let (silent, end) = never_answering();
    let failing = Fake::answering("127.0.0.1:0", |_, stream| {
        say(
            stream,
            "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 9\r\n\r\nno\x1b[31m\r\n",
        );
    });
    let garbage =
        Fake::answering("127.0.0.1:0", |_, stream| say(stream, "\x00\x01 SSH-2.0\r\n\r\n"));
    let closing = Fake::answering("127.0.0.1:0", |_, _| {});
    let busy = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\n\r\n");
    });
    let good = Fake::good("127.0.0.1:0");
    let nobody = Webhook::new(format!("http://{}/", free_address())).retry(10 * MS, 20 * MS);
    let (release, held) = mpsc::channel::<()>();
    let stuck = Callback::new(move |_| {
        let _ = held.recv();
    });
    let panicking = Callback::new(|notice| assert_ne!(notice.to, Firing, "as it must"));
    let (callback, heard) = listening();

    let mut node = node();
    let notifier = node
        .notifier()
        .handler("silent", webhook(&silent).time_limit(100 * MS))
        .handler("failing", webhook(&failing))
        .handler("garbage", webhook(&garbage))
        .handler("closing", webhook(&closing))
        .handler("busy", webhook(&busy))
        .handler("nobody", nobody)
        .handler("stuck", stuck)
        .handler("panicking", panicking)
        .handler("good", webhook(&good))
        .handler("callback", callback)
        .start()
        .unwrap();
    for _ in 0..10 {
        node.step(&notifier, &["a"]);
        node.step(&notifier, &[]);
    }
    good.wait_for(20);
    heard_of(&heard, 20);
    failing.wait_for(5);
    closing.wait_for(5);
    silent.wait_for(2);
    busy.wait_for(1);
    for (handler, reason) in [
        ("silent", "timeout"),
        ("failing", "status"),
        ("garbage", "malformed"),
        ("closing", "closed"),
        ("busy", "status"),
        ("nobody", "connect"),
        ("panicking", "panic"),
    ] {
        wait_until(&format!("{handler}: {reason}"), || {
            node.own("tachometer_notify_failures_total", handler, Some(reason)) > 0.0
        });
    }
    assert_eq!(busy.requests().len(), 1, "it asked to be left alone");
    let said = wait_for_failure(&notifier, "failing");
    assert!(said.contains("answers 500") && !said.contains('\x1b'), "{said}");
    wait_until("all calls of the one that panics", || {
        let status = notifier.status();
        let status = status.iter().find(|status| status.handler == "panicking").unwrap().clone();
        (status.sent, status.dropped) == (10, 10)
    });
    let status = notifier.status();
    let waits = |handler: &str| status.iter().find(|s| s.handler == handler).unwrap().waiting;
    assert_eq!(["silent", "nobody", "busy", "stuck"].map(waits), [20; 4]);
    assert_eq!(node.own("tachometer_notify_queue_length", "busy", None), 20.0);
    // What hangs is left to itself.
    let flush = notifier.shutdown(50 * MS);
    assert!(!flush.is_complete());
    let dropped = flush.handlers.iter().find(|status| status.handler == "stuck").unwrap();
    assert_eq!((dropped.waiting, dropped.dropped), (20, 20));
    drop((release, end));
}

#[test]
fn what_failed_is_tried_again_in_order() {
    let server = Fake::answering("127.0.0.1:0", |number, stream| {
        let status = ["503 Service Unavailable", "429 Too Many Requests", "408 Request Timeout"];
        let status = status.get(number).unwrap_or(&"204 No Content");
        say(stream, &format!("HTTP/1.1 {status}\r\nRetry-After: 0\r\n\r\n"));
    });
    let mut node = node();
    let notifier = node.notifier().handler("hook", webhook(&server)).start().unwrap();
    node.step(&notifier, &["a"]);
    node.step(&notifier, &["a", "b"]);
    node.step(&notifier, &["b"]);
    server.wait_for(6);
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let requests = server.requests();
    let bodies: Vec<Value> =
        requests.iter().map(|r| serde_json::from_str(&r.body).unwrap()).collect();
    assert!(bodies[..3].iter().all(|body| *body == bodies[3]), "the first is sent again");
    let changed = |body: &Value| body["alerts"][0]["labels"]["group"].clone();
    assert_eq!(bodies[3..].iter().map(changed).collect::<Vec<_>>(), ["a", "b", "a"]);
    assert_eq!(bodies.len(), 6, "and what arrived is not");
    let [status] = &notifier.status()[..] else { panic!("one handler") };
    assert_eq!((status.sent, status.dropped, &status.last_error), (3, 0, &None));
    assert!(status.last_success.is_some());
}

#[test]
fn what_is_refused_is_given_up() {
    for (answer, advice) in [
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", "another URL"),
        ("401 Unauthorized", "other credentials"),
        ("404 Not Found", "path"),
        ("422 Unprocessable Entity", "does not take"),
    ] {
        let server = Fake::answering("127.0.0.1:0", move |_, stream| {
            say(stream, &format!("HTTP/1.1 {answer}\r\n\r\nsecret path"));
        });
        let mut node = node();
        let hook = webhook(&server).bearer_token("hunter2");
        let notifier = node.notifier().handler("hook", hook).start().unwrap();
        node.step(&notifier, &["a"]);
        let said = wait_for_failure(&notifier, "hook");
        assert!(said.contains(advice) && !said.contains("/push"), "{said}");
        assert_eq!(server.requests()[0].header("authorization"), Some("Bearer hunter2"));
        assert!(!format!("{notifier:?}").contains("hunter2"));
        assert!(notifier.shutdown(PATIENCE).is_complete());
        assert_eq!(notifier.status()[0].dropped, 1);
        assert_eq!(server.requests().len(), 1, "{answer}");
    }
}

#[test]
fn a_bad_alert_takes_no_other_with_it() {
    let server = Fake::answering("127.0.0.1:0", |_, stream| say(stream, "HTTP/1.1 200 OK\r\n\r\n"));
    // It has to see the body, so it stands in front.
    let picky = picky();
    let mut node = node();
    let both = [picky.url("127.0.0.1"), format!("http://{}", server.address)];
    let both = Alertmanager::new(both).retry(10 * MS, 20 * MS);
    let notifier = node.notifier().handler("am", both).start().unwrap();
    node.step(&notifier, &["a", "bad", "c"]);
    assert!(notifier.shutdown(PATIENCE).is_complete());
    let [picky_status, status] = &notifier.status()[..] else { panic!("two endpoints") };
    assert_eq!((picky_status.sent, picky_status.dropped), (2, 1));
    assert_eq!((status.sent, status.dropped), (3, 0));
    assert_eq!(picky.taken(), ["a", "c"]);
}

/// A server that refuses requests which have a bad alert.
struct Picky {
    address: std::net::SocketAddr,
    taken: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

fn picky() -> Picky {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let taken = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    let takes = taken.clone();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut text = String::new();
            let mut piece = [0; 4096];
            while !text.ends_with("}]") {
                let len = stream.read(&mut piece).unwrap();
                text += std::str::from_utf8(&piece[..len]).unwrap();
            }
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            let body: Vec<Value> = serde_json::from_str(body).unwrap();
            let groups = body.iter().map(|alert| alert["labels"]["group"].as_str().unwrap());
            let groups: Vec<String> = groups.map(str::to_owned).collect();
            let answer = match groups.iter().any(|group| group == "bad") {
                true => "HTTP/1.1 400 Bad Request\r\n\r\n",
                false => {
                    takes.lock().unwrap().extend(groups);
                    "HTTP/1.1 200 OK\r\n\r\n"
                }
            };
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    Picky { address, taken }
}

impl Picky {
    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}", self.address.port())
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

#[test]
fn no_timer_stands_between_an_alert_and_its_notice() {
    let server = Fake::good("127.0.0.1:0");
    let (callback, heard) = listening();
    let mut node = node();
    // Each time that there is, an hour: whatever waited for one would be late.
    let hook = Webhook::new(server.url()).retry(HOUR, HOUR).time_limit(HOUR);
    let oncall = Alertmanager::new([format!("http://{}", server.address)]);
    let oncall = oncall.retry(HOUR, HOUR).time_limit(HOUR).resend_delay(HOUR);
    let notifier = node.notifier().handler("hook", hook).handler("am", oncall);
    let notifier = notifier.handler("mine", callback.retry(HOUR, HOUR)).start().unwrap();
    for turn in 1..=5 {
        node.step(&notifier, &["a"]);
        node.step(&notifier, &[]);
        server.wait_for(4 * turn);
        heard_of(&heard, 2 * turn);
    }
    assert_eq!(heard.lock().unwrap()[8..], [("a".to_owned(), Firing), ("a".to_owned(), Resolved)]);
}

#[test]
fn the_last_flush_cuts_pauses_short() {
    let address = free_address();
    let mut node = node();
    let hook = Webhook::new(format!("http://{address}/")).retry(HOUR, HOUR);
    let notifier = node.notifier().handler("hook", hook).start().unwrap();
    node.step(&notifier, &["a"]);
    wait_for_failure(&notifier, "hook");
    let server = Fake::good(&address.to_string());
    assert!(notifier.shutdown(PATIENCE).is_complete());
    assert_eq!(server.requests().len(), 1);
    // What comes after it is counted.
    node.step(&notifier, &[]);
    let [status] = &notifier.status()[..] else { panic!("one handler") };
    assert_eq!((status.sent, status.dropped), (1, 1));
    assert_eq!(node.own("tachometer_notify_dropped_total", "hook", Some("shutdown")), 1.0);
}

#[test]
fn the_last_flush_leaves_those_alone_who_asked_for_it() {
    let busy = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\n\r\n");
    });
    let mut node = node();
    let notifier = node.notifier().handler("hook", webhook(&busy)).start().unwrap();
    node.step(&notifier, &["a"]);
    wait_for_failure(&notifier, "hook");
    let flush = notifier.shutdown(100 * MS);
    assert!(!flush.is_complete());
    assert_eq!((flush.handlers[0].waiting, flush.handlers[0].dropped), (1, 1));
    assert_eq!(busy.requests().len(), 1);
}

#[test]
fn a_callback_may_end_its_own_notifier() {
    use std::sync::{Arc, Mutex};
    let slot: Arc<Mutex<Option<Arc<Notifier>>>> = Arc::default();
    let (done, is_done) = mpsc::channel();
    let mine = slot.clone();
    let callback = Callback::new(move |_| {
        let notifier = mine.lock().unwrap().take().unwrap();
        done.send(notifier.shutdown(PATIENCE).handlers.len()).unwrap();
    });
    let mut node = node();
    let notifier = Arc::new(node.notifier().handler("mine", callback).start().unwrap());
    *slot.lock().unwrap() = Some(notifier.clone());
    node.step(&notifier, &["a"]);
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(1));
}
