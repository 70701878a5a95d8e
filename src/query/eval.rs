//! Walks a query: each expression is evaluated once, for all steps.

use super::aggregate;
use super::binary;
use super::error::QueryError;
use super::functions;
use super::plan::{At, Node, Shift, Subquery, Type};
use super::settings::Settings;
use super::source::Source;
use super::value::{Line, Sample, Steps, Value, distinct};
use crate::limits::MAX_QUERY_SUBSTEPS;
use std::time::Duration;

/// How many units of work pass between two looks at the clock.
const WORK_PER_LOOK: u64 = 1 << 14;

/// One evaluation of a query.
pub(crate) struct Evaluation<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) settings: &'a Settings,
    /// What `@ start()` and `@ end()` are.
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    deadline: Duration,
    samples: u64,
    work: u64,
}

impl<'a> Evaluation<'a> {
    /// Begins now; of a query from and to these times, which need not be a whole number of steps apart.
    pub(crate) fn new(
        source: &'a dyn Source,
        settings: &'a Settings,
        (start_ms, end_ms): (i64, i64),
    ) -> Self {
        let deadline = settings.clock.now().elapsed.saturating_add(settings.time_limit);
        Evaluation { source, settings, start_ms, end_ms, deadline, samples: 0, work: 0 }
    }

    /// Counts samples that were read.
    pub(crate) fn read(&mut self, samples: usize) -> Result<(), QueryError> {
        self.samples += samples as u64;
        if self.samples > self.settings.max_samples {
            return Err(QueryError::TooMany {
                what: "samples for one query",
                limit: self.settings.max_samples,
                advice: "ask for fewer series or a shorter time, or raise the limit",
            });
        }
        self.worked(samples)
    }

    /// Counts work, and looks at the clock now and then.
    pub(crate) fn worked(&mut self, units: usize) -> Result<(), QueryError> {
        let before = self.work;
        self.work += units as u64 + 1;
        if before / WORK_PER_LOOK == self.work / WORK_PER_LOOK {
            return Ok(());
        }
        self.check_time()
    }

    fn check_time(&self) -> Result<(), QueryError> {
        if self.settings.clock.now().elapsed > self.deadline {
            let limit_ms = self.settings.time_limit.as_millis() as u64;
            return Err(QueryError::TimedOut { limit_ms });
        }
        Ok(())
    }

    /// Refuses results that are too large.
    fn bounded(&mut self, value: Value) -> Result<Value, QueryError> {
        let points = match &value {
            Value::Scalar(values) => values.len(),
            Value::Vector(lines) => lines.iter().map(|line| line.points.len()).sum(),
        };
        self.worked(points)?;
        if points as u64 > self.settings.max_points {
            return Err(too_many_points(self.settings.max_points));
        }
        Ok(value)
    }

    /// The value of an expression that is no range vector and no string.
    pub(crate) fn eval(&mut self, node: &Node, steps: &Steps) -> Result<Value, QueryError> {
        let value = match node {
            Node::Number(number) => Value::Scalar(vec![*number; steps.count]),
            Node::Selector(selector) => Value::Vector(self.instant(selector, steps, false)?),
            Node::Negate(inner) => self.negate(inner, steps)?,
            Node::Binary(expr) => binary::eval(self, expr, steps)?,
            Node::Aggregate(expr) => Value::Vector(aggregate::eval(self, expr, steps)?),
            Node::Call(function, args) => functions::call(self, *function, args, steps)?,
            Node::Text(_) | Node::Matrix(..) | Node::Subquery(_) => {
                let found = node.returns().name();
                return Err(QueryError::invalid(format!("a {found} cannot be evaluated here")));
            }
        };
        self.bounded(value)
    }

    /// The value of an expression that is an instant vector.
    pub(crate) fn vector(&mut self, node: &Node, steps: &Steps) -> Result<Vec<Line>, QueryError> {
        match self.eval(node, steps)? {
            Value::Vector(lines) => Ok(lines),
            Value::Scalar(_) => Err(QueryError::invalid("expected an instant vector, got scalar")),
        }
    }

    /// The value of an expression that is a scalar.
    pub(crate) fn scalar(&mut self, node: &Node, steps: &Steps) -> Result<Vec<f64>, QueryError> {
        match self.eval(node, steps)? {
            Value::Scalar(values) => Ok(values),
            Value::Vector(_) => Err(QueryError::invalid("expected a scalar, got instant vector")),
        }
    }

    fn negate(&mut self, inner: &Node, steps: &Steps) -> Result<Value, QueryError> {
        Ok(match self.eval(inner, steps)? {
            Value::Scalar(mut values) => {
                values.iter_mut().for_each(|value| *value = -*value);
                Value::Scalar(values)
            }
            Value::Vector(mut lines) => {
                for line in &mut lines {
                    line.labels = line.labels.without_name();
                    for point in &mut line.points {
                        match &mut point.value {
                            Sample::Float(value) => *value = -*value,
                            Sample::Histogram(histogram) => {
                                std::sync::Arc::make_mut(histogram).scale(-1.0);
                            }
                        }
                    }
                }
                Value::Vector(distinct(lines)?)
            }
        })
    }

    /// The time that `@` says, if the expression has one.
    pub(crate) fn fixed(&self, shift: &Shift) -> Option<i64> {
        shift.at.map(|at| match at {
            At::Start => self.start_ms,
            At::End => self.end_ms,
            At::Time(time) => time,
        })
    }

    /// What a subquery's inner expression is at the steps that windows with ends from `first_ms` to `last_ms` need.
    pub(crate) fn subquery(
        &mut self,
        subquery: &Subquery,
        first_ms: i64,
        last_ms: i64,
    ) -> Result<(Steps, Vec<Line>), QueryError> {
        let step_ms = subquery.step_ms.unwrap_or(self.settings.default_step_ms()).max(1);
        let from = first_ms.saturating_sub(subquery.range_ms);
        // The first multiple of the step that is in the first window.
        let start_ms = from.div_euclid(step_ms).saturating_mul(step_ms);
        let start_ms = if start_ms < from { start_ms.saturating_add(step_ms) } else { start_ms };
        let count = match last_ms.checked_sub(start_ms) {
            Some(span) if span >= 0 => span as u64 / step_ms as u64 + 1,
            Some(_) => 0,
            None => u64::MAX,
        };
        if count > MAX_QUERY_SUBSTEPS {
            return Err(QueryError::TooMany {
                what: "steps in a subquery",
                limit: MAX_QUERY_SUBSTEPS,
                advice: "use a longer step or a shorter range: [1d:1m]",
            });
        }
        let steps = Steps { start_ms, step_ms, count: count as usize };
        if count == 0 {
            return Ok((steps, Vec::new()));
        }
        let lines = match self.eval(&subquery.inner, &steps)? {
            Value::Vector(lines) => lines,
            Value::Scalar(_) => {
                return Err(QueryError::invalid(format!(
                    "a subquery is for instant vectors, not for {}s: use vector()",
                    Type::Scalar.name()
                )));
            }
        };
        self.check_time()?;
        Ok((steps, lines))
    }
}

pub(crate) fn too_many_points(limit: u64) -> QueryError {
    QueryError::TooMany {
        what: "points in a result",
        limit,
        advice: "ask for fewer series, a shorter time or a longer step, or aggregate",
    }
}
