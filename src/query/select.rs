//! Selectors: instant ones, and the windows over which range functions look. Each selector asks the source once, for all steps.

use super::distribution::Distribution;
use super::error::QueryError;
use super::eval::Evaluation;
use super::labels::Labels;
use super::plan::{Node, Selector, Shift};
use super::source::{Content, Series, is_stale};
use super::value::{Line, Point, Sample, Steps};
use std::sync::Arc;

impl Evaluation<'_> {
    pub(crate) fn select(
        &mut self,
        selector: &Selector,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Arc<dyn Series>>, QueryError> {
        let mut series = self.source.select(&selector.matchers, from_ms, to_ms)?;
        self.worked(series.len())?;
        if !series.is_sorted_by(|a, b| a.labels() <= b.labels()) {
            series.sort_by(|a, b| a.labels().cmp(b.labels()));
        }
        Ok(series)
    }

    /// An instant selector: at each step the last sample that is not too old; its time instead of its value, if `times`.
    pub(crate) fn instant(
        &mut self,
        selector: &Selector,
        steps: &Steps,
        times: bool,
    ) -> Result<Vec<Line>, QueryError> {
        let fixed = self.fixed(&selector.shift);
        let looked = match fixed {
            Some(time) => Steps { start_ms: time, step_ms: 1, count: 1 },
            None => *steps,
        };
        let offset = selector.shift.offset_ms;
        let first = looked.start_ms.saturating_sub(offset);
        let last = looked.end_ms().saturating_sub(offset);
        let from = self.settings.oldest(first, self.settings.lookback_ms());
        let mut lines = Vec::new();
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for series in self.select(selector, from, last)? {
            floats.clear();
            histograms.clear();
            series.floats(from, last, &mut floats);
            if series.content() != Content::Floats {
                match looked.count {
                    1 => histograms.extend(series.latest_histogram(from, last)),
                    _ => series.histograms(from, last, &mut histograms),
                }
            }
            self.read(floats.len() + weight(&histograms))?;
            let mut points = self.last_samples(&looked, offset, (&floats, &histograms), times);
            self.worked(looked.count)?;
            if fixed.is_some() {
                points = repeated(&points, steps.count);
            }
            if !points.is_empty() {
                lines.push(Line { labels: series.labels().clone(), points });
            }
        }
        Ok(lines)
    }

    fn last_samples(
        &self,
        steps: &Steps,
        offset: i64,
        (floats, histograms): (&[(i64, f64)], &Histograms),
        times: bool,
    ) -> Vec<Point> {
        let mut points = Vec::new();
        let (mut float, mut histogram) = (0, 0);
        for (step, time) in steps.times().enumerate() {
            let to = time.saturating_sub(offset);
            let from = self.settings.oldest(to, self.settings.lookback_ms());
            float += floats[float..].iter().take_while(|(time, _)| *time <= to).count();
            let more = histograms[histogram..].iter();
            histogram += more.take_while(|(time, _)| *time <= to).count();
            let float = floats[..float].last().filter(|(time, _)| *time >= from);
            let histogram = histograms[..histogram].last().filter(|(time, _)| *time >= from);
            let (at, value) = match (float, histogram) {
                (Some((at, value)), None) => (*at, Sample::Float(*value)),
                (Some((at, value)), Some((other, _))) if at >= other => {
                    (*at, Sample::Float(*value))
                }
                (_, Some((at, value))) => (*at, Sample::Histogram(value.clone())),
                (None, None) => continue,
            };
            if value.as_float().is_some_and(is_stale) {
                continue;
            }
            let value = if times { Sample::Float(at as f64 / 1000.0) } else { value };
            points.push(Point { step: step as u32, value });
        }
        points
    }

    /// The windows of a range selector or a subquery, for each step.
    pub(crate) fn windows(&mut self, node: &Node, steps: &Steps) -> Result<Windows, QueryError> {
        let ends = |shift: &Shift, fixed: Option<i64>| match fixed {
            Some(time) => {
                let end = time.saturating_sub(shift.offset_ms);
                (end, end)
            }
            None => (
                steps.start_ms.saturating_sub(shift.offset_ms),
                steps.end_ms().saturating_sub(shift.offset_ms),
            ),
        };
        match node {
            Node::Matrix(selector, range_ms) => {
                let fixed = self.fixed(&selector.shift);
                let (first, last) = ends(&selector.shift, fixed);
                let from = self.settings.oldest(first, *range_ms);
                let series = self.select(selector, from, last)?;
                let offset_ms = selector.shift.offset_ms;
                Ok(Windows { series, range_ms: *range_ms, offset_ms, fixed })
            }
            Node::Subquery(subquery) => {
                let fixed = self.fixed(&subquery.shift);
                let (first, last) = ends(&subquery.shift, fixed);
                let (inner, lines) = self.subquery(subquery, first, last)?;
                let series = lines.into_iter().map(|line| owned(line, &inner)).collect();
                let (range_ms, offset_ms) = (subquery.range_ms, subquery.shift.offset_ms);
                Ok(Windows { series, range_ms, offset_ms, fixed })
            }
            _ => Err(QueryError::invalid(format!(
                "expected a range vector, got {}",
                node.returns().name()
            ))),
        }
    }
}

/// Histograms by time.
type Histograms = [(i64, Arc<Distribution>)];

/// What histograms count for, as samples.
pub(crate) fn weight(histograms: &Histograms) -> usize {
    histograms.iter().map(|(_, histogram)| histogram.buckets().len() + 1).sum()
}

/// What an expression with `@` is at the one moment, at all steps.
fn repeated(points: &[Point], count: usize) -> Vec<Point> {
    let Some(point) = points.first() else { return Vec::new() };
    (0..count).map(|step| Point { step: step as u32, value: point.value.clone() }).collect()
}

/// A range vector: series, and for each step the window over them.
pub(crate) struct Windows {
    pub(crate) series: Vec<Arc<dyn Series>>,
    pub(crate) range_ms: i64,
    offset_ms: i64,
    fixed: Option<i64>,
}

impl Windows {
    /// Where the window ends that belongs to an evaluation at `time_ms`.
    pub(crate) fn end(&self, time_ms: i64) -> i64 {
        self.fixed.unwrap_or(time_ms).saturating_sub(self.offset_ms)
    }
}

/// What a subquery has of a series.
struct Owned {
    labels: Labels,
    content: Content,
    floats: Vec<(i64, f64)>,
    histograms: Vec<(i64, Arc<Distribution>)>,
}

fn owned(line: Line, steps: &Steps) -> Arc<dyn Series> {
    let (mut floats, mut histograms) = (Vec::new(), Vec::new());
    for point in line.points {
        let time = steps.time(point.step as usize);
        match point.value {
            Sample::Float(value) => floats.push((time, value)),
            Sample::Histogram(value) => histograms.push((time, value)),
        }
    }
    let content = if histograms.is_empty() { Content::Floats } else { Content::Mixed };
    Arc::new(Owned { labels: line.labels, content, floats, histograms })
}

fn within<T: Clone>(all: &[(i64, T)], from: i64, to: i64) -> &[(i64, T)] {
    let first = all.partition_point(|(time, _)| *time < from);
    let end = all.partition_point(|(time, _)| *time <= to);
    all.get(first..end).unwrap_or_default()
}

impl Series for Owned {
    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn content(&self) -> Content {
        self.content
    }

    fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        out.extend_from_slice(within(&self.floats, from_ms, to_ms));
    }

    fn histograms(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, Arc<Distribution>)>) {
        out.extend_from_slice(within(&self.histograms, from_ms, to_ms));
    }
}
