//! OpenMetrics pages: to the letter, through the strict parser of the OpenMetrics project's reference library, and scraped by
//! a real Prometheus that is then asked for values and exemplars.

mod common;
#[path = "openmetrics/parser.rs"]
mod parser;

use common::{by_hand, by_hand_with};
use parser::{Parsed, parse};
use std::time::Duration;
use tachometer::{
    Buckets, Encoder, Engine, Kind, ManualClock, OpenMetricsEncoder, Registry, StateSet, Unit,
    Value, labels,
};

const START: Duration = Duration::from_millis(1_700_000_000_250);

/// A label's value with everything that a page must escape, and what other formats care about.
const ODD: &str = "a \"quoted\" back\\slash, a\nline, # {x=\"1\"} 2 3, }, tab\t, \r and ünïcödé";

labels! {
    /// What a node is.
    enum Role("role") { Follower = "follower", Leader = "leader", Odd = "odd \"one\"\\" }
}

fn page_of(engine: &Engine) -> String {
    String::from_utf8(OpenMetricsEncoder::new().to_vec(&engine.refresh())).unwrap()
}

#[test]
fn a_page_to_the_letter() {
    let registry = Registry::new();
    registry.counter("a_total", "A count, \"quoted\", back\\slash.").unwrap().add(3);
    registry.counter("b", "A counter without the suffix.").unwrap().add(4);
    let time = registry.metric("c_seconds_total", "Time.").unit(Unit::Nanoseconds).label("x", "1");
    time.counter().unwrap().add(1_500_000_000);
    let size = registry.metric("d_bytes", "Sizes.").unit(Unit::Bytes);
    let size = size.buckets(Buckets::Fixed(&[1.0, 1e6])).histogram().unwrap();
    size.record(1);
    size.record_with_exemplar(70, [0xAB; 16], [0x01; 8]);
    size.record_with_exemplar(5_000_000, [0xCD; 16], [0x02; 8]);
    registry.metric("e_ratio", "").unit(Unit::Ratio).gauge().unwrap().set(0.25);
    registry.up_down_counter("f", "Up and down.").unwrap().add(-2);
    registry.info("g_info", "About it.", [("version", "1.2")]).unwrap();
    let role: StateSet<Role> = registry.state_set("h", "A state.").unwrap();
    role.set(Role::Leader);
    let clock = ManualClock::at(START);
    let engine = by_hand_with(&registry, &clock);
    let expected = r##"# TYPE a counter
# HELP a A count, \"quoted\", back\\slash.
a_total 3
a_created 1700000000.25
# TYPE b counter
# HELP b A counter without the suffix.
b_total 4
b_created 1700000000.25
# TYPE c_seconds counter
# UNIT c_seconds seconds
# HELP c_seconds Time.
c_seconds_total{x="1"} 1.5
c_seconds_created{x="1"} 1700000000.25
# TYPE d_bytes histogram
# UNIT d_bytes bytes
# HELP d_bytes Sizes.
d_bytes_bucket{le="1.0"} 1
d_bytes_bucket{le="1e+06"} 2 # {trace_id="abababababababababababababababab",span_id="0101010101010101"} 70 1700000000.25
d_bytes_bucket{le="+Inf"} 3 # {trace_id="cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",span_id="0202020202020202"} 5000000 1700000000.25
d_bytes_count 3
d_bytes_sum 5000071
d_bytes_created 1700000000.25
# TYPE e_ratio gauge
# UNIT e_ratio ratio
e_ratio 0.25
# TYPE f gauge
# HELP f Up and down.
f -2
# TYPE g info
# HELP g About it.
g_info{version="1.2"} 1
# TYPE h stateset
# HELP h A state.
h{h="follower"} 0
h{h="leader"} 1
h{h="odd \"one\"\\"} 0
# EOF
"##;
    assert_eq!(page_of(&engine), expected);
    // Without the lines that some would rather not store.
    let bare = OpenMetricsEncoder::new().created(false).to_vec(&engine.refresh());
    let without: String =
        expected.split_inclusive('\n').filter(|line| !line.contains("_created")).collect();
    assert_eq!(String::from_utf8(bare).unwrap(), without);
    // In pieces as at once, and again when the encoder has seen the series.
    let mut encoder = OpenMetricsEncoder::new();
    let (mut buffer, mut out) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        out.clear();
        encoder.write(&engine.refresh(), &mut buffer, &mut out).unwrap();
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
    let text = common::page_of(&engine);
    for line in ["# TYPE h gauge", "h{h=\"leader\"} 1", "# TYPE g_info gauge", "b 4"] {
        assert!(text.lines().any(|other| other == line), "{line} in the Prometheus text:\n{text}");
    }
}

#[test]
fn a_bucket_shows_the_latest_of_its_exemplars() {
    let registry = Registry::new();
    let histogram = registry.metric("h", "Values.").buckets(Buckets::Fixed(&[10.0, 1_000.0]));
    let histogram = histogram.histogram().unwrap();
    let clock = ManualClock::at(START);
    let engine = by_hand_with(&registry, &clock);
    histogram.record_with_exemplar(900, [1; 16], [1; 8]);
    engine.refresh();
    clock.advance(Duration::from_secs(1));
    histogram.record_with_exemplar(20, [2; 16], [2; 8]);
    histogram.record_with_exemplar(10, [3; 16], [3; 8]);
    let page = page_of(&engine);
    let line = |le: &str| page.lines().find(|line| line.contains(le)).unwrap().to_owned();
    assert!(line("le=\"10.0\"").ends_with("\"} 10 1700000001.25"), "{page}");
    assert!(line("le=\"1000.0\"").ends_with("\"} 20 1700000001.25"), "{page}");
    assert!(!line("le=\"+Inf\"").contains('#'), "{page}");
}

