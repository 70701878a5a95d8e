//! The adapter for openraft around three real nodes, and a fourth that comes and goes: what is on the page fits what the nodes
//! say of themselves.
#![cfg(feature = "openraft")]

mod common;
#[path = "../examples/openraft/network.rs"]
mod network;
#[path = "../examples/openraft/store.rs"]
mod store;

use common::page::{Samples, parse, value};
use common::{by_hand, page_of};
use network::{Node, Switchboard};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse};
use openraft::{Config, Raft, RaftMetrics as Seen, SnapshotPolicy, Vote};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Log, Machine, Types};
use tachometer::catalogue::raft::{NodeState, RaftMetrics, SnapshotTrigger};
use tachometer::facade::openraft::Probe;
use tachometer::{Engine, Registry};

/// For anything that a loaded machine may take its time for.
const LIMIT: Duration = Duration::from_secs(60);

/// A node's place: what outlives a restart.
struct Place {
    probe: Probe<Types>,
    log: Log,
    machine: Machine,
}

struct Cluster {
    engine: Engine,
    registry: Registry,
    switchboard: Switchboard,
    places: BTreeMap<u64, Place>,
    nodes: BTreeMap<u64, Node>,
}

impl Cluster {
    async fn of_three() -> Cluster {
        let registry = Registry::new();
        let (engine, switchboard) = (by_hand(&registry), Switchboard::default());
        let (places, nodes) = (BTreeMap::new(), BTreeMap::new());
        let mut cluster = Cluster { engine, registry, switchboard, places, nodes };
        for id in 1..=3 {
            cluster.start(id).await;
        }
        let members = BTreeMap::from([(1, ()), (2, ()), (3, ())]);
        cluster.nodes[&1].initialize(members).await.expect("a new cluster");
        cluster
    }

    async fn start(&mut self, id: u64) {
        let replica = id.to_string();
        let labels = [("group", "sums/0"), ("replica", replica.as_str())];
        let registry = self.registry.scope(labels).expect("labels");
        let place = self.places.entry(id).or_insert_with(|| Place {
            probe: Probe::register(&registry, id).expect("a new node"),
            log: Log::default(),
            machine: Machine::default(),
        });
        let config = Config {
            snapshot_policy: SnapshotPolicy::LogsSinceLast(100),
            max_in_snapshot_log_to_keep: 20,
            heartbeat_interval: 150,
            election_timeout_min: 1_000,
            election_timeout_max: 2_000,
            install_snapshot_timeout: 5_000,
            ..Config::default()
        };
        let config = Arc::new(config.validate().expect("a configuration"));
        let probe = &place.probe;
        let network = probe.network(self.switchboard.of(id));
        let (log, machine) =
            (probe.log(place.log.clone()), probe.state_machine(place.machine.clone()));
        let raft = Raft::new(id, config, network, log, machine).await.expect("a node");
        let node = probe.follow(raft);
        self.switchboard.ports().nodes.insert(id, node.clone());
        self.nodes.insert(id, node);
    }

    async fn stop(&mut self, id: u64) {
        self.switchboard.ports().nodes.remove(&id);
        let node = self.nodes.remove(&id).expect("it runs");
        node.shutdown().await.expect("it stops");
    }

    fn isolate(&self, id: u64, is_isolated: bool) {
        let mut ports = self.switchboard.ports();
        if is_isolated {
            ports.isolated.insert(id)
        } else {
            ports.isolated.remove(&id)
        };
    }

    fn seen(&self, id: u64) -> Seen<u64, ()> {
        self.nodes[&id].metrics().borrow().clone()
    }

    /// The node that leads by its own word and is not cut off.
    async fn leader(&self) -> u64 {
        let isolated = self.switchboard.ports().isolated.clone();
        self.until("a node leads", || {
            let leads = |id: &&u64| {
                let seen = self.seen(**id);
                !isolated.contains(*id)
                    && seen.state.is_leader()
                    && seen.current_leader == Some(**id)
            };
            self.nodes.keys().find(leads).copied()
        })
        .await
    }

