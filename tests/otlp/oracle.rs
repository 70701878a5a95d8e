//! A receiver of OTLP metrics, by other means than the encoder's: what it has after a request must be what the snapshot says.
//!
//! It decodes with `opentelemetry-proto`, replaces what is cumulative and adds what is delta, forgets what ended, and works
//! every bucket out anew from the snapshot's own buckets.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, Metric, NumberDataPoint, metric::Data,
};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tachometer::{Kind, OtlpEncoder, SeriesView, Snapshot, Temporality, Unit, Value};

#[path = "histogram.rs"]
mod histogram;

use histogram::{Histogram, check_exemplars, expected};

const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK`
const NO_RECORDED_VALUE: u32 = 1;

type Attributes = Vec<(String, String)>;

/// What a receiver was told, and what it has.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub temporality: Temporality,
    pub max_buckets: usize,
    pub resource: Attributes,
    pub scope: Attributes,
    /// The time of the last request.
    last: Option<u64>,
    series: BTreeMap<(String, Attributes), Known>,
    /// How many series the last request ended.
    pub ended: usize,
}

/// A series.
#[derive(Clone, Debug)]
struct Known {
    value: Series,
    is_delta: bool,
    created: Duration,
}

#[derive(Clone, Debug)]
enum Series {
    Int(i128),
    Double(f64),
    Histogram(Histogram),
}

/// One point of a request, with what stands around it.
enum Point<'a> {
    Number(&'a NumberDataPoint, Option<(i32, bool)>),
    Histogram(&'a ExponentialHistogramDataPoint, i32),
}

impl Point<'_> {
    fn attributes(&self) -> Attributes {
        match self {
            Point::Number(point, _) => pairs(&point.attributes),
            Point::Histogram(point, _) => pairs(&point.attributes),
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Point::Number(point, _) => point.flags == NO_RECORDED_VALUE,
            Point::Histogram(point, _) => point.flags == NO_RECORDED_VALUE,
        }
    }
}

/// A request from a body of either content type.
pub fn decode(content_type: &str, body: &[u8]) -> ExportMetricsServiceRequest {
    match content_type {
        OtlpEncoder::PROTOBUF => ExportMetricsServiceRequest::decode(body).expect("protobuf"),
        OtlpEncoder::JSON => from_json(body),
        other => panic!("no OTLP body is {other}"),
    }
}

/// The crate reads no `"NaN"` and the like as the value of a point: they are put in after it has read the rest.
fn from_json(body: &[u8]) -> ExportMetricsServiceRequest {
    let mut json: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let mut special = Vec::new();
    take_special(&mut json, &mut special);
    let mut request: ExportMetricsServiceRequest = serde_json::from_value(json).expect("OTLP");
    let mut special = special.into_iter();
    for part in &mut request.resource_metrics {
        for metric in part.scope_metrics.iter_mut().flat_map(|scope| &mut scope.metrics) {
            let points = match &mut metric.data {
                Some(Data::Sum(sum)) => &mut sum.data_points,
                Some(Data::Gauge(gauge)) => &mut gauge.data_points,
                _ => continue,
            };
            for point in points {
                if let Some(Number::AsDouble(value)) = &mut point.value {
                    *value = special.next().expect("as many as were read").unwrap_or(*value);
                }
            }
        }
    }
    request
}

/// In the order of the text, for each value of a point that is a float, what stands there if it is no number.
fn take_special(json: &mut serde_json::Value, special: &mut Vec<Option<f64>>) {
    match json {
        serde_json::Value::Array(items) => items.iter_mut().for_each(|i| take_special(i, special)),
        serde_json::Value::Object(fields) => {
            if let Some(value) = fields.get_mut("asDouble") {
                let named = value.as_str().map(|text| match text {
                    "NaN" => f64::NAN,
                    "Infinity" => f64::INFINITY,
                    "-Infinity" => f64::NEG_INFINITY,
                    other => panic!("{other} is no float"),
                });
                if named.is_some() {
                    *value = 0.into();
                }
                special.push(named);
            }
            // Sums and gauges alone have such points, and each metric has one of them.
            fields.values_mut().for_each(|field| take_special(field, special));
        }
        _ => {}
    }
}

impl Receiver {
    pub fn new(temporality: Temporality, max_buckets: usize, resource: &[(&str, &str)]) -> Self {
        let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        Receiver {
            temporality,
            max_buckets,
            resource: resource.iter().map(owned).collect(),
            scope: Vec::new(),
            last: None,
            series: BTreeMap::new(),
            ended: 0,
        }
    }

    /// Takes a request that is of `snapshot`.
    ///
    /// # Panics
    /// Anything in it is not as it must be.
    pub fn receive(&mut self, request: &ExportMetricsServiceRequest, snapshot: &Snapshot) {
        let time = nanoseconds(snapshot.unix_time());
        let (ends, points): (Vec<_>, Vec<_>) =
            self.points(request).into_iter().partition(|(_, point)| point.is_end());
        assert_eq!(points.len(), snapshot.len(), "points");
        for (series, (metric, point)) in snapshot.series().zip(points) {
            self.take(&series, metric, &point, time);
        }
        ends.iter().for_each(|(metric, point)| self.end(metric, point, time));
        self.check_ends(snapshot);
        self.ended = ends.len();
        self.last = Some(time);
    }

    /// Takes the end of a series, which has no value.
    fn end(&mut self, metric: &Metric, point: &Point<'_>, time: u64) {
        let key = (metric.name.clone(), point.attributes());
        let was = self.series.remove(&key).unwrap_or_else(|| panic!("{key:?} was never there"));
        let was = was.value;
        match point {
            Point::Number(point, sum) => {
                assert_eq!((point.time_unix_nano, point.value), (time, None), "{key:?}");
                let is_delta = sum.is_some_and(|(temporality, _)| temporality == DELTA);
                assert!(!is_delta && !matches!(was, Series::Histogram(_)), "{key:?} ended");
                let starts = point.start_time_unix_nano > 0;
                assert_eq!(starts, sum.is_some(), "{key:?} began");
                assert!(point.start_time_unix_nano <= time && point.exemplars.is_empty());
            }
            Point::Histogram(point, temporality) => {
                assert_eq!((point.time_unix_nano, *temporality), (time, CUMULATIVE), "{key:?}");
                assert!(matches!(was, Series::Histogram(_)), "{key:?} was {was:?}");
                assert_eq!((point.count, point.sum, point.zero_count), (0, None, 0));
                assert!((1..=time).contains(&point.start_time_unix_nano));
            }
        }
    }

    /// Everything that the receiver has, the snapshot has. Streams of deltas stop, and that is all.
    fn check_ends(&mut self, snapshot: &Snapshot) {
        let live: BTreeSet<(&str, &[(String, String)])> =
            snapshot.series().map(|one| (one.definition.name.as_str(), one.labels)).collect();
        let is_delta = self.temporality == Temporality::Delta;
        self.series.retain(|(name, labels), series| {
            let stays = live.contains(&(name.as_str(), &labels[..]));
            assert!(stays || is_delta && series.is_delta, "{name} {labels:?} has no end");
            stays
        });
    }

    /// All points, with their metrics.
    fn points<'a>(&self, request: &'a ExportMetricsServiceRequest) -> Vec<(&'a Metric, Point<'a>)> {
        let mut points = Vec::new();
        for part in &request.resource_metrics {
            let resource = part.resource.as_ref().expect("a resource");
            assert_eq!(pairs(&resource.attributes), self.resource);
            let [scope_metrics] = &part.scope_metrics[..] else { panic!("one scope") };
            let scope = scope_metrics.scope.as_ref().expect("a scope");
            assert_eq!(scope.name, "tachometer");
            assert!(scope.version.starts_with(|c: char| c.is_ascii_digit()), "{}", scope.version);
            assert_eq!(pairs(&scope.attributes), self.scope);
            assert!(!scope_metrics.metrics.is_empty(), "a part without metrics");
            for metric in &scope_metrics.metrics {
                let before = points.len();
                match metric.data.as_ref().expect("data") {
                    Data::Gauge(gauge) => {
                        let all = gauge.data_points.iter();
                        points.extend(all.map(|point| (metric, Point::Number(point, None))));
                    }
                    Data::Sum(sum) => {
                        let of = Some((sum.aggregation_temporality, sum.is_monotonic));
                        let all = sum.data_points.iter();
                        points.extend(all.map(|point| (metric, Point::Number(point, of))));
                    }
                    Data::ExponentialHistogram(histogram) => {
                        let of = histogram.aggregation_temporality;
                        let all = histogram.data_points.iter();
                        points.extend(all.map(|point| (metric, Point::Histogram(point, of))));
                    }
                    other => panic!("{other:?}"),
                }
                assert!(points.len() > before, "{} has no points", metric.name);
            }
        }
        points
    }

    fn take(&mut self, series: &SeriesView<'_>, metric: &Metric, point: &Point<'_>, time: u64) {
        let definition = series.definition;
        assert_eq!(metric.name, definition.name);
        assert_eq!(metric.description, definition.help);
        let unit = match definition.unit {
            Unit::None => "",
            Unit::Nanoseconds | Unit::Seconds => "s",
            Unit::Bytes => "By",
            _ => "1",
        };
        assert_eq!(metric.unit, unit, "{}", metric.name);
        let attributes = point.attributes();
        assert_eq!(attributes, series.labels, "{}", metric.name);

        let key = (metric.name.clone(), attributes);
        let wanted = match self.temporality {
            Temporality::Delta if matches!(definition.kind, Kind::Counter | Kind::Histogram) => {
                DELTA
            }
            _ => CUMULATIVE,
        };
        // One that went and came back has the same key, and counts from zero.
        let known = self.series.get(&key).filter(|known| known.created == series.created);
        let before = known.filter(|_| wanted == DELTA).map(|known| known.value.clone());
        let created = nanoseconds(series.created).min(time);
        let start = match (&before, self.last) {
            (Some(_), Some(last)) => last.min(time),
            _ => created,
        };
        let now = match point {
            Point::Number(point, sum) => {
                assert_eq!((point.time_unix_nano, point.flags), (time, 0));
                let wanted = match definition.kind {
                    Kind::Counter => Some((wanted, true)),
                    Kind::UpDownCounter => Some((wanted, false)),
                    _ => None,
                };
                assert_eq!(*sum, wanted, "{}", metric.name);
                let start = if wanted.is_some() { start } else { 0 };
                assert_eq!(point.start_time_unix_nano, start, "{}", metric.name);
                Series::of_number(point).after(before)
            }
            Point::Histogram(point, temporality) => {
                assert_eq!(*temporality, wanted, "{}", metric.name);
                assert_eq!((point.time_unix_nano, point.start_time_unix_nano), (time, start));
                let figures = definition.precision;
                let one = Histogram::of_point(point, figures, self.max_buckets);
                let after = before.is_some().then_some(start);
                check_exemplars(&point.exemplars, series, after);
                Series::Histogram(one).after(before)
            }
        };
        now.check(series);
        let (is_delta, created) = (wanted == DELTA, series.created);
        self.series.insert(key, Known { value: now, is_delta, created });
    }
}

impl Series {
    fn of_number(point: &NumberDataPoint) -> Series {
        match point.value.expect("a value") {
            Number::AsInt(value) => Series::Int(value.into()),
            Number::AsDouble(value) => Series::Double(value),
        }
    }

    /// This on top of what was there.
    fn after(self, before: Option<Series>) -> Series {
        match (before, self) {
            (None, now) => now,
            (Some(Series::Int(a)), Series::Int(b)) => Series::Int(a + b),
            (Some(Series::Double(a)), Series::Double(b)) => Series::Double(a + b),
            // Counts that 64 signed bits do not hold.
            (Some(Series::Int(a)), Series::Double(b)) => Series::Double(a as f64 + b),
            (Some(Series::Double(a)), Series::Int(b)) => Series::Double(a + b as f64),
            (Some(Series::Histogram(a)), Series::Histogram(b)) => Series::Histogram(a.plus(b)),
            (before, now) => panic!("{now:?} after {before:?}"),
        }
    }

    fn check(&self, series: &SeriesView<'_>) {
        let (name, unit) = (&series.definition.name, series.definition.unit);
        let divisor = unit.divisor() as f64;
        let near = |a: f64, b: f64| {
            let same = a == b || a.is_nan() && b.is_nan();
            assert!(same || (a - b).abs() <= 1e-9 * b.abs(), "{name} is {a}, not {b}");
        };
        match (self, series.value) {
            (Series::Int(now), Value::Counter(wanted)) => assert_eq!(*now, i128::from(wanted)),
            (Series::Int(now), Value::UpDownCounter(wanted)) => {
                assert_eq!(*now, i128::from(wanted));
            }
            (Series::Double(now), Value::Counter(wanted)) => {
                assert!(unit == Unit::Nanoseconds || wanted > i64::MAX as u64, "{name}");
                near(*now, wanted as f64 / divisor);
            }
            (Series::Double(now), Value::UpDownCounter(wanted)) => {
                assert_eq!(unit, Unit::Nanoseconds, "{name}");
                near(*now, wanted as f64 / divisor);
            }
            (Series::Double(now), Value::Gauge(wanted)) => near(*now, wanted / divisor),
            (Series::Histogram(now), Value::Histogram(wanted)) => {
                assert_eq!(now.count, wanted.count(), "{name}");
                near(now.sum, wanted.sum() as f64 / divisor);
                let ends = wanted.min().zip(wanted.max());
                let ends = ends.map(|(min, max)| (min as f64 / divisor, max as f64 / divisor));
                assert_eq!(now.extremes, ends, "{name}");
                let zeros = wanted.buckets().find(|bucket| bucket.0 == 0).map_or(0, |b| b.2);
                assert_eq!(now.zeros, zeros, "{name}");
                assert_eq!(now.buckets, expected(wanted, now.scale), "{name}");
            }
            (now, wanted) => panic!("{name} is {now:?}, not {wanted:?}"),
        }
    }
}

fn pairs(attributes: &[KeyValue]) -> Attributes {
    let pair = |attribute: &KeyValue| {
        let value = attribute.value.as_ref().and_then(|value| value.value.as_ref());
        let Some(any_value::Value::StringValue(text)) = value else { panic!("{attribute:?}") };
        (attribute.key.clone(), text.clone())
    };
    attributes.iter().map(pair).collect()
}

fn nanoseconds(time: Duration) -> u64 {
    time.as_nanos().try_into().expect("a time of our age")
}
