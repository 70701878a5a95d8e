//! Pushing to servers that are down, slow, silent, mad or picky: nothing is lost within the spool's bound, nothing that was
//! acknowledged is sent again, and no target holds another up.
#![cfg(feature = "push")]

mod common;
#[path = "push/fake.rs"]
mod fake;

use fake::{Fake, free_address, say, wait_until};
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tachometer::push::{Page, Part, Payload, Protocol, TargetStatus};
use tachometer::{Counter, Engine, Error, Pusher, Registry, Snapshot, Target, TextEncoder};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const SOON: Duration = Duration::from_millis(10);

/// An engine that makes a snapshot when the test says so, and a counter.
struct Node {
    engine: Engine,
    count: Counter,
}

impl Node {
    fn new() -> Node {
        let registry = Registry::new();
        let count = registry.counter("n_total", "Counted.").unwrap();
        Node { engine: common::by_hand_with_own_metrics(&registry), count }
    }

    /// Makes a snapshot in which the counter is one more, and waits until each target has it as a payload.
    fn step(&self, pusher: &Pusher) {
        let seen = |status: &TargetStatus| status.waiting as u64 + status.sent + status.dropped;
        let before: Vec<u64> = pusher.status().iter().map(seen).collect();
        self.count.inc();
        self.engine.refresh();
        wait_until("the payloads of a snapshot", || {
            pusher.status().iter().zip(&before).all(|(status, before)| seen(status) > *before)
        });
    }

    /// Makes a snapshot, which is pushed too.
    fn own(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.engine.refresh().counter_with(name, labels).unwrap()
    }

    fn failures(&self, target: &str, reason: &str) -> u64 {
        self.own("tachometer_push_failures_total", &[("target", target), ("reason", reason)])
    }

    fn dropped(&self, target: &str, reason: &str) -> u64 {
        self.own("tachometer_push_dropped_total", &[("target", target), ("reason", reason)])
    }
}

/// A target that is pushed to, and tried again, as often as a test can wish.
fn eager(url: impl Into<String>) -> Target {
    quick(Target::http(url, TextEncoder::new()))
}

fn quick(target: Target) -> Target {
    target.every(SOON).retry(SOON, SOON * 2)
}

fn start(node: &Node, target: Target) -> Pusher {
    Pusher::builder(&node.engine).target("t", target).start().unwrap()
}

#[test]
fn each_snapshot_arrives_once_and_in_order() {
    let (node, server) = (Node::new(), Fake::good("127.0.0.1:0"));
    let target = eager(format!("{}?db=x", server.url())).header("X-Tenant", "a");
    let pusher = start(&node, target.basic_auth("Aladdin", "open sesame"));
    (1..=20).for_each(|_| node.step(&pusher));
    server.wait_for(20);
    assert_eq!(server.values("n_total"), (1..=20).collect::<Vec<_>>());
    let request = &server.requests()[0];
    assert!(request.head.starts_with("POST /push?db=x HTTP/1.1\r\n"), "{}", request.head);
    assert_eq!(request.header("Host"), Some(server.address.to_string().as_str()));
    assert_eq!(request.header("Content-Type"), Some(TextEncoder::CONTENT_TYPE));
    assert_eq!(request.header("X-Tenant"), Some("a"));
    let authorization = request.header("Authorization");
    assert_eq!(authorization, Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));

    wait_until("the last answer", || pusher.status()[0].sent == 20);
    let snapshot = node.engine.refresh();
    let of = [("target", "t")];
    assert_eq!(snapshot.counter_with("tachometer_push_sent_total", &of), Ok(20));
    assert_eq!(snapshot.counter_with("tachometer_push_failures_total", &of), Ok(0));
    assert_eq!(snapshot.gauge_with("tachometer_push_spool_entries", &of), Ok(0.0));
    assert_eq!(snapshot.gauge_with("tachometer_push_spool_bytes", &of), Ok(0.0));
    let last = "tachometer_push_last_success_timestamp_seconds";
    assert!(snapshot.gauge_with(last, &of).unwrap() > 1.7e9);
    let took = snapshot.histogram_with("tachometer_push_duration_seconds", &of).unwrap();
    assert_eq!(took.count(), 20);
}

