//! What a process says, as one page shows it.

use serde::Deserialize;

/// All that was asked for, at one moment.
#[derive(Clone, Debug, Default)]
pub struct View {
    pub url: String,
    /// Why there is nothing newer than this, if so.
    pub lost: Option<String>,
    pub health: Health,
    pub alerts: Vec<Alert>,
    /// What can be looked at, in order: the headlines first.
    pub tabs: Vec<String>,
    /// The panels of the tab that was asked for.
    pub panels: Vec<Panel>,
    /// What the person's own expression came to, or what is wrong with it.
    pub answer: Option<Result<Panel, String>>,
}

/// What `/health` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Health {
    /// `healthy`, `warning`, `critical` or `failing`; of an engine without rules and checks, what the status is.
    pub status: String,
    pub why: Option<String>,
    pub generation: Option<u64>,
    pub age_seconds: Option<f64>,
    pub interval_seconds: Option<f64>,
    pub components: Vec<Component>,
}

impl Health {
    /// Whether the newest data are older than they may be.
    pub fn is_stale(&self) -> bool {
        let interval = self.interval_seconds.unwrap_or(1.0);
        self.age_seconds.is_some_and(|age| age > (3.0 * interval).max(3.0))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Component {
    pub name: String,
    pub status: String,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub name: String,
    pub state: String,
    pub severity: String,
    pub summary: String,
    /// Labels beside name and severity.
    pub labels: String,
    /// How long it has been so, in seconds.
    pub age: Option<f64>,
}

/// A panel with what it plots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Panel {
    pub title: String,
    pub question: String,
    pub unit: String,
    pub kind: String,
    pub thresholds: Vec<Threshold>,
    pub states: Vec<(f64, String)>,
    pub lines: Vec<Line>,
    /// Why there are no lines, if that is an error.
    pub error: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Threshold {
    pub operator: String,
    pub value: f64,
}

impl Threshold {
    pub fn is_met(&self, value: f64) -> bool {
        match &*self.operator {
            ">" => value > self.value,
            ">=" => value >= self.value,
            "<" => value < self.value,
            "<=" => value <= self.value,
            _ => false,
        }
    }
}

/// A series: what it is called, and its values at even steps, the newest last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pub name: String,
    pub points: Vec<Option<f64>>,
    /// Whether the panel's thresholds are about it: it is the first expression's.
    pub is_first: bool,
}

impl Line {
    pub fn last(&self) -> Option<f64> {
        self.points.last().copied().flatten()
    }
}
