//! Sums, means, quantiles and numbers as text: what functions and aggregations share.

/// A sum whose rounding errors are kept apart (Neumaier), so that it does not depend on the order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    error: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if sum.is_infinite() {
            self.error = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.error += (self.sum - sum) + value;
        } else {
            self.error += (value - sum) + self.sum;
        }
        self.sum = sum;
    }

    pub(crate) fn total(&self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.error }
    }
}

/// A mean that does not overflow, and that an infinite value makes infinite, not NaN.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    mean: Sum,
    count: f64,
}

impl Mean {
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let mean = self.mean.total();
        if self.count == 1.0 {
            self.mean = Sum::default();
            self.mean.add(value);
            return;
        }
        // Of an infinite mean, only NaN and the other infinity make something else.
        if mean.is_infinite()
            && !value.is_nan()
            && (value.is_finite() || (mean > 0.0) == (value > 0.0))
        {
            return;
        }
        self.mean.add(value / self.count - mean / self.count);
    }

    pub(crate) fn count(&self) -> f64 {
        self.count
    }

    pub(crate) fn mean(&self) -> f64 {
        self.mean.total()
    }
}

/// The quantile of some values, which it sorts: on a straight line between the two nearest ones. NaN of no values; −∞ and +∞
/// for `q` out of range.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    let Some(last) = values.len().checked_sub(1).filter(|_| !q.is_nan()) else { return f64::NAN };
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN, of either sign, before all others.
    values.sort_by(|a, b| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let rank = q * last as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let (lower, upper) = (lower as usize, (lower as usize + 1).min(last));
    values[lower] * (1.0 - weight) + values[upper] * weight
}

/// As Go writes a number without an exponent: `+Inf`, `-Inf`, `NaN`, or as few digits as tell it apart.
pub(crate) fn number_text(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

/// Whether this can be a label's name.
pub(crate) fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The larger one; infinity before NaN, as Go has it.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.max(b),
        _ if a == f64::INFINITY || b == f64::INFINITY => f64::INFINITY,
        _ => f64::NAN,
    }
}

/// The smaller one; infinity before NaN, as Go has it.
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_means_keep_what_is_small() {
        let mut sum = Sum::default();
        [1.0, 1e100, 1.0, -1e100].into_iter().for_each(|value| sum.add(value));
        assert_eq!(sum.total(), 2.0);
        let mut mean = Mean::default();
        [f64::MAX, f64::MAX, f64::MAX].into_iter().for_each(|value| mean.add(value));
        assert_eq!(mean.mean(), f64::MAX);
        mean.add(f64::INFINITY);
        mean.add(1.0);
        assert_eq!(mean.mean(), f64::INFINITY);
        mean.add(f64::NEG_INFINITY);
        assert!(mean.mean().is_nan());
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(0.5, &mut [4.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(0.75, &mut [1.0, 2.0, 3.0, 4.0]), 3.25);
        assert!(quantile(0.5, &mut []).is_nan() && quantile(f64::NAN, &mut [1.0]).is_nan());
        assert_eq!(quantile(1.5, &mut [1.0]), f64::INFINITY);
    }

    #[test]
    fn numbers_are_written_as_go_does() {
        let texts = [0.1, 1e21, -0.0, 1e-7, f64::INFINITY, f64::NAN].map(number_text);
        assert_eq!(texts, ["0.1", "1000000000000000000000", "-0", "0.0000001", "+Inf", "NaN"]);
    }
}
