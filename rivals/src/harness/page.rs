//! Reads a page of Prometheus text just far enough to check that it says what it should.

use super::workload::{
    BUCKETS, COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_PAIRS, VALUES_PER_HISTOGRAM, each_counter,
};

/// One line of a page: the name, the labels between braces, the value.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

fn samples(page: &str) -> impl Iterator<Item = Sample<'_>> {
    page.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value after a space");
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        Sample { name, labels, value: value.parse().expect("a number") }
    })
}

/// The sum of the values of all series whose name ends with `suffix`.
pub fn sum_of(page: &str, suffix: &str) -> u64 {
    samples(page).filter(|sample| sample.name.ends_with(suffix)).map(|s| s.value as u64).sum()
}

/// The labelled samples whose name ends with `suffix`, and the sum of their values.
fn labelled(page: &str, suffix: &str) -> (usize, u64) {
    samples(page)
        .filter(|sample| sample.labels.contains("peer=\"") && sample.name.ends_with(suffix))
        .fold((0, 0), |(count, sum), sample| (count + 1, sum + sample.value as u64))
}

/// Panics unless the page has all 10,000 counters with their values.
pub fn check_counters(page: &[u8]) {
    let page = std::str::from_utf8(page).expect("UTF-8");
    let mut expected = (0, 0);
    each_counter(0..COUNTER_FAMILIES, |_, _, _, value| {
        expected = (expected.0 + 1, expected.1 + value);
    });
    assert_eq!(labelled(page, ""), expected, "series, and the sum of their values");
}

/// Panics unless the page has all 1,000 histograms, each with at least 16 buckets and all its
/// values.
pub fn check_histograms(page: &[u8]) {
    let page = std::str::from_utf8(page).expect("UTF-8");
    let histograms = HISTOGRAM_FAMILIES * LABEL_PAIRS;
    let values = (histograms * VALUES_PER_HISTOGRAM) as u64;
    assert_eq!(labelled(page, "_count"), (histograms, values), "histograms, and values in them");
    let (buckets, _) = labelled(page, "_bucket");
    assert!(buckets >= histograms * BUCKETS, "{buckets} bucket lines");
    assert_eq!(labelled(page, "_sum").0, histograms, "sums");
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{rpc=\"vote\",peer=\"a b\"} 3
calls_total{rpc=\"ping\", peer=\"c\"} 4
target_info{service=\"x\"} 1

latency_count 5
# EOF
";

    #[test]
    fn sums() {
        assert_eq!(sum_of(PAGE, "calls_total"), 7);
        assert_eq!(sum_of(PAGE, "_count"), 5);
        assert_eq!(labelled(PAGE, ""), (2, 7));
    }
}
