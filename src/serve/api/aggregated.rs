//! `/metrics/aggregated`: what each series was like over a window that ends now, as Prometheus text 0.0.4.
//!
//! Of each metric there are seven gauges, named after it: `…_avg`, `…_min`, `…_max`, `…_sum`, `…_p50`, `…_p95`, `…_p99`.
//!
//! | series of | are statistics of |
//! |---|---|
//! | numbers | the samples in the window, both ends of it in, as `avg_over_time` and its like have them |
//! | histograms | the values that were recorded within the window; minimum and maximum are bounds of buckets |
//! | counters (by their metadata, or a name that ends in `_total`) | how fast they rose, per second, from each sample to the next; `…_sum` is by how much in all |
//!
//! A counter that falls began anew at zero. With `by=label` the series that have the same value of that label become one: their
//! samples, values or rises are taken together. What has no samples in the window is not on the page.

use super::form::Form;
use super::times;
use super::write::{Text, number};
use super::{Failure, is_label_name, shown, time};
use crate::limits::DEFAULT_AGGREGATION_WINDOW;
use crate::query::{
    Content, Distribution, Labels, METRIC_NAME, QueryError, Series, Settings, Source,
};
use crate::query::{is_stale, quantile};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;

const STATISTICS: [&str; 7] = ["avg", "min", "max", "sum", "p50", "p95", "p99"];
const QUANTILES: [f64; 3] = [0.5, 0.95, 0.99];

/// The page.
///
/// # Errors
/// A parameter is wrong, the series cannot be read, or a limit was met.
pub(super) fn page(
    source: &dyn Source,
    settings: Settings,
    now: i64,
    form: &Form,
) -> Result<String, Failure> {
    let window = match form.first("window").map(times::duration) {
        None => DEFAULT_AGGREGATION_WINDOW.as_millis() as i64,
        Some(Ok(ns)) if ns >= 1_000_000 => ns / 1_000_000,
        Some(Ok(_)) => {
            return Err(Failure::parameter("window", "it must be at least a millisecond"));
        }
        Some(Err(why)) => return Err(Failure::parameter("window", why)),
    };
    let by = form.first("by");
    if let Some(name) = by.filter(|name| !is_label_name(name)) {
        return Err(Failure::parameter("by", format!("{} is no label's name", shown(name))));
    }
    let to = time(form, "time")?.unwrap_or(now);
    let mut reader = Reader::new(settings, (to.saturating_sub(window), to));
    let metadata = source.metadata(None);
    let counters = metadata.iter().filter(|one| one.kind == "counter").map(|one| &*one.metric);
    let counters: HashSet<&str> = counters.collect();
    let known: HashSet<&str> = metadata.iter().map(|one| &*one.metric).collect();
    let is_counter = |name: &str| {
        let family = name.strip_suffix("_total");
        counters.contains(name)
            || family.is_some_and(|family| counters.contains(family))
            || (family.is_some() && !known.contains(name))
    };
    let mut groups: BTreeMap<(String, Labels), Group> = BTreeMap::new();
    for series in source.select(&[], reader.from, reader.to)? {
        let Some(name) = series.labels().metric() else { continue };
        let labels = match by {
            None => Labels::new(series.labels().iter().filter(|(name, _)| *name != METRIC_NAME)),
            Some(label) => Labels::new(series.labels().get(label).map(|value| (label, value))),
        };
        let group = groups.entry((name.to_owned(), labels)).or_default();
        reader.add(group, &*series, is_counter(name))?;
    }
    let mut out = Text(String::new());
    let groups: Vec<_> =
        groups.iter_mut().filter_map(|(key, group)| Some((key, group.statistics()?))).collect();
    for metric in groups.chunk_by(|a, b| a.0.0 == b.0.0) {
        write(&mut out, metric, window)?;
    }
    Ok(out.0)
}

/// The window, and what may still be read of it.
struct Reader {
    settings: Settings,
    deadline: Duration,
    from: i64,
    to: i64,
    samples: u64,
}

impl Reader {
    fn new(settings: Settings, (from, to): (i64, i64)) -> Reader {
        let deadline = settings.clock.now().elapsed.saturating_add(settings.time_limit);
        let from = from.saturating_add(i64::from(settings.left_open));
        Reader { settings, deadline, from, to, samples: 0 }
    }

