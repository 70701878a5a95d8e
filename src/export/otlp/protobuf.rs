//! OTLP metrics as protobuf
//! (<https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/metrics/v1/metrics.proto>).
//!
//! A point of a scalar is as long whatever its value is: times and values are fixed-width. So a whole metric is rendered
//! with its lengths, copied, and gets eight bytes for each number. A point of a histogram is written with its length worked
//! out before; what stands around such points, and around metrics, gets a length of four bytes when it ends. Four
//! bytes say a small length too, with zeros in front, as decoders of variable-length integers take it.

use super::ended::{EndedMetric, NO_RECORDED_VALUE};
use super::kept::Kept;
use super::messages::{FIXED, attribute, attributes, data, exemplar, exemplar_len, field, metric};
use super::packed::{pack, uint_len, varint_len};
use super::plan::{Format, Metric, REJECTED, nanoseconds, number, ucum};
use super::walk::{HistogramPoint, Number, Source};
use super::{Settings, Temporality};
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

/// The tag of a field of eight bytes, which is one byte.
const fn tag64(field: u32) -> u8 {
    (field << 3 | 1) as u8
}

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
    fn padded_lengths() {
        let mut out = vec![0; LENGTH + 300];
        set_length(&mut out, 0);
        assert_eq!(out[..LENGTH], [0xAC, 0x82, 0x80, 0x00]);
    }
}
