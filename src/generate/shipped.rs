//! Which bundle is seen on which dashboard.

use super::dashboard::Dashboard;
use crate::declare::{Bundle, Panel, PanelKind, PanelUnit};

/// The sections of a bundle that a dashboard has; none for all.
type Part = (&'static str, &'static [&'static str]);

const DASHBOARDS: &[(&str, &[Part])] = &[
    (
        "Consensus",
        &[
            ("RaftMetrics", &["Node and cluster", "Elections", "Commits", "Quorum"]),
            ("ConsensusMetrics", &[]),
            ("PerformanceMetrics", &[]),
            ("StateMetrics", &[]),
        ],
    ),
    (
        "Network",
        &[
            ("RaftMetrics", &["Replication", "RPC"]),
            ("NetworkMetrics", &[]),
            ("MixnetMetrics", &[]),
        ],
    ),
    ("Storage", &[("RaftMetrics", &["Snapshots", "Log"]), ("StorageMetrics", &[])]),
    ("System", &[("ProcessMetrics", &[]), ("SystemMetrics", &[])]),
    ("Event store", &[("EventStoreMetrics", &[]), ("ControlPlaneMetrics", &[])]),
    ("Nodes", &[("NodeMetrics", &[]), ("DeploymentMetrics", &[])]),
];

/// The dashboards of `bundles`: consensus, network, storage, system, event store and nodes, as far as there are bundles for
/// them; one for each other bundle, as a host's own; and one for the fleet of all that is scraped.
///
/// ```
/// use tachometer::{catalogue, generate};
/// let titles: Vec<_> = generate::grafana(&catalogue::declarations()).iter().map(|one| one.title().to_owned()).collect();
/// assert_eq!(titles, ["Consensus", "Network", "Storage", "System", "Event store", "Nodes", "Fleet"]);
/// ```
pub fn grafana(bundles: &[Bundle]) -> Vec<Dashboard> {
    let mut made = Vec::new();
    for (title, parts) in DASHBOARDS {
        let mut found = Vec::new();
        for (name, sections) in *parts {
            let of_name =
                bundles.iter().filter(|bundle| is_shipped(bundle) && bundle.name() == *name);
            found.extend(
                of_name.map(|bundle| (bundle, (!sections.is_empty()).then_some(*sections))),
            );
        }
        if !found.is_empty() {
            made.push(Dashboard::of_parts(title, &found));
        }
    }
    made.extend(bundles.iter().filter(|bundle| !is_shipped(bundle)).map(Dashboard::of_bundle));
    if !bundles.is_empty() {
        made.push(fleet(bundles));
    }
    made
}

/// Not a host's own bundle that happens to have the same name.
fn is_shipped(bundle: &Bundle) -> bool {
    let shipped = crate::catalogue::declarations();
    shipped.iter().any(|one| (one.name(), one.title()) == (bundle.name(), bundle.title()))
}

/// Who is there, what fires, and the headlines of consensus instance by instance.
fn fleet(bundles: &[Bundle]) -> Dashboard {
    let has = |name: &str| bundles.iter().any(|bundle| is_shipped(bundle) && bundle.name() == name);
    let mut first = vec![
        Panel::new("Targets", PanelKind::Timeline)
            .asks("Who is there?")
            .plots("up", "{{job}} {{instance}}")
            .states(&[(0.0, "down"), (1.0, "up")]),
        Panel::new("Alerts that fire", PanelKind::Lines).asks("What is wrong, and where?").plots(
            "count by (alertname, severity, instance) (ALERTS{alertstate=\"firing\"})",
            "{{alertname}} {{instance}}",
        ),
    ];
    if has("RaftMetrics") {
        first.push(
            Panel::new("Raft: commits by instance", PanelKind::Lines)
                .asks("Which group and instance commits how much?")
                .plots(
                    "sum by (instance, group) (deriv(raft_commit_index[$window]))",
                    "{{instance}} {{group}}",
                )
                .shown_in(PanelUnit::PerSecond),
        );
        first.push(
            Panel::new("Raft: slowest followers", PanelKind::Lines)
                .asks("Which follower is slow against the quorum?")
                .plots("topk(5, raft_follower_lag_seconds)", "{{instance}} {{group}} {{follower}}")
                .shown_in(PanelUnit::Seconds),
        );
    }
    if has("ConsensusMetrics") {
        first.push(
            Panel::new("HotStuff: committed height by instance", PanelKind::Lines)
                .asks("Which replica stays behind?")
                .plots("hotstuff_committed_height", "{{instance}}"),
        );
    }
    if has("ProcessMetrics") {
        first.push(
            Panel::new("Memory by instance", PanelKind::Lines)
                .asks("Whose memory grows?")
                .plots("process_resident_memory_bytes", "{{instance}}")
                .shown_in(PanelUnit::Bytes),
        );
        first.push(
            Panel::new("Processors by instance", PanelKind::Lines)
                .asks("Who is busy?")
                .plots("rate(process_cpu_seconds_total[$window])", "{{instance}}"),
        );
    }
    first.push(
        Panel::new("Scrape duration", PanelKind::Lines)
            .asks("Is anybody slow to answer?")
            .plots("scrape_duration_seconds", "{{job}} {{instance}}")
            .shown_in(PanelUnit::Seconds),
    );
    Dashboard::new("Fleet").row("Overview", first)
}
