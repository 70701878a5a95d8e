//! Rule files: Prometheus's own YAML, read and checked. What `promtool check rules` refuses is refused.

use super::error::{RuleError, RuleErrors};
use super::template::Template;
use super::yaml::{self, Kind, Node};
use crate::query::duration;
use crate::query::{METRIC_NAME, Query, formatted};
use std::collections::HashSet;
use std::time::Duration;

/// A rule file, read and checked.
///
/// ```
/// use tachometer::rules::RuleFile;
/// let file = RuleFile::parse("raft.yml", "
/// groups:
/// - name: raft
///   interval: 5s
///   rules:
///   - record: job:commits:rate1m
///     expr: sum by (job) (rate(raft_commits_total[1m]))
///   - alert: NoCommits
///     expr: job:commits:rate1m == 0
///     for: 30s
///     labels: {severity: critical}
///     annotations: {summary: 'nothing commits in {{ $labels.job }}'}
/// ")?;
/// assert_eq!(file.groups()[0].name(), "raft");
///
/// let error = RuleFile::parse("raft.yml", "groups: [{name: raft, rules: [{alert: A, expr: up, for: 5 minutes}]}]");
/// let error = error.unwrap_err().to_string();
/// assert!(error.starts_with(r#"raft.yml:1: group "raft", rule 1, "A": for: "5 minutes" is no duration"#), "{error}");
/// # Ok::<(), tachometer::rules::RuleErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuleFile {
    pub(crate) name: String,
    pub(crate) groups: Vec<Group>,
}

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    pub(crate) name: String,
    pub(crate) interval: Option<Duration>,
    pub(crate) limit: u64,
    pub(crate) rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: String,
    pub(crate) query: Query,
    /// The expression as Prometheus's API shows it.
    #[cfg_attr(
        not(all(feature = "history", feature = "http")),
        allow(dead_code, reason = "only the HTTP API shows it")
    )]
    pub(crate) formatted: String,
    pub(crate) labels: Vec<(String, Template)>,
    pub(crate) kind: RuleKind,
}

/// What a rule is for.
#[derive(Clone, Debug)]
pub(crate) enum RuleKind {
    Recording,
    Alerting { wait: Duration, keep_firing: Duration, annotations: Vec<(String, Template)> },
}

impl RuleFile {
    /// Reads a rule file; `name` is what errors call it.
    ///
    /// # Errors
    /// Each mistake that was found, with file, line, group and rule, and what was expected. Of a text that is no YAML,
    /// the first.
    pub fn parse(name: &str, text: &str) -> Result<RuleFile, RuleErrors> {
        let mut reader = Reader { file: name, group: None, rule: None, errors: Vec::new() };
        let groups = match yaml::read(text) {
            Ok(Some(root)) => reader.file(&root),
            Ok(None) => Vec::new(),
            Err(error) => {
                reader.fail(error.line, error.reason);
                Vec::new()
            }
        };
        match reader.errors.is_empty() {
            true => Ok(RuleFile { name: name.to_owned(), groups }),
            false => Err(RuleErrors(reader.errors)),
        }
    }

    /// What errors call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its groups, in the file's order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl Group {
    /// Its name, one of a kind in its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it is evaluated, if it says so.
    pub fn interval(&self) -> Option<Duration> {
        self.interval
    }

    /// How many series or alerts each of its rules may have; 0 for any number.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Its rules, in the order of evaluation.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}

impl Rule {
    pub(crate) fn new(
        name: String,
        query: Query,
        labels: Vec<(String, Template)>,
        kind: RuleKind,
    ) -> Rule {
        let text = query.text();
        let formatted = formatted(text).unwrap_or_else(|| text.to_owned());
        Rule { name, query, formatted, labels, kind }
    }

    /// The name of the alert, or of the metric that is recorded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The expression.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Whether it is an alert; otherwise it records.
    pub fn is_alert(&self) -> bool {
        matches!(self.kind, RuleKind::Alerting { .. })
    }

    /// How long an alert must hold before it fires: `for`. Zero for recording rules.
    pub fn hold(&self) -> Duration {
        match &self.kind {
            RuleKind::Recording => Duration::ZERO,
            RuleKind::Alerting { wait, .. } => *wait,
        }
    }

    /// How long an alert goes on firing after it no longer holds: `keep_firing_for`.
    pub fn keep_firing(&self) -> Duration {
        match &self.kind {
            RuleKind::Recording => Duration::ZERO,
            RuleKind::Alerting { keep_firing, .. } => *keep_firing,
        }
    }

