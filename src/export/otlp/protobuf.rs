//! OTLP metrics as protobuf
//! (<https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>).
//!
//! A point of a scalar is as long whatever its value is: times and values are fixed-width. So a whole metric is rendered
//! with its lengths, copied, and gets eight bytes for each number. A point of a histogram is written with its length worked
//! out before; what stands around such points, and around metrics, gets a length of four bytes when it ends. Four
//! bytes say a small length too, with zeros in front, as decoders of variable-length integers take it.

use super::ended::{EndedMetric, NO_RECORDED_VALUE};
use super::kept::Kept;
use super::plan::{Format, Metric, REJECTED, nanoseconds, number, ucum};
use super::walk::{HistogramPoint, Number, Source};
use super::{Settings, Temporality};
use crate::Exemplar;
use crate::export::wire::{Wire, zigzag};
use crate::registry::layout::SeriesLayout;
use crate::registry::{Definition, Kind};
use std::ops::Range;

/// What was rendered.
#[derive(Debug, Default)]
pub(super) struct Protobuf {
    /// Of a `ResourceMetrics`: the resource. Of its `ScopeMetrics`: the scope.
    resource: Vec<u8>,
    scope: Vec<u8>,
    /// Scalars: whole metrics. Histograms: what stands in front of a metric's points, and the points' attributes.
    metrics: Vec<u8>,
    /// The counts of the point that is being written.
    packed: Vec<u8>,
    kept: Kept,
}

/// Numbers of fields: of the message that the name begins with, or of all that have it.
mod field {
    pub(super) const REQUEST_RESOURCE_METRICS: u32 = 1;
    pub(super) const RESOURCE: u32 = 1;
    pub(super) const SCOPE_METRICS: u32 = 2;
    pub(super) const RESOURCE_ATTRIBUTES: u32 = 1;
    pub(super) const SCOPE: u32 = 1;
    pub(super) const METRICS: u32 = 2;
    pub(super) const SCOPE_NAME: u32 = 1;
    pub(super) const SCOPE_VERSION: u32 = 2;
    pub(super) const SCOPE_ATTRIBUTES: u32 = 3;
    pub(super) const KEY: u32 = 1;
    pub(super) const VALUE: u32 = 2;
    pub(super) const STRING_VALUE: u32 = 1;
    pub(super) const NAME: u32 = 1;
    pub(super) const DESCRIPTION: u32 = 2;
    pub(super) const UNIT: u32 = 3;
    pub(super) const GAUGE: u32 = 5;
    pub(super) const SUM: u32 = 7;
    pub(super) const EXPONENTIAL_HISTOGRAM: u32 = 10;
    pub(super) const POINTS: u32 = 1;
    pub(super) const TEMPORALITY: u32 = 2;
    pub(super) const IS_MONOTONIC: u32 = 3;
    pub(super) const START: u32 = 2;
    pub(super) const TIME: u32 = 3;
    pub(super) const NUMBER_AS_DOUBLE: u32 = 4;
    pub(super) const NUMBER_AS_INT: u32 = 6;
    pub(super) const NUMBER_ATTRIBUTES: u32 = 7;
    pub(super) const HISTOGRAM_ATTRIBUTES: u32 = 1;
    pub(super) const COUNT: u32 = 4;
    pub(super) const HISTOGRAM_SUM: u32 = 5;
    pub(super) const SCALE: u32 = 6;
    pub(super) const ZERO_COUNT: u32 = 7;
    pub(super) const POSITIVE: u32 = 8;
    pub(super) const EXEMPLARS: u32 = 11;
    pub(super) const MIN: u32 = 12;
    pub(super) const MAX: u32 = 13;
    pub(super) const OFFSET: u32 = 1;
    pub(super) const BUCKET_COUNTS: u32 = 2;
    pub(super) const NUMBER_FLAGS: u32 = 8;
    pub(super) const HISTOGRAM_FLAGS: u32 = 10;
    pub(super) const EXEMPLAR_TIME: u32 = 2;
    pub(super) const EXEMPLAR_AS_DOUBLE: u32 = 3;
    pub(super) const EXEMPLAR_SPAN: u32 = 4;
    pub(super) const EXEMPLAR_TRACE: u32 = 5;
    pub(super) const EXEMPLAR_AS_INT: u32 = 6;
}

