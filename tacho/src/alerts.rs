//! The rules of a run, and what their alerts become.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use parking_lot::Mutex;
use tachometer::rules::{
    Alert, AlertState, Evaluation, RAFT_RULES, RuleFile, RuleObserver, Rules, Transition,
};

use crate::timeline::Notice;

/// The word for no rules at all.
const OFF: &str = "off";

/// Notices beyond these, if nobody takes them, are left out.
const NOTICES_KEPT: usize = 1_000;

/// The rules for Raft that come with tachometer.
pub fn shipped() -> anyhow::Result<Vec<RuleFile>> {
    Ok(vec![RuleFile::parse("raft.yml", RAFT_RULES)?])
}

/// The rules of these files; none, if one of them is `off`; `None`, if nothing is said.
pub fn rule_files(paths: &[PathBuf]) -> anyhow::Result<Option<Vec<RuleFile>>> {
    if paths.is_empty() {
        return Ok(None);
    }
    if paths.iter().any(|path| path == Path::new(OFF)) {
        return Ok(Some(Vec::new()));
    }
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = fs::read_to_string(path)
            .with_context(|| format!("the rule file {name} cannot be read"))?;
        Ok(RuleFile::parse(&name, &text)?)
    };
    paths.iter().map(read).collect::<anyhow::Result<_>>().map(Some)
}

/// Keeps what fired and resolved until the line is shown.
#[derive(Debug, Default)]
pub struct Alerts(Mutex<Vec<Notice>>);

impl Alerts {
    /// What came since the last call, in order.
    pub fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut self.0.lock())
    }
}

impl RuleObserver for Alerts {
    fn evaluated(&self, _: i64, evaluation: &Evaluation, _: &Rules) {
        let mut kept = self.0.lock();
        let fits = NOTICES_KEPT.saturating_sub(kept.len());
        kept.extend(evaluation.transitions.iter().filter_map(notice).take(fits));
    }
}

/// What is told of a change; nothing of what only may become an alert.
fn notice(change: &Transition) -> Option<Notice> {
    let state = match change.to {
        AlertState::Firing => "firing",
        AlertState::Resolved => "resolved",
        AlertState::Pending | AlertState::Inactive => return None,
    };
    let Alert { labels, annotations, .. } = &change.alert;
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let is_own = |name: &str| !["alertname", "severity", "component", "cluster"].contains(&name);
    let shown = labels.iter().filter(|(name, _)| is_own(name));
    let shown: Vec<String> = shown.map(|(name, value)| format!("{name}={value:?}")).collect();
    Some(Notice {
        state,
        name: change.rule.clone(),
        severity: text(labels.get("severity")),
        labels: shown.join(","),
        summary: text(annotations.get("summary")),
    })
}

#[cfg(test)]
mod tests {
    use tachometer::query::Labels;

    use super::*;

    fn change(to: AlertState) -> Transition {
        let labels = [("alertname", "RaftNoLeader"), ("node", "2"), ("severity", "critical")];
        let alert = Alert {
            labels: Labels::new(labels),
            annotations: Labels::new([("summary", "Raft has no leader")]),
            state: to,
            value: -1.0,
            active_at_ms: 0,
            fired_at_ms: None,
            resolved_at_ms: None,
            keep_firing_since_ms: None,
        };
        let (group, rule) = ("raft".to_owned(), "RaftNoLeader".to_owned());
        let from = AlertState::Pending;
        Transition { time_ms: 5_000, group, rule, from, to, alert, is_silenced: false }
    }

    #[test]
    fn a_notice_says_what_and_where() {
        let firing = notice(&change(AlertState::Firing)).unwrap();
        let text = r#"alert firing: RaftNoLeader{node="2"}, critical, Raft has no leader"#;
        assert_eq!(firing.to_string(), text);
        assert_eq!(notice(&change(AlertState::Resolved)).unwrap().state, "resolved");
        assert_eq!(notice(&change(AlertState::Pending)), None);
    }

    #[test]
    fn rule_files_are_read_or_shipped() {
        assert_eq!(shipped().unwrap()[0].groups()[0].name(), "raft");
        assert!(rule_files(&[]).unwrap().is_none());
        assert!(rule_files(&[OFF.into()]).unwrap().is_some_and(|files| files.is_empty()));
        let error = rule_files(&["/nowhere/rules.yml".into()]).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere/rules.yml"), "{error:#}");
    }
}
