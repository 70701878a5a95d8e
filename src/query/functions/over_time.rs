//! What the samples of a window are together.

use super::super::distribution::Distribution;
use super::super::error::QueryError;
use super::super::value::Sample;
use super::number::{self, Mean, Sum};
use super::range::Window;
use std::sync::Arc;

pub(crate) fn count(window: &Window<'_>) -> Option<Sample> {
    let count = window.floats.len() + window.histograms.len();
    (count > 0).then_some(Sample::Float(count as f64))
}

/// The oldest sample, and its time.
pub(crate) fn first(window: &Window<'_>) -> Option<(i64, Sample)> {
    let float = window.floats.first();
    match window.histograms.first() {
        Some((time, histogram)) if float.is_none_or(|(other, _)| other > time) => {
            Some((*time, Sample::Histogram(histogram.clone())))
        }
        _ => float.map(|(time, value)| (*time, Sample::Float(*value))),
    }
}

/// The latest sample, and its time.
pub(crate) fn last(window: &Window<'_>) -> Option<(i64, Sample)> {
    let float = window.floats.last();
    match window.histograms.last() {
        Some((time, histogram)) if float.is_none_or(|(other, _)| other < time) => {
            Some((*time, Sample::Histogram(histogram.clone())))
        }
        _ => float.map(|(time, value)| (*time, Sample::Float(*value))),
    }
}

/// The time of a sample, in seconds.
pub(crate) fn time_of(sample: Option<(i64, Sample)>) -> Option<Sample> {
    sample.map(|(time, _)| Sample::Float(time as f64 / 1000.0))
}

/// The sum of a window's histograms; `None` if it has none, or numbers, too.
fn added(window: &Window<'_>) -> Option<Distribution> {
    let ((_, first), rest) = window.histograms.split_first()?;
    let mut sum = Distribution::clone(first);
    rest.iter().for_each(|(_, histogram)| sum.add(histogram));
    window.floats.is_empty().then_some(sum)
}

pub(crate) fn sum(window: &Window<'_>) -> Option<Sample> {
    if !window.histograms.is_empty() {
        return Some(Sample::Histogram(Arc::new(added(window)?)));
    }
    window.floats.first()?;
    let mut sum = Sum::default();
    window.floats.iter().for_each(|(_, value)| sum.add(*value));
    Some(Sample::Float(sum.total()))
}

pub(crate) fn avg(window: &Window<'_>) -> Option<Sample> {
    if !window.histograms.is_empty() {
        let mut sum = added(window)?;
        sum.scale(1.0 / window.histograms.len() as f64);
        return Some(Sample::Histogram(Arc::new(sum)));
    }
    window.floats.first()?;
    let mut mean = Mean::default();
    window.floats.iter().for_each(|(_, value)| mean.add(*value));
    Some(Sample::Float(mean.mean()))
}

/// The number that beats all others; NaN only if there is nothing else.
pub(crate) fn extreme(window: &Window<'_>, beats: fn(f64, f64) -> bool) -> Option<Sample> {
    let values = window.floats.iter().map(|(_, value)| *value);
    let best = |best: f64, value: f64| {
        if beats(value, best) || best.is_nan() { value } else { best }
    };
    values.reduce(best).map(Sample::Float)
}

/// The time of the number that beats all before it and is not beaten after: of equals, the last one's.
pub(crate) fn time_of_extreme(window: &Window<'_>, beats: fn(f64, f64) -> bool) -> Option<Sample> {
    let best = |best: (i64, f64), next: (i64, f64)| {
        if beats(next.1, best.1) || best.1.is_nan() { next } else { best }
    };
    let (time, _) = window.floats.iter().copied().reduce(best)?;
    Some(Sample::Float(time as f64 / 1000.0))
}

pub(crate) fn variance(window: &Window<'_>) -> Option<f64> {
    window.floats.first()?;
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for (index, (_, value)) in window.floats.iter().enumerate() {
        let delta = value - mean.total();
        mean.add(delta / (index + 1) as f64);
        squares.add(delta * (value - mean.total()));
    }
    Some(squares.total() / window.floats.len() as f64)
}

pub(crate) fn quantile(window: &Window<'_>) -> Option<Sample> {
    window.floats.first()?;
    let mut values: Vec<_> = window.floats.iter().map(|(_, value)| *value).collect();
    Some(Sample::Float(number::quantile(window.parameters[0], &mut values)))
}

/// The median of how far numbers lie from their median.
pub(crate) fn median_deviation(window: &Window<'_>) -> Option<Sample> {
    window.floats.first()?;
    let mut values: Vec<_> = window.floats.iter().map(|(_, value)| *value).collect();
    let median = number::quantile(0.5, &mut values);
    values.iter_mut().for_each(|value| *value = (*value - median).abs());
    Some(Sample::Float(number::quantile(0.5, &mut values)))
}

pub(crate) fn resets(window: &Window<'_>) -> Option<Sample> {
    count(window)?;
    let floats = window.floats.windows(2).filter(|pair| pair[1].1 < pair[0].1).count();
    let histograms = window.histograms.windows(2);
    let histograms = histograms.filter(|pair| pair[1].1.is_reset_of(&pair[0].1)).count();
    Some(Sample::Float((floats + histograms) as f64))
}

pub(crate) fn changes(window: &Window<'_>) -> Option<Sample> {
    count(window)?;
    let differ = |a: f64, b: f64| a != b && !(a.is_nan() && b.is_nan());
    let floats = window.floats.windows(2).filter(|pair| differ(pair[0].1, pair[1].1)).count();
    let histograms = window.histograms.windows(2);
    let histograms = histograms.filter(|pair| pair[0].1 != pair[1].1).count();
    Some(Sample::Float((floats + histograms) as f64))
}

/// Double exponential smoothing (`holt_winters`): a smoothed value that follows a trend, which is smoothed, too.
pub(crate) fn smoothed(window: &Window<'_>) -> Result<Option<Sample>, QueryError> {
    let [smoothing, trending] = window.parameters;
    if window.floats.is_empty() {
        return Ok(None);
    }
    for (factor, name) in [(smoothing, "smoothing"), (trending, "trend")] {
        // NaN passes, as it does in Prometheus.
        if factor <= 0.0 || factor >= 1.0 {
            return Err(QueryError::execution(format!(
                "invalid {name} factor. Expected: 0 < factor < 1, got: {factor}"
            )));
        }
    }
    let [(_, first), (_, second), ..] = window.floats else { return Ok(None) };
    let (mut before, mut smooth, mut trend) = (0.0, *first, second - first);
    for (index, (_, value)) in window.floats.iter().enumerate().skip(1) {
        if index > 1 {
            trend = trending * (smooth - before) + (1.0 - trending) * trend;
        }
        let next = smoothing * value + (1.0 - smoothing) * (smooth + trend);
        (before, smooth) = (smooth, next);
    }
    Ok(Some(Sample::Float(smooth)))
}