#[test]
fn the_last_snapshot_is_flushed_exactly_once() {
    for stop_engine_first in [true, false] {
        let (node, server) = (Node::new(), Fake::good("127.0.0.1:0"));
        let target = eager(server.url()).every(Duration::from_secs(3600));
        let pusher = start(&node, target);
        node.count.add(7);
        if stop_engine_first {
            node.engine.stop();
        }
        let flush = pusher.stop();
        assert!(flush.is_complete());
        assert_eq!(flush.targets[0].sent, 1);
        assert_eq!(pusher.stop(), flush);
        drop(pusher);
        node.engine.stop();
        assert_eq!(server.values("n_total"), [7]);
    }
}

#[test]
fn of_an_engine_with_its_own_thread_each_snapshot_arrives_at_most_once_and_the_last_one_does() {
    let registry = Registry::new();
    let count = registry.counter("n_total", "Counted.").unwrap();
    let engine = || Engine::builder().registry(&registry).interval(SOON).start().unwrap();
    let first = engine();
    let server = Fake::good("127.0.0.1:0");
    let pusher = Pusher::builder(&first).target("t", eager(server.url())).start().unwrap();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let count = count.clone();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    count.add(3);
                    std::thread::sleep(Duration::from_millis(1));
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    // The pusher keeps neither the engine nor the registry from others.
    drop(first);
    let second = engine();
    count.add(1_000);
    second.refresh();
    assert!(pusher.stop().is_complete());
    let values = server.values("n_total");
    assert!(values.is_sorted() && values.len() > 2, "{values:?}");
    assert_eq!(values.last(), Some(&600));
    let generations = server.values("tachometer_generations_total");
    assert!(generations.is_sorted_by(|a, b| a < b), "{generations:?}");
}

#[test]
fn a_snapshot_that_was_pushed_at_its_time_is_not_flushed_again() {
    let (node, server) = (Node::new(), Fake::good("127.0.0.1:0"));
    let pusher = start(&node, eager(server.url()));
    node.count.inc();
    node.engine.stop();
    server.wait_for(1);
    wait_until("its answer", || pusher.status()[0].sent == 1);
    assert!(pusher.stop().is_complete());
    assert_eq!(server.values("n_total"), [1]);
}

#[test]
fn a_flush_to_a_silent_target_ends_in_time_and_says_what_is_left() {
    let node = Node::new();
    let silent = Fake::answering("127.0.0.1:0", |_, _| std::thread::sleep(fake::PATIENCE));
    let good = Fake::good("127.0.0.1:0");
    let pusher = Pusher::builder(&node.engine)
        .target("silent", eager(silent.url()).every(Duration::from_secs(3600)))
        .target("good", eager(good.url()).every(Duration::from_secs(3600)))
        .flush_within(Duration::from_millis(300))
        .start()
        .unwrap();
    node.count.inc();
    let began = Instant::now();
    let flush = pusher.stop();
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert!(!flush.is_complete());
    assert_eq!((flush.targets[0].waiting, flush.targets[1].waiting), (1, 0));
    assert_eq!(good.values("n_total"), [1]);
    assert_eq!(node.dropped("silent", "shutdown"), 1);
    assert_eq!(node.dropped("good", "shutdown"), 0);
}

#[test]
fn what_a_server_fails_to_take_is_sent_again_and_nothing_else_is() {
    let node = Node::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        1 | 2 => say(stream, "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"),
        _ => say(stream, OK),
    });
    let pusher = start(&node, eager(server.url()));
    (1..=4).for_each(|_| node.step(&pusher));
    wait_until("four payloads", || pusher.status()[0].sent == 4);
    assert_eq!(server.values("n_total"), [1, 2, 2, 2, 3, 4]);
    assert_eq!(node.failures("t", "status"), 2);
    assert_eq!(pusher.status()[0].last_error, None);
}

#[test]
fn a_server_that_asks_for_a_pause_gets_it() {
    for status in ["429 Slow Down", "503 Busy"] {
        let node = Node::new();
        let server = Fake::answering("127.0.0.1:0", move |number, stream| match number {
            0 => say(stream, &format!("HTTP/1.1 {status}\r\nRetry-After: 1\r\n\r\n")),
            _ => say(stream, OK),
        });
        let pusher = start(&node, eager(server.url()));
        node.step(&pusher);
        server.wait_for(2);
        let requests = server.requests();
        let pause = requests[1].at - requests[0].at;
        // The time of a request is taken after it was read, so the first is a little late.
        assert!(pause >= Duration::from_millis(900), "{pause:?}");
        assert_eq!(server.values("n_total"), [1, 1]);
        wait_until("its answer", || pusher.status()[0].sent == 1);
    }
}

