//! What a machine uses: processors, memory, disk, network. One series a node, under the names of fog-compute.
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::node::{Flow, NodeMetrics};
//! let nodes = NodeMetrics::register(&Registry::new())?;
//! let node = nodes.node("fog-7");
//! node.cpu.set(0.41);
//! node.network(Flow::Received).add(1_500);
//! # Ok::<(), tachometer::Error>(())
//! ```

use crate::declare::{Alert, Bound, PanelUnit, Severity};
use crate::{Counter, Family, Gauge, LabelEnum, Unit, bundle, labels};
use std::time::Duration;

labels! {
    /// The way of bytes.
    pub enum Flow("direction") {
        /// To the node.
        Received = "received",
        /// From the node.
        Sent = "sent",
    }
}

bundle! {
    /// What nodes use of their machines.
    pub struct NodeMetrics("node_", "Nodes") {
        /// The part of the node's processors that is in use, from 0 to 1.
        pub cpu_usage: Family<Gauge, 1> = "cpu_usage", keys(["node_id"])
            => asks("Which node is busy?"), titled("CPU"), headline(), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond("NodeCpuHigh", "node_cpu_usage", Bound::Above(0.9))
                   .hold(Duration::from_secs(60))
                   .component("host")
                   .summary("The CPU of {{ $labels.node_id }} is nearly used up")
                   .description("{{ $value | humanizePercentage }} of the node's CPU is in use.")
                   .action("Look which process takes it."));
        /// The part of the node's memory that is in use, from 0 to 1.
        pub memory_usage: Family<Gauge, 1> = "memory_usage", keys(["node_id"])
            => asks("Which node runs out of memory?"), titled("Memory"), headline(), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond("NodeMemoryHigh", "node_memory_usage", Bound::Above(0.9))
                   .hold(Duration::from_secs(60))
                   .component("host")
                   .summary("The memory of {{ $labels.node_id }} is nearly used up")
                   .description("{{ $value | humanizePercentage }} of the node's memory is in use.")
                   .action("Look which process takes it."));
        /// The part of the node's disk that is in use, from 0 to 1.
        pub disk_usage: Family<Gauge, 1> = "disk_usage", keys(["node_id"])
            => asks("Which node's disk gets full?"), titled("Disk"), headline(), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond("NodeDiskFull", "node_disk_usage", Bound::Above(0.85))
                   .hold(Duration::from_secs(60))
                   .severity(Severity::Critical)
                   .component("storage")
                   .summary("The disk of {{ $labels.node_id }} is nearly full")
                   .description("{{ $value | humanizePercentage }} of the node's disk is in use.")
                   .action("Look what takes it, and make room."));
        /// Bytes that the node received and sent.
        pub network_io: Family<Counter, 2> =
            "network_io_bytes_total", unit(Unit::Bytes), keys(["node_id", "direction"])
            => asks("How much does each node send and receive?"), titled("Network");
    }
}

/// The handles of one node. Made by [`NodeMetrics::node`].
#[derive(Clone, Debug)]
pub struct NodeHandles {
    /// The part of its processors that is in use.
    pub cpu: Gauge,
    /// The part of its memory that is in use.
    pub memory: Gauge,
    /// The part of its disk that is in use.
    pub disk: Gauge,
    network: [Counter; 2],
}

impl NodeHandles {
    /// Bytes of one direction.
    #[inline]
    pub fn network(&self, flow: Flow) -> &Counter {
        &self.network[flow.index()]
    }
}

impl NodeMetrics {
    /// The handles of the node `node`. Its series live as long as they do: keep them for as long as the node is there.
    pub fn node(&self, node: &str) -> NodeHandles {
        let network = |flow: Flow| self.network_io.member([node, Flow::VALUES[flow.index()]]);
        NodeHandles {
            cpu: self.cpu_usage.member([node]),
            memory: self.memory_usage.member([node]),
            disk: self.disk_usage.member([node]),
            network: [Flow::Received, Flow::Sent].map(network),
        }
    }
}
