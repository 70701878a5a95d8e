//! A run's results: the table for people, the raw samples for files.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::measure::Sample;
use super::workload::{WORKLOADS, Workload};
use super::{Rival, machine};

/// One cell: the calls in a lap, and a sample per round.
pub struct Cell {
    pub calls: usize,
    pub samples: Vec<Sample>,
}

impl Cell {
    /// The median over the rounds, in nanoseconds.
    pub fn median_ns(&self) -> f64 {
        median(self.samples.iter().map(Sample::mean_ns).collect())
    }

    /// The median over the rounds of allocations per call.
    pub fn allocations(&self) -> f64 {
        median(self.samples.iter().map(|sample| sample.allocations).collect())
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// One row: a rival and its cells, `None` where it does not offer the workload.
pub struct Row {
    pub rival: Box<dyn Rival>,
    pub cells: Vec<Option<Cell>>,
}

/// How and when the run was made.
pub struct Run {
    pub quick: bool,
    pub rounds: usize,
    pub lap_ms: f64,
    pub started: String,
    pub load_at_start: String,
}

/// The table, in Markdown, in two parts: calls and pages. A rival stands in the parts that it has
/// something of.
pub fn table(rows: &[Row]) -> String {
    let calls = part(rows, |workload| !workload.is_scrape());
    let pages = part(rows, Workload::is_scrape);
    format!("{calls}\n{pages}")
}

fn part(rows: &[Row], is_in_it: impl Fn(&Workload) -> bool) -> String {
    let columns = || WORKLOADS.iter().enumerate().filter(|(_, workload)| is_in_it(workload));
    let mut lines = vec![vec![String::from("rival")]];
    lines[0].extend(columns().map(|(_, workload)| workload.title.to_owned()));
    for row in rows.iter().filter(|row| columns().any(|(at, _)| row.cells[at].is_some())) {
        let mut line = vec![row.rival.name().to_owned()];
        line.extend(columns().map(|(at, workload)| match &row.cells[at] {
            Some(cell) => text(cell, workload),
            None => "—".to_owned(),
        }));
        lines.push(line);
    }
    render(&lines)
}

/// A number with three significant figures, followed by its allocations if there are any.
fn text(cell: &Cell, workload: &Workload) -> String {
    let scale = if workload.is_scrape() { 1e-6 } else { 1.0 };
    let value = cell.median_ns() * scale;
    let decimals = match value {
        ..1.0 if workload.is_scrape() => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    let mut text = format!("{value:.decimals$}");
    let allocations = cell.allocations();
    if allocations >= 10.0 {
        _ = write!(text, " +{allocations:.0}a");
    } else if allocations >= 0.005 {
        let rounded = format!("{allocations:.2}");
        _ = write!(text, " +{}a", rounded.trim_end_matches('0').trim_end_matches('.'));
    }
    text
}

fn render(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: Vec<usize> = (0..lines[0].len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut table = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            _ = match column {
                0 => write!(table, "| {cell:<width$} |"),
                _ => write!(table, " {cell:>width$} |"),
            };
        }
        table.push('\n');
        if number == 0 {
            for (column, &width) in widths.iter().enumerate() {
                _ = match column {
                    0 => write!(table, "|{}|", "-".repeat(width + 2)),
                    _ => write!(table, "{}:|", "-".repeat(width + 1)),
                };
            }
            table.push('\n');
        }
    }
    table
}

/// Everything, samples included, as JSON.
pub fn raw(run: &Run, rows: &[Row]) -> Value {
    json!({
        "date": run.started,
        "quick": run.quick,
        "rounds": run.rounds,
        "lap_ms": run.lap_ms,
        "machine": machine::machine(),
        "load_average": { "at_start": run.load_at_start, "at_end": machine::load() },
        "build": machine::build(),
        "rivals": rows.iter().map(raw_row).collect::<Vec<_>>(),
    })
}

fn raw_row(row: &Row) -> Value {
    let crates = row.rival.crates().iter();
    let versions: Map<String, Value> =
        crates.map(|&name| (name.to_owned(), machine::version_of(name).into())).collect();
    let cells: Map<String, Value> = row
        .cells
        .iter()
        .zip(&WORKLOADS)
        .map(|(cell, workload)| {
            (workload.id.to_owned(), cell.as_ref().map_or(Value::Null, raw_cell))
        })
        .collect();
    json!({ "name": row.rival.name(), "crates": versions, "workloads": cells })
}

fn raw_cell(cell: &Cell) -> Value {
    let samples = cell.samples.iter();
    json!({
        "median_ns": rounded(cell.median_ns()),
        "allocations": rounded(cell.allocations()),
        "calls_per_lap": cell.calls,
        "ns_by_round_and_thread": samples
            .map(|sample| sample.ns.iter().copied().map(rounded).collect::<Vec<_>>())
            .collect::<Vec<_>>(),
        "preemptions_by_round": cell.samples.iter().map(|s| s.preemptions).collect::<Vec<_>>(),
    })
}

/// Picoseconds are enough.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
