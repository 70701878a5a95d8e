//! What Prometheus 2.42 does not have or has otherwise: against values worked out by hand.

use crate::compare::near;
use crate::memory::Memory;
use tachometer::query::{
    Answer, Bucket, Distribution, InstantSample, Labels, Query, QueryError, STALE, Sample,
    Settings, Source as _,
};

fn of(buckets: &[(f64, f64, f64)], sum: f64) -> Distribution {
    let count = buckets.iter().map(|bucket| bucket.2).sum();
    let bucket = |&(lower, upper, count): &(f64, f64, f64)| Bucket { lower, upper, count };
    Distribution::new(count, sum, buckets.iter().map(bucket).collect())
}

/// `h`, a sample each 10 s from 10 to 60 s, reset before the fifth; and a gauge.
fn memory() -> Memory {
    let one = |n: f64| of(&[(0.0, 1.0, n), (1.0, 4.0, 2.0 * n)], 5.0 * n);
    let samples =
        [(10_000, 1.0), (20_000, 2.0), (30_000, 4.0), (40_000, 6.0), (50_000, 1.0), (60_000, 3.0)];
    let histograms = samples.map(|(time, n)| (time, one(n)));
    let le = |bound| [("__name__", "c_bucket"), ("le", bound)];
    Memory::default()
        .with_histograms(&[("__name__", "h"), ("job", "a")], &histograms)
        .with_histograms(
            &[("__name__", "other"), ("job", "b")],
            &[(60_000, of(&[(1.0, 2.0, 4.0)], 6.0))],
        )
        .with(&[("__name__", "g"), ("job", "a")], &[(50_000, 7.0), (60_000, 8.0)])
        .with(&le("1"), &[(60_000, 4.0)])
        .with(&le("2"), &[(60_000, 8.0)])
        .with(&le("+Inf"), &[(60_000, 10.0)])
}

fn ask_with(text: &str, settings: &Settings) -> Vec<InstantSample> {
    match Query::parse(text).unwrap().instant(&memory(), 60_000, settings).unwrap() {
        Answer::Vector(samples) => samples,
        other => panic!("{text}: {other:?}"),
    }
}

fn ask(text: &str) -> Vec<InstantSample> {
    ask_with(text, &Settings::default())
}

fn number(text: &str) -> f64 {
    match &ask(text)[..] {
        [InstantSample { value: Sample::Float(value), .. }] => *value,
        other => panic!("{text}: {other:?}"),
    }
}

