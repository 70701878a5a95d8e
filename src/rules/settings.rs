//! How rules are evaluated.

use crate::limits::DEFAULT_RECORDED_RETENTION;
use crate::query::{Labels, Settings};
use std::time::Duration;

/// How rules are evaluated.
#[derive(Clone, Debug)]
pub struct RuleSettings {
    /// How often groups are evaluated that do not say; a second.
    pub interval: Duration,
    /// How expressions are evaluated, and what one may cost.
    pub query: Settings,
    /// How long what rules record is kept for later rules; see [`DEFAULT_RECORDED_RETENTION`]. A rule that looks
    /// further back needs a host that keeps it: [`Evaluation::recorded`](super::Evaluation::recorded).
    pub recorded_retention: Duration,
    /// `$externalLabels` of templates.
    pub external_labels: Labels,
    /// `$externalURL` of templates.
    pub external_url: String,
}

impl Default for RuleSettings {
    fn default() -> Self {
        RuleSettings {
            interval: Duration::from_secs(1),
            query: Settings::default(),
            recorded_retention: DEFAULT_RECORDED_RETENTION,
            external_labels: Labels::empty(),
            external_url: String::new(),
        }
    }
}
