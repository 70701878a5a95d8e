//! Any JSON page over HTTP.

use super::http::{Client, Http, http_settings};
use super::{Mapping, PollLimits, Samples, Source, SourceError};
use crate::Error;

/// A JSON page over HTTP, of which a [`Mapping`] says what is what: the API of a service that has no metrics of its own.
///
/// ```no_run
/// use tachometer::source::{JsonSource, Mapping, MetricMapping, PollSettings, SampleKind, Sources};
/// # use tachometer::{Engine, Registry};
/// # let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let mapping = Mapping::new([
///     MetricMapping::new("betanet_packets_processed_total", SampleKind::Counter, "packets.processed"),
///     MetricMapping::new("betanet_connections", SampleKind::Gauge, "connections"),
/// ])?;
/// let mixnet = JsonSource::builder("mixnet", "http://127.0.0.1:9999/status", mapping).build()?;
/// let sources = Sources::builder().source(mixnet, PollSettings::new()).start(&engine)?;
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonSource {
    name: String,
    client: Client,
    mapping: Mapping,
}

/// Settings of a [`JsonSource`].
#[derive(Clone, Debug)]
#[must_use = "there is no source until `build`"]
pub struct JsonSourceBuilder {
    name: String,
    http: Http,
    mapping: Mapping,
}

impl JsonSource {
    /// Settings for the page at `url`.
    pub fn builder(
        name: impl Into<String>,
        url: impl Into<String>,
        mapping: Mapping,
    ) -> JsonSourceBuilder {
        let http = Http { url: url.into(), ..Http::default() };
        JsonSourceBuilder { name: name.into(), http, mapping }
    }
}

http_settings!(JsonSourceBuilder);

impl JsonSourceBuilder {
    /// Checks everything; asks nobody yet.
    ///
    /// # Errors
    /// The URL or a header makes no sense, the file of authorities cannot be used, or `https://` without feature `tls`.
    pub fn build(self) -> Result<JsonSource, Error> {
        let client = Client::new(&self.http)?;
        Ok(JsonSource { name: self.name, client, mapping: self.mapping })
    }
}

impl Source for JsonSource {
    fn name(&self) -> &str {
        &self.name
    }

    /// Whatever its type says: many servers call JSON something else.
    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        let answer = self.client.get("application/json", limits)?;
        self.mapping.read(&answer.body)
    }
}
