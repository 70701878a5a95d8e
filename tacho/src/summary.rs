//! What a run comes to: plain figures and rows in, a table or JSON out.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tachometer::Unit;

use crate::load::Totals;
use crate::raft::config::LogKind;
use crate::report::shown;
use crate::system::Words;
use crate::text::{as_seconds, grouped, rate, short};
use crate::timeline::Moment;

/// One distribution over the whole run, its values in the unit that was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    pub name: String,
    pub unit: Unit,
    pub count: u64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

impl Serialize for Distribution {
    /// Values are numbers of seconds, bytes, or things.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = |value| value as f64 / self.unit.divisor() as f64;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("unit", self.unit.suffix().unwrap_or("count"))?;
        map.serialize_entry("count", &self.count)?;
        let values = [self.p50, self.p90, self.p99, self.p999, self.max];
        for (name, recorded) in ["p50", "p90", "p99", "p999", "max"].into_iter().zip(values) {
            map.serialize_entry(name, &value(recorded))?;
        }
        map.end()
    }
}

/// A figure with its name, as the engine reports on itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

/// What was run.
#[derive(Clone, Debug, Serialize)]
pub struct Setup {
    /// What it is made of, in words.
    #[serde(rename = "setup")]
    pub text: String,
    /// Where Raft keeps its log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogKind>,
    pub clients: usize,
    #[serde(skip)]
    pub words: Words,
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clients, {}", grouped(self.clients as u64), self.text)
    }
}

/// A run's result.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    #[serde(flatten)]
    pub setup: Setup,
    pub metrics: bool,
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub duration: Duration,
    pub acknowledged: u64,
    pub failed: u64,
    pub retried: u64,
    /// Operations acknowledged.
    pub per_second: f64,
    pub distributions: Vec<Distribution>,
    /// What measuring cost; empty without metrics.
    pub engine: Vec<Fact>,
    pub events: Vec<Moment>,
    /// Events beyond those that are kept.
    pub events_not_kept: u64,
}

impl Summary {
    /// The result without anything that an engine measured.
    pub fn new(setup: Setup, duration: Duration, totals: Totals) -> Self {
        Self {
            setup,
            metrics: false,
            duration,
            acknowledged: totals.acknowledged,
            failed: totals.failed,
            retried: totals.retried,
            per_second: rate(totals.acknowledged, duration),
            distributions: Vec::new(),
            engine: Vec::new(),
            events: Vec::new(),
            events_not_kept: 0,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = if self.metrics { "with metrics" } else { "without metrics" };
        writeln!(f, "{}, {metrics}", self.setup)?;
        let operations = self.setup.words.operations;
        let rows = [
            ("duration".to_owned(), short(self.duration)),
            (format!("{operations} acknowledged"), grouped(self.acknowledged)),
            (format!("{operations} per second"), grouped(self.per_second as u64)),
            (format!("{operations} failed"), grouped(self.failed)),
            ("retries".to_owned(), grouped(self.retried)),
        ];
        for (name, value) in rows {
            writeln!(f, "  {name:<28}{value:>14}")?;
        }
        write_distributions(f, &self.distributions)?;
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

/// The table of distributions; nothing without one.
pub fn write_distributions(f: &mut fmt::Formatter<'_>, rows: &[Distribution]) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    write!(f, "\n{:<30}", "distribution")?;
    for name in ["count", "p50", "p90", "p99", "p99.9", "max"] {
        write!(f, "{name:>11}")?;
    }
    writeln!(f)?;
    for row in rows {
        write!(f, "  {:<28}{:>11}", row.name, grouped(row.count))?;
        for quantile in [row.p50, row.p90, row.p99, row.p999, row.max] {
            write!(f, "{:>11}", shown(quantile, row.unit))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;
    use crate::system::Flags;
    use crate::timeline::Happening;

    fn summary() -> Summary {
        let totals = Totals { acknowledged: 1_234_567, failed: 0, retried: 12 };
        let row = Distribution {
            name: "proposal to commit".to_owned(),
            unit: Unit::Nanoseconds,
            count: 1_234_000,
            p50: 101_000,
            p90: 202_000,
            p99: 303_000,
            p999: 1_500_000,
            max: 612_000_000,
        };
        let killed = Moment {
            at: Duration::from_millis(1_500),
            happening: Happening::LeaderKilled { node: 2 },
        };
        let setup = Flags::setup(&Cli::parse_from(["tacho"]).raft);
        Summary {
            metrics: true,
            distributions: vec![row],
            engine: vec![Fact { name: "processor".to_owned(), value: "0.1 %".to_owned() }],
            events: vec![killed],
            ..Summary::new(setup, Duration::from_secs(10), totals)
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

distribution                        count        p50        p90        p99      p99.9        max
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
        assert_eq!((&json["acknowledged"], &json["clients"]), (&1_234_567.into(), &64.into()));
        assert_eq!((&json["log"], &json["setup"]), (&"disk".into(), &"log on disk".into()));
        assert_eq!(json["distributions"][0]["p99"], 303e-6);
        assert_eq!(json["distributions"][0]["unit"], "seconds");
        assert_eq!(json["events"][0]["event"], "leader_killed");
    }
}
