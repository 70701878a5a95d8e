//! OTLP requests, protobuf and JSON, decoded by `opentelemetry-proto` and compared with the snapshot, field by field.

mod common;
#[path = "otlp/oracle.rs"]
mod oracle;

use common::by_hand_with;
use common::random::Random;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{metric::Data, number_data_point::Value as Number};
use oracle::{Receiver, decode};
use std::time::Duration;
use tachometer::{
    Counter, Encoder, Engine, Error, Family, Gauge, Histogram, ManualClock, OtlpEncoder, Precision,
    Registry, Sink, Snapshot, Temporality, Unit, UpDownCounter, limits,
};

const START: Duration = Duration::from_secs(1_700_000_000);
const SECOND: Duration = Duration::from_secs(1);
/// Everything that JSON must escape, and what looks like it.
const ODD: &str = "a \"quoted\" back\\slash, a\nline, \u{1}\u{7f}\t and ünïcödé \u{10FFFF}";
const NAME: (&str, &str) = ("service.name", "orders");

fn both() -> [OtlpEncoder; 2] {
    [OtlpEncoder::protobuf(), OtlpEncoder::json()]
        .map(|encoder| encoder.resource(NAME.0, NAME.1).unwrap())
}

fn request(encoder: &mut OtlpEncoder, snapshot: &Snapshot) -> ExportMetricsServiceRequest {
    let body = encoder.to_vec(snapshot);
    decode(encoder.content_type(), &body)
}

/// A cumulative encoder of the same format that has seen nothing.
fn fresh(encoder: &OtlpEncoder, max_buckets: usize) -> OtlpEncoder {
    let [protobuf, json] = both();
    let is_json = encoder.content_type() == OtlpEncoder::JSON;
    if is_json { json } else { protobuf }.max_buckets(max_buckets).unwrap()
}

/// A metric of each kind and unit, with and without labels.
struct Everything {
    counters: Vec<Counter>,
    up_downs: Vec<UpDownCounter>,
    gauges: Vec<Gauge>,
    histograms: Vec<Histogram>,
    family: Family<Counter, 2>,
}

const UNITS: [(Unit, &str); 5] = [
    (Unit::None, "things"),
    (Unit::Nanoseconds, "fine_seconds"),
    (Unit::Seconds, "coarse_seconds"),
    (Unit::Bytes, "bytes"),
    (Unit::Ratio, "ratio"),
];

impl Everything {
    fn new(registry: &Registry) -> Everything {
        let metric = |name: String, unit| registry.metric(name, ODD).unit(unit).label("odd", ODD);
        let all = |kind: &str| UNITS.map(|(unit, name)| (format!("{kind}_{name}"), unit));
        let precisions = [Precision::One, Precision::Two, Precision::Three];
        Everything {
            counters: all("counter").map(|(n, u)| metric(n, u).counter().unwrap()).into(),
            up_downs: all("updown").map(|(n, u)| metric(n, u).up_down_counter().unwrap()).into(),
            gauges: all("gauge").map(|(n, u)| metric(n, u).gauge().unwrap()).into(),
            histograms: precisions
                .iter()
                .flat_map(|precision| {
                    let kind = format!("histogram{}", precision.figures());
                    all(&kind).map(|(n, u)| metric(n, u).precision(*precision).histogram().unwrap())
                })
                .collect(),
            family: registry.metric("by_peer_total", "").family(["peer", "empty"]).unwrap(),
        }
    }

    fn record(&self, random: &mut Random) {
        let one = |random: &mut Random, of: usize| random.below(of as u64) as usize;
        for _ in 0..random.below(40) {
            let value = random.magnitude(63);
            match random.below(7) {
                0 => self.counters[one(random, 5)].add(value >> random.below(20)),
                1 => self.up_downs[one(random, 5)].add(value as i64 - (1 << 62)),
                2 => self.gauges[one(random, 5)].set(f64::from_bits(random.next())),
                3 => {
                    let peer = format!("{ODD}{}", random.below(30));
                    self.family.at([&peer, ""]).inc();
                }
                4 => {
                    let histogram = &self.histograms[one(random, 15)];
                    let trace = u128::from(random.next()) << 64 | u128::from(random.next());
                    // Now and then one without a span, and one that is no trace.
                    let span = random.next() * random.below(4).min(1);
                    let trace = if random.below(10) == 0 { 0 } else { trace };
                    let (trace, span) = (trace.to_be_bytes(), span.to_be_bytes());
                    let bits = random.below(64) as u32;
                    histogram.record_with_exemplar(random.magnitude(bits), trace, span);
                }
                _ => {
                    let histogram = &self.histograms[one(random, 15)];
                    let (times, bits) = (random.below(50), random.below(63) as u32);
                    (0..times).for_each(|_| histogram.record(random.magnitude(bits)));
                }
            }
        }
    }
}

