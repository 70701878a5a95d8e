//! The rules as they were after an evaluation: what readers see who must not wait for the next one.

use super::alert::Alert;
use super::engine::{RuleStatus, Rules};
use super::file::Group;
use std::sync::Arc;
use std::time::Duration;

/// All groups, in the order of evaluation.
#[derive(Debug)]
pub(crate) struct RulesView {
    pub(crate) groups: Vec<GroupView>,
}

#[derive(Debug)]
pub(crate) struct GroupView {
    pub(crate) file: String,
    pub(crate) group: Arc<Group>,
    /// Its own, or that of the settings.
    pub(crate) interval: Duration,
    /// When it was evaluated last, in milliseconds since 1970, and how long that took.
    pub(crate) last: Option<(i64, Duration)>,
    /// One for each rule of the group.
    pub(crate) rules: Vec<RuleView>,
}

#[derive(Debug)]
pub(crate) struct RuleView {
    pub(crate) status: RuleStatus,
    pub(crate) alerts: Vec<Alert>,
}

impl RulesView {
    /// Costs a copy of each alert: of references and numbers, not of texts.
    pub(crate) fn of(rules: &Rules) -> RulesView {
        let groups = rules.groups.iter().map(|running| GroupView {
            file: running.file.clone(),
            group: running.group.clone(),
            interval: running.group.interval().unwrap_or(rules.settings.interval),
            last: running.last(),
            rules: running
                .rules
                .iter()
                .map(|state| RuleView {
                    status: state.status.clone(),
                    alerts: state.alerts.values().cloned().collect(),
                })
                .collect(),
        });
        RulesView { groups: groups.collect() }
    }
}
