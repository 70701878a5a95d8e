//! How far a soak is: a bar with the time that is left.

use std::time::Duration;

use crate::text::{grouped, mebibytes, short};

/// Characters of the bar.
const WIDTH: usize = 24;

/// What a line shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    pub elapsed: Duration,
    pub whole: Duration,
    pub per_second: f64,
    /// Of the operations since the line before.
    pub p99: Option<Duration>,
    pub failed: u64,
    pub resident: Option<u64>,
}

/// The line as text.
pub fn line(progress: &Progress) -> String {
    let Progress { elapsed, whole, .. } = *progress;
    let part = (elapsed.as_secs_f64() / whole.as_secs_f64()).clamp(0.0, 1.0);
    let done = (part * WIDTH as f64) as usize;
    let bar = "█".repeat(done) + &"░".repeat(WIDTH - done);
    // Rounded up: it is over when there is nothing left.
    let left = whole.saturating_sub(elapsed).as_secs_f64().ceil() as u64;
    let left = humantime::format_duration(Duration::from_secs(left)).to_string();
    let mut line = format!("{bar} {:>3.0} %  {left} left", (100.0 * part).floor());
    line += &format!("  {}/s", grouped(progress.per_second as u64));
    if let Some(p99) = progress.p99 {
        line += &format!("  p99 {}", short(p99));
    }
    line += &format!("  {} failed", grouped(progress.failed));
    if let Some(resident) = progress.resident {
        line += &format!("  {}", mebibytes(resident));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is_and_what_is_left() {
        let progress = Progress {
            elapsed: Duration::from_millis(900_500),
            whole: Duration::from_secs(3_600),
            per_second: 12_345.6,
            p99: Some(Duration::from_micros(1_234)),
            failed: 7,
            resident: Some(64 << 20),
        };
        let expected =
            "██████░░░░░░░░░░░░░░░░░░  25 %  45m left  12,345/s  p99 1.23 ms  7 failed  64.0 MiB";
        assert_eq!(line(&progress), expected);
        let over = Progress {
            whole: Duration::from_secs(1),
            ..Progress { p99: None, resident: None, ..progress }
        };
        assert!(line(&over).contains("████ 100 %  0s left"), "{}", line(&over));
    }
}
