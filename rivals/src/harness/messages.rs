//! Reads a page in a format other than the Prometheus text just far enough to check that it says
//! what it should.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use prometheus::proto::{Metric, MetricFamily};
use prost::Message as _;

use super::workload::{
    COUNTER_FAMILIES, HISTOGRAM_FAMILIES, LABEL_PAIRS, VALUES_PER_HISTOGRAM, each_counter,
};
use super::{Format, page};

/// How many series there are, and the sum of their values, or of their histograms' counts.
type Found = (usize, u64);

/// Panics unless the page has all 10,000 counters with their values.
pub fn check_counters(format: Format, bytes: &[u8]) {
    let mut wanted: Found = (0, 0);
    each_counter(0..COUNTER_FAMILIES, |_, _, _, value| {
        wanted = (wanted.0 + 1, wanted.1 + value);
    });
    match format {
        Format::OpenMetrics => page::check_counters(bytes),
        Format::Protobuf => {
            let value = |metric: &Metric| metric.get_counter().value() as u64;
            assert_eq!(found(prometheus_series(bytes).iter().map(value)), wanted);
        }
        Format::Otlp => assert_eq!(found(otlp_series(bytes).into_iter()), wanted),
    }
}

/// Panics unless the page has all 1,000 histograms with all their values.
pub fn check_histograms(format: Format, bytes: &[u8]) {
    let histograms = HISTOGRAM_FAMILIES * LABEL_PAIRS;
    let wanted: Found = (histograms, (histograms * VALUES_PER_HISTOGRAM) as u64);
    match format {
        Format::OpenMetrics => page::check_histograms(bytes),
        Format::Protobuf => {
            let count = |metric: &Metric| metric.get_histogram().sample_count();
            assert_eq!(found(prometheus_series(bytes).iter().map(count)), wanted);
        }
        Format::Otlp => assert_eq!(found(otlp_series(bytes).into_iter()), wanted),
    }
}

fn found(values: impl Iterator<Item = u64>) -> Found {
    values.fold((0, 0), |(series, sum), value| (series + 1, sum + value))
}

/// The series with the two labels, which the crates' own do not have.
fn prometheus_series(bytes: &[u8]) -> Vec<Metric> {
    let mut input = protobuf::CodedInputStream::from_bytes(bytes);
    let mut series = Vec::new();
    while !input.eof().expect("bytes") {
        let family: MetricFamily = input.read_message().expect("a delimited metric family");
        let metrics = family.get_metric().iter();
        series.extend(metrics.filter(|metric| metric.get_label().len() == 2).cloned());
    }
    series
}

/// The value of each point with two attributes, or its count.
fn otlp_series(bytes: &[u8]) -> Vec<u64> {
    let request = ExportMetricsServiceRequest::decode(bytes).expect("an export request");
    let scopes = request.resource_metrics.iter().flat_map(|part| &part.scope_metrics);
    let mut values = Vec::new();
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        match metric.data.as_ref().expect("data") {
            Data::Sum(sum) => {
                let points = sum.data_points.iter().filter(|point| point.attributes.len() == 2);
                values.extend(points.map(|point| match point.value.expect("a value") {
                    Value::AsInt(value) => value as u64,
                    Value::AsDouble(value) => value as u64,
                }));
            }
            Data::Histogram(histogram) => {
                let points = histogram.data_points.iter();
                let points = points.filter(|point| point.attributes.len() == 2);
                values.extend(points.map(|point| point.count));
            }
            Data::ExponentialHistogram(histogram) => {
                let points = histogram.data_points.iter();
                let points = points.filter(|point| point.attributes.len() == 2);
                values.extend(points.map(|point| point.count));
            }
            _ => {}
        }
    }
    values
}
