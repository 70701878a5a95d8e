//! Queries at their limits: an error that says what to do, at once, and no panic.

use crate::memory::Memory;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tachometer::limits::{
    MAX_LABEL_VALUE_BYTES, MAX_QUERY_BYTES, MAX_QUERY_DEPTH, MAX_QUERY_OPERATIONS,
    MAX_QUERY_REGEX_BYTES, MAX_QUERY_REGEXES, MAX_QUERY_STEPS, MAX_QUERY_SUBSTEPS,
};
use tachometer::query::{Answer, Query, QueryError, Settings};
use tachometer::{Clock, Moment};

fn memory() -> Memory {
    let samples: Vec<_> = (0..1_000i64).map(|i| (i * 1_000, i as f64)).collect();
    Memory::default().with(&[("__name__", "a")], &samples).with(&[("__name__", "b")], &samples)
}

fn ask(text: &str, settings: &Settings) -> Result<Answer, QueryError> {
    Query::parse(text)?.instant(&memory(), 999_000, settings)
}

fn limit_of(error: QueryError) -> u64 {
    let text = error.to_string();
    match error {
        QueryError::TooMany { limit, advice, .. } => {
            assert!(text.contains(advice) && text.contains(&limit.to_string()), "{text}");
            limit
        }
        other => panic!("{other}"),
    }
}

#[test]
fn texts_are_bounded() {
    let settings = Settings::default();
    let refused = |text: &str| limit_of(ask(text, &settings).unwrap_err());
    assert_eq!(
        refused(&format!("a{{b=\"{}\"}}", "x".repeat(MAX_QUERY_BYTES))),
        MAX_QUERY_BYTES as u64
    );
    assert_eq!(refused(&"-".repeat(MAX_QUERY_OPERATIONS + 1)), MAX_QUERY_OPERATIONS as u64);
    assert_eq!(refused("a{b=~`\\w{100}`}"), MAX_QUERY_REGEX_BYTES as u64);
    let many = vec!["b=~\"c\""; MAX_QUERY_REGEXES + 1].join(",");
    assert_eq!(refused(&format!("a{{{many}}}")), MAX_QUERY_REGEXES as u64);
    // At the limits, in any kind of nesting, they are evaluated or refused, on a test thread's small stack.
    for (open, close) in [
        ("(", ")"),
        ("-", ""),
        ("abs(", ")"),
        ("sum(", ")"),
        ("sum by (x) (", ")"),
        ("clamp(", ", 0, 1)"),
        ("label_replace(", ", \"a\", \"\", \"b\", \"c\")"),
        ("max_over_time(", "[10s:10s])"),
        ("a + ", ""),
        ("a or ", ""),
        ("2 ^ ", ""),
        ("", " + a"),
        ("", " and a"),
        ("quantile(0.5, ", ")"),
        ("vector(scalar(", "))"),
    ] {
        let nested = |n: usize| format!("{}a{}", open.repeat(n), close.repeat(n));
        for n in [MAX_QUERY_DEPTH / 2 - 1, MAX_QUERY_DEPTH, MAX_QUERY_OPERATIONS / 4] {
            match ask(&nested(n), &settings) {
                Ok(_) | Err(QueryError::Invalid { .. }) => {
                    assert!(n <= MAX_QUERY_DEPTH, "{open} {n}")
                }
                Err(error) => {
                    let limit = limit_of(error);
                    let limits = [MAX_QUERY_DEPTH, MAX_QUERY_OPERATIONS].map(|limit| limit as u64);
                    assert!(limits.contains(&limit), "{open} {n}: {limit}");
                }
            }
        }
        assert!(ask(&nested(MAX_QUERY_OPERATIONS), &settings).is_err());
    }
    for bad in [
        "a[1e30]",
        "a[NaN]",
        "a[-1]",
        "a[0]",
        "a offset 1e300",
        "a[5m:NaN]",
        "a[99999999999999999999d]",
    ] {
        assert!(matches!(Query::parse(bad), Err(QueryError::Invalid { .. })), "{bad}");
    }
    // An escape that there is not.
    assert!(Query::parse("a{b=~\"\\\u{e9}\"}").is_err());
    // Times far from all samples are no trouble.
    for far in
        ["a offset 999y", "a offset -999y", "a @ 1e10", "rate(a[999y] offset 999y)", "a[900y]"]
    {
        assert!(ask(far, &settings).is_ok(), "{far}");
        for time in [i64::MIN, i64::MAX] {
            let query = Query::parse(far).unwrap();
            assert!(query.instant(&memory(), time, &settings).is_ok(), "{far} at {time}");
        }
    }
}

#[test]
fn evaluations_are_bounded() {
    let few = Settings { max_samples: 1_500, max_points: 500, ..Settings::default() };
    assert!(ask("sum_over_time(a[1h])", &few).is_ok());
    assert_eq!(limit_of(ask("sum_over_time({__name__=~\"a|b\"}[1h])", &few).unwrap_err()), 1_500);
    assert_eq!(limit_of(ask("a[1h]", &few).unwrap_err()), 500);
    assert_eq!(limit_of(ask("max_over_time(a[10m:1s])", &few).unwrap_err()), 500);
    assert_eq!(limit_of(ask("max_over_time(a[999d:1s])", &few).unwrap_err()), MAX_QUERY_SUBSTEPS);
    let query = Query::parse("a").unwrap();
    let range = |end| query.range(&memory(), (0, end), 1, &Settings::default());
    let last = MAX_QUERY_STEPS as i64 - 1;
    assert!(range(last).is_ok());
    assert_eq!(limit_of(range(last + 1).unwrap_err()), MAX_QUERY_STEPS);
    // Labels do not double for ever.
    let mut text = "label_replace(a, \"x\", \"0123456789\", \"\", \"\")".to_owned();
    for _ in 0..30 {
        text = format!("label_join({text}, \"x\", \"\", \"x\", \"x\")");
    }
    assert_eq!(
        limit_of(ask(&text, &Settings::default()).unwrap_err()),
        MAX_LABEL_VALUE_BYTES as u64
    );
}

/// A clock that moves by a second each time that it is looked at.
#[derive(Debug, Default)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn now(&self) -> Moment {
        // Relaxed: one thread looks.
        let elapsed = Duration::from_secs(self.0.fetch_add(1, Ordering::Relaxed));
        Moment { unix: elapsed, elapsed }
    }
}

#[test]
fn time_is_bounded() {
    let time_limit = Duration::from_secs(5);
    let settings = Settings { time_limit, clock: Arc::<Hasty>::default(), ..Settings::default() };
    assert!(ask("sum(rate(a[5m]))", &settings).is_ok());
    let long = "max_over_time(rate(a[10m])[15m:1s]) ";
    let error = ask(&[long; 5].join("+ "), &settings).unwrap_err();
    assert_eq!(error, QueryError::TimedOut { limit_ms: 5_000 });
    assert_eq!(error.kind(), "timeout");
}
