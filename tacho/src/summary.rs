//! What a run comes to: plain figures and rows in, a table or JSON out.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::raft::config::LogKind;
use crate::raft::load::Totals;
use crate::text::{as_seconds, grouped, rate, short};
use crate::timeline::Moment;

/// One latency's distribution over the whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyRow {
    pub name: String,
    pub count: u64,
    #[serde(serialize_with = "as_seconds")]
    pub p50: Duration,
    #[serde(serialize_with = "as_seconds")]
    pub p90: Duration,
    #[serde(serialize_with = "as_seconds")]
    pub p99: Duration,
    #[serde(serialize_with = "as_seconds")]
    pub p999: Duration,
    #[serde(serialize_with = "as_seconds")]
    pub max: Duration,
}

/// A figure with its name, as the engine reports on itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

/// A run's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    pub log: LogKind,
    pub clients: usize,
    pub metrics: bool,
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub duration: Duration,
    pub acknowledged: u64,
    pub failed: u64,
    pub retried: u64,
    pub writes_per_second: f64,
    pub latencies: Vec<LatencyRow>,
    /// What measuring cost; empty without metrics.
    pub engine: Vec<Fact>,
    pub events: Vec<Moment>,
    /// Events beyond those that are kept.
    pub events_not_kept: u64,
}

impl Summary {
    /// The result without anything that an engine measured.
    pub fn new(log: LogKind, clients: usize, duration: Duration, totals: Totals) -> Self {
        Self {
            log,
            clients,
            metrics: false,
            duration,
            acknowledged: totals.acknowledged,
            failed: totals.failed,
            retried: totals.retried,
            writes_per_second: rate(totals.acknowledged, duration),
            latencies: Vec::new(),
            engine: Vec::new(),
            events: Vec::new(),
            events_not_kept: 0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = if self.metrics { "with metrics" } else { "without metrics" };
        writeln!(f, "{} clients, log {}, {metrics}", grouped(self.clients as u64), self.log)?;
        let rows = [
            ("duration", short(self.duration)),
            ("writes acknowledged", grouped(self.acknowledged)),
            ("writes per second", grouped(self.writes_per_second as u64)),
            ("writes failed", grouped(self.failed)),
            ("retries", grouped(self.retried)),
        ];
        for (name, value) in rows {
            writeln!(f, "  {name:<28}{value:>14}")?;
        }
        write_latencies(f, &self.latencies)?;
        if !self.engine.is_empty() {
            writeln!(f, "\nthe engine")?;
        }
        for Fact { name, value } in &self.engine {
            writeln!(f, "  {name:<28}{value:>14}")?;
        }
        if !self.events.is_empty() {
            writeln!(f, "\nevents")?;
        }
        self.events.iter().try_for_each(|moment| writeln!(f, "{moment}"))?;
        match self.events_not_kept {
            0 => Ok(()),
            more => writeln!(f, "  and {} more", grouped(more)),
        }
    }
}

fn write_latencies(f: &mut fmt::Formatter<'_>, rows: &[LatencyRow]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    write!(f, "\n{:<30}", "latency")?;
    for name in ["count", "p50", "p90", "p99", "p99.9", "max"] {
        write!(f, "{name:>11}")?;
    }
    writeln!(f)?;
    for row in rows {
        write!(f, "  {:<28}{:>11}", row.name, grouped(row.count))?;
        for quantile in [row.p50, row.p90, row.p99, row.p999, row.max] {
            write!(f, "{:>11}", short(quantile))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Happening;

    fn summary() -> Summary {
        let totals = Totals { acknowledged: 1_234_567, failed: 0, retried: 12 };
        let row = LatencyRow {
            name: "proposal to commit".to_owned(),
            count: 1_234_000,
            p50: Duration::from_micros(101),
            p90: Duration::from_micros(202),
            p99: Duration::from_micros(303),
            p999: Duration::from_micros(1_500),
            max: Duration::from_millis(612),
        };
        let killed = Moment {
            at: Duration::from_millis(1_500),
            happening: Happening::LeaderKilled { node: 2 },
        };
        Summary {
            metrics: true,
            latencies: vec![row],
            engine: vec![Fact { name: "processor".to_owned(), value: "0.1 %".to_owned() }],
            events: vec![killed],
            ..Summary::new(LogKind::Disk, 64, Duration::from_secs(10), totals)
        }
    }

    #[test]
    fn the_table_has_every_row() {
        let expected = "\
64 clients, log on disk, with metrics
  duration                            10.0 s
  writes acknowledged              1,234,567
  writes per second                  123,456
  writes failed                            0
  retries                                 12

latency                             count        p50        p90        p99      p99.9        max
  proposal to commit            1,234,000     101 µs     202 µs     303 µs    1.50 ms     612 ms

the engine
  processor                            0.1 %

events
    1.5s  node 2, the leader, was shut down
";
        assert_eq!(summary().to_string(), expected);
    }

    #[test]
    fn json_has_seconds_and_plain_numbers() {
        let json = serde_json::to_value(summary()).unwrap();
        assert_eq!(json["seconds"], 10.0);
        assert_eq!(json["acknowledged"], 1_234_567);
        assert_eq!(json["latencies"][0]["p99"], 303e-6);
        assert_eq!(json["events"][0]["event"], "leader_killed");
    }
}
