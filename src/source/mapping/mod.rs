//! Series from JSON of any shape: which fields are which metrics.

mod path;
mod value;

use super::{Sample, SampleFamily, SampleKind, Samples, SourceError};
use crate::Error;
use crate::limits::{MAX_LABELS, MAX_MAPPING_METRICS};
use path::{Key, Path, Place, follow};
use serde_json::Value;

/// Which fields of a JSON page are which metrics.
///
/// A path leads from the root to the numbers: `.name` and `["odd.name"]` to a member, `[2]` to an element, and `[*]` or `.*` to
/// each of them. A metric has a series for each number that its path leads to.
///
/// ```
/// use tachometer::source::{Mapping, MetricMapping, Sample, SampleKind};
/// // What a mixnet's API says of itself.
/// let mapping = Mapping::new([
///     MetricMapping::new("betanet_packets_processed_total", SampleKind::Counter, "stats.packets.processed"),
///     MetricMapping::new("betanet_packets_dropped_total", SampleKind::Counter, "stats.packets.dropped"),
///     MetricMapping::new("betanet_latency_seconds", SampleKind::Histogram, "stats.latency_ms").scale(1e-3),
///     MetricMapping::new("betanet_connections", SampleKind::Gauge, "peers[*].connections")
///         .label_path("peer", "peers[*].id")
///         .help("Open connections."),
/// ])?;
/// let page = br#"{
///     "stats": {
///         "packets": {"processed": 1200, "dropped": 3},
///         "latency_ms": {"count": 4, "sum": 70, "buckets": {"10": 1, "50": 4, "+Inf": 4}}
///     },
///     "peers": [{"id": "a", "connections": 2}, {"id": "b", "connections": 5}]
/// }"#;
/// let samples = mapping.read(page)?;
/// let b = samples.get("betanet_connections", &[("peer", "b")]).and_then(Sample::as_number);
/// assert_eq!(b, Some(5.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A number may be written as a text; `true` and `false` are 1 and 0; `null` is as good as absent. Behind a path with `[*]` there
/// may be nothing; behind another one there must be a value, unless it is [optional](MetricMapping::optional).
///
/// A histogram is an object with `count`, `sum` and cumulative `buckets`: `{"0.1": 3, "+Inf": 4}`, `[[0.1, 3], …]` or
/// `[{"le": 0.1, "count": 3}, …]`. A summary is one with `count`, `sum` and `quantiles`: `{"0.99": 0.2}`, `[[0.99, 0.2], …]` or
/// `[{"quantile": 0.99, "value": 0.2}, …]`. Count and sum may be missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    metrics: Vec<Ready>,
}

/// One metric of a [`Mapping`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "it is to be given to `Mapping::new`"]
pub struct MetricMapping {
    name: String,
    kind: SampleKind,
    path: String,
    unit: String,
    help: String,
    labels: Vec<(String, String)>,
    label_paths: Vec<(String, String)>,
    scale: f64,
    optional: bool,
}

/// A metric whose paths have been read.
#[derive(Clone, Debug, PartialEq)]
struct Ready {
    metric: MetricMapping,
    path: Path,
    labels: Vec<(String, Path)>,
}

impl MetricMapping {
    /// The metric `name` from what `path` leads to.
    pub fn new(name: impl Into<String>, kind: SampleKind, path: impl Into<String>) -> Self {
        MetricMapping {
            name: name.into(),
            kind,
            path: path.into(),
            unit: String::new(),
            help: String::new(),
            labels: Vec::new(),
            label_paths: Vec::new(),
            scale: 1.0,
            optional: false,
        }
    }

    /// Sets the help.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }

    /// Sets the unit, after scaling: `seconds`, `bytes`.
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = unit.into();
        self
    }

    /// Adds a label that is always the same.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Adds a label from a field. Up to its last `[*]` its path is that of the metric: then it is read beside each number. A
    /// path that ends in `[*]` or `.*` gives the name of the member, or the number of the element.
    pub fn label_path(mut self, name: impl Into<String>, path: impl Into<String>) -> Self {
        self.label_paths.push((name.into(), path.into()));
        self
    }

    /// Multiplies what is read: 1e-3 where the page has milliseconds. Of a histogram its bounds and its sum.
    pub fn scale(mut self, factor: f64) -> Self {
        self.scale = factor;
        self
    }

    /// Lets the field be missing.
    pub fn optional(mut self, optional: bool) -> Self {
        self.optional = optional;
        self
    }

    fn ready(self) -> Result<Ready, Error> {
        let wrong = |reason: String| Error::InvalidSetting {
            setting: "mapping",
            reason: format!("{}: {reason}", self.name),
        };
        crate::registry::definition::check_metric_name(&self.name)?;
        if self.labels.len() + self.label_paths.len() > MAX_LABELS {
            return Err(wrong(format!("it has more than {MAX_LABELS} labels")));
        }
        if !self.scale.is_finite() || self.scale == 0.0 {
            return Err(wrong(format!("its scale is {}; give a number that is not 0", self.scale)));
        }
        let path = Path::parse(&self.path).map_err(wrong)?;
        let names: Vec<&String> =
            self.labels.iter().chain(&self.label_paths).map(|(name, _)| name).collect();
        for (at, name) in names.iter().enumerate() {
            crate::registry::definition::check_label_name(name, crate::Kind::Histogram)?;
            if names[..at].contains(name) {
                return Err(wrong(format!("label {name:?} is there twice")));
            }
        }
        let mut labels = Vec::new();
        for (name, text) in &self.label_paths {
            let label = Path::parse(text).map_err(wrong)?;
            if !path.0.starts_with(label.split().0) {
                return Err(wrong(format!(
                    "label {name:?} is read from {text:?}, which up to its last [*] must be what the metric's path {:?} is",
                    self.path
                )));
            }
            labels.push((name.clone(), label));
        }
        Ok(Ready { metric: self, path, labels })
    }
}

impl Mapping {
    /// A mapping of these metrics.
    ///
    /// # Errors
    /// A name, a path, a label or a scale makes no sense; or there are no metrics, or more than [`MAX_MAPPING_METRICS`].
    pub fn new(metrics: impl IntoIterator<Item = MetricMapping>) -> Result<Mapping, Error> {
        let metrics = metrics.into_iter().map(MetricMapping::ready);
        let metrics = metrics.take(MAX_MAPPING_METRICS + 1).collect::<Result<Vec<_>, _>>()?;
        if metrics.is_empty() || metrics.len() > MAX_MAPPING_METRICS {
            let reason = format!("it has 1 to {MAX_MAPPING_METRICS} metrics");
            return Err(Error::InvalidSetting { setting: "mapping", reason });
        }
        Ok(Mapping { metrics })
    }

    /// Reads a page.
    ///
    /// # Errors
    /// It is not JSON, or what a path leads to is not what it should be: the error has line and column, or the path.
    pub fn read(&self, page: &[u8]) -> Result<Samples, SourceError> {
        let page: Value = serde_json::from_slice(page).map_err(|error| {
            let said = error.to_string();
            let said = said.rsplit_once(" at line ").map_or(&*said, |(said, _)| said);
            SourceError::Malformed {
                line: Some(error.line()),
                reason: format!("column {}: it is not JSON: {said}", error.column()),
            }
        })?;
        let families = self.metrics.iter().map(|metric| metric.read(&page));
        Ok(Samples {
            families: families.collect::<Result<_, _>>().map_err(SourceError::malformed)?,
        })
    }
}

impl Ready {
    fn read(&self, page: &Value) -> Result<SampleFamily, String> {
        let MetricMapping { name, kind, unit, help, labels: fixed, .. } = &self.metric;
        let mut family = SampleFamily {
            name: name.clone(),
            kind: *kind,
            unit: unit.clone(),
            help: help.clone(),
            series: Vec::new(),
        };
        self.path.walk(page, &mut |value, places| {
            let read = value::read(value, *kind, self.metric.scale)
                .map_err(|reason| format!("{}{reason}", self.path.at(places)))?;
            let Some(value) = read else { return Ok(()) };
            let mut labels = fixed.clone();
            for (name, path) in &self.labels {
                labels.extend(label(page, path, places)?.map(|text| (name.clone(), text)));
            }
            family.series.push(Sample::new(labels, value));
            Ok::<(), String>(())
        })?;
        if family.series.is_empty() && self.path.everywheres() == 0 && !self.metric.optional {
            let path = self.path.at(&[]);
            return Err(format!("{path}: there is no value, which {name} is to have"));
        }
        Ok(family)
    }
}