    /// The labels that it adds, before templates are expanded.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.labels.iter().map(|(name, template)| (name.as_str(), template.text()))
    }

    /// The annotations of its alerts, before templates are expanded.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let annotations = match &self.kind {
            RuleKind::Recording => &[][..],
            RuleKind::Alerting { annotations, .. } => annotations,
        };
        annotations.iter().map(|(name, template)| (name.as_str(), template.text()))
    }
}

struct Reader<'a> {
    file: &'a str,
    group: Option<String>,
    rule: Option<(usize, String)>,
    errors: Vec<RuleError>,
}

impl Reader<'_> {
    fn fail(&mut self, line: usize, reason: impl Into<String>) {
        self.errors.push(RuleError {
            file: self.file.to_owned(),
            line,
            group: self.group.clone(),
            rule: self.rule.clone(),
            reason: reason.into(),
        });
    }

    /// The pairs of a mapping; none of what is null.
    fn map<'n>(&mut self, node: &'n Node, what: &str) -> &'n [(Node, Node)] {
        match &node.kind {
            Kind::Map(pairs) => pairs,
            _ if node.is_null() => &[],
            _ => {
                self.fail(node.line, format!("{what} is {}, a mapping was expected", node.what()));
                &[]
            }
        }
    }

    fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.kind {
            Kind::List(items) => items,
            _ if node.is_null() => &[],
            _ => {
                self.fail(node.line, format!("{what} is {}, a list was expected", node.what()));
                &[]
            }
        }
    }

    /// A text; empty if there is none.
    fn text(&mut self, node: &Node, what: &str) -> String {
        match &node.kind {
            _ if node.is_null() => String::new(),
            Kind::Scalar(text, _) => text.clone(),
            _ => {
                self.fail(node.line, format!("{what} is {}, a text was expected", node.what()));
                String::new()
            }
        }
    }

    fn duration(&mut self, node: &Node, what: &str) -> Duration {
        let text = self.text(node, what);
        match duration::parse(&text) {
            Ok(duration) => duration,
            Err(_) if node.is_null() => Duration::ZERO,
            Err(reason) => {
                self.fail(node.line, format!("{what}: {reason}"));
                Duration::ZERO
            }
        }
    }

    fn unknown(&mut self, key: &Node, place: &str, known: &str) {
        let name = scalar(key);
        self.fail(key.line, format!("unknown key {name:?} in {place}: {known} were expected"));
    }

    fn file(&mut self, root: &Node) -> Vec<Group> {
        let (mut groups, mut names) = (Vec::new(), HashSet::new());
        for (key, value) in self.map(root, "the file") {
            if scalar(key) != "groups" {
                self.unknown(key, "the file", "groups");
                continue;
            }
            for node in self.list(value, "groups") {
                let group = self.group(node);
                if !names.insert(group.name.clone()) {
                    self.fail(node.line, "there is a group of this name already in this file");
                }
                self.group = None;
                groups.push(group);
            }
        }
        groups
    }

    fn group(&mut self, node: &Node) -> Group {
        let mut group = Group { name: String::new(), interval: None, limit: 0, rules: Vec::new() };
        let pairs = self.map(node, "a group");
        if let Some((_, value)) = pairs.iter().find(|(key, _)| scalar(key) == "name") {
            group.name = self.text(value, "name");
        }
        if group.name.is_empty() {
            self.fail(node.line, "a group needs a name");
        } else {
            self.group = Some(group.name.clone());
        }
        for (key, value) in pairs {
            match scalar(key) {
                "name" => {}
                "interval" => {
                    let interval = self.duration(value, "interval");
                    group.interval = (!interval.is_zero()).then_some(interval);
                }
                "limit" => match &value.kind {
                    _ if value.is_null() => {}
                    Kind::Scalar(text, true) if text.parse::<i64>().is_ok() => {
                        // Below zero there is no limit, as there.
                        group.limit = text.parse().unwrap_or(0);
                    }
                    _ => self.fail(value.line, "limit: a whole number was expected"),
                },
                "rules" => {
                    for (index, node) in self.list(value, "rules").iter().enumerate() {
                        group.rules.extend(self.rule(node, index + 1));
                        self.rule = None;
                    }
                }
                _ => self.unknown(key, "a group", "name, interval, limit and rules"),
            }
        }
        group
    }

    fn rule(&mut self, node: &Node, number: usize) -> Option<Rule> {
        let before = self.errors.len();
        self.rule = Some((number, String::new()));
        let pairs = self.map(node, "a rule");
        let value =
            |name: &str| pairs.iter().find(|(key, _)| scalar(key) == name).map(|(_, value)| value);
        let mut text = |name: &str| value(name).map_or(String::new(), |node| self.text(node, name));
        let (record, alert, expr) = (text("record"), text("alert"), text("expr"));
        let name = if record.is_empty() { alert.clone() } else { record.clone() };
        self.rule = Some((number, name.clone()));
        match (record.is_empty(), alert.is_empty()) {
            (true, true) => self.fail(node.line, "one of record and alert must be set"),
            (false, false) => self.fail(node.line, "only one of record and alert may be set"),
            _ => {}
        }
        let (mut wait, mut keep_firing) = (Duration::ZERO, Duration::ZERO);
        let (mut labels, mut annotations) = (Vec::new(), Vec::new());
        for (key, value) in pairs {
            match scalar(key) {
                "record" | "alert" | "expr" => {}
                "for" => wait = self.duration(value, "for"),
                "keep_firing_for" => keep_firing = self.duration(value, "keep_firing_for"),
                "labels" => labels = self.texts(value, "label"),
                "annotations" => annotations = self.texts(value, "annotation"),
                _ => self.unknown(
                    key,
                    "a rule",
                    "record or alert, expr, for, keep_firing_for, labels and annotations",
                ),
            }
        }
        let line = |name: &str| value(name).map_or(node.line, |node| node.line);
        if expr.is_empty() {
            self.fail(line("expr"), "expr must be set");
        }
        let query = match Query::parse(&expr) {
            Ok(query) => Some(query),
            Err(_) if expr.is_empty() => None,
            Err(error) => {
                self.fail(line("expr"), format!("expr: {error}"));
                None
            }
        };
        if alert.is_empty() && !record.is_empty() {
            if !is_metric_name(&record) {
                self.fail(
                    line("record"),
                    format!("record: {record:?} is no metric name: letters, digits, _ and : were expected, no digit first"),
                );
            }
            for (name, is_set) in [
                ("for", !wait.is_zero()),
                ("keep_firing_for", !keep_firing.is_zero()),
                ("annotations", !annotations.is_empty()),
            ] {
                if is_set {
                    self.fail(line(name), format!("{name} is for alerts, this rule records"));
                }
            }
        }
        let is_alert = !alert.is_empty();
        let labels = self.templates(labels, "label", is_alert);
        let annotations = self.templates(annotations, "annotation", is_alert);
        let kind = match is_alert {
            true => RuleKind::Alerting { wait, keep_firing, annotations },
            false => RuleKind::Recording,
        };
        let query = query.filter(|_| self.errors.len() == before)?;
        Some(Rule::new(name, query, labels, kind))
    }

    /// Labels or annotations: line, name and text.
    fn texts(&mut self, node: &Node, what: &str) -> Vec<(usize, String, String)> {
        let mut out = Vec::new();
        for (key, value) in self.map(node, &format!("{what}s")) {
            let name = scalar(key);
            if !is_label_name(name) || (what == "label" && name == METRIC_NAME) {
                let reason = format!(
                    "{name:?} is no name of {what}s: letters, digits and _ were expected, no digit first"
                );
                self.fail(key.line, reason);
                continue;
            }
            let text = self.text(value, &format!("{what} {name:?}"));
            out.push((value.line, name.to_owned(), text));
        }
        out.sort_by(|a, b| a.1.cmp(&b.1));
        out
    }

    fn templates(
        &mut self,
        texts: Vec<(usize, String, String)>,
        what: &str,
        is_alert: bool,
    ) -> Vec<(String, Template)> {
        let mut out = Vec::with_capacity(texts.len());
        for (line, name, text) in texts {
            // Recording rules take their labels as they are.
            let template =
                if is_alert { Template::parse(&text) } else { Ok(Template::plain(&text)) };
            match template {
                Ok(template) => out.push((name, template)),
                Err(reason) => self.fail(line, format!("{what} {name:?}: {reason}")),
            }
        }
        out
    }
}

fn scalar(node: &Node) -> &str {
    match &node.kind {
        Kind::Scalar(text, _) => text,
        _ => "",
    }
}

pub(crate) fn is_label_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_metric_name(name: &str) -> bool {
    is_label_name(&name.replace(':', "_"))
}
