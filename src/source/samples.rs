//! What was read from outside, whatever it was read from: one type for pages of every format, for JSON, for `/proc`, for what a
//! host's own [`Source`](super::Source) makes.

use crate::HistogramSnapshot;
use crate::limits::{MAX_LABEL_VALUE_BYTES, MAX_LABELS, MAX_NAME_BYTES};
use std::sync::Arc;

/// What one poll of a source read: families, each with its series.
///
/// ```
/// use tachometer::source::{Sample, SampleKind, Samples};
/// let mut samples = Samples::new();
/// samples.family("betanet_connections", SampleKind::Gauge, "Open connections.").series.push(Sample::number([], 12.0));
/// samples.family("betanet_packets_total", SampleKind::Counter, "Packets.").series.extend([
///     Sample::number([("direction", "in")], 90.0),
///     Sample::number([("direction", "out")], 70.0),
/// ]);
/// assert_eq!(samples.len(), 3);
/// assert_eq!(samples.get("betanet_packets_total", &[("direction", "out")]).and_then(Sample::as_number), Some(70.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Families, in the order of the page. A name may stand twice; its series are then those of both.
    pub families: Vec<SampleFamily>,
}

/// A metric with its series.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleFamily {
    /// The name under which Prometheus keeps the series: a counter's with `_total` and an info metric's with `_info`, where they
    /// have it; a histogram's or summary's without `_bucket`, `_count` and `_sum`.
    pub name: String,
    /// The type; [`SampleKind::Unknown`] where the page gave none.
    pub kind: SampleKind,
    /// The unit of the values, as OpenMetrics says it (`seconds`, `bytes`); empty where the page gave none.
    pub unit: String,
    /// The help; empty where the page gave none.
    pub help: String,
    /// The series, in the order of the page.
    pub series: Vec<Sample>,
}

/// The type of a metric that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SampleKind {
    /// The page gave none.
    #[default]
    Unknown,
    /// A count that only rises, but for resets.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// A distribution, cumulative since it began.
    Histogram,
    /// A distribution of what is there now; OpenMetrics and protobuf alone have it.
    GaugeHistogram,
    /// Quantiles that the program itself computed.
    Summary,
    /// Labels with the value 1.
    Info,
    /// Which one of some states holds.
    StateSet,
}

impl SampleKind {
    /// The type in OpenMetrics' words, which Prometheus's metadata have, too.
    pub fn name(self) -> &'static str {
        match self {
            SampleKind::Unknown => "unknown",
            SampleKind::Counter => "counter",
            SampleKind::Gauge => "gauge",
            SampleKind::Histogram => "histogram",
            SampleKind::GaugeHistogram => "gaugehistogram",
            SampleKind::Summary => "summary",
            SampleKind::Info => "info",
            SampleKind::StateSet => "stateset",
        }
    }
}

/// One series, with its value now.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Names and values, by name; no name twice, none empty. Neither `le` nor `quantile` of what is a bucket or quantile.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: SampleValue,
    /// The time that the page gave the value, in milliseconds since 1970-01-01 UTC. Few pages give one: the time of the poll
    /// holds.
    pub time_ms: Option<i64>,
    /// When the series began, in seconds since 1970-01-01 UTC, where the page says it.
    pub created: Option<f64>,
}

/// The value of a series that was read, in the exported unit: seconds, bytes.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SampleValue {
    /// A number: of a counter, a gauge, an info metric, a state, or of no known type.
    Number(f64),
    /// A distribution of another engine, as it was recorded there: see [`JsonEncoder`](crate::JsonEncoder). In its own unit
    /// ([`HistogramSnapshot::unit`]); [`HistogramSnapshot::merge`] adds several without loss.
    Hdr(Arc<HistogramSnapshot>),
    /// A distribution in the buckets that its program chose.
    Classic(ClassicHistogram),
    /// A distribution in Prometheus's exponential buckets.
    Native(NativeHistogram),
    /// Quantiles.
    Summary(SummaryValue),
}

/// A histogram with `le` buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassicHistogram {
    /// How many values there are.
    pub count: f64,
    /// The sum of all values; some programs do not give it.
    pub sum: Option<f64>,
    /// Upper bounds, ascending, and how many values are at or below each. The last bound is infinite.
    pub buckets: Vec<(f64, f64)>,
}

/// A histogram with exponential buckets: bucket `i` has the values above `base^(i-1)` and up to `base^i`, where `base` is
/// 2^(2^-schema).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NativeHistogram {
    /// From -4 (coarse) to 8.
    pub schema: i32,
    /// How many values there are.
    pub count: f64,
    /// The sum of all values.
    pub sum: f64,
    /// Values from minus this to this are in the zero bucket.
    pub zero_threshold: f64,
    /// How many those are.
    pub zero_count: f64,
    /// Index and count of each bucket with positive values, ascending; not cumulative.
    pub positive: Vec<(i32, f64)>,
    /// The same of negative values, by their magnitude.
    pub negative: Vec<(i32, f64)>,
    /// The `le` buckets that the page has beside them, as [`ClassicHistogram::buckets`]; empty where it has none.
    pub classic: Vec<(f64, f64)>,
}

/// What a summary says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryValue {
    /// How many values there were; some programs do not give it.
    pub count: Option<f64>,
    /// The sum of all values; some programs do not give it.
    pub sum: Option<f64>,
    /// Fractions from 0 to 1, ascending, and the values there; NaN where nothing is known.
    pub quantiles: Vec<(f64, f64)>,
}

