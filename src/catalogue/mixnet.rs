//! What a node of a mixnet records, under the names of Betanet.
//!
//! ```
//! use tachometer::Registry;
//! use tachometer::catalogue::mixnet::MixnetMetrics;
//! let mixnet = MixnetMetrics::register(&Registry::new())?;
//! mixnet.packets_processed.add(64);
//! mixnet.latency.record(18_000_000);
//! # Ok::<(), tachometer::Error>(())
//! ```

use crate::declare::{Alert, Bound, PanelUnit};
use crate::{Counter, Gauge, Histogram, Unit, bundle};
use std::time::Duration;

bundle! {
    /// What a node of a mixnet forwards.
    pub struct MixnetMetrics("betanet_", "Mixnet") {
        /// Packets that were mixed and forwarded.
        pub packets_processed: Counter = "packets_processed_total"
            => asks("How much traffic is mixed?"), titled("Packets forwarded"), headline();
        /// Packets that were dropped.
        pub packets_dropped: Counter = "packets_dropped_total"
            => asks("Does the mixnet lose packets?"), titled("Packets dropped"), headline(), shown_in(PanelUnit::Ratio),
               alert(Alert::when_beyond(
                       "MixnetPacketsDropped",
                       "rate(betanet_packets_dropped_total[1m]) \
                        / ((rate(betanet_packets_dropped_total[1m]) + rate(betanet_packets_processed_total[1m])) > 0)",
                       Bound::Above(0.05),
                   )
                   .hold(Duration::from_secs(60))
                   .component("network")
                   .summary("The mixnet drops packets")
                   .description("{{ $value | humanizePercentage }} of the packets of a minute were dropped.")
                   .action("Look at the load of the mixnode and at the nodes behind it."));
        /// What a packet waits in the mixnet.
        pub latency: Histogram = "latency_seconds", unit(Unit::Nanoseconds)
            => asks("How long is a packet on its way?"), titled("Packet latency"), headline();
        /// Connections that are open.
        pub connections: Gauge = "connections"
            => asks("Is the mixnode connected?"), titled("Connections"),
               alert(Alert::when_beyond("MixnetDisconnected", "betanet_connections", Bound::Below(1.0))
                   .hold(Duration::from_secs(60))
                   .component("network")
                   .summary("The mixnode has no connection")
                   .description("It has had no connection for a minute.")
                   .action("Look whether it can reach the other nodes."));
    }
}
