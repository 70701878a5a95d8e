//! Any definitions, labels and values: what an independent decoder reads on the protobuf page, and in remote write requests
//! of both versions, however they are split, is what the snapshot has; and a series that another snapshot has not is ended
//! there, once.

use crate::decoder::{self, Request, Series};
use crate::exposition::Metric;
use crate::openmetrics::ids;
use arbitrary::Arbitrary;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tachometer::push::outside;
use tachometer::{
    Encoder as _, Engine, HistogramSnapshot, Kind, ManualClock, ProtobufEncoder, Registry,
    RemoteWriteEncoder, RemoteWriteVersion, SeriesView, Snapshot, Value,
};

/// An input.
#[derive(Arbitrary, Debug)]
pub struct Plan {
    metrics: Vec<Metric>,
    /// Bit by bit, which of them the second snapshot has too.
    stay: u32,
    unix_ms: u32,
    max_series: u8,
    max_bytes: u16,
}

/// Longer inputs are cut short.
const MOST_METRICS: usize = 24;
const STALE: u64 = 0x7ff0_0000_0000_0002;

type Labels = Vec<(String, String)>;

/// Runs one input; panics if what is decoded is not what the snapshots have.
pub fn run(plan: &Plan) {
    let clock = ManualClock::at(Duration::from_millis(plan.unix_ms.into()));
    let metrics = || plan.metrics.iter().take(MOST_METRICS);
    let first = snapshot(metrics(), &clock);
    clock.advance(Duration::from_secs(1));
    let stays = |(at, metric)| (plan.stay >> at & 1 == 1).then_some(metric);
    let second = snapshot(metrics().enumerate().filter_map(stays), &clock);
    let mut page = ProtobufEncoder::new();
    for snapshot in [&first, &second, &first] {
        check_page(&page.to_vec(snapshot), snapshot);
    }
    for version in [RemoteWriteVersion::V1, RemoteWriteVersion::V2] {
        for classic in [false, true] {
            check_remote_write(plan, version, classic, [&first, &second]);
        }
    }
}

/// What is refused is another target's concern.
fn snapshot<'a>(
    metrics: impl Iterator<Item = &'a Metric>,
    clock: &ManualClock,
) -> std::sync::Arc<Snapshot> {
    let registry = Registry::new();
    for metric in metrics {
        let _ = metric.register(&registry);
    }
    let engine = Engine::builder().registry(&registry).manual(clock).start();
    engine.expect("no labels").refresh()
}

fn scalar(series: &SeriesView<'_>) -> Option<f64> {
    let divisor = series.definition.unit.divisor() as f64;
    match series.value {
        Value::Counter(count) => Some(count as f64 / divisor),
        Value::UpDownCounter(count) => Some(count as f64 / divisor),
        Value::Gauge(value) => Some(value / divisor),
        _ => None,
    }
}

fn same(seen: f64, wanted: f64) {
    assert!(seen == wanted || seen.is_nan() && wanted.is_nan(), "{seen}, not {wanted}");
    assert_ne!(seen.to_bits(), STALE);
}

fn check_page(page: &[u8], snapshot: &Snapshot) {
    let families = decoder::families(page).expect("a page that can be read");
    let mut metrics = families.iter().flat_map(|f| f.metrics.iter().map(move |m| (f, m)));
    for series in snapshot.series() {
        let (family, metric) = metrics.next().expect("as many metrics as series");
        let definition = series.definition;
        assert_eq!((&family.name, &family.help), (&definition.name, &definition.help));
        assert_eq!(metric.labels, series.labels);
        match (series.value, definition.kind) {
            (Value::Histogram(values), _) => {
                let histogram = metric.histogram.as_ref().expect("a histogram");
                check_histogram(histogram, values);
                let bounds = definition.buckets.bounds(definition.unit);
                assert!(bounds.iter().eq(histogram.classic.iter().map(|(bound, _)| bound)));
                assert!(histogram.classic.is_sorted_by_key(|bucket| bucket.1));
                assert!(histogram.classic.last().is_none_or(|last| last.1 <= histogram.count));
                let unix = series.exemplars().iter().map(|one| one.unix_time.as_nanos() as u64);
                check_exemplars(&histogram.exemplars, &series, unix);
                let classic = &histogram.classic_exemplars;
                assert_eq!(classic.is_empty(), series.exemplars().is_empty());
                for (bound, shown) in classic {
                    assert!(histogram.exemplars.contains(shown), "{shown:?}");
                    check_bound(*bound, shown.value);
                }
                assert!(classic.is_sorted_by(|a, b| a.0 < b.0), "one a bucket: {classic:?}");
            }
            (_, Kind::Counter) => same(metric.counter.expect("one"), scalar(&series).expect("one")),
            _ => same(metric.gauge.expect("one"), scalar(&series).expect("one")),
        }
    }
    assert!(metrics.next().is_none());
}

