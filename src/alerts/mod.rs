//! Thresholds of alerts, as an operator sets them: [`AlertConfig`]. What rules they make is in
//! `rules::recipes::alerts`; this much is there without rules, so that a configuration file is the same for every build.

use crate::limits::MAX_ALERT_TIME;
use crate::span::Span;
use serde::{Deserialize, Serialize};

/// Thresholds of alerts about a consensus node, each with a meaning and a unit. There is an alert for each one that is
/// set, and none for the others.
///
/// [`AlertConfig::hotstuff2`] and [`AlertConfig::raft`] have thresholds to begin with. With feature `rules`,
/// `AlertConfig::rules` makes a rule file of it, which the process evaluates and Prometheus takes; `docs/alerts.md` has
/// all of it. It can be read with serde; in a configuration file (feature `config`) it is the section `[alerts]`.
///
/// The series are those of [`catalogue`](crate::catalogue), a HotStuff-2 or a Raft node's by
/// [`consensus`](AlertConfig::consensus), and those of the host: `node_cpu_usage`, `node_memory_usage` and
/// `node_disk_usage`, as ratios from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of thresholds")]
pub struct AlertConfig {
    /// Whose series they are about.
    pub consensus: ConsensusKind,
    /// What the names of these series begin with, if the host registered them under another prefix than `hotstuff_` or
    /// `raft_`.
    pub prefix: Option<String>,
    /// The longest mean time between blocks, over a minute or five times as long as it is itself. Of Raft: the longest
    /// 99th percentile of a minute's times from proposal to commit.
    pub max_block_time: Option<Span>,
    /// Most changes of view a second, over 5 minutes. Of Raft: changes of leader.
    pub view_change_rate: Option<f64>,
    /// Least transactions a second, over a minute. Of Raft: entries committed.
    pub min_throughput: Option<f64>,
    /// Most disconnections of peers a second, over 5 minutes. Of Raft: calls a second to one peer that found no
    /// connection.
    pub peer_disconnect_rate: Option<f64>,
    /// The largest part of messages that may be lost, from 0 to 1. Of Raft: of the calls to one peer that may fail, over
    /// a minute.
    pub message_loss_rate: Option<f64>,
    /// The longest 99th percentile of a minute's latencies to one peer. Of Raft: of append-entries calls.
    pub network_latency: Option<Span>,
    /// The largest part of the host's processors that may be in use, from 0 to 1.
    pub cpu: Option<f64>,
    /// The largest part of the host's memory that may be in use, from 0 to 1.
    pub memory: Option<f64>,
    /// The largest part of the host's disk that may be in use, from 0 to 1.
    pub disk: Option<f64>,
    /// Most byzantine behaviours of one validator a second, over 5 minutes; 0 for none at all. Raft has none.
    pub byzantine_rate: Option<f64>,
    /// Most violations of safety within 5 minutes; 0 for none at all. Raft has none.
    pub safety_violations: Option<u64>,
    /// Most liveness timeouts within 5 minutes. Of Raft: elections that this node lost.
    pub liveness_timeouts: Option<u64>,
    /// How old the newest sample may be. An engine that no longer makes snapshots has no other alert that is right.
    pub stale_data: Option<Span>,
}

/// Whose series the alerts of an [`AlertConfig`] are about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsensusKind {
    /// A HotStuff-2 node's: `hotstuff_blocks_committed_total` and its like.
    #[default]
    Hotstuff2,
    /// A Raft node's: `raft_commit_index` and its like, as [`catalogue::raft`](crate::catalogue::raft) has them.
    Raft,
}

impl ConsensusKind {
    /// As a configuration has it.
    #[cfg_attr(not(feature = "config"), allow(dead_code, reason = "a configuration tells it"))]
    pub(crate) fn name(self) -> &'static str {
        match self {
            ConsensusKind::Hotstuff2 => "hotstuff2",
            ConsensusKind::Raft => "raft",
        }
    }
}

impl AlertConfig {
    /// Thresholds to begin with for a HotStuff-2 node: all but `min_throughput`, which only the host can know.
    pub fn hotstuff2() -> AlertConfig {
        AlertConfig {
            max_block_time: Some(Span::from_secs(2)),
            view_change_rate: Some(0.1),
            peer_disconnect_rate: Some(0.1),
            message_loss_rate: Some(0.05),
            network_latency: Some(Span::from_millis(500)),
            cpu: Some(0.9),
            memory: Some(0.9),
            disk: Some(0.85),
            byzantine_rate: Some(0.0),
            safety_violations: Some(0),
            liveness_timeouts: Some(10),
            stale_data: Some(Span::from_secs(10)),
            ..AlertConfig::default()
        }
    }

    /// Thresholds to begin with for a Raft node: all but `min_throughput`, which only the host can know, and what Raft
    /// does not have.
    pub fn raft() -> AlertConfig {
        AlertConfig {
            consensus: ConsensusKind::Raft,
            max_block_time: Some(Span::from_millis(250)),
            view_change_rate: Some(0.02),
            byzantine_rate: None,
            safety_violations: None,
            ..AlertConfig::hotstuff2()
        }
    }