/// The tag of a field of eight bytes, which is one byte.
const fn tag64(field: u32) -> u8 {
    (field << 3 | 1) as u8
}

/// A field of eight bytes, with its tag.
const FIXED: usize = 9;
/// A length that is written when it is known.
const LENGTH: usize = 4;

impl Format for Protobuf {
    fn render_envelope(&mut self, settings: &Settings) {
        self.metrics.clear();
        self.kept.forget();
        self.resource.clear();
        self.resource.message(field::RESOURCE, |out| {
            for (key, value) in &settings.resource {
                attribute(out, field::RESOURCE_ATTRIBUTES, key, value);
            }
        });
        self.scope.clear();
        self.scope.message(field::SCOPE, |out| {
            out.bytes(field::SCOPE_NAME, env!("CARGO_PKG_NAME").as_bytes());
            out.bytes(field::SCOPE_VERSION, env!("CARGO_PKG_VERSION").as_bytes());
            for (key, value) in &settings.scope {
                attribute(out, field::SCOPE_ATTRIBUTES, key, value);
            }
        });
    }

    fn render_metric(
        &mut self,
        definition: &Definition,
        temporality: Temporality,
        series: &[SeriesLayout],
        points: &mut Vec<Range<usize>>,
    ) -> Range<usize> {
        let from = self.metrics.len();
        if definition.kind == Kind::Histogram {
            self.metrics.bytes(field::NAME, definition.name.as_bytes());
            self.metrics.bytes(field::DESCRIPTION, definition.help.as_bytes());
            self.metrics.bytes(field::UNIT, ucum(definition.unit).as_bytes());
            self.metrics.varint((field::EXPONENTIAL_HISTOGRAM << 3 | 2).into());
            self.metrics.extend_from_slice(&[0; LENGTH]);
            self.metrics.uint(field::TEMPORALITY, number(temporality));
            let head = from..self.metrics.len();
            for one in series {
                let from = self.metrics.len();
                attributes(&mut self.metrics, field::HISTOGRAM_ATTRIBUTES, &one.labels);
                points.push(from..self.metrics.len());
            }
            return head;
        }
        let (mut rendered, starts) = (Vec::new(), !definition.kind.is_gauge());
        for one in series {
            rendered.message(field::POINTS, |out| {
                attributes(out, field::NUMBER_ATTRIBUTES, &one.labels);
                if starts {
                    out.fixed64(field::START, 0);
                }
                out.fixed64(field::TIME, 0);
                out.fixed64(field::NUMBER_AS_INT, 0);
            });
            points.push(0..rendered.len());
        }
        data(&mut self.metrics, definition, temporality, &rendered);
        // Points are the last there is in a metric.
        let before = self.metrics.len() - rendered.len() - from;
        points.iter_mut().for_each(|point| point.end += before);
        from..self.metrics.len()
    }

    fn open(&mut self, _: &mut Vec<u8>) {
        self.kept.begin();
    }

    fn close(&self, _: &mut Vec<u8>) {}

    fn open_part(&self, out: &mut Vec<u8>, _: bool) {
        out.varint((field::REQUEST_RESOURCE_METRICS << 3 | 2).into());
        out.extend_from_slice(&[0; LENGTH]);
        out.extend_from_slice(&self.resource);
        out.varint((field::SCOPE_METRICS << 3 | 2).into());
        out.extend_from_slice(&[0; LENGTH]);
        out.extend_from_slice(&self.scope);
    }

    fn close_part(&self, out: &mut Vec<u8>, at: usize) {
        set_length(out, at + 1);
        set_length(out, at + 1 + LENGTH + self.resource.len() + 1);
    }