#[test]
fn what_a_server_refuses_is_dropped_and_the_next_one_follows() {
    let node = Node::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        0 => say(stream, "HTTP/1.1 400 Bad Request\r\n\r\nno"),
        1 => say(stream, "HTTP/1.1 301 Moved\r\nLocation: /there\r\n\r\n"),
        _ => say(stream, OK),
    });
    let pusher = start(&node, eager(server.url()));
    node.step(&pusher);
    wait_until("the first answer", || pusher.status()[0].dropped == 1);
    assert!(pusher.status()[0].last_error.as_ref().unwrap().contains("400"));
    node.step(&pusher);
    wait_until("the second answer", || pusher.status()[0].dropped == 2);
    assert!(pusher.status()[0].last_error.as_ref().unwrap().contains("redirect"));
    node.step(&pusher);
    wait_until("the third answer", || pusher.status()[0].sent == 1);
    assert_eq!(server.values("n_total"), [1, 2, 3]);
    assert_eq!((node.failures("t", "refused"), node.dropped("t", "refused")), (2, 2));
}

#[test]
fn answers_that_are_none() {
    for (answer, reason) in [
        ("220 mail.example.com ESMTP ready\r\n", "malformed"),
        ("\u{0}\u{1}\u{2}", "malformed"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "closed"),
        ("", "closed"),
    ] {
        let node = Node::new();
        let server = Fake::answering("127.0.0.1:0", move |number, stream| match number {
            0 => say(stream, answer),
            _ => say(stream, OK),
        });
        let pusher = start(&node, eager(server.url()));
        node.step(&pusher);
        wait_until("its answer", || pusher.status()[0].sent == 1);
        assert_eq!(node.failures("t", reason), 1, "{answer:?}");
        assert_eq!(server.values("n_total"), [1, 1]);
    }
}

#[test]
fn a_status_stands_though_the_rest_of_the_answer_does_not_come() {
    let node = Node::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| {
        say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf");
        if number == 1 {
            std::thread::sleep(fake::PATIENCE);
        }
    });
    let pusher = start(&node, eager(server.url()).time_limit(Duration::from_millis(300)));
    (1..=3).for_each(|_| node.step(&pusher));
    wait_until("the answers", || pusher.status()[0].sent == 3);
    assert_eq!(server.values("n_total"), [1, 2, 3]);
}

#[test]
fn bad_targets_beside_a_good_one() {
    let node = Node::new();
    let hangs = Fake::answering("127.0.0.1:0", |_, _| std::thread::sleep(fake::PATIENCE));
    // Never reads: with a payload larger than the system's buffers, writing stops.
    let deaf = Fake::start(
        "127.0.0.1:0",
        |_, _| {
            std::thread::sleep(fake::PATIENCE);
            false
        },
        |_, _| {},
    );
    // One byte of an answer at a time, without end.
    let drips = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, "HTTP/1.1 100 Continue\r\n");
        for _ in 0..1_000 {
            say(stream, "x");
            std::thread::sleep(SOON);
        }
    });
    let floods = Fake::answering("127.0.0.1:0", |_, stream| {
        let waste = "x".repeat(1 << 20);
        (0..100).for_each(|_| say(stream, &waste));
    });
    let good = Fake::good("127.0.0.1:0");
    let limit = Duration::from_millis(400);
    let pusher = Pusher::builder(&node.engine)
        .target("hangs", eager(hangs.url()).time_limit(limit))
        .target("deaf", quick(Target::http_with(deaf.url(), Huge)).time_limit(limit))
        .target("drips", eager(drips.url()).time_limit(limit))
        .target("floods", eager(floods.url()).time_limit(limit))
        .target("down", eager(format!("http://{}/", free_address())))
        .target("nameless", eager("http://no.such.host.invalid/").time_limit(limit))
        .target("good", eager(good.url()))
        .resolver(|_, _| {
            std::thread::sleep(Duration::from_secs(2));
            Err(std::io::Error::other("asked in vain"))
        })
        .flush_within(SOON)
        .start()
        .unwrap();
    // While all the others have attempts under way that will come to nothing.
    let began = Instant::now();
    for at in 1..=50 {
        node.step(&pusher);
        good.wait_for(at);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(good.values("n_total"), (1..=50).collect::<Vec<_>>());
    for (target, reason) in [
        ("hangs", "timeout"),
        ("deaf", "timeout"),
        ("drips", "timeout"),
        ("floods", "malformed"),
        ("down", "connect"),
        ("nameless", "resolve"),
    ] {
        wait_until(target, || node.failures(target, reason) >= 2);
        assert_eq!(node.own("tachometer_push_sent_total", &[("target", target)]), 0);
    }
    assert_eq!(node.own("tachometer_push_failures_total", &[("target", "good")]), 0);
    assert!(pusher.status()[5].last_error.as_ref().unwrap().contains("name"));
}

