//! The numbers of a snapshot as floating-point numbers of the exported unit, for formats that have no other.

use crate::registry::{Kind, Unit};
use crate::snapshot::HistogramSnapshot;

/// What Prometheus calls the normal NaN. Another one marks the end of a series, so no other leaves the process as a value.
const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// A scalar, in the exported unit. Exact up to 2⁵³ of the recorded one.
#[inline]
pub(crate) fn scalar(bits: u64, kind: Kind, unit: Unit) -> f64 {
    let recorded = match kind {
        Kind::Counter => bits as f64,
        Kind::UpDownCounter => bits as i64 as f64,
        _ => f64::from_bits(bits),
    };
    let exported = recorded / unit.divisor() as f64;
    if exported.is_nan() { NAN } else { exported }
}

/// The sum of a histogram, in the exported unit.
pub(crate) fn sum(histogram: &HistogramSnapshot) -> f64 {
    histogram.sum_exported()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_in_the_exported_unit() {
        assert_eq!(scalar(1_500_000_000, Kind::Counter, Unit::Nanoseconds), 1.5);
        assert_eq!(scalar(-3i64 as u64, Kind::UpDownCounter, Unit::None), -3.0);
        assert_eq!(scalar(0.5f64.to_bits(), Kind::Gauge, Unit::Ratio), 0.5);
    }

    #[test]
    fn a_gauge_cannot_pretend_to_be_the_end_of_its_series() {
        let stale = 0x7ff0_0000_0000_0002;
        assert!(f64::from_bits(stale).is_nan());
        assert_eq!(scalar(stale, Kind::Gauge, Unit::None).to_bits(), NAN.to_bits());
    }
}
