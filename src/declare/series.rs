//! A series of a declaration: its definition, and what people want to know of it.

use super::alert::Alert;
use super::panel::{Panel, PanelKind, PanelUnit, Target, Threshold, defaults};
use super::prefix::Rename;
use crate::record::bundle::BundleField;
use crate::{Buckets, Kind, Precision, Unit};
use std::time::Duration;

/// A label of a declared series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: String,
    /// All the values that it can have, where the program knows them: a Rust enum's.
    pub values: Option<&'static [&'static str]>,
}

/// One declared metric. The methods that return `Self` are the settings of a declaration: those of
/// [`MetricBuilder`](crate::MetricBuilder), and behind `=>` those that say what people want to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    name: &'static str,
    full_name: String,
    section: String,
    help: String,
    kind: Kind,
    unit: Unit,
    labels: Vec<Label>,
    keys: Vec<String>,
    expression: Option<String>,
    question: &'static str,
    title: &'static str,
    headline: bool,
    panel: Option<PanelKind>,
    panel_unit: Option<PanelUnit>,
    states: &'static [(f64, &'static str)],
    targets: Vec<Target>,
    alerts: Vec<Alert>,
}

/// A doc comment's text: lines joined, without the space that each begins with.
pub(super) fn text(help: &str) -> String {
    help.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Series {
    #[doc(hidden)]
    pub fn recorded(name: &'static str, help: &str) -> Series {
        Series {
            name,
            full_name: String::new(),
            section: String::new(),
            help: text(help),
            kind: Kind::Gauge,
            unit: Unit::None,
            labels: Vec::new(),
            keys: Vec::new(),
            expression: None,
            question: "",
            title: "",
            headline: false,
            panel: None,
            panel_unit: None,
            states: &[],
            targets: Vec::new(),
            alerts: Vec::new(),
        }
    }

    #[doc(hidden)]
    pub fn derived(name: &'static str, help: &str, expression: impl Into<String>) -> Series {
        Series { expression: Some(expression.into()), ..Series::recorded(name, help) }
    }

    /// Takes type and labels from the field's type.
    #[doc(hidden)]
    pub fn of<F: BundleField>(mut self) -> Self {
        self.kind = F::KIND;
        let keys = std::mem::take(&mut self.keys);
        self.labels.extend(F::labels(&keys));
        if F::KIND == Kind::StateSet {
            self.labels.iter_mut().filter(|label| label.name.is_empty()).for_each(|label| {
                label.name = self.name.to_owned();
            });
        }
        self
    }

    #[doc(hidden)]
    pub fn in_section(mut self, section: &str) -> Self {
        self.section = section.to_owned();
        self
    }

    /// Gives it its prefix, and the section of the one before unless it has its own.
    pub(super) fn place(&mut self, prefix: &str, rename: &Rename<'_>, section: &mut String) {
        if self.section.is_empty() {
            self.section.clone_from(section);
        } else {
            section.clone_from(&self.section);
        }
        self.full_name = match self.name.contains(':') {
            true => rename.of(self.name),
            false => format!("{prefix}{}", self.name),
        };
        if let Some(expression) = &mut self.expression {
            *expression = rename.of(expression);
            let keys = std::mem::take(&mut self.keys);
            self.labels.extend(keys.into_iter().map(|name| Label { name, values: None }));
        }
        self.targets.iter_mut().for_each(|target| target.rename(rename));
        self.alerts.iter_mut().for_each(|alert| alert.rename(rename));
    }

    /// As [`MetricBuilder::unit`](crate::MetricBuilder::unit).
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// As [`MetricBuilder::label`](crate::MetricBuilder::label).
    pub fn label(mut self, name: impl Into<String>, _value: impl Into<String>) -> Self {
        self.labels.push(Label { name: name.into(), values: None });
        self
    }

    /// As [`MetricBuilder::keys`](crate::MetricBuilder::keys).
    pub fn keys<const N: usize>(mut self, keys: [&str; N]) -> Self {
        self.keys = keys.map(str::to_owned).into();
        self
    }

    /// As [`MetricBuilder::precision`](crate::MetricBuilder::precision), of which a declaration says nothing.
    pub fn precision(self, _precision: Precision) -> Self {
        self
    }

    /// As [`MetricBuilder::buckets`](crate::MetricBuilder::buckets), of which a declaration says nothing.
    pub fn buckets(self, _buckets: Buckets) -> Self {
        self
    }

    /// As [`MetricBuilder::limit`](crate::MetricBuilder::limit), of which a declaration says nothing.
    pub fn limit(self, _series: usize) -> Self {
        self
    }

    /// As [`MetricBuilder::expire_after`](crate::MetricBuilder::expire_after), of which a declaration says nothing.
    pub fn expire_after(self, _idle: Duration) -> Self {
        self
    }

    /// The question that it answers, as an operator would ask it.
    pub fn asks(mut self, question: &'static str) -> Self {
        self.question = question;
        self
    }

    /// The title of its panel; else the name in words.
    pub fn titled(mut self, title: &'static str) -> Self {
        self.title = title;
        self
    }

    /// Has its panel stand among the few that are seen first.
    pub fn headline(mut self) -> Self {
        self.headline = true;
        self
    }

    /// Has its panel plot `expression` in the stead of what its type suggests; once for each line. In the expression,
    /// [`WINDOW`](super::WINDOW) stands for the window that a rate is taken over, and `{{label}}` in the legend for a label.
    pub fn plots(mut self, expression: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target::new(expression, legend));
        self
    }

    /// Sets what its panel is, else what its type suggests.
    pub fn drawn_as(mut self, kind: PanelKind) -> Self {
        self.panel = Some(kind);
        self
    }

    /// Sets the unit of what its panel plots, else what type and unit suggest.
    pub fn shown_in(mut self, unit: PanelUnit) -> Self {
        self.panel_unit = Some(unit);
        self
    }

    /// Has its panel be a timeline of states: what each value is called.
    pub fn states(mut self, states: &'static [(f64, &'static str)]) -> Self {
        self.states = states;
        self.panel = Some(PanelKind::Timeline);
        self
    }

    /// Adds an alert.
    pub fn alert(mut self, alert: Alert) -> Self {
        self.alerts.push(alert);
        self
    }

    /// The name as declared, without prefix.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name on pages and in queries.
    pub fn full_name(&self) -> &str {
        &self.full_name
    }

    /// The heading that it stands under; empty for none.
    pub fn section(&self) -> &str {
        &self.section
    }

    /// What it is.
    pub fn help(&self) -> &str {
        &self.help
    }

    /// Its type.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The unit that it is recorded in.
    pub fn recorded_unit(&self) -> Unit {
        self.unit
    }

    /// Its labels, but those of the registry's scope.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }

    /// What it is derived from by a recording rule; nothing if it is recorded.
    pub fn expression(&self) -> Option<&str> {
        self.expression.as_deref()
    }

    /// The question that it answers.
    pub fn question(&self) -> &'static str {
        self.question
    }

    /// Whether its panel is among the few that are seen first.
    pub fn is_headline(&self) -> bool {
        self.headline
    }

    /// Its alerts.
    pub fn alerts(&self) -> &[Alert] {
        &self.alerts
    }

    /// Its panel: what it plots by its type or by [`plots`](Series::plots), after the expressions of its alerts that have a
    /// bound, with these bounds as thresholds.
    pub fn panel(&self) -> Panel {
        let by_type = defaults(self);
        let kind = self.panel.unwrap_or(by_type.kind);
        let with_bounds = self.alerts.iter().filter_map(|alert| Some((alert, alert.bound()?)));
        let thresholds: Vec<Threshold> = with_bounds
            .clone()
            .map(|(alert, bound)| Threshold { bound, severity: alert.severity, alert: alert.name })
            .collect();
        let own = if self.targets.is_empty() { by_type.targets } else { self.targets.clone() };
        // The first plots the alert's own expression; what says the same again is left out.
        let mut targets: Vec<Target> =
            with_bounds.map(|(alert, _)| Target::new(alert.expression(), by_type.legend)).collect();
        let is_said =
            |targets: &[Target], other: &Target| targets.iter().any(|target| target.says_as(other));
        for target in own {
            if !is_said(&targets, &target) {
                targets.push(target);
            }
        }
        Panel {
            title: match self.title {
                "" => in_words(self.name),
                title => title.to_owned(),
            },
            question: self.question.to_owned(),
            kind,
            unit: self.panel_unit.unwrap_or(by_type.unit),
            targets,
            thresholds,
            states: self.states.to_vec(),
            histogram: (self.kind == Kind::Histogram).then(|| self.full_name.clone()),
        }
    }
}

/// `commit_latency_seconds` as `Commit latency`: without unit and suffix.
fn in_words(name: &str) -> String {
    let plain = ["_total", "_seconds", "_bytes", "_ratio", "_timestamp"]
        .iter()
        .fold(name, |name, suffix| name.strip_suffix(suffix).unwrap_or(name));
    let words = plain.replace(['_', ':'], " ");
    let mut letters = words.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
