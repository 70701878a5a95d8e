//! The alerts of an `AlertConfig`: over the catalogue's series, each on its own fault; and the page that documents them.

use crate::common::by_hand;
use crate::lab::Lab;
use crate::oracle;
use std::collections::BTreeSet;
use std::time::Duration;
use tachometer::catalogue::raft::{ElectionResult, RaftMetrics, Rpc, RpcError};
use tachometer::rules::RuleFile;
use tachometer::rules::recipes::{AlertConfig, Span};
use tachometer::{Counter, Family, Gauge, Histogram, Registry, Unit};

fn document() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/alerts.md")).unwrap()
}

fn hotstuff2() -> AlertConfig {
    AlertConfig { min_throughput: Some(100.0), ..AlertConfig::hotstuff2() }
}

fn raft() -> AlertConfig {
    AlertConfig { min_throughput: Some(100.0), ..AlertConfig::raft() }
}

#[test]
fn promtool_takes_them_and_they_are_read_again() {
    for config in [hotstuff2(), raft(), AlertConfig::default()] {
        let file = config.rules().unwrap();
        let yaml = file.to_yaml();
        let read = RuleFile::parse("alerts.yml", &yaml).unwrap();
        assert_eq!(format!("{:?}", read.groups()), format!("{:?}", file.groups()));
        if oracle::is_here() {
            assert_eq!(oracle::check(&yaml), Ok(()));
        }
    }
    let count = |config: AlertConfig| config.recipes().unwrap().len();
    assert_eq!((count(hotstuff2()), count(raft()), count(AlertConfig::default())), (13, 11, 0));
}

#[test]
fn the_document_has_what_they_make() {
    let document = document();
    let pages = [hotstuff2(), raft()].map(|config| config.rules().unwrap().to_yaml());
    let is_there = |yaml: &&String| document.contains(&format!("```yaml\n{yaml}```\n"));
    let missing: Vec<_> = pages.iter().filter(|yaml| !is_there(yaml)).cloned().collect();
    assert!(missing.is_empty(), "docs/alerts.md needs:\n{}", missing.join("=====\n"));
    for key in ["max_block_time", "view_change_rate", "min_throughput", "peer_disconnect_rate"] {
        assert!(document.contains(&format!("| `{key}` |")), "{key}");
    }
}

#[test]
fn another_prefix_is_used_and_a_wrong_one_refused() {
    let prefixed = |prefix: &str| AlertConfig { prefix: Some(prefix.to_owned()), ..hotstuff2() };
    let yaml = prefixed("chain_").rules().unwrap().to_yaml();
    assert!(yaml.contains("rate(chain_blocks_committed_total[1m])") && !yaml.contains("hotstuff_"));
    let error = prefixed("my chain").rules().unwrap_err();
    assert!(error.to_string().contains("prefix: no metric's name begins with \"my chain\""));
    // The host's own series keep their names.
    assert!(yaml.contains("node_cpu_usage"));
}

#[test]
fn a_longer_block_time_is_looked_at_for_longer() {
    let most = Some(Span::from_secs(60));
    let config = AlertConfig { max_block_time: most, ..AlertConfig::default() };
    let rules = config.rules().unwrap();
    let text = rules.groups()[0].rules()[0].query().text();
    assert_eq!(
        text,
        "(1 / rate(hotstuff_blocks_committed_total[5m]) and hotstuff_blocks_committed_total offset 5m) > 60"
    );
}

#[test]
fn rafts_catalogue_has_their_series() {
    let registry = Registry::new();
    let metrics = RaftMetrics::register(&registry).unwrap();
    let _peer = metrics.peer("2");
    let snapshot = by_hand(&registry).refresh();
    let known: BTreeSet<_> =
        snapshot.series().map(|series| series.definition.name.to_owned()).collect();
    let file = raft().rules().unwrap();
    let mut asked = BTreeSet::new();
    for rule in file.groups()[0].rules() {
        let words = rule.query().text().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        asked.extend(words.filter(|word| word.starts_with("raft_")).map(str::to_owned));
    }
    for name in &asked {
        let name = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(known.contains(name), "{name} is not in the catalogue");
    }
    assert!(asked.len() >= 8, "{asked:?}");
}

