//! Operators between scalars and vectors. For each step as Prometheus does it; what depends on labels alone is worked out once.

use super::distribution::Distribution;
use super::error::QueryError;
use super::eval::Evaluation;
use super::labels::{Labels, METRIC_NAME};
use super::plan::{Binary, Grouping, ManySide, Matching, Op};
use super::value::{Line, Point, Sample, Steps, Value, assemble};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

pub(crate) fn eval(
    evaluation: &mut Evaluation<'_>,
    expr: &Binary,
    steps: &Steps,
) -> Result<Value, QueryError> {
    let lhs = evaluation.eval(&expr.lhs, steps)?;
    let rhs = evaluation.eval(&expr.rhs, steps)?;
    Ok(match (lhs, rhs) {
        (Value::Scalar(lhs), Value::Scalar(rhs)) => {
            let pairs = lhs.into_iter().zip(rhs);
            Value::Scalar(pairs.map(|(lhs, rhs)| between_scalars(expr.op, lhs, rhs)).collect())
        }
        (Value::Vector(lines), Value::Scalar(scalar)) => {
            Value::Vector(assemble(with_scalar(expr, lines, &scalar, false))?)
        }
        (Value::Scalar(scalar), Value::Vector(lines)) => {
            Value::Vector(assemble(with_scalar(expr, lines, &scalar, true))?)
        }
        (Value::Vector(lhs), Value::Vector(rhs)) if expr.op.is_set() => {
            Value::Vector(sets(evaluation, expr, lhs, rhs, steps)?)
        }
        (Value::Vector(lhs), Value::Vector(rhs)) => {
            Value::Vector(vectors(evaluation, expr, lhs, rhs, steps)?)
        }
    })
}

fn compare(op: Op, lhs: f64, rhs: f64) -> bool {
    match op {
        Op::Equal => lhs == rhs,
        Op::NotEqual => lhs != rhs,
        Op::Greater => lhs > rhs,
        Op::Less => lhs < rhs,
        Op::GreaterEqual => lhs >= rhs,
        Op::LessEqual => lhs <= rhs,
        _ => false,
    }
}

fn arithmetic(op: Op, lhs: f64, rhs: f64) -> f64 {
    match op {
        Op::Add => lhs + rhs,
        Op::Sub => lhs - rhs,
        Op::Mul => lhs * rhs,
        Op::Div => lhs / rhs,
        Op::Mod => lhs % rhs,
        Op::Pow => lhs.powf(rhs),
        Op::Atan2 => lhs.atan2(rhs),
        _ => f64::NAN,
    }
}

fn between_scalars(op: Op, lhs: f64, rhs: f64) -> f64 {
    if op.is_comparison() {
        f64::from(u8::from(compare(op, lhs, rhs)))
    } else {
        arithmetic(op, lhs, rhs)
    }
}

/// The value of an operation between two samples; none where a comparison filters it out, or where the operation is not
/// defined for histograms.
fn between(op: Op, return_bool: bool, lhs: &Sample, rhs: &Sample) -> Option<Sample> {
    match (lhs, rhs) {
        (Sample::Float(lhs), Sample::Float(rhs)) if op.is_comparison() => {
            match (compare(op, *lhs, *rhs), return_bool) {
                (kept, true) => Some(Sample::Float(f64::from(u8::from(kept)))),
                (true, false) => Some(Sample::Float(*lhs)),
                (false, false) => None,
            }
        }
        (Sample::Float(lhs), Sample::Float(rhs)) => Some(Sample::Float(arithmetic(op, *lhs, *rhs))),
        (Sample::Histogram(lhs), Sample::Histogram(rhs)) => {
            let mut result = Distribution::clone(lhs);
            match op {
                Op::Add => result.add(rhs),
                Op::Sub => result.sub(rhs),
                _ => return None,
            }
            result.compact();
            Some(Sample::Histogram(Arc::new(result)))
        }
        (Sample::Histogram(histogram), Sample::Float(factor))
        | (Sample::Float(factor), Sample::Histogram(histogram)) => {
            let factor = match (op, lhs) {
                (Op::Mul, _) => *factor,
                (Op::Div, Sample::Histogram(_)) => 1.0 / factor,
                _ => return None,
            };
            let mut result = Distribution::clone(histogram);
            result.scale(factor);
            Some(Sample::Histogram(Arc::new(result)))
        }
    }
}

