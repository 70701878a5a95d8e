//! Times and durations as parameters have them: pure functions over text from outside, by the rules of Prometheus's API.

/// The earliest and the latest time that is taken, in milliseconds since 1970: far enough that no clock shows it, and near
/// enough that windows around it do not overflow.
pub(super) const EARLIEST_MS: i64 = -(1 << 53);
pub(super) const LATEST_MS: i64 = 1 << 53;

/// What Prometheus's own clients write for no beginning and no end.
const NO_BEGINNING: &str = "-292273086-05-16T16:47:06Z";
const NO_END: &str = "292277025-08-18T07:12:54.999999999Z";

/// A moment in milliseconds since 1970, from seconds (`1700000000.5`) or RFC 3339 (`2023-11-14T22:13:20Z`).
///
/// # Errors
/// It is neither, or beyond [`EARLIEST_MS`] or [`LATEST_MS`].
pub(super) fn time(text: &str) -> Result<i64, String> {
    let ms = match text {
        NO_BEGINNING => Some(EARLIEST_MS),
        NO_END => Some(LATEST_MS),
        _ => match text.parse::<f64>() {
            Ok(seconds) => of_seconds(seconds),
            Err(_) => rfc3339(text),
        },
    };
    let ms = ms.filter(|ms| (EARLIEST_MS..=LATEST_MS).contains(ms));
    ms.ok_or_else(|| format!("cannot parse {} to a valid timestamp", super::shown(text)))
}

fn of_seconds(seconds: f64) -> Option<i64> {
    // Infinity and NaN are no times, and larger ones are beyond the limits anyway.
    if !seconds.is_finite() || seconds.abs() > 1e15 {
        return None;
    }
    let milliseconds = (seconds.fract() * 1000.0).round() as i64;
    Some(seconds.trunc() as i64 * 1000 + milliseconds)
}

fn rfc3339(text: &str) -> Option<i64> {
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !text.is_ascii() || marks.iter().any(|(at, mark)| text.as_bytes().get(*at) != Some(mark)) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (fraction, zone) = rest.split_at(zone_at);
    let fraction = match fraction.strip_prefix('.') {
        None if fraction.is_empty() => 0,
        Some(fraction) if !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{fraction:0<3}")[..3].parse::<i64>().ok()?
        }
        _ => return None,
    };
    let offset = match zone.as_bytes() {
        b"Z" => 0,
        [sign, h1, h2, b':', m1, m2] => {
            let of = |a: &u8, b: &u8, most: i64| {
                let digit = |byte: &u8| char::from(*byte).to_digit(10).map(i64::from);
                Some(digit(a)? * 10 + digit(b)?).filter(|value| *value <= most)
            };
            let minutes = of(h1, h2, 23)? * 60 + of(m1, m2, 59)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    // Days since 1970 by eras of 400 years that begin in March (Hinnant).
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + (minute - offset) * 60 + second;
    Some(seconds * 1000 + fraction)
}

/// A duration in nanoseconds, from seconds (`0.5`) or units (`1h30m`).
///
/// # Errors
/// It is neither, or longer than 292 years.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let ns = match text.parse::<f64>() {
        Ok(seconds) => {
            Some(seconds * 1e9).filter(|ns| ns.abs() < i64::MAX as f64).map(|ns| ns as i64)
        }
        Err(_) => {
            let span = crate::query::duration::parse(text).ok();
            span.and_then(|span| i64::try_from(span.as_nanos()).ok())
        }
    };
    ns.ok_or_else(|| format!("cannot parse {} to a valid duration", super::shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_or_rfc3339() {
        for (text, wanted) in [
            ("0", 0),
            ("1700000000", 1_700_000_000_000),
            ("1700000000.1235", 1_700_000_000_124),
            ("1.7e9", 1_700_000_000_000),
            ("-1.5", -1_500),
            ("2023-11-14T22:13:20Z", 1_700_000_000_000),
            ("2023-11-14T22:13:20.123456Z", 1_700_000_000_123),
            ("2023-11-15T00:13:20.5+02:00", 1_700_000_000_500),
            ("2023-11-14T16:43:20-05:30", 1_700_000_000_000),
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("1969-12-31T23:59:59Z", -1_000),
            ("0001-01-01T00:00:00Z", -62_135_596_800_000),
            (NO_BEGINNING, EARLIEST_MS),
            (NO_END, LATEST_MS),
        ] {
            assert_eq!(time(text), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "now",
            "NaN",
            "inf",
            "1e30",
            "2023-11-14",
            "2023-11-14 22:13:20Z",
            "2023-13-14T22:13:20Z",
            "2023-02-29T22:13:20Z",
            "2023-11-14T24:13:20Z",
            "2023-11-14T22:13:20",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20+2:00",
            "2023-11-14T22:13:20é",
            "20é3-11-14T22:13:20Z",
            "+023-11-14T22:13:20Z",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_seconds_or_units() {
        for (text, ms) in [
            ("15", 15_000.0),
            ("0.0005", 0.5),
            ("-1", -1_000.0),
            ("1h30m", 5_400_000.0),
            ("1y2w3d4h5m6s7ms", 33_019_506_007.0),
            ("1m", 60_000.0),
            ("5ms", 5.0),
            ("0", 0.0),
            ("0s", 0.0),
        ] {
            assert_eq!(duration(text), Ok((ms * 1e6) as i64), "{text}");
        }
        for text in [
            "",
            "m",
            "1",
            "1x",
            "1m1h",
            "1m1m",
            "1.5m",
            "-1m",
            "1 m",
            "300y",
            "1e30",
            "99999999999999999999s",
            "NaN",
        ] {
            assert_eq!(duration(text).is_ok(), text == "1", "{text}");
        }
    }
}
