//! Any text as the answer of a query backend: an error that says why, or what is in it.
//!
//! The oracle is a second reader, over a tree of JSON: where one finds an answer, so does the other, and it is the same.

use serde_json::Value;
use tachometer::backend::parse_answer;
use tachometer::query::{Answer, Labels, Sample};

/// Labels, times, and the bits of numbers; of histograms how many there are.
type Flat = Vec<(Labels, Vec<(i64, u64)>, usize)>;

pub fn run(text: &str) {
    match parse_answer(text) {
        Ok(answer) => {
            let tree: Value = serde_json::from_str(text).expect("JSON, if it has an answer");
            assert_eq!(tree["status"], "success");
            let kind = match &answer {
                Answer::Scalar { .. } => "scalar",
                Answer::Text { .. } => "string",
                Answer::Vector(_) => "vector",
                Answer::Matrix(_) => "matrix",
            };
            assert_eq!(tree["data"]["resultType"], kind);
            assert_eq!(flat(&answer), naive(&tree["data"]), "{text}");
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

fn bits(value: f64) -> u64 {
    // One NaN is as another.
    if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }
}

fn flat(answer: &Answer) -> Flat {
    match answer {
        Answer::Scalar { time_ms, value } => {
            vec![(Labels::empty(), vec![(*time_ms, bits(*value))], 0)]
        }
        Answer::Text { time_ms, .. } => vec![(Labels::empty(), vec![(*time_ms, 0)], 0)],
        Answer::Vector(samples) => samples
            .iter()
            .map(|sample| match &sample.value {
                Sample::Float(value) => {
                    (sample.labels.clone(), vec![(sample.time_ms, bits(*value))], 0)
                }
                Sample::Histogram(_) => (sample.labels.clone(), Vec::new(), 1),
            })
            .collect(),
        Answer::Matrix(ranges) => ranges
            .iter()
            .map(|range| {
                assert!(range.floats.is_sorted_by(|a, b| a.0 < b.0), "times rise");
                assert!(range.histograms.is_sorted_by(|a, b| a.0 < b.0), "times rise");
                let floats = range.floats.iter().map(|(time, value)| (*time, bits(*value)));
                (range.labels.clone(), floats.collect(), range.histograms.len())
            })
            .collect(),
    }
}

fn point(value: &Value) -> (i64, u64) {
    let time = (value[0].as_f64().expect("a time") * 1000.0).round() as i64;
    (time, bits(value[1].as_str().expect("a text").parse().expect("a number")))
}

fn naive(data: &Value) -> Flat {
    let result = &data["result"];
    let all = result.as_array().expect("a list");
    match data["resultType"].as_str() {
        Some("scalar") => return vec![(Labels::empty(), vec![point(result)], 0)],
        Some("string") => {
            let time = (result[0].as_f64().expect("a time") * 1000.0).round() as i64;
            return vec![(Labels::empty(), vec![(time, 0)], 0)];
        }
        _ => {}
    }
    let series = |one: &Value| {
        let pair = |(name, value): (&String, &Value)| {
            (name.clone(), value.as_str().expect("a label").to_owned())
        };
        let labels = Labels::new(one["metric"].as_object().expect("labels").iter().map(pair));
        let is_vector = data["resultType"] == "vector";
        let list = |name: &str| one[name].as_array().cloned().unwrap_or_default();
        let (floats, histograms) = match is_vector {
            true => {
                let given = |name: &str| one.get(name).filter(|value| !value.is_null());
                (given("value").into_iter().map(point).collect(), given("histogram").iter().count())
            }
            false => (list("values").iter().map(point).collect(), list("histograms").len()),
        };
        (labels, floats, histograms)
    };
    all.iter().map(series).collect()
}
