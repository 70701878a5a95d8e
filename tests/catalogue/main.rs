//! Every line of the catalogue, driven through its handle and found on a page; and every artefact of every bundle held
//! against the declaration, a host's own bundle among them.
#![cfg(all(feature = "generate", feature = "history"))]

#[path = "../common/mod.rs"]
mod common;
mod drive;
mod five;
mod inventory;
mod own;
mod page;

use common::{by_hand, by_hand_with, page_of};
use drive::Driven;
use five::Artefacts;
use std::collections::BTreeMap;
use std::time::Duration;
use tachometer::query::{Answer, Query, Settings};
use tachometer::rules::{RuleFile, RuleSettings, Rules};
use tachometer::{History, ManualClock, Registry, catalogue};

/// Everything driven once, and the page that comes of it.
fn driven() -> (Driven, String) {
    let registry = Registry::new();
    let mut driven = Driven::default();
    drive::all(&registry, &mut driven);
    let page = page_of(&by_hand(&registry));
    (driven, page)
}

#[test]
fn every_line_is_driven_and_found_on_the_page() {
    let (driven, page) = driven();
    let samples = page::samples(&page);
    let wrong: Vec<_> = driven
        .samples
        .iter()
        .filter(|(_, key, value)| {
            samples.get(key).is_none_or(|found| (found - value).abs() > 1e-9 * value.abs())
        })
        .collect();
    assert!(wrong.is_empty(), "driven, and not so on the page: {wrong:#?}");

    let declared: BTreeMap<_, _> = driven
        .declared
        .iter()
        .flat_map(|bundle| bundle.series())
        .map(|series| (series.full_name().to_owned(), series))
        .collect();
    let mut without = Vec::new();
    for line in inventory::lines() {
        let Some(series) = declared.get(line.name) else {
            without.push(format!("{}: no bundle declares it", line.text));
            continue;
        };
        if !line.is_of(series.kind()) {
            without.push(format!("{}: it is a {:?}", line.text, series.kind()));
        }
        let labels: Vec<_> = series.labels().iter().map(|label| label.name.as_str()).collect();
        if !(labels.len() == line.labels.len()
            && labels.iter().all(|label| line.labels.contains_key(label)))
        {
            without.push(format!("{}: its labels are {labels:?}", line.text));
        }
        if series.expression().is_some() {
            // Held against what was driven by `what_rules_derive_is_right`.
            continue;
        }
        let own: Vec<_> = driven.samples.iter().filter(|(name, ..)| name == line.name).collect();
        if own.is_empty() {
            without.push(format!("{}: nothing drives it", line.text));
        }
        for (label, values) in &line.labels {
            let has = |value: &&str| {
                own.iter()
                    .any(|(_, (_, labels), _)| labels.get(*label).is_some_and(|own| own == value))
            };
            let missing: Vec<_> = values.iter().filter(|value| !has(value)).collect();
            if !missing.is_empty() {
                without.push(format!("{}: {label} never is {missing:?}", line.text));
            }
        }
    }
    assert!(without.is_empty(), "lines of the catalogue without a test: {without:#?}");
}

/// What each derived series must be, from the increments of a second.
fn derived(driven: &Driven) -> BTreeMap<&'static str, f64> {
    let v = |name: &str| driven.value_of(name, &[]);
    let of = |name: &str, label: &str, value: &str| driven.value_of(name, &[(label, value)]);
    let failures = v("hotstuff_connection_failures_total");
    let (sent, lost) = (v("hotstuff_messages_sent_total"), v("hotstuff_messages_lost_total"));
    let committed = v("hotstuff_blocks_committed_total");
    let failed_views = of("hotstuff_view_changes_total", "reason", "timeout")
        + of("hotstuff_view_changes_total", "reason", "byzantine");
    let one = |name: &str| of(name, "deployment_id", "one");
    BTreeMap::from([
        ("hotstuff_transaction_throughput", v("hotstuff_transactions_committed_total")),
        ("hotstuff_block_throughput", committed),
        ("hotstuff_consensus_throughput", v("hotstuff_quorum_certificates_total")),
        ("hotstuff_consensus_efficiency", committed / (committed + failed_views)),
        (
            "hotstuff_network_efficiency",
            1.0 - (lost + failures) / (sent + v("hotstuff_peer_connections_total") + failures),
        ),
        (
            "hotstuff_storage_efficiency",
            of("hotstuff_cache_requests_total", "result", "hit")
                / v("hotstuff_cache_requests_total"),
        ),
        ("hotstuff_message_delivery_ratio", 1.0 - lost / sent),
        (
            "hotstuff_bandwidth_utilization_ratio",
            (v("hotstuff_bytes_sent_total") + v("hotstuff_bytes_received_total"))
                / v("hotstuff_bandwidth_limit_bytes"),
        ),
        (
            "hotstuff_storage_utilization_ratio",
            v("hotstuff_storage_size_bytes") / v("hotstuff_storage_capacity_bytes"),
        ),
        ("hotstuff:block_commit_duration_seconds:p99", 1e-6),
        ("allsource_events_ingestion_rate", v("allsource_events_ingested_total")),
        ("deployment_request_rate", one("deployment_requests_total")),
        (
            "deployment_error_rate",
            one("deployment_errors_total") / one("deployment_requests_total"),
        ),
        ("raft:commit_latency_seconds:p99", 1e-6),
        ("raft:leader_changes:increase5m", f64::NAN),
        ("raft:rpc_errors:ratio1m", {
            let calls =
                |labels: &[(&str, &str)]| driven.value_of("raft_rpc_requests_total", labels);
            calls(&[("peer", "one"), ("result", "error")]) / calls(&[("peer", "one")])
        }),
    ])
}

