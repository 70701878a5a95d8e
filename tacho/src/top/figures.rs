//! Numbers of panels, as people read them.

use std::time::Duration;

use crate::text::short;

const THOUSANDS: [&str; 5] = ["", "k", "M", "G", "T"];
const BINARY: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// A value in the unit of its panel.
pub fn value(value: f64, unit: &str) -> String {
    if !value.is_finite() {
        return match value.is_nan() {
            true => "NaN".to_owned(),
            false => if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned(),
        };
    }
    match unit {
        "seconds" => match Duration::try_from_secs_f64(value.abs()) {
            Ok(duration) if value != 0.0 && duration < Duration::from_secs(600) => {
                format!("{}{}", if value < 0.0 { "-" } else { "" }, short(duration))
            }
            Ok(duration) if value != 0.0 => {
                humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string()
            }
            _ => "0 s".to_owned(),
        },
        "bytes" => scaled(value, 1024.0, &BINARY),
        "bytes_per_second" => scaled(value, 1024.0, &BINARY) + "/s",
        "ratio" => format!("{:.1} %", value * 100.0),
        "per_second" => scaled(value, 1000.0, &THOUSANDS) + "/s",
        _ => scaled(value, 1000.0, &THOUSANDS),
    }
}

fn scaled(value: f64, by: f64, units: &[&str]) -> String {
    let mut scaled = value;
    let mut unit = 0;
    while scaled.abs() >= by && unit + 1 < units.len() {
        scaled /= by;
        unit += 1;
    }
    let digits = match scaled.abs() {
        _ if unit == 0 && scaled.fract() == 0.0 => 0,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let gap = if units[unit].len() > 1 || units[unit] == "B" { " " } else { "" };
    format!("{scaled:.digits$}{gap}{}", units[unit])
}
