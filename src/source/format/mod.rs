//! Readers of what pages say: Prometheus's text, OpenMetrics, Prometheus's protobuf, and tachometer's JSON.
//!
//! They take what Prometheus takes; what it would refuse is an error with line and reason. What they are given may be anything:
//! they never panic, and use memory in proportion to the page.

mod families;
mod line;
mod protobuf;
mod text;
mod wire;

pub(super) use families::complete;

use super::{Samples, SourceError};

/// The format of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageFormat {
    /// Prometheus's text format 0.0.4.
    Text,
    /// OpenMetrics 1.0, as text.
    OpenMetrics,
    /// Prometheus's protobuf messages `io.prometheus.client.MetricFamily`, each after its length. Has native histograms.
    Protobuf,
    /// What [`JsonEncoder`](crate::JsonEncoder) writes. Has tachometer's histograms, without loss.
    Json,
}

impl PageFormat {
    /// What a request asks for it by.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            PageFormat::Text => "text/plain;version=0.0.4",
            PageFormat::OpenMetrics => "application/openmetrics-text;version=1.0.0",
            PageFormat::Protobuf => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            PageFormat::Json => "application/json",
        }
    }

    /// The format that a `Content-Type` names; `None` if it is none of them. Without one, or as plain text, it is
    /// [`PageFormat::Text`].
    ///
    /// ```
    /// use tachometer::source::PageFormat;
    /// let of = |content_type| PageFormat::of_content_type(content_type);
    /// assert_eq!(of("text/plain; version=0.0.4; charset=utf-8"), Some(PageFormat::Text));
    /// assert_eq!(of("application/openmetrics-text; version=1.0.0"), Some(PageFormat::OpenMetrics));
    /// assert_eq!(of("text/html"), None);
    /// ```
    pub fn of_content_type(content_type: &str) -> Option<PageFormat> {
        let mut parts = content_type.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let parameter = |name: &str| {
            let values = parts.clone().filter_map(|part| part.split_once('='));
            let mut values = values.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
            values.next().map(|(_, value)| value.trim().trim_matches('"').to_owned())
        };
        match &*kind {
            "" | "text/plain" => Some(PageFormat::Text),
            "application/openmetrics-text" => Some(PageFormat::OpenMetrics),
            "application/json" => Some(PageFormat::Json),
            "application/vnd.google.protobuf" => {
                let message = parameter("proto");
                let delimited =
                    parameter("encoding").is_none_or(|encoding| encoding == "delimited");
                let ours = message.is_none_or(|name| name == "io.prometheus.client.MetricFamily");
                (ours && delimited).then_some(PageFormat::Protobuf)
            }
            _ => None,
        }
    }
}

impl Samples {
    /// Reads a page of `format`.
    ///
    /// ```
    /// use tachometer::source::{PageFormat, SampleKind, Samples};
    /// let page = b"# TYPE requests_total counter\nrequests_total{code=\"200\"} 12\n";
    /// let samples = Samples::parse(PageFormat::Text, page)?;
    /// assert_eq!(samples.families[0].kind, SampleKind::Counter);
    /// let error = Samples::parse(PageFormat::Text, b"up 1\nup{ 1\n").unwrap_err();
    /// assert!(error.to_string().starts_with("line 2: "), "{error}");
    /// # Ok::<(), tachometer::source::SourceError>(())
    /// ```
    ///
    /// # Errors
    /// `Malformed`, with the line of a text: it is not what it should be.
    pub fn parse(format: PageFormat, page: &[u8]) -> Result<Samples, SourceError> {
        match format {
            PageFormat::Text => text::parse(page, false),
            PageFormat::OpenMetrics => text::parse(page, true),
            PageFormat::Protobuf => protobuf::parse(page),
            PageFormat::Json => crate::JsonSnapshot::parse(page)
                .map(Samples::from)
                .map_err(|error| SourceError::malformed(error.to_string())),
        }
    }
}
