//! `/api/v1/heatmap`: where the values of a histogram lie over time. An expression that results in histograms, as
//! `increase(wait_seconds[5s])` does, is evaluated at steps as `query_range` does it; all series of a step together are a column.
//!
//! HDR histograms have hundreds of buckets, of which a screen shows few: rows are fractions of an octave
//! ([`RESOLUTION`] to each), the same for every column of every answer, so that columns can be put side by side and added. A
//! value `v` is in the row `floor(log2(v) * RESOLUTION)`. A bucket that is wider than a row (of a classic histogram) is spread evenly
//! over its rows.
//!
//! ```json
//! {"resolution":4,"columns":[{"time":1700000000,"count":12,"zero":0,"quantiles":[0.0001],"first":-53,"counts":[3,0,9]}]}
//! ```
//!
//! `first` is the row of the first of `counts`, `zero` the number of values that are zero, or less; `quantiles` are those of the whole
//! column that parameters `quantile` asked for, of the buckets as they were before they became rows. Classic histograms are understood
//! as well: series that differ in `le`.

use super::form::Form;
use super::write::{Text, number, seconds};
use super::{Api, Data, Failure, bounds, query, range_of};
use crate::limits::MAX_HEATMAP_COLUMNS;
use crate::query::{Answer, Bucket, Distribution, Labels, QueryError, Sample, Settings};
use std::collections::BTreeMap;

/// Rows to an octave.
const RESOLUTION: f64 = 4.0;

/// Values of all series of a step.
type Columns = BTreeMap<i64, Distribution>;

impl Api {
    /// The `data` of the call.
    pub(super) fn heatmap(&self, mut settings: Settings, form: &Form) -> Data {
        let (span, step_ms) = range_of(form)?;
        if (span.1 - span.0) / step_ms >= MAX_HEATMAP_COLUMNS as i64 {
            let why =
                format!("a heat map has {MAX_HEATMAP_COLUMNS} columns at most; take a longer step");
            return Err(Failure::bad_data(why));
        }
        bounds(&mut settings, form)?;
        let answer = query(form)?.range(&*self.source, span, step_ms, &settings)?;
        Ok((written(&columns(&answer)?, &quantiles(form)?)?, false))
    }
}

/// The quantiles that are asked for.
pub(super) fn quantiles(form: &Form) -> Result<Vec<f64>, Failure> {
    let one = |text: &str| text.parse().ok().filter(|quantile| (0.0..=1.0).contains(quantile));
    let all = form.all("quantile").map(|text| {
        one(text)
            .ok_or_else(|| Failure::parameter("quantile", "a quantile is a number from 0 to 1"))
    });
    all.collect()
}

/// An answer as a heat map.
///
/// # Errors
/// It is of numbers that are no buckets either.
pub(super) fn columns(answer: &Answer) -> Result<Columns, QueryError> {
    let mut columns = Columns::new();
    let mut add = |time, histogram: &Distribution| columns.entry(time).or_default().add(histogram);
    let mut classic = Classic::new();
    match answer {
        Answer::Matrix(ranges) => {
            for range in ranges {
                range.histograms.iter().for_each(|(time, histogram)| add(*time, histogram));
                for (time, value) in &range.floats {
                    note(&mut classic, *time, &range.labels, *value)?;
                }
            }
        }
        Answer::Vector(samples) => {
            for sample in samples {
                match &sample.value {
                    Sample::Histogram(histogram) => add(sample.time_ms, histogram),
                    Sample::Float(value) => {
                        note(&mut classic, sample.time_ms, &sample.labels, *value)?
                    }
                }
            }
        }
        _ => return Err(no_buckets()),
    }
    for ((time, _), bounds) in classic {
        add(time, &of_bounds(bounds));
    }
    Ok(columns)
}

fn no_buckets() -> QueryError {
    QueryError::invalid(
        "a heat map is of histograms, as increase(wait_seconds[5s]) has them, or of series with a label le",
    )
}

/// Cumulative counts up to bounds, by time and the labels beside `le`.
type Classic = BTreeMap<(i64, Labels), Vec<(f64, f64)>>;

fn note(classic: &mut Classic, time: i64, labels: &Labels, value: f64) -> Result<(), QueryError> {
    let bound =
        labels.get("le").and_then(|bound| bound.parse::<f64>().ok()).ok_or_else(no_buckets)?;
    let others = labels.iter().filter(|(name, _)| *name != "le");
    classic.entry((time, Labels::new(others))).or_default().push((bound, value));
    Ok(())
}

fn of_bounds(mut bounds: Vec<(f64, f64)>) -> Distribution {
    bounds.retain(|(_, count)| count.is_finite());
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut lower, mut before) = (0.0, 0.0);
    let mut buckets = Vec::with_capacity(bounds.len());
    for (bound, count) in bounds {
        // Nobody knows how far the last one reaches.
        let upper = if bound.is_finite() { bound } else { lower };
        buckets.push(Bucket {
            lower: f64::min(lower, upper),
            upper,
            count: f64::max(count - before, 0.0),
        });
        (lower, before) = (upper, f64::max(count, before));
    }
    Distribution::new(before, f64::NAN, buckets)
}

