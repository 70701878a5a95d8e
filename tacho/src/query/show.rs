//! Answers, for people and for programs.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};
use tachometer::query::{Answer, Distribution, Labels, METRIC_NAME, Sample, SampleRange};

use crate::text::short;

/// The lowest to the highest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// An answer for people: a row for each series, with how long before `at_ms` its sample is from, where `times` (the answer to
/// `timestamp(…)`) knows it; of ranges, a row with a line of bars.
pub fn text(answer: &Answer, times: Option<&Answer>, at_ms: i64) -> String {
    match answer {
        Answer::Scalar { value, .. } => format!("{}\n", number(*value)),
        Answer::Text { value, .. } => format!("{value}\n"),
        Answer::Vector(samples) if samples.is_empty() => nothing(at_ms),
        Answer::Vector(samples) => {
            let times = times.map(times_of).unwrap_or_default();
            let mut rows = vec![["SERIES", "VALUE", "AGE"].map(str::to_owned).to_vec()];
            for sample in samples {
                let value = match &sample.value {
                    Sample::Float(value) => number(*value),
                    Sample::Histogram(histogram) => distribution(histogram),
                };
                let time = times.get(&unnamed(&sample.labels));
                let age = time.map(|time| age(at_ms.saturating_sub(*time))).unwrap_or_default();
                rows.push(vec![series(&sample.labels), value, age]);
            }
            if times.is_empty() {
                rows.iter_mut().for_each(|row| row.truncate(2));
            }
            table(&rows)
        }
        Answer::Matrix(ranges) if ranges.is_empty() => nothing(at_ms),
        Answer::Matrix(ranges) => {
            let head = ["SERIES", "FIRST", "LAST", "MIN", "MAX", "POINTS", ""];
            let mut rows = vec![head.map(str::to_owned).to_vec()];
            let times = all_times(ranges);
            rows.extend(ranges.iter().map(|range| row(range, &times)));
            table(&rows)
        }
    }
}

fn nothing(at_ms: i64) -> String {
    format!("no series have this at {}\n", moment(at_ms))
}

/// Seconds since 1970 by series.
fn times_of(answer: &Answer) -> HashMap<Labels, i64> {
    let Answer::Vector(samples) = answer else { return HashMap::new() };
    let time = |sample: &Sample| sample.as_float().map(|seconds| (seconds * 1000.0) as i64);
    samples
        .iter()
        .filter_map(|sample| Some((unnamed(&sample.labels), time(&sample.value)?)))
        .collect()
}

fn unnamed(labels: &Labels) -> Labels {
    Labels::new(labels.iter().filter(|(name, _)| *name != METRIC_NAME))
}

fn series(labels: &Labels) -> String {
    if labels.is_empty() { "{}".to_owned() } else { labels.to_string() }
}

