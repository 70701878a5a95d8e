//! Functions of histograms: of distributions, and of the series by `le` that classic histograms are.

use super::super::distribution::Distribution;
use super::super::error::QueryError;
use super::super::eval::Evaluation;
use super::super::labels::{BUCKET_BOUND, Labels};
use super::super::plan::Node;
use super::super::value::{Line, Point, Sample, Steps, assemble};
use std::collections::HashMap;

/// A number for each distribution at its step; lines without their names. Numbers are left out.
pub(crate) fn numbers(lines: Vec<Line>, number: impl Fn(usize, &Distribution) -> f64) -> Vec<Line> {
    let value = |point: &Point| {
        let histogram = point.value.as_histogram()?;
        Some(Point::float(point.step as usize, number(point.step as usize, histogram)))
    };
    let lines = lines.into_iter().map(|line| Line {
        labels: line.labels.without_name(),
        points: line.points.iter().filter_map(value).collect(),
    });
    lines.collect()
}

/// One bucket of a classic histogram: how many values are not above its bound.
#[derive(Clone, Copy, Debug)]
struct Cumulative {
    upper: f64,
    count: f64,
}

/// `le` series that belong together.
struct Classic {
    labels: Labels,
    /// Bound and line.
    buckets: Vec<(f64, usize)>,
}

/// The classic histograms among `lines`: by all labels but `le`, the name among them, so that two metrics are not mixed.
fn classics(lines: &[Line]) -> Vec<Classic> {
    let mut at: HashMap<Labels, usize> = HashMap::new();
    let mut classics: Vec<Classic> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(upper) = line.labels.get(BUCKET_BOUND).and_then(|le| le.parse().ok()) else {
            continue;
        };
        let labels = line.labels.filtered(|name| name != BUCKET_BOUND);
        let classic = *at.entry(labels).or_insert_with_key(|labels| {
            classics.push(Classic { labels: labels.without_name(), buckets: Vec::new() });
            classics.len() - 1
        });
        classics[classic].buckets.push((upper, index));
    }
    classics
}

/// Evaluates `native` for distributions and `classic` for the buckets of classic histograms, by ascending bound.
fn both(
    evaluation: &mut Evaluation<'_>,
    arg: &Node,
    steps: &Steps,
    native: impl Fn(usize, &Distribution) -> f64,
    classic: impl Fn(usize, &mut Vec<Cumulative>) -> f64,
) -> Result<Vec<Line>, QueryError> {
    let lines = evaluation.vector(arg, steps)?;
    let mut out = Vec::new();
    for histogram in classics(&lines) {
        let mut by_step: Vec<Vec<Cumulative>> = vec![Vec::new(); steps.count];
        for (upper, line) in histogram.buckets {
            evaluation.worked(lines[line].points.len())?;
            for point in &lines[line].points {
                if let Sample::Float(count) = point.value {
                    by_step[point.step as usize].push(Cumulative { upper, count });
                }
            }
        }
        let points = by_step.into_iter().enumerate().filter(|(_, buckets)| !buckets.is_empty());
        let points =
            points.map(|(step, mut buckets)| Point::float(step, classic(step, &mut buckets)));
        out.push(Line { labels: histogram.labels, points: points.collect() });
    }
    out.append(&mut numbers(lines, native));
    assemble(out)
}

/// `histogram_quantile`
pub(crate) fn quantile(
    evaluation: &mut Evaluation<'_>,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let q = evaluation.scalar(&args[0], steps)?;
    let native = |step: usize, histogram: &Distribution| histogram.quantile(q[step]);
    both(evaluation, &args[1], steps, native, |step, buckets| quantile_of(q[step], buckets))
}

/// `histogram_fraction`
pub(crate) fn fraction(
    evaluation: &mut Evaluation<'_>,
    args: &[Node],
    steps: &Steps,
) -> Result<Vec<Line>, QueryError> {
    let lower = evaluation.scalar(&args[0], steps)?;
    let upper = evaluation.scalar(&args[1], steps)?;
    let native =
        |step: usize, histogram: &Distribution| histogram.fraction(lower[step], upper[step]);
    both(evaluation, &args[2], steps, native, |step, buckets| {
        fraction_of(lower[step], upper[step], buckets)
    })
}

