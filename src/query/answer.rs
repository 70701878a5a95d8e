//! A query, parsed once and evaluated as often as wanted.

use super::distribution::Distribution;
use super::error::QueryError;
use super::eval::{Evaluation, too_many_points};
use super::labels::Labels;
#[cfg(any(feature = "http", feature = "rules"))]
use super::matcher::Matcher;
use super::parse;
use super::plan::{Node, Type};
use super::select::weight;
use super::settings::Settings;
use super::source::{Content, Source, is_stale};
use super::value::{Sample, Steps, Value};
use crate::limits::MAX_QUERY_STEPS;
use std::fmt;
use std::sync::Arc;

/// A PromQL query, parsed.
///
/// ```
/// # use tachometer::query::*;
/// # struct Nothing;
/// # impl Source for Nothing {
/// #     fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<std::sync::Arc<dyn Series>>, QueryError> {
/// #         Ok(Vec::new())
/// #     }
/// # }
/// # let source = Nothing;
/// let query = Query::parse("sum(rate(raft_commits_total[5m])) or vector(0)")?;
/// let Answer::Vector(samples) = query.instant(&source, 1_700_000_000_000, &Settings::default())? else { unreachable!() };
/// assert_eq!(samples[0].value, Sample::Float(0.0));
/// # Ok::<(), QueryError>(())
/// ```
#[derive(Clone)]
pub struct Query {
    text: String,
    root: Node,
}

/// What a query results in.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A number; of an instant query.
    Scalar {
        /// When, in milliseconds since 1970.
        time_ms: i64,
        /// The number.
        value: f64,
    },
    /// A text; of an instant query.
    Text {
        /// When, in milliseconds since 1970.
        time_ms: i64,
        /// The text.
        value: String,
    },
    /// One sample for each series; of an instant query. In the order that `sort` or `topk` made, if the query ends so;
    /// otherwise any.
    Vector(Vec<InstantSample>),
    /// Samples over time for each series, by labels; of a range query, or of an instant query for a range of samples.
    Matrix(Vec<SampleRange>),
}

/// A series at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantSample {
    /// The series.
    pub labels: Labels,
    /// The moment of the evaluation, in milliseconds since 1970.
    pub time_ms: i64,
    /// What it is.
    pub value: Sample,
}

