//! OTLP metrics as JSON: proto3's mapping with OTLP's exceptions
//! (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).
//!
//! Names in lowerCamelCase; 64-bit integers are strings, enumerations numbers, identifiers of traces and spans hexadecimal;
//! floats that JSON has no number for are `"NaN"`, `"Infinity"` and `"-Infinity"`.

use super::ended::{EndedMetric, NO_RECORDED_VALUE};
use super::plan::{Format, Metric, REJECTED, nanoseconds, number, ucum};
use super::walk::{HistogramPoint, Number};
use super::{Settings, Temporality};
use crate::Exemplar;
use crate::registry::layout::SeriesLayout;
use crate::registry::{Definition, Kind};
use std::io::Write as _;
use std::ops::Range;

/// What was rendered.
#[derive(Debug, Default)]
pub(super) struct Json {
    /// A part up to its first metric.
    part: Vec<u8>,
    /// A metric up to its first point; a point up to behind its attributes.
    metrics: Vec<u8>,
}

impl Format for Json {
    fn render_envelope(&mut self, settings: &Settings) {
        self.metrics.clear();
        let part = &mut self.part;
        part.clear();
        part.extend_from_slice(b"{\"resource\":{");
        attributes(part, &settings.resource);
        part.extend_from_slice(b"},\"scopeMetrics\":[{\"scope\":{");
        named(part, b"name", env!("CARGO_PKG_NAME"));
        part.push(b',');
        named(part, b"version", env!("CARGO_PKG_VERSION"));
        if !settings.scope.is_empty() {
            part.push(b',');
            attributes(part, &settings.scope);
        }
        part.extend_from_slice(b"},\"metrics\":[");
    }

    fn render_metric(
        &mut self,
        definition: &Definition,
        temporality: Temporality,
        series: &[SeriesLayout],
        points: &mut Vec<Range<usize>>,
    ) -> Range<usize> {
        let from = self.metrics.len();
        head_of(&mut self.metrics, definition, temporality);
        let text = from..self.metrics.len();
        for one in series {
            let from = self.metrics.len();
            self.metrics.push(b'{');
            if !one.labels.is_empty() {
                attributes(&mut self.metrics, &one.labels);
                self.metrics.push(b',');
            }
            points.push(from..self.metrics.len());
        }
        text
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"resourceMetrics\":[");
    }

    fn close(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }

    fn open_part(&self, out: &mut Vec<u8>, first: bool) {
        separate(out, first);
        out.extend_from_slice(&self.part);
    }

    fn close_part(&self, out: &mut Vec<u8>, _: usize) {
        out.extend_from_slice(b"]}]}");
    }

    fn open_metric(&self, out: &mut Vec<u8>, metric: &Metric, first: bool) {
        separate(out, first);
        out.extend_from_slice(&self.metrics[metric.text.clone()]);
    }

    fn close_metric(&self, out: &mut Vec<u8>, _: &Metric, _: usize) {
        out.extend_from_slice(b"]}}");
    }

    fn number(
        &self,
        out: &mut Vec<u8>,
        (_, first): (usize, bool),
        text: &Range<usize>,
        (start, time): (Option<u64>, u64),
        number: Number,
    ) {
        separate(out, first);
        out.extend_from_slice(&self.metrics[text.clone()]);
        if let Some(start) = start {
            integer(out, b"\"startTimeUnixNano\":\"", start);
            out.push(b',');
        }
        integer(out, b"\"timeUnixNano\":\"", time);
        value(out, number);
        out.push(b'}');
    }

    fn histogram(
        &mut self,
        out: &mut Vec<u8>,
        first: bool,
        text: &Range<usize>,
        point: &HistogramPoint<'_>,
    ) {
        let buckets = point.buckets;
        separate(out, first);
        out.extend_from_slice(&self.metrics[text.clone()]);
        integer(out, b"\"startTimeUnixNano\":\"", point.start);
        integer(out, b",\"timeUnixNano\":\"", point.time);
        integer(out, b",\"count\":\"", point.count);
        float(out, b",\"sum\":", point.sum);
        small(out, b",\"scale\":", buckets.scale);
        integer(out, b",\"zeroCount\":\"", buckets.zero_count);
        small(out, b",\"positive\":{\"offset\":", buckets.offset);
        out.extend_from_slice(b",\"bucketCounts\":[");
        for (index, &count) in buckets.counts.iter().enumerate() {
            separate(out, index == 0);
            integer(out, b"\"", count);
        }
        out.extend_from_slice(b"]}");
        if point.source.exemplars.is_some() {
            out.extend_from_slice(b",\"exemplars\":[");
            for (index, (time, value, one)) in point.exemplars().enumerate() {
                separate(out, index == 0);
                exemplar(out, time, value, one);
            }
            out.push(b']');
        }
        if let Some((min, max)) = point.extremes {
            float(out, b",\"min\":", min);
            float(out, b",\"max\":", max);
        }
        out.push(b'}');
    }

    fn ended(&self, out: &mut Vec<u8>, first: bool, time: u64, ended: &EndedMetric) {
        separate(out, first);
        let kind = ended.definition.kind;
        head_of(out, &ended.definition, ended.temporality);
        for (index, one) in ended.series.iter().enumerate() {
            separate(out, index == 0);
            out.push(b'{');
            if !one.labels.is_empty() {
                attributes(out, &one.labels);
                out.push(b',');
            }
            if !kind.is_gauge() {
                let start = nanoseconds(one.created).min(time);
                integer(out, b"\"startTimeUnixNano\":\"", start);
                out.push(b',');
            }
            integer(out, b"\"timeUnixNano\":\"", time);
            small(out, b",\"flags\":", NO_RECORDED_VALUE as i32);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}}");
    }

    fn rejected(&self, out: &mut Vec<u8>, first: bool, time: u64, rejected: &[(String, u64)]) {
        separate(out, first);
        head(out, REJECTED, "", b"sum", Some(Temporality::Cumulative), true);
        for (index, (name, count)) in rejected.iter().enumerate() {
            separate(out, index == 0);
            out.push(b'{');
            let labels =
                [("index".to_owned(), index.to_string()), ("metric".to_owned(), name.clone())];
            attributes(out, &labels);
            integer(out, b",\"timeUnixNano\":\"", time);
            value(out, i64::try_from(*count).map_or(Number::Double(*count as f64), Number::Int));
            out.push(b'}');
        }
        out.extend_from_slice(b"]}}");
    }
}

