//! The shipped rules for Raft, on faults.

use crate::common::by_hand;
use crate::memory::Memory;
use crate::oracle;
use tachometer::Registry;
use tachometer::catalogue::raft::RaftMetrics;
use tachometer::query::{Bucket, Distribution};
use tachometer::rules::{AlertState, RAFT_RULES, RuleFile, RuleSettings, Rules};

/// How long a run is, in seconds; the faults are in its middle.
const SECONDS: i64 = 600;
/// When the fault is there.
const FAULT: std::ops::Range<i64> = 200..300;

/// What a node shows over time, if nothing is wrong.
#[derive(Clone, Copy)]
struct Node {
    leader: fn(i64) -> f64,
    leader_changes: fn(i64) -> f64,
    lag_seconds: fn(i64) -> f64,
    lag_entries: fn(i64) -> f64,
    commit_index: fn(i64) -> f64,
    log_index: fn(i64) -> f64,
    errors: fn(i64) -> f64,
    latency: fn(i64) -> f64,
    is_sampled: fn(i64) -> bool,
}

const SOUND: Node = Node {
    leader: |_| 1.0,
    leader_changes: |_| 1.0,
    lag_seconds: |_| 0.01,
    lag_entries: |_| 20.0,
    commit_index: |t| 1_000.0 * t as f64,
    log_index: |t| 1_000.0 * t as f64 + 10.0,
    errors: |_| 3.0,
    latency: |_| 0.004,
    is_sampled: |_| true,
};

fn series(node: &Node) -> Memory {
    let times = || (0..SECONDS).filter(|t| (node.is_sampled)(*t));
    let of = |value: fn(i64) -> f64| -> Vec<_> { times().map(|t| (t * 1_000, value(t))).collect() };
    let mut counts: Vec<Bucket> = Vec::new();
    let mut histograms = Vec::new();
    for t in times() {
        let upper = (node.latency)(t);
        match counts.iter_mut().find(|bucket| bucket.upper == upper) {
            Some(bucket) => bucket.count += 1_000.0,
            None => counts.push(Bucket { lower: upper * 0.99, upper, count: 1_000.0 }),
        }
        let count = counts.iter().map(|bucket| bucket.count).sum();
        histograms.push((t * 1_000, Distribution::new(count, count * 0.01, counts.clone())));
    }
    let name = |name| [("__name__", name), ("group", "orders")];
    let peer = |name, key, result| {
        [("__name__", name), ("group", "orders"), (key, "2"), ("result", result)]
    };
    Memory::default()
        .with(&name("raft_running"), &of(|_| 1.0))
        .with(&name("raft_current_leader"), &of(node.leader))
        .with(&name("raft_leader_changes_total"), &of(node.leader_changes))
        .with(&name("raft_commit_index"), &of(node.commit_index))
        .with(&name("raft_last_log_index"), &of(node.log_index))
        .with(&peer("raft_follower_lag_seconds", "follower", ""), &of(node.lag_seconds))
        .with(&peer("raft_follower_lag_entries", "follower", ""), &of(node.lag_entries))
        .with(&peer("raft_rpc_requests_total", "peer", "error"), &of(node.errors))
        .with(&peer("raft_rpc_requests_total", "peer", "ok"), &of(|t| 100.0 * t as f64))
        .with_histograms(&name("raft_commit_latency_seconds"), &histograms)
}

/// When which alert fired and resolved, by the second.
fn incidents(node: &Node) -> Vec<(String, i64, AlertState)> {
    let memory = series(node);
    let mut rules =
        Rules::new([RuleFile::parse("raft.yml", RAFT_RULES).unwrap()], RuleSettings::default());
    let mut said = Vec::new();
    // The first seconds have no rates yet.
    for second in 2..SECONDS {
        let evaluation = rules.evaluate(second * 1_000, &memory);
        assert_eq!(evaluation.failures, 0, "{:?}", rules.status().collect::<Vec<_>>());
        for change in evaluation.transitions {
            if let AlertState::Firing | AlertState::Resolved = change.to {
                assert!(!change.alert.annotations.iter().any(|(_, text)| text.contains("<error")));
                said.push((change.rule, second, change.to));
            }
        }
    }
    said
}

