//! What PromQL has no word for: moving averages, correlation and z-scores of samples by time.
//!
//! Samples are pairs of a time in milliseconds and a number, by ascending time, as [`SampleRange::floats`] has them. A NaN
//! in is a NaN out, where it is part of the result; stale markers are NaNs: a range query gives none.
//!
//! [`SampleRange::floats`]: super::SampleRange::floats

use super::functions::number::{Mean, Sum};

/// A number at a time.
pub type TimedValue = (i64, f64);

/// The simple moving average: at each sample the mean of all samples in the `window_ms` that end with it.
///
/// Takes time in proportion to the number of samples, unless they are infinite or NaN. The first samples' windows have fewer samples in them.
///
/// ```
/// use tachometer::query::statistics::simple_moving_average;
/// let samples = [(0, 1.0), (1_000, 3.0), (2_000, 5.0)];
/// assert_eq!(simple_moving_average(&samples, 2_000), [(0, 1.0), (1_000, 2.0), (2_000, 4.0)]);
/// ```
pub fn simple_moving_average(samples: &[TimedValue], window_ms: i64) -> Vec<TimedValue> {
    let mut first = 0;
    let mut out = Vec::with_capacity(samples.len());
    let mut window = Sum::default();
    let mut strange = 0usize;
    // An infinite or missing number cannot be taken out of a sum again: they are counted instead, and kept apart.
    for (index, &(time, value)) in samples.iter().enumerate() {
        if value.is_finite() {
            window.add(value)
        } else {
            strange += 1
        }
        while samples[first].0 <= time.saturating_sub(window_ms) && first < index {
            let gone = samples[first].1;
            if gone.is_finite() {
                window.add(-gone)
            } else {
                strange -= 1
            }
            first += 1;
        }
        if strange == 0 && window.total().is_finite() {
            out.push((time, window.total() / (index - first + 1) as f64));
            continue;
        }
        // Not finite, or too large for a sum: by itself, and the sum is made anew.
        let mut mean = Mean::default();
        window = Sum::default();
        for &(_, value) in &samples[first..=index] {
            mean.add(value);
            if value.is_finite() {
                window.add(value);
            }
        }
        out.push((time, mean.mean()));
    }
    out
}

/// The exponential moving average: an old sample's weight halves with each `half_life_ms` that has passed, so that samples at
/// uneven distances count as they should. Begins with the first sample.
///
/// ```
/// use tachometer::query::statistics::exponential_moving_average;
/// let samples = [(0, 8.0), (1_000, 0.0), (3_000, 0.0)];
/// assert_eq!(exponential_moving_average(&samples, 1_000), [(0, 8.0), (1_000, 4.0), (3_000, 1.0)]);
/// ```
pub fn exponential_moving_average(samples: &[TimedValue], half_life_ms: i64) -> Vec<TimedValue> {
    let mut last: Option<TimedValue> = None;
    let next = |&(time, value): &TimedValue| {
        let average = match last {
            Some((before, average)) => {
                let halves = (time - before) as f64 / half_life_ms.max(1) as f64;
                let kept = 0.5f64.powf(halves);
                average * kept + value * (1.0 - kept)
            }
            None => value,
        };
        last = Some((time, average));
        (time, average)
    };
    samples.iter().map(next).collect()
}

/// Pearson's correlation of two series, from −1 to 1, over the times at which both have a sample. `None` if there are fewer
/// than two such times, or one of the series does not change.
///
/// ```
/// use tachometer::query::statistics::correlation;
/// let load = [(0, 1.0), (1, 2.0), (2, 4.0), (3, 9.0)];
/// let latency = [(0, 10.0), (2, 40.0), (3, 90.0)];
/// assert!(correlation(&load, &latency).is_some_and(|r| (r - 1.0).abs() < 1e-12));
/// assert_eq!(correlation(&load, &[(0, 7.0), (1, 7.0)]), None);
/// ```
pub fn correlation(a: &[TimedValue], b: &[TimedValue]) -> Option<f64> {
    let mut pairs = Vec::new();
    let mut others = b.iter().peekable();
    for (time, value) in a {
        while others.next_if(|(other, _)| other < time).is_some() {}
        if let Some((_, other)) = others.next_if(|(other, _)| other == time) {
            pairs.push((*value, *other));
        }
    }
    if pairs.len() < 2 {
        return None;
    }
    let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let (mean_a, mean_b) = (mean(&a), mean(&b));
    let deviations = || a.iter().zip(&b).map(|(a, b)| (a - mean_a, b - mean_b));
    let [together, of_a, of_b] = [
        total(deviations().map(|(a, b)| a * b)),
        total(deviations().map(|(a, _)| a * a)),
        total(deviations().map(|(_, b)| b * b)),
    ];
    // One root of each: the product of the squares can overflow where the correlation does not.
    let scale = of_a.sqrt() * of_b.sqrt();
    (scale != 0.0).then(|| (together / scale).clamp(-1.0, 1.0))
}

