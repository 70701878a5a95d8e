//! What the rules said when they were evaluated last: plain data, filled by `alerts`.
#![cfg_attr(not(feature = "rules"), allow(dead_code, reason = "nobody tells without rules"))]

use super::issue::Issue;
use super::report::RulesReport;
use super::state::HealthState;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the rules said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// By name: those that rules name, with or without alerts.
    pub(super) components: BTreeMap<String, Lists>,
    /// Without the age, which is that of the question.
    pub(super) counts: RulesReport,
    /// When, on the monotonic clock.
    pub(super) at: Duration,
}

/// The issues of one component, by what becomes of them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) issues: Listed,
    pub(super) pending: Listed,
    pub(super) silenced: Listed,
    pub(super) informational: Listed,
    /// The worst of all issues, those that were left out too.
    pub(super) worst: HealthState,
}

/// The first of a list, and how many further ones there are.
#[derive(Clone, Debug, Default)]
pub(super) struct Listed {
    pub(super) kept: Vec<Issue>,
    pub(super) left_out: usize,
}