    #[inline]
    fn open_metric(&self, out: &mut Vec<u8>, metric: &Metric, _: bool) {
        if metric.kind == Kind::Histogram {
            out.varint((field::METRICS << 3 | 2).into());
            out.extend_from_slice(&[0; LENGTH]);
        }
        out.extend_from_slice(&self.metrics[metric.text.clone()]);
    }

    #[inline]
    fn close_metric(&self, out: &mut Vec<u8>, metric: &Metric, at: usize) {
        if metric.kind == Kind::Histogram {
            set_length(out, at + 1);
            // The histogram's length is followed by its temporality, two bytes, which ends the text.
            set_length(out, at + 1 + LENGTH + metric.text.len() - 2 - LENGTH);
        }
    }

    #[inline]
    fn number(
        &self,
        out: &mut Vec<u8>,
        (at, _): (usize, bool),
        text: &Range<usize>,
        (start, time): (Option<u64>, u64),
        number: Number,
    ) {
        let end = at + text.end;
        let fields = &mut out[end - 3 * FIXED..end];
        if let Some(start) = start {
            fields[1..FIXED].copy_from_slice(&start.to_le_bytes());
        }
        fields[FIXED + 1..2 * FIXED].copy_from_slice(&time.to_le_bytes());
        let (tag, bits) = match number {
            Number::Int(value) => (tag64(field::NUMBER_AS_INT), value as u64),
            Number::Double(value) => (tag64(field::NUMBER_AS_DOUBLE), value.to_bits()),
        };
        fields[2 * FIXED] = tag;
        fields[2 * FIXED + 1..].copy_from_slice(&bits.to_le_bytes());
    }

    fn repeat(&mut self, out: &mut Vec<u8>, source: &Source<'_>, times: [u64; 2]) -> bool {
        self.kept.repeat(out, source, times)
    }

    fn histogram(
        &mut self,
        out: &mut Vec<u8>,
        _: bool,
        text: &Range<usize>,
        point: &HistogramPoint<'_>,
    ) {
        let (attributes, buckets) = (&self.metrics[text.clone()], point.buckets);
        self.packed.clear();
        pack(&mut self.packed, &buckets.counts);
        let packed = self.packed.len();
        let offset = uint_len(zigzag(buckets.offset.into()));
        let positive = match packed {
            0 => 0,
            packed => offset + 1 + varint_len(packed as u64) + packed,
        };
        // Start, time, count and sum always; the rest where it says something.
        let extremes = point.extremes.map_or(0, |_| 2 * FIXED);
        let zeros = if buckets.zero_count == 0 { 0 } else { FIXED };
        let scale = uint_len(zigzag(buckets.scale.into()));
        let around = if packed == 0 { 0 } else { 1 + varint_len(positive as u64) + positive };
        let exemplars: usize = match point.source.exemplars {
            None => 0,
            Some(_) => point.exemplars().map(|(_, _, one)| 2 + exemplar_len(one)).sum(),
        };
        let len = attributes.len() + 4 * FIXED + scale + zeros + around + exemplars + extremes;

        let begin = out.len();
        out.varint((field::POINTS << 3 | 2).into());
        out.varint(len as u64);
        let from = out.len();
        out.extend_from_slice(attributes);
        let times = out.len() - begin + 1;
        out.fixed64(field::START, point.start);
        out.fixed64(field::TIME, point.time);
        out.fixed64(field::COUNT, point.count);
        out.double(field::HISTOGRAM_SUM, point.sum);
        out.sint(field::SCALE, buckets.scale.into());
        if zeros > 0 {
            out.fixed64(field::ZERO_COUNT, buckets.zero_count);
        }
        if packed > 0 {
            out.varint((field::POSITIVE << 3 | 2).into());
            out.varint(positive as u64);
            out.sint(field::OFFSET, buckets.offset.into());
            out.varint((field::BUCKET_COUNTS << 3 | 2).into());
            out.varint(packed as u64);
            out.extend_from_slice(&self.packed);
        }
        if exemplars > 0 {
            point.exemplars().for_each(|(time, value, one)| exemplar(out, time, value, one));
        }
        if let Some((min, max)) = point.extremes {
            out.double(field::MIN, min);
            out.double(field::MAX, max);
        }
        debug_assert_eq!(out.len() - from, len, "the length in front is that of what follows");
        if point.is_cumulative {
            self.kept.keep(&point.source, &out[begin..], [times, times + FIXED]);
        }
    }