/// A series over time.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRange {
    /// The series.
    pub labels: Labels,
    /// Its numbers, by time in milliseconds since 1970.
    pub floats: Vec<(i64, f64)>,
    /// Its distributions.
    pub histograms: Vec<(i64, Arc<Distribution>)>,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// It is no PromQL, has the wrong types, has something that is not supported, or is too large.
    pub fn parse(text: &str) -> Result<Query, QueryError> {
        Ok(Query { text: text.to_owned(), root: parse::parse(text)? })
    }

    /// The query as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it results in a vector: not in a number, a text or ranges of samples.
    #[cfg(feature = "rules")]
    pub(crate) fn is_vector(&self) -> bool {
        self.root.returns() == Type::Vector
    }

    /// Whether it can stand beside an operator as it is: it is none that another could bind more tightly than.
    #[cfg(feature = "rules")]
    pub(crate) fn is_operand(&self) -> bool {
        match &self.root {
            Node::Selector(selector) => selector.shift.is_none(),
            Node::Call(..) | Node::Aggregate(_) => true,
            _ => false,
        }
    }

    /// The matchers of a query that is a selector and nothing else.
    #[cfg(any(feature = "http", feature = "rules"))]
    pub(crate) fn matchers(&self) -> Option<&[Matcher]> {
        match &self.root {
            Node::Selector(selector) if selector.shift.is_none() => Some(&selector.matchers),
            _ => None,
        }
    }

    /// What its values are compared with, if it is a comparison with a number: the operator as the values stand to the number,
    /// and that number. Of `a > 5 and b` it is `a`'s, whose values the query has. None of `> bool`, whose values are 0 and 1.
    #[cfg(all(feature = "health", feature = "rules"))]
    pub(crate) fn threshold(&self) -> Option<(&'static str, f64)> {
        self.root.threshold()
    }

    /// What it is at one moment, in milliseconds since 1970.
    ///
    /// # Errors
    /// The series do not fit the query (a match that is not unique, say), cannot be read, or a limit was met.
    pub fn instant(
        &self,
        source: &dyn Source,
        time_ms: i64,
        settings: &Settings,
    ) -> Result<Answer, QueryError> {
        let steps = Steps { start_ms: time_ms, step_ms: 1, count: 1 };
        let mut evaluation = Evaluation::new(source, settings, (time_ms, time_ms));
        match self.root.returns() {
            Type::Text => Ok(Answer::Text { time_ms, value: text_of(&self.root) }),
            Type::Matrix => {
                let mut ranges = samples(&mut evaluation, &self.root, &steps)?;
                ranges.sort_by(|a, b| a.labels.cmp(&b.labels));
                Ok(Answer::Matrix(ranges))
            }
            Type::Scalar | Type::Vector => Ok(match evaluation.eval(&self.root, &steps)? {
                Value::Scalar(values) => {
                    Answer::Scalar { time_ms, value: values.first().copied().unwrap_or(f64::NAN) }
                }
                Value::Vector(lines) => {
                    let lines = lines.into_iter();
                    let samples = lines.filter_map(|mut line| {
                        let value = line.points.pop()?.value;
                        Some(InstantSample { labels: line.labels, time_ms, value })
                    });
                    Answer::Vector(samples.collect())
                }
            }),
        }
    }

    /// What it is from `start_ms` to `end_ms`, both of them included, at steps of `step_ms`.
    ///
    /// # Errors
    /// As [`Query::instant`]; the query is a range of samples or a text; the step is not positive, the end is before the start,
    /// or there are more than [`MAX_QUERY_STEPS`] steps.
    pub fn range(
        &self,
        source: &dyn Source,
        (start_ms, end_ms): (i64, i64),
        step_ms: i64,
        settings: &Settings,
    ) -> Result<Answer, QueryError> {
        if step_ms <= 0 {
            return Err(QueryError::invalid("the step must be positive"));
        }
        let span = end_ms.checked_sub(start_ms).filter(|span| *span >= 0);
        let span =
            span.ok_or_else(|| QueryError::invalid("the end must not be before the start"))?;
        let count = (span / step_ms) as u64 + 1;
        if count > MAX_QUERY_STEPS {
            return Err(QueryError::TooMany {
                what: "steps in a range query",
                limit: MAX_QUERY_STEPS,
                advice: "use a longer step or a shorter time",
            });
        }
        let found = self.root.returns();
        if matches!(found, Type::Text | Type::Matrix) {
            return Err(QueryError::invalid(format!(
                "expected a scalar or an instant vector for a range query, got {}",
                found.name()
            )));
        }
        let steps = Steps { start_ms, step_ms, count: count as usize };
        let mut evaluation = Evaluation::new(source, settings, (start_ms, end_ms));
        let mut ranges = match evaluation.eval(&self.root, &steps)? {
            Value::Scalar(values) => {
                let floats = steps.times().zip(values).collect();
                vec![SampleRange { labels: Labels::empty(), floats, histograms: Vec::new() }]
            }
            Value::Vector(lines) => {
                let lines = lines.into_iter();
                lines.map(|line| SampleRange::of(line, &steps)).collect()
            }
        };
        ranges.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(Answer::Matrix(ranges))
    }
}

impl SampleRange {
    fn of(line: super::value::Line, steps: &Steps) -> SampleRange {
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for point in line.points {
            let time = steps.time(point.step as usize);
            match point.value {
                Sample::Float(value) => floats.push((time, value)),
                Sample::Histogram(value) => histograms.push((time, value)),
            }
        }
        SampleRange { labels: line.labels, floats, histograms }
    }
}

fn text_of(node: &Node) -> String {
    match node {
        Node::Text(text) => text.clone(),
        _ => String::new(),
    }
}

/// The samples of a range selector or subquery, as they are.
fn samples(
    evaluation: &mut Evaluation<'_>,
    node: &Node,
    steps: &Steps,
) -> Result<Vec<SampleRange>, QueryError> {
    let windows = evaluation.windows(node, steps)?;
    let to = windows.end(steps.start_ms);
    let from = evaluation.settings.oldest(to, windows.range_ms);
    let (mut ranges, mut points) = (Vec::new(), 0);
    for series in &windows.series {
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        series.floats(from, to, &mut floats);
        if series.content() != Content::Floats {
            series.histograms(from, to, &mut histograms);
        }
        evaluation.read(floats.len() + weight(&histograms))?;
        floats.retain(|(_, value)| !is_stale(*value));
        points += floats.len() + histograms.len();
        if points as u64 > evaluation.settings.max_points {
            return Err(too_many_points(evaluation.settings.max_points));
        }
        if !floats.is_empty() || !histograms.is_empty() {
            ranges.push(SampleRange { labels: series.labels().clone(), floats, histograms });
        }
    }
    Ok(ranges)
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({:?})", self.text)
    }
}
