//! Figures as people read them.

use std::time::Duration;

use serde::Serializer;

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.char_indices() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration with three significant figures: `412 µs`, `1.23 ms`, `12.5 s`.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    let (value, unit) = match duration.as_nanos() {
        0..1_000 => return format!("{} ns", duration.as_nanos()),
        1_000..1_000_000 => (seconds * 1e6, "µs"),
        1_000_000..1_000_000_000 => (seconds * 1e3, "ms"),
        _ => (seconds, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// Bytes as `12.5 MiB`.
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// `count` per second over `duration`; 0 over no time.
pub fn rate(count: u64, duration: Duration) -> f64 {
    if duration.is_zero() { 0.0 } else { count as f64 / duration.as_secs_f64() }
}

/// For `#[serde(serialize_with)]`: a duration as a number of seconds.
pub fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        let texts = [0, 12, 999, 1_000, 123_456, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "12", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn durations_have_three_figures_and_a_fitting_unit() {
        let texts = [7, 1_234, 45_678, 999_000, 1_234_000, 56_789_000, 2_500_000_000]
            .map(|ns| short(Duration::from_nanos(ns)));
        let expected = ["7 ns", "1.23 µs", "45.7 µs", "999 µs", "1.23 ms", "56.8 ms", "2.50 s"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn nothing_over_no_time_is_no_rate() {
        assert_eq!(rate(5, Duration::ZERO), 0.0);
        assert_eq!(rate(500, Duration::from_millis(250)), 2_000.0);
    }
}
