//! Recipes for alerts: rules for what is asked for most, put together by a program and not by hand.
//!
//! A [`Recipe`] is one of
//!
//! | recipe | fires when |
//! |---|---|
//! | [`threshold`](Recipe::threshold) | an expression is above or below a bound |
//! | [`condition`](Recipe::condition) | an expression results in anything |
//! | [`rate_of_change`](Recipe::rate_of_change) | a counter rises faster, or slower, than a bound |
//! | [`drift`](Recipe::drift) | a gauge rises or falls faster than a bound, over a window |
//! | [`anomaly`](Recipe::anomaly) | a value is far from the mean of a trailing window, in standard deviations |
//! | [`absence`](Recipe::absence) | there is no sample of any series of a selector |
//! | [`vanished`](Recipe::vanished) | a series that was there is gone |
//! | [`dead_mans_switch`](Recipe::dead_mans_switch) | always: where it stops to arrive, the way of alerts is broken |
//! | [`burn_rate`](Recipe::burn_rate) | the error budget of an objective burns too fast, over pairs of windows |
//! | [`stale_data`](Recipe::stale_data) | no sample came for a while: the engine itself is stuck |
//!
//! Each has a severity and annotations of its own, which can be set, and is checked when its rules are made: a window of
//! 0, an objective of 1.2, an expression that is none are errors that say what was expected. What comes of it is a
//! [`RuleFile`](super::RuleFile): evaluate it ([`Rules`](super::Rules)), or give [its YAML](super::RuleFile::to_yaml) to a Prometheus.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::rules::recipes::{Bound, Recipe, Severity};
//! use tachometer::rules::RuleFile;
//! let queue = Recipe::threshold("QueueLong", "queue_length", Bound::Above(1_000.0))
//!     .hold(Duration::from_secs(30))
//!     .severity(Severity::Critical)
//!     .component("network")
//!     .summary("The queue of {{ $labels.peer }} is long")
//!     .action("Look whether the peer still answers.");
//! let switch = Recipe::dead_mans_switch("AlertsArrive").component("metrics");
//! let file = RuleFile::of_recipes("alerts.yml", "node", &[queue, switch])?;
//! assert_eq!(file.groups()[0].rules()[0].query().text(), "queue_length > 1000");
//! assert!(file.to_yaml().contains("severity: critical"));
//!
//! let wrong = Recipe::rate_of_change("Requests", "requests_total", Duration::ZERO, Bound::Below(1.0)).rules();
//! assert!(wrong.unwrap_err().to_string().starts_with("recipe \"Requests\": window: a length of 0s"));
//! # Ok::<(), tachometer::rules::recipes::RecipeError>(())
//! ```
//!
//! [`AlertConfig`] makes such a file of thresholds that an operator sets.

mod alerts;
mod anomaly;
mod bundle;
mod burn_rate;
mod draft;
mod error;
mod file;
mod parts;
mod simple;

pub use crate::alerts::{AlertConfig, ConsensusKind};
pub use crate::declare::{Bound, Severity};
pub use crate::span::Span;
pub use anomaly::Anomaly;
pub use burn_rate::{BURN_WINDOWS, BurnRate, BurnWindows};
pub use error::RecipeError;

use std::collections::BTreeMap;
use std::time::Duration;

/// The series that [`Recipe::stale_data`] is asked about most: the engine's own count of its snapshots, which an engine
/// has unless it was built without its own metrics.
pub const ENGINE_SERIES: &str = "tachometer_generations_total";

/// Rules for one kind of alert. See [the module](self).
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a recipe is no rule yet: see `Recipe::rules` and `RuleFile::of_recipes`"]
pub struct Recipe {
    name: String,
    kind: Kind,
    severity: Option<Severity>,
    hold: Duration,
    keep_firing: Duration,
    interval: Option<Duration>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Threshold { expression: String, bound: Bound },
    Condition { expression: String },
    RateOfChange { series: String, window: Duration, bound: Bound, is_counter: bool },
    Anomaly(Anomaly),
    Absence { series: String, window: Duration },
    Vanished { series: String, window: Duration },
    DeadMansSwitch,
    BurnRate(BurnRate),
    StaleData { series: String, age: Duration },
}

impl Recipe {
    fn new(name: impl Into<String>, kind: Kind) -> Recipe {
        // Ratios over hours do not change within seconds, and read many samples.
        let interval = matches!(kind, Kind::BurnRate(_)).then_some(Duration::from_secs(15));
        Recipe {
            name: name.into(),
            kind,
            severity: None,
            hold: Duration::ZERO,
            keep_firing: Duration::ZERO,
            interval,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
        }
    }

    /// An alert for each series of `expression` whose value is beyond `bound`; a warning.
    pub fn threshold(
        name: impl Into<String>,
        expression: impl Into<String>,
        bound: Bound,
    ) -> Recipe {
        Recipe::new(name, Kind::Threshold { expression: expression.into(), bound })
    }

