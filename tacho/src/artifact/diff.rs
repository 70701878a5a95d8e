//! `tacho artifact diff`: two runs, side by side.
//!
//! Runs may have different lengths: counters are compared by their rates. Quantiles are those of the merged buckets of each run,
//! exact within their precision.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use tachometer::testing::artifact::Run;
use tachometer::{HistogramSnapshot, Unit};

use super::flat::{Row, rows};
use super::show::{levels, told, verdict};
use crate::report::shown;
use crate::text::{grouped, mebibytes, short};

const NAME: usize = 48;

/// What differs between the two, as text; with `all`, also what does not.
pub fn diff(before: &Run, after: &Run, all: bool) -> String {
    let mut out = String::new();
    // Writing to a string does not fail; as everywhere here.
    let _ = write_heads(&mut out, before, after);
    let _ = write_facts(&mut out, before, after, all);
    let _ = write_memory(&mut out, before, after);
    let _ = write_metrics(&mut out, before, after, all);
    out
}

fn write_heads(out: &mut String, before: &Run, after: &Run) -> fmt::Result {
    for (name, run) in [("before", before), ("after", after)] {
        writeln!(out, "{name:<8}{}, {}, {}", run.name, run.run_id, short(run.duration))?;
        writeln!(out, "        {}", verdict(run))?;
    }
    Ok(())
}

fn write_facts(out: &mut String, before: &Run, after: &Run, all: bool) -> fmt::Result {
    let seed = |run: &Run| run.seed.map(|seed| seed.to_string());
    let events = |run: &Run| Some(grouped(run.events.len() as u64 + run.dropped_events));
    let panics = |run: &Run| Some(grouped(run.panics));
    let mut rows = vec![
        ("seed".to_owned(), seed(before), seed(after)),
        ("events".to_owned(), events(before), events(after)),
        ("panics".to_owned(), panics(before), panics(after)),
    ];
    let names: BTreeSet<&String> = before.facts.keys().chain(after.facts.keys()).collect();
    for name in names {
        let fact = |run: &Run| run.facts.get(name).map(told);
        rows.push((name.clone(), fact(before), fact(after)));
    }
    rows.retain(|(_, before, after)| all || before != after);
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{:<NAME$}{:>18}{:>18}", "facts", "before", "after")?;
    for (name, before, after) in rows {
        let text = |fact: Option<String>| fact.unwrap_or("-".to_owned());
        writeln!(out, "  {name:<46}{:>18}{:>18}", text(before), text(after))?;
    }
    Ok(())
}

fn write_memory(out: &mut String, before: &Run, after: &Run) -> fmt::Result {
    type Of = fn(&Run) -> Option<u64>;
    let of: [(&str, Of); 4] = [
        ("resident, first", |run| Some(run.memory.first()?.memory.resident_bytes)),
        ("resident, last", |run| Some(run.memory.last()?.memory.resident_bytes)),
        ("resident, highest", |run| run.memory.iter().map(|one| one.memory.resident_bytes).max()),
        ("virtual, last", |run| Some(run.memory.last()?.memory.virtual_bytes)),
    ];
    header(out, "memory")?;
    for (name, of) in of {
        row(
            out,
            name,
            [of(before), of(after)].map(|bytes| bytes.map(|bytes| bytes as f64)),
            |bytes| mebibytes(bytes as u64),
        )?;
    }
    let threads = [before, after].map(|run| run.memory.last().map(|one| one.memory.threads as f64));
    row(out, "threads, last", threads, |threads| grouped(threads as u64))
}

fn header(out: &mut String, title: &str) -> fmt::Result {
    writeln!(out, "\n{title:<NAME$}{:>18}{:>18}{:>12}", "before", "after", "change")
}

/// A figure of both runs, and by how much the one is more than the other.
fn row(
    out: &mut String,
    name: &str,
    [before, after]: [Option<f64>; 2],
    shown: impl Fn(f64) -> String,
) -> fmt::Result {
    let text = |value: Option<f64>| value.map_or("-".to_owned(), &shown);
    let change = match (before, after) {
        (Some(before), Some(after)) if before == after => "=".to_owned(),
        (Some(before), Some(after)) if before != 0.0 => {
            format!("{:+.1} %", 100.0 * (after - before) / before.abs())
        }
        _ => String::new(),
    };
    writeln!(out, "  {name:<46}{:>18}{:>18}{change:>12}", text(before), text(after))
}

fn write_metrics(out: &mut String, before: &Run, after: &Run, all: bool) -> fmt::Result {
    let (rows_before, rows_after) = (rows(before, all), rows(after, all));
    let names: BTreeSet<&String> = rows_before.keys().chain(rows_after.keys()).collect();
    let (mut rates, mut stands, mut distributions) = (String::new(), String::new(), String::new());
    for name in names {
        let found = [rows_before.get(name), rows_after.get(name)];
        let unit = found.into_iter().flatten().next().map_or(Unit::None, |(unit, _)| *unit);
        let counter = [(found[0], before), (found[1], after)].map(|(found, run)| match found {
            Some((_, Row::Counter(count))) => {
                let seconds = run.duration.as_secs_f64().max(1e-9);
                Some(*count as f64 / unit.divisor() as f64 / seconds)
            }
            _ => None,
        });
        let level = found.map(|found| match found {
            Some((_, Row::Level(least, most))) => Some((*least, *most)),
            _ => None,
        });
        let histogram = found.map(|found| match found {
            Some((_, Row::Histogram(histogram))) => Some(histogram),
            _ => None,
        });
        if counter.iter().flatten().any(|rate| all || *rate != 0.0) {
            row(&mut rates, name, counter, |rate| format!("{rate:.1}"))?;
        }
        if level != [None; 2] && (all || level[0] != level[1]) {
            let level = level
                .map(|level| level.map_or("-".to_owned(), |(least, most)| levels(least, most)));
            writeln!(stands, "  {name:<46}{:>18}{:>18}", level[0], level[1])?;
        }
        if histogram.iter().flatten().any(|histogram| all || !histogram.is_empty()) {
            write_distribution(&mut distributions, name, histogram, unit)?;
        }
    }
    let parts =
        [("counters, a second", rates), ("levels", stands), ("distributions", distributions)];
    for (title, part) in parts.into_iter().filter(|(_, part)| !part.is_empty()) {
        header(out, title)?;
        out.push_str(&part);
    }
    Ok(())
}

fn write_distribution(
    out: &mut String,
    name: &str,
    found: [Option<&HistogramSnapshot>; 2],
    unit: Unit,
) -> fmt::Result {
    let figure = |of: &dyn Fn(&HistogramSnapshot) -> Option<u64>| {
        found.map(|histogram| histogram.and_then(of).map(|value| value as f64))
    };
    row(out, &format!("{name}, count"), figure(&|one| Some(one.count())), |count| {
        grouped(count as u64)
    })?;
    for (title, q) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)] {
        let title = format!("{:>width$}", title, width = name.chars().count().min(38) + 7);
        row(out, &title, figure(&|one| one.quantile(q)), |value| shown(value as u64, unit))?;
    }
    Ok(())
}
