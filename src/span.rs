//! Lengths of time as people write them: `500ms`, `1.5s`, `2m`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// A length of time, written as a number and a unit: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A length of this many seconds.
    pub const fn from_secs(seconds: u64) -> Span {
        Span(Duration::from_secs(seconds))
    }

    /// A length of this many milliseconds.
    pub const fn from_millis(milliseconds: u64) -> Span {
        Span(Duration::from_millis(milliseconds))
    }
}

const UNITS: [(&str, u64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
];

const EXPECTED: &str =
    "expected a length of time: a number and one of ns, us, ms, s, m, h, d, as in \"500ms\"";

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is none; {EXPECTED}");
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = &text[digits.len()..];
        let &(_, ns) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number = digits.trim();
        let valid = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let ns = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(ns),
            // Not an integer: 1.5s.
            Err(_) => number
                .parse::<f64>()
                .ok()
                .map(|part| (part * ns as f64).round())
                .filter(|total| *total < u64::MAX as f64)
                .map(|total| total as u64),
        };
        ns.filter(|_| valid).map(|ns| Span(Duration::from_nanos(ns))).ok_or_else(wrong)
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let total = self.0.as_nanos();
        let exact = |unit: &&(&str, u64)| total.is_multiple_of(u128::from(unit.1));
        let largest = UNITS.iter().filter(exact).max_by_key(|unit| unit.1);
        match largest {
            Some((name, ns)) if total > 0 => write!(f, "{}{name}", total / u128::from(*ns)),
            _ => write!(f, "0s"),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a length of time, as in \"500ms\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Span, E> {
                Err(E::custom(format!("{number} has no unit; {EXPECTED}")))
            }
        }
        deserializer.deserialize_any(Visitor).map_err(D::Error::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read_and_written_the_same() {
        let spans = [
            ("500ms", 500_000_000),
            ("1s", 1_000_000_000),
            ("2m", 120_000_000_000),
            ("3h", 10_800_000_000_000),
            ("1d", 86_400_000_000_000),
            ("7us", 7_000),
            ("9ns", 9),
            ("0s", 0),
        ];
        for (text, ns) in spans {
            let span: Span = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_nanos(ns), "{text}");
            assert_eq!(span.to_string(), text);
        }
        assert_eq!("1.5s".parse::<Span>().unwrap().to_string(), "1500ms");
        assert_eq!("90 s".parse::<Span>().unwrap().0, Duration::from_secs(90));
    }

    #[test]
    fn what_is_no_length_of_time_is_an_error_that_says_so() {
        for text in ["", "5", "s", "-5s", "5 parsecs", "1e3s", "99999999999d", "5s5", "..s", "NaNs"]
        {
            let error = text.parse::<Span>().unwrap_err();
            assert!(error.contains("\"500ms\""), "{text}: {error}");
        }
    }
}