    async fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if began.elapsed() > LIMIT {
                panic!("waited in vain: {what}\n{}", page_of(&self.engine));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Has whoever leads do something, until it succeeds.
    async fn has_done(&self, what: &str, act: impl AsyncFn(&Node) -> bool) {
        let began = Instant::now();
        while !act(&self.nodes[&self.leader().await]).await {
            assert!(began.elapsed() < LIMIT, "tried in vain: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Writes through whoever leads, until each of `numbers` was answered.
    async fn write(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.has_done("a write", async |node| node.client_write(number).await.is_ok()).await;
        }
    }

    fn page(&self) -> Samples {
        self.engine.refresh();
        parse(&page_of(&self.engine))
    }

    /// A sample of `id`'s, once it is as it should be.
    async fn shows(
        &self,
        id: u64,
        name: &str,
        labels: &[(&str, &str)],
        is_right: impl Fn(f64) -> bool,
    ) {
        let what = format!("{name} {labels:?} of {id}");
        self.until(&what, || of(&self.page(), id, name, labels).filter(|value| is_right(*value)))
            .await;
    }
}

/// The value of a series of node `id`, if it is on the page.
fn of(page: &Samples, id: u64, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let replica = id.to_string();
    let labels = [&[("group", "sums/0"), ("replica", replica.as_str())], labels].concat();
    value(page, &format!("raft_{name}"), &labels)?.parse().ok()
}

fn is(wanted: u64) -> impl Fn(f64) -> bool {
    move |value| value == wanted as f64
}

fn at_least(wanted: u64) -> impl Fn(f64) -> bool {
    move |value| value >= wanted as f64
}

fn state(state: NodeState) -> impl Fn(f64) -> bool {
    move |value| value == state.value()
}

/// The gauges of `id` come to be what the node says of itself.
async fn fits(cluster: &Cluster, id: u64) {
    let index = |id: Option<openraft::LogId<u64>>| id.map_or(0, |id| id.index);
    // Without somebody who says what an entry weighs, its type does.
    let entry = size_of::<openraft::Entry<Types>>() as f64;
    cluster
        .until(&format!("the gauges of {id} fit"), || {
            let (page, seen) = (cluster.page(), cluster.seen(id));
            let last = seen.last_log_index.unwrap_or(0);
            let entries = last + u64::from(seen.purged.is_none()) - index(seen.purged);
            let fit = [
                ("running", 1),
                ("current_term", seen.current_term),
                ("current_leader", seen.current_leader?),
                ("last_log_index", last),
                ("commit_index", last),
                ("last_applied", index(seen.last_applied)),
                ("snapshot_index", index(seen.snapshot)),
                ("purged_index", index(seen.purged)),
                ("log_entries", entries),
                ("cluster_size", seen.membership_config.membership().voter_ids().count() as u64),
            ];
            let is_so =
                |(name, wanted): (&str, u64)| of(&page, id, name, &[]) == Some(wanted as f64);
            let bytes = of(&page, id, "log_bytes", &[])?;
            let weighs = (bytes - entries as f64 * entry).abs() <= entry;
            (fit.into_iter().all(is_so) && weighs).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_three_nodes_go_through_is_on_the_page() {
    let mut cluster = Cluster::of_three().await;
    let mut missing: BTreeSet<&str> = RaftMetrics::NAMES.iter().copied().collect();

    // A leader, and writes.
    let leader = cluster.leader().await;
    cluster.write(0..50).await;
    for id in 1..=3 {
        cluster.shows(id, "last_applied", &[], at_least(50)).await;
        fits(&cluster, id).await;
        cluster.shows(id, "config_changes_total", &[("change", "add_node")], is(3)).await;
    }
    let page = cluster.page();
    let sum = |name: &str, labels: &[(&str, &str)]| -> f64 {
        (1..=3).filter_map(|id| of(&page, id, name, labels)).sum()
    };
    let won = sum("elections_total", &[("result", "won")]);
    assert!(won >= 1.0);
    let stood = won + sum("elections_total", &[("result", "lost")]);
    assert_eq!(sum("election_duration_seconds_count", &[]), stood);
    assert!(of(&page, leader, "votes_received", &[]) >= Some(2.0));
    assert_eq!(sum("proposals_total", &[("result", "ok")]), 50.0);
    // Each is counted once, where it was proposed, and timed entries stand for those that are not.
    assert!(sum("commit_batch_entries_sum", &[]) >= 50.0);
    assert!(sum("commit_latency_seconds_count", &[]) >= 40.0);
    cluster.shows(leader, "isr_size", &[], is(3)).await;
    for follower in (1..=3).filter(|id| *id != leader) {
        let (name, seen) = (follower.to_string(), cluster.seen(leader));
        let last = seen.last_log_index.expect("a log");
        cluster.shows(leader, "follower_matched_index", &[("follower", &name)], is(last)).await;
        cluster.shows(leader, "follower_lag_entries", &[("follower", &name)], is(0)).await;
        cluster.shows(leader, "node_state", &[("node", &name)], state(NodeState::Follower)).await;
        let requests = [("peer", name.as_str()), ("result", "ok"), ("rpc", "append_entries")];
        let answered = of(&cluster.page(), leader, "rpc_requests_total", &requests);
        let sent = of(&cluster.page(), leader, "append_entries_sent_total", &[("peer", &name)]);
        assert!(answered >= Some(50.0) && sent >= answered, "{answered:?} of {sent:?}");
        let leader = leader.to_string();
        let from = [("peer", leader.as_str())];
        let received = of(&cluster.page(), follower, "append_entries_received_total", &from);
        assert!(received >= answered, "{received:?} of {answered:?}");
    }
    fill(&mut missing, &cluster);

    // A follower that is cut off for longer than the log goes back, and catches up by a snapshot.
    let isolated = leader % 3 + 1;
    let name = isolated.to_string();
    cluster.isolate(isolated, true);
    cluster.write(0..250).await;
    let leading = cluster.leader().await;
    let follower = [("follower", name.as_str())];
    cluster.shows(leading, "follower_lag_entries", &follower, at_least(250)).await;
    cluster.shows(leading, "max_follower_lag_entries", &[], at_least(250)).await;
    cluster.shows(leading, "follower_lag_seconds", &follower, |lag| lag > 0.0).await;
    cluster.shows(leading, "node_state", &[("node", &name)], state(NodeState::None)).await;
    let refused = [("error", "connection_refused"), ("peer", &name), ("rpc", "append_entries")];
    cluster.shows(leading, "rpc_errors_total", &refused, at_least(1)).await;
    fill(&mut missing, &cluster);
    cluster.isolate(isolated, false);
    let received = [("direction", "receive"), ("result", "ok")];
    cluster.shows(isolated, "snapshot_transfers_total", &received, at_least(1)).await;
    cluster.shows(isolated, "snapshot_apply_duration_seconds_count", &[], at_least(1)).await;
    let leading = cluster.leader().await;
    cluster.shows(leading, "follower_lag_entries", &follower, is(0)).await;
    fits(&cluster, isolated).await;

    // A snapshot because somebody asked.
    cluster.write(0..10).await;
    let leading = cluster.leader().await;
    let manual = SnapshotTrigger::Manual;
    cluster.nodes[&leading].take_snapshot(manual).await.expect("the node runs");
    let asked = [("trigger", "manual")];
    cluster.shows(leading, "snapshots_created_total", &asked, is(1)).await;
    cluster.shows(leading, "snapshots_created_total", &[("trigger", "size")], at_least(1)).await;
    let page = cluster.page();
    let count = of(&page, leading, "snapshot_size_bytes_count", &[]);
    assert_eq!(of(&page, leading, "snapshot_size_bytes_sum", &[]), count.map(|count| 8.0 * count));
    fits(&cluster, leading).await;

    // A leader of long ago.
    send_stale_entries(&cluster, leading, isolated).await;
    let stale = [("reason", "stale_term")];
    cluster.shows(isolated, "append_entries_rejected_total", &stale, at_least(1)).await;

    // The leader dies, and comes back.
    let changes = |page: &Samples, id| of(page, id, "leader_changes_total", &[]).expect("it runs");
    let others: Vec<u64> = (1..=3).filter(|id| *id != leading).collect();
    let before: Vec<f64> = others.iter().map(|id| changes(&cluster.page(), *id)).collect();
    cluster.stop(leading).await;
    let page = cluster.page();
    assert_eq!(of(&page, leading, "running", &[]), Some(0.0));
    assert_eq!(of(&page, leading, "current_leader", &[]), Some(-1.0));
    let next = cluster.leader().await;
    cluster
        .shows(next, "node_state", &[("node", &next.to_string())], state(NodeState::Leader))
        .await;
    cluster
        .shows(next, "node_state", &[("node", &leading.to_string())], state(NodeState::None))
        .await;
    for (id, before) in others.iter().zip(before) {
        cluster.shows(*id, "leader_changes_total", &[], |now| now > before).await;
    }
    cluster.start(leading).await;
    cluster.write(0..10).await;
    cluster.shows(leading, "running", &[], is(1)).await;
    let (name, next) = (leading.to_string(), cluster.leader().await);
    if leading != next {
        cluster.shows(next, "follower_lag_entries", &[("follower", &name)], is(0)).await;
    }
    fits(&cluster, next).await;

    fill(&mut missing, &cluster);
    assert!(missing.is_empty(), "never filled: {missing:?}");
}

/// What tells something on the page is no longer missing.
fn fill(missing: &mut BTreeSet<&str>, cluster: &Cluster) {
    let page = cluster.page();
    let tells = |name: &str| {
        let is = |sample: &str| sample == name || sample == format!("{name}_count");
        let mut of =
            page.iter().filter(|((sample, _), _)| sample.strip_prefix("raft_").is_some_and(is));
        of.any(|(_, value)| value.parse() != Ok(0.0))
    };
    missing.retain(|name| !tells(name));
}

async fn send_stale_entries(cluster: &Cluster, from: u64, to: u64) {
    let mut link = cluster.switchboard.of(from).new_client(to, &()).await;
    let vote = Vote::new_committed(0, from);
    let (prev_log_id, leader_commit) = (None, None);
    let request = AppendEntriesRequest { vote, prev_log_id, entries: Vec::new(), leader_commit };
    let answer = link.append_entries(request, RPCOption::new(LIMIT)).await;
    assert!(matches!(answer, Ok(AppendEntriesResponse::HigherVote(_))), "{answer:?}");
}

/// A fourth node joins as a learner, becomes a voter, and leaves again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_comes_and_goes() {
    let mut cluster = Cluster::of_three().await;
    cluster.write(0..10).await;
    cluster.start(4).await;
    cluster.has_done("a learner", async |node| node.add_learner(4, (), true).await.is_ok()).await;
    let leader = cluster.leader().await;
    cluster.shows(leader, "node_state", &[("node", "4")], state(NodeState::Learner)).await;
    cluster.shows(leader, "cluster_size", &[], is(3)).await;
    // A node that comes late hears of all four.
    cluster.shows(4, "config_changes_total", &[("change", "add_node")], is(4)).await;

    let members = |of: &[u64]| -> BTreeSet<u64> { of.iter().copied().collect() };
    let to = |of: &'static [u64]| {
        async move |node: &Node| node.change_membership(members(of), false).await.is_ok()
    };
    cluster.has_done("a voter", to(&[1, 2, 3, 4])).await;
    cluster.write(0..10).await;
    let leader = cluster.leader().await;
    cluster.shows(leader, "cluster_size", &[], is(4)).await;
    cluster.shows(leader, "isr_size", &[], is(4)).await;
    let last = cluster.seen(leader).last_log_index.expect("a log");
    if leader != 4 {
        cluster.shows(leader, "node_state", &[("node", "4")], state(NodeState::Follower)).await;
        cluster.shows(leader, "follower_matched_index", &[("follower", "4")], is(last)).await;
    }
    cluster.shows(leader, "last_quorum_acked_index", &[], is(last)).await;

    cluster.has_done("it leaves", to(&[1, 2, 3])).await;
    cluster.write(0..10).await;
    let leader = cluster.leader().await;
    cluster.shows(leader, "cluster_size", &[], is(3)).await;
    cluster.shows(leader, "config_changes_total", &[("change", "remove_node")], at_least(1)).await;
    for id in 1..=3 {
        fits(&cluster, id).await;
        // Its series go with it, whoever told of it.
        cluster
            .until("what belongs to node 4 is gone", || {
                tells_of(&cluster.page(), id, "4").is_empty().then_some(())
            })
            .await;
        let other = if id == 1 { "2" } else { "1" };
        assert!(!tells_of(&cluster.page(), id, other).is_empty(), "the others stay");
    }

    // And come back with it.
    cluster.has_done("a learner", async |node| node.add_learner(4, (), true).await.is_ok()).await;
    let leader = cluster.leader().await;
    cluster.shows(leader, "node_state", &[("node", "4")], state(NodeState::Learner)).await;
    let sent = [("peer", "4")];
    cluster.shows(leader, "append_entries_sent_total", &sent, at_least(1)).await;
}

/// The series of `id` that belong to the member `other`.
fn tells_of(page: &Samples, id: u64, other: &str) -> Vec<String> {
    let (replica, mine) =
        (id.to_string(), |labels: &[(String, String)], key: &str, value: &str| {
            labels.iter().any(|(k, v)| k == key && v == value)
        });
    let keys = ["node", "peer", "follower"];
    let of = page.keys().filter(|(_, labels)| {
        mine(labels, "replica", &replica) && keys.iter().any(|key| mine(labels, key, other))
    });
    of.map(|(name, _)| name.clone()).collect()
}

/// Hook points that are off change nothing and register nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_that_is_off_records_nothing() {
    let registry = Registry::new();
    let (engine, probe) = (by_hand(&registry), Probe::<Types>::off());
    let network = probe.network(Switchboard::default().of(1));
    let (log, machine) = (probe.log(Log::default()), probe.state_machine(Machine::default()));
    let config = Arc::new(Config::default());
    let raft = Raft::new(1, config, network, log, machine).await.expect("a node");
    let node = probe.follow(raft);
    node.initialize(BTreeMap::from([(1, ())])).await.expect("a new cluster");
    let limit = Some(LIMIT);
    node.wait(limit)
        .metrics(|seen| seen.current_leader == Some(1), "it leads")
        .await
        .expect("alone");
    assert_eq!(node.client_write(7).await.expect("it leads").data, 7);
    node.shutdown().await.expect("it stops");
    assert!(!probe.is_on() && probe.metrics().is_none());
    assert!(!page_of(&engine).contains("raft_"));
}
