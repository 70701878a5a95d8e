//! Answers of Prometheus's API, read. What comes from outside may be anything: all that is not as it should be is an error.

use crate::query::{
    Answer, Bucket, Distribution, InstantSample, Labels, Metadata, Sample, SampleRange,
};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What else an object has. Also makes that there must be an object: derived readers take a list of its values, too.
type More = HashMap<String, IgnoredAny>;

/// What all answers are in.
#[derive(Deserialize)]
struct Envelope<D> {
    status: String,
    data: Option<D>,
    #[serde(rename = "errorType", default)]
    kind: String,
    #[serde(default)]
    error: String,
    #[serde(flatten)]
    _more: More,
}

/// What is asked of the `data` of an answer that is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A `resultType` and a `result`.
    Result,
    List,
    Object,
}

#[derive(Deserialize)]
struct AnyResult {
    #[serde(rename = "resultType")]
    _kind: String,
    #[serde(rename = "result")]
    _result: Vec<IgnoredAny>,
    #[serde(flatten)]
    _more: More,
}

impl Shape {
    /// Whether a text is a success of this shape. Reads all of it, keeps nothing.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn check(self, text: &str) -> Result<(), String> {
        match self {
            Shape::Result => data::<AnyResult>(text).map(drop),
            Shape::List => data::<Vec<IgnoredAny>>(text).map(drop),
            Shape::Object => data::<BTreeMap<String, IgnoredAny>>(text).map(drop),
        }
    }
}

/// Kind and text of an error of the API.
pub(super) fn error(text: &str) -> Option<(String, String)> {
    let read: Envelope<IgnoredAny> = serde_json::from_str(text).ok()?;
    (read.status == "error" && !read.kind.is_empty()).then_some((read.kind, read.error))
}

/// The `data` of a success.
fn data<D: DeserializeOwned>(text: &str) -> Result<D, String> {
    let read: Envelope<D> = serde_json::from_str(text)
        .map_err(|error| format!("the answer cannot be read ({error})"))?;
    match read.data {
        Some(data) if read.status == "success" => Ok(data),
        _ => Err(format!("the answer has status {:?} or no data", read.status)),
    }
}

#[derive(Deserialize)]
struct QueryData {
    #[serde(rename = "resultType")]
    kind: String,
    result: Vec<Element>,
    #[serde(flatten)]
    _more: More,
}

/// Of `result`: a series, or one of the two of a scalar or text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Series(Box<One>),
    Number(f64),
    Text(String),
}

#[derive(Deserialize)]
struct One {
    metric: BTreeMap<String, String>,
    value: Option<(f64, String)>,
    histogram: Option<(f64, Native)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<(f64, Native)>,
    #[serde(flatten)]
    _more: More,
}

/// A native histogram.
#[derive(Deserialize)]
struct Native {
    count: String,
    sum: String,
    #[serde(default)]
    buckets: Vec<(u8, String, String, String)>,
    #[serde(flatten)]
    _more: More,
}

/// What a query came to.
///
/// # Errors
/// It is none of Prometheus's answers.
pub(super) fn answer(text: &str) -> Result<Answer, String> {
    let QueryData { kind, result, .. } = data(text)?;
    let point = |result: &[Element]| match result {
        [Element::Number(time), Element::Text(text)] => Ok((ms(*time), text.clone())),
        _ => Err(format!("a {kind} is a time and a text")),
    };
    let series = |result: Vec<Element>| {
        let one = |element| match element {
            Element::Series(one) => Ok(*one),
            _ => Err(format!("a {kind} is of series")),
        };
        result.into_iter().map(one).collect::<Result<Vec<One>, String>>()
    };
    Ok(match &*kind {
        "scalar" => {
            let (time_ms, text) = point(&result)?;
            Answer::Scalar { time_ms, value: number(&text)? }
        }
        "string" => {
            let (time_ms, value) = point(&result)?;
            Answer::Text { time_ms, value }
        }
        "vector" => {
            Answer::Vector(series(result)?.into_iter().map(instant).collect::<Result<_, _>>()?)
        }
        "matrix" => {
            Answer::Matrix(series(result)?.into_iter().map(range).collect::<Result<_, _>>()?)
        }
        other => return Err(format!("{other:?} is no type of a result")),
    })
}

fn instant(one: One) -> Result<InstantSample, String> {
    let (time, value) = match (one.value, one.histogram) {
        (Some((time, text)), None) => (time, Sample::Float(number(&text)?)),
        (None, Some((time, native))) => (time, Sample::Histogram(Arc::new(distribution(native)?))),
        _ => return Err("a series has one value".to_owned()),
    };
    Ok(InstantSample { labels: Labels::new(one.metric), time_ms: ms(time), value })
}

fn range(one: One) -> Result<SampleRange, String> {
    let floats = one.values.into_iter().map(|(time, text)| Ok((ms(time), number(&text)?)));
    let floats = floats.collect::<Result<Vec<_>, String>>()?;
    let native = |(time, native)| Ok((ms(time), Arc::new(distribution(native)?)));
    let histograms = one.histograms.into_iter().map(native).collect::<Result<Vec<_>, String>>()?;
    // Whoever evaluates them relies on it.
    if !floats.is_sorted_by(|a, b| a.0 < b.0) || !histograms.is_sorted_by(|a, b| a.0 < b.0) {
        return Err("the times of a series do not rise".to_owned());
    }
    Ok(SampleRange { labels: Labels::new(one.metric), floats, histograms })
}

