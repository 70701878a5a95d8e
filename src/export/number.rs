//! What the text formats share: how a number is written, and a text escaped.
//!
//! Integers of the recorded unit are written exactly in the exported one: nanoseconds as seconds, to the last digit.

use crate::registry::{Kind, Unit};
use crate::snapshot::HistogramSnapshot;
use std::io::Write as _;
use std::time::Duration;

/// Escapes a help text, or a label's value (which also escapes quotes).
pub(super) fn escape(out: &mut Vec<u8>, text: &str, quotes: bool) {
    for &byte in text.as_bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

/// An integer as it is.
#[inline]
pub(super) fn integer(page: &mut Vec<u8>, value: u64) {
    page.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The value of a scalar, whose cell is `bits`.
pub(super) fn scalar(page: &mut Vec<u8>, bits: u64, kind: Kind, unit: Unit) {
    match kind {
        Kind::Counter if unit == Unit::Nanoseconds => decimal(page, bits.into(), unit),
        Kind::Counter => integer(page, bits),
        Kind::UpDownCounter => {
            let value = bits as i64;
            if value < 0 {
                page.push(b'-');
            }
            decimal(page, value.unsigned_abs().into(), unit);
        }
        _ => float(page, f64::from_bits(bits) / unit.divisor() as f64),
    }
}

/// The sum of a histogram.
pub(super) fn sum(page: &mut Vec<u8>, histogram: &HistogramSnapshot) {
    decimal(page, histogram.sum(), histogram.unit());
}

/// An integer of the recorded unit, exactly, in the exported one.
#[inline]
pub(super) fn decimal(page: &mut Vec<u8>, value: u128, unit: Unit) {
    ratio(page, value, unit.divisor());
}

/// `value / divisor`, a power of ten, exactly.
#[inline]
pub(super) fn ratio(page: &mut Vec<u8>, value: u128, divisor: u64) {
    match u64::try_from(value) {
        Ok(value) if divisor == 1 => integer(page, value),
        Ok(value) => {
            integer(page, value / divisor);
            fraction(page, value % divisor, divisor);
        }
        Err(_) => {
            let (whole, rest) = (value / u128::from(divisor), value % u128::from(divisor));
            page.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
            fraction(page, rest as u64, divisor);
        }
    }
}

/// A span of time in seconds, to the nanosecond.
pub(super) fn seconds(page: &mut Vec<u8>, span: Duration) {
    integer(page, span.as_secs());
    fraction(page, span.subsec_nanos().into(), Unit::Nanoseconds.divisor());
}

/// The digits behind the point, with the leading zeros that the divisor (a power of ten) asks for, without trailing ones.
#[inline]
fn fraction(page: &mut Vec<u8>, rest: u64, divisor: u64) {
    if rest != 0 {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(divisor + rest);
        page.push(b'.');
        page.extend_from_slice(digits[1..].trim_end_matches('0').as_bytes());
    }
}

/// A float: whole ones without a point, and never with an exponent.
pub(super) fn float(page: &mut Vec<u8>, value: f64) {
    // Writing to a vector does not fail.
    let _ = match value {
        _ if value.is_nan() => page.write_all(b"NaN"),
        f64::INFINITY => page.write_all(b"+Inf"),
        f64::NEG_INFINITY => page.write_all(b"-Inf"),
        _ if value == value.trunc() && value.abs() < 1e15 => {
            page.write_all(itoa::Buffer::new().format(value as i64).as_bytes())
        }
        _ => write!(page, "{value}"),
    };
}