/// A HotStuff-2 node's series, as the catalogue names them.
struct Node {
    blocks: Counter,
    view_changes: Counter,
    throughput: Gauge,
    disconnections: Counter,
    delivery: Gauge,
    latency: Histogram,
    host: [Gauge; 3],
    byzantine: Family<Counter, 2>,
    violations: Family<Counter, 1>,
    timeouts: Counter,
    height: Gauge,
}

impl Node {
    fn new(registry: &Registry) -> Node {
        let counter = |name: &str| registry.counter(name, "Events.").unwrap();
        let gauge = |name: &str| registry.gauge(name, "Level.").unwrap();
        let reason = |name: &str, reason| {
            registry.metric(name, "Events.").label("reason", reason).counter().unwrap()
        };
        let latency = registry.metric("hotstuff_peer_latency_seconds", "Latency.");
        let latency = latency.unit(Unit::Nanoseconds).label("peer", "2").histogram().unwrap();
        let family = |name: &str| registry.metric(name, "Events.");
        Node {
            blocks: counter("hotstuff_blocks_committed_total"),
            view_changes: reason("hotstuff_view_changes_total", "timeout"),
            throughput: gauge("hotstuff_transaction_throughput"),
            disconnections: reason("hotstuff_peer_disconnections_total", "closed"),
            delivery: gauge("hotstuff_message_delivery_ratio"),
            latency,
            host: ["node_cpu_usage", "node_memory_usage", "node_disk_usage"].map(gauge),
            byzantine: family("hotstuff_byzantine_behaviors_total")
                .family(["kind", "validator"])
                .unwrap(),
            violations: family("hotstuff_safety_violations_total").family(["kind"]).unwrap(),
            timeouts: counter("hotstuff_liveness_timeouts_total"),
            height: gauge("hotstuff_committed_height"),
        }
    }

    fn work(&self, second: i64, is_faulty: bool) {
        let either = |sound: f64, faulty: f64| if is_faulty { faulty } else { sound };
        if !is_faulty {
            self.blocks.add(2);
            self.height.set(2.0 * second as f64);
        }
        if is_faulty || second % 60 == 0 {
            self.view_changes.inc();
            self.disconnections.inc();
            self.timeouts.add(u64::from(is_faulty));
        }
        self.throughput.set(either(1_000.0, 10.0));
        self.delivery.set(either(0.999, 0.5));
        (0..10)
            .for_each(|_| self.latency.record(if is_faulty { 2_000_000_000 } else { 20_000_000 }));
        self.host.iter().for_each(|gauge| gauge.set(either(0.5, 0.99)));
        if is_faulty && second == FAULT.start {
            self.byzantine.at(["double_vote", "v3"]).inc();
            self.violations.at(["conflicting_commit"]).inc();
        }
    }
}

/// When all faults are there, in seconds.
const FAULT: std::ops::Range<i64> = 300..420;