    fn ended(&self, out: &mut Vec<u8>, _: bool, time: u64, ended: &EndedMetric) {
        let kind = ended.definition.kind;
        let (attributes_field, flags) = match kind {
            Kind::Histogram => (field::HISTOGRAM_ATTRIBUTES, field::HISTOGRAM_FLAGS),
            _ => (field::NUMBER_ATTRIBUTES, field::NUMBER_FLAGS),
        };
        let mut points = Vec::new();
        for one in &ended.series {
            points.message(field::POINTS, |out| {
                attributes(out, attributes_field, &one.labels);
                if !kind.is_gauge() {
                    out.fixed64(field::START, nanoseconds(one.created).min(time));
                }
                out.fixed64(field::TIME, time);
                out.uint(flags, NO_RECORDED_VALUE);
            });
        }
        data(out, &ended.definition, ended.temporality, &points);
    }

    fn rejected(&self, out: &mut Vec<u8>, _: bool, time: u64, rejected: &[(String, u64)]) {
        let mut points = Vec::new();
        for (index, (name, count)) in rejected.iter().enumerate() {
            points.message(field::POINTS, |out| {
                attribute(out, field::NUMBER_ATTRIBUTES, "index", &index.to_string());
                attribute(out, field::NUMBER_ATTRIBUTES, "metric", name);
                out.fixed64(field::TIME, time);
                match i64::try_from(*count) {
                    Ok(count) => out.fixed64(field::NUMBER_AS_INT, count as u64),
                    Err(_) => out.double(field::NUMBER_AS_DOUBLE, *count as f64),
                }
            });
        }
        let sum = (field::SUM, Some(Temporality::Cumulative), true);
        metric(out, REJECTED, "", sum, &points);
    }
}

/// A metric with all that its definition says.
fn data(out: &mut Vec<u8>, definition: &Definition, temporality: Temporality, points: &[u8]) {
    let kind = match definition.kind {
        kind if kind.is_gauge() => (field::GAUGE, None, false),
        Kind::Histogram => (field::EXPONENTIAL_HISTOGRAM, Some(temporality), false),
        kind => (field::SUM, Some(temporality), kind == Kind::Counter),
    };
    metric(out, (&definition.name, &definition.help), ucum(definition.unit), kind, points);
}

/// A metric of one kind of data, with its temporality if it has one, and whether it is monotonic. The points end it.
fn metric(
    out: &mut Vec<u8>,
    (name, help): (&str, &str),
    unit: &str,
    (kind, temporality, is_monotonic): (u32, Option<Temporality>, bool),
    points: &[u8],
) {
    out.message(field::METRICS, |out| {
        out.bytes(field::NAME, name.as_bytes());
        out.bytes(field::DESCRIPTION, help.as_bytes());
        out.bytes(field::UNIT, unit.as_bytes());
        out.message(kind, |out| {
            if let Some(temporality) = temporality {
                out.uint(field::TEMPORALITY, number(temporality));
            }
            out.uint(field::IS_MONOTONIC, is_monotonic.into());
            out.extend_from_slice(points);
        });
    });
}

fn attributes(out: &mut Vec<u8>, field: u32, labels: &[(String, String)]) {
    labels.iter().for_each(|(key, value)| attribute(out, field, key, value));
}

/// A `KeyValue`. An empty value is a string all the same, which is not "no value".
fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    out.message(field, |out| {
        out.bytes(field::KEY, key.as_bytes());
        out.message(field::VALUE, |out| {
            out.message(field::STRING_VALUE, |out| out.extend_from_slice(value.as_bytes()));
        });
    });
}

/// The bytes of a variable-length integer.
#[inline]
fn varint_len(value: u64) -> usize {
    ((63 - (value | 1).leading_zeros()) as usize * 9 + 73) / 64
}

