//! OpenTelemetry's metrics, as protobuf and as JSON
//! (`opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest`,
//! <https://opentelemetry.io/docs/specs/otlp/>, <https://opentelemetry.io/docs/specs/otel/metrics/data-model/>).
//!
//! One [`walk`] over a snapshot works out every point; [`protobuf`] and [`json`] write it. What does not change from one
//! snapshot to the next ([`plan`]) is rendered once for each layout. With delta temporality [`history`] keeps what the
//! receiver has acknowledged, and [`buckets`] makes exponential buckets of what was recorded since.
//!
//! A request is a sequence of `ResourceMetrics`, each of at most about [`Sink::FULL`] bytes and one series: a protobuf message
//! carries its length in front, so what is handed on must be whole. A repeated field may come in any number of parts; all
//! parts here carry the same resource and scope, and a family with many series is in several of them. Receivers tell
//! series by resource, scope, name and attributes, not by where in the request they stand.

mod buckets;
mod ended;
mod history;
mod json;
mod kept;
mod messages;
mod packed;
mod plan;
mod protobuf;
mod walk;

use super::cells::Difference;
use super::{Encoder, Sink};
use crate::Error;
use crate::limits::{
    DEFAULT_OTLP_BUCKETS, MAX_LABEL_VALUE_BYTES, MAX_NAME_BYTES, MAX_OTLP_ATTRIBUTES,
    MIN_OTLP_BUCKETS,
};
use crate::registry::Kind;
use crate::snapshot::Snapshot;
use buckets::Buckets;
use ended::Ended;
use history::History;
use json::Json;
use plan::Plan;
use protobuf::Protobuf;
use std::io;
use walk::Walk;

/// From when on OTLP's counters and histograms count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Temporality {
    /// From when the series began: what a lost request had is in the next one. The default.
    #[default]
    Cumulative,
    /// From the last snapshot that was [acknowledged](OtlpEncoder::commit). Up-down counters are cumulative all the same.
    Delta,
}

/// Writes snapshots as OTLP metrics export requests. Keep one for each receiver: it remembers what it rendered and, with
/// [`Temporality::Delta`], what the receiver has.
///
/// Counters are monotonic sums, up-down counters sums that are not monotonic, gauges gauges, and histograms exponential
/// histograms with exact count, sum, minimum and maximum. Names are those of every other format, suffixes included;
/// values are in the exported unit, which the metric names in UCUM (`s`, `By`, `1`). Integers are integers where OTLP's
/// 64 signed bits hold them and the exported unit is the recorded one, else doubles. A histogram's point has the
/// [exemplars](crate::Exemplar) that are known of it; with deltas, those of its time.
///
/// A series that went (it expired, say) gets one last point, without a value and with the flag
/// `DATA_POINT_FLAGS_NO_RECORDED_VALUE`, in the next snapshot's request, so that a receiver does not go on showing its last
/// value. A request that is lost is taken for delivered, unless [`OtlpEncoder::rollback`] says otherwise; with
/// [`Temporality::Delta`], nothing is delivered before [`OtlpEncoder::commit`] says so. Streams of deltas need no such end
/// and have none.
///
/// Cost, with protobuf: about 11 ns a counter and 1 µs a histogram of 13 octaves, 3 µs if what was recorded since the last
/// request has to be worked out; one that did not change since then is copied. No allocation once warm
/// (`tests/otlp_allocations.rs`). With JSON: about 50 ns and 3 µs. A body for gRPC is what is written here with gRPC's own five
/// bytes in front.
///
/// ```
/// use tachometer::{Encoder, Engine, OtlpEncoder, Registry};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = Engine::builder().registry(&registry).own_metrics(false).start()?;
///
/// let mut encoder = OtlpEncoder::json().resource("service.name", "orders")?;
/// assert_eq!(encoder.content_type(), "application/json");
/// let body = String::from_utf8(encoder.to_vec(&engine.refresh()))?;
/// assert!(body.contains(r#""name":"requests_total","description":"Requests.""#));
/// assert!(body.contains(r#""asInt":"3""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OtlpEncoder {
    settings: Settings,
    encoding: Encoding,
    /// The layout that `plan` is for; zero for none.
    layout: u64,
    plan: Plan,
    history: History,
    ended: Ended,
    buckets: Buckets,
    difference: Difference,
}

/// What does not come from the snapshot.
#[derive(Debug)]
struct Settings {
    temporality: Temporality,
    resource: Vec<(String, String)>,
    scope: Vec<(String, String)>,
    max_buckets: usize,
}