/// A registry with every type, odd labels, empty and full histograms, and names that meet.
fn everything() -> Registry {
    let registry = Registry::new();
    for (value, label) in [(1, ODD), (2, ""), (3, "plain")] {
        let counter = registry.metric("requests_total", "Requests\nin \\ two lines.");
        counter.label("odd", label).counter().unwrap().add(value);
        let gauge = registry.metric("level", "Levels.").label("odd", label).gauge().unwrap();
        gauge.set([f64::NAN, f64::NEG_INFINITY, 1e300][value as usize - 1]);
        let histogram = registry.metric("wait_seconds", "Waited.").unit(Unit::Nanoseconds);
        let histogram = histogram.label("odd", label).histogram().unwrap();
        // The first stays empty.
        for at in 1..value * 20 {
            let trace = u128::from(at) << 64 | 7;
            histogram.record_with_exemplar(1 << at, trace.to_be_bytes(), at.to_be_bytes());
        }
        let set = registry.metric("role", "Role.").label("node", label);
        let set: StateSet<Role> = set.state_set().unwrap();
        set.set([Role::Follower, Role::Leader, Role::Odd][value as usize - 1]);
        let info = registry.metric("build_info", "Build.").label("odd", label);
        info.info().unwrap();
    }
    registry.metric("busy_seconds_total", "").unit(Unit::Nanoseconds).counter().unwrap().add(1);
    registry.up_down_counter("balance", "Up and down.").unwrap().add(-5);
    registry.histogram("empty", "Nothing.").unwrap();
    // Names that meet in OpenMetrics, though they differ here.
    for name in ["x_total", "x", "x_created", "y_total", "wait_seconds_total", "_total"] {
        registry.counter(name, "A counter.").unwrap().add(9);
    }
    for name in ["y", "wait_seconds_created", "build", "role_value", "tachometer_rejected_records"]
    {
        registry.gauge(name, "A gauge.").unwrap().set(8.0);
    }
    registry
}

#[test]
fn the_strict_parser_reads_every_number() {
    let Some(check) = parser::find() else { return };
    let registry = everything();
    let engine = by_hand(&registry);
    engine.refresh();
    let now = engine.refresh();
    let page = OpenMetricsEncoder::new().to_vec(&now);
    let parsed = parse(check, &page);
    for series in now.series() {
        check_series(&parsed, &series, &String::from_utf8_lossy(&page));
    }
    let exemplars = parsed.samples.values().filter(|sample| sample.exemplar.is_some()).count();
    assert!(exemplars > 20, "{exemplars} exemplars on the page");
    for (name, kind, unit) in [
        ("requests", "counter", ""),
        ("x", "counter", ""),
        ("y_total", "unknown", ""),
        ("wait_seconds", "histogram", "seconds"),
        ("wait_seconds_total", "unknown", ""),
        ("busy_seconds", "counter", "seconds"),
        ("role", "stateset", ""),
        ("balance", "gauge", ""),
        ("build_info", "unknown", ""),
    ] {
        let found = parsed.families.get(name).map(|(kind, unit)| (kind.as_str(), unit.as_str()));
        assert_eq!(found, Some((kind, unit)), "{name}");
    }
}

#[test]
fn the_engine_s_own_page_is_read_too() {
    let Some(check) = parser::find() else { return };
    let registry = Registry::new();
    let engine = common::by_hand_with_own_metrics(&registry);
    engine.refresh();
    let parsed = parse(check, page_of(&engine).as_bytes());
    assert_eq!(parsed.families["tachometer"].0, "info");
    assert_eq!(parsed.families["tachometer_cut_wait_seconds"].1, "seconds");
}

/// The value of every series under one of the names that it may have.
fn check_series(parsed: &Parsed, series: &tachometer::SeriesView<'_>, page: &str) {
    let definition = series.definition;
    let value = |suffix: &str| {
        let name = &definition.name;
        let natural = match definition.kind {
            Kind::Counter => name.strip_suffix("_total").filter(|stem| !stem.is_empty()),
            _ => None,
        };
        let natural = format!("{}{suffix}", natural.unwrap_or(name));
        // Where names meet: renamed, or as they were registered.
        let names = [format!("{name}_value"), natural, name.clone()];
        let labels = parser::labels(series.labels);
        let found = names.into_iter().find_map(|name| parsed.samples.get(&(name, labels.clone())));
        found.unwrap_or_else(|| panic!("{definition} {:?} is not on\n{page}", series.labels)).value
    };
    let unit = definition.unit.divisor() as f64;
    match series.value {
        Value::Counter(count) => assert_eq!(value("_total"), count as f64 / unit),
        Value::UpDownCounter(count) => assert_eq!(value(""), count as f64 / unit),
        Value::Gauge(level) => {
            let seen = value("");
            assert!(seen == level || seen.is_nan() && level.is_nan(), "{definition}");
        }
        Value::Histogram(histogram) => {
            assert_eq!(definition.kind, Kind::Histogram);
            assert_eq!(value("_count"), histogram.count() as f64);
            let (seen, sum) = (value("_sum"), histogram.sum_exported());
            assert!((seen - sum).abs() <= 1e-12 * sum, "{seen}, not {sum}");
            assert_eq!(value("_created"), series.created.as_secs_f64());
        }
        _ => panic!("{definition}"),
    }
}