/// These are the exemplars of a series, by value, at these times.
fn check_exemplars(
    seen: &[decoder::Exemplar],
    series: &SeriesView<'_>,
    times: impl Iterator<Item = u64>,
) {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(seen.len(), series.exemplars().len());
    let mut sorted = seen.to_vec();
    sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
    for ((seen, known), time) in sorted.iter_mut().zip(series.exemplars()).zip(times) {
        seen.labels.sort();
        let (trace, span) = ids(known.value);
        let label = |name: &str, bytes: &[u8]| (name.to_owned(), hex(bytes));
        assert_eq!(seen.labels, [label("span_id", &span), label("trace_id", &trace)]);
        assert_eq!(seen.value, known.value as f64 / series.definition.unit.divisor() as f64);
        assert_eq!(seen.time, time);
    }
}

fn check_bound(bound: f64, value: f64) {
    // Both are rounded on the way here.
    assert!(value <= bound * (1.0 + 1e-9), "{value} up to {bound}");
}

/// Everything is counted, once, and no value more than a bucket away from where it belongs.
fn check_histogram(seen: &decoder::Histogram, values: &HistogramSnapshot) {
    assert_eq!(seen.count, values.count());
    same(seen.sum, values.sum_exported());
    let counted: u64 = seen.native.iter().map(|bucket| bucket.1).sum();
    assert_eq!(counted + seen.zero_count, seen.count);
    assert!(seen.native.is_sorted_by(|a, b| a.0 < b.0));
    let width = 2f64.powi(seen.schema as i32);
    let mut native = seen.native.iter().copied();
    let mut current = native.next();
    for (low, high, mut count) in values.buckets() {
        if high == 0 {
            assert_eq!(seen.zero_count, count);
            continue;
        }
        while count > 0 {
            let (index, left) = current.as_mut().expect("a bucket for each");
            if *left == 0 {
                current = native.next();
                continue;
            }
            let divisor = values.unit().divisor() as f64;
            let end = |value: u64| (value as f64 / divisor).log2() * width;
            let (from, to) = (end(low).floor() as i64, end(high).ceil() as i64 + 1);
            assert!((from..=to).contains(index), "{low}..{high} in bucket {index}");
            let taken = count.min(*left);
            (count, *left) = (count - taken, *left - taken);
        }
    }
    assert!(current.is_none_or(|(_, left)| left == 0) && native.next().is_none());
}

/// The labels of a series as Prometheus has them.
fn wire(series: &SeriesView<'_>, suffix: &str, le: Option<f64>) -> Labels {
    let name = format!("{}{suffix}", series.definition.name);
    let mut labels = vec![("__name__".to_owned(), name)];
    labels.extend(series.labels.iter().filter(|label| !label.1.is_empty()).cloned());
    let shown = |le: f64| if le.is_finite() { le.to_string() } else { "+Inf".to_owned() };
    labels.extend(le.map(|le| ("le".to_owned(), shown(le))));
    labels.sort();
    labels
}

/// The series that a snapshot is sent as, those of samples with their value. Of the same series the first counts.
fn expected(snapshot: &Snapshot, classic: bool) -> BTreeMap<(bool, Labels), Option<f64>> {
    let mut all = BTreeMap::new();
    for series in snapshot.series() {
        let mut add = |native, labels, value| _ = all.entry((native, labels)).or_insert(value);
        match series.value {
            Value::Histogram(values) if classic => {
                let bounds = series.definition.buckets.bounds(series.definition.unit);
                for &bound in bounds {
                    add(false, wire(&series, "_bucket", Some(bound)), None);
                }
                let count = Some(values.count() as f64);
                add(false, wire(&series, "_bucket", Some(f64::INFINITY)), count);
                add(false, wire(&series, "_count", None), count);
                add(false, wire(&series, "_sum", None), Some(values.sum_exported()));
            }
            Value::Histogram(_) => add(true, wire(&series, "", None), None),
            _ => add(false, wire(&series, "", None), scalar(&series)),
        }
    }
    all
}

