//! Functions of each number for itself.

use super::super::error::QueryError;
use super::super::eval::Evaluation;
use super::super::plan::Node;
use super::super::value::{Line, Point, Sample, Steps, assemble};
use super::Function;
use super::number::{larger, smaller};

pub(crate) fn named(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "abs" => f64::abs,
        "ceil" => f64::ceil,
        "floor" => f64::floor,
        "exp" => f64::exp,
        "sqrt" => f64::sqrt,
        "ln" => f64::ln,
        "log2" => f64::log2,
        "log10" => f64::log10,
        "sgn" => |value| if value == 0.0 { value } else { value.signum() },
        "deg" => |value| value * 180.0 / std::f64::consts::PI,
        "rad" => |value| value * std::f64::consts::PI / 180.0,
        "sin" => f64::sin,
        "cos" => f64::cos,
        "tan" => f64::tan,
        "asin" => f64::asin,
        "acos" => f64::acos,
        "atan" => f64::atan,
        "sinh" => f64::sinh,
        "cosh" => f64::cosh,
        "tanh" => f64::tanh,
        "asinh" => f64::asinh,
        "acosh" => f64::acosh,
        "atanh" => f64::atanh,
        _ => return None,
    })
}

/// The lines without their names, with a number for each number at its step. Histograms are left out.
pub(crate) fn mapped(
    lines: Vec<Line>,
    mut function: impl FnMut(usize, f64) -> Option<f64>,
) -> Vec<Line> {
    let mut mapped = |point: &Point| {
        let value = function(point.step as usize, point.value.as_float()?)?;
        Some(Point { step: point.step, value: Sample::Float(value) })
    };
    let lines = lines.into_iter();
    lines
        .map(|line| {
            let points = line.points.iter().filter_map(&mut mapped).collect();
            Line { labels: line.labels.without_name(), points }
        })
        .collect()
}

/// `round`, `clamp`, `clamp_min` and `clamp_max`.
pub(crate) fn with_parameters(
    evaluation: &mut Evaluation<'_>,
    function: Function,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let lines = evaluation.vector(&args[0], steps)?;
    let mut parameters = Vec::new();
    for arg in &args[1..] {
        parameters.push(evaluation.scalar(arg, steps)?);
    }
    let parameter = |index: usize, step: usize| parameters[index][step];
    assemble(mapped(lines, |step, value| {
        Some(match function {
            Function::Round => {
                let nearest = parameters.first().map_or(1.0, |nearest| nearest[step]);
                // Dividing by the inverse loses less than multiplying by the number.
                let inverse = 1.0 / nearest;
                (value * inverse + 0.5).floor() / inverse
            }
            Function::Clamp => {
                let (min, max) = (parameter(0, step), parameter(1, step));
                if max < min {
                    return None;
                }
                larger(min, smaller(max, value))
            }
            Function::ClampMin => larger(parameter(0, step), value),
            _ => smaller(parameter(0, step), value),
        })
    }))
}
