//! A recipe's rules before they are read: texts.

use super::Severity;

/// What a recipe comes to.
#[derive(Clone, Debug, Default)]
pub(super) struct Draft {
    /// What is recorded first: names and expressions.
    pub(super) records: Vec<(String, String)>,
    pub(super) alerts: Vec<AlertDraft>,
}

/// An alert, as its recipe has it unless told otherwise.
#[derive(Clone, Debug)]
pub(super) struct AlertDraft {
    pub(super) expr: String,
    pub(super) severity: Severity,
    pub(super) labels: Vec<(&'static str, String)>,
    /// Templates.
    pub(super) summary: String,
    pub(super) description: String,
}

impl Draft {
    /// One alert, and nothing recorded.
    pub(super) fn alert(alert: AlertDraft) -> Draft {
        Draft { records: Vec::new(), alerts: vec![alert] }
    }
}
