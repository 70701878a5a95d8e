//! HTTP dates (RFC 9110, section 5.6.7), all three forms that a recipient must read.

use std::time::Duration;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time since 1970-01-01 UTC that `text` names; `None` if it is no date, or before that.
///
/// `now`, on the same scale, says which century a date with two digits of a year is in.
pub(crate) fn parse(text: &str, now: Duration) -> Option<Duration> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (day, month, year, time) = match *words {
        // Sun, 06 Nov 1994 08:49:37 GMT
        [_, day, month, year, time, "GMT"] => (day, month, number(year, 4..=4)?, time),
        // Sunday, 06-Nov-94 08:49:37 GMT
        [_, date, time, "GMT"] => {
            let mut parts = date.split('-');
            let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
            (day, month, century(number(year, 2..=2)?, now), time)
        }
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] => (day, month, number(year, 4..=4)?, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let day = number(day, 1..=2).filter(|day| (1..=31).contains(day))?;
    let mut parts = time.split(':');
    let mut part = |most| number(parts.next()?, 2..=2).filter(|part| *part <= most);
    // A leap second is 60.
    let (hour, minute, second) = (part(23)?, part(59)?, part(60)?);
    if parts.next().is_some() {
        return None;
    }
    let days = days(year, month, day).checked_sub(days(1970, 1, 1))?;
    Some(Duration::from_secs(days * 86_400 + hour * 3_600 + minute * 60 + second))
}

fn number(text: &str, digits: std::ops::RangeInclusive<usize>) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && digits.contains(&text.len())).then(|| text.parse().ok()).flatten()
}

/// The year that ends in `year` and is not more than 50 years ahead.
fn century(year: u64, now: Duration) -> u64 {
    let this = 1970 + now.as_secs() / 31_556_952;
    let year = this / 100 * 100 + year;
    if year > this + 50 { year - 100 } else { year }
}

/// Days since some day long ago, in the Gregorian calendar. Years begin in March here, so that leap days end them.
fn days(year: u64, month: u64, day: u64) -> u64 {
    // A whole cycle more, so that there is a year before the first.
    let year = year + 400 - u64::from(month <= 2);
    let month = (month + 9) % 12;
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_the_specification() {
        let now = Duration::from_secs(1_700_000_000);
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse(text, now), Some(Duration::from_secs(784_111_777)), "{text}");
        }
    }

    #[test]
    fn leap_days_and_the_ends_of_years() {
        let now = Duration::from_secs(1_700_000_000);
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Fri, 31 Dec 2027 23:59:59 GMT", 1_830_297_599),
            ("Thu, 29 Feb 2024 12:00:00 GMT", 1_709_208_000),
            ("Saturday, 21-Nov-26 00:00:00 GMT", 1_795_219_200),
        ] {
            assert_eq!(parse(text, now), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "soon",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 Abc 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov +994 08:49:37 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
        ] {
            assert_eq!(parse(text, Duration::ZERO), None, "{text}");
        }
    }
}
