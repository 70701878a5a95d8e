//! The shipped rules for Raft on injected faults, through the catalogue's own handles, an engine and its history. One process
//! has a replica of a group for each fault, and of one without.

use crate::lab::Lab;
use tachometer::Registry;
use tachometer::catalogue::raft::{Outcome, PeerMetrics, RaftMetrics, Rpc, RpcError};
use tachometer::rules::{RAFT_RULES, RuleFile};

/// When the faults are there, in seconds.
const FAULT: std::ops::Range<i64> = 120..220;

struct Replica {
    fault: &'static str,
    raft: RaftMetrics,
    peer: PeerMetrics,
}

impl Replica {
    fn new(registry: &Registry, fault: &'static str) -> Replica {
        let raft = RaftMetrics::register(&registry.scope([("group", fault)]).unwrap()).unwrap();
        Replica { fault, peer: raft.peer("2"), raft }
    }

    /// A second of work, with the replica's fault if it is time for it.
    fn work(&self, second: i64) {
        let Replica { fault, raft, peer } = self;
        let is = |name: &str| *fault == name && FAULT.contains(&second);
        raft.running.set(1.0);
        raft.current_leader.set(if is("leader") { -1.0 } else { 1.0 });
        if second == 0 || (is("flapping") && second % 10 == 0) {
            raft.leader_changes.inc();
        }
        peer.lag_seconds.set(if is("lag_seconds") { 4.0 } else { 0.01 });
        peer.lag_entries.set(if is("lag_entries") { 20_000.0 } else { 20.0 });
        let log = 1_000.0 * second as f64;
        raft.last_log_index.set(log + 10.0);
        raft.commit_index.set(if is("stalled") { 1_000.0 * FAULT.start as f64 } else { log });
        raft.commit_latency.record_n(if is("latency") { 500_000_000 } else { 4_000_000 }, 100);
        raft.proposals.at(Outcome::Ok).add(100);
        let requests = peer.requests(Rpc::AppendEntries);
        requests.ok.add(100);
        if is("errors") {
            (0..30).for_each(|_| requests.failed(RpcError::Timeout));
        }
    }
}

fn rules() -> RuleFile {
    RuleFile::parse("raft.yml", RAFT_RULES).unwrap()
}

const FAULTS: [&str; 7] =
    ["leader", "flapping", "lag_seconds", "lag_entries", "stalled", "latency", "errors"];

#[test]
fn each_fault_fires_its_alert_and_no_other() {
    let registry = Registry::new();
    let replicas: Vec<_> =
        FAULTS.into_iter().chain(["none"]).map(|fault| Replica::new(&registry, fault)).collect();
    let mut lab = Lab::new(&registry, rules());
    for second in 0..520 {
        if second == FAULT.start {
            assert_eq!(lab.incidents, [], "nothing is wrong before the faults");
        }
        replicas.iter().for_each(|replica| replica.work(second));
        lab.step();
    }
    let (begin, end) = (FAULT.start + 1, FAULT.end + 1);
    let expected = [
        ("RaftNoLeader", "group=leader", begin + 5..=begin + 5, end..=end),
        // With the fourth of a change each ten seconds; the last ones leave the five minutes.
        ("RaftLeaderFlapping", "group=flapping", begin + 30..=begin + 40, end + 255..=end + 285),
        ("RaftFollowerLag", "follower=2,group=lag_seconds", begin + 10..=begin + 10, end..=end),
        (
            "RaftFollowerLagEntries",
            "follower=2,group=lag_entries",
            begin + 10..=begin + 10,
            end..=end,
        ),
        // No change within 15 s, then 10 s more.
        ("RaftCommitsStalled", "group=stalled", begin + 24..=begin + 26, end..=end + 1),
        ("RaftCommitLatencyHigh", "group=latency", begin + 30..=begin + 33, end + 57..=end + 61),
        // One in twenty of a minute: 11 s; then 15 s more.
        ("RaftRpcErrors", "group=errors,peer=2", begin + 23..=begin + 30, end + 45..=end + 60),
    ];
    lab.check(&expected);
    assert_eq!(lab.incidents.len(), expected.len(), "{:#?}", lab.incidents);
}

#[test]
fn an_engine_that_is_stuck_is_noticed() {
    let registry = Registry::new();
    let replica = Replica::new(&registry, "none");
    let mut lab = Lab::new(&registry, rules());
    let work = |lab: &mut Lab, seconds: i64| {
        for _ in 0..seconds {
            replica.work(lab.second);
            lab.step();
        }
    };
    work(&mut lab, 60);
    assert_eq!(lab.incidents, []);
    // After the look-back of five minutes, there is no sample to be old.
    (0..400).for_each(|_| lab.step_without_snapshot());
    assert_eq!(lab.incident("RaftDataStale", "group=none"), (71, Some(361)));
    assert_eq!(lab.incident("RaftDataAbsent", ""), (371, None));
    work(&mut lab, 5);
    assert_eq!(lab.incident("RaftDataAbsent", ""), (371, Some(461)));
    // Meanwhile the other rules speak of what was last seen: the commits that stood still.
    let others = lab.incidents.iter().filter(|i| !i.rule.starts_with("RaftData"));
    let others: Vec<_> = others.map(|i| i.rule.as_str()).collect();
    assert!(others.iter().all(|rule| *rule == "RaftCommitsStalled"), "{:#?}", lab.incidents);
}
