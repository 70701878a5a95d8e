//! Three real `openraft` nodes that are recorded: `cargo run --example openraft --features openraft`.
//!
//! `store` and `network` are what any host of openraft has. What it takes to record all of the catalogue's `raft` bundle is in
//! `start_node`: register a probe, wrap, follow.

mod network;
mod store;

use network::{Node, Switchboard};
use openraft::{Config, Raft, SnapshotPolicy};
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use store::{Log, Machine, Types};
use tachometer::catalogue::raft::SnapshotTrigger;
use tachometer::facade::openraft::Probe;
use tachometer::{Engine, Registry, TextEncoder};

async fn start_node(
    id: u64,
    registry: &Registry,
    nodes: &Switchboard,
) -> Result<Node, Box<dyn Error>> {
    let config =
        Config { snapshot_policy: SnapshotPolicy::LogsSinceLast(500), ..Config::default() };
    let config = Arc::new(config.validate()?);
    let (network, log, machine) = (nodes.of(id), Log::default(), Machine::default());

    // Three nodes in one process, so each says which it is; a process with one node has no need to.
    let registry = registry.scope([("group", "sums/0"), ("replica", &id.to_string())])?;
    // a real openraft node: elections, lag, commits, calls, snapshots
    let probe = Probe::<Types>::register(&registry, id)?;
    let (network, log) = (probe.network(network), probe.log(log));
    let raft = Raft::new(id, config, network, log, probe.state_machine(machine)).await?;
    let raft = probe.follow(raft);

    nodes.ports().nodes.insert(id, raft.clone());
    Ok(raft)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (registry, switchboard) = (Registry::new(), Switchboard::default());
    let engine = Engine::builder().registry(&registry).start()?;
    let mut nodes = Vec::new();
    for id in 1..=3 {
        nodes.push(start_node(id, &registry, &switchboard).await?);
    }
    nodes[0].initialize(BTreeMap::from([(1, ()), (2, ()), (3, ())])).await?;
    let leads = |seen: &openraft::RaftMetrics<u64, ()>| seen.current_leader.is_some();
    let limit = Some(Duration::from_secs(30));
    let leader = nodes[0].wait(limit).metrics(leads, "a leader").await?.current_leader;
    let leader = nodes.iter().find(|node| Some(node.metrics().borrow().id) == leader);
    let leader = leader.ok_or("the leader is none of the nodes")?;
    for number in 0..1_000 {
        leader.client_write(number).await?;
    }
    leader.take_snapshot(SnapshotTrigger::Manual).await?;
    // The gauges are set ten times a second.
    tokio::time::sleep(Duration::from_millis(250)).await;

    let mut page = Vec::new();
    TextEncoder::new().encode(&engine.refresh(), &mut page);
    for line in String::from_utf8_lossy(&page).lines() {
        if !line.starts_with('#') && !line.contains("_bucket{") && !line.starts_with("tachometer_")
        {
            println!("{line}");
        }
    }
    for node in &nodes {
        node.shutdown().await?;
    }
    Ok(())
}
