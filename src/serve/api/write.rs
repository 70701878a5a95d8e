//! Answers as Prometheus's JSON: numbers of samples as texts, times in seconds.

use crate::limits::MAX_HTTP_ANSWER_BYTES;
use crate::query::{
    Answer, Bucket, Distribution, Labels, Metadata, QueryError, Sample, SampleRange,
};
use crate::serve::json::quote;
use std::fmt::Write as _;

/// What a call is answered with, or why not.
pub(super) type Written = Result<String, QueryError>;

/// A text of bounded length.
#[derive(Debug)]
pub(super) struct Text(pub(super) String);

impl Text {
    /// # Errors
    /// The text is too long.
    pub(super) fn bounded(&self) -> Result<(), QueryError> {
        if self.0.len() > MAX_HTTP_ANSWER_BYTES {
            return Err(QueryError::TooMany {
                what: "bytes of an answer",
                limit: MAX_HTTP_ANSWER_BYTES as u64,
                advice: "ask for fewer series, a shorter time or a longer step, or aggregate",
            });
        }
        Ok(())
    }

    /// Items with commas in between.
    pub(super) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut one: impl FnMut(&mut Text, T) -> Result<(), QueryError>,
    ) -> Result<(), QueryError> {
        self.0.push('[');
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            one(self, item)?;
            self.bounded()?;
        }
        self.0.push(']');
        Ok(())
    }
}

/// The `data` of a query's answer.
///
/// # Errors
/// It is too long.
pub(super) fn answer(answer: &Answer) -> Written {
    let mut out = Text(String::with_capacity(256));
    out.0.push_str("{\"resultType\":");
    match answer {
        Answer::Scalar { time_ms, value } => {
            out.0.push_str("\"scalar\",\"result\":[");
            seconds(&mut out.0, *time_ms);
            out.0.push_str(",\"");
            plain(&mut out.0, *value);
            out.0.push_str("\"]");
        }
        Answer::Text { time_ms, value } => {
            out.0.push_str("\"string\",\"result\":[");
            seconds(&mut out.0, *time_ms);
            out.0.push(',');
            quote(value, &mut out.0);
            out.0.push(']');
        }
        Answer::Vector(samples) => {
            out.0.push_str("\"vector\",\"result\":");
            out.list(samples, |out, sample| {
                out.0.push_str("{\"metric\":");
                labels(&mut out.0, &sample.labels);
                match &sample.value {
                    Sample::Float(value) => {
                        out.0.push_str(",\"value\":");
                        float(&mut out.0, sample.time_ms, *value);
                    }
                    Sample::Histogram(value) => {
                        out.0.push_str(",\"histogram\":");
                        histogram(&mut out.0, sample.time_ms, value);
                    }
                }
                out.0.push('}');
                Ok(())
            })?;
        }
        Answer::Matrix(ranges) => {
            out.0.push_str("\"matrix\",\"result\":");
            out.list(ranges, range)?;
        }
    }
    out.0.push('}');
    Ok(out.0)
}

fn range(out: &mut Text, range: &SampleRange) -> Result<(), QueryError> {
    out.0.push_str("{\"metric\":");
    labels(&mut out.0, &range.labels);
    if !range.floats.is_empty() {
        out.0.push_str(",\"values\":");
        out.list(&range.floats, |out, (time, value)| {
            float(&mut out.0, *time, *value);
            Ok(())
        })?;
    }
    if !range.histograms.is_empty() {
        out.0.push_str(",\"histograms\":");
        out.list(&range.histograms, |out, (time, value)| {
            histogram(&mut out.0, *time, value);
            Ok(())
        })?;
    }
    out.0.push('}');
    Ok(())
}

/// Series as `/api/v1/series` lists them.
pub(super) fn labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (index, (name, value)) in labels.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        quote(name, out);
        out.push(':');
        quote(value, out);
    }
    out.push('}');
}