fn histogram(text: &str) -> Distribution {
    match &ask(text)[..] {
        [InstantSample { value: Sample::Histogram(value), .. }] => Distribution::clone(value),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn histograms_have_averages_and_fractions() {
    assert!(near(number("histogram_avg(h)"), 5.0 / 3.0));
    assert!(near(number("histogram_avg(rate(h[40s]))"), 5.0 / 3.0));
    assert_eq!(number("histogram_fraction(0, 1, h)"), 1.0 / 3.0);
    assert_eq!(number("histogram_fraction(0, 2.5, h)"), 2.0 / 3.0);
    // The same over the series of a classic histogram.
    assert_eq!(number("histogram_fraction(0, 1, c_bucket)"), 0.4);
    assert_eq!(number("histogram_fraction(0.5, 1.5, c_bucket)"), 0.4);
    assert_eq!(number("histogram_fraction(-Inf, Inf, c_bucket)"), 1.0);
    assert_eq!(ask("histogram_avg(g)"), []);
}

#[test]
fn windows_of_histograms_add_up() {
    let three = |n: f64, sum: f64| of(&[(0.0, 1.0, n), (1.0, 4.0, 2.0 * n)], sum);
    assert_eq!(histogram("last_over_time(h[20s])"), three(3.0, 15.0));
    assert_eq!(histogram("sum_over_time(h[20s])"), three(10.0, 50.0));
    assert_eq!(histogram("avg_over_time(h[10s])"), three(2.0, 10.0));
    assert_eq!(number("count_over_time(h[50s])"), 6.0);
    assert_eq!(number("resets(h[50s])"), 1.0);
    assert_eq!(number("changes(h[50s])"), 5.0);
    // 3 - 1, and what was there before the reset: 6.
    assert_eq!(histogram("increase(h[50s])"), three(8.0, 40.0));
    assert_eq!(histogram("rate(h[50s])"), three(8.0 / 50.0, 40.0 / 50.0));
    assert_eq!(histogram("delta(h[20s])"), three(-3.0, -15.0));
    // Functions of numbers have nothing to say of histograms.
    for function in ["irate", "idelta", "deriv", "max_over_time", "stddev_over_time"] {
        assert_eq!(ask(&format!("{function}(h[50s])")), [], "{function}");
    }
    assert_eq!(ask("quantile_over_time(0.5, h[50s])"), []);
}

#[test]
fn histograms_are_added_and_scaled() {
    let sum = of(&[(0.0, 1.0, 3.0), (1.0, 4.0, 10.0)], 21.0);
    assert_eq!(histogram("h + on () other"), sum, "buckets that overlap become one");
    assert_eq!(histogram("sum({__name__=~\"h|other\"})"), sum);
    assert_eq!(histogram("h - h"), of(&[], 0.0));
    assert_eq!(histogram("h * 2"), of(&[(0.0, 1.0, 6.0), (1.0, 4.0, 12.0)], 30.0));
    assert_eq!(histogram("2 * h"), histogram("h * 2"));
    assert_eq!(histogram("h / 2"), of(&[(0.0, 1.0, 1.5), (1.0, 4.0, 3.0)], 7.5));
    assert_eq!(histogram("-h"), histogram("h * -1"));
    assert_eq!(
        histogram("avg({__name__=~\"h|other\"})"),
        histogram("sum({__name__=~\"h|other\"}) / 2")
    );
    for nothing in [
        "h + 1",
        "2 / h",
        "h * h",
        "h > 1",
        "h + g",
        "sum({job=\"a\"})",
        "max(h)",
        "sqrt(h)",
        "sort(h)",
    ] {
        assert_eq!(ask(nothing), [], "{nothing}");
    }
    assert_eq!(number("count({job=\"a\"})"), 2.0);
    assert!(number("vector(scalar(h))").is_nan());
}

#[test]
fn windows_can_be_open_on_the_left() {
    let open = Settings { left_open: true, ..Settings::default() };
    let count = |text: &str| ask_with(text, &open)[0].value.as_float().unwrap();
    assert_eq!((number("count_over_time(g[10s])"), count("count_over_time(g[10s])")), (2.0, 1.0));
    assert_eq!((number("count_over_time(h[50s])"), count("count_over_time(h[50s])")), (6.0, 5.0));
    let step = "sum_over_time(vector(1)[30s:10s])";
    assert_eq!((number(step), count(step)), (4.0, 3.0));
    let lookback = std::time::Duration::from_secs(10);
    let open = Settings { lookback, ..open };
    assert_eq!(ask_with("g offset -10s", &open), []);
    let closed = Settings { left_open: false, ..open };
    assert_eq!(ask_with("g offset -10s", &closed).len(), 1);
}

/// The functions of Prometheus 3: by its documentation.
#[test]
fn windows_have_first_samples_times_and_median_deviations() {
    let nan = f64::NAN;
    let samples = [(10_000, 4.0), (20_000, 9.0), (30_000, 1.0), (40_000, 9.0), (50_000, 6.0)];
    let memory = memory()
        .with(&[("__name__", "w"), ("job", "a")], &samples)
        .with(&[("__name__", "n"), ("job", "a")], &[(40_000, nan), (50_000, 2.0), (60_000, nan)])
        .with(&[("__name__", "v"), ("job", "a")], &[(30_000, nan), (40_000, nan)]);
    let ask = |text: &str| -> Vec<(String, f64)> {
        match Query::parse(text).unwrap().instant(&memory, 60_000, &Settings::default()).unwrap() {
            Answer::Vector(samples) => samples
                .into_iter()
                .map(|one| (one.labels.to_string(), one.value.as_float().expect("a number")))
                .collect(),
            other => panic!("{text}: {other:?}"),
        }
    };
    let unnamed = |value: f64| vec![("{job=\"a\"}".to_owned(), value)];
    assert_eq!(ask("first_over_time(w[1m])"), [("w{job=\"a\"}".to_owned(), 4.0)]);
    assert_eq!(ask("first_over_time(w[30s])"), [("w{job=\"a\"}".to_owned(), 1.0)]);
    assert_eq!(ask("ts_of_first_over_time(w[30s])"), unnamed(30.0));
    assert_eq!(ask("ts_of_last_over_time(w[1m])"), unnamed(50.0));
    assert_eq!(ask("ts_of_min_over_time(w[1m])"), unnamed(30.0));
    assert_eq!(ask("ts_of_max_over_time(w[1m])"), unnamed(40.0), "the last of equals");
    // The median is 6; its distances are 2, 3, 5, 3 and 0.
    assert_eq!(ask("mad_over_time(w[1m])"), unnamed(3.0));
    // Of 9, 6: 7.5, and twice 1.5.
    assert_eq!(ask("mad_over_time(w[20s])"), unnamed(1.5));
    // NaN is beaten by every number, and beats none.
    assert_eq!(ask("ts_of_max_over_time(n[1m])"), unnamed(50.0));
    assert_eq!(ask("ts_of_min_over_time(n[1m])"), unnamed(50.0));
    assert_eq!(ask("ts_of_min_over_time(v[1m])"), unnamed(40.0), "of nothing but NaN the last");
    assert_eq!(ask("ts_of_first_over_time(h[20s])"), unnamed(40.0));
    assert_eq!(ask("ts_of_last_over_time(h[20s])"), unnamed(60.0));
    for nothing in ["mad_over_time(h[1m])", "ts_of_min_over_time(h[1m])", "first_over_time(w[5s])"]
    {
        assert_eq!(ask(nothing), [], "{nothing}");
    }
    let first = of(&[(0.0, 1.0, 6.0), (1.0, 4.0, 12.0)], 30.0);
    assert_eq!(histogram("first_over_time(h[20s])"), first);
}

#[test]
fn series_are_sorted_by_labels_and_limited() {
    let hosts = [("n10", "b"), ("n2", "b"), ("n1", "a"), ("n02", "a"), ("m", "c"), ("", "d")];
    let memory = hosts.iter().fold(Memory::default(), |memory, (host, zone)| {
        memory.with(&[("__name__", "up"), ("host", host), ("zone", zone)], &[(60_000, 1.0)])
    });
    let memory = memory.with_histograms(
        &[("__name__", "up"), ("host", "n3"), ("zone", "b")],
        &[(60_000, of(&[(1.0, 2.0, 4.0)], 6.0))],
    );
    let hosts = |text: &str| -> Vec<String> {
        match Query::parse(text).unwrap().instant(&memory, 60_000, &Settings::default()).unwrap() {
            Answer::Vector(samples) => samples
                .into_iter()
                .map(|one| one.labels.get("host").unwrap_or_default().to_owned())
                .collect(),
            other => panic!("{text}: {other:?}"),
        }
    };
    let by_host = ["", "m", "n1", "n02", "n2", "n3", "n10"];
    assert_eq!(hosts("sort_by_label(up, \"host\")"), by_host);
    let mut other_way = by_host;
    other_way.reverse();
    assert_eq!(hosts("sort_by_label_desc(up, \"host\")"), other_way);
    // Of one zone, by the next label; then by all of them, where 10 stands before 2.
    let by_zone = ["n1", "n02", "n2", "n3", "n10", "m", ""];
    assert_eq!(hosts("sort_by_label(up, \"zone\", \"host\")"), by_zone);
    let by_all = ["n02", "n1", "n10", "n2", "n3", "m", ""];
    assert_eq!(hosts("sort_by_label(up, \"zone\")"), by_all);
    assert_eq!(hosts("limitk(2, up)").len(), 2);
    assert_eq!(hosts("sort_by_label(limitk by (zone) (1, up), \"zone\")"), ["n02", "n10", "m", ""]);
    assert_eq!(hosts("limitk(20, up)").len(), 7, "with the histogram");
    assert_eq!(hosts("limitk(0, up)").len() + hosts("limitk(-1, up)").len(), 0);
    for refused in ["limitk(NaN, up)", "limitk(1e19, up)"] {
        let query = Query::parse(refused).unwrap();
        let error = query.instant(&memory, 60_000, &Settings::default()).unwrap_err();
        assert!(error.to_string().contains("overflows int64"), "{refused}: {error}");
    }
    assert!(Query::parse("sort_by_label(up)").is_err());
}

#[test]
fn what_is_not_supported_is_named() {
    for (text, name) in [
        ("histogram_stddev(h)", "histogram_stddev()"),
        ("info(g)", "info()"),
        ("limit_ratio(0.5, g)", "limit_ratio"),
        ("g{job=\"a\" or job=\"b\"}", "`or`"),
        ("g + fill(0) g", "fill"),
    ] {
        match Query::parse(text) {
            Err(QueryError::Unsupported { what }) => assert!(what.contains(name), "{text}: {what}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn sources_are_listed() {
    let memory = memory().with(&[("__name__", "gone"), ("zone", "z")], &[(1, STALE)]);
    let names = memory.label_names(&[], 0, 60_000).unwrap();
    assert_eq!(names, ["__name__", "job", "le", "zone"]);
    assert_eq!(memory.label_values("job", &[], 0, 60_000).unwrap(), ["a", "b"]);
    assert_eq!(memory.metadata(None), []);
    let series = memory.select(&[], 0, 60_000).unwrap();
    assert_eq!(series[0].labels(), &Labels::new([("job", "a"), ("__name__", "h")]));
    let last = series[0].latest_histogram(0, 45_000).unwrap();
    assert_eq!((last.0, last.1.count()), (40_000, 18.0));
}

#[test]
fn ranges_are_refused_for_what_has_none() {
    let range = |text: &str, times, step| {
        Query::parse(text).unwrap().range(&memory(), times, step, &Settings::default())
    };
    for (text, times, step) in [
        ("g[5m]", (0, 1), 1),
        ("\"text\"", (0, 1), 1),
        ("g", (0, 1), 0),
        ("g", (1, 0), 1),
        ("g", (i64::MIN, i64::MAX), 1),
    ] {
        let error = range(text, times, step).unwrap_err();
        assert_eq!(error.kind(), "bad_data", "{text}: {error}");
    }
    let Answer::Matrix(ranges) = range("time()", (0, 2_500), 1_000).unwrap() else { panic!() };
    assert_eq!(ranges[0].floats, [(0, 0.0), (1_000, 1.0), (2_000, 2.0)]);
    assert_eq!(ranges[0].labels, Labels::empty());
}
