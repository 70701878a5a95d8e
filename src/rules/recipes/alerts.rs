//! The alerts of an [`AlertConfig`]: which expression each threshold makes, over the catalogue's series.

use super::error::RecipeError;
use super::{Bound, Recipe, Severity};
use crate::alerts::{AlertConfig, ConsensusKind};
use crate::query::duration;
use crate::rules::file::RuleFile;
use std::time::Duration;

/// Over which rates and ratios of what happens all the time are taken.
const MINUTE: Duration = Duration::from_secs(60);

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The names of one kind of consensus.
struct Names<'a> {
    kind: ConsensusKind,
    prefix: &'a str,
}

impl AlertConfig {
    /// The alerts as a rule file of one group, `alerts`.
    ///
    /// ```
    /// use tachometer::rules::recipes::{AlertConfig, Span};
    /// let config = AlertConfig { max_block_time: Some(Span::from_secs(2)), ..AlertConfig::default() };
    /// let file = config.rules()?;
    /// let rule = &file.groups()[0].rules()[0];
    /// assert_eq!(rule.query().text(), "(1 / rate(hotstuff_blocks_committed_total[1m]) and hotstuff_blocks_committed_total offset 1m) > 2");
    /// // For a Prometheus, or to be looked at: the same as YAML.
    /// assert!(file.to_yaml().contains("alert: ConsensusBlockTimeHigh"));
    ///
    /// let wrong = AlertConfig { cpu: Some(90.0), ..AlertConfig::default() }.rules().unwrap_err();
    /// assert!(wrong.to_string().contains("cpu: 90 is no threshold"), "{wrong}");
    /// # Ok::<(), tachometer::rules::recipes::RecipeError>(())
    /// ```
    ///
    /// # Errors
    /// A threshold cannot be: the error names its field.
    pub fn rules(&self) -> Result<RuleFile, RecipeError> {
        RuleFile::of_recipes("alerts.yml", "alerts", &self.recipes()?)
    }

    /// The alerts as recipes, in the order of the fields, for a host that changes severities or words, or adds its own.
    ///
    /// # Errors
    /// As [`AlertConfig::rules`].
    pub fn recipes(&self) -> Result<Vec<Recipe>, RecipeError> {
        let named =
            |(key, reason): (&str, String)| RecipeError::of("alerts", (key.to_owned(), reason));
        self.check().map_err(named)?;
        let names = Names { kind: self.consensus, prefix: self.prefix() };
        let recipes = [
            self.max_block_time.map(|most| names.block_time(most.0)),
            self.view_change_rate.map(|most| names.view_changes(most)),
            self.min_throughput.map(|least| names.throughput(least)),
            self.peer_disconnect_rate.map(|most| names.disconnects(most)),
            self.message_loss_rate.map(|most| names.message_loss(most)),
            self.network_latency.map(|most| names.latency(most.0)),
            self.cpu.map(|most| host("NodeCpuHigh", "node_cpu_usage", most, "CPU")),
            self.memory.map(|most| host("NodeMemoryHigh", "node_memory_usage", most, "memory")),
            self.disk.map(|most| host("NodeDiskFull", "node_disk_usage", most, "disk")),
            self.byzantine_rate.map(|most| names.byzantine(most)),
            self.safety_violations.map(|most| names.safety(most)),
            self.liveness_timeouts.map(|most| names.liveness(most)),
            self.stale_data.map(|age| names.stale(age.0)),
        ];
        Ok(recipes.into_iter().flatten().collect())
    }
}