/// A payload that no socket's buffer takes whole.
#[derive(Debug)]
struct Huge;

impl Protocol for Huge {
    fn prepare(&mut self, _: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        payloads.push(Payload::new(vec![b'x'; 12 << 20], "text/plain"));
    }
}

#[test]
fn a_large_payload_to_a_slow_reader_arrives_whole() {
    let node = Node::new();
    let server = Fake::start(
        "127.0.0.1:0",
        |_, _| {
            std::thread::sleep(Duration::from_millis(300));
            true
        },
        |_, stream| say(stream, OK),
    );
    let target = quick(Target::http_with(server.url(), Huge)).time_limit(fake::PATIENCE);
    let pusher = start(&node, target.spool(2, 64 << 20));
    node.step(&pusher);
    wait_until("its answer", || pusher.status()[0].sent == 1);
    assert_eq!(server.requests()[0].body.len(), 12 << 20);
}

#[test]
fn what_waited_for_a_server_arrives_once_and_in_order() {
    let node = Node::new();
    let address = free_address();
    let pusher = start(&node, eager(format!("http://{address}/push")));
    (1..=30).for_each(|_| node.step(&pusher));
    wait_until("a refused connection", || pusher.status()[0].last_error.is_some());
    assert!(pusher.status()[0].last_error.as_ref().unwrap().contains("connection"));
    assert_eq!(pusher.status()[0].waiting, 30);
    let server = Fake::good(&address.to_string());
    wait_until("all payloads", || pusher.status()[0].sent == 30);
    assert_eq!(server.values("n_total"), (1..=30).collect::<Vec<_>>());
    // Down, and up again.
    drop(server);
    (1..=10).for_each(|_| node.step(&pusher));
    let server = Fake::good(&address.to_string());
    wait_until("all payloads", || pusher.status()[0].sent == 40);
    assert_eq!(server.values("n_total"), (31..=40).collect::<Vec<_>>());
}

#[test]
fn a_full_spool_drops_the_oldest_and_counts_them() {
    let node = Node::new();
    let address = free_address();
    let pusher = start(&node, eager(format!("http://{address}/push")).spool(5, 1 << 20));
    (1..=20).for_each(|_| node.step(&pusher));
    let status = pusher.status().remove(0);
    assert_eq!(status.waiting as u64 + status.dropped, 20);
    assert!((14..=15).contains(&status.dropped), "{status:?}");
    let server = Fake::good(&address.to_string());
    wait_until("what is left", || pusher.status()[0].waiting == 0);
    let values = server.values("n_total");
    assert!(values.ends_with(&[17, 18, 19, 20]) && values.is_sorted_by(|a, b| a < b), "{values:?}");
    assert_eq!(values.len() as u64, 20 - status.dropped);
    assert_eq!(node.dropped("t", "full"), status.dropped);
}

