//! What servers answer, or do not: what is sent again, what is dropped, and that no target holds another up.

use crate::fake::{self, Fake, free_address, say, wait_until};
use crate::node::{Huge, Node, OK, SOON, eager, quick, start};
use std::time::{Duration, Instant};
use tachometer::{Pusher, Target};

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
