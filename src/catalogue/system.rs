//! The whole of a fog: nodes and deployments, under the names of fog-compute.
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::system::SystemMetrics;
//! let system = SystemMetrics::register(&Registry::new())?;
//! system.total_nodes.set(12.0);
//! # Ok::<(), tachometer::Error>(())
//! ```

use crate::declare::{Alert, Severity};
use crate::{Gauge, Unit, bundle};

bundle! {
    /// How large the whole system is, and how long it has run.
    pub struct SystemMetrics("system_", "System") {
        /// How long the system has run.
        pub uptime: Gauge = "uptime_seconds", unit(Unit::Seconds)
            => asks("When did it start?"), titled("Uptime");
        /// Nodes that belong to the system.
        pub total_nodes: Gauge = "total_nodes"
            => asks("How many nodes are there?"), titled("Nodes"), headline(),
               alert(Alert::when("SystemNodesLost", "system_total_nodes < max_over_time(system_total_nodes[5m])")
                   .severity(Severity::Critical)
                   .component("host")
                   .summary("Nodes are lost")
                   .description("{{ $value }} nodes are left, fewer than there were 5 minutes ago.")
                   .action("Look which node is missing, and whether somebody removed it."));
        /// Deployments that are active.
        pub active_deployments: Gauge = "active_deployments"
            => asks("How many deployments are active?"), titled("Active deployments"), headline();
    }
}
