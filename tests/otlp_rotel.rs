//! A real OTLP collector decodes what the encoder wrote, by HTTP and by gRPC, and prints what the snapshot says.

mod common;
#[path = "rotel/send.rs"]
mod send;
#[path = "rotel/server.rs"]
mod server;
#[path = "common/servers.rs"]
mod servers;

use server::Rotel;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tachometer::{
    Encoder, Engine, Family, Histogram, HistogramSnapshot, Kind, ManualClock, OtlpEncoder,
    Registry, SeriesView, Sink, Snapshot, Temporality, Unit, Value,
};

const ODD: &str = "a \"quoted\" back\\slash and ünïcödé";
/// In front of each point, whatever its kind.
const POINT: [&str; 2] = ["NumberDataPoints #", "ExponentialHistogramDataPoints #"];

/// What is a point's own.
const OF_A_POINT: [&str; 7] =
    ["StartTimestamp", "Timestamp", "Value", "Count", "Sum", "Min", "Max"];

/// A metric of each kind; enough of one for several parts.
struct Node {
    registry: Registry,
    clock: ManualClock,
    engine: Engine,
    latency: Option<Histogram>,
}

impl Node {
    fn new(with_histogram: bool) -> Node {
        let (registry, clock) = (Registry::new(), ManualClock::at(Duration::from_secs(1 << 30)));
        let peers = registry.metric("peers_total", "By peer.").limit(700);
        let peers: Family<tachometer::Counter, 1> = peers.family(["peer"]).unwrap();
        (0..700).for_each(|peer| peers.at([&format!("{ODD} {peer:0>50}")]).add(peer));
        let balance = registry.metric("balance_bytes", "Up and down.").unit(Unit::Bytes);
        balance.up_down_counter().unwrap().add(-17);
        let load = registry.metric("load_ratio", ODD).unit(Unit::Ratio).label("odd", ODD);
        load.gauge().unwrap().set(0.625);
        let latency = with_histogram.then(|| {
            let latency = registry.metric("latency_seconds", "From proposal to commit.");
            latency.unit(Unit::Nanoseconds).histogram().unwrap()
        });
        let busy = registry.metric("busy_seconds_total", "Busy.").unit(Unit::Nanoseconds);
        busy.counter().unwrap().add(1_234_567_890);
        let engine = Engine::builder().registry(&registry).manual(&clock).start().unwrap();
        Node { registry, clock, engine, latency }
    }

    fn after_work(&self, values: u64) -> Arc<Snapshot> {
        self.clock.advance(Duration::from_secs(10));
        self.registry.counter("work_total", "Rounds.").unwrap().inc();
        for index in 0..values {
            let spread = index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54;
            self.latency.iter().for_each(|latency| latency.record(spread * spread * spread));
        }
        self.engine.refresh()
    }
}

/// A point as the collector prints it: by key, and its buckets by their upper end.
#[derive(Clone, Debug, Default)]
struct Printed {
    fields: BTreeMap<String, String>,
    attributes: BTreeMap<String, String>,
    buckets: Vec<(f64, f64, u64)>,
}

/// The points of `service`, in order.
fn points(text: &str, service: &str) -> Vec<Printed> {
    let resource = format!("     -> service.name: Str({service})");
    let parts = text.split("ResourceMetrics #").filter(|part| part.contains(&resource));
    let mut points = Vec::new();
    for part in parts {
        assert!(part.contains("\nInstrumentationScope tachometer "), "{part}");
        for metric in part.split("\nMetric #").skip(1) {
            // Of its fields, the metric's own come first.
            let mut point = Printed::default();
            let (mut seen, mut in_exemplars) = (0, false);
            for line in metric.lines() {
                // They have fields of their own, and end a point.
                in_exemplars |= line == "Exemplars:";
                if POINT.iter().any(|begin| line.starts_with(begin)) {
                    if seen > 0 {
                        points.push(point.clone());
                    }
                    seen += 1;
                    point.attributes.clear();
                    OF_A_POINT.iter().for_each(|key| drop(point.fields.remove(*key)));
                    point.buckets.clear();
                    in_exemplars = false;
                }
                if !in_exemplars {
                    point.read(line, seen > 0);
                }
            }
            assert!(seen > 0, "a metric without points: {metric}");
            points.push(point);
        }
    }
    points
}

