//! A real HotStuff cluster, through everything that it can go through, and what is measured of it.

#[path = "common/page.rs"]
mod page;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use page::{Page, Sample};
use tacho::hotstuff::cluster::Cluster;
use tacho::hotstuff::config::{ClusterConfig, LIGHTEST, REPLICAS};
use tacho::listen::Listen;
use tacho::load::Load;
use tacho::monitor::Monitor;
use tacho::system::System;
use tachometer::catalogue::hotstuff2::{
    ConsensusMetrics, NetworkMetrics, PerformanceMetrics, StateMetrics, StorageMetrics,
};

/// How long anything that a test waits for may take on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(60);

/// What an honest cluster in memory has no value for (see `tacho::hotstuff`), and what is mostly 0 when it is looked at (see the
/// tests of its network).
const NOT_DRIVEN: [&str; 5] = [
    "bandwidth_limit_bytes",
    "contracts",
    "message_queue_length",
    "safety_violations_total",
    "storage_errors_total",
];

/// What rules make of what is recorded.
const DERIVED: [&str; 8] = [
    "transaction_throughput",
    "block_throughput",
    "consensus_throughput",
    "consensus_efficiency",
    "network_efficiency",
    "storage_efficiency",
    "message_delivery_ratio",
    "storage_utilization_ratio",
];

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it is served");
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it is taken");
    std::io::read_to_string(stream).expect("an answer")
}

fn height(cluster: &Cluster, replica: u64) -> u64 {
    let progress = cluster.progress(replica).expect("the store can be read");
    progress.committed_height.expect("a block was committed")
}

