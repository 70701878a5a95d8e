//! Functions: their names and parameters, and who evaluates them.

mod calendar;
mod histogram;
mod label;
mod math;
pub(crate) mod number;
mod over_time;
mod range;
mod rate;

use super::error::QueryError;
use super::eval::Evaluation;
use super::plan::{Node, Type};
use super::value::{Line, Point, Sample, Steps, Value, assemble};
use calendar::Calendar;
use range::RangeFunction;

/// A function that is supported.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    /// One over a window of samples.
    Range(RangeFunction),
    AbsentOverTime,
    /// One of each number for itself.
    Math(fn(f64) -> f64),
    Round,
    Clamp,
    ClampMin,
    ClampMax,
    LabelReplace,
    LabelJoin,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    Scalar,
    Vector,
    Time,
    Pi,
    Timestamp,
    Absent,
    HistogramQuantile,
    HistogramFraction,
    /// What a distribution has as a number.
    OfHistogram(fn(&super::distribution::Distribution) -> f64),
    Calendar(Calendar),
}

impl Function {
    /// The function with this name.
    pub(crate) fn named(name: &str) -> Result<Function, QueryError> {
        let range = RangeFunction::named(name).map(Function::Range);
        let found = range.or_else(|| math::named(name).map(Function::Math));
        let found = found.or_else(|| Calendar::named(name).map(Function::Calendar));
        if let Some(function) = found {
            return Ok(function);
        }
        Ok(match name {
            "absent_over_time" => Function::AbsentOverTime,
            "round" => Function::Round,
            "clamp" => Function::Clamp,
            "clamp_min" => Function::ClampMin,
            "clamp_max" => Function::ClampMax,
            "label_replace" => Function::LabelReplace,
            "label_join" => Function::LabelJoin,
            "sort" => Function::Sort,
            "sort_desc" => Function::SortDesc,
            "sort_by_label" => Function::SortByLabel,
            "sort_by_label_desc" => Function::SortByLabelDesc,
            "scalar" => Function::Scalar,
            "vector" => Function::Vector,
            "time" => Function::Time,
            "pi" => Function::Pi,
            "timestamp" => Function::Timestamp,
            "absent" => Function::Absent,
            "histogram_quantile" => Function::HistogramQuantile,
            "histogram_fraction" => Function::HistogramFraction,
            "histogram_count" => Function::OfHistogram(|histogram| histogram.count()),
            "histogram_sum" => Function::OfHistogram(|histogram| histogram.sum()),
            "histogram_avg" => {
                Function::OfHistogram(|histogram| histogram.sum() / histogram.count())
            }
            _ => return Err(QueryError::unsupported(format!("the function {name}()"))),
        })
    }

    pub(crate) fn returns(self) -> Type {
        match self {
            Function::Scalar | Function::Time | Function::Pi => Type::Scalar,
            _ => Type::Vector,
        }
    }

    /// The types of its parameters, how many of them must be given, and whether the last one may be repeated.
    fn parameters(self) -> (&'static [Type], usize, bool) {
        use Type::{Matrix, Scalar, Text, Vector};
        let all = |types: &'static [Type]| (types, types.len(), false);
        match self {
            Function::Range(function) => all(function.parameters()),
            Function::AbsentOverTime => all(&[Matrix]),
            Function::Round => (&[Vector, Scalar], 1, false),
            Function::Clamp => all(&[Vector, Scalar, Scalar]),
            Function::ClampMin | Function::ClampMax => all(&[Vector, Scalar]),
            Function::LabelReplace => all(&[Vector, Text, Text, Text, Text]),
            Function::LabelJoin => (&[Vector, Text, Text, Text], 3, true),
            Function::SortByLabel | Function::SortByLabelDesc => (&[Vector, Text], 2, true),
            Function::Vector => all(&[Scalar]),
            Function::Time | Function::Pi => all(&[]),
            Function::HistogramQuantile => all(&[Scalar, Vector]),
            Function::HistogramFraction => all(&[Scalar, Scalar, Vector]),
            Function::Calendar(_) => (&[Vector], 0, false),
            Function::Math(_)
            | Function::OfHistogram(_)
            | Function::Sort
            | Function::SortDesc
            | Function::Scalar
            | Function::Timestamp
            | Function::Absent => all(&[Vector]),
        }
    }

    /// Refuses arguments that do not fit.
    pub(crate) fn check(self, name: &str, args: &[Node]) -> Result<(), QueryError> {
        let (types, least, repeated) = self.parameters();
        if args.len() < least || (args.len() > types.len() && !repeated) {
            return Err(QueryError::invalid(format!(
                "{name}() takes {least}{} arguments, got {}",
                match (repeated, types.len() - least) {
                    (true, _) => " or more".to_owned(),
                    (false, 0) => String::new(),
                    (false, _) => format!(" to {}", types.len()),
                },
                args.len()
            )));
        }
        for (index, arg) in args.iter().enumerate() {
            let (wanted, found) = (types[index.min(types.len() - 1)], arg.returns());
            if found != wanted {
                return Err(QueryError::invalid(format!(
                    "expected {} as argument {} of {name}(), got {}",
                    wanted.name(),
                    index + 1,
                    found.name()
                )));
            }
        }
        Ok(())
    }
}