impl Printed {
    fn read(&mut self, line: &str, in_point: bool) {
        if let Some(bucket) = line.strip_prefix("Bucket ") {
            // `(low, high], Count: n`, or `[0, 0]` for zeros.
            let (bounds, count) = bucket.split_once(", Count: ").unwrap();
            let (low, high) = bounds[1..bounds.len() - 1].split_once(", ").unwrap();
            let number = |text: &str| text.parse::<f64>().unwrap();
            self.buckets.push((number(low), number(high), count.parse().unwrap()));
        } else if let Some((key, value)) =
            line.trim_start_matches("     -> ").split_once(": ").filter(|pair| !pair.1.is_empty())
        {
            let into = match in_point && line.starts_with("     -> ") {
                true => &mut self.attributes,
                false => &mut self.fields,
            };
            into.insert(key.to_owned(), value.to_owned());
        }
    }

    fn number(&self, key: &str) -> f64 {
        self.fields
            .get(key)
            .and_then(|v| v.parse().ok())
            .unwrap_or_else(|| panic!("{key}: {self:?}"))
    }

    fn text(&self, key: &str) -> &str {
        self.fields.get(key).map_or("", String::as_str)
    }
}

/// What a request was about.
#[derive(Clone, Copy)]
struct Told<'a> {
    temporality: Temporality,
    /// Of deltas: what was acknowledged.
    before: Option<&'a Snapshot>,
    /// Whether the collector can read integers in this encoding.
    integers: bool,
}

impl Told<'_> {
    const ALL: Self = Told { temporality: Temporality::Cumulative, before: None, integers: true };
}

/// What the collector printed of `service` is what `now` says.
fn check(text: &str, service: &str, now: &Snapshot, told: &Told<'_>) {
    let points = points(text, service);
    assert_eq!(points.len(), now.len());
    let nanoseconds = |time: Duration| time.as_nanos().to_string();
    for (series, point) in now.series().zip(&points) {
        let definition = series.definition;
        assert_eq!(point.text("Name"), definition.name);
        assert_eq!(point.text("Description"), definition.help);
        let unit = match definition.unit {
            Unit::Nanoseconds => "s",
            Unit::Bytes => "By",
            Unit::Ratio => "1",
            _ => "",
        };
        assert_eq!(point.text("Unit"), unit);
        let labels = series.labels.iter();
        let labels = labels.map(|(key, value)| (key.clone(), format!("Str({value})")));
        assert_eq!(point.attributes, labels.collect());
        assert_eq!(point.text("Timestamp"), nanoseconds(now.unix_time()));
        let delta = told.before.filter(|_| definition.kind != Kind::UpDownCounter);
        let start = match (definition.kind, delta) {
            (Kind::Gauge, _) => "0".to_owned(),
            (_, Some(before)) => nanoseconds(before.unix_time().max(series.created)),
            _ => nanoseconds(series.created),
        };
        assert_eq!(point.text("StartTimestamp"), start, "{}", definition.name);
        if definition.kind != Kind::Gauge {
            let is_delta = point.text("AggregationTemporality") == "AGGREGATION_TEMPORALITY_DELTA";
            let rises = definition.kind != Kind::UpDownCounter;
            assert_eq!(is_delta, rises && told.temporality == Temporality::Delta, "{point:?}");
        }
        check_value(&series, point, told);
    }
}

fn check_value(series: &SeriesView<'_>, point: &Printed, told: &Told<'_>) {
    let labels = series.labels.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let (name, labels) = (series.definition.name.as_str(), labels.collect::<Vec<_>>());
    let integer = |value: String| {
        assert_eq!(point.text("Value"), if told.integers { value } else { String::new() });
    };
    let before = told.before;
    let data = (point.text("DataType"), point.text("IsMonotonic"));
    match series.value {
        Value::Counter(count) => {
            assert_eq!(data, ("Sum", "true"));
            let then = before.and_then(|before| before.counter_with(name, &labels).ok());
            let count = count - then.unwrap_or(0);
            match series.definition.unit == Unit::Nanoseconds {
                true => assert_eq!(point.number("Value"), count as f64 / 1e9),
                false => integer(count.to_string()),
            }
        }
        Value::UpDownCounter(count) => {
            assert_eq!(data, ("Sum", "false"));
            integer(count.to_string());
        }
        Value::Gauge(value) => {
            assert_eq!(data.0, "Gauge");
            assert_eq!(point.number("Value"), value);
        }
        Value::Histogram(histogram) => {
            assert_eq!(data.0, "ExponentialHistogram");
            let then = before.and_then(|before| before.histogram_with(name, &labels).ok());
            match then {
                Some(then) => check_histogram(&histogram.since(&then).unwrap(), point),
                None => check_histogram(histogram, point),
            }
        }
        other => panic!("{other:?}"),
    }
}

