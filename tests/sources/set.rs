//! Sets of sources by hand, at a clock that the test moves: what becomes of samples, and what is told of polls.

use crate::{Stand, level};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tachometer::limits::{DEFAULT_SOURCE_SERIES, MAX_LABEL_VALUE_BYTES};
use tachometer::source::{
    ClassicHistogram, PollSettings, Polled, Receiver, Sample, SampleKind, SampleValue, Samples,
    SourceError, SummaryValue, from_fn,
};
use tachometer::{HistogramSnapshot, Moment, Value};

/// A source that gives what it was given last; `Err` as long as that is nothing.
fn fed(name: &str) -> (Arc<Mutex<Option<Samples>>>, impl tachometer::source::Source + 'static) {
    let next = Arc::new(Mutex::new(None));
    let given = next.clone();
    let source = from_fn(name, move |_| {
        given.lock().unwrap().clone().ok_or_else(|| SourceError::failed("it has nothing"))
    });
    (next, source)
}

#[test]
fn samples_are_series_until_nobody_gives_them_any_more() {
    let stand = Stand::new(false);
    let (next, source) = fed("tank");
    stand.add(source);
    *next.lock().unwrap() = Some(level(7.5));
    stand.after(0);
    let now = stand.engine.refresh();
    assert_eq!(now.gauge_with("level", &[("source", "tank")]), Ok(7.5));
    // Not due, so not polled.
    *next.lock().unwrap() = Some(level(8.0));
    stand.after(14);
    assert_eq!(stand.engine.refresh().gauge("level"), Ok(7.5));
    stand.after(1);
    assert_eq!(stand.engine.refresh().gauge("level"), Ok(8.0));
    // It fails: its series stay for three intervals after the last good poll, and end.
    *next.lock().unwrap() = None;
    for _ in 0..9 {
        stand.after(5);
        assert_eq!(stand.engine.refresh().gauge("level"), Ok(8.0));
    }
    let status = stand.sources.status().remove(0);
    assert!(!status.up && !status.stale && status.failures > 1, "{status:?}");
    assert_eq!(status.age, Some(Duration::from_secs(45)));
    stand.clock.advance(Duration::from_secs(1));
    assert!(stand.engine.refresh().is_empty());
    assert!(stand.sources.status()[0].stale);
    // It comes back.
    *next.lock().unwrap() = Some(level(9.0));
    stand.after(120);
    assert_eq!(stand.engine.refresh().gauge("level"), Ok(9.0));
    // One series goes, another comes.
    let mut other = Samples::new();
    let family = other.family("other", SampleKind::Unknown, "");
    family.series.push(Sample::number([("a", "1"), ("source", "its own")], 1.0));
    *next.lock().unwrap() = Some(other);
    stand.after(15);
    let now = stand.engine.refresh();
    assert!(now.gauge("level").is_err());
    let labels = [("a", "1"), ("exported_source", "its own"), ("source", "tank")];
    assert_eq!(now.gauge_with("other", &labels), Ok(1.0));
    // It is removed, or the set goes.
    assert!(stand.sources.remove("tank") && !stand.sources.remove("tank"));
    assert!(stand.engine.refresh().is_empty());
    let (next, source) = fed("again");
    stand.add(source);
    *next.lock().unwrap() = Some(level(1.0));
    stand.after(0);
    assert_eq!(stand.engine.refresh().len(), 1);
    let Stand { engine, sources, .. } = stand;
    drop(sources);
    assert!(engine.refresh().is_empty());
}

fn counted(value: f64) -> Samples {
    let mut samples = Samples::new();
    let mut add = |name: &str, kind, value| {
        samples.family(name, kind, "Help.").series.push(Sample::new([("k", "v")], value));
    };
    add("sent_total", SampleKind::Counter, SampleValue::Number(value));
    add("spent_seconds_total", SampleKind::Counter, SampleValue::Number(value + 0.5));
    let buckets = vec![(0.5, 1.0), (f64::INFINITY, value)];
    let wait = ClassicHistogram { count: value, sum: Some(2.5), buckets };
    add("wait_seconds", SampleKind::Histogram, SampleValue::Classic(wait));
    let quantiles = vec![(0.99, 0.25)];
    let summary = SummaryValue { count: Some(value), sum: None, quantiles };
    add("rpc_seconds", SampleKind::Summary, SampleValue::Summary(summary));
    add("build_info", SampleKind::Info, SampleValue::Number(1.0));
    samples
}

