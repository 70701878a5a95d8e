//! Times and links as Prometheus and Alertmanager write them.

use crate::rules::civil;
use crate::url::percent_encode;
use std::sync::Arc;

/// A time in milliseconds since 1970, by RFC 3339: `2026-11-21T16:47:01.250Z`.
pub(super) fn rfc3339(time_ms: i64) -> String {
    const DAY: i64 = 86_400_000;
    let (year, month, day) = civil(time_ms.div_euclid(DAY));
    let of_day = time_ms.rem_euclid(DAY);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, millis) = (of_day / 1_000 % 60, of_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Where a rule's expression can be looked at, as Prometheus says it: its graph page.
pub(super) fn generator_url(external_url: &str, expr: &str) -> Arc<str> {
    let mut encoded = String::with_capacity(expr.len() * 2);
    percent_encode(expr, &mut encoded);
    // As a form has it, which is Go's way.
    let encoded = encoded.replace("%20", "+");
    format!("{}/graph?g0.expr={encoded}&g0.tab=1", external_url.trim_end_matches('/')).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (951_827_696_789, "2000-02-29T12:34:56.789Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (4_102_444_800_000, "2100-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(time), text);
        }
    }

    #[test]
    fn links_are_encoded_as_a_form() {
        let url = generator_url("http://node:9464/", r#"up{job="a b"} == 0"#);
        assert_eq!(
            &*url,
            "http://node:9464/graph?g0.expr=up%7Bjob%3D%22a+b%22%7D+%3D%3D+0&g0.tab=1"
        );
        assert_eq!(&*generator_url("", "up"), "/graph?g0.expr=up&g0.tab=1");
    }
}