    /// An alert for each series that `expression` results in, whatever its value; a warning.
    pub fn condition(name: impl Into<String>, expression: impl Into<String>) -> Recipe {
        Recipe::new(name, Kind::Condition { expression: expression.into() })
    }

    /// An alert for each counter of `series`, a selector, whose rate a second over `window` is beyond `bound`; a warning.
    ///
    /// A counter that stands still has the rate 0. Restarts are not falls. The window needs two samples, so twice the
    /// interval at which they come is its least sensible length. Of too low a rate there is an alert only once the counter
    /// had a sample when the window began.
    pub fn rate_of_change(
        name: impl Into<String>,
        series: impl Into<String>,
        window: Duration,
        bound: Bound,
    ) -> Recipe {
        let series = series.into();
        Recipe::new(name, Kind::RateOfChange { series, window, bound, is_counter: true })
    }

    /// An alert for each gauge of `series` whose slope a second over `window`, by least squares, is beyond `bound`; a
    /// warning. An expression may stand for the selector; it is evaluated at up to 60 moments of the window.
    ///
    /// The longer the window, the slower a drift can be found, and the less noise matters. A series is judged once it had
    /// a sample when the window began.
    pub fn drift(
        name: impl Into<String>,
        series: impl Into<String>,
        window: Duration,
        bound: Bound,
    ) -> Recipe {
        let series = series.into();
        Recipe::new(name, Kind::RateOfChange { series, window, bound, is_counter: false })
    }

    /// An alert for each series that is unlike the time before; a warning.
    pub fn anomaly(name: impl Into<String>, anomaly: Anomaly) -> Recipe {
        Recipe::new(name, Kind::Anomaly(anomaly))
    }

    /// An alert if no series of `series`, a selector, had a sample within `window`; critical. It carries the labels that
    /// the selector asks for with `=`.
    pub fn absence(name: impl Into<String>, series: impl Into<String>, window: Duration) -> Recipe {
        Recipe::new(name, Kind::Absence { series: series.into(), window })
    }

    /// An alert for each series of `series`, a selector, that had a sample within `window` and has none now, for as long
    /// as that is so; a warning.
    ///
    /// A series that ends with a mark (as the history and scrapes give it) is gone at once, another after the look-back
    /// of 5 minutes, so the window should be longer than that.
    pub fn vanished(
        name: impl Into<String>,
        series: impl Into<String>,
        window: Duration,
    ) -> Recipe {
        Recipe::new(name, Kind::Vanished { series: series.into(), window })
    }

    /// An alert that always fires, with the severity `none`. Whoever gets it and then no longer does, knows that rules,
    /// notifications or what is between are dead.
    pub fn dead_mans_switch(name: impl Into<String>) -> Recipe {
        Recipe::new(name, Kind::DeadMansSwitch)
    }

    /// Alerts for an error budget that burns too fast, one for each pair of windows, evaluated every 15 seconds unless
    /// told otherwise. The pair's severity stands unless one is set here.
    pub fn burn_rate(name: impl Into<String>, burn_rate: BurnRate) -> Recipe {
        Recipe::new(name, Kind::BurnRate(burn_rate))
    }

    /// An alert if `series`, a selector of what always has samples ([`ENGINE_SERIES`]), had none for longer than `age`;
    /// critical.
    ///
    /// It needs somebody who evaluates rules when the engine does not: see [`Rules::evaluate`](super::Rules::evaluate).
    /// The age must be longer than the interval at which samples come: of the engine, or of a Prometheus's scrapes.
    pub fn stale_data(name: impl Into<String>, series: impl Into<String>, age: Duration) -> Recipe {
        Recipe::new(name, Kind::StaleData { series: series.into(), age })
    }

    /// The label `severity`, in the stead of the recipe's own.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// The label `component`: what of the node it is about, as `consensus`, `network` or `storage`.
    pub fn component(self, component: impl Into<String>) -> Self {
        self.label("component", component)
    }

    /// How long it must hold before it fires: `for`. By default it fires at once.
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// How long it goes on firing after it no longer holds: `keep_firing_for`.
    pub fn keep_firing(mut self, keep_firing: Duration) -> Self {
        self.keep_firing = keep_firing;
        self
    }

    /// How often it is evaluated, if it should not be as often as rules are by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval);
        self
    }

    /// A label of the alert; its value is a template, as in a rule file.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// What is wrong, in a few words; a template. In the stead of the recipe's own words.
    pub fn summary(self, text: impl Into<String>) -> Self {
        self.annotation("summary", text)
    }

    /// What is wrong, with its figures; a template. In the stead of the recipe's own words.
    pub fn description(self, text: impl Into<String>) -> Self {
        self.annotation("description", text)
    }

    /// What to do about it; a template.
    pub fn action(self, text: impl Into<String>) -> Self {
        self.annotation("action", text)
    }

    /// An annotation of any name, as `runbook_url`; a template.
    pub fn annotation(mut self, name: impl Into<String>, text: impl Into<String>) -> Self {
        self.annotations.insert(name.into(), text.into());
        self
    }

    /// The name of its alerts.
    pub fn name(&self) -> &str {
        &self.name
    }
}
