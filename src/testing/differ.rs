//! What changed between two snapshots, and the words for it.

use crate::limits::MAX_TEST_LINES;
use crate::{SeriesView, Snapshot, Value};
use std::fmt;

/// What a series did between two snapshots.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Changed {
    pub(super) name: String,
    pub(super) labels: Vec<(String, String)>,
    did: Did,
}

#[derive(Clone, Debug, PartialEq)]
enum Did {
    Nothing,
    /// A counter rose by so much.
    Rose(u64),
    /// From, if it was there, to.
    Went(Option<String>, String),
    /// A histogram recorded so many values that add up to so much.
    Counted(u64, u128),
    /// The series was there, and is no more.
    Gone,
}

impl Changed {
    pub(super) fn of(earlier: &Snapshot, series: &SeriesView<'_>) -> Changed {
        let did = match (series.value, earlier.same(series)) {
            (Value::Counter(now), then) => {
                let then = if let Some(Value::Counter(then)) = then { then } else { 0 };
                match now.checked_sub(then).unwrap_or(now) {
                    0 => Did::Nothing,
                    rise => Did::Rose(rise),
                }
            }
            (Value::Histogram(now), then) => {
                let since = match then {
                    Some(Value::Histogram(then)) => now.since(then).ok(),
                    _ => None,
                };
                let since = since.as_ref().unwrap_or(now);
                match since.count() {
                    0 => Did::Nothing,
                    count => Did::Counted(count, since.sum()),
                }
            }
            (Value::UpDownCounter(now), then) => {
                let then =
                    if let Some(Value::UpDownCounter(then)) = then { Some(then) } else { None };
                went(then.unwrap_or(0) == now, then.map(|then| then.to_string()), now.to_string())
            }
            (Value::Gauge(now), then) => {
                let then = if let Some(Value::Gauge(then)) = then { Some(then) } else { None };
                let before = then.unwrap_or(0.0);
                let same = before == now || (before.is_nan() && now.is_nan());
                went(same, then.map(|then| then.to_string()), now.to_string())
            }
        };
        Changed { name: series.definition.name.clone(), labels: series.labels.to_vec(), did }
    }
}

fn went(same: bool, from: Option<String>, to: String) -> Did {
    if same { Did::Nothing } else { Did::Went(from, to) }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self.labels.iter().map(|(key, value)| (&**key, &**value));
        f.write_str(&series_text(&self.name, labels))?;
        match &self.did {
            Did::Nothing => f.write_str(" did not change"),
            Did::Rose(by) => write!(f, " rose by {by}"),
            Did::Went(Some(from), to) => write!(f, " went from {from} to {to}"),
            Did::Went(None, to) => write!(f, " is new, at {to}"),
            Did::Counted(count, sum) => write!(f, " recorded {count} values, {sum} in all"),
            Did::Gone => f.write_str(" went"),
        }
    }
}

/// What did something, by name and labels.
pub(super) fn changed(earlier: &Snapshot, later: &Snapshot) -> Vec<Changed> {
    let there = later.series().map(|series| Changed::of(earlier, &series));
    let mut all: Vec<Changed> = there.filter(|one| one.did != Did::Nothing).collect();
    let gone = earlier.series().filter(|series| {
        let mut same = later.select(&series.definition.name, &[]);
        !same.any(|other| other.labels == series.labels)
    });
    all.extend(gone.map(|series| {
        let (name, labels) = (series.definition.name.clone(), series.labels.to_vec());
        Changed { name, labels, did: Did::Gone }
    }));
    all
}

/// `name{key="value"}`, as a page has it.
pub(super) fn series_text<'a>(
    name: &str,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let labels: Vec<String> = labels.map(|(key, value)| format!("{key}={value:?}")).collect();
    if labels.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", labels.join(",")) }
}

/// Each on a line of its own, as many as are read.
pub(super) fn list(lines: impl Iterator<Item = String>) -> String {
    let mut lines = lines.fuse();
    let mut text: String =
        lines.by_ref().take(MAX_TEST_LINES).map(|line| format!("\n  {line}")).collect();
    match lines.count() {
        0 => {}
        more => text += &format!("\n  and {more} more"),
    }
    text
}

/// There is no such series: what there is, the nearest name first.
pub(super) fn missing(
    earlier: &Snapshot,
    later: &Snapshot,
    name: &str,
    labels: &[(&str, &str)],
) -> String {
    let what = series_text(name, labels.iter().copied());
    let mut all: Vec<(bool, f64, String, String)> = later
        .series()
        .map(|series| {
            let there = &series.definition.name;
            let alike = strsim::normalized_damerau_levenshtein(name, there);
            let text = Changed::of(earlier, &series).to_string();
            (
                there == name,
                alike,
                there.clone(),
                format!("{text} ({})", series.definition.kind.name()),
            )
        })
        .collect();
    // Stable: series of one name stay in the order of their labels.
    all.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let advice = match all.first() {
        None => return format!("there is no {what}: nothing is registered here"),
        Some((true, ..)) => {
            "the metric is there, but no series of it carries these labels.".to_owned()
        }
        // Less than half alike is another metric, and no slip.
        Some((false, alike, nearest, _)) if *alike >= 0.5 => format!("did you mean {nearest}?"),
        Some(_) => "no name is like it.".to_owned(),
    };
    let lines = all.into_iter().map(|(_, _, _, line)| line);
    format!("there is no {what}: {advice} There are:{}", list(lines))
}
