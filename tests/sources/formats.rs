//! Every format: what the encoders write is read back, the same; pages of others; and what is wrong with a page is said.

use crate::common::by_hand;
use crate::servers::{ODD, odd_registry};
use proptest::prelude::*;
use tachometer::source::{PageFormat, SampleKind, SampleValue, Samples, SourceError};
use tachometer::{
    Encoder, JsonEncoder, OpenMetricsEncoder, ProtobufEncoder, Registry, Snapshot, TextEncoder,
    Unit, Value,
};

const FORMATS: [PageFormat; 4] =
    [PageFormat::Text, PageFormat::OpenMetrics, PageFormat::Protobuf, PageFormat::Json];

fn encoded(format: PageFormat, snapshot: &Snapshot) -> Vec<u8> {
    match format {
        PageFormat::Text => TextEncoder::new().to_vec(snapshot),
        PageFormat::OpenMetrics => OpenMetricsEncoder::new().to_vec(snapshot),
        PageFormat::Protobuf => ProtobufEncoder::new().to_vec(snapshot),
        PageFormat::Json => JsonEncoder::new().to_vec(snapshot),
        other => panic!("{other:?}"),
    }
}

fn same(left: f64, right: f64) -> bool {
    left == right || (left.is_nan() && right.is_nan())
}

/// What was divided here, and written in all of its digits there, may differ in the last one.
fn close(left: f64, right: f64) -> bool {
    same(left, right) || (left - right).abs() <= 4.0 * f64::EPSILON * left.abs()
}

/// All that a snapshot has is in what is read of its page, with the same values, and nothing else.
fn check(format: PageFormat, snapshot: &Snapshot) {
    let page = encoded(format, snapshot);
    let samples = Samples::parse(format, &page)
        .unwrap_or_else(|error| panic!("{format:?}: {error}\n{}", String::from_utf8_lossy(&page)));
    let (mut expected, mut skipped) = (0, 0);
    for series in snapshot.series() {
        let name = &series.definition.name;
        let labels: Vec<(&str, &str)> =
            series.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        // An empty label is as good as none: there, two series are one.
        let empty = |labels: &[(String, String)]| labels.iter().any(|label| label.1.is_empty());
        let doubtful = labels.is_empty() && snapshot.select(name, &[]).any(|one| empty(one.labels));
        if (empty(series.labels) || doubtful) && format != PageFormat::Json {
            skipped += 1;
            continue;
        }
        expected += 1;
        // OpenMetrics has no counter without the suffix.
        let families = samples.families.iter().filter(|family| {
            family.name == *name || family.name.strip_suffix("_total") == Some(name)
        });
        let found = families.flat_map(|family| family.series.iter().map(move |one| (family, one)));
        let mut found = found.filter(|(_, one)| {
            let own = one.labels.iter().map(|(k, v)| (k.as_str(), v.as_str()));
            own.eq(labels.iter().copied())
        });
        let (family, one) = found.next().unwrap_or_else(|| panic!("{format:?}: {name} {labels:?}"));
        assert!(found.next().is_none(), "{format:?}: {name} {labels:?} twice");
        assert_eq!(family.help, series.definition.help, "{name}");
        let divisor = series.definition.unit.divisor() as f64;
        match (series.value, &one.value) {
            (Value::Counter(count), SampleValue::Number(value)) => {
                assert_eq!(family.kind, SampleKind::Counter, "{name}");
                assert!(close(count as f64 / divisor, *value), "{format:?}: {name} {value}");
            }
            (Value::UpDownCounter(count), SampleValue::Number(value)) => {
                assert_eq!(family.kind, SampleKind::Gauge, "{name}");
                assert!(same(count as f64, *value), "{format:?}: {name} {value}");
            }
            (Value::Gauge(was), SampleValue::Number(value)) => {
                assert!(same(was / divisor, *value), "{format:?}: {name} {was} {value}");
            }
            (Value::Histogram(was), SampleValue::Hdr(read)) => assert_eq!(**was, **read),
            (Value::Histogram(was), SampleValue::Classic(read)) => {
                assert_eq!((format == PageFormat::Json, was.count() as f64), (false, read.count));
                assert!(close(was.sum_exported(), read.sum.unwrap()), "{name}");
                assert_eq!(read.buckets.last(), Some(&(f64::INFINITY, read.count)), "{name}");
                assert!(read.buckets.is_sorted(), "{name}");
            }
            (Value::Histogram(was), SampleValue::Native(read)) => {
                assert_eq!((format, was.count() as f64), (PageFormat::Protobuf, read.count));
                let buckets = read.positive.iter().map(|bucket| bucket.1).sum::<f64>();
                assert_eq!(buckets + read.zero_count, read.count, "{name}");
                assert_eq!(read.classic.last(), Some(&(f64::INFINITY, read.count)), "{name}");
            }
            other => panic!("{format:?}: {name}: {other:?}"),
        }
    }
    assert_eq!(samples.len(), expected + skipped, "{format:?}");
}

