//! Networks with a seed: the same each time, with the shares and times that were asked for.

use proptest::prelude::*;
use std::time::Duration;
use tachometer::testing::{Fate, Network, Partition, Values};

fn ms(number: u64) -> Duration {
    Duration::from_millis(number)
}

/// What becomes of messages that are sent a millisecond apart.
fn fates(network: &Network, from: usize, to: usize, count: u64) -> Vec<Fate> {
    let mut link = network.link(from, to).unwrap();
    (0..count).map(|number| link.send(ms(number))).collect()
}

fn builder(seed: u64) -> tachometer::testing::NetworkBuilder {
    let latency = Values::log_normal(5e6, 0.5).unwrap();
    Network::builder(seed, 3).latency_ns(latency).jitter_ns(Values::uniform(0, 1_000_000).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_seed_is_the_same_network(seed: u64, loss in 0.0..1.0f64, twice in 0.0..1.0f64, astray in 0.0..1.0f64) {
        let network = || builder(seed).loss(loss).duplication(twice).reordering(astray).build().unwrap();
        let (one, other) = (network(), network());
        prop_assert_eq!(fates(&one, 0, 1, 100), fates(&other, 0, 1, 100));
        // Two links that are used in turn do as if each was alone.
        let (mut there, mut back) = (one.link(0, 1).unwrap(), one.link(1, 0).unwrap());
        let mixed: Vec<Fate> = (0..100).map(|at| (back.send(ms(at)), there.send(ms(at))).1).collect();
        prop_assert_eq!(mixed, fates(&other, 0, 1, 100));
    }

    #[test]
    fn messages_keep_their_order_unless_they_are_let_go_astray(seed: u64) {
        let arrivals = |network: Network| -> Vec<Duration> {
            let at = |fate| if let Fate::Delivered { at, .. } = fate { Some(at) } else { None };
            fates(&network, 2, 0, 300).into_iter().filter_map(at).collect()
        };
        let ordered = arrivals(builder(seed).loss(0.1).build().unwrap());
        prop_assert!(ordered.is_sorted());
        prop_assert!(!arrivals(builder(seed).reordering(0.2).build().unwrap()).is_sorted());
    }

    #[test]
    fn a_message_is_lost_or_not_whatever_else_is_set(seed: u64) {
        let lost = |network: Network| {
            let is_lost = |fate: Fate| fate == Fate::Lost;
            fates(&network, 0, 2, 200).into_iter().map(is_lost).collect::<Vec<bool>>()
        };
        let few = lost(builder(seed).loss(0.2).build().unwrap());
        let busy = builder(seed).loss(0.2).duplication(0.5).reordering(0.5).latency_ns(Values::fixed(1));
        prop_assert_eq!(&lost(busy.build().unwrap()), &few);
        let more = lost(builder(seed).loss(0.4).build().unwrap());
        prop_assert!(few.iter().zip(&more).all(|(few, more)| !few || *more), "what was lost is lost still");
    }

    #[test]
    fn random_partitions_have_two_sides_and_never_overlap(seed: u64, nodes in 2..9usize) {
        let builder = Network::builder(seed, nodes);
        let network = builder.random_partitions(ms(900), ms(300), ms(60_000)).build().unwrap();
        let all = network.partitions();
        prop_assert!((15..100).contains(&all.len()), "{}", all.len());
        for one in all {
            prop_assert!((1..nodes).contains(&one.side.len()) && one.side.iter().all(|node| *node < nodes));
            prop_assert!(one.side.is_sorted() && one.lasts == ms(300) && one.start < ms(60_000));
        }
        prop_assert!(all.windows(2).all(|pair| pair[0].start + pair[0].lasts <= pair[1].start));
    }
}

#[test]
fn shares_are_what_was_asked_for() {
    const COUNT: u64 = 20_000;
    let network = builder(8).loss(0.05).duplication(0.1).build().unwrap();
    let all = fates(&network, 0, 1, COUNT);
    let lost = all.iter().filter(|fate| **fate == Fate::Lost).count();
    let twice = all.iter().filter(|fate| matches!(fate, Fate::Delivered { again: Some(_), .. }));
    // 1,000 and 1,900, off by 31 and 41 on average; five times that is allowed.
    assert!(lost.abs_diff(1_000) < 155 && twice.count().abs_diff(1_900) < 205, "{lost}");
    for (at, fate) in all.iter().enumerate() {
        if let Fate::Delivered { at: first, again } = fate {
            assert!(*first > ms(at as u64) && again.is_none_or(|again| again > *first), "{fate:?}");
        }
    }
}

#[test]
fn a_partition_separates_its_sides_for_its_time() {
    let partition = Partition { start: ms(100), lasts: ms(50), side: vec![2, 0, 2] };
    let network = Network::builder(1, 4).partition(partition).build().unwrap();
    let is_cut = |from, to, at| {
        let fate = network.link(from, to).unwrap().send(ms(at));
        assert_eq!(network.is_partitioned(from, to, ms(at)), fate == Fate::Partitioned);
        fate == Fate::Partitioned
    };
    for (from, to) in [(0, 1), (1, 0), (2, 3), (3, 0)] {
        let cut = [99, 100, 149, 150].map(|at| is_cut(from, to, at));
        assert_eq!(cut, [false, true, true, false], "{from} to {to}");
    }
    assert!(!is_cut(0, 2, 120) && !is_cut(1, 3, 120), "on one side");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let side = |side: &[usize]| Partition { start: ms(0), lasts: ms(1), side: side.to_vec() };
    let said =
        |builder: tachometer::testing::NetworkBuilder| builder.build().unwrap_err().to_string();
    let three = || Network::builder(1, 3);
    let cases = [
        (said(Network::builder(1, 0)), "nodes: 0 is not from 1 to 1024"),
        (said(three().loss(1.5)), "loss: 1.5 is no share"),
        (said(three().duplication(f64::NAN)), "duplication: NaN is no share"),
        (said(three().partition(side(&[]))), "[] is not some"),
        (said(three().partition(side(&[0, 1, 2]))), "not all, of nodes 0 to 2"),
        (said(three().partition(side(&[3]))), "[3] is not some"),
        (said(three().random_partitions(ms(0), ms(1), ms(9))), "some time between them"),
        (
            said(three().random_partitions(Duration::from_nanos(1), Duration::ZERO, ms(9_000))),
            "the limit is 65536",
        ),
        (
            three().build().unwrap().link(0, 3).unwrap_err().to_string(),
            "0 to 3, but nodes are 0 to 2",
        ),
    ];
    for (said, part) in cases {
        assert!(said.contains(part), "{said}");
    }
}
