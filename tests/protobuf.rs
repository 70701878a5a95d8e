//! The protobuf page, read back by a decoder of our own, and by a real Prometheus with native histograms.

mod common;
#[path = "protobuf/decoder.rs"]
mod decoder;
#[path = "prometheus/page.rs"]
mod page;
#[path = "prometheus/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;

use common::{by_hand, by_hand_with, page_of};
use decoder::{Family, families};
use page::Page;
use server::Prometheus;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tachometer::{
    Buckets, Encoder as _, Engine, Family as Peers, Histogram, HistogramSnapshot, ManualClock,
    Precision, ProtobufEncoder, Registry, Snapshot, Unit, Value,
};

const ODD: &str = "a \"quoted\" back\\slash, a\nline and ünïcödé";
const SECOND: u64 = 1_000_000_000;

/// One metric of each kind and unit, and histograms of each precision with values from 0 to an hour.
fn registry() -> Registry {
    let registry = Registry::new();
    let counter = registry.metric("busy_seconds_total", "Time, with a \\ and a\nline.");
    counter.unit(Unit::Nanoseconds).counter().unwrap().add(1_500_000_000);
    for kind in ["a", ODD, ""] {
        let counter = registry.metric("odd_total", "Odd.").label("kind", kind).label("A", "b");
        counter.counter().unwrap().add(u64::MAX >> 12);
    }
    registry.up_down_counter("lag_entries", "").unwrap().add(-17);
    registry.metric("load_ratio", "Load.").unit(Unit::Ratio).gauge().unwrap().set(0.625);
    registry.gauge("nothing", "No number.").unwrap().set(f64::NAN);
    registry.gauge("everything", "No limit.").unwrap().set(f64::INFINITY);
    for (precision, name) in precisions() {
        let metric = registry.metric(name, "Waited.").unit(Unit::Nanoseconds).precision(precision);
        let histogram = metric.label("peer", ODD).histogram().unwrap();
        spread().for_each(|value| histogram.record(value));
    }
    let sizes = registry.metric("sizes", "Sizes.").buckets(Buckets::Fixed(&[0.0, 2.5, 1e30]));
    let sizes = sizes.histogram().unwrap();
    [0, 0, 0, 1, 2, 3, u64::MAX].iter().for_each(|&size| sizes.record(size));
    // More values than 32 bits count, in neighbours and far apart.
    let many = registry.histogram("many", "Many.").unwrap();
    for (at, n) in
        [1 << 40, 3, u64::from(u32::MAX), 1 << 31, (1 << 33) + 1, 0, 1].into_iter().enumerate()
    {
        many.record_n(1_000 + 9 * at as u64, n);
        many.record_n(5 + at as u64, n >> 3);
        many.record_n(1 << 40 << at, n >> 5);
    }
    registry.metric("unused", "Nothing in it.").buckets(Buckets::Fixed(&[])).histogram().unwrap();
    registry
}

fn precisions() -> [(Precision, &'static str); 3] {
    [
        (Precision::One, "coarse_wait_seconds"),
        (Precision::Two, "wait_seconds"),
        (Precision::Three, "fine_wait_seconds"),
    ]
}

/// Values from 1 ns to an hour, as many in each octave.
fn spread() -> impl Iterator<Item = u64> {
    let steps = 4_000;
    let octaves = (3600.0 * SECOND as f64).log2();
    (0..=steps).map(move |at| (octaves * f64::from(at) / f64::from(steps)).exp2().round() as u64)
}

fn decoded(snapshot: &Snapshot) -> Vec<Family> {
    families(&ProtobufEncoder::new().to_vec(snapshot)).unwrap()
}

/// The samples of the text page, by name and labels as they stand there.
fn text_samples(engine: &Engine) -> HashMap<String, f64> {
    let page = page_of(engine);
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    };
    samples.map(sample).collect()
}

fn as_text(name: &str, labels: &[(String, String)], le: Option<f64>) -> String {
    let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let own = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escape(value)));
    let all: Vec<_> = own.chain(le.map(|le| format!("le=\"{le}\""))).collect();
    if all.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", all.join(",")) }
}