    /// The fields with a threshold that is set, in their order.
    #[cfg_attr(
        not(feature = "config"),
        allow(dead_code, reason = "a configuration tells how many")
    )]
    pub(crate) fn thresholds(&self) -> impl Iterator<Item = &'static str> {
        let fields = [
            ("max_block_time", self.max_block_time.is_some()),
            ("view_change_rate", self.view_change_rate.is_some()),
            ("min_throughput", self.min_throughput.is_some()),
            ("peer_disconnect_rate", self.peer_disconnect_rate.is_some()),
            ("message_loss_rate", self.message_loss_rate.is_some()),
            ("network_latency", self.network_latency.is_some()),
            ("cpu", self.cpu.is_some()),
            ("memory", self.memory.is_some()),
            ("disk", self.disk.is_some()),
            ("byzantine_rate", self.byzantine_rate.is_some()),
            ("safety_violations", self.safety_violations.is_some()),
            ("liveness_timeouts", self.liveness_timeouts.is_some()),
            ("stale_data", self.stale_data.is_some()),
        ];
        fields.into_iter().filter_map(|(key, is_set)| is_set.then_some(key))
    }

    /// What the names of the consensus's series begin with.
    #[cfg_attr(not(feature = "rules"), allow(dead_code, reason = "rules are made with it"))]
    pub(crate) fn prefix(&self) -> &str {
        self.prefix.as_deref().unwrap_or(match self.consensus {
            ConsensusKind::Hotstuff2 => "hotstuff_",
            ConsensusKind::Raft => "raft_",
        })
    }

    /// The first field whose value cannot be, and what was expected.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        self.check_prefix().map_err(|reason| ("prefix", reason))?;
        for (key, span) in [
            ("max_block_time", self.max_block_time),
            ("network_latency", self.network_latency),
            ("stale_data", self.stale_data),
        ] {
            let Some(span) = span else { continue };
            if span.0.is_zero() || span.0 > MAX_ALERT_TIME || !is_whole(span) {
                let reason = format!(
                    "{span} is not from 1ms to {}, in whole milliseconds: an alert needs a time to go by",
                    Span(MAX_ALERT_TIME)
                );
                return Err((key, reason));
            }
        }
        for (key, rate) in [
            ("view_change_rate", self.view_change_rate),
            ("min_throughput", self.min_throughput),
            ("peer_disconnect_rate", self.peer_disconnect_rate),
            ("byzantine_rate", self.byzantine_rate),
        ] {
            if let Some(rate) = rate.filter(|rate| !(rate.is_finite() && *rate >= 0.0)) {
                return Err((key, format!("{rate} is no rate: 0 or more a second was expected")));
            }
        }
        if self.min_throughput == Some(0.0) {
            let reason = "0 is never gone below: more was expected, or leave it out".to_owned();
            return Err(("min_throughput", reason));
        }
        for (key, ratio) in [
            ("message_loss_rate", self.message_loss_rate),
            ("cpu", self.cpu),
            ("memory", self.memory),
            ("disk", self.disk),
        ] {
            if let Some(ratio) = ratio.filter(|ratio| !(0.0..1.0).contains(ratio)) {
                let reason = format!(
                    "{ratio} is no threshold for a part of a whole: 0 or more and less than 1 was expected, as 0.9 for 90 %"
                );
                return Err((key, reason));
            }
        }
        if self.consensus == ConsensusKind::Raft {
            for (key, is_set) in [
                ("byzantine_rate", self.byzantine_rate.is_some()),
                ("safety_violations", self.safety_violations.is_some()),
            ] {
                if is_set {
                    let reason =
                        "Raft has no series for it, so its alert would never fire: leave it out";
                    return Err((key, reason.to_owned()));
                }
            }
        }
        Ok(())
    }

    fn check_prefix(&self) -> Result<(), String> {
        let Some(prefix) = &self.prefix else { return Ok(()) };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let fits = prefix.bytes().all(is_name) && !prefix.starts_with(|c: char| c.is_ascii_digit());
        match fits && prefix.len() <= crate::limits::MAX_NAME_BYTES {
            true => Ok(()),
            false => Err(format!(
                "no metric's name begins with {prefix:?}: letters, digits and _ were expected, no digit first"
            )),
        }
    }
}

fn is_whole(span: Span) -> bool {
    span.0.subsec_nanos().is_multiple_of(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_can_be() {
        for config in [AlertConfig::default(), AlertConfig::hotstuff2(), AlertConfig::raft()] {
            assert_eq!(config.check(), Ok(()));
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let base = AlertConfig::hotstuff2;
        let wrong: [(AlertConfig, &str, &str); 9] = [
            (AlertConfig { cpu: Some(90.0), ..base() }, "cpu", "as 0.9 for 90 %"),
            (AlertConfig { disk: Some(f64::NAN), ..base() }, "disk", "NaN is no threshold"),
            (AlertConfig { byzantine_rate: Some(-1.0), ..base() }, "byzantine_rate", "-1"),
            (AlertConfig { min_throughput: Some(0.0), ..base() }, "min_throughput", "below"),
            (
                AlertConfig { max_block_time: Some(Span::default()), ..base() },
                "max_block_time",
                "0s",
            ),
            (
                AlertConfig { stale_data: Some(Span::from_secs(90_000)), ..base() },
                "stale_data",
                "1d",
            ),
            (AlertConfig { prefix: Some("my-".to_owned()), ..base() }, "prefix", "\"my-\""),
            (AlertConfig { prefix: Some("1_".to_owned()), ..base() }, "prefix", "no digit first"),
            (
                AlertConfig { safety_violations: Some(0), ..AlertConfig::raft() },
                "safety_violations",
                "would never fire",
            ),
        ];
        for (config, key, reason) in wrong {
            let (found, why) = config.check().expect_err(key);
            assert!(found == key && why.contains(reason), "{found}: {why}");
        }
    }
}