    fn add(
        &mut self,
        group: &mut Group,
        series: &dyn Series,
        is_counter: bool,
    ) -> Result<(), QueryError> {
        let mut floats = Vec::new();
        series.floats(self.from, self.to, &mut floats);
        floats.retain(|(_, value)| !is_stale(*value));
        let mut read = floats.len();
        if is_counter {
            for pair in floats.windows(2) {
                let [(before, old), (time, new)] = [pair[0], pair[1]];
                let rise = if new < old { new } else { new - old };
                group.values.push(rise / ((time - before) as f64 / 1000.0));
                *group.sum.get_or_insert(0.0) += rise;
            }
        } else {
            group.values.extend(floats.iter().map(|(_, value)| *value));
        }
        let increase = (series.content() != Content::Floats)
            .then(|| series.increase(self.from, self.to))
            .flatten();
        if let Some(increase) = increase {
            read += increase.delta.buckets().len() + 1;
            group.values_of_histograms.add(&increase.delta);
        }
        self.samples += read as u64;
        if self.samples > self.settings.max_samples {
            return Err(QueryError::TooMany {
                what: "samples in the window",
                limit: self.settings.max_samples,
                advice: "ask for a shorter window, or raise the limit",
            });
        }
        if self.settings.clock.now().elapsed > self.deadline {
            return Err(QueryError::TimedOut {
                limit_ms: self.settings.time_limit.as_millis() as u64,
            });
        }
        Ok(())
    }
}

/// Series that are taken together.
#[derive(Default)]
struct Group {
    values: Vec<f64>,
    /// Where it is not that of the values.
    sum: Option<f64>,
    values_of_histograms: Distribution,
}

impl Group {
    /// In the order of [`STATISTICS`]; nothing of nothing. Of a group with both, the histograms'.
    fn statistics(&mut self) -> Option<[f64; 7]> {
        let histogram = &self.values_of_histograms;
        if histogram.count() > 0.0 {
            let buckets = histogram.buckets();
            let low = buckets.first().map_or(f64::NAN, |bucket| bucket.lower);
            let high = buckets.last().map_or(f64::NAN, |bucket| bucket.upper);
            let [p50, p95, p99] = QUANTILES.map(|q| histogram.quantile(q));
            return Some([
                histogram.sum() / histogram.count(),
                low,
                high,
                histogram.sum(),
                p50,
                p95,
                p99,
            ]);
        }
        if self.values.is_empty() {
            return None;
        }
        let total: f64 = self.values.iter().sum();
        let [p50, p95, p99] = QUANTILES.map(|q| quantile(q, &mut self.values));
        // NaN only if all of them are, as `min_over_time` has it.
        let low = self.values.iter().copied().fold(f64::NAN, f64::min);
        let high = self.values.iter().copied().fold(f64::NAN, f64::max);
        let average = total / self.values.len() as f64;
        Some([average, low, high, self.sum.unwrap_or(total), p50, p95, p99])
    }
}

/// All statistics of one metric.
fn write(
    out: &mut Text,
    groups: &[(&(String, Labels), [f64; 7])],
    window_ms: i64,
) -> Result<(), QueryError> {
    let Some(((name, _), _)) = groups.first() else { return Ok(()) };
    // Writing to a string does not fail.
    for (index, statistic) in STATISTICS.iter().enumerate() {
        let seconds = window_ms as f64 / 1000.0;
        let _ =
            writeln!(out.0, "# HELP {name}_{statistic} {statistic} of {name} over {seconds} s.");
        let _ = writeln!(out.0, "# TYPE {name}_{statistic} gauge");
        for ((_, labels), values) in groups {
            let _ = write!(out.0, "{name}_{statistic}");
            for (at, (label, value)) in labels.iter().enumerate() {
                let before = if at == 0 { '{' } else { ',' };
                let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                let _ = write!(out.0, "{before}{label}=\"{value}\"");
            }
            out.0.push_str(if labels.is_empty() { " " } else { "} " });
            number(&mut out.0, values[index]);
            out.0.push('\n');
            out.bounded()?;
        }
    }
    Ok(())
}