#[test]
fn what_rules_derive_is_right() {
    let registry = Registry::new();
    let start = Duration::from_secs(1_700_000_000);
    let clock = ManualClock::at(start);
    let engine = by_hand_with(&registry, &clock);
    let history = History::builder().start(&engine).unwrap();
    let file = RuleFile::of_bundles("all.yml", &catalogue::declarations()).unwrap();
    let mut rules = Rules::new([file], RuleSettings::default());
    // Each second the same values again.
    let mut driven = Driven::default();
    for _ in 0..70 {
        driven = Driven::default();
        drive::all(&registry, &mut driven);
        clock.advance(Duration::from_secs(1));
        engine.refresh();
    }
    let now = start.as_millis() as i64 + 70_000;
    // Twice: a bundle's rules may come before those of the bundle that they build on.
    for at in [now - 1, now] {
        let evaluation = rules.evaluate(at, &history);
        assert_eq!(evaluation.failures, 0, "{:?}", rules.status().collect::<Vec<_>>());
    }
    let source = rules.source(&history);
    let wanted = derived(&driven);
    let mut checked = 0;
    for series in driven.declared.iter().flat_map(|bundle| bundle.series()) {
        if series.expression().is_none() {
            continue;
        }
        let name = series.full_name();
        let matchers: Vec<_> =
            series.labels().iter().map(|label| format!("{}=\"one\"", label.name)).collect();
        let query = Query::parse(&format!("{name}{{{}}}", matchers.join(",")));
        let answer = query.unwrap().instant(&source, now, &Settings::default()).unwrap();
        let Answer::Vector(found) = &answer else { panic!("{name}: {answer:?}") };
        let value = found.first().and_then(|one| one.value.as_float());
        let value = value.unwrap_or_else(|| panic!("{name} is nowhere"));
        let wanted = *wanted.get(name).unwrap_or_else(|| panic!("{name}: what must it be?"));
        let is_near = (value - wanted).abs() <= 0.02 * wanted.abs().max(1e-9);
        assert!(is_near || wanted.is_nan() && value > 0.0, "{name} is {value}, not {wanted}");
        checked += 1;
    }
    assert_eq!(checked, wanted.len());
}

/// The handles' names, by the bundle.
fn handles(bundle: &str) -> Option<&'static [&'static str]> {
    use tachometer::catalogue::{
        deployment, event_store, hotstuff2, mixnet, node, process, raft, system,
    };
    let all = [
        ("RaftMetrics", raft::RaftMetrics::NAMES),
        ("ConsensusMetrics", hotstuff2::ConsensusMetrics::NAMES),
        ("PerformanceMetrics", hotstuff2::PerformanceMetrics::NAMES),
        ("NetworkMetrics", hotstuff2::NetworkMetrics::NAMES),
        ("StorageMetrics", hotstuff2::StorageMetrics::NAMES),
        ("StateMetrics", hotstuff2::StateMetrics::NAMES),
        ("EventStoreMetrics", event_store::EventStoreMetrics::NAMES),
        ("ControlPlaneMetrics", event_store::ControlPlaneMetrics::NAMES),
        ("NodeMetrics", node::NodeMetrics::NAMES),
        ("DeploymentMetrics", deployment::DeploymentMetrics::NAMES),
        ("MixnetMetrics", mixnet::MixnetMetrics::NAMES),
        ("SystemMetrics", system::SystemMetrics::NAMES),
        ("ProcessMetrics", process::ProcessMetrics::NAMES),
    ];
    all.into_iter().find(|(name, _)| *name == bundle).map(|(_, names)| names)
}

#[test]
fn all_five_are_what_the_declaration_says() {
    let (driven, page) = driven();
    let shipped = catalogue::declarations();
    assert_eq!(driven.declared, shipped, "all bundles are driven");
    for bundle in &shipped {
        let names =
            handles(bundle.name()).unwrap_or_else(|| panic!("{}: no handles", bundle.name()));
        let path = format!("{}/docs/catalogue/{}.md", env!("CARGO_MANIFEST_DIR"), bundle.id());
        let documentation =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        // Bundles share a prefix; a page for each.
        let own: String = page_of_bundle(&page, bundle);
        let drifts = Artefacts::of(bundle, names, &own, &documentation).drifts(bundle);
        assert!(drifts.is_empty(), "{}: {drifts:#?}", bundle.title());
    }
    let declared = |name: &str| {
        shipped.iter().flat_map(|bundle| bundle.series()).any(|series| series.full_name() == name)
    };
    for line in page.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(declared(name), "/metrics has {name}, which no bundle declares");
    }
}

/// The families of a page that `bundle` declares.
fn page_of_bundle(page: &str, bundle: &tachometer::declare::Bundle) -> String {
    let mut out = String::new();
    let mut is_own = false;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap();
            is_own = bundle.series().iter().any(|series| series.full_name() == name);
        }
        if is_own {
            out += &format!("{line}\n");
        }
    }
    out
}