/// Sorts buckets, joins those of one bound, and lifts counts that fall: they were not read at the same moment. `None` if they do
/// not go up to infinity, or there are fewer than two, or no values.
fn prepared(buckets: &mut Vec<Cumulative>) -> Option<f64> {
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    if buckets.last()?.upper != f64::INFINITY {
        return None;
    }
    buckets.dedup_by(|later, kept| {
        let same = later.upper == kept.upper;
        if same {
            kept.count += later.count;
        }
        same
    });
    let mut highest = buckets[0].count;
    for bucket in &mut buckets[1..] {
        if bucket.count > highest {
            highest = bucket.count;
        } else if bucket.count < highest {
            bucket.count = highest;
        }
    }
    let total = buckets.last()?.count;
    (buckets.len() >= 2 && total != 0.0).then_some(total)
}

fn quantile_of(q: f64, buckets: &mut Vec<Cumulative>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let Some(total) = prepared(buckets) else { return f64::NAN };
    let rank = q * total;
    let last = buckets.len() - 1;
    // Of a rank that is NaN, since counts are, there is no bucket.
    let is_below =
        |bucket: &Cumulative| bucket.count < rank || rank.is_nan() || bucket.count.is_nan();
    let at = buckets[..last].partition_point(is_below);
    if at == last {
        return buckets[last - 1].upper;
    }
    let Cumulative { upper, count } = buckets[at];
    if at == 0 {
        return if upper <= 0.0 { upper } else { upper * (rank / count) };
    }
    let below = buckets[at - 1];
    below.upper + (upper - below.upper) * ((rank - below.count) / (count - below.count))
}

fn fraction_of(lower: f64, upper: f64, buckets: &mut Vec<Cumulative>) -> f64 {
    let Some(total) = prepared(buckets) else { return f64::NAN };
    if lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    // How many values lie below `value`: on a straight line within each bucket. Where the first one begins is zero, if it ends
    // above; where it ends below, and in the last one, nothing is known of the values but the one bound.
    let rank = |value: f64| {
        let at = buckets.partition_point(|bucket| bucket.upper < value);
        let Some(&Cumulative { upper, count }) = buckets.get(at) else { return total };
        let (start, below) = match at.checked_sub(1) {
            Some(before) => (buckets[before].upper, buckets[before].count),
            None if upper > 0.0 => (0.0, 0.0),
            None => (f64::NEG_INFINITY, 0.0),
        };
        if value == upper {
            count
        } else if value <= start || start.is_infinite() || upper.is_infinite() {
            below
        } else {
            below + (count - below) * (value - start) / (upper - start)
        }
    };
    (rank(upper) - rank(lower)) / total
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets() -> Vec<Cumulative> {
        let bucket = |(upper, count)| Cumulative { upper, count };
        [(f64::INFINITY, 10.0), (1.0, 4.0), (2.0, 8.0)].map(bucket).to_vec()
    }

    #[test]
    fn fractions_lie_on_lines() {
        let fraction = |lower, upper| fraction_of(lower, upper, &mut buckets());
        assert_eq!(fraction(0.0, 1.0), 0.4);
        assert_eq!(fraction(0.5, 1.5), 0.4);
        assert_eq!(fraction(f64::NEG_INFINITY, f64::INFINITY), 1.0);
        assert_eq!(fraction(2.0, 5.0), 0.0, "above the last bound nothing is known");
        assert_eq!(fraction(2.0, f64::INFINITY), 0.2);
        assert_eq!(fraction(-5.0, 0.5), 0.2);
        assert_eq!(fraction(3.0, 2.0), 0.0);
        assert!(fraction(f64::NAN, 2.0).is_nan());
    }

    #[test]
    fn quantiles_need_the_last_bucket() {
        assert_eq!(quantile_of(0.6, &mut buckets()), 1.5);
        assert_eq!(quantile_of(0.95, &mut buckets()), 2.0);
        assert!(quantile_of(0.5, &mut buckets()[..2].to_vec().split_off(1)).is_nan());
    }
}