impl Settings {
    /// From when on metrics of a kind count.
    fn temporality_of(&self, kind: Kind) -> Temporality {
        match kind {
            Kind::UpDownCounter => Temporality::Cumulative,
            _ => self.temporality,
        }
    }
}

#[derive(Debug)]
enum Encoding {
    Protobuf(Protobuf),
    Json(Json),
}

const SERVICE_NAME: &str = "service.name";

impl OtlpEncoder {
    /// The `Content-Type` of protobuf over HTTP.
    pub const PROTOBUF: &'static str = "application/x-protobuf";
    /// The `Content-Type` of JSON over HTTP.
    pub const JSON: &'static str = "application/json";

    /// An encoder of protobuf bodies, for OTLP over HTTP and over gRPC: cumulative, for the service `unknown_service:` with
    /// the executable's name.
    pub fn protobuf() -> Self {
        OtlpEncoder::new(Encoding::Protobuf(Protobuf::default()))
    }

    /// An encoder of JSON bodies, for OTLP over HTTP; as [`OtlpEncoder::protobuf`] else.
    pub fn json() -> Self {
        OtlpEncoder::new(Encoding::Json(Json::default()))
    }

    fn new(encoding: Encoding) -> Self {
        let settings = Settings {
            temporality: Temporality::Cumulative,
            resource: vec![(SERVICE_NAME.to_owned(), unknown_service())],
            scope: Vec::new(),
            max_buckets: DEFAULT_OTLP_BUCKETS,
        };
        OtlpEncoder {
            settings,
            encoding,
            layout: 0,
            plan: Plan::default(),
            history: History::default(),
            ended: Ended::default(),
            buckets: Buckets::default(),
            difference: Difference::default(),
        }
    }

    /// From when on counters and histograms count.
    #[must_use]
    pub fn temporality(mut self, temporality: Temporality) -> Self {
        self.settings.temporality = temporality;
        // Other streams, of which the receiver has nothing.
        self.history = History::default();
        self.forget();
        self
    }

    /// Sets an attribute of the resource, the process that is measured: `service.name`, `service.instance.id`, `host.name`.
    /// One that is set already is replaced.
    ///
    /// # Errors
    /// The key is empty or too long, the value is too long, or there are too many ([`MAX_OTLP_ATTRIBUTES`]).
    pub fn resource(mut self, key: &str, value: &str) -> Result<Self, Error> {
        set(&mut self.settings.resource, "resource", key, value)?;
        self.forget();
        Ok(self)
    }

    /// Sets an attribute of the instrumentation scope, which is `tachometer` with its version.
    ///
    /// # Errors
    /// As [`OtlpEncoder::resource`].
    pub fn scope(mut self, key: &str, value: &str) -> Result<Self, Error> {
        set(&mut self.settings.scope, "scope", key, value)?;
        self.forget();
        Ok(self)
    }

    /// The largest number of buckets of one point of a histogram, zeros in between included; 160 unless set.
    ///
    /// A histogram whose values span more gets buckets twice as wide, and so on, until they are few enough: 160 of them
    /// are 4.4 % wide over a range of 1 to 900, and 41 % over the whole range of 64 bits. More keep more of the
    /// histogram's precision and make larger requests.
    ///
    /// # Errors
    /// Fewer than [two](MIN_OTLP_BUCKETS).
    pub fn max_buckets(mut self, buckets: usize) -> Result<Self, Error> {
        if buckets < MIN_OTLP_BUCKETS {
            let reason = format!(
                "{buckets} buckets cannot hold every value; {MIN_OTLP_BUCKETS} can, {DEFAULT_OTLP_BUCKETS} is usual"
            );
            return Err(Error::InvalidSetting { setting: "max_buckets", reason });
        }
        self.settings.max_buckets = buckets;
        self.forget();
        Ok(self)
    }

    /// Whether each request covers the time since the last one alone.
    #[cfg(feature = "push")]
    pub(crate) fn is_delta(&self) -> bool {
        self.settings.temporality == Temporality::Delta
    }

    /// Forgets what was rendered.
    fn forget(&mut self) {
        self.layout = 0;
        self.plan = Plan::default();
    }

