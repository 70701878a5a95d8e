//! A run's metrics as rows: metric by metric with all series together, or series by series.

use std::collections::BTreeMap;

use tachometer::testing::artifact::Run;
use tachometer::{HistogramSnapshot, JsonValue, Kind, Unit};

/// What one row shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// A count that rises, in the recorded unit.
    Counter(u64),
    /// A value that stands: the least and the greatest of all series.
    Level(f64, f64),
    Histogram(HistogramSnapshot),
}

/// The rows of a run by name, with their units. Counters are added up, histograms merged without loss; a sum of levels (terms, times,
/// indices) would say nothing. Infos, and which state of a set holds, are not shown but by series.
pub fn rows(run: &Run, by_series: bool) -> BTreeMap<String, (Unit, Row)> {
    let mut rows: BTreeMap<String, (Unit, Row)> = BTreeMap::new();
    let families = run.metrics.iter().flat_map(|metrics| &metrics.families);
    for family in families.filter(|family| by_series || !family.name.starts_with("tachometer_")) {
        if matches!(family.kind, Kind::Info | Kind::StateSet) && !by_series {
            continue;
        }
        for series in &family.series {
            let labels: Vec<String> =
                series.labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
            let name = match by_series && !labels.is_empty() {
                true => format!("{}{{{}}}", family.name, labels.join(",")),
                false => family.name.clone(),
            };
            let row = match &series.value {
                JsonValue::Counter(count) => Row::Counter(*count),
                JsonValue::UpDownCounter(count) => Row::Level(*count as f64, *count as f64),
                JsonValue::Gauge(value) => Row::Level(*value, *value),
                JsonValue::Histogram(histogram) => Row::Histogram(histogram.clone()),
                // A value of a later version.
                _ => continue,
            };
            match rows.get_mut(&name) {
                Some((_, there)) => add(there, row),
                None => drop(rows.insert(name, (family.unit, row))),
            }
        }
    }
    rows
}

fn add(there: &mut Row, row: Row) {
    match (there, row) {
        (Row::Counter(all), Row::Counter(one)) => *all = all.saturating_add(one),
        (Row::Level(least, most), Row::Level(low, high)) => {
            (*least, *most) = (least.min(low), most.max(high));
        }
        (Row::Histogram(all), Row::Histogram(one)) => {
            // Series of one metric have one precision; a file in which they have not was tampered with, and the first counts.
            let _ = all.merge(&one);
        }
        // Nor are they of one type.
        _ => {}
    }
}
