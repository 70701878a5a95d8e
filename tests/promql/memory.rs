//! A source of series that are all in memory: what tests, benches and fuzz targets ask their queries of.
#![allow(dead_code, reason = "each user uses some of it")]

use std::sync::Arc;
use tachometer::query::{Content, Distribution, Labels, Matcher, QueryError, Series, Source};

/// A series with all of its samples.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    pub labels: Labels,
    pub floats: Vec<(i64, f64)>,
    pub histograms: Vec<(i64, Arc<Distribution>)>,
}

impl Stored {
    fn within<T>(all: &[(i64, T)], from: i64, to: i64) -> &[(i64, T)] {
        let first = all.partition_point(|(time, _)| *time < from);
        let end = all.partition_point(|(time, _)| *time <= to);
        all.get(first..end).unwrap_or(&[])
    }
}

impl Series for Stored {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn content(&self) -> Content {
        if self.histograms.is_empty() { Content::Floats } else { Content::Mixed }
    }

    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        out.extend_from_slice(Stored::within(&self.floats, from_ms, to_ms));
    }

    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>) {
        out.extend_from_slice(Stored::within(&self.histograms, from_ms, to_ms));
    }
}

/// Series in memory.
#[derive(Clone, Debug, Default)]
pub struct Memory(pub Vec<Arc<Stored>>);

impl Memory {
    /// With one more series.
    pub fn with(mut self, labels: &[(&str, &str)], floats: &[(i64, f64)]) -> Memory {
        let labels = Labels::new(labels.iter().copied());
        self.0.push(Arc::new(Stored { labels, floats: floats.to_vec(), histograms: Vec::new() }));
        self
    }

    /// With one more series of histograms.
    pub fn with_histograms(
        mut self,
        labels: &[(&str, &str)],
        histograms: &[(i64, Distribution)],
    ) -> Memory {
        let labels = Labels::new(labels.iter().copied());
        let histograms =
            histograms.iter().map(|(time, histogram)| (*time, Arc::new(histogram.clone())));
        let histograms = histograms.collect();
        self.0.push(Arc::new(Stored { labels, floats: Vec::new(), histograms }));
        self
    }
}

impl Source for Memory {
    fn select(
        &self,
        matchers: &[Matcher],
        _from_ms: i64,
        _to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        let taken = |series: &&Arc<Stored>| matchers.iter().all(|m| m.matches(&series.labels));
        Ok(self.0.iter().filter(taken).map(|series| series.clone() as Arc<dyn Series>).collect())
    }
}