/// The z-score of `value`: how many standard deviations (of the population) it lies above the mean of `trailing`. `None` without
/// samples, or if they do not differ: then no distance is unusual, or any is.
///
/// ```
/// use tachometer::query::statistics::z_score;
/// let trailing = [(0, 2.0), (1, 4.0), (2, 2.0), (3, 4.0)];
/// assert_eq!(z_score(6.0, &trailing), Some(3.0));
/// assert_eq!(z_score(6.0, &trailing[..1]), None);
/// ```
pub fn z_score(value: f64, trailing: &[TimedValue]) -> Option<f64> {
    let values: Vec<_> = trailing.iter().map(|(_, value)| *value).collect();
    if values.is_empty() {
        return None;
    }
    let mean = mean(&values);
    let squares = total(values.iter().map(|value| (value - mean) * (value - mean)));
    let deviation = (squares / values.len() as f64).sqrt();
    (deviation != 0.0).then(|| (value - mean) / deviation)
}

/// Each sample's z-score against those of the `window_ms` before it, itself left out; left out where there is none.
pub fn z_scores(samples: &[TimedValue], window_ms: i64) -> Vec<TimedValue> {
    let mut first = 0;
    let scores = samples.iter().enumerate().filter_map(|(index, &(time, value))| {
        while first < index && samples[first].0 < time.saturating_sub(window_ms) {
            first += 1;
        }
        Some((time, z_score(value, &samples[first..index])?))
    });
    scores.collect()
}

fn total(values: impl Iterator<Item = f64>) -> f64 {
    let mut sum = Sum::default();
    values.for_each(|value| sum.add(value));
    sum.total()
}

fn mean(values: &[f64]) -> f64 {
    total(values.iter().copied()) / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_averages_forget() {
        // What goes in and comes out again leaves nothing behind, however often: the sum's own last digit is 0.002.
        let samples: Vec<_> = (0..10_000i64).map(|i| (i * 1_000, 1e12 + (i % 97) as f64)).collect();
        for (index, (_, mean)) in simple_moving_average(&samples, 10_000).into_iter().enumerate() {
            let window = &samples[index.saturating_sub(9)..=index];
            let sum: f64 = window.iter().map(|(_, value)| value - 1e12).sum();
            let wanted = 1e12 + sum / window.len() as f64;
            assert!((mean - wanted).abs() < 0.001, "{index}: {mean}, not {wanted}");
        }
        // An infinite value is in the windows that have it, and in no later one.
        let samples = [(0, 1.0), (1, f64::INFINITY), (2, 1.0), (3, 3.0)];
        let means: Vec<_> =
            simple_moving_average(&samples, 2).into_iter().map(|(_, m)| m).collect();
        assert_eq!(means, [1.0, f64::INFINITY, f64::INFINITY, 2.0]);
        assert_eq!(simple_moving_average(&[], 5), []);
        let huge = [(0, f64::MAX), (1, f64::MAX), (2, 1.0), (3, 3.0)];
        let means: Vec<_> = simple_moving_average(&huge, 2).into_iter().map(|(_, m)| m).collect();
        assert_eq!(means, [f64::MAX, f64::MAX, f64::MAX / 2.0, 2.0]);
        let means = exponential_moving_average(&[(0, 0.0), (10_000, 1.0)], 1);
        assert_eq!(means[1].1, 1.0, "after many half-lives nothing of the old is left");
    }

    #[test]
    fn correlations_have_signs() {
        let up: Vec<_> = (0..50i64).map(|i| (i, i as f64)).collect();
        let down: Vec<_> = (0..50i64).map(|i| (i, 1e9 - 3.0 * i as f64)).collect();
        assert!((correlation(&up, &down).unwrap() + 1.0).abs() < 1e-12);
        let alternating: Vec<_> = (0..50i64).map(|i| (i, (i % 2) as f64)).collect();
        assert!(correlation(&up, &alternating).unwrap().abs() < 0.05);
        assert_eq!(correlation(&up, &[(1, 1.0)]), None);
        assert_eq!(correlation(&[(0, 1.0), (2, 2.0)], &[(1, 1.0), (3, 2.0)]), None);
    }

    #[test]
    fn an_outlier_has_a_high_score() {
        let mut samples: Vec<_> = (0..60i64).map(|i| (i, (i % 3) as f64)).collect();
        samples.push((60, 50.0));
        let scores = z_scores(&samples, 30);
        assert!(
            scores.iter().all(|&(time, score)| (score.abs() > 5.0) == (time == 60)),
            "{scores:?}"
        );
    }
}
