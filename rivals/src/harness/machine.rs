//! Where, when and with what a run was made.

use std::fs;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

const LOCK_FILE: &str = include_str!("../../Cargo.lock");

/// The machine: processor, cores, kernel.
pub fn machine() -> Value {
    json!({
        "cpu": cpu_model(),
        "cores": thread::available_parallelism().map_or(0, usize::from),
        "kernel": first_line("/proc/sys/kernel/osrelease"),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "virtual": is_virtual(),
    })
}

/// The compiler and how it was used.
pub fn build() -> Value {
    json!({
        "rustc": env!("RIVALS_RUSTC"),
        "profile": env!("RIVALS_PROFILE"),
        "rustflags": env!("RIVALS_RUSTFLAGS"),
    })
}

pub fn cpu_model() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|info| {
            let line = info.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "unknown".to_owned())
}

fn is_virtual() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| info.contains(" hypervisor"))
}

/// The load averages, which tell whether the machine had other work.
pub fn load() -> String {
    first_line("/proc/loadavg")
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

/// The time now in UTC, as in `2025-01-31T23:59:59Z`.
pub fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = civil_date((seconds / 86_400) as i64);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The Gregorian date of a day counted from 1970-01-01, in years that begin in March.
fn civil_date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The version of a direct dependency according to the lock file; `None` for this package's own
/// code.
pub fn version_of(name: &str) -> Option<String> {
    // Where two versions are locked, this package's own entry says which of them is the direct one.
    let own = package("tachometer-rivals")?;
    let direct = own.lines().find_map(|line| {
        let dependency = line.trim().trim_end_matches(',').trim_matches('"');
        (dependency.split(' ').next() == Some(name)).then_some(dependency)
    })?;
    if let Some((_, version)) = direct.split_once(' ') {
        return Some(version.to_owned());
    }
    let version = package(name)?.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(version.trim_matches('"').to_owned())
}

fn package(name: &str) -> Option<&'static str> {
    let heading = format!("\nname = \"{name}\"\n");
    LOCK_FILE.split("[[package]]").find(|entry| entry.starts_with(&heading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil_date(0), (1970, 1, 1));
        assert_eq!(civil_date(19_782), (2024, 2, 29));
        assert_eq!(civil_date(20_819), (2027, 1, 1));
        assert_eq!(civil_date(-1), (1969, 12, 31));
    }

    #[test]
    fn versions() {
        assert!(version_of("prometheus").is_some_and(|version| version.starts_with("0.14")));
        assert!(version_of("hashbrown").is_some_and(|version| version.starts_with("0.17")));
        assert_eq!(version_of("no-such-crate"), None);
    }
}