fn check_histogram(histogram: &HistogramSnapshot, point: &Printed) {
    assert_eq!(point.text("Count"), histogram.count().to_string());
    assert_eq!(point.number("Sum"), histogram.sum_exported());
    let near = |a: f64, b: Option<u64>| (a - b.unwrap() as f64 / 1e9).abs() <= 0.008 * a;
    assert!(near(point.number("Min"), histogram.min()), "{point:?}");
    assert!(near(point.number("Max"), histogram.max()), "{point:?}");
    // Each of the histogram's buckets is in that of the collector's which has its middle.
    let mut counts = vec![0; point.buckets.len()];
    for (low, high, count) in histogram.buckets() {
        let middle = (low as f64 + (high - low) as f64 / 2.0) / 1e9;
        let holds = |bucket: &(f64, f64, u64)| match low {
            0 => bucket.1 == 0.0,
            // The collector's bounds have been multiplied up.
            _ => bucket.0 * (1.0 - 1e-9) < middle && middle <= bucket.1 * (1.0 + 1e-9),
        };
        counts[point.buckets.iter().position(holds).expect("a bucket for every value")] += count;
    }
    assert!(counts.iter().eq(point.buckets.iter().map(|bucket| &bucket.2)), "{point:?}");
}

/// Whether all points of `now` were printed for `service`, and the last of them whole.
fn all_of<'a>(service: &'a str, now: &'a Snapshot) -> impl Fn(&str) -> bool + 'a {
    move |text| {
        let resource = format!("     -> service.name: Str({service})");
        let parts = text.split("ResourceMetrics #").filter(|part| part.contains(&resource));
        let points: usize = parts
            .clone()
            .map(|part| POINT.map(|p| part.matches(p).count()).iter().sum::<usize>())
            .sum();
        // The last metric by name is the work's.
        points == now.len() && text.ends_with('\n') && parts.last().unwrap().contains("work_total")
    }
}

fn body(encoder: OtlpEncoder, service: &str, snapshot: &Snapshot) -> Vec<u8> {
    let body = encoder.resource("service.name", service).unwrap().to_vec(snapshot);
    assert!(body.len() > Sink::FULL, "several parts: {} bytes", body.len());
    body
}

#[test]
fn a_collector_decodes_protobuf() {
    let Some(program) = server::program() else { return };
    let rotel = Rotel::start(program);
    let snapshot = Node::new(true).after_work(10_000);
    let http = body(OtlpEncoder::protobuf(), "by-http", &snapshot);
    assert_eq!(send::http(rotel.http, OtlpEncoder::PROTOBUF, &http), 200);
    let grpc = body(OtlpEncoder::protobuf(), "by-grpc", &snapshot);
    assert_eq!(send::grpc(rotel.grpc, &grpc), 0);
    for service in ["by-http", "by-grpc"] {
        let text = rotel.printed(all_of(service, &snapshot));
        check(&text, service, &snapshot, &Told::ALL);
    }
    // It does tell what is wrong.
    assert_eq!(send::http(rotel.http, OtlpEncoder::PROTOBUF, b"\x0a\xff"), 400);
}

#[test]
fn a_collector_decodes_json() {
    let Some(program) = server::program() else { return };
    let rotel = Rotel::start(program);
    // Without histograms: this collector reads 64-bit integers of their points, and integer values of others, from JSON
    // numbers alone, where the mapping has strings, and drops what it cannot read. The library that it uses has learned it
    // since: `tests/otlp.rs` decodes with that.
    let snapshot = Node::new(false).after_work(0);
    let json = body(OtlpEncoder::json(), "json", &snapshot);
    assert_eq!(send::http(rotel.http, OtlpEncoder::JSON, &json), 200);
    let text = rotel.printed(all_of("json", &snapshot));
    check(&text, "json", &snapshot, &Told { integers: false, ..Told::ALL });
}

