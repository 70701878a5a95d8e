//! Which formats `/metrics` speaks: one table. A format is a media type and what makes its encoder.

use super::accept::{self, MediaType};
#[cfg(feature = "json")]
use crate::JsonEncoder;
use crate::{CsvEncoder, Encoder, Error, OpenMetricsEncoder, ProtobufEncoder, TextEncoder};
use std::fmt;
use std::sync::Arc;

/// What makes an encoder of a format.
type Make = fn() -> Box<dyn Encoder>;

/// The formats that come with the crate. The first one is for clients who accept none of them, or all alike.
///
/// The parameters are those by which clients tell versions apart; a client who states another value does not get the
/// format, one who does not state it does.
const BUILT_IN: &[(&str, Make)] = &[
    ("text/plain; version=0.0.4", || Box::new(TextEncoder::new())),
    ("application/openmetrics-text; version=1.0.0", || Box::new(OpenMetricsEncoder::new())),
    (
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        || Box::new(ProtobufEncoder::new()),
    ),
    #[cfg(feature = "json")]
    ("application/json", || Box::new(JsonEncoder::new())),
    ("text/csv", || Box::new(CsvEncoder::new())),
];

/// A format of the table.
#[derive(Clone)]
struct Format {
    /// As it was written.
    text: String,
    media: MediaType,
    encoder: Arc<dyn Fn() -> Box<dyn Encoder> + Send + Sync>,
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// All formats of a listener.
#[derive(Clone, Debug)]
pub(super) struct Formats(Vec<Format>);

impl Default for Formats {
    fn default() -> Self {
        let mut formats = Formats(Vec::new());
        for (media, encoder) in BUILT_IN {
            formats.add(media, encoder).expect("tested: the table's media types can be read");
        }
        formats
    }
}

impl Formats {
    /// Adds one, behind those that are there; one of the same media type replaces it.
    pub(super) fn add(
        &mut self,
        text: &str,
        encoder: impl Fn() -> Box<dyn Encoder> + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let media = MediaType::parse(text).ok_or_else(|| Error::InvalidSetting {
            setting: "format",
            reason: format!(
                "{text:?} is not a media type; write it as in \"text/plain; version=0.0.4\""
            ),
        })?;
        let format = Format { text: text.to_owned(), media, encoder: Arc::new(encoder) };
        match self.0.iter_mut().find(|known| known.media == format.media) {
            Some(known) => *known = format,
            None => self.0.push(format),
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The one that a client with this `Accept` would rather have.
    pub(super) fn choose(&self, accept: &str) -> usize {
        accept::format(accept, self.0.iter().map(|format| &format.media))
    }

    /// An encoder of the format at `index`, that has rendered nothing yet.
    pub(super) fn encoder(&self, index: usize) -> Box<dyn Encoder> {
        (self.0[index].encoder)()
    }

    /// Their media types.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|format| &*format.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoder_writes_what_the_table_says() {
        let formats = Formats::default();
        assert_eq!(formats.len(), BUILT_IN.len(), "no two of the table are the same");
        for (index, format) in formats.0.iter().enumerate() {
            let encoder = formats.encoder(index);
            // Who asks for exactly what an encoder says that it writes gets that encoder.
            assert_eq!(formats.choose(encoder.content_type()), index, "{format:?}");
            assert_eq!(formats.choose(&format.text), index, "{format:?}");
        }
    }

    #[test]
    fn a_format_of_the_hosts_is_added_or_replaces_one() {
        let mut formats = Formats::default();
        formats.add("application/x-own", || Box::new(TextEncoder::new())).unwrap();
        assert_eq!(formats.choose("application/x-own"), BUILT_IN.len());
        formats.add("text/plain;version=\"0.0.4\"", || Box::new(TextEncoder::new())).unwrap();
        assert_eq!(formats.len(), BUILT_IN.len() + 1);
        let error = formats.add("text", || Box::new(TextEncoder::new())).unwrap_err();
        assert!(error.to_string().contains("\"text\" is not a media type"), "{error}");
    }
}
