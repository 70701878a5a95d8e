//! Values in JSON as samples have them.

use super::super::{ClassicHistogram, SampleKind, SampleValue, SummaryValue};
use crate::source::format::complete;
use serde_json::Value;

/// The value of a metric; `None` for what is as good as absent. An error begins with what follows the path.
pub(super) fn read(
    value: &Value,
    kind: SampleKind,
    scale: f64,
) -> Result<Option<SampleValue>, String> {
    if value.is_null() {
        return Ok(None);
    }
    let scaled = |value: Option<f64>| value.map(|value| value * scale);
    match kind {
        SampleKind::Histogram | SampleKind::GaugeHistogram => {
            let (count, sum) = (field(value, "count")?, field(value, "sum")?);
            let pairs = pairs(value, "buckets", "le", "count")?;
            let mut histogram = ClassicHistogram {
                count: count.unwrap_or(f64::NAN),
                sum: scaled(sum),
                buckets: pairs.into_iter().map(|(bound, count)| (bound * scale, count)).collect(),
            };
            complete(&mut histogram);
            Ok(Some(SampleValue::Classic(histogram)))
        }
        SampleKind::Summary => {
            let (count, sum) = (field(value, "count")?, scaled(field(value, "sum")?));
            let pairs = pairs(value, "quantiles", "quantile", "value")?;
            let mut quantiles: Vec<_> =
                pairs.into_iter().map(|(quantile, value)| (quantile, value * scale)).collect();
            quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
            Ok(Some(SampleValue::Summary(SummaryValue { count, sum, quantiles })))
        }
        _ => Ok(Some(SampleValue::Number(number(value).map_err(expected)? * scale))),
    }
}

fn expected(found: String) -> String {
    format!(": expected a number, found {found}")
}

/// A number, or what is there instead.
fn number(value: &Value) -> Result<f64, String> {
    match value {
        Value::Number(number) => number.as_f64().ok_or_else(|| number.to_string()),
        Value::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        Value::String(text) => text.trim().parse().map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            format!("{shown:?}")
        }),
        Value::Null => Err("null".to_owned()),
        Value::Array(_) => Err("a list".to_owned()),
        Value::Object(_) => Err("an object".to_owned()),
    }
}

/// A number of an object, which may be missing.
fn field(value: &Value, name: &str) -> Result<Option<f64>, String> {
    let Some(object) = value.as_object() else {
        return Err(": expected an object with the parts of a distribution".to_owned());
    };
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(found) => {
            number(found).map(Some).map_err(|found| format!(".{name}{}", expected(found)))
        }
    }
}

/// Bounds with counts, or quantiles with values.
fn pairs(value: &Value, name: &str, first: &str, second: &str) -> Result<Vec<(f64, f64)>, String> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(all)) => {
            let pair = |(key, value): (&String, &Value)| {
                let at = |found| format!(".{name}[{key:?}]{}", expected(found));
                let bound = number(&Value::String(key.clone())).map_err(at)?;
                Ok((finite(bound, || at(format!("{key:?}")))?, number(value).map_err(at)?))
            };
            all.iter().map(pair).collect()
        }
        Some(Value::Array(all)) => {
            let pair = |(at, value): (usize, &Value)| {
                let wrong = |found| format!(".{name}[{at}]{}", expected(found));
                let (one, two) = match value {
                    Value::Array(pair) => (pair.first(), pair.get(1)),
                    value => (value.get(first), value.get(second)),
                };
                let (Some(one), Some(two)) = (one, two) else {
                    return Err(format!(
                        ".{name}[{at}]: expected two numbers, or an object with {first:?} and {second:?}"
                    ));
                };
                let bound = number(one).map_err(wrong)?;
                Ok((finite(bound, || wrong("NaN".to_owned()))?, number(two).map_err(wrong)?))
            };
            all.iter().enumerate().map(pair).collect()
        }
        Some(_) => Err(format!(".{name}: expected a list or an object")),
    }
}

/// A bound, which may be infinite.
fn finite(bound: f64, wrong: impl FnOnce() -> String) -> Result<f64, String> {
    if bound.is_nan() { Err(wrong()) } else { Ok(bound) }
}
