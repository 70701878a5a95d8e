//! OTLP's protobuf messages as far as they are the same in every place: metrics, attributes, exemplars.

use super::Temporality;
use super::plan::{number, ucum};
use super::walk::Number;
use crate::Exemplar;
use crate::export::wire::Wire;
use crate::registry::{Definition, Kind};

/// Numbers of fields: of the message that the name begins with, or of all that have it.
pub(super) mod field {
    pub(in super::super) const REQUEST_RESOURCE_METRICS: u32 = 1;
    pub(in super::super) const RESOURCE: u32 = 1;
    pub(in super::super) const SCOPE_METRICS: u32 = 2;
    pub(in super::super) const RESOURCE_ATTRIBUTES: u32 = 1;
    pub(in super::super) const SCOPE: u32 = 1;
    pub(in super::super) const METRICS: u32 = 2;
    pub(in super::super) const SCOPE_NAME: u32 = 1;
    pub(in super::super) const SCOPE_VERSION: u32 = 2;
    pub(in super::super) const SCOPE_ATTRIBUTES: u32 = 3;
    pub(in super::super) const KEY: u32 = 1;
    pub(in super::super) const VALUE: u32 = 2;
    pub(in super::super) const STRING_VALUE: u32 = 1;
    pub(in super::super) const NAME: u32 = 1;
    pub(in super::super) const DESCRIPTION: u32 = 2;
    pub(in super::super) const UNIT: u32 = 3;
    pub(in super::super) const GAUGE: u32 = 5;
    pub(in super::super) const SUM: u32 = 7;
    pub(in super::super) const EXPONENTIAL_HISTOGRAM: u32 = 10;
    pub(in super::super) const POINTS: u32 = 1;
    pub(in super::super) const TEMPORALITY: u32 = 2;
    pub(in super::super) const IS_MONOTONIC: u32 = 3;
    pub(in super::super) const START: u32 = 2;
    pub(in super::super) const TIME: u32 = 3;
    pub(in super::super) const NUMBER_AS_DOUBLE: u32 = 4;
    pub(in super::super) const NUMBER_AS_INT: u32 = 6;
    pub(in super::super) const NUMBER_ATTRIBUTES: u32 = 7;
    pub(in super::super) const HISTOGRAM_ATTRIBUTES: u32 = 1;
    pub(in super::super) const COUNT: u32 = 4;
    pub(in super::super) const HISTOGRAM_SUM: u32 = 5;
    pub(in super::super) const SCALE: u32 = 6;
    pub(in super::super) const ZERO_COUNT: u32 = 7;
    pub(in super::super) const POSITIVE: u32 = 8;
    pub(in super::super) const EXEMPLARS: u32 = 11;
    pub(in super::super) const MIN: u32 = 12;
    pub(in super::super) const MAX: u32 = 13;
    pub(in super::super) const OFFSET: u32 = 1;
    pub(in super::super) const BUCKET_COUNTS: u32 = 2;
    pub(in super::super) const NUMBER_FLAGS: u32 = 8;
    pub(in super::super) const HISTOGRAM_FLAGS: u32 = 10;
    pub(in super::super) const EXEMPLAR_TIME: u32 = 2;
    pub(in super::super) const EXEMPLAR_AS_DOUBLE: u32 = 3;
    pub(in super::super) const EXEMPLAR_SPAN: u32 = 4;
    pub(in super::super) const EXEMPLAR_TRACE: u32 = 5;
    pub(in super::super) const EXEMPLAR_AS_INT: u32 = 6;
}

/// A field of eight bytes, with its tag.
pub(super) const FIXED: usize = 9;
/// A metric with all that its definition says.
pub(super) fn data(
    out: &mut Vec<u8>,
    definition: &Definition,
    temporality: Temporality,
    points: &[u8],
) {
    let kind = match definition.kind {
        kind if kind.is_gauge() => (field::GAUGE, None, false),
        Kind::Histogram => (field::EXPONENTIAL_HISTOGRAM, Some(temporality), false),
        kind => (field::SUM, Some(temporality), kind == Kind::Counter),
    };
    metric(out, (&definition.name, &definition.help), ucum(definition.unit), kind, points);
}

/// A metric of one kind of data, with its temporality if it has one, and whether it is monotonic. The points end it.
pub(super) fn metric(
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

pub(super) fn attributes(out: &mut Vec<u8>, field: u32, labels: &[(String, String)]) {
    labels.iter().for_each(|(key, value)| attribute(out, field, key, value));
}

/// A `KeyValue`. An empty value is a string all the same, which is not "no value".
pub(super) fn attribute(out: &mut Vec<u8>, field: u32, key: &str, value: &str) {
    out.message(field, |out| {
        out.bytes(field::KEY, key.as_bytes());
        out.message(field::VALUE, |out| {
            out.message(field::STRING_VALUE, |out| out.extend_from_slice(value.as_bytes()));
        });
    });
}

/// The bytes of an exemplar: time and value, the trace, and the span if there is one.
pub(super) fn exemplar_len(exemplar: &Exemplar) -> usize {
    let span = if exemplar.span_id == [0; 8] { 0 } else { 2 + exemplar.span_id.len() };
    2 * FIXED + 2 + exemplar.trace_id.len() + span
}

pub(super) fn exemplar(out: &mut Vec<u8>, time: u64, value: Number, exemplar: &Exemplar) {
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
