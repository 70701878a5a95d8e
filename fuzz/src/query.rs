//! Any text as a PromQL query, over a small fixed source: an error that says why, or an answer, in time.
//!
//! The oracle is the evaluator itself, asked in another way: a range query of one step has what an instant query has.

use crate::memory::Memory;
use std::sync::OnceLock;
use std::time::Duration;
use tachometer::query::{Answer, Bucket, Distribution, Query, QueryError, STALE, Sample, Settings};

const END: i64 = 1_700_000_600_000;

fn memory() -> &'static Memory {
    static MEMORY: OnceLock<Memory> = OnceLock::new();
    MEMORY.get_or_init(|| {
        let times = || (0..40).map(|index| END - 600_000 + index * 15_000);
        let of =
            |value: fn(i64) -> f64| -> Vec<_> { times().map(|t| (t, value(t / 15_000))).collect() };
        let histogram = |count: f64| {
            let bucket = |lower, upper| Bucket { lower, upper, count };
            Distribution::new(2.0 * count, 3.0 * count, vec![bucket(0.0, 1.0), bucket(1.0, 2.0)])
        };
        let histograms: Vec<_> =
            times().map(|t| (t, histogram((t / 15_000 % 20) as f64))).collect();
        let bucket = |le| [("__name__", "l_bucket"), ("le", le)];
        Memory::default()
            .with(&[("__name__", "a"), ("x", "1"), ("y", "p")], &of(|t| (t % 17) as f64))
            .with(
                &[("__name__", "a"), ("x", "2"), ("y", "p")],
                &of(|t| if t % 5 == 0 { STALE } else { t as f64 }),
            )
            .with(
                &[("__name__", "b"), ("x", "1")],
                &of(|t| if t % 7 == 0 { f64::NAN } else { -(t as f64) }),
            )
            .with(
                &[("__name__", "b"), ("x", "3")],
                &of(|t| if t % 3 == 0 { f64::INFINITY } else { 0.5 }),
            )
            .with(&bucket("1"), &of(|t| (t % 100) as f64))
            .with(&bucket("+Inf"), &of(|t| (t % 100 * 2) as f64))
            .with_histograms(&[("__name__", "h"), ("x", "1")], &histograms)
    })
}

fn settings() -> Settings {
    Settings {
        time_limit: Duration::from_secs(2),
        max_samples: 200_000,
        max_points: 50_000,
        ..Settings::default()
    }
}

fn same(a: &Sample, b: &Sample) -> bool {
    match (a, b) {
        (Sample::Float(a), Sample::Float(b)) => {
            a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
        }
        (Sample::Histogram(a), Sample::Histogram(b)) => format!("{a:?}") == format!("{b:?}"),
        _ => false,
    }
}

/// Runs one query.
pub fn run(text: &str) {
    let query = match Query::parse(text) {
        Ok(query) => query,
        Err(error) => {
            assert!(!matches!(error, QueryError::Source { .. }), "{error}");
            assert!(error.to_string().len() > 10, "{error}");
            return;
        }
    };
    let settings = settings();
    let instant = query.instant(memory(), END, &settings);
    let range = query.range(memory(), (END, END), 1_000, &settings);
    // `@ start()` and subqueries are the same for both; so is everything else at one step.
    if let (Ok(Answer::Vector(samples)), Ok(Answer::Matrix(ranges))) = (&instant, &range) {
        // A range query knows no order, and so does not leave histograms out that cannot be sorted.
        if !text.contains("sort") {
            assert_eq!(samples.len(), ranges.len(), "{text}");
        }
        for sample in samples {
            let range = ranges.iter().find(|range| range.labels == sample.labels).expect(text);
            let floats = range.floats.iter().map(|(_, value)| Sample::Float(*value));
            let histograms = range.histograms.iter().map(|(_, h)| Sample::Histogram(h.clone()));
            let all: Vec<_> = floats.chain(histograms).collect();
            assert!(all.len() == 1 && same(&all[0], &sample.value), "{text}: {all:?}, {sample:?}");
        }
    }
    // Over some steps, on and off the samples.
    let _ = query.range(memory(), (END - 600_000, END), 13_000, &settings);
}