impl NativeHistogram {
    /// The largest magnitude in the bucket of this index; the bucket begins above that of the index before.
    ///
    /// ```
    /// use tachometer::source::NativeHistogram;
    /// let histogram = NativeHistogram { schema: 1, ..NativeHistogram::default() };
    /// assert_eq!((histogram.bound(0), histogram.bound(4)), (1.0, 4.0));
    /// ```
    pub fn bound(&self, index: i32) -> f64 {
        (f64::from(index) * (-f64::from(self.schema)).exp2()).exp2()
    }
}

impl Samples {
    /// Nothing yet.
    pub fn new() -> Samples {
        Samples::default()
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.families.iter().map(|family| family.series.len()).sum()
    }

    /// Whether there is no series.
    pub fn is_empty(&self) -> bool {
        self.families.iter().all(|family| family.series.is_empty())
    }

    /// How many series Prometheus would make of it: each bucket and quantile is one, too. It is what
    /// [`PollSettings::max_series`](super::PollSettings::max_series) bounds.
    pub fn weight(&self) -> usize {
        let series = self.families.iter().flat_map(|family| &family.series);
        series.map(|series| series.value.weight()).sum()
    }

    /// Adds a family, to be given its series.
    pub fn family(
        &mut self,
        name: impl Into<String>,
        kind: SampleKind,
        help: impl Into<String>,
    ) -> &mut SampleFamily {
        let (name, help) = (name.into(), help.into());
        self.families.push(SampleFamily {
            name,
            kind,
            unit: String::new(),
            help,
            series: Vec::new(),
        });
        self.families.last_mut().expect("pushed above")
    }

    /// Drops series with names or labels beyond the limits, so that nobody has to keep them; returns how many.
    pub(super) fn drop_oversized(&mut self) -> u64 {
        let before = self.len();
        self.families.retain(|family| family.name.len() <= MAX_NAME_BYTES);
        for family in &mut self.families {
            family.series.retain(|series| {
                series.labels.len() <= MAX_LABELS
                    && series.labels.iter().all(|(name, value)| {
                        name.len() <= MAX_NAME_BYTES && value.len() <= MAX_LABEL_VALUE_BYTES
                    })
            });
        }
        (before - self.len()) as u64
    }

    /// The first series of `name` that carries all of `labels`.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<&Sample> {
        let families = self.families.iter().filter(|family| family.name == name);
        families
            .flat_map(|family| &family.series)
            .find(|series| labels.iter().all(|(name, value)| series.label(name) == Some(value)))
    }
}

impl Sample {
    /// A series with this value now, and no time of its own. Labels may come in any order.
    pub fn new<N: Into<String>, V: Into<String>>(
        labels: impl IntoIterator<Item = (N, V)>,
        value: SampleValue,
    ) -> Sample {
        let labels = labels.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut labels: Vec<(String, String)> = labels.collect();
        labels.sort();
        Sample { labels, value, time_ms: None, created: None }
    }

    /// A series that is a number.
    pub fn number<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>, value: f64) -> Sample {
        Sample::new(labels, SampleValue::Number(value))
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|label| label.0 == name).map(|label| label.1.as_str())
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<f64> {
        match self.value {
            SampleValue::Number(value) => Some(value),
            _ => None,
        }
    }
}

impl SampleValue {
    fn weight(&self) -> usize {
        match self {
            SampleValue::Number(_) | SampleValue::Hdr(_) => 1,
            SampleValue::Classic(histogram) => histogram.buckets.len() + 2,
            SampleValue::Native(native) => {
                native.positive.len() + native.negative.len() + native.classic.len() + 2
            }
            SampleValue::Summary(summary) => summary.quantiles.len() + 2,
        }
    }

    /// How many values a distribution has.
    pub fn count(&self) -> Option<f64> {
        match self {
            SampleValue::Number(_) => None,
            SampleValue::Hdr(histogram) => Some(histogram.count() as f64),
            SampleValue::Classic(histogram) => Some(histogram.count),
            SampleValue::Native(histogram) => Some(histogram.count),
            SampleValue::Summary(summary) => summary.count,
        }
    }
}

/// What pages of tachometer's own JSON say, kept whole.
#[cfg(feature = "json")]
impl From<crate::JsonSnapshot> for Samples {
    fn from(page: crate::JsonSnapshot) -> Samples {
        use crate::{JsonValue, Kind, Unit};
        let family = |family: crate::JsonFamily| {
            let divisor = family.unit.divisor() as f64;
            let series = family.series.into_iter().map(|series| {
                let value = match series.value {
                    JsonValue::Counter(count) => SampleValue::Number(count as f64 / divisor),
                    JsonValue::UpDownCounter(count) => SampleValue::Number(count as f64 / divisor),
                    JsonValue::Gauge(value) => SampleValue::Number(value / divisor),
                    JsonValue::Histogram(histogram) => SampleValue::Hdr(Arc::new(histogram)),
                };
                let created = Some(series.created.as_secs_f64());
                Sample { created, ..Sample::new(series.labels, value) }
            });
            let kind = match family.kind {
                Kind::Counter => SampleKind::Counter,
                Kind::UpDownCounter | Kind::Gauge => SampleKind::Gauge,
                Kind::Histogram => SampleKind::Histogram,
                Kind::Info => SampleKind::Info,
                Kind::StateSet => SampleKind::StateSet,
            };
            let unit = match family.unit {
                Unit::None => "",
                unit => unit.suffix().unwrap_or_default(),
            };
            let (name, help) = (family.name, family.help);
            SampleFamily { name, kind, unit: unit.to_owned(), help, series: series.collect() }
        };
        Samples { families: page.families.into_iter().map(family).collect() }
    }
}