#[test]
fn each_kind_of_sample_is_what_the_table_says() {
    let stand = Stand::new(false);
    let (next, source) = fed("s");
    stand.add(source);
    *next.lock().unwrap() = Some(counted(4.0));
    stand.after(0);
    let page = stand.page();
    for line in [
        "# TYPE sent_total counter",
        "sent_total{k=\"v\",source=\"s\"} 4",
        "spent_seconds_total{k=\"v\",source=\"s\"} 4.5",
        "# TYPE wait_seconds_bucket counter",
        "wait_seconds_bucket{k=\"v\",le=\"0.5\",source=\"s\"} 1",
        "wait_seconds_bucket{k=\"v\",le=\"+Inf\",source=\"s\"} 4",
        "wait_seconds_count{k=\"v\",source=\"s\"} 4",
        "# TYPE wait_seconds_sum gauge",
        "wait_seconds_sum{k=\"v\",source=\"s\"} 2.5",
        "rpc_seconds{k=\"v\",quantile=\"0.99\",source=\"s\"} 0.25",
        "rpc_seconds_count{k=\"v\",source=\"s\"} 4",
        "build_info{k=\"v\",source=\"s\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
}

#[test]
fn what_falls_begins_anew() {
    let stand = Stand::new(false);
    let (next, source) = fed("s");
    stand.add(source);
    let created = |snapshot: &tachometer::Snapshot, name: &str| {
        snapshot.select(name, &[]).next().map(|series| series.created).unwrap()
    };
    *next.lock().unwrap() = Some(counted(10.0));
    stand.after(0);
    let first = stand.engine.refresh();
    *next.lock().unwrap() = Some(counted(14.0));
    stand.after(15);
    let second = stand.engine.refresh();
    assert_eq!(second.since(&first).counter("sent_total"), Ok(4));
    assert_eq!(created(&second, "sent_total"), created(&first, "sent_total"));
    *next.lock().unwrap() = Some(counted(3.0));
    stand.after(15);
    let third = stand.engine.refresh();
    assert_eq!(third.counter("sent_total"), Ok(3));
    assert_eq!(third.since(&second).counter("sent_total"), Ok(3), "a series of its own");
    assert!(created(&third, "sent_total") > created(&second, "sent_total"));
    assert_eq!(created(&third, "wait_seconds_sum"), created(&first, "wait_seconds_sum"));
}

#[test]
fn histograms_of_another_engine_are_histograms_here() {
    let there = Stand::new(false);
    let wait = there.registry.metric("wait_seconds", "Waited.");
    let wait = wait.unit(tachometer::Unit::Nanoseconds).histogram().unwrap();
    (1..1_000u64).for_each(|i| wait.record(i * i * 1_000));
    let theirs = there.engine.refresh().histogram("wait_seconds").unwrap();
    let samples_of = |histogram: &Arc<HistogramSnapshot>| {
        let mut samples = Samples::new();
        let family = samples.family("wait_seconds", SampleKind::Histogram, "Waited.");
        family.series.push(Sample::new([("k", "v")], SampleValue::Hdr(histogram.clone())));
        samples
    };
    let stand = Stand::new(false);
    let (next, source) = fed("s");
    stand.add(source);
    *next.lock().unwrap() = Some(samples_of(&theirs));
    stand.after(0);
    let first = stand.engine.refresh();
    assert_eq!(first.histogram("wait_seconds").unwrap(), theirs);
    assert!(stand.page().contains("wait_seconds_bucket{k=\"v\",source=\"s\",le=\"0.1\"} 316"));
    wait.record_n(5, 20);
    let more = there.engine.refresh().histogram("wait_seconds").unwrap();
    *next.lock().unwrap() = Some(samples_of(&more));
    stand.after(15);
    let second = stand.engine.refresh();
    let delta = second.since(&first).histogram("wait_seconds").unwrap();
    assert_eq!((delta.count(), delta.sum()), (20, 100));
    // It was started anew there.
    let again = Stand::new(false);
    let fresh = again.registry.metric("wait_seconds", "Waited.");
    fresh.unit(tachometer::Unit::Nanoseconds).histogram().unwrap().record(7);
    let fresh = again.engine.refresh().histogram("wait_seconds").unwrap();
    *next.lock().unwrap() = Some(samples_of(&fresh));
    stand.after(15);
    let third = stand.engine.refresh();
    assert_eq!(third.since(&second).histogram("wait_seconds").unwrap().count(), 1);
    assert!(
        third.series().all(|one| matches!(one.value, Value::Histogram(h) if h.max() == Some(7)))
    );
}

#[test]
fn what_cannot_be_shown_is_left_out_counted_and_told() {
    let stand = Stand::new(true);
    stand.registry.counter("mine_total", "Mine.").unwrap();
    let (next, source) = fed("s");
    let settings = PollSettings::new().source_label(false);
    stand.sources.add(source, settings).unwrap();
    let mut samples = Samples::new();
    let mut add = |name: &str, kind, labels: Vec<(&str, String)>, value: f64| {
        let sample = Sample::new(labels, SampleValue::Number(value));
        samples.family(name, kind, "Help.").series.push(sample);
    };
    add("good", SampleKind::Gauge, vec![], 1.0);
    add("good", SampleKind::Gauge, vec![], 2.0);
    add("mine_total", SampleKind::Counter, vec![], 1.0);
    add("mine_total", SampleKind::Gauge, vec![("a", "b".into())], 1.0);
    add("bad name", SampleKind::Gauge, vec![], 1.0);
    add("long", SampleKind::Gauge, vec![("a", "x".repeat(MAX_LABEL_VALUE_BYTES + 1))], 1.0);
    add("below_total", SampleKind::Counter, vec![], -1.0);
    add("nan_total", SampleKind::Counter, vec![], f64::NAN);
    *next.lock().unwrap() = Some(samples);
    stand.after(0);
    assert_eq!(stand.engine.refresh().gauge("good"), Ok(1.0));
    let page = stand.page();
    for (reason, count) in [("conflict", 2), ("invalid", 2), ("value", 2), ("twice", 1)] {
        let line =
            format!("tachometer_source_left_out_total{{reason=\"{reason}\",source=\"s\"}} {count}");
        assert!(page.contains(&line), "{line}\n{page}");
    }
    assert!(page.contains("tachometer_source_series{source=\"s\"} 1\n"), "{page}");
    let status = stand.sources.status().remove(0);
    assert_eq!((status.up, status.series, status.left_out.len()), (true, 1, 4), "{status:?}");
    assert!(status.left_out.iter().any(|(count, why)| *count == 2 && why.contains("mine_total")));
    // More series than it may have: it has failed as a whole.
    let mut many = Samples::new();
    let series = (0..=DEFAULT_SOURCE_SERIES).map(|_| Sample::number([], 1.0));
    many.family("many", SampleKind::Gauge, "").series.extend(series);
    *next.lock().unwrap() = Some(many);
    stand.after(15);
    let error = stand.sources.status().remove(0).error.unwrap();
    let (series, limit) = (DEFAULT_SOURCE_SERIES + 1, DEFAULT_SOURCE_SERIES);
    assert_eq!(error, SourceError::TooManySeries { series, limit });
}

#[test]
fn sources_are_series_of_their_own() {
    let stand = Stand::new(true);
    let (next, source) = fed("s");
    stand.add(source);
    *next.lock().unwrap() = Some(level(1.0));
    stand.after(0);
    stand.clock.advance(Duration::from_secs(4));
    let page = stand.page();
    for line in [
        "tachometer_source_up{source=\"s\"} 1",
        "tachometer_source_age_seconds{source=\"s\"} 4",
        "tachometer_source_polls_total{source=\"s\"} 1",
        "tachometer_source_poll_duration_seconds_count{source=\"s\"} 1",
        "tachometer_source_failures_total{reason=\"failed\",source=\"s\"} 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    *next.lock().unwrap() = None;
    stand.after(11);
    stand.add(from_fn("mad", |_| panic!("mad")));
    stand.after(0);
    let page = stand.page();
    for line in [
        "tachometer_source_up{source=\"s\"} 0",
        "tachometer_source_age_seconds{source=\"s\"} 15",
        "tachometer_source_failures_total{reason=\"failed\",source=\"s\"} 1",
        "tachometer_source_failures_total{reason=\"panicked\",source=\"mad\"} 1",
        "tachometer_source_age_seconds{source=\"mad\"} NaN",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}\n{page}");
    }
    // They go a while after their source.
    stand.sources.remove("mad");
    for _ in 0..4 {
        stand.clock.advance(Duration::from_secs(61));
        stand.engine.refresh();
    }
    assert!(!stand.page().contains("source=\"mad\""));
    assert!(stand.page().contains("tachometer_source_up{source=\"s\"} 0"));
}

#[test]
fn pauses_grow_while_it_fails() {
    let stand = Stand::new(false);
    let polls = Arc::new(AtomicU64::new(0));
    let counted = polls.clone();
    stand.add(from_fn("s", move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Err(SourceError::failed("no"))
    }));
    let mut at = Vec::new();
    for second in 0..200 {
        let before = polls.load(Ordering::Relaxed);
        stand.after(u64::from(second > 0));
        if polls.load(Ordering::Relaxed) > before {
            at.push(second);
        }
    }
    // Half an interval, one, two, and then a minute.
    assert_eq!(at, [0, 8, 23, 53, 113, 173]);
}