#[test]
fn a_payload_larger_than_the_spool_is_dropped() {
    let (node, server) = (Node::new(), Fake::good("127.0.0.1:0"));
    let pusher = start(&node, quick(Target::http_with(server.url(), Huge)).spool(5, 1 << 20));
    node.step(&pusher);
    assert_eq!((node.dropped("t", "too_large"), pusher.status()[0].waiting), (1, 0));
}

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let name = format!("push-{name}-{}", std::process::id());
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_spool_in_a_file_survives_a_restart_even_with_a_torn_end() {
    let folder = Folder::new("restart");
    let file = folder.0.join("spool");
    let address = free_address();
    let target = || eager(format!("http://{address}/push")).spool_file(&file);
    let node = Node::new();
    // Three are delivered, five wait.
    let server = Fake::good(&address.to_string());
    let pusher = Pusher::builder(&node.engine).target("t", target()).flush_within(SOON);
    let pusher = pusher.start().unwrap();
    (1..=3).for_each(|_| node.step(&pusher));
    wait_until("three payloads", || pusher.status()[0].sent == 3);
    assert_eq!(server.values("n_total"), [1, 2, 3]);
    drop(server);
    (4..=8).for_each(|_| node.step(&pusher));
    let in_use = Pusher::builder(&node.engine).target("other", target()).start().unwrap_err();
    assert!(in_use.to_string().contains("of its own"), "{in_use}");
    let flush = pusher.stop();
    // The last snapshot is one more.
    assert_eq!((flush.targets[0].waiting, flush.targets[0].dropped), (6, 0));

    // The end of the process tore the last record.
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();

    let server = Fake::good(&address.to_string());
    let next = Node::new();
    next.count.add(100);
    let pusher = start(&next, target());
    wait_until("what waited", || pusher.status()[0].sent == 5);
    assert_eq!(next.dropped("t", "damaged"), 1);
    wait_until("the next snapshots", || server.requests().len() > 5);
    let values = server.values("n_total");
    assert_eq!(values[..6], [4, 5, 6, 7, 8, 100]);
    assert!(pusher.stop().is_complete());

    // Nothing that was acknowledged comes back.
    drop(server);
    let server = Fake::good(&address.to_string());
    let pusher = start(&next, target().every(Duration::from_secs(3600)));
    assert_eq!(pusher.status()[0].waiting, 0);
    pusher.stop();
    assert_eq!(server.values("n_total"), [100]);
}

#[test]
fn a_file_that_cannot_be_a_spool_is_an_error_and_is_left_alone() {
    let folder = Folder::new("foreign");
    let node = Node::new();
    let start = |file: std::path::PathBuf| {
        let target = eager("http://127.0.0.1:1/").spool_file(file);
        Pusher::builder(&node.engine).target("t", target).start().unwrap_err().to_string()
    };
    let file = folder.0.join("diary");
    std::fs::write(&file, "Dear diary, today …").unwrap();
    assert!(start(file.clone()).contains("not a spool"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "Dear diary, today …");
    assert!(start(folder.0.join("missing/spool")).contains("folder"));
    assert!(start(folder.0.clone()).contains("push target \"t\""));
}

#[test]
fn lines_arrive_and_are_confirmed_by_the_end_of_the_connection() {
    let (node, server) = (Node::new(), Fake::answering("127.0.0.1:0", |_, _| {}));
    let target = quick(Target::lines(server.address.to_string(), TextEncoder::new()));
    let pusher = start(&node, target);
    (1..=5).for_each(|_| node.step(&pusher));
    wait_until("the confirmations", || pusher.status()[0].sent == 5);
    assert_eq!(server.values("n_total"), (1..=5).collect::<Vec<_>>());
    assert!(server.requests().iter().all(|request| request.body.ends_with('\n')));
}

#[test]
fn lines_to_a_peer_that_goes_away_or_keeps_silent_are_sent_again() {
    let node = Node::new();
    let server = Fake::start(
        "127.0.0.1:0",
        // The first connection is closed with everything unread.
        |number, stream| {
            let mut some = [0; 16];
            number > 0 || std::io::Read::read_exact(stream, &mut some).is_err()
        },
        // The second is kept open.
        |number, _| {
            if number == 0 {
                std::thread::sleep(fake::PATIENCE);
            }
        },
    );
    let target = quick(Target::lines(server.address.to_string(), TextEncoder::new()));
    let pusher = start(&node, target.time_limit(Duration::from_millis(300)));
    node.step(&pusher);
    wait_until("the confirmation", || pusher.status()[0].sent == 1);
    assert_eq!((node.failures("t", "closed"), node.failures("t", "timeout")), (1, 1));
    assert_eq!(server.values("n_total"), [1, 1]);
}

#[test]
fn datagrams_carry_whole_lines() {
    let node = Node::new();
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_read_timeout(Some(fake::PATIENCE)).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let target = Target::datagrams(address, TextEncoder::new()).datagram_bytes(200);
    let pusher = start(&node, quick(target));
    node.step(&pusher);
    let snapshot = node.engine.snapshot();
    let page = String::from_utf8(tachometer::Encoder::to_vec(&mut TextEncoder::new(), &snapshot));
    let page = page.unwrap();
    let mut received = String::new();
    let mut datagram = [0; 65_536];
    while received.len() < page.len() {
        let len = server.recv(&mut datagram).unwrap();
        let piece = std::str::from_utf8(&datagram[..len]).unwrap();
        assert!(piece.ends_with('\n'));
        assert!(len <= 200 || piece.lines().count() == 1, "{piece}");
        received += piece;
    }
    assert_eq!(received, page);
}

/// What was counted since the last payload that arrived.
#[derive(Debug, Default)]
struct Deltas {
    confirmed: u64,
    prepared: u64,
}

impl Protocol for Deltas {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        self.prepared = snapshot.counter("n_total").unwrap();
        let line = format!("n_total {}\n", self.prepared - self.confirmed);
        payloads.push(Payload::new(line.into_bytes(), "text/plain"));
    }

    fn waits(&self) -> bool {
        true
    }

    fn acknowledged(&mut self, _: Part, answer: &[u8]) {
        assert_eq!(answer, b"taken");
        self.confirmed = self.prepared;
    }
}

