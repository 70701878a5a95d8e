//! Series that belong to a member of a cluster: they come with its handles, go with them, and come back; on `/metrics`, on
//! push paths with a staleness marker.

mod common;

use common::{by_hand, page_of};
use tachometer::catalogue::hotstuff2::{HotStuffMetrics, Message, VotePhase};
use tachometer::catalogue::raft::{NodeState, RaftMetrics, Rpc, RpcError};
use tachometer::{Counter, Engine, Family, Registry};

/// Enough for what has to go: seen, told to leave, gone.
const GENERATIONS: usize = 4;

fn pass(engine: &Engine) {
    (0..GENERATIONS).for_each(|_| drop(engine.refresh()));
}

/// The lines of the page with this label's value.
fn lines(engine: &Engine, value: &str) -> Vec<String> {
    let wanted = format!("=\"{value}\"");
    page_of(engine).lines().filter(|line| line.contains(&wanted)).map(str::to_owned).collect()
}

#[test]
fn a_raft_peers_series_live_with_its_handles() {
    let registry = Registry::new();
    let raft = RaftMetrics::register(&registry.scope([("group", "orders/0")]).unwrap()).unwrap();
    let engine = by_hand(&registry);
    let (second, third) = (raft.peer("n2"), raft.peer("n3"));
    second.append_entries_sent.add(7);
    second.lag_entries.set(12.0);
    second.requests(Rpc::Vote).failed(RpcError::Timeout);
    third.append_entries_sent.add(9);
    pass(&engine);
    let all = lines(&engine, "n2").len();
    assert_eq!(all, 7 + 3 * (2 + 4), "one of each, and of each call its results and errors");
    assert_eq!(lines(&engine, "n3").len(), all);

    // A copy is a hold too.
    let copy = second.clone();
    drop(second);
    pass(&engine);
    assert_eq!(lines(&engine, "n2").len(), all);
    copy.append_entries_sent.add(1);
    drop(copy);
    let sent = "raft_append_entries_sent_total{group=\"orders/0\",peer=\"n2\"} 8";
    assert!(lines(&engine, "n2").contains(&sent.to_owned()), "the last record is seen");
    pass(&engine);
    assert_eq!(lines(&engine, "n2"), [""; 0]);
    assert_eq!(lines(&engine, "n3").len(), all, "the other stays");

    // It comes back from zero, and whole.
    let second = raft.peer("n2");
    second.append_entries_sent.inc();
    let back = lines(&engine, "n2");
    assert_eq!(back.len(), all);
    assert!(
        back.contains(
            &"raft_append_entries_sent_total{group=\"orders/0\",peer=\"n2\"} 1".to_owned()
        )
    );
    pass(&engine);
    assert_eq!(lines(&engine, "n2").len(), all);
}

#[test]
fn a_member_that_comes_back_at_once_goes_on_where_it_was() {
    let registry = Registry::new();
    let sent: Family<Counter, 1> = registry.metric("sent_total", "Sent.").family(["peer"]).unwrap();
    let engine = by_hand(&registry);
    sent.member(["n2"]).add(5);
    engine.refresh();
    let back = sent.member(["n2"]);
    back.inc();
    pass(&engine);
    assert_eq!(lines(&engine, "n2"), ["sent_total{peer=\"n2\"} 6"]);
}