/// The bytes of a field below 16 that is left out if it is zero.
fn uint_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_len(value) }
}

/// Appends variable-length integers. Most are one byte or two, which nobody can foretell: no branch hangs on it.
fn pack(out: &mut Vec<u8>, counts: &[u64]) {
    const BLOCK: usize = 128;
    let mut block = [0u8; 2 * BLOCK + 1];
    for counts in counts.chunks(BLOCK) {
        if counts.iter().fold(0, |all, count| all | count) >= 1 << 14 {
            counts.iter().for_each(|&count| out.varint(count));
            continue;
        }
        let mut len = 0;
        for &count in counts {
            let long = count >= 0x80;
            // Never more than two bytes each: the mask spares a question about the block's end.
            let at = len & (2 * BLOCK - 1);
            block[at] = count as u8 | u8::from(long) << 7;
            block[at + 1] = (count >> 7) as u8;
            len += 1 + usize::from(long);
        }
        out.extend_from_slice(&block[..len]);
    }
}

/// The bytes of an exemplar: time and value, the trace, and the span if there is one.
fn exemplar_len(exemplar: &Exemplar) -> usize {
    let span = if exemplar.span_id == [0; 8] { 0 } else { 2 + exemplar.span_id.len() };
    2 * FIXED + 2 + exemplar.trace_id.len() + span
}

fn exemplar(out: &mut Vec<u8>, time: u64, value: Number, exemplar: &Exemplar) {
    out.varint((field::EXEMPLARS << 3 | 2).into());
    out.varint(exemplar_len(exemplar) as u64);
    out.fixed64(field::EXEMPLAR_TIME, time);
    match value {
        Number::Int(value) => out.fixed64(field::EXEMPLAR_AS_INT, value as u64),
        Number::Double(value) => out.double(field::EXEMPLAR_AS_DOUBLE, value),
    }
    if exemplar.span_id != [0; 8] {
        out.bytes(field::EXEMPLAR_SPAN, &exemplar.span_id);
    }
    out.bytes(field::EXEMPLAR_TRACE, &exemplar.trace_id);
}

/// Writes how much follows the four bytes at `at`, into them.
///
/// A part is at most [`super::Sink::FULL`] bytes, a metric of half that, and a point that alone can be more: its buckets, a
/// megabyte for the finest and widest histogram, and attributes, [`crate::limits`] of each. Four bytes say up to 256 MiB.
#[inline]
fn set_length(out: &mut [u8], at: usize) {
    let len = out.len() - at - LENGTH;
    debug_assert!(len < 1 << (7 * LENGTH), "{len} bytes of one part");
    for byte in 0..LENGTH {
        let more = if byte + 1 < LENGTH { 0x80 } else { 0 };
        out[at + byte] = (len >> (7 * byte)) as u8 & 0x7F | more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_integers() {
        for bits in 0..64 {
            for value in [1 << bits, (1 << bits) - 1, u64::MAX >> bits] {
                let mut out = Vec::new();
                out.varint(value);
                assert_eq!(varint_len(value), out.len(), "{value}");
            }
        }
    }

    #[test]
    fn counts_are_packed_as_one_by_one() {
        let small = (0..1_000).map(|count| count * 16);
        let large = (0..64).flat_map(|bit| [1u64 << bit, (1 << bit) - 1, u64::MAX >> bit]);
        let full = std::iter::repeat_n((1 << 14) - 1, 256);
        for counts in [small.collect::<Vec<u64>>(), large.collect(), full.collect(), vec![]] {
            let (mut single, mut packed) = (vec![7], vec![7]);
            counts.iter().for_each(|&count| single.varint(count));
            pack(&mut packed, &counts);
            assert_eq!(single, packed);
        }
    }

    #[test]
    fn padded_lengths() {
        let mut out = vec![0; LENGTH + 300];
        set_length(&mut out, 0);
        assert_eq!(out[..LENGTH], [0xAC, 0x82, 0x80, 0x00]);
    }
}
