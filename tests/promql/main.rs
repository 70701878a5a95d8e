//! PromQL: the answers of the evaluator and those of a real Prometheus, given the same samples.
#![cfg(feature = "promql")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod data;
mod different;
mod generated;
mod limits;
mod memory;
mod own;
mod remote;
#[path = "../prometheus/server.rs"]
mod server;
#[path = "../common/servers.rs"]
mod servers;
mod written;

use compare::{Agreement, When, compare};
use data::{SPAN, START};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use remote::Connection;
use server::Prometheus;

const FEATURES: &str =
    "--enable-feature=native-histograms,promql-at-modifier,promql-negative-offset";

fn prometheus() -> Prometheus {
    Prometheus::with(None, &["--web.enable-remote-write-receiver", FEATURES])
}

/// Moments and ranges at which all is asked.
const WHENS: [When; 4] = [
    When::At(START + 3_600_000),
    When::At(START + 2_718_281),
    When::Range(START + 1_200_000, START + 3_600_000, 60_000),
    When::Range(START - 100_000, START + SPAN + 400_000, 333_333),
];

/// A Prometheus with all series, and the same for the evaluator.
fn stand() -> (memory::Memory, Prometheus, Connection) {
    let sent = data::series();
    let prometheus = prometheus();
    let mut connection = Connection::new(prometheus.address());
    connection.write(&sent);
    (data::memory(&sent), prometheus, connection)
}

/// Asks everything, and fails with the first differences of all.
fn agree(queries: &[(String, When)]) -> [usize; 3] {
    let (memory, _prometheus, mut connection) = stand();
    let (mut counts, mut differences) = ([0; 3], Vec::new());
    for (query, when) in queries {
        match compare(&mut connection, &memory, query, *when) {
            Ok(agreement) => counts[agreement as usize] += 1,
            Err(difference) => differences.push(format!("{query} {when:?}: {difference:.600}")),
        }
    }
    let shown = differences.iter().take(60).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} of {} differ:\n{shown}", differences.len(), queries.len());
    counts
}

#[test]
fn written_queries_are_answered_as_by_prometheus() {
    if !server::is_here() {
        return;
    }
    let queries = written::queries();
    let all: Vec<_> = queries.iter().flat_map(|q| WHENS.map(|when| (q.clone(), when))).collect();
    let counts = agree(&all);
    let points = counts[Agreement::Points as usize];
    assert!(points > 4_000 && points > all.len() / 2, "{counts:?} of {}", all.len());
}

/// The list of differences has no entry that is none.
#[test]
fn known_differences_are_still_there() {
    if !server::is_here() {
        return;
    }
    let (memory, _prometheus, mut connection) = stand();
    for (query, why) in different::DIFFERENT {
        let mut differs = |when: &When| compare(&mut connection, &memory, query, *when).is_err();
        assert!(WHENS.iter().any(&mut differs), "{query} does not differ; {why}");
    }
}

/// `TACHOMETER_PROMQL_QUERIES` says how many; 2,000.
#[test]
fn generated_queries_are_answered_as_by_prometheus() {
    if !server::is_here() {
        return;
    }
    // The same queries each time.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = generated::vector();
    let count = std::env::var("TACHOMETER_PROMQL_QUERIES").ok();
    let count = count.map_or(2_000, |count| count.parse().expect("a number of queries"));
    let queries = (0..count).map(|index| {
        let query = strategy.new_tree(&mut runner).expect("nothing is filtered").current();
        (query, WHENS[index % WHENS.len()])
    });
    let queries: Vec<_> = queries.collect();
    let counts = agree(&queries);
    let points = counts[Agreement::Points as usize];
    assert!(
        points > queries.len() * 2 / 5,
        "too little to compare: {counts:?} of {}",
        queries.len()
    );
}
