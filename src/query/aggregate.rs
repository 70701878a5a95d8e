//! Aggregations over the series of an instant vector.

use super::distribution::Distribution;
use super::error::QueryError;
use super::eval::Evaluation;
use super::functions::number::{Mean, Sum, is_label_name, number_text, quantile};
use super::labels::{Labels, METRIC_NAME};
use super::plan::{Aggregate, AggregateOp, Grouping, Node};
use super::value::{Line, Point, Sample, Steps, assemble};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) fn eval(
    evaluation: &mut Evaluation<'_>,
    expr: &Aggregate,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    if let (AggregateOp::CountValues, Some(Node::Text(label))) = (expr.op, &expr.param) {
        return count_values(evaluation, expr, label, steps);
    }
    let param = match &expr.param {
        Some(param) => evaluation.scalar(param, steps)?,
        None => Vec::new(),
    };
    let lines = evaluation.vector(&expr.inner, steps)?;
    let groups = groups(&lines, &expr.grouping);
    if matches!(expr.op, AggregateOp::Topk | AggregateOp::Bottomk) {
        return ranked(evaluation, expr.op, &lines, groups, &param, steps);
    }
    if expr.op == AggregateOp::Limitk {
        return limited(evaluation, lines, groups, &param, steps);
    }
    let mut out = Vec::with_capacity(groups.len());
    for (labels, members) in groups {
        let mut totals: Vec<Option<Total>> = Vec::new();
        totals.resize_with(steps.count, || None);
        for member in members {
            let points = &lines[member].points;
            evaluation.worked(points.len())?;
            for point in points {
                let total = &mut totals[point.step as usize];
                total.get_or_insert_with(|| Total::new(expr.op)).add(&point.value);
            }
        }
        let points = totals.into_iter().enumerate().filter_map(|(step, total)| {
            let value = total?.finish(expr.op, param.get(step).copied())?;
            Some(Point { step: step as u32, value })
        });
        out.push(Line { labels, points: points.collect() });
    }
    out.retain(|line| !line.points.is_empty());
    Ok(out)
}

pub(crate) fn group_labels(labels: &Labels, grouping: &Grouping) -> Labels {
    match grouping {
        Grouping::Only(names) => labels.filtered(|name| names.iter().any(|n| n == name)),
        Grouping::Without(names) => {
            labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|n| n == name))
        }
    }
}