#[test]
fn each_alert_fires_on_its_fault_and_resolves() {
    let registry = Registry::new();
    let node = Node::new(&registry);
    let mut lab = Lab::new(&registry, hotstuff2().rules().unwrap());
    for second in 0..1_000 {
        if second == FAULT.start {
            assert_eq!(lab.incidents, [], "nothing is wrong before the fault");
        }
        node.work(second, FAULT.contains(&second));
        lab.step();
    }
    (0..30).for_each(|_| lab.step_without_snapshot());
    let (begin, end) = (FAULT.start + 1, FAULT.end + 1);
    let expected = [
        // The mean time of a minute with 2 blocks a second is over 2 s when 15 s of them are left; then 10 s go by.
        ("ConsensusBlockTimeHigh", "", begin + 50..=begin + 62, end..=end + 20),
        // 0.1 a second over 5 minutes are 30.
        ("ConsensusViewChangesFrequent", "", begin + 20..=begin + 32, end + 200..=end + 300),
        ("ConsensusThroughputLow", "", begin + 80..=begin + 90, end..=end + 10),
        ("NetworkPeerDisconnects", "", begin + 20..=begin + 32, end + 200..=end + 300),
        ("NetworkMessageLoss", "", begin + 15..=begin + 15, end..=end),
        ("NetworkLatencyHigh", "peer=2", begin + 30..=begin + 33, end + 55..=end + 61),
        ("NodeCpuHigh", "", begin + 60..=begin + 60, end..=end),
        ("NodeMemoryHigh", "", begin + 60..=begin + 60, end..=end),
        ("NodeDiskFull", "", begin + 60..=begin + 60, end..=end),
        // With the first event; five minutes later it is no longer in the window, and they stay on for 5 and 15 minutes.
        ("ConsensusByzantineBehavior", "validator=v3", begin..=begin, begin + 600..=begin + 602),
        ("ConsensusSafetyViolation", "kind=conflicting_commit", begin..=begin, i64::MAX..=i64::MAX),
        ("ConsensusLivenessTimeouts", "", begin + 10..=begin + 10, end + 285..=end + 300),
        // After the last snapshot.
        ("MetricsStale", "", 1_011..=1_011, i64::MAX..=i64::MAX),
    ];
    lab.check(&expected);
    assert_eq!(lab.incidents.len(), expected.len(), "{:#?}", lab.incidents);
}

#[test]
fn rafts_alerts_fire_on_their_faults() {
    let registry = Registry::new();
    let raft = RaftMetrics::register(&registry).unwrap();
    let peer = raft.peer("2");
    let mut lab = Lab::new(&registry, self::raft().rules().unwrap());
    let mut committed = 0.0;
    for second in 0..540 {
        if second == FAULT.start {
            assert_eq!(lab.incidents, [], "nothing is wrong before the fault");
        }
        let is_faulty = FAULT.contains(&second);
        committed += if is_faulty { 10.0 } else { 1_000.0 };
        raft.commit_index.set(committed);
        let slow = if is_faulty { 100 } else { 1 };
        raft.commit_latency.record_n(5_000_000 * slow, 100);
        raft.rpc_duration.at(Rpc::AppendEntries).record_n(10_000_000 * slow, 100);
        // Snapshots take long without harm.
        raft.rpc_duration.at(Rpc::InstallSnapshot).record_n(5_000_000_000, 1);
        let requests = peer.requests(Rpc::AppendEntries);
        requests.ok.add(100);
        if is_faulty {
            (0..20).for_each(|_| requests.failed(RpcError::Network));
            raft.leader_changes.inc();
            raft.elections.at(ElectionResult::Lost).inc();
        }
        lab.step();
    }
    let rules: BTreeSet<_> = lab.incidents.iter().map(|incident| incident.rule.as_str()).collect();
    let expected = [
        "ConsensusBlockTimeHigh",
        "ConsensusLivenessTimeouts",
        "ConsensusThroughputLow",
        "ConsensusViewChangesFrequent",
        "NetworkLatencyHigh",
        "NetworkMessageLoss",
        "NetworkPeerDisconnects",
    ];
    assert_eq!(rules, BTreeSet::from(expected));
    assert!(lab.incidents.iter().all(|incident| FAULT.contains(&incident.fired)));
    let (_, resolved) = lab.incident("ConsensusThroughputLow", "");
    assert!(resolved.is_some_and(|at| at < FAULT.end + 60), "{resolved:?}");
    let loss = lab.incident("NetworkMessageLoss", "peer=2");
    assert!(loss.1.is_some(), "{loss:?}");
}

#[test]
fn it_is_read_by_serde_without_a_configuration_file() {
    let text = r#"{"consensus": "raft", "max_block_time": "250ms", "liveness_timeouts": 3}"#;
    let config: AlertConfig = serde_json::from_str(text).unwrap();
    assert_eq!(config.max_block_time.unwrap().0, Duration::from_millis(250));
    assert_eq!(config.recipes().unwrap().len(), 2);
    let again: AlertConfig =
        serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
    assert!(serde_json::from_str::<AlertConfig>(r#"{"cpu_usage": 0.9}"#).is_err());
}