/// What it was told, in words.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Receiver for Told {
    fn polled(&self, polled: &Polled<'_>) {
        let outcome = match polled.outcome {
            Ok(samples) => format!("{} series", samples.len()),
            Err(error) => error.to_string(),
        };
        let at = polled.time.unix.as_secs() - 1_700_000_000;
        self.0.lock().unwrap().push(format!("{at} {} {outcome}", polled.source));
    }

    fn ended(&self, source: &str, time: Moment) {
        let at = time.unix.as_secs() - 1_700_000_000;
        self.0.lock().unwrap().push(format!("{at} {source} ended"));
    }
}

#[test]
fn receivers_get_what_was_read_and_what_became_of_it() {
    let told = Told::default();
    let stand = Stand::telling(false, told.clone());
    let (next, source) = fed("s");
    stand.sources.add(source, PollSettings::new().shown(false)).unwrap();
    *next.lock().unwrap() = Some(level(1.0));
    stand.after(0);
    assert!(stand.engine.refresh().is_empty(), "they are not shown");
    *next.lock().unwrap() = None;
    stand.after(15);
    stand.after(31);
    stand.sources.poll_all();
    *next.lock().unwrap() = Some(level(1.0));
    stand.after(100);
    stand.sources.remove("s");
    let told = told.0.lock().unwrap().clone();
    let nothing = "s it has nothing";
    let wanted = [
        "0 s 1 series".to_owned(),
        format!("15 {nothing}"),
        format!("46 {nothing}"),
        "46 s ended".to_owned(),
        format!("46 {nothing}"),
        "146 s 1 series".to_owned(),
        "146 s ended".to_owned(),
    ];
    assert_eq!(told, wanted);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let stand = Stand::new(false);
    let refused = |name: &str, settings: PollSettings| {
        stand.sources.add(from_fn(name, |_| Ok(Samples::new())), settings).unwrap_err().to_string()
    };
    let new = PollSettings::new;
    for (name, settings, word) in [
        ("", new(), "1 to 128 bytes"),
        (&"x".repeat(200), new(), "1 to 128 bytes"),
        ("a", new().interval(Duration::ZERO), "interval"),
        ("a", new().time_limit(Duration::ZERO), "time_limit"),
        ("a", new().stale_after(Duration::ZERO), "stale_after"),
        ("a", new().interval(Duration::MAX), "above"),
        ("a", new().max_bytes(0), "max_bytes"),
        ("a", new().max_series(0), "max_series"),
        ("a", new().label("b c", "d"), "b c"),
    ] {
        let error = refused(name, settings);
        assert!(error.contains(word), "{word}: {error}");
    }
    stand.add(from_fn("a", |_| Ok(Samples::new())));
    assert!(refused("a", new()).contains("two of the name"));
}