#[test]
fn what_is_recorded_by_name_is_forgotten_by_name() {
    let registry = Registry::new();
    let raft = RaftMetrics::register(&registry).unwrap();
    let engine = by_hand(&registry);
    for node in ["n1", "n2"] {
        raft.node_state.at([node]).set(NodeState::Follower.value());
        raft.rpc_requests.at(["vote", node, "ok"]).inc();
    }
    let kept = raft.follower_matched_index.handle(["n2"]);
    kept.set(40.0);
    pass(&engine);
    assert_eq!((lines(&engine, "n1").len(), lines(&engine, "n2").len()), (2, 3));
    raft.forget_peer("n2");
    pass(&engine);
    assert_eq!(lines(&engine, "n1").len(), 2);
    assert_eq!(lines(&engine, "n2"), ["raft_follower_matched_index{follower=\"n2\"} 40"], "held");
    drop(kept);
    pass(&engine);
    assert_eq!(lines(&engine, "n2"), [""; 0]);
    // A late record is of somebody who is there again, and nobody forgets that one.
    raft.rpc_requests.at(["vote", "n2", "ok"]).inc();
    pass(&engine);
    let back = "raft_rpc_requests_total{rpc=\"vote\",peer=\"n2\",result=\"ok\"} 1";
    assert_eq!(lines(&engine, "n2").len(), 1, "{back}");
}

#[test]
fn hotstuffs_peers_and_validators_do_too() {
    let registry = Registry::new();
    let hotstuff = HotStuffMetrics::register(&registry).unwrap();
    let engine = by_hand(&registry);
    let (peer, validator) = (hotstuff.peer("p2"), hotstuff.validator("v2"));
    peer.sent(Message::Vote).inc();
    peer.latency.record(1_000_000);
    validator.votes(VotePhase::Generic).inc();
    hotstuff.network.messages_sent.at(["gossip", "p2"]).inc();
    pass(&engine);
    assert!(lines(&engine, "p2").len() > 20 && lines(&engine, "v2").len() == 11);
    drop((peer, validator));
    hotstuff.forget_peer("p2");
    pass(&engine);
    assert_eq!((lines(&engine, "p2").len(), lines(&engine, "v2").len()), (0, 0));
}

/// Many threads record by name while members come and go: what is on the page at the end is what was recorded since the
/// member came back last, and nothing of another member's.
#[test]
fn forgetting_loses_nothing_of_those_who_stay() {
    let registry = Registry::new();
    let sent: Family<Counter, 1> = registry.metric("sent_total", "Sent.").family(["peer"]).unwrap();
    let engine = by_hand(&registry);
    let threads: u64 = 3;
    let rounds: u64 = 2_000;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for round in 0..rounds {
                    sent.at(["stays"]).inc();
                    sent.at([["a", "b", "c"][round as usize % 3]]).inc();
                }
            });
        }
        for round in 0..200 {
            sent.forget("peer", ["a", "b", "c"][round % 3]);
            engine.refresh();
        }
    });
    let last = lines(&engine, "stays");
    assert_eq!(last, [format!("sent_total{{peer=\"stays\"}} {}", threads * rounds)]);
}

#[cfg(feature = "remote-write")]
#[test]
fn remote_write_says_the_end_and_the_new_beginning() {
    use tachometer::{RemoteWriteEncoder, RemoteWriteVersion};
    /// Prometheus's staleness marker, in the little-endian bytes of a sample's value.
    const STALE: [u8; 8] = 0x7ff0_0000_0000_0002_u64.to_le_bytes();
    let registry = Registry::new();
    let raft = RaftMetrics::register(&registry).unwrap();
    let engine = by_hand(&registry);
    let mut encoder = RemoteWriteEncoder::new(RemoteWriteVersion::V1);
    let mut markers = |engine: &Engine| -> usize {
        let mut found = 0;
        encoder.encode_messages(&engine.refresh(), |message| {
            found += message.windows(8).filter(|bytes| *bytes == STALE).count();
        });
        found
    };
    let peer = raft.peer("n2");
    peer.lag_entries.set(3.0);
    peer.append_entries_sent.inc();
    assert_eq!((markers(&engine), markers(&engine)), (0, 0));
    drop(peer);
    let ended: usize = (0..GENERATIONS).map(|_| markers(&engine)).sum();
    assert_eq!(ended, 7 + 3 * (2 + 4), "each series of the peer is ended once");
    let peer = raft.peer("n2");
    peer.append_entries_sent.inc();
    assert_eq!(markers(&engine), 0);
}