/// A request of 2.0 says the same as one of 1.0.
fn check_older(newer: &Request, body: &[u8]) {
    let older = outside::older_request(body).expect("a request");
    let message = snap::raw::Decoder::new().decompress_vec(&older).expect("snappy");
    let older = read(RemoteWriteVersion::V1, &message);
    assert_eq!(older.series.len(), newer.series.len());
    for (older, newer) in older.series.iter().zip(&newer.series) {
        assert_eq!(older.labels, newer.labels);
        let samples = |series: &Series| -> Vec<(u64, u64)> {
            series.samples.iter().map(|sample| (sample.0.to_bits(), sample.1)).collect()
        };
        assert_eq!(samples(older), samples(newer));
        let histograms = |series: &Series| -> Vec<(u64, u64, u64)> {
            let all = series.histograms.iter();
            all.map(|one| (one.count, one.sum.to_bits(), one.time)).collect()
        };
        assert_eq!(histograms(older), histograms(newer));
    }
    // What families are is there once for each.
    let names: BTreeSet<&String> = older.metadata.iter().map(|family| &family.0).collect();
    assert_eq!(names.len(), older.metadata.len());
}

fn check_remote_write(
    plan: &Plan,
    version: RemoteWriteVersion,
    classic: bool,
    [first, second]: [&Snapshot; 2],
) {
    let mut encoder = RemoteWriteEncoder::new(version)
        .classic_histograms(classic)
        .max_series(plan.max_series.into())
        .max_bytes(plan.max_bytes.into());
    let mut before = BTreeSet::new();
    for snapshot in [first, second, first] {
        let mut series: Vec<Series> = Vec::new();
        encoder.encode_messages(snapshot, |message| {
            series.extend(read(version, message).series);
        });
        let mut wanted = expected(snapshot, classic);
        let now: BTreeSet<_> = wanted.keys().cloned().collect();
        // The same snapshot a second time says the same.
        let mut again: Vec<Series> = Vec::new();
        for body in encoder.encode(snapshot) {
            let message = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
            again.extend(read(version, &message).series);
            if version == RemoteWriteVersion::V2 {
                check_older(&read(version, &message), body);
            }
        }
        assert_eq!(format!("{again:?}"), format!("{series:?}"));
        let mut ended: BTreeSet<_> = before.difference(&now).cloned().collect();
        let mut histograms_by_labels = BTreeMap::new();
        for view in snapshot.series() {
            histograms_by_labels.entry(wire(&view, "", None)).or_insert(view);
        }
        for one in series {
            let (samples, histograms) = (&one.samples[..], &one.histograms[..]);
            let key = (samples.is_empty(), one.labels.clone());
            let times = one.exemplars.iter().map(|exemplar| exemplar.time);
            assert!(times.clone().is_sorted_by(|a, b| a < b), "no time twice");
            match (samples, histograms) {
                ([], [end]) if end.sum.to_bits() != STALE => {
                    // Another registry each time: none was sent before.
                    let series = &histograms_by_labels[&one.labels];
                    let mut by_value = one.exemplars.clone();
                    by_value.sort_by(|a, b| a.value.total_cmp(&b.value));
                    let found = snapshot.unix_time().as_millis() as u64;
                    let range = found..found + one.exemplars.len() as u64;
                    assert!(by_value.iter().all(|exemplar| range.contains(&exemplar.time)));
                    let times = by_value.iter().map(|exemplar| exemplar.time);
                    check_exemplars(&by_value, series, times);
                }
                _ => one.exemplars.iter().for_each(|exemplar| {
                    let le = one.label("le").expect("only buckets have them");
                    let bound = if le == "+Inf" { f64::INFINITY } else { le.parse().expect("one") };
                    check_bound(bound, exemplar.value);
                }),
            }
            match (samples, histograms) {
                ([(value, ..)], []) if value.to_bits() == STALE => assert!(ended.remove(&key)),
                ([], [end]) if end.sum.to_bits() == STALE => assert!(ended.remove(&key)),
                ([(value, ..)], []) => {
                    let wanted = wanted.remove(&key).expect("a series, once");
                    wanted.into_iter().for_each(|wanted| same(*value, wanted));
                }
                ([], [_]) => assert!(wanted.remove(&key).is_some()),
                other => panic!("{other:?}"),
            }
        }
        assert!(wanted.is_empty() && ended.is_empty(), "not sent: {wanted:?} {ended:?}");
        before = now;
    }
}

fn read(version: RemoteWriteVersion, message: &[u8]) -> Request {
    match version {
        RemoteWriteVersion::V1 => decoder::request_v1(message),
        RemoteWriteVersion::V2 => decoder::request_v2(message),
    }
    .expect("a request that can be read")
}
