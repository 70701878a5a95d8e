//! What a soak came to: figures in, a table or JSON out.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tachometer::testing::ProcessMemory;

use crate::summary::Distribution;
use crate::text::{as_seconds, grouped, mebibytes, short};
use crate::timeline::Moment;

/// The process's memory at one moment of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    #[serde(serialize_with = "as_seconds")]
    pub at: Duration,
    pub resident_bytes: u64,
    pub virtual_bytes: u64,
    pub threads: u64,
}

impl Reading {
    pub fn new(at: Duration, memory: ProcessMemory) -> Self {
        let ProcessMemory { resident_bytes, virtual_bytes, threads } = memory;
        Self { at, resident_bytes, virtual_bytes, threads }
    }
}

/// Rows of memory that are printed.
const ROWS: usize = 24;

/// What became of a soak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Passed,
    /// It was asked to end before its time; until then everything held.
    Stopped,
    /// Why, a sentence each.
    Failed(Vec<String>),
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Passed => "passed",
            Self::Stopped => "stopped",
            Self::Failed(_) => "failed",
        })
    }
}

/// A soak's result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub workload: &'static str,
    pub seed: u64,
    pub status: Verdict,
    pub errors: Vec<String>,
    #[serde(serialize_with = "as_seconds", rename = "seconds")]
    pub duration: Duration,
    pub operations: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub per_second: f64,
    /// Of the operations that succeeded; `None` if none did.
    pub latency: Option<Distribution>,
    pub memory: Vec<Reading>,
    pub events: Vec<Moment>,
    /// Events beyond those that are kept.
    pub events_not_kept: u64,
}

impl Report {
    /// What failed it, as one text.
    pub fn error(&self) -> Option<String> {
        (!self.errors.is_empty()).then(|| self.errors.join("; "))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.status {
            Verdict::Passed => "passed",
            Verdict::Stopped => "stopped before its time",
            Verdict::Failed(_) => "failed",
        };
        writeln!(f, "soak of {}, seed {}: {verdict}", self.workload, self.seed)?;
        self.errors.iter().try_for_each(|error| writeln!(f, "  {error}"))?;
        let rows = [
            ("duration", short(self.duration)),
            ("operations", grouped(self.operations)),
            ("succeeded", grouped(self.succeeded)),
            ("failed", grouped(self.failed)),
            ("succeeded a second", grouped(self.per_second as u64)),
        ];
        for (name, value) in rows {
            writeln!(f, "  {name:<28}{value:>14}")?;
        }
        crate::summary::write_distributions(f, self.latency.as_slice())?;
        writeln!(f, "\n{:<12}{:>14}{:>14}{:>10}", "memory", "resident", "virtual", "threads")?;
        let (count, step) = (self.memory.len(), self.memory.len().div_ceil(ROWS));
        let is_shown = |index: &usize| index.is_multiple_of(step) || index + 1 == count;
        for index in (0..count).filter(is_shown) {
            let Reading { at, resident_bytes, virtual_bytes, threads } = &self.memory[index];
            let (resident, address) = (mebibytes(*resident_bytes), mebibytes(*virtual_bytes));
            writeln!(f, "{:>10.1}s{resident:>15}{address:>14}{threads:>10}", at.as_secs_f64())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_what_failed_and_what_it_took() {
        let reading = |at, mib: u64| {
            let memory =
                ProcessMemory { resident_bytes: mib << 20, virtual_bytes: mib << 24, threads: 9 };
            Reading::new(Duration::from_secs(at), memory)
        };
        let report = Report {
            workload: "raft",
            seed: 42,
            status: Verdict::Failed(Vec::new()),
            errors: vec!["too slow".to_owned(), "too large".to_owned()],
            duration: Duration::from_secs(60),
            operations: 60_006,
            succeeded: 60_000,
            failed: 6,
            per_second: 1_000.0,
            latency: None,
            memory: vec![reading(0, 10), reading(60, 12)],
            events: Vec::new(),
            events_not_kept: 0,
        };
        let expected = "\
soak of raft, seed 42: failed
  too slow
  too large
  duration                            60.0 s
  operations                          60,006
  succeeded                           60,000
  failed                                   6
  succeeded a second                   1,000

memory            resident       virtual   threads
       0.0s       10.0 MiB     160.0 MiB         9
      60.0s       12.0 MiB     192.0 MiB         9
";
        assert_eq!(report.to_string(), expected);
        let long = Report {
            memory: (0..=1_440).map(|at| reading(60 * at, at)).collect(),
            ..report.clone()
        };
        let text = long.to_string();
        assert!((ROWS..=ROWS + 1).contains(&text.matches("MiB").count().div_euclid(2)), "{text}");
        assert!(text.contains("1440.0 MiB"), "the last is there: {text}");
        assert_eq!(report.error().as_deref(), Some("too slow; too large"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["status"], &json["seconds"]), (&"failed".into(), &60.0.into()));
        assert_eq!(
            (&json["memory"][1]["at"], &json["errors"][0]),
            (&60.0.into(), &"too slow".into())
        );
    }
}
