//! What waits for a server: how much of it, in which order, and over a restart of the process.

use crate::fake::{Fake, free_address, wait_until};
use crate::node::{Huge, Node, SOON, eager, quick, start};
use std::time::Duration;
use tachometer::{Pusher, Target};

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