fn of(replica: u64) -> impl Fn(&Sample) -> bool {
    move |sample| sample.has("replica", &replica.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_series_that_can_be_is_driven_and_none_contradicts_another() {
    let monitor = Monitor::start(Listen::At(([127, 0, 0, 1], 0).into()), Cluster::WORDS.rules);
    let monitor = monitor.expect("it is served");
    let address = monitor.address().expect("there is a page");
    let config = ClusterConfig { metrics: Some(monitor.registry().clone()) };
    let cluster = Cluster::start(config).await.expect("the cluster starts");
    let load = Load::start(&cluster, 8);
    let names = [
        ConsensusMetrics::NAMES,
        PerformanceMetrics::NAMES,
        NetworkMetrics::NAMES,
        StorageMetrics::NAMES,
        StateMetrics::NAMES,
    ];
    let mut missing: BTreeSet<&str> = names.concat().into_iter().collect();
    NOT_DRIVEN.iter().for_each(|name| assert!(missing.remove(name), "{name} is no series"));
    let mut scrape = || {
        let page = Page::scrape(address);
        missing.retain(|name| !page.tells(&format!("hotstuff_{name}")));
        holds_together(&page);
        page
    };
    let lightest = of(LIGHTEST);
    until("transactions are final", || {
        scrape().sum("hotstuff_transactions_committed_total") > 100.0
    })
    .await;

    cluster.switch().set_byzantine(LIGHTEST, true);
    until("somebody sees the lie", || {
        let lies = |sample: &Sample| {
            sample.has("validator", &LIGHTEST.to_string()) && sample.has("kind", "invalid_vote")
        };
        scrape().sum_of("hotstuff_byzantine_behaviors_total", lies) > 0.0
    })
    .await;
    cluster.switch().set_byzantine(LIGHTEST, false);

    cluster.switch().set_isolated(LIGHTEST, true);
    until("the partition is seen", || {
        let page = scrape();
        let beyond = "hotstuff_partition_affected_peers";
        page.sum_of(beyond, &lightest) == 3.0 && page.sum(beyond) == 6.0
    })
    .await;
    cluster.switch().set_isolated(LIGHTEST, false);

    cluster.stop(LIGHTEST).await.expect("the replica stops");
    let behind = height(&cluster, LIGHTEST);
    let by_timeout = |page: &Page| {
        page.sum_of("hotstuff_view_changes_total", |sample| sample.has("reason", "timeout"))
    };
    let failed = by_timeout(&scrape());
    until("views fail without it", || by_timeout(&scrape()) >= failed + 3.0).await;
    until("the others go on", || height(&cluster, 1) > behind + 5).await;
    let page = scrape();
    assert_eq!(page.sum_of("hotstuff_active_peers", |sample| !lightest(sample)), 6.0);
    assert_eq!(page.sum_of("hotstuff_active_peers", &lightest), 0.0);
    cluster.restart(LIGHTEST).await.expect("the replica starts");
    let missed = height(&cluster, 1);
    until("it has what it missed", || height(&cluster, LIGHTEST) > missed).await;
    until("it is seen to have", || {
        scrape().sum_of("hotstuff_committed_height", &lightest) > missed as f64
    })
    .await;
    cluster.check().await.expect("all replicas run");
    // Each replica tells of its proposals in its own time, but it tells.
    until("what is final was proposed", || {
        scrape().sum("hotstuff_blocks_proposed_total") > missed as f64
    })
    .await;

    load.stop().await;
    until("rules have made all that they make", || is_all_derived(address)).await;
    let page = scrape();
    assert!(missing.is_empty(), "never filled: {missing:?}");
    page.assert_histograms_hold_together();
    assert!(page.samples("hotstuff_current_view").count() == REPLICAS as usize);
    for block in 0..=height(&cluster, LIGHTEST).min(missed) {
        let hashes: BTreeSet<_> = (1..=REPLICAS)
            .map(|id| cluster.replica(id).expect("it is there").block_at(block))
            .collect();
        assert!(hashes.len() == 1 && !hashes.contains(&None), "block {block}");
    }
    cluster.shutdown().await.expect("the cluster stops");
    assert_eq!(Page::scrape(address).sum("hotstuff_active_peers"), 0.0);
}

/// Whether rules have made of what is recorded what they make of it.
fn is_all_derived(address: SocketAddr) -> bool {
    DERIVED.iter().all(|name| {
        let answer = ask(address, &format!("/api/v1/query?query=hotstuff_{name}"));
        assert!(answer.contains("\"status\":\"success\""), "{answer}");
        answer.contains("\"replica\":\"1\"")
    })
}

/// What happened later is never on a page without what it followed from.
fn holds_together(page: &Page) {
    let sum = |name: &str| page.sum(&format!("hotstuff_{name}"));
    let of = |name: &str, key: &str, value: &str| {
        page.sum_of(&format!("hotstuff_{name}"), |sample| sample.has(key, value))
    };
    for kind in ["proposal", "vote", "new_view", "advance_view", "timeout", "sync"] {
        let (sent, received) =
            (of("messages_sent_total", "kind", kind), of("messages_received_total", "kind", kind));
        assert!(received <= sent, "{received} of {sent} messages of kind {kind} received");
    }
    assert!(sum("bytes_received_total") <= sum("bytes_sent_total"));
    assert!(sum("view_change_duration_seconds_count") <= sum("view_changes_total"));
    let transactions = sum("transactions_committed_total");
    assert_eq!(transactions, sum("block_transactions_sum"));
    assert_eq!(sum("blocks_committed_total"), sum("block_transactions_count"));
    for id in 1..=REPLICAS {
        let id = id.to_string();
        // Heights count from 0, and every replica began at the first.
        let height = of("committed_height", "replica", &id);
        let committed = of("blocks_committed_total", "replica", &id);
        assert!(committed <= height + 1.0, "replica {id}: {committed} blocks to height {height}");
        assert!(of("quorum_certificates_total", "replica", &id) >= committed);
    }
    assert_eq!(sum("safety_violations_total"), 0.0);
}

#[test]
fn the_command_stops_a_replica_and_tells_of_alerts() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.yml");
    let rules = "groups: [{name: test, rules: [\
                 {alert: PeerGone, expr: hotstuff_active_peers < 3, labels: {severity: page}}, \
                 {alert: ViewsFail, expr: 'increase(hotstuff_view_changes_total{reason=\"timeout\"}[1m]) > 0'}]}]";
    std::fs::write(&file, rules).expect("the file is written");
    let line = "hotstuff --clients 8 --for 12s --stop-replica 3s --listen off --json --rules";
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
    command.args(line.split_whitespace()).arg(&file);
    let output = command.output().expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{err}");
    let summary: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (&summary["setup"], &summary["log"]),
        (&"4 replicas".into(), &serde_json::Value::Null)
    );
    let events = summary["events"].as_array().expect("events");
    let first = |from: usize, wanted: &dyn Fn(&serde_json::Value) -> bool| {
        let found = events.iter().skip(from).position(wanted);
        from + found.unwrap_or_else(|| panic!("{out}\n{err}"))
    };
    let alert = |event: &serde_json::Value, name: &str, state: &str| {
        event["event"] == "alert" && event["name"] == name && event["state"] == state
    };
    let stopped = first(0, &|event| event["event"] == "replica_stopped");
    let gone = first(stopped, &|event| alert(event, "PeerGone", "firing"));
    first(stopped, &|event| alert(event, "ViewsFail", "firing"));
    let back = first(gone, &|event| event["event"] == "replica_restarted");
    first(back, &|event| alert(event, "PeerGone", "resolved"));
    let rows = summary["distributions"].as_array().expect("rows");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).expect(name);
    let acknowledged = summary["acknowledged"].as_u64().expect("a number");
    let answered = row("client, end to end")["count"].as_u64().expect("a number");
    assert!(acknowledged <= answered, "{acknowledged} acknowledged, {answered} answered");
    assert!(
        err.contains("transactions/s  view ") && err.contains("alert firing: PeerGone{"),
        "{err}"
    );
}
