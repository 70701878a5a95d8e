//! Other ways to send than a page by HTTP: lines, datagrams, and protocols of the host's own.

use crate::fake::{self, Fake, say, wait_until};
use crate::node::{Node, OK, quick, start};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;
use tachometer::push::{Page, Part, Payload, Protocol};
use tachometer::{Snapshot, Target, TextEncoder};

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
    for _ in 1..=3 {
        node.step(&pusher);
        // Before the next payload is prepared, the answer to this one says of which version it is.
        wait_until("the answers", || pusher.status()[0].waiting == 0);
    }
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