#[test]
fn random_snapshots_arrive_whole() {
    let temporalities = [Temporality::Cumulative, Temporality::Delta];
    for seed in 0..10 {
        let random = &mut Random::new(seed);
        let (registry, clock) = (Registry::new(), ManualClock::at(START));
        let everything = Everything::new(&registry);
        let engine = by_hand_with(&registry, &clock);
        let temporality = temporalities[seed as usize % 2];
        let buckets = [2, 3, 7, 160, 161, 3_000][random.below(6) as usize];
        for encoder in both() {
            let mut encoder = encoder.temporality(temporality).max_buckets(buckets).unwrap();
            let mut receiver = Receiver::new(temporality, buckets, &[NAME]);
            for round in 0..8 {
                clock.advance(Duration::from_nanos(random.magnitude(36)));
                everything.record(random);
                if random.below(4) == 0 {
                    let name = format!("late_{seed}_{round}_{}", encoder.content_type().len());
                    registry.counter(&name, "").unwrap().inc();
                }
                let snapshot = engine.refresh();
                let mut next = receiver.clone();
                let body = encoder.to_vec(&snapshot);
                next.receive(&decode(encoder.content_type(), &body), &snapshot);
                // What an encoder keeps of earlier requests changes nothing.
                if temporality == Temporality::Cumulative {
                    assert_eq!(body, fresh(&encoder, buckets).to_vec(&snapshot));
                }
                // Of three requests one is lost; said or not, the next one covers its time.
                match random.below(6) {
                    0 => {}
                    1 => {
                        encoder.rollback();
                        encoder.commit();
                    }
                    _ => {
                        encoder.commit();
                        receiver = next;
                    }
                }
            }
        }
    }
}

