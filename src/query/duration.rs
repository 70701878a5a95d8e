//! Durations as Prometheus writes them: `5m`, `1h30m`, `1d12h`.

use std::time::Duration;

/// Units from the longest to the shortest, each at most once and in this order, with their milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];
/// The longest that Go's durations can say, in milliseconds.
const LONGEST: u64 = i64::MAX as u64 / 1_000_000;

/// Reads a duration.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is no duration: write one like 30s, 5m or 1h30m");
    match text {
        "" => return Err("an empty duration: write one like 30s, 5m or 1h30m".to_owned()),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let (mut rest, mut units, mut total) = (text, &UNITS[..], 0u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let after = &rest[digits..];
        let letters = after.bytes().take_while(u8::is_ascii_lowercase).count();
        let unit = units.iter().position(|(unit, _)| *unit == &after[..letters]);
        let (Some(unit), true) = (unit, digits > 0) else { return Err(expected()) };
        let number = rest[..digits].parse::<u64>().ok();
        let millis = number.and_then(|number| number.checked_mul(units[unit].1));
        total = millis
            .and_then(|millis| total.checked_add(millis))
            .filter(|total| *total <= LONGEST)
            .ok_or_else(|| format!("{text:?} is too long: at most 292 years"))?;
        units = &units[unit + 1..];
        rest = &after[letters..];
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration so that [`parse`] and PromQL read it, in days and what is shorter; milliseconds are the finest.
#[cfg(feature = "rules")]
pub(crate) fn format(duration: Duration) -> Result<String, String> {
    let total = u64::try_from(duration.as_millis()).ok().filter(|total| *total <= LONGEST);
    let Some(total) = total else {
        return Err(format!("{duration:?} is too long: at most 292 years"));
    };
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(format!("{duration:?} is no whole number of milliseconds"));
    }
    let (mut rest, mut text) = (total, String::new());
    // Years and weeks are units too, but nobody reads `4w2d` more easily than `30d`.
    for (unit, millis) in &UNITS[2..] {
        if rest >= *millis {
            text += &format!("{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    Ok(if text.is_empty() { "0s".to_owned() } else { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "rules")]
    #[test]
    fn durations_are_written_as_they_are_read() {
        for (text, millis) in [
            ("0s", 0),
            ("1ms", 1),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("30d", 2_592_000_000),
            ("1d1ms", 86_400_001),
        ] {
            assert_eq!(format(Duration::from_millis(millis)).as_deref(), Ok(text));
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)));
        }
        assert!(format(Duration::MAX).is_err_and(|why| why.contains("too long")));
        assert!(format(Duration::from_micros(1_500)).is_err_and(|why| why.contains("whole")));
    }

    #[test]
    fn durations_are_read() {
        for (text, millis) in
            [("0", 0), ("5m", 300_000), ("1h30m", 5_400_000), ("1d1ms", 86_400_001)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            "5",
            "m",
            "5m1h",
            "5m5m",
            "-5m",
            "5M",
            "5 m",
            "300y",
            "99999999999999999999s",
            "5é",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
