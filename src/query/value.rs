//! What expressions evaluate to, at all steps at once.

use super::distribution::Distribution;
use super::error::QueryError;
use super::labels::Labels;
use std::collections::HashMap;
use std::sync::Arc;

/// A sample's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// A number.
    Float(f64),
    /// A distribution.
    Histogram(Arc<Distribution>),
}

impl Sample {
    /// The number, if it is one.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Sample::Float(value) => Some(*value),
            Sample::Histogram(_) => None,
        }
    }

    /// The distribution, if it is one.
    pub fn as_histogram(&self) -> Option<&Arc<Distribution>> {
        match self {
            Sample::Float(_) => None,
            Sample::Histogram(histogram) => Some(histogram),
        }
    }
}

/// The moments for which an expression is evaluated: `start_ms`, and `count - 1` more at distances of `step_ms`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    pub(crate) start_ms: i64,
    pub(crate) step_ms: i64,
    pub(crate) count: usize,
}

impl Steps {
    pub(crate) fn time(&self, step: usize) -> i64 {
        self.start_ms.saturating_add(self.step_ms.saturating_mul(step as i64))
    }

    pub(crate) fn end_ms(&self) -> i64 {
        self.time(self.count.saturating_sub(1))
    }

    pub(crate) fn times(&self) -> impl ExactSizeIterator<Item = i64> + '_ {
        (0..self.count).map(|step| self.time(step))
    }
}

/// A series at some of the steps.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) labels: Labels,
    /// By ascending step, none twice.
    pub(crate) points: Vec<Point>,
}

#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) step: u32,
    pub(crate) value: Sample,
}

impl Point {
    pub(crate) fn float(step: usize, value: f64) -> Point {
        Point { step: step as u32, value: Sample::Float(value) }
    }
}

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// One number for each step.
    Scalar(Vec<f64>),
    Vector(Vec<Line>),
}

pub(crate) fn same_labels() -> QueryError {
    QueryError::execution(
        "vector cannot contain metrics with the same labelset: two series differ in nothing but what the expression takes \
         away, the metric's name for example; select or aggregate so that one of them is left",
    )
}

/// Makes lines with the same labels one: different series may take turns over the steps.
///
/// # Errors
/// Two of them have a point at the same step.
pub(crate) fn assemble(lines: Vec<Line>) -> Result<Vec<Line>, QueryError> {
    let mut at: HashMap<Labels, usize> = HashMap::with_capacity(lines.len());
    let mut out: Vec<Line> = Vec::with_capacity(lines.len());
    for mut line in lines {
        if line.points.is_empty() {
            continue;
        }
        match at.get(&line.labels) {
            None => {
                at.insert(line.labels.clone(), out.len());
                out.push(line);
            }
            Some(&index) => {
                let points = &mut out[index].points;
                points.append(&mut line.points);
                points.sort_by_key(|point| point.step);
                if points.windows(2).any(|pair| pair[0].step == pair[1].step) {
                    return Err(same_labels());
                }
            }
        }
    }
    Ok(out)
}

/// Refuses lines with the same labels, whatever their steps.
pub(crate) fn distinct(lines: Vec<Line>) -> Result<Vec<Line>, QueryError> {
    let mut seen = std::collections::HashSet::with_capacity(lines.len());
    match lines.iter().all(|line| seen.insert(line.labels.clone())) {
        true => Ok(lines),
        false => Err(same_labels()),
    }
}
