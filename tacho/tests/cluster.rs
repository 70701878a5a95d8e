//! The cluster under load and under attack: in both kinds of log, nothing acknowledged is lost.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::page::{Page, Sample};
use common::{agreed_state, cluster, cluster_with, until};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use tacho::clock::Stamp;
use tacho::listen::Listen;
use tacho::load::Load;
use tacho::monitor::Monitor;
use tacho::raft::cluster::Cluster;
use tacho::raft::config::{ClusterConfig, LogKind, NODES};
use tacho::raft::kills;
use tacho::raft::network::Network;
use tacho::raft::probe::SnapshotTrigger;
use tacho::raft::types::{NodeId, Value, Vote};
use tacho::system::System as _;
use tacho::timeline::Timeline;
use tachometer::catalogue::raft::RaftMetrics;
use tokio::task::JoinSet;

type Writes = BTreeMap<u64, Value>;

/// Clients that each write keys of their own until told to stop; returns what was acknowledged.
async fn write_while(cluster: &Cluster, work: impl Future<Output = ()>) -> Writes {
    const CLIENTS: u64 = 8;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (mut client, is_over) = (cluster.client(), is_over.clone());
        clients.spawn(async move {
            let mut acknowledged = Writes::new();
            for write in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let (key, value) = (number << 32 | write, u128::from(write + 1).to_le_bytes());
                if client.put(key, value).await.is_ok() {
                    acknowledged.insert(key, value);
                }
                // Slow enough that all keys stay in the state.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            acknowledged
        });
    }
    work.await;
    is_over.store(true, Ordering::Relaxed);
    clients.join_all().await.into_iter().flatten().collect()
}

async fn assert_kept(cluster: &Cluster, acknowledged: &Writes) {
    let state = agreed_state(cluster).await;
    let lost = acknowledged.iter().find(|(key, value)| state.values.get(*key) != Some(*value));
    assert_eq!(lost, None, "of {} acknowledged writes", acknowledged.len());
    assert!(state.revision >= acknowledged.len() as u64);
}