#[test]
fn what_the_encoders_write_is_read_back() {
    let registry = odd_registry();
    registry.info("build_info", "Built.", [("version", "1.2 \"beta\"\n")]).unwrap();
    let engine = by_hand(&registry);
    let snapshot = engine.refresh();
    for format in FORMATS {
        check(format, &snapshot);
    }
    check(PageFormat::Text, &by_hand(&Registry::new()).refresh());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_recorded_is_read_back(
        counts in prop::collection::vec((any::<u64>(), any::<i64>(), any::<f64>()), 1..6),
        labels in prop::collection::vec((0..ODD.len(), "[^\\x00]{0,6}"), 1..6),
        values in prop::collection::vec(any::<u64>(), 0..60),
    ) {
        let registry = Registry::new();
        for (at, (odd, text)) in labels.iter().enumerate() {
            let metric = |name: &str, help: &str| {
                let metric = registry.metric(name, help).label("odd", ODD[*odd]);
                metric.label("at", at.to_string()).label("text", format!("x{text}"))
            };
            let (count, updown, gauge) = counts[at % counts.len()];
            metric("sent_total", "Help, \\ and \n \"more\".").counter().unwrap().add(count);
            metric("level", "").up_down_counter().unwrap().add(updown);
            metric("ratio_of", "A ratio.").gauge().unwrap().set(gauge);
            let wait = metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
            let wait = wait.histogram().unwrap();
            values.iter().for_each(|value| wait.record(value >> (value % 64)));
        }
        let engine = by_hand(&registry);
        let snapshot = engine.refresh();
        for format in FORMATS {
            check(format, &snapshot);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for format in FORMATS {
            let _ = Samples::parse(format, &bytes);
        }
    }
}

fn text(page: &str) -> Result<Samples, SourceError> {
    Samples::parse(PageFormat::Text, page.as_bytes())
}

fn open(page: &str) -> Result<Samples, SourceError> {
    Samples::parse(PageFormat::OpenMetrics, page.as_bytes())
}

/// What other programs write.
#[test]
fn pages_of_others_are_read_as_prometheus_does() {
    // Types behind others, without help, parts in any order, no count.
    let page = "\
        # a comment\n#\n# NOTE nothing\n\n\
        requests_total 3\n\
        # TYPE wait histogram\n\
        wait_sum{a=\"b\"} 5\nwait_bucket{a=\"b\",le=\"2\"} 3\nwait_bucket{le=\"1\",a=\"b\"} 1\n\
        wait_bucket{a=\"b\",le=\"+Inf\"} 4 1700000000000\n\
        # TYPE rpc summary\r\n\
        rpc{quantile=\"0.5\"} NaN\nrpc{quantile=\"0.9\"} 2\nrpc_count 7\n\
        # TYPE wait_bucket_size gauge\nwait_bucket_size 9\n\
        # TYPE late gauge\n\tlate\t-1e-3\t\n\
        # TYPE plain untyped\nplain{} +Inf\n\
        # TYPE go_info gauge\ngo_info{version=\"1\"} 1";
    let samples = text(page).unwrap();
    let kinds: Vec<_> = samples.families.iter().map(|f| (f.name.as_str(), f.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("requests_total", SampleKind::Unknown),
            ("wait", SampleKind::Histogram),
            ("rpc", SampleKind::Summary),
            ("wait_bucket_size", SampleKind::Gauge),
            ("late", SampleKind::Gauge),
            ("plain", SampleKind::Unknown),
            ("go_info", SampleKind::Gauge),
        ]
    );
    let SampleValue::Classic(wait) = &samples.get("wait", &[("a", "b")]).unwrap().value else {
        panic!("{samples:?}");
    };
    assert_eq!((wait.count, wait.sum), (4.0, Some(5.0)));
    assert_eq!(wait.buckets, [(1.0, 1.0), (2.0, 3.0), (f64::INFINITY, 4.0)]);
    let SampleValue::Summary(rpc) = &samples.get("rpc", &[]).unwrap().value else {
        panic!("{samples:?}");
    };
    assert_eq!((rpc.count, rpc.sum, rpc.quantiles.len()), (Some(7.0), None, 2));
    assert_eq!(samples.weight(), 1 + 5 + 4 + 4);
    // OpenMetrics: names without suffixes, creation, exemplars.
    let page = "\
        # TYPE sent counter\n# UNIT sent bytes\n# HELP sent Bytes \\\"sent\\\".\n\
        sent_total{a=\"b\"} 4 1700000000.25 # {trace_id=\"x\"} 1 1700000000\n\
        sent_created{a=\"b\"} 1600000000.5\n\
        # TYPE build info\nbuild_info{v=\"1\"} 1\n\
        # TYPE role stateset\nrole{role=\"leader\"} 1\nrole{role=\"follower\"} 0\n\
        # TYPE queue gaugehistogram\nqueue_bucket{le=\"+Inf\"} 2\nqueue_gcount 2\nqueue_gsum 3\n\
        # EOF\n";
    let samples = open(page).unwrap();
    let sent = &samples.families[0];
    assert_eq!((&*sent.name, &*sent.unit, &*sent.help), ("sent_total", "bytes", "Bytes \"sent\"."));
    assert_eq!(sent.series[0].created, Some(1_600_000_000.5));
    assert_eq!(sent.series[0].time_ms, Some(1_700_000_000_250));
    assert_eq!(
        (&*samples.families[1].name, samples.families[1].kind),
        ("build_info", SampleKind::Info)
    );
    assert_eq!(samples.families[2].series.len(), 2);
    let SampleValue::Classic(queue) = &samples.get("queue", &[]).unwrap().value else {
        panic!("{samples:?}");
    };
    assert_eq!((queue.count, queue.sum), (2.0, Some(3.0)));
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let line = |read: Result<Samples, SourceError>| match read.unwrap_err() {
        SourceError::Malformed { line: Some(line), reason } => (line, reason),
        other => panic!("{other}"),
    };
    for (page, at, said) in [
        ("a 1\n\nb", 3, "expected a value"),
        ("a 1\n# TYPE a counters\n", 2, "no type"),
        ("a{b=\"c\",} 1\na{b=\"c\" 1\n", 2, "',' or '}'"),
        ("# TYPE a histogram\na_bucket{le=\"x\"} 1", 2, "le: expected a number"),
        ("a 1\n# TYPE a counter\n", 2, "behind its samples"),
        ("# TYPE  \n", 1, "a metric's name"),
        ("<html><body>Not found</body></html>", 1, "a metric's name"),
    ] {
        let (found, reason) = line(text(page));
        assert!(found == at && reason.contains(said), "{page}: {found} {reason}");
    }
    let (at, reason) = line(Samples::parse(PageFormat::Text, b"a 1\nb{c=\"\xff\"} 1"));
    assert!(at == 2 && reason.contains("UTF-8"), "{reason}");
    let (at, reason) = line(open("a 1\n"));
    assert!(at == 1 && reason.contains("cut off"), "{reason}");
    let (at, reason) = line(open("# EOF\na 1\n"));
    assert!(at == 2 && reason.contains("behind # EOF"), "{reason}");
    for (bytes, said) in [
        (&[5u8, 1][..], "are left"),
        (&[2, 0x0a, 0][..], "metric family 1: it has no name"),
        (&[4, 0x0a, 1, b'a', 0x18][..], "within a number"),
    ] {
        let error = Samples::parse(PageFormat::Protobuf, bytes).unwrap_err().to_string();
        assert!(error.contains(said), "{bytes:?}: {error}");
    }
    assert!(Samples::parse(PageFormat::Json, b"{}").is_err());
}
