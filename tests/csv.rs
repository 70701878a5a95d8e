//! Comma-separated values, read by the `csv` crate.

mod common;
#[path = "common/servers.rs"]
mod servers;

use common::by_hand;
use servers::odd_registry;
use std::collections::{BTreeMap, BTreeSet};
use tachometer::{CsvEncoder, Encoder, Engine, Registry, Snapshot, Value};

type Labels = Vec<(String, String)>;

/// The rows of a page: value by name, labels and statistic.
fn rows(page: &[u8]) -> BTreeMap<(String, Labels, String), String> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(page);
    let columns = ["unix_time_ns", "name", "type", "unit", "labels", "statistic", "value"];
    assert!(reader.headers().unwrap().iter().eq(columns));
    let mut rows = BTreeMap::new();
    for record in reader.records() {
        let record = record.unwrap();
        assert_eq!(&record[0], "1700000000000000000");
        let key = (record[1].to_owned(), labels(&record[4]), record[5].to_owned());
        assert!(rows.insert(key, record[6].to_owned()).is_none(), "{record:?} is there twice");
    }
    rows
}

/// Reads `a="b",c="d"`.
fn labels(text: &str) -> Labels {
    let (mut labels, mut rest) = (Labels::new(), text);
    while !rest.is_empty() {
        let (name, behind) = rest.split_once("=\"").unwrap();
        let (mut value, mut chars) = (String::new(), behind.chars());
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => value.push(match chars.next().unwrap() {
                    'n' => '\n',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        labels.push((name.to_owned(), value));
        rest = chars.as_str();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    labels
}

fn page(encoder: &mut CsvEncoder, engine: &Engine) -> (std::sync::Arc<Snapshot>, Vec<u8>) {
    let snapshot = engine.refresh();
    let page = encoder.to_vec(&snapshot);
    (snapshot, page)
}

#[test]
fn a_csv_reader_finds_every_number() {
    let engine = by_hand(&odd_registry());
    let (snapshot, page) = page(&mut CsvEncoder::new(), &engine);
    let rows = rows(&page);
    let mut seen = BTreeSet::new();
    for series in snapshot.series() {
        let name = series.definition.name.clone();
        let labels = series.labels.to_vec();
        let mut check = |statistic: &str, wanted: f64| {
            let key = (name.clone(), labels.clone(), statistic.to_owned());
            let text = rows.get(&key).unwrap_or_else(|| panic!("{key:?}"));
            let value: f64 = text.parse().unwrap();
            let near = (value - wanted).abs() <= wanted.abs() * 1e-15;
            assert!(
                near || value == wanted || value.is_nan() && wanted.is_nan(),
                "{key:?}: {text}"
            );
            seen.insert(key);
        };
        let divisor = series.definition.unit.divisor() as f64;
        match series.value {
            Value::Counter(count) => check("value", count as f64 / divisor),
            Value::UpDownCounter(count) => check("value", count as f64),
            Value::Gauge(value) => check("value", value),
            Value::Histogram(histogram) => {
                check("count", histogram.count() as f64);
                check("sum", histogram.sum_exported());
                for (name, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
                    if let Some(value) = histogram.quantile(q) {
                        check(name, value as f64 / divisor);
                    }
                }
                if let (Some(min), Some(max)) = (histogram.min(), histogram.max()) {
                    check("min", min as f64 / divisor);
                    check("max", max as f64 / divisor);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen.len(), rows.len(), "nothing else is there");
}

#[test]
fn rows_are_as_documented() {
    let engine = by_hand(&odd_registry());
    let page = String::from_utf8(page(&mut CsvEncoder::new(), &engine).1).unwrap();
    for row in [
        "huge_total,counter,,,value,18446744073709551615",
        "low,up_down_counter,,,value,-9223372036854775808",
        "nan,gauge,,,value,NaN",
        "minus_infinite,gauge,,,value,-Inf",
        "infinite,gauge,,,value,+Inf",
        "spent_seconds_total,counter,seconds,,value,2.500000001",
        "odd_total,counter,,\"odd=\"\"a\\nline\"\"\",value,6",
        "odd_total,counter,,\"odd=\"\"{brace=\\\"\"x\\\"\"}\"\"\",value,10",
        "reserved_total,counter,,\"name=\"\"n\"\",time=\"\"t\"\",value=\"\"v\"\"\",value,7",
        "empty,histogram,,,count,0",
    ] {
        assert!(page.contains(&format!("\r\n1700000000000000000,{row}\r\n")), "{row}\n{page}");
    }
    assert!(!page.contains("empty,histogram,,,p50"));
}

#[test]
fn quantiles_are_a_choice() {
    let registry = Registry::new();
    registry.histogram("size", "Sizes.").unwrap().record(3);
    let mut encoder = CsvEncoder::new().quantiles(&[0.25]).unwrap();
    let rows = rows(&page(&mut encoder, &by_hand(&registry)).1);
    let statistics: Vec<_> = rows.keys().map(|(_, _, statistic)| statistic.as_str()).collect();
    assert_eq!(statistics, ["count", "max", "min", "p25", "sum"]);
    assert!(CsvEncoder::new().quantiles(&[-1.0]).is_err());
}

#[cfg(feature = "json")]
#[test]
fn the_column_with_all_buckets_is_what_hdrhistogram_reads() {
    use hdrhistogram::serialization::Deserializer;
    let engine = by_hand(&odd_registry());
    let (snapshot, page) = page(&mut CsvEncoder::new().with_hdr(true), &engine);
    let rows = rows(&page);
    for (name, labels) in [
        ("size", vec![]),
        ("wait_seconds", vec![("peer".to_owned(), "n 1".to_owned())]),
        ("empty", vec![]),
    ] {
        let text = &rows[&(name.to_owned(), labels, "hdr".to_owned())];
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text);
        let hdr: hdrhistogram::Histogram<u64> =
            Deserializer::new().deserialize(&mut &bytes.unwrap()[..]).unwrap();
        assert_eq!(hdr, snapshot.histogram(name).unwrap().to_hdr());
    }
}
