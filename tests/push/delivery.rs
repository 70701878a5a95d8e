//! What arrives: each snapshot once and in order, the last one too, at wherever the host is by then.

use crate::fake::{self, Fake, free_address, wait_until};
use crate::node::{Node, SOON, eager, start};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tachometer::{Engine, Pusher, Registry, TextEncoder};

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
