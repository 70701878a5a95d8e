//! Any Prometheus page over HTTP.

use super::http::{Answer, Client, Http, http_settings};
use super::{PageFormat, PollLimits, Samples, Source, SourceError};
use crate::Error;

/// A page over HTTP in any format of [`PageFormat`], which is negotiated: of another tachometer engine its JSON, in which
/// histograms lose nothing; of others protobuf with native histograms, OpenMetrics, or text, as they like.
///
/// ```no_run
/// use tachometer::source::{PageSource, PollSettings, Sources};
/// # use tachometer::{Engine, Registry};
/// # let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let peer = PageSource::builder("peer", "https://peer:9464/metrics").bearer_token("…").build()?;
/// let sources = Sources::builder().source(peer, PollSettings::new()).start(&engine)?;
/// # Ok::<(), tachometer::Error>(())
/// ```
///
/// A connection is kept from poll to poll. It follows no redirects and uses no proxy. The page is unpacked (gzip) only up to the
/// limit on bytes.
#[derive(Debug)]
pub struct PageSource {
    name: String,
    client: Client,
    formats: Vec<PageFormat>,
    /// It has JSON, and not ours.
    other_json: bool,
}

/// Settings of a [`PageSource`].
#[derive(Clone, Debug)]
#[must_use = "there is no source until `build`"]
pub struct PageSourceBuilder {
    name: String,
    http: Http,
    formats: Vec<PageFormat>,
}

/// What is asked for, the best first.
const FORMATS: [PageFormat; 4] =
    [PageFormat::Json, PageFormat::Protobuf, PageFormat::OpenMetrics, PageFormat::Text];

impl PageSource {
    /// The page at `url`, without credentials.
    ///
    /// # Errors
    /// As [`PageSourceBuilder::build`].
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Result<PageSource, Error> {
        PageSource::builder(name, url).build()
    }

    /// Settings for the page at `url`.
    pub fn builder(name: impl Into<String>, url: impl Into<String>) -> PageSourceBuilder {
        let http = Http { url: url.into(), ..Http::default() };
        PageSourceBuilder { name: name.into(), http, formats: FORMATS.to_vec() }
    }

    fn accept(&self) -> String {
        let wanted = self.formats.iter().filter(|&&format| !self.is_out(format));
        let quality = |at: usize| 9usize.saturating_sub(at).max(1);
        let all = wanted
            .enumerate()
            .map(|(at, format)| format!("{};q=0.{}", format.media_type(), quality(at)));
        all.collect::<Vec<_>>().join(",")
    }

    fn is_out(&self, format: PageFormat) -> bool {
        self.other_json && format == PageFormat::Json
    }

    fn read(&self, answer: &Answer) -> Result<Samples, SourceError> {
        let Some(format) = PageFormat::of_content_type(&answer.content_type) else {
            let kind: String = answer.content_type.chars().take(80).collect();
            let reason = format!(
                "it is {kind:?}, none of the formats that are asked for; is this the URL of its metrics?"
            );
            return Err(SourceError::malformed(reason));
        };
        Samples::parse(format, &answer.body)
    }
}

http_settings!(PageSourceBuilder);

impl PageSourceBuilder {
    /// Asks for these formats, the best first; by default for all.
    pub fn formats(mut self, formats: impl IntoIterator<Item = PageFormat>) -> Self {
        self.formats = formats.into_iter().collect();
        self
    }

    /// Checks everything; asks nobody yet.
    ///
    /// # Errors
    /// The URL or a header makes no sense, there is no format, the file of authorities cannot be used, or `https://` without
    /// feature `tls`.
    pub fn build(self) -> Result<PageSource, Error> {
        if self.formats.is_empty() {
            let reason = "a page has some format; name one, or leave it out".to_owned();
            return Err(Error::InvalidSetting { setting: "formats", reason });
        }
        let client = Client::new(&self.http)?;
        Ok(PageSource { name: self.name, client, formats: self.formats, other_json: false })
    }
}

impl Source for PageSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn poll(&mut self, limits: &PollLimits) -> Result<Samples, SourceError> {
        let began = std::time::Instant::now();
        let answer = self.client.get(&self.accept(), limits)?;
        let read = self.read(&answer);
        let json = PageFormat::of_content_type(&answer.content_type) == Some(PageFormat::Json);
        let others = self.formats.iter().any(|format| *format != PageFormat::Json);
        if read.is_ok() || !json || !others || self.other_json {
            return read;
        }
        // JSON of another kind, which it should not be asked for any more.
        self.other_json = true;
        let left = PollLimits { time: limits.time.saturating_sub(began.elapsed()), ..*limits };
        let answer = self.client.get(&self.accept(), &left)?;
        self.read(&answer)
    }
}
