//! Panels: what a person looks at. The live page, Grafana and the documentation draw the same ones.

use super::alert::{Bound, Severity};
use super::prefix::Rename;
use super::series::Series;
use crate::{Kind, Unit};

/// Stands in a panel's expression for the window that rates are taken over: who draws it knows how long that must be.
pub const WINDOW: &str = "$window";

/// How a panel is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanelKind {
    /// A line for each series.
    Lines,
    /// Where values lie over time, with quantiles as lines.
    Heatmap,
    /// States over time, a row for each series.
    Timeline,
    /// The last value as a figure.
    Figure,
}

/// What a panel's values are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanelUnit {
    /// A plain number.
    Number,
    /// Things a second.
    PerSecond,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// A part of a whole, from 0 to 1.
    Ratio,
}

/// One expression of a panel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: String,
    /// What each of its series is called: `{{label}}` stands for the label's value. Empty for all its labels.
    pub legend: &'static str,
}

impl Target {
    /// An expression, in which [`WINDOW`] stands for the window that rates are taken over, and what its series are called.
    pub fn new(text: impl Into<String>, legend: &'static str) -> Target {
        Target { text: text.into(), legend }
    }

    /// The expression, with `window` as the one that rates are taken over, as `1m`.
    pub fn expression(&self, window: &str) -> String {
        self.text.replace(WINDOW, window)
    }

    pub(super) fn says_as(&self, other: &Target) -> bool {
        self.text == other.text
    }

    pub(super) fn rename(&mut self, rename: &Rename<'_>) {
        self.text = rename.of(&self.text);
    }
}

/// Where an alert of the panel's series begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// The bound of its expression.
    pub bound: Bound,
    /// How bad that is.
    pub severity: Severity,
    /// The name of the alert.
    pub alert: &'static str,
}

/// A panel. Made by [`Series::panel`]; by hand, for what no one series tells, by [`Panel::new`].
///
/// ```
/// use tachometer::declare::{Panel, PanelKind, PanelUnit};
/// let panel = Panel::new("Targets", PanelKind::Lines).asks("Who is scraped?").plots("sum(up)", "").shown_in(PanelUnit::Number);
/// assert_eq!(panel.targets[0].expression("1m"), "sum(up)");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What stands over it.
    pub title: String,
    /// The question that it answers.
    pub question: String,
    /// How it is drawn.
    pub kind: PanelKind,
    /// What its values are in.
    pub unit: PanelUnit,
    /// What it plots.
    pub targets: Vec<Target>,
    /// Bounds of alerts.
    pub thresholds: Vec<Threshold>,
    /// What values are called, for a timeline.
    pub states: Vec<(f64, &'static str)>,
    /// The histogram behind a heat map.
    pub histogram: Option<String>,
}

impl Panel {
    /// A panel without anything on it yet.
    pub fn new(title: impl Into<String>, kind: PanelKind) -> Panel {
        Panel {
            title: title.into(),
            question: String::new(),
            kind,
            unit: PanelUnit::Number,
            targets: Vec::new(),
            thresholds: Vec::new(),
            states: Vec::new(),
            histogram: None,
        }
    }

    /// Sets the question that it answers.
    pub fn asks(mut self, question: impl Into<String>) -> Self {
        self.question = question.into();
        self
    }

    /// Adds an expression, in which [`WINDOW`] stands for the window that rates are taken over, and what its series are
    /// called, where `{{label}}` stands for a label's value.
    pub fn plots(mut self, expression: impl Into<String>, legend: &'static str) -> Self {
        self.targets.push(Target::new(expression, legend));
        self
    }

    /// Sets what its values are in.
    pub fn shown_in(mut self, unit: PanelUnit) -> Self {
        self.unit = unit;
        self
    }

    /// Sets what values are called, for a timeline.
    pub fn states(mut self, states: &[(f64, &'static str)]) -> Self {
        self.states = states.to_vec();
        self
    }
}

/// What a panel is unless the declaration says otherwise.
pub(super) struct Defaults {
    pub(super) kind: PanelKind,
    pub(super) unit: PanelUnit,
    pub(super) targets: Vec<Target>,
    pub(super) legend: &'static str,
}

/// The quantiles that stand over a heat map.
const QUANTILES: [(&str, &str); 3] = [("0.5", "p50"), ("0.99", "p99"), ("0.999", "p99.9")];

/// By type: rates of counters, values of gauges, quantiles over a heat map.
pub(super) fn defaults(series: &Series) -> Defaults {
    let name = series.full_name();
    let (kind, targets) = match series.kind() {
        Kind::Counter => {
            (PanelKind::Lines, vec![Target::new(format!("rate({name}[{WINDOW}])"), "")])
        }
        Kind::Histogram => {
            let quantiles = QUANTILES.map(|(quantile, legend)| {
                // In the process, and as native histograms, the first half finds something; scraped as text, the second.
                let text = format!(
                    "histogram_quantile({quantile}, sum(rate({name}[{WINDOW}]))) \
                     or histogram_quantile({quantile}, sum by (le) (rate({name}_bucket[{WINDOW}])))"
                );
                Target::new(text, legend)
            });
            (PanelKind::Heatmap, quantiles.into())
        }
        Kind::StateSet => (PanelKind::Timeline, vec![Target::new(name, "")]),
        Kind::Gauge | Kind::UpDownCounter | Kind::Info => {
            (PanelKind::Lines, vec![Target::new(name, "")])
        }
    };
    let unit = match (series.recorded_unit(), series.kind()) {
        (Unit::Bytes, Kind::Counter) => PanelUnit::BytesPerSecond,
        // Seconds a second: how many do it at a time.
        (Unit::Nanoseconds | Unit::Seconds, Kind::Counter) => PanelUnit::Number,
        (_, Kind::Counter) => PanelUnit::PerSecond,
        (Unit::Bytes, _) => PanelUnit::Bytes,
        (Unit::Nanoseconds | Unit::Seconds, _) => PanelUnit::Seconds,
        (Unit::Ratio, _) => PanelUnit::Ratio,
        (Unit::None, _) => PanelUnit::Number,
    };
    Defaults { kind, unit, targets, legend: "" }
}