/// Entries enough for several snapshots are written under load.
async fn runs_and_compacts(log: LogKind) {
    let config = ClusterConfig { snapshot_after_entries: 300, ..ClusterConfig::new(log) };
    let cluster = cluster_with(config).await;
    let load = Load::start(&cluster, 16);
    for id in 1..=NODES {
        until("the log is compacted", async || {
            cluster.metrics(id).await.is_some_and(|seen| seen.purged.is_some())
        })
        .await;
    }
    load.stop().await;
    agreed_state(&cluster).await;
    cluster.check().await.expect("all nodes are well");
    cluster.shutdown().await.expect("the cluster stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_memory_runs_and_compacts() {
    runs_and_compacts(LogKind::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_on_disk_runs_and_compacts() {
    runs_and_compacts(LogKind::Disk).await;
}

async fn survives_kills(log: LogKind) {
    let cluster = cluster(log).await;
    let timeline = Timeline::begin();
    let acknowledged = write_while(&cluster, async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            kills::kill_leader(&cluster, &timeline).await.expect("another node leads");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    })
    .await;
    assert_eq!(timeline.since(0).len(), 6);
    assert_kept(&cluster, &acknowledged).await;
    cluster.shutdown().await.expect("the cluster stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_acknowledged_write_in_memory() {
    survives_kills(LogKind::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_lose_no_acknowledged_write_on_disk() {
    survives_kills(LogKind::Disk).await;
}

/// All nodes at once, with something half-written at the end of each log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_cluster_comes_back_from_disk_with_torn_tails() {
    let config = ClusterConfig { snapshot_after_entries: 200, ..ClusterConfig::new(LogKind::Disk) };
    let cluster = cluster_with(config).await;
    let work = tokio::time::sleep(Duration::from_millis(700));
    let acknowledged = write_while(&cluster, work).await;
    for id in 1..=NODES {
        cluster.kill(id).await.expect("the node stops");
        tear_tail(&cluster, id);
    }
    for id in 1..=NODES {
        cluster.restart(id).await.expect("the node starts");
    }
    // A write proves that the cluster has a leader whose log is committed.
    let written = cluster.client().put(u64::MAX, [7; 16]).await;
    assert!(written.is_ok_and(|written| written.revision > acknowledged.len() as u64));
    assert_kept(&cluster, &acknowledged).await;
    cluster.shutdown().await.expect("the cluster stops");
}

/// Leaves the beginning of a record, as a crash in the middle of a write does.
fn tear_tail(cluster: &Cluster, id: NodeId) {
    use std::io::Write;
    let folder = cluster.node_folder(id).expect("the log is on disk");
    let files = std::fs::read_dir(folder).expect("the folder can be read");
    let paths = files.map(|file| file.expect("the folder can be read").path());
    let last = paths.filter(|path| path.extension().is_some_and(|name| name == "log")).max();
    let last = last.expect("there is a segment");
    let mut file = std::fs::OpenOptions::new().append(true).open(last).expect("it can be opened");
    file.write_all(&[200, 0, 0, 0, 1, 2, 3, 4, 5, 6]).expect("it can be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_isolated_follower_catches_up_by_snapshot() {
    let monitor = Monitor::start(Listen::Off, tacho::alerts::shipped).expect("the engine starts");
    let config = ClusterConfig {
        snapshot_after_entries: 300,
        metrics: Some(monitor.registry().clone()),
        ..ClusterConfig::new(LogKind::Memory)
    };
    let cluster = cluster_with(config).await;
    let leader = cluster.leader().expect("there is a leader");
    let isolated = leader % NODES + 1;
    cluster.set_isolated(isolated, true);
    let mut client = cluster.client();
    for key in 0..2_000 {
        client.put(key, [1; 16]).await.expect("two of three nodes are enough");
    }
    let view = cluster.view().await;
    let (_, lag) = view.followers.iter().find(|(id, _)| *id == isolated).expect("it is listed");
    assert!(lag.is_some_and(|lag| lag >= 1_990), "{view:?}");

    cluster.set_isolated(isolated, false);
    assert_eq!(agreed_state(&cluster).await.values.len(), 2_000);
    cluster.shutdown().await.expect("the cluster stops");
    let measured = monitor.finish(Cluster::WORDS.rows);
    let rows = |name| measured.distributions.iter().filter(move |row| row.name == name);
    assert!(rows("snapshot installed").next().is_some_and(|row| row.count >= 1));
    assert!(rows("proposal to commit, sampled").next().is_some_and(|row| row.count >= 1_000));
}

/// Every series of the catalogue tells something when everything happens that a cluster goes
/// through, and no page contradicts itself meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_the_catalogue_is_filled() {
    let monitor = Monitor::start(Listen::At(([127, 0, 0, 1], 0).into()), tacho::alerts::shipped)
        .expect("it is served");
    let address = monitor.address().expect("there is a page");
    let config = ClusterConfig {
        snapshot_after_entries: 200,
        metrics: Some(monitor.registry().clone()),
        ..ClusterConfig::new(LogKind::Disk)
    };
    let cluster = cluster_with(config).await;
    let leader = cluster.leader().expect("there is a leader");
    let follower = leader % NODES + 1;
    cluster.take_snapshot(leader, SnapshotTrigger::Manual).await.expect("the node runs");
    cluster.set_isolated(follower, true);
    let load = Load::start(&cluster, 4);
    let mut missing: BTreeSet<&str> = RaftMetrics::NAMES.iter().copied().collect();
    until("the leader has purged what the follower lacks", async || {
        scrape(address, &mut missing);
        let seen = cluster.metrics(leader).await;
        seen.and_then(|seen| seen.purged).is_some_and(|purged| purged.index > 100)
    })
    .await;
    cluster.set_isolated(follower, false);
    until("the follower has the snapshot", async || {
        let page = scrape(address, &mut missing);
        let installed = "raft_snapshot_apply_duration_seconds_count";
        page.sum_of(installed, |series| series.has("replica", &follower.to_string())) > 0.0
    })
    .await;
    load.stop().await;
    send_stale_entries(&cluster, leader, follower).await;
    let stale = |series: &Sample| series.has("reason", "stale_term");
    assert!(Page::scrape(address).sum_of("raft_append_entries_rejected_total", stale) > 0.0);
    kills::kill_leader(&cluster, &Timeline::begin()).await.expect("another node leads");

    let page = Page::scrape(address);
    page.assert_histograms_hold_together();
    missing.retain(|name| !page.tells(&format!("raft_{name}")));
    assert!(missing.is_empty(), "never filled: {missing:?}");
    let every = |series: &Sample| series.has("group", "demo/0") && series.has("cluster", "tacho");
    assert!(page.samples("raft_running").all(every));
    assert_eq!(page.samples("raft_running").count(), NODES as usize);
    cluster.shutdown().await.expect("the cluster stops");
    assert_eq!(Page::scrape(address).sum("raft_running"), 0.0);
}

/// Looks at the page while the cluster works. What happened later is never there without what it
/// followed from, though different threads of different nodes recorded the two.
fn scrape(address: SocketAddr, missing: &mut BTreeSet<&str>) -> Page {
    let page = Page::scrape(address);
    missing.retain(|name| !page.tells(&format!("raft_{name}")));
    let sent = page.sum("raft_append_entries_sent_total");
    let received = page.sum("raft_append_entries_received_total");
    assert!(received <= sent, "{received} calls received of {sent} sent");
    let is_append = |series: &Sample| series.has("rpc", "append_entries");
    let finished = page.sum_of("raft_rpc_requests_total", is_append);
    assert!(finished <= sent, "{finished} calls ended of {sent} sent");
    let committed = page.sum("raft_commit_batch_entries_sum");
    let acknowledged = page.sum_of("raft_proposals_total", |series| series.has("result", "ok"));
    assert!(acknowledged <= committed, "{acknowledged} acknowledged, {committed} committed");
    page
}

/// Calls `follower` as a leader of long ago would.
async fn send_stale_entries(cluster: &Cluster, leader: NodeId, follower: NodeId) {
    let mut network = Network { node: leader, router: cluster.router() };
    let request = AppendEntriesRequest {
        vote: Vote::new_committed(0, leader),
        prev_log_id: None,
        entries: Vec::new(),
        leader_commit: None,
    };
    let mut link = network.new_client(follower, &()).await;
    let response = link.append_entries(request, RPCOption::new(Duration::from_secs(1))).await;
    assert!(matches!(response, Ok(AppendEntriesResponse::HigherVote(_))), "{response:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_metrics_measures_nothing() {
    let config = ClusterConfig { metrics: None, ..ClusterConfig::new(LogKind::Memory) };
    let cluster = cluster_with(config).await;
    cluster.client().put(1, [1; 16]).await.expect("the cluster works");
    let state = agreed_state(&cluster).await;
    assert_eq!(state.values.len(), 1);
    for id in 1..=NODES {
        let probe = cluster.probe(id).await.expect("there is a probe");
        assert!(!probe.is_measuring() && probe.stamp() == Stamp::NONE);
    }
    cluster.shutdown().await.expect("the cluster stops");
}
