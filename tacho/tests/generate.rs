//! The generated dashboards on a real cluster: a real Prometheus scrapes it and evaluates the generated rules, and every query
//! of every panel returns data. And the command that writes the files.

#[path = "../../tests/common/debian.rs"]
#[allow(dead_code, reason = "one of several programs")]
mod debian;

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{cluster_with, until};
use serde_json::Value;
use tacho::listen::Listen;
use tacho::load::Load;
use tacho::monitor::Monitor;
use tacho::raft::cluster::Cluster;
use tacho::raft::config::{ClusterConfig, LogKind, NODES};
use tacho::raft::kills;
use tacho::raft::probe::SnapshotTrigger;
use tacho::system::System as _;
use tacho::timeline::Timeline;
use tachometer::catalogue::raft::RaftMetrics;

fn generate(line: &str, out: &Path) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tacho"));
    let said = command
        .arg("generate")
        .args(line.split_whitespace())
        .arg("--out")
        .arg(out)
        .output()
        .expect("it runs");
    let text = [said.stdout, said.stderr].concat();
    (said.status.success(), String::from_utf8(text).expect("text"))
}

#[test]
fn the_command_writes_what_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    let files = |folder: &Path| -> BTreeSet<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries
            .map(|entry| entry.expect("a file").file_name().into_string().expect("text"))
            .collect()
    };
    let (is_right, said) = generate("grafana --bundle raft", &out.join("grafana"));
    assert!(is_right, "{said}");
    let wanted = ["consensus.json", "fleet.json", "network.json", "storage.json"];
    assert_eq!(files(&out.join("grafana")), wanted.map(str::to_owned).into());
    let (is_right, said) =
        generate("rules --bundle hotstuff --bundle event_store", &out.join("rules"));
    assert!(is_right, "{said}");
    assert_eq!(
        files(&out.join("rules")).len(),
        6,
        "five parts and the store, without its control plane: {said}"
    );
    let (is_right, said) =
        generate("prometheus --target 10.0.0.1:9464 --interval 2s", &out.join("prometheus"));
    assert!(is_right, "{said}");
    let config = fs::read_to_string(out.join("prometheus/prometheus.yml")).expect("it is written");
    assert!(
        config.contains("scrape_interval: 2s\n") && config.contains("'10.0.0.1:9464'"),
        "{config}"
    );
    assert!(out.join("prometheus/rules/raft.yml").exists(), "{said}");
    for (line, reason) in [
        ("grafana --bundle raf-t", "there is no bundle \"raf-t\"; there are raft, "),
        ("prometheus --target http://host", "is no host:port"),
    ] {
        let (is_right, said) = generate(line, &out.join("wrong"));
        assert!(!is_right && said.contains(reason), "{line}: {said}");
    }
}

/// A process that ends with the value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The JSON that a server answers with.
fn ask(address: SocketAddr, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// How many series a query results in.
fn results(address: SocketAddr, query: &str) -> Result<usize, String> {
    let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let answer = ask(address, &format!("/api/v1/query?query={encoded}")).ok_or("no answer")?;
    let result = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
    Ok(result.len())
}

/// All expressions of the panels of a dashboard, as Grafana would ask them with all its variables left alone.
fn queries(dashboard: &Value) -> Vec<String> {
    let rows = dashboard["panels"].as_array().expect("rows");
    let inner = rows.iter().filter_map(|row| row["panels"].as_array()).flatten();
    let targets =
        rows.iter().chain(inner).filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.map(|target| target["expr"].as_str().expect("an expression"));
    let asked = expressions.map(|text| {
        text.replace("$__rate_interval", "20s").replace("$instance", ".*").replace("$group", ".*")
    });
    asked.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_every_raft_panel_returns_data() {
    if !debian::is_here("prometheus", "prometheus") {
        return;
    }
    let monitor = Monitor::start(Listen::At(([127, 0, 0, 1], 0).into()), Cluster::WORDS.rules)
        .expect("it is served");
    let address = monitor.address().expect("there is a page");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path();
    let (is_right, said) =
        generate(&format!("prometheus --bundle raft --target {address} --interval 1s"), out);
    assert!(is_right, "{said}");
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let prometheus = Command::new("prometheus")
        .arg(format!("--config.file={}", out.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", out.join("data").display()))
        .arg(format!("--web.listen-address={port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _prometheus = Running(prometheus.expect("it starts"));

    // All that a cluster goes through.
    let config = ClusterConfig {
        snapshot_after_entries: 200,
        metrics: Some(monitor.registry().clone()),
        ..ClusterConfig::new(LogKind::Memory)
    };
    let cluster = cluster_with(config).await;
    let leader = cluster.leader().expect("there is a leader");
    let follower = leader % NODES + 1;
    cluster.take_snapshot(leader, SnapshotTrigger::Manual).await.expect("the node runs");
    let load = Load::start(&cluster, 2);
    cluster.set_isolated(follower, true);
    until("the leader has purged what the follower lacks", async || {
        let seen = cluster.metrics(leader).await;
        seen.and_then(|seen| seen.purged).is_some_and(|purged| purged.index > 100)
    })
    .await;
    cluster.set_isolated(follower, false);
    kills::kill_leader(&cluster, &Timeline::begin()).await.expect("another node leads");

    // A panel of what fires has nothing to show while nothing does; and what no node ever was asked to do has no series.
    let bundles = [RaftMetrics::declaration()];
    let dashboards = tachometer::generate::grafana(&bundles);
    let open: Vec<_> = dashboards.iter().flat_map(|one| queries(&one.to_json())).collect();
    assert!(open.len() > 60, "{} queries", open.len());
    let mut open: BTreeSet<_> =
        open.into_iter().filter(|query| !query.contains("ALERTS")).collect();
    let mut wrong = Vec::new();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !open.is_empty() && tokio::time::Instant::now() < deadline {
        let mut left = BTreeSet::new();
        wrong.clear();
        for query in open {
            match results(port, &query) {
                Ok(1..) => {}
                found => {
                    wrong.push(format!("{query}: {found:?}"));
                    left.insert(query);
                }
            }
        }
        open = left;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    load.stop().await;
    cluster.shutdown().await.expect("the cluster stops");
    assert!(open.is_empty(), "panels without data: {wrong:#?}");
}
