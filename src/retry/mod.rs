//! When to try again: pauses that grow, and what a server asks for. Of all that sends, pushing and notifying, and of sources.

mod backoff;
#[cfg(any(feature = "notify", feature = "push", test))]
mod date;

pub(crate) use backoff::Backoff;

#[cfg(any(feature = "notify", feature = "push", test))]
use std::time::Duration;

/// How long a server asks to be left alone, by its `Retry-After`: seconds, or a date. `None` if it is neither. `now` is
/// the time since 1970.
#[cfg(any(feature = "notify", feature = "push", test))]
pub(crate) fn retry_after(value: &str, now: Duration) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit are as good as for ever.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    Some(date::parse(value, now)?.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_as_seconds_and_as_a_date() {
        let now = Duration::from_secs(784_111_777);
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        let date = "Sun, 06 Nov 1994 08:50:00 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(23)));
        assert_eq!(retry_after(date, now + now), Some(Duration::ZERO));
        assert_eq!(retry_after("9".repeat(40).as_str(), now).unwrap().as_secs(), u64::MAX);
        for bad in ["", "-1", "1.5", "soon"] {
            assert_eq!(retry_after(bad, now), None);
        }
    }
}
