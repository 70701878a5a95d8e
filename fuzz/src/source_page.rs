//! Any bytes as what a source reads: a page in each format, and JSON with a mapping.
//!
//! The oracles: what is read of a page, written down again by a naive writer, is read the same; what a mapping finds, a naive
//! walk over the tree of JSON finds, too.

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tachometer::source::{Mapping, MetricMapping, PageFormat, SampleKind, SampleValue, Samples};

/// The input as it stands: its first byte says which format the rest is.
#[derive(Debug)]
pub struct Plan(Vec<u8>);

impl<'a> Arbitrary<'a> for Plan {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Plan> {
        let all = input.len();
        Ok(Plan(input.bytes(all)?.to_vec()))
    }

    fn arbitrary_take_rest(input: Unstructured<'a>) -> Result<Plan> {
        Ok(Plan(input.take_rest().to_vec()))
    }
}

/// Numbers by name and labels; one NaN is as another.
type Flat = BTreeMap<(String, Vec<(String, String)>), Vec<u64>>;

pub fn run(plan: &Plan) {
    let Some((format, bytes)) = plan.0.split_first() else { return };
    let format = match format % 5 {
        0 => PageFormat::Text,
        1 => PageFormat::OpenMetrics,
        2 => PageFormat::Protobuf,
        3 => PageFormat::Json,
        _ => return mapped(bytes),
    };
    match Samples::parse(format, bytes) {
        Ok(samples) => {
            assert!(samples.weight() >= samples.len());
            let numbers = flat(&samples);
            let page = written(&samples);
            let again = Samples::parse(PageFormat::Text, page.as_bytes())
                .unwrap_or_else(|error| panic!("{error}\n{page}"));
            assert_eq!(flat(&again), numbers, "{page}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Those that a page of text can have: with names.
fn numbers(samples: &Samples) -> impl Iterator<Item = (&str, &[(String, String)], f64)> {
    fn named(labels: &[(String, String)]) -> bool {
        labels.iter().all(|label| !label.0.is_empty())
    }
    let families = samples.families.iter().filter(|family| !family.name.is_empty());
    families.flat_map(move |family| {
        family.series.iter().filter_map(|one| match one.value {
            SampleValue::Number(value) if named(&one.labels) => {
                Some((&*family.name, &one.labels[..], value))
            }
            _ => None,
        })
    })
}

fn flat(samples: &Samples) -> Flat {
    let mut flat = Flat::new();
    for (name, labels, value) in numbers(samples) {
        // An empty label is as good as none.
        let labels = labels.iter().filter(|(_, value)| !value.is_empty()).cloned().collect();
        let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
        flat.entry((name.to_owned(), labels)).or_default().push(bits);
    }
    flat
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// All names in quotes, no types.
fn written(samples: &Samples) -> String {
    let mut page = String::new();
    for (name, labels, value) in numbers(samples) {
        let _ = write!(page, "{{{}", quoted(name));
        for (label, value) in labels {
            let _ = write!(page, ",{}={}", quoted(label), quoted(value));
        }
        let _ = writeln!(page, "}} {value:?}");
    }
    page
}

fn mapped(bytes: &[u8]) {
    let metric = |name: &str, kind, path: &str| MetricMapping::new(name, kind, path).optional(true);
    let numbers = metric("numbers", SampleKind::Gauge, "a[*].b").label_path("of", "a[*].id");
    let mapping = Mapping::new([
        numbers,
        metric("histogram", SampleKind::Histogram, "h"),
        metric("summary", SampleKind::Summary, "s.*"),
    ])
    .expect("a mapping");
    let Ok(samples) = mapping.read(bytes) else { return };
    let tree: Value = serde_json::from_slice(bytes).expect("JSON, if it was read");
    let elements: Vec<&Value> = match &tree["a"] {
        Value::Array(all) => all.iter().collect(),
        Value::Object(all) => all.values().collect(),
        _ => Vec::new(),
    };
    let there = elements.iter().filter(|one| one.get("b").is_some_and(|value| !value.is_null()));
    let found = &samples.families[0].series;
    assert_eq!(found.len(), there.clone().count());
    for (one, element) in found.iter().zip(there) {
        if let (Some(number), SampleValue::Number(value)) = (element["b"].as_f64(), &one.value) {
            assert_eq!(number, *value);
        }
        if let Some(text) = element["id"].as_str() {
            assert_eq!(one.label("of").unwrap_or_default(), text);
        }
    }
    for family in &samples.families[1..] {
        for one in &family.series {
            if let SampleValue::Classic(histogram) = &one.value {
                assert!(histogram.buckets.is_sorted_by(|a, b| a.0 < b.0));
                assert!(histogram.buckets.last().is_none_or(|last| last.0 == f64::INFINITY));
            }
        }
    }
}
