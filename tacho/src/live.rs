//! The line that is refreshed every second while a run goes on, on standard error.
//!
//! On a terminal the line overwrites itself; elsewhere each is a line of its own.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use crate::raft::cluster::ClusterView;
use crate::text::{grouped, short};
use crate::timeline::Moment;

/// What one line shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    pub elapsed: Duration,
    pub writes_per_second: f64,
    /// From proposal to commit, during the last second; `None` without metrics.
    pub commit_p99: Option<Duration>,
    pub cluster: ClusterView,
    pub retried: u64,
    pub failed: u64,
}

/// The line as text.
pub fn line(reading: &Reading) -> String {
    let seconds = reading.elapsed.as_secs();
    let rate = grouped(reading.writes_per_second as u64);
    let leader = reading.cluster.leader.map_or("none".to_owned(), |leader| leader.to_string());
    let mut line = format!("{seconds:>5}s {rate:>9} writes/s  leader {leader:<4}");
    line += &format!("  term {:<3}", reading.cluster.term);
    if let Some(p99) = reading.commit_p99 {
        line += &format!("  commit p99 {:>7}", short(p99));
    }
    line += "  lag";
    for (node, lag) in &reading.cluster.followers {
        let lag = lag.map_or("-".to_owned(), grouped);
        line += &format!(" {node}:{lag}");
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
    pub fn show(&self, moments: &[Moment], reading: &Reading) {
        self.show_line(moments, &line(reading));
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

    #[test]
    fn a_line_says_who_leads_and_who_lags() {
        let cluster =
            ClusterView { leader: Some(2), term: 4, followers: vec![(1, Some(1_250)), (3, None)] };
        let reading = Reading {
            elapsed: Duration::from_secs(12),
            writes_per_second: 412_345.6,
            commit_p99: Some(Duration::from_micros(412)),
            cluster,
            retried: 64,
            failed: 0,
        };
        let expected = "   12s   412,345 writes/s  leader 2     term 4    commit p99  412 µs  \
                        lag 1:1,250 3:-  64 retried";
        assert_eq!(line(&reading), expected);
    }

    #[test]
    fn a_line_without_leader_and_metrics_leaves_them_out() {
        let line = line(&Reading::default());
        assert_eq!(line, "    0s         0 writes/s  leader none  term 0    lag");
    }
}
