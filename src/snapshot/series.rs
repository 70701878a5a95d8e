//! One series of a snapshot.

use crate::aggregate::sums::Extremes;
use crate::registry::layout::Identity;
use crate::snapshot::HistogramSnapshot;
use crate::{Definition, Exemplar};
use std::sync::Arc;
use std::time::Duration;

/// One series of a snapshot: its definition, labels and value.
#[derive(Clone, Copy, Debug)]
pub struct SeriesView<'a> {
    /// Name, help, type and unit.
    pub definition: &'a Definition,
    /// Labels, in the order of their names.
    pub labels: &'a [(String, String)],
    /// The value.
    pub value: Value<'a>,
    /// When the series began, at the latest, since 1970-01-01 UTC: the time of the last snapshot that did not have it, or
    /// of the engine's start.
    pub created: Duration,
    pub(crate) extremes: Option<Extremes>,
    pub(crate) exemplars: &'a [Exemplar],
    pub(crate) identity: Identity,
}

impl<'a> SeriesView<'a> {
    /// The exact smallest and largest value that a histogram recorded in this generation alone (since the one before).
    ///
    /// A generation that follows an incomplete one may repeat the extremes of that one.
    pub fn generation_extremes(&self) -> Option<(u64, u64)> {
        self.extremes.filter(|e| !e.is_empty()).map(|e| (!e.not_min, e.max))
    }

    /// The latest exemplars that are known of a histogram, by ascending value: at most one for each factor of two. Those of
    /// the last generations stay until others take their place, or the series goes.
    pub fn exemplars(&self) -> &'a [Exemplar] {
        self.exemplars
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.0 == name).map(|label| label.1.as_str())
    }
}

/// The value of a series.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A count that only rises.
    Counter(u64),
    /// A count that rises and falls.
    UpDownCounter(i64),
    /// A value that was set; 1 for an info metric, 0 or 1 for a state.
    Gauge(f64),
    /// A distribution.
    Histogram(&'a Arc<HistogramSnapshot>),
}