#[test]
fn deltas_lose_nothing_though_payloads_are_refused_or_late() {
    let node = Node::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        0 => say(stream, "HTTP/1.1 400 Bad\r\n\r\n"),
        1 => say(stream, "HTTP/1.1 500 Oops\r\n\r\n"),
        // Long enough for several snapshots to be due.
        2 => {
            std::thread::sleep(Duration::from_millis(300));
            say(
                stream,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\ntaken\r\n0\r\n\r\n",
            );
        }
        _ => say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\ntaken"),
    });
    let pusher = start(&node, quick(Target::http_with(server.url(), Deltas::default())));
    for _ in 0..100 {
        node.count.inc();
        node.engine.refresh();
        std::thread::sleep(Duration::from_millis(4));
    }
    assert!(pusher.stop().is_complete());
    let values = server.values("n_total");
    // The first was refused; the second was answered with an error, and sent again as it was.
    assert_eq!(values[1], values[2]);
    assert_eq!(values[2..].iter().sum::<u64>(), 100, "{values:?}");
}

/// Speaks version two, and one to whom does not.
#[derive(Debug)]
struct Versions(u8);

impl Protocol for Versions {
    fn prepare(&mut self, _: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        let body = format!("version_total {}\n", self.0).into_bytes();
        payloads.push(Payload::new(body, "text/plain"));
    }

    fn refused(&mut self, _: Part, status: u16) -> Option<Payload> {
        self.0 = if status == 415 { 1 } else { self.0 };
        Some(Payload::new(b"version_total 1\n".to_vec(), "text/plain"))
    }
}

#[test]
fn a_protocol_can_offer_an_older_version_once() {
    let node = Node::new();
    let server = Fake::answering("127.0.0.1:0", |number, stream| match number {
        0 | 3 | 4 => say(stream, "HTTP/1.1 415 Unsupported Media Type\r\n\r\n"),
        _ => say(stream, OK),
    });
    let pusher = start(&node, quick(Target::http_with(server.url(), Versions(2))));
    (1..=3).for_each(|_| node.step(&pusher));
    wait_until("the answers", || pusher.status()[0].waiting == 0);
    assert_eq!(server.values("version_total"), [2, 1, 1, 1, 1]);
    assert_eq!((pusher.status()[0].sent, node.dropped("t", "refused")), (2, 1));
}

/// Panics every second time.
#[derive(Debug)]
struct Fickle(Page<TextEncoder>, u32);

impl Protocol for Fickle {
    fn prepare(&mut self, snapshot: &Arc<Snapshot>, payloads: &mut Vec<Payload>) {
        self.1 += 1;
        assert!(self.1.is_multiple_of(2), "as the test wants it");
        self.0.prepare(snapshot, payloads);
    }
}

#[test]
fn a_protocol_that_panics_costs_a_payload_and_no_more() {
    let (node, server) = (Node::new(), Fake::good("127.0.0.1:0"));
    let target = Target::http_with(server.url(), Fickle(Page::new(TextEncoder::new()), 0));
    let pusher = start(&node, quick(target));
    wait_until("a panic", || node.failures("t", "panic") > 0);
    server.wait_for(1);
    drop(pusher);
}