/// A label beside the places; `None` if there is none.
fn label(page: &Value, path: &Path, places: &[Place<'_>]) -> Result<Option<String>, String> {
    let (_, rest) = path.split();
    // Each `[*]` of the label's path is one of the metric's.
    let place = path.everywheres().checked_sub(1).and_then(|at| places.get(at));
    let found = match place {
        Some(place) if rest.is_empty() => {
            return Ok(Some(match place.key {
                Key::Member(key) => key.to_owned(),
                Key::Element(index) => index.to_string(),
            }));
        }
        Some(place) => follow(place.value, rest),
        None => follow(page, rest),
    };
    match found {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
        Some(_) => Err(format!("{}: expected a text, found a list or an object", path.at(places))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SampleValue;

    fn read(metric: MetricMapping, page: &str) -> Result<Vec<String>, String> {
        let mapping = Mapping::new([metric]).map_err(|error| error.to_string())?;
        let samples = mapping.read(page.as_bytes()).map_err(|error| error.to_string())?;
        let series = samples.families.iter().flat_map(|family| &family.series);
        let shown = series.map(|one| {
            let labels = one.labels.iter().map(|(name, value)| format!("{name}={value} "));
            let value = match &one.value {
                SampleValue::Number(value) => value.to_string(),
                SampleValue::Classic(h) => format!("{} {:?} {:?}", h.count, h.sum, h.buckets),
                SampleValue::Summary(s) => format!("{:?} {:?} {:?}", s.count, s.sum, s.quantiles),
                other => format!("{other:?}"),
            };
            labels.collect::<String>() + &value
        });
        Ok(shown.collect())
    }

    fn gauge(path: &str) -> MetricMapping {
        MetricMapping::new("x", SampleKind::Gauge, path)
    }

    #[test]
    fn numbers_and_labels_are_where_paths_lead() {
        let page = r#"{"zone":"b","nodes":[{"id":"n1","cpu":"0.5"},{"id":7,"cpu":true},{"cpu":null},{"cpu":2}]}"#;
        let metric = gauge("nodes[*].cpu").label("k", "v").label_path("id", "nodes[*].id");
        let metric = metric.label_path("zone", "zone").label_path("at", "nodes[*]").scale(2.0);
        let read = read(metric, page).unwrap();
        assert_eq!(
            read,
            ["at=0 id=n1 k=v zone=b 1", "at=1 id=7 k=v zone=b 2", "at=3 k=v zone=b 4"]
        );
        let by_name = gauge("by.*.rtt").label_path("peer", "by.*");
        let page = r#"{"by":{"a":{"rtt":1},"b":{"rtt":2}}}"#;
        assert_eq!(super::tests::read(by_name, page).unwrap(), ["peer=a 1", "peer=b 2"]);
    }

    #[test]
    fn distributions_come_in_several_shapes() {
        let of =
            |kind, page: &str| read(MetricMapping::new("x", kind, "d").scale(0.5), page).unwrap();
        for buckets in [
            r#"{"1":3,"+Inf":4}"#,
            "[[1,3],[\"+Inf\",4]]",
            r#"[{"le":1,"count":3},{"le":"+Inf","count":4}]"#,
            "[[1,3]]",
        ] {
            let page = format!(r#"{{"d":{{"count":4,"sum":6,"buckets":{buckets}}}}}"#);
            assert_eq!(
                of(SampleKind::Histogram, &page),
                ["4 Some(3.0) [(0.5, 3.0), (inf, 4.0)]"],
                "{buckets}"
            );
        }
        let page = r#"{"d":{"quantiles":{"0.99":8,"0.5":2}}}"#;
        assert_eq!(of(SampleKind::Summary, page), ["None None [(0.5, 1.0), (0.99, 4.0)]"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_path() {
        for (path, page, said) in [
            ("a.b", r#"{"a":{}}"#, "a.b: there is no value"),
            ("a[*].b", r#"{"a":[{"b":1},{"b":"x"}]}"#, "a[1].b: expected a number, found \"x\""),
            ("a", r#"{"a":[]}"#, "a: expected a number, found a list"),
            ("a", "{\"a\":\n x}", "line 2: column 2: it is not JSON"),
            ("a..b", "{}", "a name"),
        ] {
            let error = read(gauge(path), page).unwrap_err();
            assert!(error.contains(said), "{path}: {error}");
        }
        assert_eq!(read(gauge("a.b").optional(true), r#"{"a":{}}"#).unwrap(), Vec::<String>::new());
        assert_eq!(read(gauge("a[*].b"), r#"{"a":[]}"#).unwrap(), Vec::<String>::new());
        let histogram =
            |page| read(MetricMapping::new("x", SampleKind::Histogram, "a"), page).unwrap_err();
        assert!(histogram(r#"{"a":{"buckets":[1]}}"#).contains("a.buckets[0]"));
        assert!(histogram(r#"{"a":{"buckets":{"x":1}}}"#).contains("a.buckets[\"x\"]"));
        assert!(histogram(r#"{"a":3}"#).contains("expected an object"));
        let refused = |metric: MetricMapping| read(metric, "{}").unwrap_err();
        assert!(refused(gauge("a[*].b").label_path("c", "x[*].c")).contains("up to its last [*]"));
        assert!(refused(gauge("a").label("c", "1").label_path("c", "c")).contains("twice"));
        assert!(refused(gauge("a").scale(f64::NAN)).contains("scale"));
        assert!(refused(MetricMapping::new("a b", SampleKind::Gauge, "a")).contains("a b"));
        assert!(Mapping::new([]).is_err());
    }
}