/// A column in rows: how many values are not above zero, the first row, and what is in it and in those above it.
fn rows(column: &Distribution) -> (f64, i32, Vec<f64>) {
    let mut zero = 0.0;
    let mut rows: BTreeMap<i32, f64> = BTreeMap::new();
    for bucket in column.buckets().iter().filter(|bucket| bucket.count > 0.0) {
        if bucket.upper <= 0.0 {
            zero += bucket.count;
            continue;
        }
        // The first bucket of a classic histogram begins at zero, which has no logarithm.
        let lower = if bucket.lower > 0.0 { bucket.lower } else { bucket.upper / 2.0 };
        let at = |value: f64| value.log2() * RESOLUTION;
        let (from, to) = (at(lower), at(bucket.upper));
        let (first, last) = (from.floor() as i32, to.floor() as i32);
        let narrow = to - from < 1.0;
        if narrow {
            // As a bucket of an HDR histogram: a part of a row, or on the border of two.
            *rows.entry(((from + to) / 2.0).floor() as i32).or_default() += bucket.count;
            continue;
        }
        for row in first..=last {
            let part = (to.min(f64::from(row) + 1.0) - from.max(f64::from(row))) / (to - from);
            *rows.entry(row).or_default() += bucket.count * part;
        }
    }
    let (Some(first), Some(last)) = (rows.keys().next().copied(), rows.keys().next_back().copied())
    else {
        return (zero, 0, Vec::new());
    };
    let count = |row| rows.get(&row).copied().unwrap_or_default();
    (zero, first, (first..=last).map(count).collect())
}

/// As JSON.
///
/// # Errors
/// It is too long.
pub(super) fn written(columns: &Columns, quantiles: &[f64]) -> Result<String, QueryError> {
    let mut out = Text(format!("{{\"resolution\":{RESOLUTION},\"columns\":"));
    out.list(columns, |out, (time, column)| {
        let (zero, first, counts) = rows(column);
        out.0.push_str("{\"time\":");
        seconds(&mut out.0, *time);
        for (name, value) in [(",\"count\":", column.count()), (",\"zero\":", zero)] {
            out.0.push_str(name);
            number(&mut out.0, rounded(value));
        }
        out.0.push_str(",\"quantiles\":");
        out.list(quantiles, |out, quantile| {
            match column.quantile(*quantile) {
                value if value.is_finite() => number(&mut out.0, value),
                _ => out.0.push_str("null"),
            }
            Ok(())
        })?;
        // Writing to a string does not fail.
        let _ =
            std::fmt::Write::write_fmt(&mut out.0, format_args!(",\"first\":{first},\"counts\":"));
        out.list(counts, |out, count| {
            number(&mut out.0, rounded(count));
            Ok(())
        })?;
        out.0.push('}');
        Ok(())
    })?;
    out.0.push('}');
    Ok(out.0)
}

/// Thousandths will do: counts are extrapolated to the window.
fn rounded(count: f64) -> f64 {
    if count.is_finite() { (count * 1_000.0).round() / 1_000.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::InstantSample;
    use std::sync::Arc;

    fn bucket(lower: f64, upper: f64, count: f64) -> Bucket {
        Bucket { lower, upper, count }
    }

    #[test]
    fn values_are_in_the_row_of_their_logarithm() {
        let fine = vec![
            bucket(0.0, 0.0, 2.0),
            bucket(1.0, 1.01, 3.0),
            bucket(1.5, 1.51, 4.0),
            bucket(4.0, 4.04, 5.0),
        ];
        let (zero, first, counts) = rows(&Distribution::new(14.0, 0.0, fine));
        assert_eq!((zero, first), (2.0, 0));
        assert_eq!(counts, [3.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
    }

    #[test]
    fn a_wide_bucket_is_spread_and_nothing_is_lost() {
        let (zero, first, counts) =
            rows(&Distribution::new(8.0, 0.0, vec![bucket(0.25, 1.0, 8.0)]));
        assert_eq!((zero, first, &counts[..8]), (0.0, -8, &[1.0; 8][..]));
        assert_eq!(counts.iter().sum::<f64>(), 8.0);
        assert_eq!(rows(&Distribution::default()), (0.0, 0, Vec::new()));
    }

    #[test]
    fn classic_histograms_are_understood_and_numbers_are_refused() {
        let sample = |labels: &[(&str, &str)], value| InstantSample {
            labels: Labels::new(labels.iter().copied()),
            time_ms: 1_500,
            value: Sample::Float(value),
        };
        let buckets = [("0.5", 2.0), ("1", 5.0), ("+Inf", 5.0)];
        let buckets = buckets.map(|(bound, count)| sample(&[("le", bound), ("a", "b")], count));
        let columns = columns(&Answer::Vector(buckets.into())).unwrap();
        let (_, first, counts) = rows(&columns[&1_500]);
        assert_eq!((first, counts.iter().sum::<f64>()), (-8, 5.0));
        let text = written(&columns, &[0.4]).unwrap();
        let wanted = r#"{"resolution":4,"columns":[{"time":1.500,"count":5,"zero":0,"quantiles":[0.5],"first":-8,"counts":["#;
        assert!(text.starts_with(wanted), "{text}");
        let refused = super::columns(&Answer::Vector(vec![sample(&[("a", "b")], 1.0)]));
        assert!(refused.unwrap_err().to_string().contains("le"));
    }

    #[test]
    fn columns_of_several_series_are_added() {
        let one = Arc::new(Distribution::new(1.0, 1.0, vec![bucket(1.0, 1.0, 1.0)]));
        let sample = |name| InstantSample {
            labels: Labels::new([("a", name)]),
            time_ms: 0,
            value: Sample::Histogram(one.clone()),
        };
        let columns = columns(&Answer::Vector(vec![sample("x"), sample("y")])).unwrap();
        assert_eq!(rows(&columns[&0]), (0.0, 0, vec![2.0]));
    }
}
