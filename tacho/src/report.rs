//! From a run's last snapshot to the figures of its summary.

use std::time::Duration;

use tachometer::notify::HandlerStatus;
use tachometer::push::Flush;
use tachometer::rules::RuleManager;
use tachometer::testing::ProcessMemory;
use tachometer::{History, Snapshot, Unit, Value};

use crate::monitor::Cost;
use crate::summary::{Distribution, Fact};
use crate::text::{grouped, mebibytes, short};

/// Name in the summary, name of the histogram, labels that choose among its series.
pub type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The distributions of a run, all replicas merged; those without a value are left out.
pub fn distributions(last: &Snapshot, rows: &[Row]) -> Vec<Distribution> {
    rows.iter()
        .filter_map(|(title, name, labels)| distribution(last, title, name, labels))
        .collect()
}

/// One distribution under its title; `None` without a value.
pub fn distribution(
    last: &Snapshot,
    title: &str,
    name: &str,
    labels: &[(&str, &str)],
) -> Option<Distribution> {
    let found = last.histogram_with(name, labels).ok()?;
    let quantile = |q| found.quantile(q);
    Some(Distribution {
        name: title.to_owned(),
        unit: found.unit(),
        count: found.count(),
        p50: quantile(0.5)?,
        p90: quantile(0.9)?,
        p99: quantile(0.99)?,
        p999: quantile(0.999)?,
        max: found.max()?,
    })
}

/// The 99th percentile between two snapshots, of all replicas.
pub fn p99(earlier: &Snapshot, later: &Snapshot, histogram: &str) -> Option<Duration> {
    later.since(earlier).histogram(histogram).ok()?.quantile_duration(0.99)
}

/// What the engine says of itself.
pub fn facts(last: &Snapshot, cost: Cost) -> Vec<Fact> {
    let counter = |name: &str| grouped(last.counter(name).unwrap_or(0));
    let gauge = |name: &str| last.gauge(name).unwrap_or(0.0) as u64;
    let p99 = |name: &str| {
        let found = last.histogram(name).ok().and_then(|found| found.quantile_duration(0.99));
        found.map_or("none".to_owned(), short)
    };
    let mut facts = vec![
        ("values in histograms", grouped(values(last))),
        ("series", grouped(last.len() as u64)),
        ("cuts", counter("tachometer_generations_total")),
        ("incomplete cuts", counter("tachometer_incomplete_cuts_total")),
        ("cut wait, p99", p99("tachometer_cut_wait_seconds")),
        ("generation, p99", p99("tachometer_generation_seconds")),
        ("processor time", processor(last, cost)),
        ("shards", grouped(gauge("tachometer_shards"))),
        ("address space reserved", mebibytes(gauge("tachometer_arena_bytes"))),
        ("overflow records", counter("tachometer_overflow_records_total")),
    ];
    if let Some(memory) = ProcessMemory::read() {
        facts.push(("process memory", mebibytes(memory.resident_bytes)));
    }
    facts.into_iter().map(|(name, value)| Fact { name: name.to_owned(), value }).collect()
}

/// What the history took, and what its rules did.
pub fn kept(history: &History, rules: &RuleManager) -> [Fact; 2] {
    let (bytes, series) = (mebibytes(history.bytes() as u64), grouped(history.series() as u64));
    let (evaluations, failures) = rules.read(|rules| {
        let all = rules.status().flat_map(|(_, _, rules)| rules);
        all.fold((0, 0), |(all, failed), one| (all + one.evaluations, failed + one.failures))
    });
    let rules = format!("{} evaluations, {} failed", grouped(evaluations), grouped(failures));
    let fact = |name: &str, value| Fact { name: name.to_owned(), value };
    [fact("history", format!("{bytes}, {series} series")), fact("rules", rules)]
}

/// How telling a handler of alerts went.
pub fn told(handler: &HandlerStatus) -> Fact {
    let mut value = format!("{} sent", grouped(handler.sent));
    for (count, what) in [(handler.dropped, "given up"), (handler.waiting as u64, "left")] {
        if count > 0 {
            value += &format!(", {} {what}", grouped(count));
        }
    }
    Fact { name: format!("alerts to {}", handler.handler), value }
}

/// What became of what was pushed, target by target.
pub fn pushed(flush: &Flush) -> impl Iterator<Item = Fact> {
    flush.targets.iter().map(|target| {
        let mut value = format!("{} sent", grouped(target.sent));
        for (count, what) in [(target.dropped, "given up"), (target.waiting as u64, "left")] {
            if count > 0 {
                value += &format!(", {} {what}", grouped(count));
            }
        }
        if let Some(error) = &target.last_error {
            value += &format!("; {error}");
        }
        Fact { name: format!("pushed to {}", target.name), value }
    })
}

/// How many values the histograms of the run hold.
fn values(last: &Snapshot) -> u64 {
    let count = |value| match value {
        Value::Histogram(histogram) => histogram.count(),
        _ => 0,
    };
    last.series().map(|series| count(series.value)).sum()
}

/// The share of one processor that the engine's thread took: as the system counts it, else by how
/// long its generations took.
fn processor(last: &Snapshot, cost: Cost) -> String {
    let generations = || {
        let found = last.histogram("tachometer_generation_seconds");
        found.map_or(0.0, |found| found.sum_exported())
    };
    let seconds = cost.processor.map_or_else(generations, |time| time.as_secs_f64());
    format!("{:.3} % of one", 100.0 * seconds / cost.wall.as_secs_f64())
}

/// A value of `unit`, as people read it.
pub fn shown(value: u64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds => short(Duration::from_nanos(value)),
        Unit::Bytes => format!("{:.1} KiB", value as f64 / 1024.0),
        _ => grouped(value),
    }
}
