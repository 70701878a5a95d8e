//! Two answers to one query, brought into one form and compared.

use crate::memory::Memory;
use crate::remote::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use tachometer::query::{Answer, Distribution, Query, Sample, Settings};

/// What a query is asked for.
#[derive(Clone, Copy, Debug)]
pub enum When {
    At(i64),
    /// From, to, step.
    Range(i64, i64, i64),
}

#[derive(Clone, Debug)]
enum Point {
    Float(f64),
    /// Count, sum, and the buckets' bounds and counts.
    Histogram(f64, f64, Vec<[f64; 3]>),
}

/// A series' points by time, by the series' labels. Labels as JSON has them.
type Form = BTreeMap<String, BTreeMap<i64, Point>>;

/// An answer: its form, and of instant vectors the order.
struct Reply {
    kind: &'static str,
    form: Form,
    order: Vec<f64>,
}

fn number(value: &Value) -> f64 {
    match value.as_str().unwrap() {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

fn time(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 1000.0).round() as i64
}

fn histogram(value: &Value) -> Point {
    let buckets = value["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let bucket = |bucket: &Value| [1, 2, 3].map(|index| number(&bucket[index]));
    let buckets = buckets.iter().map(bucket).collect();
    Point::Histogram(number(&value["count"]), number(&value["sum"]), buckets)
}

fn theirs(data: &Value) -> Reply {
    let mut form = Form::new();
    let mut order = Vec::new();
    let kind = match data["resultType"].as_str().unwrap() {
        "scalar" => "scalar",
        "string" => "string",
        "vector" => "vector",
        _ => "matrix",
    };
    if kind == "scalar" {
        let result = &data["result"];
        let point = (time(&result[0]), Point::Float(number(&result[1])));
        form.entry(String::new()).or_default().extend([point]);
        return Reply { kind, form, order };
    }
    if kind == "string" {
        form.insert(data["result"][1].as_str().unwrap().to_owned(), BTreeMap::new());
        return Reply { kind, form, order };
    }
    for series in data["result"].as_array().unwrap() {
        let labels: BTreeMap<_, _> = series["metric"].as_object().unwrap().iter().collect();
        let points = form.entry(serde_json::to_string(&labels).unwrap()).or_default();
        let list = |name: &str| series[name].as_array().cloned().unwrap_or_default();
        let mut floats = list("values");
        if let Some(value) = series.get("value") {
            order.push(number(&value[1]));
            floats.push(value.clone());
        }
        let mut histograms = list("histograms");
        histograms.extend(series.get("histogram").cloned());
        points.extend(floats.iter().map(|at| (time(&at[0]), Point::Float(number(&at[1])))));
        points.extend(histograms.iter().map(|at| (time(&at[0]), histogram(&at[1]))));
    }
    Reply { kind, form, order }
}

fn of_distribution(distribution: &Distribution) -> Point {
    let buckets = distribution.buckets().iter();
    let buckets = buckets.map(|bucket| [bucket.lower, bucket.upper, bucket.count]).collect();
    Point::Histogram(distribution.count(), distribution.sum(), buckets)
}

fn ours(answer: Answer) -> Reply {
    let mut form = Form::new();
    let mut order = Vec::new();
    let key = |labels: &tachometer::query::Labels| {
        serde_json::to_string(&labels.iter().collect::<BTreeMap<_, _>>()).unwrap()
    };
    let kind = match answer {
        Answer::Scalar { time_ms, value } => {
            form.entry(String::new()).or_default().insert(time_ms, Point::Float(value));
            "scalar"
        }
        Answer::Text { value, .. } => {
            form.insert(value, BTreeMap::new());
            "string"
        }
        Answer::Vector(samples) => {
            for sample in samples {
                order.extend(sample.value.as_float());
                let point = match &sample.value {
                    Sample::Float(value) => Point::Float(*value),
                    Sample::Histogram(histogram) => of_distribution(histogram),
                };
                let before =
                    form.entry(key(&sample.labels)).or_default().insert(sample.time_ms, point);
                assert!(before.is_none(), "{} comes twice", sample.labels);
            }
            "vector"
        }
        Answer::Matrix(ranges) => {
            assert!(ranges.is_sorted_by(|a, b| a.labels < b.labels));
            for range in ranges {
                let points = form.entry(key(&range.labels)).or_default();
                points
                    .extend(range.floats.iter().map(|(time, value)| (*time, Point::Float(*value))));
                points.extend(range.histograms.iter().map(|(time, h)| (*time, of_distribution(h))));
            }
            "matrix"
        }
    };
    Reply { kind, form, order }
}

/// Whether two numbers are the same but for rounding: relative 1e-9; absolute 1e-12 where sums of numbers of usual size come to
/// nothing, and what is left is rounding.
pub fn near(a: f64, b: f64) -> bool {
    let allowed = (1e-9 * a.abs().max(b.abs())).max(1e-12);
    (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= allowed
}

fn same(a: &Point, b: &Point) -> bool {
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => near(*a, *b),
        (Point::Histogram(count, sum, buckets), Point::Histogram(c, s, others)) => {
            let pairs = || buckets.iter().zip(others);
            near(*count, *c)
                && near(*sum, *s)
                && buckets.len() == others.len()
                && pairs().all(|(a, b)| (0..3).all(|index| near(a[index], b[index])))
        }
        _ => false,
    }
}

/// How two replies differ.
fn difference(ours: &Reply, theirs: &Reply, ordered: bool) -> Option<String> {
    if ours.kind != theirs.kind {
        return Some(format!("a {}, not a {}", ours.kind, theirs.kind));
    }
    for (labels, points) in &theirs.form {
        let Some(own) = ours.form.get(labels) else { return Some(format!("{labels} is missing")) };
        for (time, point) in points {
            match own.get(time) {
                Some(other) if same(other, point) => {}
                other => return Some(format!("{labels} at {time}: {other:?}, not {point:?}")),
            }
        }
        if let Some((time, point)) = own.iter().find(|(time, _)| !points.contains_key(time)) {
            return Some(format!("{labels} at {time}: {point:?}, not nothing"));
        }
    }
    if let Some(labels) = ours.form.keys().find(|labels| !theirs.form.contains_key(*labels)) {
        return Some(format!("{labels} is there, and should not"));
    }
    let alike = ours.order.iter().zip(&theirs.order).all(|(a, b)| near(*a, *b));
    (ordered && !alike).then(|| format!("order {:?}, not {:?}", ours.order, theirs.order))
}

/// How a comparison ended, where the two agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// With something in the answers.
    Points,
    /// Both have nothing.
    Empty,
    /// Both refuse.
    Error,
}

/// Asks both.
pub fn compare(
    connection: &mut Connection,
    memory: &Memory,
    text: &str,
    when: When,
) -> Result<Agreement, String> {
    let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1000), ms.rem_euclid(1000));
    let settings = Settings::default();
    let own = Query::parse(text).and_then(|query| match when {
        When::At(time) => query.instant(memory, time, &settings),
        When::Range(from, to, step) => query.range(memory, (from, to), step, &settings),
    });
    let asked = ("query", text.to_owned());
    let answer = match when {
        When::At(time) => connection.query("/api/v1/query", &[asked, ("time", seconds(time))]),
        When::Range(from, to, step) => {
            let times = [("start", seconds(from)), ("end", seconds(to)), ("step", seconds(step))];
            let [start, end, step] = times;
            connection.query("/api/v1/query_range", &[asked, start, end, step])
        }
    };
    match (own, answer) {
        (Ok(own), Ok(answer)) => {
            let (own, answer) = (ours(own), theirs(&answer));
            let ordered = ["sort", "topk", "bottomk"].iter().any(|name| text.starts_with(name));
            match difference(&own, &answer, ordered) {
                None if answer.form.is_empty() => Ok(Agreement::Empty),
                None => Ok(Agreement::Points),
                Some(difference) => Err(difference),
            }
        }
        (Err(_), Err(_)) => Ok(Agreement::Error),
        (Ok(_), Err(error)) => Err(format!("an answer, not the error {error}")),
        (Err(error), Ok(answer)) => Err(format!("the error {error}, not {answer}")),
    }
}
