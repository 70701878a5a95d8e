//! Numbers as digits where a format has no word for what is not finite.

pub(super) use super::number::{integer, ratio as decimal};
use crate::registry::{Kind, Unit};
use std::io::Write as _;

/// A count that can be negative.
#[inline]
pub(super) fn signed(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The value of a counter or an up-down counter, in the exported unit, exactly.
pub(super) fn count(out: &mut Vec<u8>, bits: u64, kind: Kind, unit: Unit) {
    let mut value = bits;
    if kind == Kind::UpDownCounter && (bits as i64) < 0 {
        out.push(b'-');
        value = (bits as i64).unsigned_abs();
    }
    decimal(out, value.into(), unit.divisor());
}

/// A finite float, in as few digits as give it back: `3`, `0.1`, `-0.0`, `1e300`.
pub(super) fn float(out: &mut Vec<u8>, value: f64) {
    let whole = value == value.trunc() && value.abs() < 1e15;
    if whole && (value != 0.0 || value.is_sign_positive()) {
        signed(out, value as i64);
    } else {
        // Writing to a vector does not fail.
        let _ = write!(out, "{value:?}");
    }
}

/// The value of a scalar, in the exported unit; writes nothing and says so if no digits can express it.
pub(super) fn scalar(out: &mut Vec<u8>, bits: u64, kind: Kind, unit: Unit) -> bool {
    if matches!(kind, Kind::Counter | Kind::UpDownCounter) {
        count(out, bits, kind, unit);
        return true;
    }
    let value = f64::from_bits(bits) / unit.divisor() as f64;
    if value.is_finite() {
        float(out, value);
    }
    value.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn decimals_are_exact() {
        let decimal = |value, divisor| text(|out| decimal(out, value, divisor));
        assert_eq!(decimal(0, 1), "0");
        assert_eq!(decimal(1, 1_000_000_000), "0.000000001");
        assert_eq!(decimal(2_500_000_000, 1_000_000_000), "2.5");
        assert_eq!(decimal(u64::MAX.into(), 1_000_000_000), "18446744073.709551615");
        assert_eq!(decimal(u128::MAX, 1), u128::MAX.to_string());
        assert_eq!(decimal(1_500_000, 1_000_000), "1.5");
        let count = |value: i64| {
            text(|out| count(out, value as u64, Kind::UpDownCounter, Unit::Nanoseconds))
        };
        assert_eq!(count(i64::MIN), "-9223372036.854775808");
        assert_eq!(count(-1), "-0.000000001");
    }

    #[test]
    fn floats_come_back() {
        let values = [0.0, -0.0, 1.0, -17.0, 0.1, 1e15, -1e14, 1e300, 5e-324, f64::MAX, f64::MIN];
        for value in values {
            let text = text(|out| float(out, value));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
        }
        assert_eq!(text(|out| float(out, 3.0)), "3");
    }
}
