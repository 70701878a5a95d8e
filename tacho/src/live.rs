//! The line that is refreshed every second while a run goes on, on standard error.
//!
//! On a terminal the line overwrites itself; elsewhere each is a line of its own.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::system::Words;
use crate::text::{grouped, short};
use crate::timeline::Moment;

/// What one line shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub elapsed: Duration,
    pub per_second: f64,
    /// The latency that [`Words`] name, during the last second; `None` without metrics.
    pub p99: Option<Duration>,
    /// How the system stands.
    pub standing: String,
    pub retried: u64,
    pub failed: u64,
}

/// The line as text.
pub fn line(words: &Words, reading: &Reading) -> String {
    let seconds = reading.elapsed.as_secs();
    let rate = grouped(reading.per_second as u64);
    let mut line = format!("{seconds:>5}s {rate:>9} {}/s  {}", words.operations, reading.standing);
    if let Some(p99) = reading.p99 {
        line += &format!("  {} p99 {:>7}", words.latency.0, short(p99));
    }
    for (count, name) in [(reading.retried, "retried"), (reading.failed, "failed")] {
        if count > 0 {
            line += &format!("  {} {name}", grouped(count));
        }
    }
    line
}

/// Where lines go.
#[derive(Debug)]
pub struct Display {
    is_terminal: bool,
}

impl Display {
    pub fn on_standard_error() -> Self {
        Self { is_terminal: io::stderr().is_terminal() }
    }

    /// Shows moments above the line, and the line.
    pub fn show(&self, words: &Words, moments: &[Moment], reading: &Reading) {
        self.show_line(moments, &line(words, reading));
    }

    /// Whether each line takes the place of the one before.
    pub fn overwrites(&self) -> bool {
        self.is_terminal
    }

    /// As [`Display::show`], with a line of another sort.
    pub fn show_line(&self, moments: &[Moment], line: &str) {
        let mut text = String::new();
        for moment in moments {
            text += &self.finished(&moment.to_string());
        }
        text += &if self.is_terminal { format!("\r{line}\x1b[K") } else { format!("{line}\n") };
        print(&text);
    }

    /// Leaves the last line as it is and goes to the next.
    pub fn finish(&self) {
        if self.is_terminal {
            print("\n");
        }
    }

    fn finished(&self, text: &str) -> String {
        if self.is_terminal { format!("\r{text}\x1b[K\n") } else { format!("{text}\n") }
    }
}

/// A run goes on when nobody reads its standard error any more.
fn print(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = <crate::raft::cluster::Cluster as crate::system::System>::WORDS;

    #[test]
    fn a_line_says_how_fast_it_goes_and_how_it_stands() {
        let reading = Reading {
            elapsed: Duration::from_secs(12),
            per_second: 412_345.6,
            p99: Some(Duration::from_micros(412)),
            standing: "leader 2     term 4    lag 1:1,250 3:-".to_owned(),
            retried: 64,
            failed: 0,
        };
        let expected = "   12s   412,345 writes/s  leader 2     term 4    lag 1:1,250 3:-  \
                        commit p99  412 µs  64 retried";
        assert_eq!(line(&WORDS, &reading), expected);
    }

    #[test]
    fn a_line_without_metrics_leaves_the_latency_out() {
        assert_eq!(line(&WORDS, &Reading::default()), "    0s         0 writes/s  ");
    }
}
