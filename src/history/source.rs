//! The history as what queries read: its series under their names and labels, in exported units.
//!
//! One query reads one tier: the finest that reaches back to where the query begins. PromQL extrapolates by the average
//! distance of samples, which says nothing where a part of them is a second apart and a part 15. So a query that
//! reaches further back than the finest tier does not see what came after the coarser tier's last step.

use super::History;
use super::column::Origin;
use super::reading::{Reading, Rows, Total};
use crate::query::METRIC_NAME;
use crate::query::{
    Content, Distribution, Increase, Labels, Matcher, Metadata, QueryError, STALE, Series, Source,
};
use crate::registry::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A series of a history, as a query reads it. It holds the columns of the time that was asked for.
struct Queried {
    labels: Labels,
    reading: Reading,
}

impl Source for History {
    fn select(
        &self,
        matchers: &[Matcher],
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        let store = self.shared.lock();
        let after = from_ms.saturating_sub(1);
        let rows = Rows { parts: store.even_parts(after, to_ms).into(), after };
        let mut found: Vec<Arc<dyn Series>> = Vec::new();
        for series in store.series.iter().flatten() {
            let key = &series.key;
            let value = |name: &str| match name {
                METRIC_NAME => key.definition.name.as_str(),
                name => key.label(name).unwrap_or_default(),
            };
            if !matchers.iter().all(|matcher| matcher.matches_value(value(matcher.name()))) {
                continue;
            }
            let Some(reading) = store.read(series, &rows) else { continue };
            let own = key.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let labels = Labels::new(own.chain([(METRIC_NAME, key.definition.name.as_str())]));
            found.push(Arc::new(Queried { labels, reading }));
        }
        Ok(found)
    }

    fn metadata(&self, metric: Option<&str>) -> Vec<Metadata> {
        let store = self.shared.lock();
        let mut all = BTreeMap::new();
        for series in store.series.iter().flatten() {
            let definition = &series.key.definition;
            if metric.is_some_and(|metric| metric != definition.name) {
                continue;
            }
            let kind = match definition.kind {
                Kind::Counter => "counter",
                Kind::Histogram => "histogram",
                Kind::Info => "info",
                Kind::StateSet => "stateset",
                Kind::Gauge | Kind::UpDownCounter => "gauge",
            };
            all.entry(definition.name.clone()).or_insert_with(|| Metadata {
                metric: definition.name.clone(),
                kind,
                help: definition.help.clone(),
                unit: definition.unit.suffix().unwrap_or_default().to_owned(),
            });
        }
        all.into_values().collect()
    }
}

impl Queried {
    /// Where rows of a time begin, past all parts that end before it.
    fn first_part(&self, from_ms: i64) -> usize {
        let parts = &self.reading.rows.parts;
        parts.partition_point(|part| part.times[part.hi - 1] < from_ms)
    }

    fn distribution(&self, total: &Total) -> Distribution {
        let definition = &self.reading.key.definition;
        Distribution::of_snapshot(&total.histogram(definition.precision, definition.unit))
    }
}

impl Series for Queried {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn content(&self) -> Content {
        if self.reading.key.is_histogram() { Content::Histograms } else { Content::Floats }
    }

    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        let asked = |time: i64| (from_ms..=to_ms).contains(&time);
        let mut there = false;
        if self.reading.key.is_histogram() {
            self.reading.presence(|time, origin| {
                if there && origin.is_none() && asked(time) {
                    out.push((time, STALE));
                }
                there = origin.is_some();
            });
            return;
        }
        let divisor = self.reading.key.definition.unit.divisor() as f64;
        self.reading.scalars(|time, value| {
            let number = value.map(|(value, _)| self.reading.number(value) / divisor);
            if asked(time) && (there || number.is_some()) {
                out.push((time, number.unwrap_or(STALE)));
            }
            there = number.is_some();
        });
    }

    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>) {
        if !self.reading.key.is_histogram() {
            return;
        }
        self.reading.cumulative(self.first_part(from_ms), |time, total| {
            if (from_ms..=to_ms).contains(&time) {
                out.push((time, Arc::new(self.distribution(total))));
            }
        });
    }

    fn latest_histogram(&self, from_ms: i64, to_ms: i64) -> Option<(i64, Arc<Distribution>)> {
        let mut last = None;
        self.reading.presence(|time, origin| {
            if origin.is_some() && (from_ms..=to_ms).contains(&time) {
                last = Some(time);
            }
        });
        let last = last?;
        let mut all = Vec::with_capacity(1);
        self.histograms(last, last, &mut all);
        all.pop()
    }

    fn increase(&self, from_ms: i64, to_ms: i64) -> Option<Increase> {
        let (mut first, mut last, mut samples) = (None, 0, 0);
        self.reading.presence(|time, origin: Option<Origin>| {
            if origin.is_some() && (from_ms..=to_ms).contains(&time) {
                first = first.or(Some(time));
                (last, samples) = (time, samples + 1);
            }
        });
        let first_ms = first.filter(|_| samples >= 2 && self.reading.key.is_histogram())?;
        let delta = self.distribution(&self.reading.gained(first_ms, to_ms));
        Some(Increase { first_ms, last_ms: last, samples, delta })
    }
}