#[test]
fn names_are_looked_up_again_when_a_host_has_moved() {
    let node = Node::new();
    let (first, second) = (Fake::good("127.0.0.1:0"), Fake::good("127.0.0.1:0"));
    let (old, new) = (first.address, second.address);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let pusher = Pusher::builder(&node.engine)
        .target("t", eager("http://store.example/push"))
        .resolver(move |host, port| {
            assert_eq!((host, port), ("store.example", 80));
            Ok(vec![
                free_address(),
                if count.fetch_add(1, Ordering::SeqCst) == 0 { old } else { new },
            ])
        })
        .start()
        .unwrap();
    (1..=3).for_each(|_| node.step(&pusher));
    wait_until("three payloads", || pusher.status()[0].sent == 3);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    drop(first);
    (4..=6).for_each(|_| node.step(&pusher));
    wait_until("six payloads", || pusher.status()[0].sent == 6);
    assert_eq!(second.values("n_total"), [4, 5, 6]);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[test]
fn wrong_settings_say_what_where_and_what_to_do() {
    let node = Node::new();
    let start = |target: Target| -> String {
        let started = Pusher::builder(&node.engine).target("store", target).start();
        started.unwrap_err().to_string()
    };
    let good = || eager("http://127.0.0.1:1/");
    let statsd = || Target::datagrams("127.0.0.1:1", TextEncoder::new());
    for (target, words) in [
        (eager("https://h/"), "TLS"),
        (eager("h:80"), "scheme"),
        (eager("http://u:hunter2@h/"), "credentials"),
        (Target::lines("h", TextEncoder::new()), "port"),
        (Target::victoria_metrics("http://h:x"), "port"),
        (good().every(Duration::ZERO), "every"),
        (good().time_limit(Duration::ZERO), "time_limit"),
        (good().retry(SOON, Duration::ZERO), "retry"),
        (good().spool(0, 1), "spool"),
        (good().spool(1, usize::MAX), "spool"),
        (good().header("Content-Length", "1"), "sets"),
        (good().header("A", "hunter2\r\nB: c"), "line"),
        (good().grouping("a", "b"), "Pushgateway"),
        (statsd().header("A", "hunter2"), "HTTP"),
        (statsd().datagram_bytes(0), "datagram"),
        (good().datagram_bytes(9), "datagram"),
        (statsd().method(tachometer::push::Method::Put), "HTTP"),
        (Target::pushgateway("http://h", ""), "job"),
        (Target::pushgateway("http://h", "j").grouping("1", "b"), "label"),
    ] {
        let error = start(target);
        assert!(error.contains(words) && error.contains("\"store\""), "{words}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let builder = || Pusher::builder(&node.engine);
    assert!(builder().start().unwrap_err().to_string().contains("none"));
    let twice = builder().target("a", good()).target("a", good()).start().unwrap_err();
    assert!(twice.to_string().contains("twice"), "{twice}");
    let many = (0..=tachometer::limits::MAX_PUSH_TARGETS)
        .fold(builder(), |builder, at| builder.target(at.to_string(), good()));
    assert!(matches!(many.start(), Err(Error::TooMany { .. })));
    node.engine.stop();
    assert!(matches!(builder().target("a", good()).start(), Err(Error::NotRunning(_))));
}

#[test]
fn secrets_are_in_no_message() {
    let node = Node::new();
    let server = Fake::answering("127.0.0.1:0", |_, stream| {
        say(stream, "HTTP/1.1 401 Unauthorized\r\n\r\nnot with hunter2, hunter3 or hunter4");
    });
    let target = eager(format!("{}?token=hunter4", server.url()));
    let target = target.header("Authorization", "Bearer hunter2").header("X-Key", "hunter3");
    let shown = format!("{target:?}");
    let builder = Pusher::builder(&node.engine).target("t", target);
    let shown = format!("{shown}{builder:?}");
    let pusher = builder.start().unwrap();
    node.step(&pusher);
    wait_until("the answer", || pusher.status()[0].last_error.is_some());
    let shown = format!("{shown}{pusher:?}{:?}{}", pusher.status(), common::page_of(&node.engine));
    assert!(shown.contains("401") && !shown.contains("hunter"), "{shown}");
    assert_eq!(server.requests()[0].header("Authorization"), Some("Bearer hunter2"));
}