fn distribution(native: Native) -> Result<Distribution, String> {
    let bucket = |(_, lower, upper, count): (u8, String, String, String)| {
        Ok(Bucket { lower: number(&lower)?, upper: number(&upper)?, count: number(&count)? })
    };
    let buckets = native.buckets.into_iter().map(bucket).collect::<Result<Vec<_>, String>>()?;
    Ok(Distribution::new(number(&native.count)?, number(&native.sum)?, buckets))
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{:.30?} is no number", text))
}

/// Seconds as milliseconds; what is no time is one beyond all others.
fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// A list of names.
///
/// # Errors
/// It is none.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let mut names: Vec<String> = data(text)?;
    names.sort();
    Ok(names)
}

#[derive(Deserialize)]
struct OneMetadata {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    help: String,
    #[serde(default)]
    unit: String,
    #[serde(flatten)]
    _more: More,
}

/// What is known of metrics.
///
/// # Errors
/// It is nothing of the kind.
pub(super) fn metadata(text: &str) -> Result<Vec<Metadata>, String> {
    let all: BTreeMap<String, Vec<OneMetadata>> = data(text)?;
    let of = |metric: String, one: OneMetadata| {
        let kinds = ["counter", "gauge", "histogram", "summary", "info", "stateset"];
        let kind = kinds.into_iter().find(|kind| *kind == one.kind).unwrap_or("unknown");
        Metadata { metric, kind, help: one.help, unit: one.unit }
    };
    let flat = all
        .into_iter()
        .flat_map(|(metric, ones)| ones.into_iter().map(move |one| of(metric.clone(), one)));
    Ok(flat.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn success(data: &str) -> String {
        format!(r#"{{"status":"success","data":{data}}}"#)
    }

    #[test]
    fn all_types_of_results_are_read() {
        let read = |kind: &str, result: &str| {
            answer(&success(&format!(r#"{{"resultType":"{kind}","result":{result}}}"#)))
        };
        let scalar = Answer::Scalar { time_ms: 5_250, value: f64::INFINITY };
        assert_eq!(read("scalar", r#"[5.25,"+Inf"]"#), Ok(scalar));
        let text = Answer::Text { time_ms: -1_000, value: "x\n".to_owned() };
        assert_eq!(read("string", r#"[-1,"x\n"]"#), Ok(text));
        let labels = Labels::new([("__name__", "a"), ("b", "c")]);
        let one = InstantSample { labels, time_ms: 1, value: Sample::Float(2.0) };
        let vector = r#"[{"metric":{"__name__":"a","b":"c"},"value":[0.001,"2"]}]"#;
        assert_eq!(read("vector", vector), Ok(Answer::Vector(vec![one])));
        let matrix = r#"[{"metric":{},"values":[[1,"NaN"],[2,"1e+300"]],
            "histograms":[[3,{"count":"3","sum":"4.5","buckets":[[0,"1","2","1"],[0,"2","4","2"]]}]]}]"#;
        let Ok(Answer::Matrix(series)) = read("matrix", matrix) else { panic!("no matrix") };
        assert!(series[0].floats[0].1.is_nan() && series[0].floats[1] == (2_000, 1e300));
        let (time, histogram) = &series[0].histograms[0];
        assert_eq!((*time, histogram.count(), histogram.sum()), (3_000, 3.0, 4.5));
        assert_eq!(histogram.buckets().len(), 2);
        for (kind, result) in [
            ("scalar", "[5]"),
            ("scalar", r#"["5","6"]"#),
            ("vector", "[5]"),
            ("vector", r#"[{"metric":{}}]"#),
            ("matrix", r#"[{"metric":{},"values":[[2,"1"],[1,"1"]]}]"#),
            ("matrix", r#"[{"metric":{},"values":[[1,"x"]]}]"#),
            ("vector", r#"[[{},[1,"2"],null,[],[]]]"#),
            ("other", "[]"),
        ] {
            assert!(read(kind, result).is_err(), "{kind} {result}");
        }
    }

    #[test]
    fn shapes_are_told_apart() {
        let result = success(r#"{"resultType":"vector","result":[{"anything":[1]}]}"#);
        let (list, object) = (success(r#"["a"]"#), success(r#"{"a":{}}"#));
        assert!(Shape::Result.check(&result).is_ok() && Shape::List.check(&list).is_ok());
        assert!(Shape::Object.check(&object).is_ok());
        assert!(Shape::Result.check(&list).is_err() && Shape::List.check(&object).is_err());
        for text in [
            "",
            "<html>",
            "{}",
            r#"{"status":"success"}"#,
            r#"{"status":"error","errorType":"bad_data","error":"x"}"#,
            r#"{"status":"success","data":["a"]"#,
            r#"{"status":"success","data":["a"]} x"#,
            r#"["success",["a"],"",""]"#,
        ] {
            assert!(Shape::List.check(text).is_err(), "{text}");
        }
        assert!(answer(&success(r#"["scalar",[1,"2"]]"#)).is_err());
        let said = error(r#"{"status":"error","errorType":"bad_data","error":"x"}"#);
        assert_eq!(said, Some(("bad_data".to_owned(), "x".to_owned())));
        assert_eq!(error(r#"{"error":"x"}"#), None);
    }
}
