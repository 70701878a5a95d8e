//! An alert as a declaration has it: data, for a build with or without rules.

use super::prefix::Rename;
use std::fmt;
use std::time::Duration;

/// How bad an alert is: its label `severity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `none`: it says nothing about the node, as a dead man's switch does.
    None,
    /// `warning`: to be looked at when there is time.
    Warning,
    /// `critical`: to be looked at now.
    Critical,
    /// `page`: the node fails.
    Page,
}

impl Severity {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::None => "none",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
            Severity::Page => "page",
        }
    }
}

/// Where a value is no longer as it should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// `>`
    Above(f64),
    /// `>=`
    AtLeast(f64),
    /// `<`
    Below(f64),
    /// `<=`
    AtMost(f64),
}

impl Bound {
    /// The comparison, as PromQL has it.
    pub fn operator(self) -> &'static str {
        match self {
            Bound::Above(_) => ">",
            Bound::AtLeast(_) => ">=",
            Bound::Below(_) => "<",
            Bound::AtMost(_) => "<=",
        }
    }

    /// The number that is compared with.
    pub fn value(self) -> f64 {
        let (Bound::Above(bound)
        | Bound::AtLeast(bound)
        | Bound::Below(bound)
        | Bound::AtMost(bound)) = self;
        bound
    }
}

/// As PromQL has it: `> 0.25`.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operator(), self.value())
    }
}

/// When an alert holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// For each series of an expression that is beyond a bound: a panel can plot both.
    Beyond {
        /// The expression without the comparison.
        expression: String,
        /// What it is compared with.
        bound: Bound,
    },
    /// For each series that an expression results in, whatever its value.
    Any {
        /// The expression.
        expression: String,
    },
}

/// An alert of a bundle. See [the module](super) for an example.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "an alert alone does nothing: it belongs into a declaration"]
pub struct Alert {
    /// Its name, as `RaftNoLeader`.
    pub name: &'static str,
    /// When it holds.
    pub condition: Condition,
    /// How long it must hold before it fires: `for`.
    pub hold: Duration,
    /// How long it goes on firing after it no longer holds: `keep_firing_for`.
    pub keep_firing: Duration,
    /// Its label `severity`.
    pub severity: Severity,
    /// Its label `component`: what of the node it is about.
    pub component: &'static str,
    /// What is wrong, in a few words; a template, as in a rule file.
    pub summary: &'static str,
    /// What is wrong, with its figures; a template.
    pub description: &'static str,
    /// What to do about it; a template.
    pub action: &'static str,
}

impl Alert {
    fn new(name: &'static str, condition: Condition) -> Alert {
        Alert {
            name,
            condition,
            hold: Duration::ZERO,
            keep_firing: Duration::ZERO,
            severity: Severity::Warning,
            component: "",
            summary: "",
            description: "",
            action: "",
        }
    }

    /// An alert for each series of `expression` whose value is beyond `bound`; a warning, at once. The series' panel plots
    /// the expression and the bound.
    pub fn when_beyond(name: &'static str, expression: impl Into<String>, bound: Bound) -> Alert {
        Alert::new(name, Condition::Beyond { expression: expression.into(), bound })
    }

    /// An alert for each series that `expression` results in; a warning, at once.
    pub fn when(name: &'static str, expression: impl Into<String>) -> Alert {
        Alert::new(name, Condition::Any { expression: expression.into() })
    }

    /// Sets how long it must hold before it fires.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Sets how long it goes on firing after it no longer holds.
    pub fn keep_firing(mut self, keep_firing: Duration) -> Self {
        self.keep_firing = keep_firing;
        self
    }

    /// Sets how bad it is.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets what of the node it is about: `consensus`, `network`, `storage`, `metrics`, `host`.
    pub fn component(mut self, component: &'static str) -> Self {
        self.component = component;
        self
    }

    /// Says what is wrong, in a few words; a template.
    pub fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    /// Says what is wrong, with its figures; a template.
    pub fn description(mut self, text: &'static str) -> Self {
        self.description = text;
        self
    }

    /// Says what to do about it; a template.
    pub fn action(mut self, text: &'static str) -> Self {
        self.action = text;
        self
    }

    /// The bound, where there is one.
    pub fn bound(&self) -> Option<Bound> {
        match self.condition {
            Condition::Beyond { bound, .. } => Some(bound),
            Condition::Any { .. } => None,
        }
    }

    /// The expression, without the comparison with a bound.
    pub fn expression(&self) -> &str {
        let (Condition::Beyond { expression, .. } | Condition::Any { expression }) =
            &self.condition;
        expression
    }

    pub(super) fn rename(&mut self, rename: &Rename<'_>) {
        let (Condition::Beyond { expression, .. } | Condition::Any { expression }) =
            &mut self.condition;
        *expression = rename.of(expression);
    }
}
