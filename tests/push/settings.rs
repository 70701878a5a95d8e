//! Wrong settings are errors that say what to do, and nothing that is said has a secret in it.

use crate::common;
use crate::fake::{Fake, say, wait_until};
use crate::node::{Node, SOON, eager};
use std::time::Duration;
use tachometer::{Error, Pusher, Target, TextEncoder};

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
        #[cfg(not(feature = "tls"))]
        (eager("https://h/"), "feature `tls`"),
        (eager("http://h/").ca_file("ca.pem"), "ca_file"),
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
