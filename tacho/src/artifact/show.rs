//! `tacho artifact show`: one run.

use std::fmt::Write as _;

use tachometer::Unit;
use tachometer::testing::artifact::{Fact, Run, Status};

use super::flat::{Row, rows};
use crate::report::shown;
use crate::text::{grouped, mebibytes, short};

/// Events that are shown without `--all`, of each end.
const EVENTS: usize = 20;

/// What the run came to, as text.
pub fn show(run: &Run, all: bool) -> String {
    let mut out = String::new();
    // Writing to a string does not fail; as everywhere here.
    let _ = write_head(&mut out, run);
    let _ = write_memory(&mut out, run);
    let _ = write_metrics(&mut out, run, all);
    let _ = write_events(&mut out, run, all);
    out
}

/// The verdict in words.
pub fn verdict(run: &Run) -> String {
    let mut text = run.status.to_string();
    if run.status == Status::Running {
        text += " (it goes on, or was killed)";
    }
    if let Some(error) = &run.error {
        text += &format!(": {error}");
    }
    text
}

fn write_head(out: &mut String, run: &Run) -> std::fmt::Result {
    writeln!(out, "{}: {}", run.name, verdict(run))?;
    let started = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + run.started);
    let mut row = |name: &str, value: &str| writeln!(out, "  {name:<28}{value}");
    row("run", &run.run_id)?;
    if let Some(seed) = run.seed {
        row("seed", &seed.to_string())?;
    }
    row("started", &started.to_string())?;
    row("duration", &short(run.duration))?;
    for (name, fact) in &run.facts {
        row(name, &told(fact))?;
    }
    let counts = [
        (run.panics, "panics"),
        (run.failed_writes, "writes that failed"),
        (run.dropped_events, "events that are not kept"),
        (run.dropped_facts, "facts that are not kept"),
    ];
    for (count, name) in counts.into_iter().filter(|(count, _)| *count > 0) {
        row(name, &grouped(count))?;
    }
    Ok(())
}

fn write_memory(out: &mut String, run: &Run) -> std::fmt::Result {
    let (Some(first), Some(last)) = (run.memory.first(), run.memory.last()) else { return Ok(()) };
    let highest = run.memory.iter().max_by_key(|one| one.memory.resident_bytes).unwrap_or(last);
    writeln!(out, "\n{:<12}{:>14}{:>14}{:>10}", "memory", "resident", "virtual", "threads")?;
    for (name, one) in [("first", first), ("highest", highest), ("last", last)] {
        let (resident, address) =
            (mebibytes(one.memory.resident_bytes), mebibytes(one.memory.virtual_bytes));
        let at = format!("at {}", short(one.at));
        writeln!(out, "  {name:<10}{resident:>14}{address:>14}{:>10}  {at}", one.memory.threads)?;
    }
    Ok(())
}

fn write_metrics(out: &mut String, run: &Run, all: bool) -> std::fmt::Result {
    let rows = rows(run, all);
    if rows.is_empty() {
        let why = if run.metrics_left_out { "too many to be kept" } else { "none" };
        return writeln!(out, "\nmetrics: {why}");
    }
    writeln!(out, "\n{:<48}{:>16}{:>14}", "counters and levels", "", "a second")?;
    for (name, (unit, row)) in &rows {
        match row {
            Row::Counter(count) => {
                let rate =
                    *count as f64 / unit.divisor() as f64 / run.duration.as_secs_f64().max(1e-9);
                writeln!(out, "  {name:<46}{:>16}{rate:>14.1}", counted(*count, *unit))?;
            }
            Row::Level(least, most) => writeln!(out, "  {name:<46}{:>16}", levels(*least, *most))?,
            Row::Histogram(_) => {}
        }
    }
    write!(out, "\n{:<48}", "distributions")?;
    for name in ["count", "p50", "p90", "p99", "p99.9", "max"] {
        write!(out, "{name:>11}")?;
    }
    writeln!(out)?;
    for (name, (unit, row)) in &rows {
        let Row::Histogram(histogram) = row else { continue };
        if histogram.is_empty() && !all {
            continue;
        }
        write!(out, "  {name:<46}{:>11}", grouped(histogram.count()))?;
        for q in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let value = histogram.quantile(q).map_or("-".to_owned(), |value| shown(value, *unit));
            write!(out, "{value:>11}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What a fact says.
pub fn told(fact: &Fact) -> String {
    match fact {
        Fact::Number(number) => figure(*number),
        other => other.to_string(),
    }
}

/// A number without digits that nobody reads.
pub fn figure(number: f64) -> String {
    match number {
        _ if number.is_finite() && number.fract() != 0.0 => format!("{number:.3}"),
        _ if (0.0..1e15).contains(&number) => grouped(number as u64),
        _ => number.to_string(),
    }
}

/// The levels of several series.
pub fn levels(least: f64, most: f64) -> String {
    match least == most {
        true => figure(least),
        false => format!("{} to {}", figure(least), figure(most)),
    }
}

/// A count, in seconds where it counts nanoseconds.
pub fn counted(count: u64, unit: Unit) -> String {
    match unit {
        Unit::Nanoseconds => format!("{:.3} s", count as f64 / 1e9),
        _ => grouped(count),
    }
}

fn write_events(out: &mut String, run: &Run, all: bool) -> std::fmt::Result {
    if run.events.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nevents")?;
    let count = run.events.len();
    let left_out = if all { 0 } else { count.saturating_sub(2 * EVENTS) };
    for (index, event) in run.events.iter().enumerate() {
        if left_out > 0 && (EVENTS..count - EVENTS).contains(&index) {
            if index == EVENTS {
                writeln!(out, "  … {} more (--all) …", grouped(left_out as u64))?;
            }
            continue;
        }
        writeln!(out, "{:>9.1}s  {:<20} {}", event.at.as_secs_f64(), event.name, event.text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_one_reads() {
        let shown = [0.0, 46_228.0, 1_977.660_89, -3.0, f64::NAN, 1e300].map(figure);
        assert_eq!(shown[..4], ["0", "46,228", "1977.661", "-3"]);
        assert_eq!((&*shown[4], shown[5].len()), ("NaN", 301));
        assert_eq!((levels(2.0, 2.0), levels(-1.0, 1.5)), ("2".into(), "-1 to 1.500".into()));
        assert_eq!(told(&Fact::Text("12s".into())), "12s");
    }
}