impl Names<'_> {
    fn series(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn of(&self, hotstuff2: String, raft: String) -> String {
        match self.kind {
            ConsensusKind::Hotstuff2 => hotstuff2,
            ConsensusKind::Raft => raft,
        }
    }

    fn block_time(&self, most: Duration) -> Recipe {
        let window = MINUTE.max(most * 5);
        // Whole milliseconds within a day: checked.
        let window = duration::format(window).unwrap_or_default();
        let blocks = self.series("blocks_committed_total");
        let expression = self.of(
            // Over a window that is not full, the rate is too low.
            format!("1 / rate({blocks}[{window}]) and {blocks} offset {window}"),
            p99(&self.series("commit_latency_seconds"), ""),
        );
        Recipe::threshold("ConsensusBlockTimeHigh", expression, Bound::Above(most.as_secs_f64()))
            .hold(seconds(10))
            .severity(Severity::Critical)
            .component("consensus")
            .summary("Blocks are committed too slowly")
            .description(self.of(
                "The mean time between blocks is {{ $value | humanizeDuration }}.".to_owned(),
                "The 99th percentile from proposal to commit is {{ $value | humanizeDuration }}.".to_owned(),
            ))
            .action("Look for changes of view, slow peers and slow disks.")
    }

    fn view_changes(&self, most: f64) -> Recipe {
        let expression = self.of(
            format!("sum without (reason) (rate({}[5m]))", self.series("view_changes_total")),
            format!("rate({}[5m])", self.series("leader_changes_total")),
        );
        Recipe::threshold("ConsensusViewChangesFrequent", expression, Bound::Above(most))
            .component("consensus")
            .summary("Views change often")
            .description(
                "{{ $value | humanize }} changes of view or leader a second, over 5 minutes.",
            )
            .action("Look for leaders that do not answer, and for time limits that are too short.")
    }

    fn throughput(&self, least: f64) -> Recipe {
        let expression = self.of(
            format!("avg_over_time({}[1m])", self.series("transaction_throughput")),
            format!("deriv({}[1m])", self.series("commit_index")),
        );
        Recipe::threshold("ConsensusThroughputLow", expression, Bound::Below(least))
            .hold(seconds(30))
            .component("consensus")
            .summary("Throughput is low")
            .description("{{ $value | humanize }} commits a second, over a minute.")
            .action("Look whether clients still ask for anything, then at latencies and changes of view.")
    }

    fn disconnects(&self, most: f64) -> Recipe {
        let expression = self.of(
            format!(
                "sum without (reason) (rate({}[5m]))",
                self.series("peer_disconnections_total")
            ),
            format!(
                "sum without (rpc, error) (rate({}{{error=~\"connection_refused|network\"}}[5m]))",
                self.series("rpc_errors_total")
            ),
        );
        Recipe::threshold("NetworkPeerDisconnects", expression, Bound::Above(most))
            .component("network")
            .summary("Peers disconnect often")
            .description("{{ $value | humanize }} lost connections a second, over 5 minutes.")
            .action("Look at the network between the nodes, and whether peers restart.")
    }

    fn message_loss(&self, most: f64) -> Recipe {
        let requests = self.series("rpc_requests_total");
        let expression = self.of(
            format!("1 - {}", self.series("message_delivery_ratio")),
            format!(
                "sum without (rpc, result) (rate({requests}{{result=\"error\"}}[1m])) \
                 / sum without (rpc, result) (rate({requests}[1m]))"
            ),
        );
        Recipe::threshold("NetworkMessageLoss", expression, Bound::Above(most))
            .hold(seconds(15))
            .component("network")
            .summary("Messages are lost")
            .description("{{ $value | humanizePercentage }} of the messages do not arrive.")
            .action("Look at the network between the nodes, and at the length of message queues.")
    }

    fn latency(&self, most: Duration) -> Recipe {
        let expression = self.of(
            p99(&self.series("peer_latency_seconds"), ""),
            p99(&self.series("rpc_duration_seconds"), "{rpc=\"append_entries\"}"),
        );
        Recipe::threshold("NetworkLatencyHigh", expression, Bound::Above(most.as_secs_f64()))
            .hold(seconds(30))
            .component("network")
            .summary("Peers answer slowly")
            .description("The 99th percentile of latencies is {{ $value | humanizeDuration }}.")
            .action("Look at the network between the nodes, and at the load of the peers.")
    }

    fn byzantine(&self, most: f64) -> Recipe {
        let events = new_events(&self.series("byzantine_behaviors_total"));
        let expression = format!("sum without (kind) ({events}) / 300");
        Recipe::threshold("ConsensusByzantineBehavior", expression, Bound::Above(most))
            .keep_firing(seconds(300))
            .severity(Severity::Critical)
            .component("consensus")
            .summary("Validator {{ $labels.validator }} misbehaves")
            .description("{{ $value | humanize }} byzantine behaviours a second, over 5 minutes.")
            .action("Look at the validator's votes and proposals; it may have to be removed.")
    }

    fn safety(&self, most: u64) -> Recipe {
        let expression = format!("round({})", new_events(&self.series("safety_violations_total")));
        Recipe::threshold("ConsensusSafetyViolation", expression, Bound::Above(most as f64))
            .keep_firing(seconds(900))
            .severity(Severity::Page)
            .component("consensus")
            .summary("Safety was violated: {{ $labels.kind }}")
            .description("{{ $value }} violations of safety within 5 minutes.")
            .action("Stop the node and keep its log: more may be committed than agreed on.")
    }

    fn liveness(&self, most: u64) -> Recipe {
        let expression = self.of(
            new_events(&self.series("liveness_timeouts_total")),
            new_events(&self.series("elections_total{result=\"lost\"}")),
        );
        Recipe::threshold(
            "ConsensusLivenessTimeouts",
            format!("round({expression})"),
            Bound::Above(most as f64),
        )
        .severity(Severity::Critical)
        .component("consensus")
        .summary("Consensus makes no progress again and again")
        .description("{{ $value }} timeouts within 5 minutes.")
        .action("Look whether enough validators are there and reach each other.")
    }

    fn stale(&self, age: Duration) -> Recipe {
        let series = self.of(self.series("committed_height"), self.series("commit_index"));
        Recipe::stale_data("MetricsStale", series, age)
            .component("metrics")
            .action("Look whether the process still runs, and at tachometer_callback_panics_total.")
    }
}

/// The 99th percentile of a minute. In the process, and as native histograms, the first half finds something; scraped as
/// text, the second.
fn p99(histogram: &str, labels: &str) -> String {
    format!(
        "histogram_quantile(0.99, rate({histogram}{labels}[1m])) \
         or histogram_quantile(0.99, rate({histogram}_bucket{labels}[1m]))"
    )
}

/// How many events a counter had in 5 minutes; all of them if it was not there before. A series with the labels of rare
/// events comes with its first one, and `increase` alone would not see that.
fn new_events(counter: &str) -> String {
    format!("({counter} unless {counter} offset 5m) or increase({counter}[5m])")
}

fn host(name: &str, series: &str, most: f64, what: &str) -> Recipe {
    let component = if what == "disk" { "storage" } else { "host" };
    Recipe::threshold(name, series, Bound::Above(most))
        .hold(MINUTE)
        .component(component)
        .summary(format!("The host's {what} is nearly used up"))
        .description(format!(
            "{{{{ $value | humanizePercentage }}}} of the host's {what} is in use."
        ))
        .action("Look which process takes it.")
}