/// What is known of metrics, by name.
///
/// # Errors
/// It is too long.
pub(super) fn metadata(all: &[Metadata]) -> Written {
    let mut out = Text("{".to_owned());
    for (index, group) in all.chunk_by(|a, b| a.metric == b.metric).enumerate() {
        if index > 0 {
            out.0.push(',');
        }
        quote(&group[0].metric, &mut out.0);
        out.0.push(':');
        out.list(group, |out, one| {
            let fields =
                [("{\"type\":", one.kind), (",\"help\":", &*one.help), (",\"unit\":", &*one.unit)];
            for (name, value) in fields {
                out.0.push_str(name);
                quote(value, &mut out.0);
            }
            out.0.push('}');
            Ok(())
        })?;
    }
    out.0.push('}');
    Ok(out.0)
}

fn float(out: &mut String, time_ms: i64, value: f64) {
    out.push('[');
    seconds(out, time_ms);
    out.push_str(",\"");
    number(out, value);
    out.push_str("\"]");
}

fn histogram(out: &mut String, time_ms: i64, value: &Distribution) {
    out.push('[');
    seconds(out, time_ms);
    out.push_str(",{\"count\":\"");
    number(out, value.count());
    out.push_str("\",\"sum\":\"");
    number(out, value.sum());
    out.push('"');
    let mut before = ",\"buckets\":[[";
    for bucket in value.buckets().iter().filter(|bucket| bucket.count != 0.0) {
        out.push_str(std::mem::replace(&mut before, ",["));
        // Writing to a string does not fail.
        let _ = write!(out, "{}", boundaries(bucket));
        for bound in [bucket.lower, bucket.upper, bucket.count] {
            out.push_str(",\"");
            number(out, bound);
            out.push('"');
        }
        out.push(']');
    }
    if before == ",[" {
        out.push(']');
    }
    out.push_str("}]");
}

/// Which bounds belong to the bucket: the upper one above zero (0), the lower one below (1), both around it (3).
fn boundaries(bucket: &Bucket) -> u8 {
    match (bucket.lower, bucket.upper) {
        (lower, upper) if lower == upper => 3,
        (lower, _) if lower >= 0.0 => 0,
        (_, upper) if upper <= 0.0 => 1,
        _ => 3,
    }
}

/// Milliseconds as seconds, with as many digits as there are.
pub(super) fn seconds(out: &mut String, ms: i64) {
    let (whole, rest) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let sign = if ms < 0 { "-" } else { "" };
    // Writing to a string does not fail.
    let _ = match rest {
        0 => write!(out, "{sign}{whole}"),
        rest => write!(out, "{sign}{whole}.{rest:03}"),
    };
}

/// A number in the fewest digits that mean it: with an exponent below a millionth and from 1e21 on.
pub(super) fn number(out: &mut String, value: f64) {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 || (1e-6..1e21).contains(&size) {
        return plain(out, value);
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    // Writing to a string does not fail.
    let _ = write!(out, "{digits}e{sign}{exponent:0>2}");
}

/// A number without an exponent.
fn plain(out: &mut String, value: f64) {
    // Writing to a string does not fail.
    let _ = match value {
        f64::INFINITY => write!(out, "+Inf"),
        f64::NEG_INFINITY => write!(out, "-Inf"),
        value => write!(out, "{value}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_go_writes_them() {
        for (value, wanted) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (1e300, "1e+300"),
            (-1.5e21, "-1.5e+21"),
            (1e20, "100000000000000000000"),
            (1e-6, "0.000001"),
            (1.25e-7, "1.25e-07"),
            (5e-324, "5e-324"),
        ] {
            let mut out = String::new();
            number(&mut out, value);
            assert_eq!(out, wanted);
        }
    }

    #[test]
    fn histograms_without_buckets_have_no_list() {
        let (mut empty, mut one) = (String::new(), String::new());
        histogram(&mut empty, 1_500, &Distribution::default());
        assert_eq!(empty, r#"[1.500,{"count":"0","sum":"0"}]"#);
        let bucket = Bucket { lower: -1.0, upper: 1.0, count: 2.0 };
        histogram(&mut one, -1_000, &Distribution::new(2.0, 0.5, vec![bucket]));
        assert_eq!(one, r#"[-1,{"count":"2","sum":"0.5","buckets":[[3,"-1","1","2"]]}]"#);
    }
}