#[test]
fn integers_are_integers_where_they_are_exact() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let exact = registry.counter("exact_total", "").unwrap();
    exact.add(i64::MAX as u64);
    registry.counter("large_total", "").unwrap().add(i64::MAX as u64 + 1);
    let time = registry.metric("time_seconds_total", "").unit(Unit::Nanoseconds);
    time.counter().unwrap().add(2_000_000_000);
    registry.up_down_counter("balance", "").unwrap().add(i64::MIN);
    registry.gauge("level", "").unwrap().set(3.0);
    let snapshot = by_hand_with(&registry, &clock).refresh();
    for mut encoder in both() {
        let request = request(&mut encoder, &snapshot);
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let values: Vec<_> = metrics
            .iter()
            .map(|metric| match metric.data.as_ref().unwrap() {
                Data::Sum(sum) => (&*metric.name, sum.data_points[0].value.unwrap()),
                Data::Gauge(gauge) => (&*metric.name, gauge.data_points[0].value.unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [
            ("balance", Number::AsInt(i64::MIN)),
            ("exact_total", Number::AsInt(i64::MAX)),
            ("large_total", Number::AsDouble(9_223_372_036_854_775_808.0)),
            ("level", Number::AsDouble(3.0)),
            // Two whole seconds: a stream does not change its type from one request to the next.
            ("time_seconds_total", Number::AsDouble(2.0)),
        ];
        assert_eq!(values, expected);
    }
}

#[test]
fn values_that_are_no_numbers_have_names_in_json() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    for (name, value) in [("a", f64::NAN), ("b", f64::INFINITY), ("c", f64::NEG_INFINITY)] {
        registry.gauge(name, "").unwrap().set(value);
    }
    let snapshot = by_hand_with(&registry, &clock).refresh();
    let json: serde_json::Value =
        serde_json::from_slice(&OtlpEncoder::json().to_vec(&snapshot)).unwrap();
    let metrics = &json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let value = |at: usize| metrics[at]["gauge"]["dataPoints"][0]["asDouble"].as_str();
    assert_eq!([0, 1, 2].map(value), [Some("NaN"), Some("Infinity"), Some("-Infinity")]);
    // 64-bit integers are strings, enumerations numbers.
    let time = &metrics[0]["gauge"]["dataPoints"][0]["timeUnixNano"];
    assert_eq!(time.as_str(), Some("1700000000000000000"));
}

/// Counters of a family with long labels, in an engine.
fn many(series: usize) -> (Engine, usize) {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let metric = registry.metric("wide_total", "Many series.").limit(series);
    let family: Family<Counter, 1> = metric.family(["key"]).unwrap();
    let spread = registry.metric("spread", "Many histograms.").limit(series / 100);
    let spread: Family<Histogram, 1> = spread.family(["key"]).unwrap();
    for at in 0..series {
        family.at([&format!("{at:0>200}")]).add(at as u64);
    }
    for at in 0..series / 100 {
        let key = format!("{at:0>200}");
        (0..=at as u64).for_each(|value| spread.at([&key]).record(value << 10));
    }
    (by_hand_with(&registry, &clock), series + series / 100)
}

/// Takes what it is given, and remembers the largest piece.
#[derive(Default)]
struct Pieces {
    all: Vec<u8>,
    largest: usize,
    pieces: usize,
}

impl std::io::Write for Pieces {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        self.all.extend_from_slice(piece);
        self.largest = self.largest.max(piece.len());
        self.pieces += 1;
        Ok(piece.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_request_is_written_in_parts() {
    let (engine, series) = many(5_000);
    let snapshot = engine.refresh();
    assert_eq!(snapshot.len(), series);
    for mut encoder in both() {
        let whole = encoder.to_vec(&snapshot);
        let (mut pieces, mut buffer) = (Pieces::default(), Vec::new());
        encoder.write(&snapshot, &mut buffer, &mut pieces).unwrap();
        assert!(pieces.all == whole, "the bytes do not hang on who takes them");
        assert!(whole.len() > 1_000_000 && pieces.pieces > 10, "{} pieces", pieces.pieces);
        // A part, one metric more, which is about half of one.
        assert!(pieces.largest < 2 * Sink::FULL, "{} bytes at once", pieces.largest);
        let request = decode(encoder.content_type(), &whole);
        assert_eq!(request.resource_metrics.len(), pieces.pieces);
        Receiver::new(Temporality::Cumulative, limits::DEFAULT_OTLP_BUCKETS, &[NAME])
            .receive(&request, &snapshot);
    }
}

#[test]
fn a_request_that_nobody_takes_is_not_proposed() {
    struct Refuses;
    impl std::io::Write for Refuses {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (engine, _) = many(1_000);
    let snapshot = engine.refresh();
    for mut encoder in both() {
        // Cumulative: nor does what it kept of it confuse it.
        let whole = encoder.to_vec(&snapshot);
        assert!(encoder.write(&snapshot, &mut Vec::new(), &mut Refuses).is_err());
        assert_eq!(encoder.to_vec(&snapshot), whole);
        assert_eq!(encoder.to_vec(&snapshot), whole);
        let mut encoder = encoder.temporality(Temporality::Delta);
        assert!(encoder.write(&snapshot, &mut Vec::new(), &mut Refuses).is_err());
        encoder.commit();
        Receiver::new(Temporality::Delta, limits::DEFAULT_OTLP_BUCKETS, &[NAME])
            .receive(&request(&mut encoder, &snapshot), &snapshot);
    }
}

#[test]
fn extremes_of_neighbouring_generations_are_exact() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    let histogram = registry.histogram("values", "").unwrap();
    let engine = by_hand_with(&registry, &clock);
    let mut encoder = OtlpEncoder::protobuf().temporality(Temporality::Delta);
    let mut extremes = |snapshot: &Snapshot| {
        let request = request(&mut encoder, snapshot);
        encoder.commit();
        let data = &request.resource_metrics[0].scope_metrics[0].metrics[0].data;
        let Some(Data::ExponentialHistogram(histogram)) = data else { panic!("{data:?}") };
        histogram.data_points[0].min.zip(histogram.data_points[0].max)
    };
    let record = |values: &[u64]| {
        values.iter().for_each(|&value| histogram.record(value));
        engine.refresh()
    };
    assert_eq!(extremes(&record(&[1, 1_000_000])), Some((1.0, 1_000_000.0)));
    assert_eq!(extremes(&record(&[12_345, 54_321])), Some((12_345.0, 54_321.0)));
    assert_eq!(extremes(&record(&[])), None);
    // A generation in between: within the precision.
    record(&[12_345]);
    let (min, max) = extremes(&record(&[54_321])).unwrap();
    assert!((12_345.0 * 0.992..=12_345.0).contains(&min), "{min}");
    assert!((54_321.0..=54_321.0 * 1.008).contains(&max), "{max}");
}

#[test]
fn nothing_begins_after_it_was_read() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    registry.counter("count_total", "").unwrap().inc();
    registry.histogram("values", "").unwrap().record(1);
    registry.up_down_counter("balance", "").unwrap().inc();
    clock.advance(10 * SECOND);
    let engine = by_hand_with(&registry, &clock);
    // Around the clock's end: five seconds back.
    clock.advance(Duration::from_nanos(0u64.wrapping_sub(5_000_000_000)));
    assert_eq!(engine.refresh().unix_time(), START + 5 * SECOND);
    assert_eq!(engine.snapshot().series().next().unwrap().created, START + 10 * SECOND);
    for mut encoder in both() {
        let snapshot = engine.refresh();
        Receiver::new(Temporality::Cumulative, limits::DEFAULT_OTLP_BUCKETS, &[NAME])
            .receive(&request(&mut encoder, &snapshot), &snapshot);
    }
}

#[test]
fn a_service_without_a_name_has_that_of_its_executable() {
    let (registry, clock) = (Registry::new(), ManualClock::at(START));
    registry.counter("count_total", "").unwrap();
    let snapshot = by_hand_with(&registry, &clock).refresh();
    let exe = std::env::current_exe().unwrap();
    let name = format!("unknown_service:{}", exe.file_name().unwrap().to_str().unwrap());
    for encoder in [OtlpEncoder::protobuf(), OtlpEncoder::json()] {
        let more = encoder.resource("host.name", ODD).unwrap().scope("shard", "7").unwrap();
        let attributes = [("service.name", &*name), ("host.name", ODD)];
        let mut receiver =
            Receiver::new(Temporality::Cumulative, limits::DEFAULT_OTLP_BUCKETS, &attributes);
        receiver.scope = vec![("shard".to_owned(), "7".to_owned())];
        let mut encoder = more;
        receiver.receive(&request(&mut encoder, &snapshot), &snapshot);
        // Set again, and after a request: the last one counts.
        let mut encoder = encoder.resource("host.name", "n1").unwrap();
        receiver.resource[1].1 = "n1".to_owned();
        receiver.receive(&request(&mut encoder, &snapshot), &snapshot);
    }
}

#[test]
fn an_engine_without_series_makes_an_empty_request() {
    let registry = Registry::new();
    let snapshot = by_hand_with(&registry, &ManualClock::at(START)).refresh();
    assert_eq!(OtlpEncoder::protobuf().to_vec(&snapshot), b"");
    assert_eq!(OtlpEncoder::json().to_vec(&snapshot), b"{\"resourceMetrics\":[]}");
}

#[test]
fn what_refused_handles_recorded_is_a_sum_of_its_own() {
    // The global registry: other tests do not use it.
    static WRONG: Counter = Counter::new("wrong name", "Not a name.");
    WRONG.add(3);
    let engine = Engine::builder().own_metrics(false).start().unwrap();
    let snapshot = engine.refresh();
    assert_eq!(snapshot.rejected_records(), [("wrong name".to_owned(), 3)]);
    for mut encoder in both() {
        let request = request(&mut encoder, &snapshot);
        let scope = &request.resource_metrics.last().unwrap().scope_metrics[0];
        let metric = scope.metrics.last().unwrap();
        assert_eq!(metric.name, "tachometer_rejected_records_total");
        let Some(Data::Sum(sum)) = &metric.data else { panic!("{metric:?}") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
        assert_eq!(sum.data_points[0].value, Some(Number::AsInt(3)));
        let keys: Vec<_> = sum.data_points[0].attributes.iter().map(|a| &*a.key).collect();
        assert_eq!(keys, ["index", "metric"]);
    }
}

#[test]
fn wrong_settings_say_what_would_be_right() {
    let long = "v".repeat(limits::MAX_LABEL_VALUE_BYTES + 1);
    let error = OtlpEncoder::json().resource("", "x").unwrap_err();
    assert!(matches!(error, Error::InvalidName { .. }), "{error}");
    let error = OtlpEncoder::json().scope("key", &long).unwrap_err();
    assert!(matches!(error, Error::TooMany { limit: limits::MAX_LABEL_VALUE_BYTES, .. }));
    let error = OtlpEncoder::json().max_buckets(1).unwrap_err();
    assert!(error.to_string().contains("2 can"), "{error}");
    let mut encoder = OtlpEncoder::json();
    for at in 1..limits::MAX_OTLP_ATTRIBUTES {
        encoder = encoder.resource(&format!("key{at}"), "value").unwrap();
    }
    encoder = encoder.resource("key1", "another value").unwrap();
    let error = encoder.resource("one_more", "value").unwrap_err();
    assert!(error.to_string().contains("one_more"), "{error}");
}