#[test]
fn a_sound_node_has_no_alerts() {
    assert_eq!(incidents(&SOUND), []);
}

#[test]
fn faults_fire_and_resolve() {
    let faults: [(&str, Node, i64, i64); 8] = [
        (
            "RaftNoLeader",
            Node { leader: |t| if FAULT.contains(&t) { -1.0 } else { 1.0 }, ..SOUND },
            205,
            300,
        ),
        (
            "RaftLeaderFlapping",
            Node { leader_changes: |t| (t.clamp(FAULT.start, FAULT.end) / 10) as f64, ..SOUND },
            // The fourth of a change each ten seconds; the last ones leave the five minutes.
            0,
            0,
        ),
        (
            "RaftFollowerLag",
            Node { lag_seconds: |t| if FAULT.contains(&t) { 4.0 } else { 0.1 }, ..SOUND },
            210,
            300,
        ),
        (
            "RaftFollowerLagEntries",
            Node { lag_entries: |t| if FAULT.contains(&t) { 20_000.0 } else { 5.0 }, ..SOUND },
            210,
            300,
        ),
        (
            "RaftCommitLatencyHigh",
            Node { latency: |t| if FAULT.contains(&t) { 0.5 } else { 0.004 }, ..SOUND },
            0,
            0,
        ),
        (
            "RaftCommitsStalled",
            Node {
                commit_index: |t| {
                    1_000.0 * (if FAULT.contains(&t) { FAULT.start } else { t }) as f64
                },
                ..SOUND
            },
            225,
            300,
        ),
        (
            "RaftRpcErrors",
            Node { errors: |t| 30.0 * t.clamp(FAULT.start, FAULT.end) as f64, ..SOUND },
            0,
            0,
        ),
        ("RaftDataStale", Node { is_sampled: |t| !FAULT.contains(&t), ..SOUND }, 210, 300),
    ];
    for (name, node, fires, resolves) in faults {
        let said = incidents(&node);
        let of: Vec<_> = said.iter().filter(|(rule, ..)| rule == name).collect();
        let [(_, fired, AlertState::Firing), (_, resolved, AlertState::Resolved)] = of.as_slice()
        else {
            panic!("{name}: {said:?}");
        };
        if fires > 0 {
            assert_eq!((*fired, *resolved), (fires, resolves), "{name}");
        }
        assert!(FAULT.contains(fired) && *resolved >= FAULT.end, "{name}: {said:?}");
        let others: Vec<_> = said.iter().filter(|(rule, ..)| rule != name).collect();
        assert!(others.is_empty(), "{name} comes with {others:?}");
    }
}

#[test]
fn a_node_that_shows_nothing_is_noticed() {
    let mut rules =
        Rules::new([RuleFile::parse("raft.yml", RAFT_RULES).unwrap()], RuleSettings::default());
    (0..=10).for_each(|second| drop(rules.evaluate(second * 1_000, &Memory::default())));
    let firing: Vec<_> = rules.alerts().map(|(_, rule, alert)| (rule, alert.state)).collect();
    assert_eq!(firing, [("RaftDataAbsent", AlertState::Firing)]);
}

#[test]
fn promtool_takes_the_rules_and_the_catalogue_has_their_series() {
    if oracle::is_here() {
        assert_eq!(oracle::check(RAFT_RULES), Ok(()));
    }
    let registry = Registry::new();
    let raft = RaftMetrics::register(&registry).unwrap();
    let _peer = raft.peer("2");
    let snapshot = by_hand(&registry).refresh();
    let known: Vec<_> = snapshot.series().map(|series| series.definition.name.to_owned()).collect();
    let file = RuleFile::parse("raft.yml", RAFT_RULES).unwrap();
    let mut count = 0;
    for rule in file.groups()[0].rules() {
        let words = rule
            .query()
            .text()
            .split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | ':'));
        for name in words.filter(|word| word.starts_with("raft_")) {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(
                known.iter().any(|known| known == name),
                "{name} of {} is not there",
                rule.name()
            );
            count += 1;
        }
    }
    assert!(count > 10);
}