/// The groups in the order in which their first lines come, each with its lines.
fn groups(lines: &[Line], grouping: &Grouping) -> Vec<(Labels, Vec<usize>)> {
    let mut at: HashMap<Labels, usize> = HashMap::new();
    let mut groups: Vec<(Labels, Vec<usize>)> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let labels = group_labels(&line.labels, grouping);
        let group = *at.entry(labels).or_insert_with_key(|labels| {
            groups.push((labels.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[group].1.push(index);
    }
    groups
}

/// What a group has come to at one step.
enum Total {
    Sum {
        floats: Option<Sum>,
        histograms: Option<Distribution>,
        count: f64,
    },
    Avg {
        mean: Mean,
        histograms: Option<Distribution>,
        count: f64,
    },
    /// Of `min` and `max`.
    Extreme {
        value: Option<f64>,
        smallest: bool,
    },
    Count(f64),
    /// Of `stddev` and `stdvar`.
    Spread {
        count: f64,
        mean: f64,
        squares: f64,
    },
    Quantile(Vec<f64>),
}

fn put(histograms: &mut Option<Distribution>, histogram: &Distribution) {
    match histograms {
        Some(sum) => sum.add(histogram),
        None => *histograms = Some(histogram.clone()),
    }
}

impl Total {
    fn new(op: AggregateOp) -> Total {
        match op {
            AggregateOp::Sum => Total::Sum { floats: None, histograms: None, count: 0.0 },
            AggregateOp::Avg => Total::Avg { mean: Mean::default(), histograms: None, count: 0.0 },
            AggregateOp::Min => Total::Extreme { value: None, smallest: true },
            AggregateOp::Max => Total::Extreme { value: None, smallest: false },
            AggregateOp::Stddev | AggregateOp::Stdvar => {
                Total::Spread { count: 0.0, mean: 0.0, squares: 0.0 }
            }
            AggregateOp::Quantile => Total::Quantile(Vec::new()),
            _ => Total::Count(0.0),
        }
    }

    fn add(&mut self, sample: &Sample) {
        match (self, sample) {
            (Total::Count(count), _) => *count += 1.0,
            (Total::Sum { floats, .. }, Sample::Float(value)) => {
                floats.get_or_insert_default().add(*value);
            }
            (Total::Avg { mean, .. }, Sample::Float(value)) => mean.add(*value),
            (
                Total::Sum { histograms, count, .. } | Total::Avg { histograms, count, .. },
                Sample::Histogram(histogram),
            ) => {
                put(histograms, histogram);
                *count += 1.0;
            }
            (Total::Extreme { value, smallest }, Sample::Float(next)) => {
                let replaces = |value: f64| {
                    value.is_nan() || if *smallest { value > *next } else { value < *next }
                };
                if value.is_none_or(replaces) {
                    *value = Some(*next);
                }
            }
            (Total::Spread { count, mean, squares }, Sample::Float(value)) => {
                *count += 1.0;
                let delta = value - *mean;
                *mean += delta / *count;
                *squares += delta * (value - *mean);
            }
            (Total::Quantile(values), Sample::Float(value)) => values.push(*value),
            // Numbers are asked for, and a histogram is none.
            (_, Sample::Histogram(_)) => {}
        }
    }

    fn finish(self, op: AggregateOp, param: Option<f64>) -> Option<Sample> {
        let float = match self {
            // A sum of numbers and histograms is neither.
            Total::Sum { floats: Some(_), histograms: Some(_), .. } => return None,
            Total::Avg { mean, histograms: Some(_), .. } if mean.count() > 0.0 => return None,
            Total::Sum { histograms: Some(sum), .. } => {
                return Some(Sample::Histogram(Arc::new(sum)));
            }
            Total::Avg { histograms: Some(mut sum), count, .. } => {
                sum.scale(1.0 / count);
                return Some(Sample::Histogram(Arc::new(sum)));
            }
            Total::Sum { floats, .. } => floats?.total(),
            Total::Avg { mean, .. } => mean.mean(),
            Total::Extreme { value, .. } => value?,
            Total::Count(_) if op == AggregateOp::Group => 1.0,
            Total::Count(count) => count,
            Total::Spread { count: 0.0, .. } => return None,
            Total::Spread { count, squares, .. } if op == AggregateOp::Stdvar => squares / count,
            Total::Spread { count, squares, .. } => (squares / count).sqrt(),
            Total::Quantile(values) if values.is_empty() => return None,
            Total::Quantile(mut values) => quantile(param.unwrap_or(f64::NAN), &mut values),
        };
        Some(Sample::Float(float))
    }
}

/// `topk` and `bottomk`.
fn ranked(
    evaluation: &mut Evaluation<'_>,
    op: AggregateOp,
    lines: &[Line],
    groups: Vec<(Labels, Vec<usize>)>,
    param: &[f64],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let wanted = param.iter().map(|param| kept(*param)).collect::<Result<Vec<_>, _>>()?;
    let mut out: Vec<Line> = Vec::new();
    // By line, where it stands in `out`.
    let mut placed: HashMap<usize, usize> = HashMap::new();
    for (_, members) in groups {
        let mut by_step: Vec<Vec<(f64, usize)>> = vec![Vec::new(); steps.count];
        for member in members {
            evaluation.worked(lines[member].points.len())?;
            for point in &lines[member].points {
                if let Sample::Float(value) = point.value {
                    by_step[point.step as usize].push((value, member));
                }
            }
        }
        for (step, mut values) in by_step.into_iter().enumerate() {
            if values.is_empty() {
                continue;
            }
            let order = |a: f64, b: f64| {
                if op == AggregateOp::Topk { b.total_cmp(&a) } else { a.total_cmp(&b) }
            };
            // NaN comes last in either direction; of equals, the one that came first stays.
            values.sort_by(|(a, _), (b, _)| match (a.is_nan(), b.is_nan()) {
                (false, false) if a == b => Ordering::Equal,
                (false, false) => order(*a, *b),
                (a, b) => a.cmp(&b),
            });
            for (value, member) in values.into_iter().take(wanted.get(step).copied().unwrap_or(0)) {
                let place = *placed.entry(member).or_insert_with(|| {
                    out.push(Line { labels: lines[member].labels.clone(), points: Vec::new() });
                    out.len() - 1
                });
                out[place].points.push(Point::float(step, value));
            }
        }
    }
    Ok(out)
}

/// `limitk`: of each group, at each step, the first series that have a sample.
fn limited(
    evaluation: &mut Evaluation<'_>,
    mut lines: Vec<Line>,
    groups: Vec<(Labels, Vec<usize>)>,
    param: &[f64],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let wanted = param.iter().map(|param| kept(*param)).collect::<Result<Vec<_>, _>>()?;
    for (_, members) in groups {
        let mut taken = vec![0; steps.count];
        for member in members {
            evaluation.worked(lines[member].points.len())?;
            lines[member].points.retain(|point| {
                let step = point.step as usize;
                taken[step] += 1;
                taken[step] <= wanted.get(step).copied().unwrap_or(0)
            });
        }
    }
    lines.retain(|line| !line.points.is_empty());
    Ok(lines)
}

/// How many series `topk`, `bottomk` and `limitk` keep.
fn kept(param: f64) -> Result<usize, QueryError> {
    // The first number beyond a signed 64-bit integer.
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if !(-BEYOND..BEYOND).contains(&param) {
        return Err(QueryError::execution(format!("Scalar value {param} overflows int64")));
    }
    Ok(param.max(0.0) as usize)
}

fn count_values(
    evaluation: &mut Evaluation<'_>,
    expr: &Aggregate,
    label: &str,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    if !is_label_name(label) {
        return Err(QueryError::execution(format!("invalid label name {label:?}")));
    }
    let lines = evaluation.vector(&expr.inner, steps)?;
    let mut counts: HashMap<Labels, HashMap<usize, f64>> = HashMap::new();
    let mut order = Vec::new();
    for line in &lines {
        let group = group_labels(&line.labels, &expr.grouping);
        // The value's label is set before labels are taken away: `without` may name it.
        let hidden = match &expr.grouping {
            Grouping::Without(names) => names.iter().any(|name| name == label),
            Grouping::Only(_) => false,
        };
        evaluation.worked(line.points.len())?;
        let mut last: Option<(u64, Labels)> = None;
        for point in &line.points {
            let Sample::Float(value) = point.value else { continue };
            let labels = match &last {
                Some((bits, labels)) if *bits == value.to_bits() => labels.clone(),
                _ if hidden => group.clone(),
                _ => group.with(label, &number_text(value)),
            };
            last = Some((value.to_bits(), labels.clone()));
            let by_step = counts.entry(labels).or_insert_with_key(|labels| {
                order.push(labels.clone());
                HashMap::new()
            });
            *by_step.entry(point.step as usize).or_default() += 1.0;
        }
    }
    let lines = order.into_iter().map(|labels| {
        let by_step = counts.remove(&labels).unwrap_or_default();
        let mut points: Vec<_> =
            by_step.into_iter().map(|(step, count)| Point::float(step, count)).collect();
        points.sort_by_key(|point| point.step);
        Line { labels, points }
    });
    assemble(lines.collect())
}
