//! What the fleet records of its targets: its own bundle, and the control plane's series of event stores.

use std::collections::{BTreeMap, BTreeSet};

use tachometer::catalogue;
use tachometer::catalogue::event_store::{ControlPlaneMetrics, CoreNodeMetrics, EventStoreMetrics};
use tachometer::source::{Source, SourceStatus};
use tachometer::{Counter, EnumFamily, Gauge, Registry, Snapshot, Value};

use super::bundle::{FleetMetrics, Reload};
use super::dashboard::Node;
use super::known::{Checked, Known};
use super::peers::Slowness;

/// The handles. Series of targets and peers live as long as these are kept here.
#[derive(Debug)]
pub struct Own {
    fleet: FleetMetrics,
    control_plane: ControlPlaneMetrics,
    known: Known,
    /// The series that says that an instance is an event store.
    events: String,
    targets: BTreeMap<String, TargetHandles>,
    /// Targets that have been seen to be event stores.
    nodes: BTreeMap<String, CoreNodeMetrics>,
    peers: BTreeMap<(String, String, &'static str), Gauge>,
}

#[derive(Debug)]
struct TargetHandles {
    up: Gauge,
    stale: Gauge,
    age: Gauge,
    series: Gauge,
}

impl Own {
    /// Registers all of it; event stores' series begin with `prefix`.
    pub fn register(registry: &Registry, prefix: &str) -> Result<Self, tachometer::Error> {
        let mut bundles = catalogue::declarations();
        bundles.push(EventStoreMetrics::declaration_as(prefix));
        Ok(Self {
            known: Known::of(&bundles),
            fleet: FleetMetrics::register(registry)?,
            control_plane: ControlPlaneMetrics::register_as(registry, prefix, |metric| metric)?,
            events: format!("{prefix}storage_events_total"),
            targets: BTreeMap::new(),
            nodes: BTreeMap::new(),
            peers: BTreeMap::new(),
        })
    }

    /// What the control plane counts of its own requests.
    pub fn control_plane(&self) -> ControlPlaneMetrics {
        self.control_plane.clone()
    }

    /// A source whose word on names of the catalogue is checked.
    pub fn checked(&self, source: Box<dyn Source>) -> Checked {
        let contradicting = self.fleet.contradicting.member([source.name()]);
        Checked { source, known: self.known.clone(), contradicting }
    }

    /// Where changes of the configuration are counted.
    pub fn reloads(&self) -> &EnumFamily<Counter, Reload> {
        &self.fleet.reloads
    }

    /// Takes over how targets do. Series of those that are targets no more end.
    pub fn show_targets(&mut self, status: &[SourceStatus]) {
        let names: BTreeSet<&str> = status.iter().map(|one| &*one.name).collect();
        self.targets.retain(|name, _| names.contains(&**name));
        self.nodes.retain(|name, _| names.contains(&**name));
        self.fleet.targets.set(status.len() as f64);
        let fleet = &self.fleet;
        for one in status {
            let handles = self.targets.entry(one.name.clone()).or_insert_with(|| TargetHandles {
                up: fleet.target_up.member([&one.name]),
                stale: fleet.target_stale.member([&one.name]),
                age: fleet.target_age.member([&one.name]),
                series: fleet.target_series.member([&one.name]),
            });
            handles.up.set(f64::from(one.up));
            // Before the first poll is over nothing has ended yet.
            handles.stale.set(f64::from(one.stale && one.polls > 0));
            handles.age.set(one.age.map_or(f64::NAN, |age| age.as_secs_f64()));
            handles.series.set(one.series as f64);
        }
    }

    /// Finds event stores among the targets, and shows how they do.
    pub fn show_nodes(&mut self, snapshot: &Snapshot, status: &[SourceStatus]) -> Vec<Node> {
        let mut events: BTreeMap<String, f64> = BTreeMap::new();
        for series in snapshot.series().filter(|one| one.definition.name == self.events) {
            if let (Some(instance), Value::Gauge(value)) = (series.label("instance"), series.value)
            {
                *events.entry(instance.to_owned()).or_default() += value;
            }
        }
        let control_plane = &self.control_plane;
        let mut nodes = Vec::new();
        for one in status {
            let stored = events.get(&*one.name);
            if stored.is_none() && !self.nodes.contains_key(&one.name) {
                continue;
            }
            let handles = self
                .nodes
                .entry(one.name.clone())
                .or_insert_with(|| control_plane.core_node(&one.name));
            handles.health_status.set(f64::from(one.up));
            if let Some(stored) = stored {
                handles.events.set(*stored);
            }
            nodes.push(Node { name: one.name.clone(), healthy: one.up });
        }
        nodes
    }

    /// Shows how peers rank; those that nothing is known of any more end.
    pub fn show_peers(&mut self, ranks: &[Slowness]) {
        let mut before = std::mem::take(&mut self.peers);
        for rank in ranks {
            let key = (rank.instance.clone(), rank.peer.clone(), rank.measure);
            let handle = before.remove(&key).unwrap_or_else(|| {
                self.fleet.peer_slowness.member([&rank.instance, &rank.peer, rank.measure])
            });
            handle.set(rank.ratio);
            self.peers.insert(key, handle);
        }
    }
}