/// Evaluates a call. The arguments have passed [`Function::check`].
#[inline(never)]
pub(crate) fn call(
    evaluation: &mut Evaluation<'_>,
    function: Function,
    args: &[Node],
    steps: &Steps,
) -> Result<Value, QueryError> {
    Ok(Value::Vector(match function {
        Function::Range(function) => range::call(evaluation, function, args, steps)?,
        Function::AbsentOverTime => range::absent_over_time(evaluation, &args[0], steps)?,
        Function::Math(function) => {
            let lines = evaluation.vector(&args[0], steps)?;
            assemble(math::mapped(lines, |_, value| Some(function(value))))?
        }
        Function::Round | Function::Clamp | Function::ClampMin | Function::ClampMax => {
            math::with_parameters(evaluation, function, args, steps)?
        }
        Function::LabelReplace => label::replace(evaluation, args, steps)?,
        Function::LabelJoin => label::join(evaluation, args, steps)?,
        Function::Sort => sorted(evaluation.vector(&args[0], steps)?, steps, false),
        Function::SortDesc => sorted(evaluation.vector(&args[0], steps)?, steps, true),
        Function::SortByLabel => label::sorted(evaluation, args, steps, false)?,
        Function::SortByLabelDesc => label::sorted(evaluation, args, steps, true)?,
        Function::Scalar => return Ok(Value::Scalar(scalar(evaluation, &args[0], steps)?)),
        Function::Vector => {
            let values = evaluation.scalar(&args[0], steps)?.into_iter().enumerate();
            let points = values.map(|(step, value)| Point::float(step, value)).collect();
            vec![Line { labels: Default::default(), points }]
        }
        Function::Time => {
            return Ok(Value::Scalar(steps.times().map(|ms| ms as f64 / 1000.0).collect()));
        }
        Function::Pi => return Ok(Value::Scalar(vec![std::f64::consts::PI; steps.count])),
        Function::Timestamp => timestamp(evaluation, &args[0], steps)?,
        Function::Absent => absent(evaluation, &args[0], steps)?,
        Function::HistogramQuantile => histogram::quantile(evaluation, args, steps)?,
        Function::HistogramFraction => histogram::fraction(evaluation, args, steps)?,
        Function::OfHistogram(number) => {
            let lines = evaluation.vector(&args[0], steps)?;
            assemble(histogram::numbers(lines, |_, histogram| number(histogram)))?
        }
        Function::Calendar(calendar) => calendar::call(evaluation, calendar, args, steps)?,
    }))
}

/// By value, in an instant query; a range query has no use for it.
fn sorted(mut lines: Vec<Line>, steps: &Steps, descending: bool) -> Vec<Line> {
    let value = |line: &Line| line.points.first().and_then(|point| point.value.as_float());
    if steps.count == 1 {
        lines.retain(|line| value(line).is_some());
        lines.sort_by(|a, b| {
            let (a, b) = (value(a).unwrap_or(f64::NAN), value(b).unwrap_or(f64::NAN));
            let order = if descending { b.partial_cmp(&a) } else { a.partial_cmp(&b) };
            order.unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        });
    }
    lines
}

fn scalar(
    evaluation: &mut Evaluation<'_>,
    arg: &Node,
    steps: &Steps,
) -> Result<Vec<f64>, QueryError> {
    let lines = evaluation.vector(arg, steps)?;
    let mut values = vec![(0, f64::NAN); steps.count];
    for point in lines.iter().flat_map(|line| &line.points) {
        let value = &mut values[point.step as usize];
        *value = (value.0 + 1, point.value.as_float().unwrap_or(f64::NAN));
    }
    Ok(values.into_iter().map(|(n, value)| if n == 1 { value } else { f64::NAN }).collect())
}

/// Of a selector, the samples' own times; of everything else, the time of the evaluation.
fn timestamp(
    evaluation: &mut Evaluation<'_>,
    arg: &Node,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let mut lines = match arg {
        Node::Selector(selector) => evaluation.instant(selector, steps, true)?,
        _ => {
            let mut lines = evaluation.vector(arg, steps)?;
            for point in lines.iter_mut().flat_map(|line| &mut line.points) {
                point.value = Sample::Float(steps.time(point.step as usize) as f64 / 1000.0);
            }
            lines
        }
    };
    lines.iter_mut().for_each(|line| line.labels = line.labels.without_name());
    assemble(lines)
}

fn absent(
    evaluation: &mut Evaluation<'_>,
    arg: &Node,
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let lines = evaluation.vector(arg, steps)?;
    let mut present = vec![false; steps.count];
    for point in lines.iter().flat_map(|line| &line.points) {
        present[point.step as usize] = true;
    }
    Ok(label::missing(arg, &present))
}
