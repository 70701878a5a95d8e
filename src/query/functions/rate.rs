//! How fast a series changes.

use super::super::distribution::Distribution;
use super::super::source::Content;
use super::super::value::Sample;
use super::number::Sum;
use super::range::Window;
use std::sync::Arc;

pub(crate) fn rate(window: &Window<'_>) -> Option<Sample> {
    extrapolated(window, true, 1.0 / window.seconds())
}

pub(crate) fn increase(window: &Window<'_>) -> Option<Sample> {
    extrapolated(window, true, 1.0)
}

pub(crate) fn delta(window: &Window<'_>) -> Option<Sample> {
    if let ([(first_ms, first), ..], [.., (last_ms, last)]) = (window.histograms, window.histograms)
    {
        if window.histograms.len() < 2 || !window.floats.is_empty() {
            return None;
        }
        let mut delta = Distribution::clone(last);
        delta.sub(first);
        delta.compact();
        let factor = factor(window, (*first_ms, *last_ms), window.histograms.len() as u64, None);
        delta.scale(factor);
        return Some(Sample::Histogram(Arc::new(delta)));
    }
    extrapolated(window, false, 1.0)
}

/// The change over the whole window, as it would be if the samples went on to its ends, times `scale`.
fn extrapolated(window: &Window<'_>, is_counter: bool, scale: f64) -> Option<Sample> {
    if is_counter && window.series.content() != Content::Floats {
        let added = window.series.increase(window.oldest_ms, window.to_ms);
        if let Some(mut added) = added {
            // Numbers and histograms in one window have no difference.
            if !window.floats.is_empty() {
                return None;
            }
            let ends = (added.first_ms, added.last_ms);
            added.delta.scale(factor(window, ends, added.samples, None) * scale);
            return Some(Sample::Histogram(Arc::new(added.delta)));
        }
    }
    let [(first_ms, first), .., (last_ms, last)] = window.floats else { return None };
    let mut change = last - first;
    if is_counter {
        let pairs = window.floats.windows(2);
        // After a reset, a counter has counted from zero: what it had before comes on top.
        change += pairs.filter(|pair| pair[1].1 < pair[0].1).map(|pair| pair[0].1).sum::<f64>();
    }
    // A counter is not extrapolated to below zero.
    let to_zero = (is_counter && change > 0.0 && *first >= 0.0).then_some(first / change);
    let factor = factor(window, (*first_ms, *last_ms), window.floats.len() as u64, to_zero);
    Some(Sample::Float(change * factor * scale))
}

/// By how much the time from the first sample to the last must grow to stand for the window. As far as the window's ends, if
/// samples are likely to have come there: if the gap is not much longer than those between samples; otherwise by half of
/// such a gap. `to_zero` says how far before the first sample a counter was zero, in times of the span of all samples.
fn factor(
    window: &Window<'_>,
    (first, last): (i64, i64),
    samples: u64,
    to_zero: Option<f64>,
) -> f64 {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let sampled = seconds(last - first);
    let between = sampled / (samples - 1) as f64;
    let mut to_start = seconds(first.saturating_sub(window.from_ms));
    let to_end = seconds(window.to_ms.saturating_sub(last));
    if let Some(to_zero) = to_zero {
        to_start = to_start.min(sampled * to_zero);
    }
    let gap = |gap: f64| if gap < between * 1.1 { gap } else { between / 2.0 };
    (sampled + gap(to_start) + gap(to_end)) / sampled
}

/// `irate` and `idelta`
pub(crate) fn between_last_two(window: &Window<'_>, is_rate: bool) -> Option<Sample> {
    let [.., (before_ms, before), (last_ms, last)] = window.floats else { return None };
    let change = if is_rate && last < before { *last } else { last - before };
    let seconds = (last_ms - before_ms) as f64 / 1000.0;
    Some(Sample::Float(if is_rate { change / seconds } else { change }))
}

pub(crate) fn deriv(window: &Window<'_>) -> Option<Sample> {
    let (first_ms, _) = window.floats.first()?;
    regression(window.floats, *first_ms).map(|(slope, _)| Sample::Float(slope))
}

pub(crate) fn predict_linear(window: &Window<'_>) -> Option<Sample> {
    let (slope, now) = regression(window.floats, window.time_ms)?;
    Some(Sample::Float(slope * window.parameters[0] + now))
}

/// The straight line through samples by least squares: its slope by the second, and where it is at `at_ms`.
fn regression(samples: &[(i64, f64)], at_ms: i64) -> Option<(f64, f64)> {
    if samples.len() < 2 {
        return None;
    }
    let first = samples[0].1;
    if samples[1..].iter().all(|(_, value)| *value == first) {
        // Exactly, whatever rounding would make of it.
        let of = if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) };
        return Some(of);
    }
    if samples.iter().any(|(_, value)| !value.is_finite()) {
        return Some((f64::NAN, f64::NAN));
    }
    let [mut x, mut y, mut xy, mut xx] = [Sum::default(); 4];
    for (time_ms, value) in samples {
        let seconds = time_ms.saturating_sub(at_ms) as f64 / 1000.0;
        x.add(seconds);
        y.add(*value);
        xy.add(seconds * value);
        xx.add(seconds * seconds);
    }
    let n = samples.len() as f64;
    let [x, y, xy, xx] = [x, y, xy, xx].map(|sum| sum.total());
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}