/// A metric up to its first point, as its definition says.
fn head_of(out: &mut Vec<u8>, definition: &Definition, temporality: Temporality) {
    let data: &[u8] = match definition.kind {
        kind if kind.is_gauge() => b"gauge",
        Kind::Histogram => b"exponentialHistogram",
        _ => b"sum",
    };
    let temporality = (!definition.kind.is_gauge()).then_some(temporality);
    let monotonic = definition.kind == Kind::Counter;
    let names = (definition.name.as_str(), definition.help.as_str());
    head(out, names, ucum(definition.unit), data, temporality, monotonic);
}

/// A metric up to its first point.
fn head(
    out: &mut Vec<u8>,
    (name, help): (&str, &str),
    unit: &str,
    data: &[u8],
    temporality: Option<Temporality>,
    is_monotonic: bool,
) {
    out.push(b'{');
    named(out, b"name", name);
    for (key, text) in [(&b"description"[..], help), (b"unit", unit)] {
        if !text.is_empty() {
            out.push(b',');
            named(out, key, text);
        }
    }
    out.extend_from_slice(b",\"");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\":{");
    if let Some(temporality) = temporality {
        small(out, b"\"aggregationTemporality\":", number(temporality) as i32);
        out.push(b',');
    }
    if is_monotonic {
        out.extend_from_slice(b"\"isMonotonic\":true,");
    }
    out.extend_from_slice(b"\"dataPoints\":[");
}

fn exemplar(out: &mut Vec<u8>, time: u64, number: Number, exemplar: &Exemplar) {
    integer(out, b"{\"timeUnixNano\":\"", time);
    value(out, number);
    if exemplar.span_id != [0; 8] {
        hex(out, b",\"spanId\":\"", &exemplar.span_id);
    }
    hex(out, b",\"traceId\":\"", &exemplar.trace_id);
    out.push(b'}');
}

/// `key` and an identifier: `key` opens it.
fn hex(out: &mut Vec<u8>, key: &[u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(key);
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

fn separate(out: &mut Vec<u8>, first: bool) {
    if !first {
        out.push(b',');
    }
}

/// `"attributes":[…]`
fn attributes(out: &mut Vec<u8>, attributes: &[(String, String)]) {
    out.extend_from_slice(b"\"attributes\":[");
    for (index, (key, value)) in attributes.iter().enumerate() {
        separate(out, index == 0);
        out.push(b'{');
        named(out, b"key", key);
        out.extend_from_slice(b",\"value\":{");
        named(out, b"stringValue", value);
        out.extend_from_slice(b"}}");
    }
    out.push(b']');
}

/// `"key":"text"`
fn named(out: &mut Vec<u8>, key: &[u8], text: &str) {
    out.push(b'"');
    out.extend_from_slice(key);
    out.extend_from_slice(b"\":\"");
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            // Writing to a vector does not fail.
            0..0x20 | 0x7F => drop(write!(out, "\\u{byte:04x}")),
            byte => out.push(byte),
        }
    }
    out.push(b'"');
}

/// `key` and a 64-bit integer, which is a string: `key` opens it.
fn integer(out: &mut Vec<u8>, key: &[u8], value: u64) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.push(b'"');
}

/// `key` and an integer of 32 bits.
fn small(out: &mut Vec<u8>, key: &[u8], value: i32) {
    out.extend_from_slice(key);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The value of a number's point.
fn value(out: &mut Vec<u8>, number: Number) {
    match number {
        Number::Int(value) => {
            out.extend_from_slice(b",\"asInt\":\"");
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            out.push(b'"');
        }
        Number::Double(value) => float(out, b",\"asDouble\":", value),
    }
}

/// `key` and a float: the shortest text that is read back as it.
fn float(out: &mut Vec<u8>, key: &[u8], value: f64) {
    out.extend_from_slice(key);
    // Writing to a vector does not fail.
    let _ = match value {
        _ if value.is_nan() => out.write_all(b"\"NaN\""),
        f64::INFINITY => out.write_all(b"\"Infinity\""),
        f64::NEG_INFINITY => out.write_all(b"\"-Infinity\""),
        // Of a float's forms the one that has an exponent where it is long; both are JSON.
        _ => write!(out, "{value:?}"),
    };
}
