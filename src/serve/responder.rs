//! The endpoints without the sockets: for a host that has an HTTP server of its own.

use super::ListenerBuilder;
#[cfg(feature = "promql")]
use super::api::Api;
#[cfg(all(feature = "axum", feature = "history", feature = "rules"))]
use super::events::EventStream;
#[cfg(all(feature = "axum", feature = "history", feature = "rules"))]
use super::own::Limit;
use super::own::OwnMetrics;
use super::page::{Page, Pages};
use super::request::{Asks, Request, read};
use super::site::{Body, Reply, Site};
use crate::{Engine, Error};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Answers requests as a [`Listener`](crate::Listener) does, for a host's own HTTP server: request in, response out. Clones
/// are the same. Feature `http`.
///
/// Of a listener's settings those hold that are not about connections: prefix, formats, credentials.
///
/// [`Responder::respond`] makes a snapshot and a page on the calling thread, for microseconds to milliseconds: on an
/// asynchronous runtime call it where blocking is allowed. Calls that come together share snapshots and pages.
///
/// ```
/// use tachometer::{Engine, Registry, serve::Responder};
/// let registry = Registry::new();
/// registry.counter("requests_total", "Requests.")?.add(3);
/// let engine = Engine::builder().registry(&registry).start()?;
/// let responder = Responder::new(&engine)?;
/// let headers = [("Accept", &b"text/plain"[..])];
/// let answer = responder.respond("GET", "/metrics?name[]=requests_total", headers);
/// assert_eq!(answer.status(), 200);
/// assert!(answer.body().ends_with(b"\nrequests_total 3\n"));
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone)]
pub struct Responder(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    site: Site,
    /// Locked while pages are made: one at a time, so that whoever comes second finds it done.
    pages: Mutex<Pages>,
}

/// What a [`Responder`] answers. Clones share the body.
///
/// ```
/// # use tachometer::{Engine, Registry, serve::Responder};
/// # let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let answer = Responder::new(&engine)?.respond("GET", "/stats", []);
/// assert!(answer.headers().any(|header| header == ("Content-Type", "application/json")));
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Answer(Reply);

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.0.code.number()
    }

    /// Names and values of the headers; without `Content-Length` and `Date`, which servers add by themselves.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.headers.iter().map(|(name, value)| (*name, &**value))
    }

    /// The body. Also there for a `HEAD` request, whose answer does not have it sent.
    pub fn body(&self) -> &[u8] {
        self.0.body.bytes()
    }

    /// The body, shared with whoever else is given the same page.
    pub fn into_body(self) -> Arc<Vec<u8>> {
        match self.0.body {
            Body::Text(text) => Arc::new(text.into_bytes()),
            Body::Page(page) => page.bytes,
            #[cfg(feature = "page")]
            Body::File(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder").finish_non_exhaustive()
    }
}

impl Responder {
    /// Answers for `engine`, without a prefix and for everybody.
    ///
    /// If `engine` records its own metrics, so does the responder, into the same registry: `tachometer_http_…`. It does not
    /// keep the engine running: once that was stopped or dropped, scrapes are answered with 503.
    ///
    /// # Errors
    /// The engine is not running, or a name of its own metrics is registered with another definition.
    pub fn new(engine: &Engine) -> Result<Responder, Error> {
        ListenerBuilder::default().responder(engine)
    }

    pub(super) fn of(site: Site) -> Responder {
        let pages = Mutex::new(Pages::new(site.rules.formats.clone()));
        Responder(Arc::new(Shared { site, pages }))
    }

    /// Answers a request: its method, its target (path and query), and its headers.
    pub fn respond<'a>(
        &self,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Answer {
        self.respond_with(method, target, headers, Vec::new())
    }

    /// As [`Responder::respond`], for a request with a body: a form, where queries are answered
    /// (`ListenerBuilder::query`); elsewhere it is left aside. Queries are evaluated on the calling thread, which may take until
    /// their time limit. The host bounds the body; past [`MAX_HTTP_FORM_BYTES`](crate::limits::MAX_HTTP_FORM_BYTES) it gets 413.
    pub fn respond_with<'a>(
        &self,
        method: &str,
        target: &str,
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        body: Vec<u8>,
    ) -> Answer {
        let headers: Vec<_> = headers.into_iter().collect();
        let site = &self.0.site;
        let began = Instant::now();
        let request = read(method, target, headers.iter().copied(), &site.rules);
        #[cfg(feature = "promql")]
        let request = request.with_body(body);
        #[cfg(not(feature = "promql"))]
        drop(body);
        let page = self.page(&request);
        let scraped = page.is_some();
        let reply = site.reply(&request, page, Instant::now());
        if scraped {
            site.own.scraped(began.elapsed());
        }
        Answer(reply)
    }

    /// A stream of events, and the head that goes before it; or the answer of who does not get one.
    #[cfg(all(feature = "axum", feature = "history", feature = "rules"))]
    pub(super) fn stream<'a>(
        &self,
        method: &str,
        target: &str,
        headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    ) -> Result<(EventStream, Answer), Answer> {
        let site = &self.0.site;
        let request = read(method, target, headers, &site.rules);
        let stream = match &request.asks {
            Asks::Events(last) if !request.bare => site.events(last.as_deref()),
            _ => Err(site.reply(&request, None, Instant::now())),
        };
        stream.map(|(stream, head)| (stream, Answer(head))).map_err(Answer)
    }

    /// Counts a client that did not take the events that it asked for.
    #[cfg(all(feature = "axum", feature = "history", feature = "rules"))]
    pub(super) fn was_slow(&self) {
        self.0.site.own.closed(Limit::Slow);
    }

    fn page(&self, request: &Request) -> Option<Page> {
        let Asks::Page(key) = &request.asks else { return None };
        // Before the lock: those who wait for it have asked, and take the snapshot that has them all.
        let (snapshot, cut_at) = self.0.site.snapshot(key.query.latest)?;
        let mut pages = self.0.pages.lock().unwrap_or_else(PoisonError::into_inner);
        Some(pages.page(&snapshot, cut_at, key))
    }
}

/// The listener's own metrics, if the engine has its own.
pub(super) fn site(engine: &Engine, builder: ListenerBuilder) -> Result<Site, Error> {
    let own = OwnMetrics::register(engine.registry())?;
    let limits = builder.limits.rows();
    let mut site = Site::new(Arc::downgrade(engine.core()), builder.rules, own);
    #[cfg(feature = "promql")]
    {
        site.api = builder.api;
        #[cfg(feature = "backend")]
        if let Some(api) = site.api.take() {
            site.api = Some(api.counted_by(engine.registry())?);
        }
        site.api = Api::with_hosts(site.api, &site.rules.hosts);
    }
    #[cfg(feature = "page")]
    if let Some(api) = site.api.take() {
        use super::api::live::Shown;
        let shown = Shown::new(Arc::downgrade(engine.core()), builder.bundles);
        #[cfg(feature = "health")]
        let shown = shown.with_health(builder.health.clone());
        site.api = Some(api.showing(shown));
    }
    #[cfg(feature = "health")]
    {
        site.health = builder.health;
    }
    site.limits = limits;
    Ok(site)
}