    /// Says that what was encoded last is the receiver's, or kept where it will not be lost. With [`Temporality::Delta`], the
    /// next request begins where that one ended; without this call it covers the same time again, so that a request that
    /// failed loses nothing. With [`Temporality::Cumulative`] it need not be called.
    ///
    /// A sender that tries again with the same bytes (and it should, where it does not know whether the receiver took
    /// them) commits as soon as it has stored them; one that throws a failed request away and encodes anew later commits
    /// when the receiver has answered. What a series recorded since the last commit is lost if it expires before the next
    /// request is encoded.
    ///
    /// ```
    /// use tachometer::{Encoder, Engine, OtlpEncoder, Registry, Temporality};
    /// let registry = Registry::new();
    /// let requests = registry.counter("requests_total", "Requests.")?;
    /// let engine = Engine::builder().registry(&registry).own_metrics(false).start()?;
    /// let mut encoder = OtlpEncoder::json().temporality(Temporality::Delta);
    /// let mut send = |taken: bool| {
    ///     let body = String::from_utf8(encoder.to_vec(&engine.refresh())).expect("JSON is text");
    ///     if taken {
    ///         encoder.commit();
    ///     }
    ///     body
    /// };
    ///
    /// requests.add(3);
    /// assert!(send(true).contains(r#""asInt":"3""#));
    /// requests.add(4);
    /// assert!(send(false).contains(r#""asInt":"4""#)); // lost on the way
    /// requests.add(5);
    /// assert!(send(true).contains(r#""asInt":"9""#)); // has both
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn commit(&mut self) {
        self.history.commit();
    }

    /// Says that what was encoded last will never be delivered: a later [`OtlpEncoder::commit`] does not count it. The next
    /// request covers its time again, as it does with deltas where neither is called, and says again which series ended.
    pub fn rollback(&mut self) {
        self.history.rollback();
    }
}

impl Encoder for OtlpEncoder {
    fn content_type(&self) -> &str {
        match self.encoding {
            Encoding::Protobuf(_) => Self::PROTOBUF,
            Encoding::Json(_) => Self::JSON,
        }
    }

    fn encode_into(&mut self, snapshot: &Snapshot, sink: &mut Sink<'_>) -> io::Result<()> {
        let is_delta = self.settings.temporality == Temporality::Delta;
        match is_delta {
            true => self.history.rollback(),
            false => self.history.settle(snapshot),
        }
        if self.layout != snapshot.layout.id {
            self.plan = match &mut self.encoding {
                Encoding::Protobuf(format) => Plan::of(&snapshot.layout, &self.settings, format),
                Encoding::Json(format) => Plan::of(&snapshot.layout, &self.settings, format),
            };
            self.layout = snapshot.layout.id;
        }
        if is_delta {
            self.history.compare(snapshot);
        }
        self.ended.fit(self.history.told(), &snapshot.layout, &self.settings);
        let OtlpEncoder { settings, plan, history, ended, buckets, difference, .. } = self;
        match &mut self.encoding {
            Encoding::Protobuf(format) => {
                Walk { format, snapshot, plan, history, ended, settings, buckets, difference }
                    .write(sink)
            }
            Encoding::Json(format) => {
                Walk { format, snapshot, plan, history, ended, settings, buckets, difference }
                    .write(sink)
            }
        }?;
        self.history.propose(snapshot, is_delta);
        Ok(())
    }
}

/// Adds or replaces an attribute.
fn set(
    attributes: &mut Vec<(String, String)>,
    of: &str,
    key: &str,
    value: &str,
) -> Result<(), Error> {
    if key.is_empty() || key.len() > MAX_NAME_BYTES {
        let reason =
            format!("it has {} bytes, a key of the {of} has 1 to {MAX_NAME_BYTES}", key.len());
        return Err(Error::InvalidName { name: key.to_owned(), reason });
    }
    if value.len() > MAX_LABEL_VALUE_BYTES {
        return Err(Error::TooMany {
            what: format!("bytes in the value of attribute {key:?} of the {of} ({})", value.len()),
            limit: MAX_LABEL_VALUE_BYTES,
            advice: "attributes identify, they are not texts: shorten it",
        });
    }
    if let Some(attribute) = attributes.iter_mut().find(|attribute| attribute.0 == key) {
        value.clone_into(&mut attribute.1);
        return Ok(());
    }
    if attributes.len() == MAX_OTLP_ATTRIBUTES {
        return Err(Error::TooMany {
            what: format!("attributes of the {of}, {key:?} is one more"),
            limit: MAX_OTLP_ATTRIBUTES,
            advice: "leave out those that no query uses",
        });
    }
    attributes.push((key.to_owned(), value.to_owned()));
    Ok(())
}

/// What the specification has a service be called that was given no name.
fn unknown_service() -> String {
    let path = std::env::current_exe().ok();
    match path.as_deref().and_then(std::path::Path::file_name) {
        Some(name) => {
            let mut name = format!("unknown_service:{}", name.to_string_lossy());
            name.truncate(name.floor_char_boundary(MAX_LABEL_VALUE_BYTES));
            name
        }
        None => "unknown_service".to_owned(),
    }
}
