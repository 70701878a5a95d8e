//! What fails a soak: limits on what it came to so far, judged every minute and at its end.

use std::str::FromStr;
use std::time::Duration;

use crate::text::{grouped, mebibytes, short};

/// How much memory may grow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Growth {
    /// As a part of what it was.
    Share(f64),
    Bytes(u64),
}

impl FromStr for Growth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hint = || "write it as 20% or 64MiB".to_owned();
        if let Some(digits) = text.strip_suffix('%') {
            let percent: f64 = digits.trim_end().parse().map_err(|_| hint())?;
            let is_sound = percent.is_finite() && percent >= 0.0;
            return if is_sound { Ok(Self::Share(percent / 100.0)) } else { Err(hint()) };
        }
        let units = [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
        let found =
            units.into_iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
        let (digits, unit) = found.ok_or_else(hint)?;
        let number: u64 = digits.trim_end().parse().map_err(|_| hint())?;
        number.checked_mul(unit).map(Self::Bytes).ok_or_else(hint)
    }
}

/// What fails the run; `None` for what does not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    pub memory_growth: Option<Growth>,
    pub error_rate: Option<f64>,
    pub p99: Option<Duration>,
}

/// What a run came to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    pub succeeded: u64,
    pub failed: u64,
    pub p99: Option<Duration>,
    /// Resident memory when the run was warm, and now.
    pub memory: Option<(u64, u64)>,
}

impl Standing {
    /// The share of operations that failed.
    pub fn error_rate(&self) -> f64 {
        self.failed as f64 / (self.succeeded + self.failed).max(1) as f64
    }
}

impl Limits {
    /// The limits that are broken, each as a sentence.
    pub fn broken(&self, standing: &Standing) -> Vec<String> {
        let memory = self.memory_growth.zip(standing.memory).and_then(|(limit, (then, now))| {
            let allowed = match limit {
                Growth::Share(share) => (then as f64 * share) as u64,
                Growth::Bytes(bytes) => bytes,
            };
            let grown = now.saturating_sub(then);
            (grown > allowed).then(|| {
                let [then, now, grown, allowed] = [then, now, grown, allowed].map(mebibytes);
                format!(
                    "resident memory grew by {grown}, from {then} to {now}; the limit is {allowed}"
                )
            })
        });
        let errors = self.error_rate.filter(|limit| standing.error_rate() > *limit).map(|limit| {
            let (failed, all) = (standing.failed, standing.failed + standing.succeeded);
            let (failed, all) = (grouped(failed), grouped(all));
            let percent = 100.0 * standing.error_rate();
            format!(
                "{failed} of {all} operations failed, {percent:.4} %; the limit is {:.4} %",
                100.0 * limit
            )
        });
        let p99 = self.p99.zip(standing.p99).filter(|(limit, is)| is > limit);
        let p99 = p99.map(|(limit, is)| {
            format!(
                "the 99th percentile of latency is {}; the limit is {}",
                short(is),
                short(limit)
            )
        });
        [memory, errors, p99].into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::share;
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn growth_is_a_share_or_bytes() {
        let read = |text: &str| text.parse::<Growth>();
        assert_eq!(read("20%"), Ok(Growth::Share(0.2)));
        assert_eq!(read("64MiB"), Ok(Growth::Bytes(64 * MIB)));
        assert_eq!((read("1 KiB"), read("7B")), (Ok(Growth::Bytes(1024)), Ok(Growth::Bytes(7))));
        for bad in ["", "20", "-1%", "x%", "NaN%", "64MB", "99999999999GiB", "MiB"] {
            assert_eq!(read(bad), Err("write it as 20% or 64MiB".to_owned()), "{bad}");
        }
        assert_eq!((share("0.1%"), share("0.001"), share("1")), (Ok(0.001), Ok(0.001), Ok(1.0)));
        assert!(share("2").is_err() && share("101%").is_err() && share("NaN").is_err());
    }

    #[test]
    fn each_limit_is_broken_by_what_is_beyond_it_alone() {
        let standing = Standing {
            succeeded: 9_990,
            failed: 10,
            p99: Some(Duration::from_millis(20)),
            memory: Some((100 * MIB, 120 * MIB)),
        };
        let none = Limits::default();
        assert_eq!(none.broken(&standing), [""; 0]);
        let at = Limits {
            memory_growth: Some(Growth::Share(0.2)),
            error_rate: Some(0.001),
            p99: Some(Duration::from_millis(20)),
        };
        assert_eq!(at.broken(&standing), [""; 0], "at a limit is within it");
        let below = Limits {
            memory_growth: Some(Growth::Bytes(20 * MIB - 1)),
            error_rate: Some(0.0009),
            p99: Some(Duration::from_millis(19)),
        };
        let expected = [
            "resident memory grew by 20.0 MiB, from 100.0 MiB to 120.0 MiB; the limit is 20.0 MiB",
            "10 of 10,000 operations failed, 0.1000 %; the limit is 0.0900 %",
            "the 99th percentile of latency is 20.0 ms; the limit is 19.0 ms",
        ];
        assert_eq!(below.broken(&standing), expected);
        let unknown = Standing { p99: None, memory: None, failed: 0, ..standing };
        assert_eq!(below.broken(&unknown), [""; 0]);
        let shrunk = Standing { memory: Some((120 * MIB, 100 * MIB)), ..unknown };
        assert_eq!(below.broken(&shrunk), [""; 0]);
    }
}