#[test]
fn a_page_has_what_the_snapshot_and_the_text_page_have() {
    let registry = registry();
    let engine = by_hand(&registry);
    let snapshot = engine.refresh();
    let (families, mut text) = (decoded(&snapshot), text_samples(&engine));
    let mut metrics = families
        .iter()
        .flat_map(|family| family.metrics.iter().map(move |metric| (family, metric)));
    let mut same = |key: String, value: f64| {
        let wanted = text.remove(&key).unwrap_or_else(|| panic!("{key} is on the page twice"));
        let near = (value - wanted).abs() <= 1e-15 * wanted.abs();
        assert!(value == wanted || near || value.is_nan() && wanted.is_nan(), "{key}: {value}");
    };
    for series in snapshot.series() {
        let (family, metric) = metrics.next().unwrap();
        let definition = series.definition;
        assert_eq!((&family.name, &family.help), (&definition.name, &definition.help));
        assert_eq!(family.unit, definition.unit.suffix().unwrap_or_default());
        assert_eq!(metric.labels, series.labels);
        let name = |suffix| format!("{}{suffix}", family.name);
        let began = matches!(series.value, Value::Counter(_) | Value::Histogram(_));
        assert_eq!(metric.created, began.then_some(series.created.as_nanos() as u64));
        let value = metric.counter.or(metric.gauge);
        match series.value {
            Value::Histogram(values) => {
                let histogram = metric.histogram.as_ref().unwrap();
                assert_eq!((family.kind, value), (4, None));
                let bounds = definition.buckets.bounds(definition.unit);
                assert!(histogram.classic.iter().map(|bucket| bucket.0).eq(bounds.iter().copied()));
                for &(bound, count) in &histogram.classic {
                    same(as_text(&name("_bucket"), &metric.labels, Some(bound)), count as f64);
                }
                let infinite = as_text(&name("_bucket"), &metric.labels, Some(f64::INFINITY));
                same(infinite.replace("inf", "+Inf"), histogram.count as f64);
                same(as_text(&name("_count"), &metric.labels, None), histogram.count as f64);
                same(as_text(&name("_sum"), &metric.labels, None), histogram.sum);
                check_native(histogram, values);
            }
            Value::Counter(_) => assert!(family.kind == 0 && metric.counter.is_some()),
            _ => assert!(family.kind == 1 && metric.gauge.is_some()),
        }
        if let Some(value) = value {
            assert!(metric.histogram.is_none());
            same(as_text(&family.name, &metric.labels, None), value);
        }
    }
    assert_eq!(metrics.next(), None);
    assert!(text.is_empty(), "{text:?}");
}

/// Each HDR bucket is, whole, in the native bucket that has its middle.
fn check_native(seen: &decoder::Histogram, values: &HistogramSnapshot) {
    assert_eq!(seen.count, values.count());
    assert_eq!(seen.schema, [3, 6, 8][usize::from(values.precision().figures()) - 1]);
    assert!(seen.zero_threshold > 0.0 && seen.zero_threshold < 1e-9);
    let (mut zeros, mut expected) = (0, BTreeMap::new());
    for (low, high, count) in values.buckets() {
        let middle = (low as f64 + high as f64) / 2.0 / values.unit().divisor() as f64;
        if middle == 0.0 {
            zeros += count;
            continue;
        }
        let width = f64::powi(2.0, seen.schema as i32);
        let mut index = (middle.ln() / std::f64::consts::LN_2 * width).ceil();
        // A logarithm is not exact, the bound of a bucket at a power of two is.
        while ((index - 1.0) / width).exp2() >= middle {
            index -= 1.0;
        }
        while (index / width).exp2() < middle {
            index += 1.0;
        }
        *expected.entry(index as i64).or_insert(0) += count;
    }
    assert_eq!(seen.zero_count, zeros);
    assert_eq!(seen.native, Vec::from_iter(expected));
}

#[test]
fn a_page_is_handed_on_piece_by_piece() {
    let registry = Registry::new();
    for peer in 0..20_000 {
        let metric = registry.metric("sent_total", "Sent.").label("peer", format!("peer-{peer}"));
        metric.counter().unwrap().add(peer);
    }
    let snapshot = by_hand(&registry).refresh();
    let mut encoder = ProtobufEncoder::new();
    let whole = encoder.to_vec(&snapshot);
    let (mut buffer, mut pieces) = (Vec::new(), Vec::new());
    encoder.write(&snapshot, &mut buffer, &mut pieces).unwrap();
    assert!(pieces == whole, "the same bytes");
    assert!(whole.len() > 800_000 && buffer.capacity() < 200_000, "{}", buffer.capacity());
    let families = families(&whole).unwrap();
    assert_eq!(families.len(), 1);
    let sum: f64 = families[0].metrics.iter().map(|metric| metric.counter.unwrap()).sum();
    assert_eq!(sum, (0..20_000).sum::<u64>() as f64);
}