/// The times at which any series has a point.
fn all_times(ranges: &[SampleRange]) -> Vec<i64> {
    let times = |range: &SampleRange| {
        let histograms = range.histograms.iter().map(|(time, _)| *time);
        range.floats.iter().map(|(time, _)| *time).chain(histograms).collect::<Vec<_>>()
    };
    let mut all: Vec<i64> = ranges.iter().flat_map(times).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn row(range: &SampleRange, times: &[i64]) -> Vec<String> {
    // Of distributions the counts: they have no one number that says more.
    let counts = range.histograms.iter().map(|(time, histogram)| (*time, histogram.count()));
    let mut points: Vec<(i64, f64)> = range.floats.iter().copied().chain(counts).collect();
    points.sort_unstable_by_key(|point| point.0);
    let finite = || points.iter().map(|point| point.1).filter(|value| value.is_finite());
    let (low, high) =
        (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let shown = |value: Option<f64>| value.map(number).unwrap_or_default();
    let extreme = |value: f64| shown(value.is_finite().then_some(value));
    vec![
        series(&range.labels),
        shown(points.first().map(|point| point.1)),
        shown(points.last().map(|point| point.1)),
        extreme(low),
        extreme(high),
        points.len().to_string(),
        bars(&points, times, (low, high)),
    ]
}

/// A bar for each time; a blank where there is no number.
fn bars(points: &[(i64, f64)], times: &[i64], (low, high): (f64, f64)) -> String {
    let bar = |time: &i64| {
        let point = points.binary_search_by_key(time, |point| point.0).ok();
        match point.map(|at| points[at].1) {
            Some(value) if value.is_finite() && high > low => {
                // Halves, so that the distance of the largest numbers is still one.
                let part = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
                BARS[((part * 7.0).round() as usize).min(7)]
            }
            Some(value) if value.is_finite() => BARS[3],
            Some(value) if value == f64::INFINITY => '^',
            Some(value) if value == f64::NEG_INFINITY => 'v',
            _ => ' ',
        }
    };
    times.iter().map(bar).collect::<String>().trim_end().to_owned()
}

/// Columns aligned: the first to the left, numbers to the right, bars as they are.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a string does not fail.
            let _ = match column {
                0 => write!(line, "{cell:<width$}"),
                6 => write!(line, "  {cell}"),
                _ => write!(line, "  {cell:>width$}"),
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn distribution(histogram: &Distribution) -> String {
    let [p50, p99] = [0.5, 0.99].map(|q| number(histogram.quantile(q)));
    let (count, sum) = (number(histogram.count()), number(histogram.sum()));
    format!("count {count}, sum {sum}, p50 {p50}, p99 {p99}")
}

/// A number in at most six figures, or as many as a whole number has.
fn number(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let size = value.abs();
    if value.is_nan() || value == value.trunc() && size < 1e15 {
        return format!("{value}");
    }
    if !(1e-5..1e15).contains(&size) {
        return format!("{value:.5e}");
    }
    let digits = (5 - size.log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn age(ms: i64) -> String {
    match u64::try_from(ms) {
        Ok(0) => "0 s".to_owned(),
        Ok(ms) if ms < 60_000 => short(Duration::from_millis(ms)),
        Ok(ms) => humantime::format_duration(Duration::from_secs(ms / 1000)).to_string(),
        // The process's clock is ahead.
        Err(_) => format!("-{}", short(Duration::from_millis(ms.unsigned_abs()))),
    }
}

fn moment(ms: i64) -> String {
    let at =
        u64::try_from(ms).ok().and_then(|ms| UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    // The last that can be written is in the year 9999.
    match at.filter(|_| ms < 253_402_300_800_000) {
        Some(at) => humantime::format_rfc3339_millis(at).to_string(),
        None => format!("{} s", ms as f64 / 1000.0),
    }
}

/// An answer for programs: the `data` of Prometheus's API.
pub fn data(answer: &Answer) -> Value {
    let point = |time: i64, value: Value| json!([time as f64 / 1000.0, value]);
    let float = |time: i64, value: f64| point(time, json!(exact(value)));
    let histogram = |time: i64, value: &Distribution| {
        let bucket = |bucket: &tachometer::query::Bucket| {
            json!([0, exact(bucket.lower), exact(bucket.upper), exact(bucket.count)])
        };
        let buckets: Vec<Value> = value.buckets().iter().map(bucket).collect();
        let (count, sum) = (exact(value.count()), exact(value.sum()));
        point(time, json!({"count": count, "sum": sum, "buckets": buckets}))
    };
    let metric = |labels: &Labels| -> Value {
        labels
            .iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let (kind, result) = match answer {
        Answer::Scalar { time_ms, value } => ("scalar", float(*time_ms, *value)),
        Answer::Text { time_ms, value } => ("string", point(*time_ms, json!(value))),
        Answer::Vector(samples) => {
            let one = |sample: &tachometer::query::InstantSample| match &sample.value {
                Sample::Float(value) => {
                    json!({"metric": metric(&sample.labels), "value": float(sample.time_ms, *value)})
                }
                Sample::Histogram(value) => {
                    json!({"metric": metric(&sample.labels), "histogram": histogram(sample.time_ms, value)})
                }
            };
            ("vector", samples.iter().map(one).collect())
        }
        Answer::Matrix(ranges) => {
            let one = |range: &SampleRange| {
                let mut out = json!({"metric": metric(&range.labels)});
                let floats: Vec<_> =
                    range.floats.iter().map(|(time, value)| float(*time, *value)).collect();
                let histograms =
                    range.histograms.iter().map(|(time, value)| histogram(*time, value));
                let histograms: Vec<_> = histograms.collect();
                if !floats.is_empty() {
                    out["values"] = floats.into();
                }
                if !histograms.is_empty() {
                    out["histograms"] = histograms.into();
                }
                out
            };
            ("matrix", ranges.iter().map(one).collect())
        }
    };
    json!({"resultType": kind, "result": result})
}

/// A number in all its figures, as the API writes it.
fn exact(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tachometer::query::InstantSample;

    #[test]
    fn numbers_have_six_figures() {
        for (value, wanted) in [
            (0.0, "0"),
            (12.0, "12"),
            (123_456_789.0, "123456789"),
            (1.0 / 3.0, "0.333333"),
            (1234.5678, "1234.57"),
            (0.000_012_345, "0.000012345"),
            (1.5e-9, "1.50000e-9"),
            (1e300, "1.00000e300"),
            (-2.5, "-2.5"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(number(value), wanted);
        }
    }

    #[test]
    fn columns_are_aligned_and_ages_shown() {
        let sample = |node: &str, value: f64| InstantSample {
            labels: Labels::new([("__name__", "up"), ("node", node)]),
            time_ms: 10_000,
            value: Sample::Float(value),
        };
        let answer = Answer::Vector(vec![sample("n1", 1.0), sample("node two", -12.5)]);
        let times = Answer::Vector(vec![InstantSample {
            labels: Labels::new([("node", "n1")]),
            time_ms: 10_000,
            value: Sample::Float(8.75),
        }]);
        let wanted = "SERIES               VALUE     AGE\n\
                      up{node=\"n1\"}            1  1.25 s\n\
                      up{node=\"node two\"}  -12.5\n";
        assert_eq!(text(&answer, Some(&times), 10_000), wanted);
        assert!(!text(&answer, None, 10_000).contains("AGE"));
        assert!(text(&Answer::Vector(Vec::new()), None, 0).contains("1970-01-01T00:00:00.000Z"));
        assert!(text(&Answer::Vector(Vec::new()), None, i64::MIN).contains("no series"));
    }

    #[test]
    fn ranges_have_bars_and_gaps() {
        let range = |floats: &[(i64, f64)]| SampleRange {
            labels: Labels::empty(),
            floats: floats.to_vec(),
            histograms: Vec::new(),
        };
        let all = [
            range(&[(0, 0.0), (1, 7.0), (3, f64::INFINITY), (4, f64::NAN), (5, 3.5)]),
            range(&[(2, 1.0), (5, 1.0)]),
        ];
        let shown = text(&Answer::Matrix(all.to_vec()), None, 5);
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[1].ends_with("  ▁█ ^ ▅"), "{shown}");
        assert!(lines[2].ends_with("    ▄  ▄"), "{shown}");
        assert!(lines[1].contains("3.5"), "{shown}");
        let extremes = range(&[(0, f64::MIN), (1, f64::MAX)]);
        assert_eq!(row(&extremes, &[0, 1]).last().unwrap(), "▁█");
    }
}