#[test]
fn a_collector_decodes_deltas() {
    let Some(program) = server::program() else { return };
    let rotel = Rotel::start(program);
    let node = Node::new(true);
    let mut encoder = OtlpEncoder::protobuf().temporality(Temporality::Delta);
    let mut committed: Option<Arc<Snapshot>> = None;
    for (round, taken) in [true, false, true].into_iter().enumerate() {
        let service = format!("round-{round}");
        encoder = encoder.resource("service.name", &service).unwrap();
        let snapshot = node.after_work(1_000 * (round as u64 + 1));
        let body = encoder.to_vec(&snapshot);
        if taken {
            assert_eq!(send::grpc(rotel.grpc, &body), 0);
            let text = rotel.printed(all_of(&service, &snapshot));
            let before = committed.as_deref();
            let told = Told { temporality: Temporality::Delta, before, ..Told::ALL };
            check(&text, &service, &snapshot, &told);
            encoder.commit();
            committed = Some(snapshot);
        }
    }
}

/// The exemplars that stand in `text`: trace, span, time and value.
fn exemplars(text: &str) -> Vec<[String; 4]> {
    let field = |lines: &str, key: &str| {
        let found = lines.lines().find_map(|line| line.trim_start().strip_prefix(key));
        found.unwrap_or_else(|| panic!("no {key}: {lines}")).to_owned()
    };
    let keys = ["-> Trace ID: ", "-> Span ID: ", "-> Timestamp: ", "-> Value: "];
    text.split("\nExemplar #").skip(1).map(|lines| keys.map(|key| field(lines, key))).collect()
}

#[test]
fn a_collector_decodes_exemplars_and_ends() {
    let Some(program) = server::program() else { return };
    let rotel = Rotel::start(program);
    let node = Node::new(true);
    let latency = node.latency.as_ref().unwrap();
    latency.record_with_exemplar(1_500_000, *b"a trace, 16 byte", *b"8 a span");
    latency.record_with_exemplar(30_000_000, [0xAB; 16], [0xCD; 8]);
    let before = node.after_work(10);
    let after = node.after_work(10).filtered(|name, _| name == "work_total");
    let mut encoder = OtlpEncoder::protobuf().resource("service.name", "before").unwrap();
    assert_eq!(send::grpc(rotel.grpc, &encoder.to_vec(&before)), 0);
    let mut encoder = encoder.resource("service.name", "after").unwrap();
    assert_eq!(send::http(rotel.http, OtlpEncoder::PROTOBUF, &encoder.to_vec(&after)), 200);

    let text = rotel.printed(all_of("before", &before));
    check(&text, "before", &before, &Told::ALL);
    let time = before.unix_time().as_nanos().to_string();
    let wanted = [
        ["612074726163652c2031362062797465", "382061207370616e", &time, "0.0015"],
        ["abababababababababababababababab", "cdcdcdcdcdcdcdcd", &time, "0.03"],
    ];
    assert_eq!(exemplars(&text), wanted);

    // One series is left; the others have a last point each, of that time and without a value.
    let is_printed = |text: &str| {
        let (_, after) = text.split_once("service.name: Str(after)").unwrap_or_default();
        POINT.map(|point| after.matches(point).count()).iter().sum::<usize>() == before.len()
            && text.ends_with('\n')
    };
    let points = points(&rotel.printed(is_printed), "after");
    let time = after.unix_time().as_nanos().to_string();
    assert!(points.iter().all(|point| point.text("Timestamp") == time), "{points:?}");
    let (live, ended): (Vec<_>, Vec<_>) =
        points.iter().partition(|point| point.text("Name") == "work_total");
    assert_eq!((live.len(), live[0].text("Value")), (1, "2"));
    for (point, series) in ended.iter().zip(before.series()) {
        assert_eq!(point.text("Name"), series.definition.name);
        let labels =
            series.labels.iter().map(|(key, value)| (key.clone(), format!("Str({value})")));
        assert_eq!(point.attributes, labels.collect::<BTreeMap<_, _>>());
        assert_eq!((point.text("Value"), point.text("Sum")), ("", ""), "{point:?}");
        assert!(matches!(point.text("Count"), "" | "0"), "{point:?}");
    }
    assert_eq!(ended.len() + 1, before.len());
}