fn with_scalar(expr: &Binary, lines: Vec<Line>, scalar: &[f64], swapped: bool) -> Vec<Line> {
    let drops_name = !expr.op.is_comparison() || expr.return_bool;
    let mut out = Vec::with_capacity(lines.len());
    for mut line in lines {
        let value = |point: &Point| {
            let scalar = Sample::Float(scalar[point.step as usize]);
            let (lhs, rhs) =
                if swapped { (&scalar, &point.value) } else { (&point.value, &scalar) };
            let value = between(expr.op, expr.return_bool, lhs, rhs)?;
            // A comparison keeps the vector's element, on whichever side it is.
            let keeps = expr.op.is_comparison() && !expr.return_bool;
            Some(if keeps { point.value.clone() } else { value })
        };
        let points = line.points.iter();
        line.points = points
            .filter_map(|point| Some(Point { step: point.step, value: value(point)? }))
            .collect();
        if drops_name {
            line.labels = line.labels.without_name();
        }
        if !line.points.is_empty() {
            out.push(line);
        }
    }
    out
}

/// The labels by which a series is matched.
fn signature(labels: &Labels, grouping: &Grouping) -> Labels {
    match grouping {
        Grouping::Only(names) => labels.filtered(|name| names.iter().any(|n| n == name)),
        Grouping::Without(names) => {
            labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|n| n == name))
        }
    }
}

/// For each line of both sides the number of its signature, and how many signatures there are.
fn signatures(sides: [&[Line]; 2], grouping: &Grouping) -> ([Vec<usize>; 2], usize) {
    let mut numbers: HashMap<Labels, usize> = HashMap::new();
    let of_side = |lines: &[Line], numbers: &mut HashMap<Labels, usize>| {
        let mut number = |line: &Line| {
            let next = numbers.len();
            *numbers.entry(signature(&line.labels, grouping)).or_insert(next)
        };
        lines.iter().map(&mut number).collect::<Vec<_>>()
    };
    let (lhs, rhs) = (of_side(sides[0], &mut numbers), of_side(sides[1], &mut numbers));
    ([lhs, rhs], numbers.len())
}

/// The points of many lines, step by step.
pub(crate) struct Walk<'a> {
    lines: &'a [Line],
    next: Vec<usize>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(lines: &'a [Line]) -> Self {
        Walk { lines, next: vec![0; lines.len()] }
    }

    /// Puts the lines that have a point at `step` into `out`, with their points. Steps come in ascending order.
    pub(crate) fn at(&mut self, step: usize, out: &mut Vec<(usize, &'a Sample)>) {
        out.clear();
        for (index, (line, next)) in self.lines.iter().zip(&mut self.next).enumerate() {
            if let Some(point) = line.points.get(*next).filter(|point| point.step as usize == step)
            {
                *next += 1;
                out.push((index, &point.value));
            }
        }
    }
}

fn sets(
    evaluation: &mut Evaluation<'_>,
    expr: &Binary,
    lhs: Vec<Line>,
    rhs: Vec<Line>,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let ([left, right], count) = signatures([&lhs, &rhs], &expr.matching.labels);
    let empty = |lines: &[Line]| -> Vec<Line> {
        lines.iter().map(|l| Line { labels: l.labels.clone(), points: Vec::new() }).collect()
    };
    let (mut kept, mut added) = (empty(&lhs), empty(&rhs));
    let (mut walk_left, mut walk_right) = (Walk::new(&lhs), Walk::new(&rhs));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    // The last step at which a signature was seen, plus one.
    let mut seen = vec![0usize; count];
    for step in 0..steps.count {
        walk_left.at(step, &mut here);
        walk_right.at(step, &mut there);
        evaluation.worked(lhs.len() + rhs.len())?;
        let point = |value: &Sample| Point { step: step as u32, value: value.clone() };
        if expr.op == Op::Or {
            for &(index, value) in &here {
                seen[left[index]] = step + 1;
                kept[index].points.push(point(value));
            }
            for &(index, value) in there.iter().filter(|(index, _)| seen[right[*index]] != step + 1)
            {
                added[index].points.push(point(value));
            }
            continue;
        }
        there.iter().for_each(|(index, _)| seen[right[*index]] = step + 1);
        for &(index, value) in &here {
            if (seen[left[index]] == step + 1) == (expr.op == Op::And) {
                kept[index].points.push(point(value));
            }
        }
    }
    kept.append(&mut added);
    assemble(kept)
}