#[test]
fn a_series_has_its_own_beginning_and_another_layout_another_plan() {
    let clock = ManualClock::at(Duration::from_millis(1_700_000_000_250));
    let registry = Registry::new();
    registry.counter("first_total", "First.").unwrap().inc();
    let engine = by_hand_with(&registry, &clock);
    let mut encoder = ProtobufEncoder::new();
    let first = engine.refresh();
    assert_eq!(families(&encoder.to_vec(&first)).unwrap().len(), 1);
    clock.advance(Duration::from_secs(5));
    engine.refresh();
    clock.advance(Duration::from_secs(5));
    registry.counter("second_total", "Second.").unwrap().inc();
    let second = engine.refresh();
    let both = families(&encoder.to_vec(&second)).unwrap();
    let created: Vec<_> = both.iter().map(|family| family.metrics[0].created.unwrap()).collect();
    assert_eq!(created[0], 1_700_000_000_250_000_000);
    assert!(created[1] > created[0] && created[1] <= second.unix_time().as_nanos() as u64);
    assert_eq!(families(&encoder.to_vec(&first)).unwrap()[..], both[..1]);
}

#[test]
fn a_lone_value_is_in_its_bucket_wherever_that_is() {
    let registry = Registry::new();
    let lone: Peers<Histogram, 1> = registry.metric("lone", "Alone.").family(["value"]).unwrap();
    for bit in [0, 6, 20, 61, 63] {
        for part in 0..70u64 {
            let value = (1u64 << bit) + ((1u128 << bit) * u128::from(part) / 70) as u64;
            lone.handle([&value.to_string()]).record(value);
        }
    }
    let snapshot = by_hand(&registry).refresh();
    let family = &decoded(&snapshot)[0];
    for (metric, series) in family.metrics.iter().zip(snapshot.series()) {
        let Value::Histogram(values) = series.value else { panic!("a histogram") };
        let histogram = metric.histogram.as_ref().unwrap();
        check_native(histogram, values);
    }
    assert!(family.metrics.len() > 200);
}

#[test]
fn prometheus_stores_native_histograms_as_fine_as_ours() {
    if !server::is_here() {
        return;
    }
    let snapshot = by_hand(&registry()).refresh();
    let scraped = snapshot.clone();
    let page = Page::of(ProtobufEncoder::new(), move || scraped.clone());
    let feature = "--enable-feature=native-histograms,exemplar-storage";
    let prometheus = Prometheus::with(Some(page.address), &[feature]);
    prometheus.wait_for("up", 1.0);
    prometheus.wait_for("busy_seconds_total", 1.5);
    prometheus.wait_for("lag_entries", -17.0);
    prometheus.wait_for("load_ratio", 0.625);
    prometheus.wait_for("everything", f64::INFINITY);
    let odd = ODD.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    prometheus.wait_for(&format!("odd_total{{kind=\"{odd}\",A=\"b\"}}"), (u64::MAX >> 12) as f64);
    prometheus.wait_for("histogram_count(unused)", 0.0);
    prometheus.wait_for("histogram_count(sizes)", 7.0);
    // Zeros alone are in the zero bucket.
    prometheus.wait_for("histogram_fraction(-1, 0.5, sizes)", 3.0 / 7.0);
    for (precision, name) in precisions() {
        let values: Arc<HistogramSnapshot> = snapshot.histogram(name).unwrap();
        prometheus.wait_for(&format!("histogram_count({name})"), values.count() as f64);
        let sum = prometheus.query(&format!("histogram_sum({name})")).unwrap();
        assert_eq!(sum, values.sum_exported());
        // A native bucket's width, and the part of an HDR bucket that may reach out of it.
        let (schema, hdr) = match precision {
            Precision::One => (3, 0.0625),
            Precision::Two => (6, 0.008),
            Precision::Three => (8, 0.001),
        };
        let error = f64::exp2(f64::exp2(-f64::from(schema))) * (1.0 + hdr);
        for q in [0.0005, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0] {
            let query = format!("histogram_quantile({q}, {name})");
            let answered = prometheus.query(&query).unwrap();
            let own = values.quantile(q).unwrap() as f64 / SECOND as f64;
            let ratio = answered / own;
            assert!((1.0 / error..=error).contains(&ratio), "{query}: {answered}, not {own}");
        }
    }
}
