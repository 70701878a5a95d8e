//! What the fleet says of its targets, declared once: series, panels, alerts.

use std::time::Duration;

use tachometer::declare::{Alert, Bound, PanelUnit, Severity};
use tachometer::{Counter, Family, Gauge, Unit, bundle, labels};

labels! {
    /// What came of a look at a changed configuration.
    pub enum Reload("result") {
        Applied = "applied",
        Refused = "refused",
    }
}

/// What the values of `fleet_target_up` are called.
const UP: &[(f64, &str)] = &[(0.0, "down"), (1.0, "up")];

bundle! {
    /// What a fleet knows of those whom it reads.
    pub struct FleetMetrics("fleet_", "Fleet") {
        "Targets":
        /// Targets that are read.
        pub targets: Gauge = "targets" => asks("How many targets are there?"), titled("Targets");
        /// Whether the last poll of a target gave samples: 1 or 0.
        pub target_up: Family<Gauge, 1> = "target_up", keys(["instance"])
            => asks("Which target is down?"), titled("Targets up"), headline(), states(UP),
               alert(Alert::when_beyond("FleetTargetDown", "fleet_target_up", Bound::Below(1.0))
                   .hold(Duration::from_secs(15))
                   .severity(Severity::Critical)
                   .component("host")
                   .summary("{{ $labels.instance }} does not answer")
                   .description("No poll of {{ $labels.instance }} has given samples for 15 s.")
                   .action("Look whether its process runs and its listener answers; tachometer_source_failures_total says by \
                            reason why polls failed."));
        /// Whether a target's series have ended, because it had no good poll for too long: 1 or 0.
        pub target_stale: Family<Gauge, 1> = "target_stale", keys(["instance"])
            => asks("Of which target is nothing known any more?"), titled("Stale targets"),
               alert(Alert::when_beyond("FleetTargetStale", "fleet_target_stale", Bound::Above(0.0))
                   .hold(Duration::from_secs(5))
                   .severity(Severity::Critical)
                   .component("host")
                   .summary("Nothing is known of {{ $labels.instance }}")
                   .description("{{ $labels.instance }} has had no good poll for so long that its series have ended.")
                   .action("Look whether the machine is there at all; take the target out if it is gone for good."));
        /// Age of a target's last good samples.
        pub target_age: Family<Gauge, 1> = "target_age_seconds", unit(Unit::Seconds), keys(["instance"])
            => asks("How old is what is shown?"), titled("Age of samples");
        /// Series of a target that are shown.
        pub target_series: Family<Gauge, 1> = "target_series", keys(["instance"])
            => asks("Which target gives how much?"), titled("Series of targets");
        /// Series that were left out because a target calls another type by a name of the catalogue.
        pub contradicting: Family<Counter, 1> = "target_contradicting_series_total", keys(["instance"])
            => asks("Which target means something else by a known name?"), titled("Contradicting series");
        /// Changes of the configuration, by what came of them.
        pub reloads: tachometer::EnumFamily<Counter, Reload> = "configuration_reloads_total"
            => asks("Was the last change of the configuration taken over?"), titled("Configuration changes");

        "Peers":
        /// How many times as slow as the median of the others a peer is, by measure: `follower_lag` and `peer_latency` as the
        /// instance sees it, `log_append` by its own series.
        pub peer_slowness: Family<Gauge, 3> = "peer_slowness_ratio", keys(["instance", "peer", "measure"])
            => asks("Which peer is slow against the others?"), titled("Slowness of peers"), headline(),
               plots("topk(10, fleet_peer_slowness_ratio)", "{{peer}} by {{instance}}, {{measure}}"),
               shown_in(PanelUnit::Number),
               alert(Alert::when_beyond("FleetPeerSlow", "fleet_peer_slowness_ratio", Bound::Above(5.0))
                   .hold(Duration::from_secs(60))
                   .component("consensus")
                   .summary("{{ $labels.peer }} is slow against the others")
                   .description("By {{ $labels.measure }}, {{ $labels.peer }} has been {{ $value | humanize }} times as slow as \
                                 the median of the others for a minute.")
                   .action("Look at its disk and load, and at the network to it."));
    }
}