/// The labels of a result.
fn result_labels(many: &Labels, one: &Labels, expr: &Binary) -> Labels {
    let Matching { labels, side, include } = &expr.matching;
    let mut result = many.clone();
    if !expr.op.is_comparison() || expr.return_bool {
        result = result.without_name();
    }
    if *side == ManySide::None {
        result = match labels {
            Grouping::Only(names) => result.filtered(|name| names.iter().any(|n| n == name)),
            Grouping::Without(names) => result.filtered(|name| !names.iter().any(|n| n == name)),
        };
    }
    for name in include {
        result = result.with(name, one.get(name).unwrap_or_default());
    }
    // `group_left(__name__)` brings a name back, which `bool` takes away for good.
    if expr.return_bool { result.without_name() } else { result }
}

fn vectors(
    evaluation: &mut Evaluation<'_>,
    expr: &Binary,
    lhs: Vec<Line>,
    rhs: Vec<Line>,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let swapped = expr.matching.side == ManySide::Right;
    let (many, one) = if swapped { (rhs, lhs) } else { (lhs, rhs) };
    let ([of_many, of_one], count) = signatures([&many, &one], &expr.matching.labels);
    let mut results =
        Results { expr, many: &many, one: &one, at: HashMap::new(), lines: Vec::new() };
    let (mut walk_many, mut walk_one) = (Walk::new(&many), Walk::new(&one));
    let (mut here, mut there) = (Vec::new(), Vec::new());
    // By signature: the step (plus one) at which it was seen last on the side that has one series, and that series; the step
    // at which it was matched last.
    let mut seen: Vec<(usize, usize, &Sample)> = vec![(0, 0, &Sample::Float(0.0)); count];
    let mut matched = vec![0usize; count];
    let mut inserted: HashSet<(usize, Labels)> = HashSet::new();
    for step in 0..steps.count {
        walk_many.at(step, &mut here);
        walk_one.at(step, &mut there);
        evaluation.worked(many.len() + one.len())?;
        if here.is_empty() || there.is_empty() {
            continue;
        }
        for &(index, value) in &there {
            let number = of_one[index];
            if seen[number].0 == step + 1 {
                let pair = [&one[seen[number].1].labels, &one[index].labels];
                return Err(duplicate(expr, pair, swapped));
            }
            seen[number] = (step + 1, index, value);
        }
        inserted.clear();
        for &(index, value) in &here {
            let number = of_many[index];
            let (at, other, one_value) = seen[number];
            if at != step + 1 {
                continue;
            }
            let (left, right) = if swapped { (one_value, value) } else { (value, one_value) };
            let result = between(expr.op, expr.return_bool, left, right);
            // A pair for which there is no result, as of a histogram and a number, still counts as a match.
            let filtered = matches!((left, right), (Sample::Float(_), Sample::Float(_)));
            if result.is_none() && filtered {
                continue;
            }
            let line = results.line(index, other);
            if expr.matching.side == ManySide::None {
                if matched[number] == step + 1 {
                    return Err(QueryError::execution(
                        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
                    ));
                }
                matched[number] = step + 1;
            } else if !inserted.insert((number, results.lines[line].labels.clone())) {
                return Err(QueryError::execution(
                    "multiple matches for labels: grouping labels must ensure unique matches",
                ));
            }
            if let Some(value) = result {
                results.lines[line].points.push(Point { step: step as u32, value });
            }
        }
    }
    assemble(results.lines)
}

fn duplicate(expr: &Binary, [a, b]: [&Labels; 2], swapped: bool) -> QueryError {
    let group = signature(a, &expr.matching.labels);
    let side = if swapped { "left" } else { "right" };
    QueryError::execution(format!(
        "found duplicate series for the match group {group} on the {side} hand-side of the operation: [{b}, {a}];\
         many-to-many matching not allowed: matching labels must be unique on one side"
    ))
}

/// The lines of results, one for each pair of series that ever matched.
struct Results<'a> {
    expr: &'a Binary,
    many: &'a [Line],
    one: &'a [Line],
    at: HashMap<(usize, usize), usize>,
    lines: Vec<Line>,
}

impl Results<'_> {
    fn line(&mut self, many: usize, one: usize) -> usize {
        *self.at.entry((many, one)).or_insert_with(|| {
            let labels = result_labels(&self.many[many].labels, &self.one[one].labels, self.expr);
            self.lines.push(Line { labels, points: Vec::new() });
            self.lines.len() - 1
        })
    }
}
