//! From a request to what it asks for. Pure functions: bytes and the listener's rules in, an answer to decide on out.

use super::accept;
#[cfg(feature = "promql")]
use super::api::{Call, Endpoint};
#[cfg(feature = "page")]
use super::assets::{Asset, Wanted};
use super::auth::Auth;
#[cfg(feature = "promql")]
use super::endpoint::Endpoints;
use super::formats::Formats;
use super::own::{Code, Path};
use super::page::Key;
use super::query;
#[cfg(feature = "promql")]
use crate::limits::MAX_HTTP_FORM_BYTES;
use crate::limits::MAX_HTTP_HEADERS;

/// What is said to other methods where forms are taken.
pub(super) const GET_OR_POST: &str = "only GET, HEAD and POST are understood";

/// What is said to who takes nothing.
const NO_CODING: &str =
    "Accept-Encoding refuses every coding that there is, and none at all as well";

/// By what a request is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// What stands before every path; empty, or with a slash in front and none behind.
    pub(super) prefix: String,
    pub(super) formats: Formats,
    pub(super) auth: Auth,
    /// What the host answers itself.
    #[cfg(feature = "promql")]
    pub(super) hosts: Endpoints,
    /// Whether queries are answered.
    #[cfg(feature = "promql")]
    pub(super) api: bool,
    /// Whether rules are shown.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(super) alerts: bool,
    /// Whether the host does without the live page.
    #[cfg(feature = "page")]
    pub(super) no_page: bool,
}

#[cfg(feature = "page")]
impl Rules {
    /// Whether there is the live page: it shows what can be asked for here.
    pub(super) fn has_page(&self) -> bool {
        !self.no_page && (self.api || self.alerts)
    }
}

#[cfg(feature = "promql")]
impl Rules {
    /// The endpoint of a path, if something is answered there.
    fn endpoint(&self, path: &str) -> Option<Endpoint> {
        if self.hosts.has(path) {
            return Some(Endpoint::Host(path.to_owned()));
        }
        Endpoint::of(path).filter(|endpoint| self.has(endpoint))
    }

    /// Whether something is answered there.
    fn has(&self, endpoint: &Endpoint) -> bool {
        #[cfg(all(feature = "history", feature = "rules"))]
        if endpoint.is_of_rules() {
            return self.alerts;
        }
        #[cfg(feature = "page")]
        if endpoint.is_of_page() {
            return self.has_page();
        }
        // Clients ask it first, whatever they ask then.
        #[cfg(all(feature = "history", feature = "rules"))]
        if *endpoint == Endpoint::BuildInfo {
            return self.api || self.alerts;
        }
        let _ = endpoint;
        self.api
    }
}

/// A request, as far as the listener cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: Path,
    pub(super) asks: Asks,
    /// The answer is a head alone.
    pub(super) bare: bool,
    /// Whether the client wants to send another on this connection, and can.
    pub(super) keep_alive: bool,
}

#[cfg(feature = "page")]
impl Request {
    /// Whether it asks for a stream of the live page.
    pub(super) fn asks_live(&self) -> bool {
        matches!(&self.asks, Asks::Api(call) if call.endpoint == Endpoint::Live) && !self.bare
    }
}

#[cfg(feature = "promql")]
impl Request {
    /// With the body that came with it, if it asks for something that a body can say.
    pub(super) fn with_body(mut self, body: Vec<u8>) -> Request {
        if let Asks::Api(call) = &mut self.asks {
            if body.len() > MAX_HTTP_FORM_BYTES {
                let why = format!("a form has {MAX_HTTP_FORM_BYTES} bytes at most");
                self.asks = Asks::Refused(Code::ContentTooLarge, why);
            } else {
                call.body = body;
            }
        }
        self
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asks {
    Index,
    /// A file of the live page.
    #[cfg(feature = "page")]
    Asset(Wanted),
    Page(Key),
    Health(Probe),
    Stats,
    #[cfg(feature = "promql")]
    Api(Call),
    /// What comes after the event with this id, or from now on.
    #[cfg(all(feature = "history", feature = "rules"))]
    Events(Option<String>),
    /// Nothing that there is: why.
    Refused(Code, String),
}

/// Which of the questions after the health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// `/health`, of whoever may read the rest.
    Report,
    /// `/health`, of whoever may not, and learns no more than whether all is well.
    Summary,
    /// `/health/ready`.
    Ready,
    /// `/health/live`.
    Live,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A beginning; more must come.
    Partial,
    /// A request, and how many bytes it has.
    Whole(Request, usize),
    /// A request's head, how many bytes it has, and how many of a form that belongs to it come behind.
    #[cfg(feature = "promql")]
    Head(Request, usize, usize),
    /// Not a request that can be answered; the connection cannot go on.
    Refused(Code, &'static str),
}

/// Parses the request at the beginning of `bytes` (RFC 9112).
pub(super) fn parse(bytes: &[u8], rules: &Rules) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HTTP_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(httparse::Error::TooManyHeaders) => {
            return Parsed::Refused(Code::HeaderTooLarge, "too many headers");
        }
        Err(_) => return Parsed::Refused(Code::BadRequest, "this is not an HTTP/1 request"),
    };
    // HTTP/1.0 closes unless asked to stay, 1.1 stays unless asked to close.
    let old = request.version == Some(0);
    let mut keep_alive = !old;
    let mut hosts = 0;
    let (mut chunked, mut length) = (false, Ok(0));
    for header in request.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("host") {
            hosts += 1;
        } else if is("connection") {
            let has = |token: &[u8]| {
                let mut tokens = header.value.split(|&byte| byte == b',');
                tokens.any(|t| t.trim_ascii().eq_ignore_ascii_case(token))
            };
            keep_alive = (keep_alive || has(b"keep-alive")) && !has(b"close");
        } else if is("content-length") {
            let value = std::str::from_utf8(header.value.trim_ascii()).unwrap_or_default();
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            // What does not fit is too much as well; two lengths that differ are none.
            let this =
                if digits { Ok(value.parse::<usize>().unwrap_or(usize::MAX)) } else { Err(()) };
            length = if length == Ok(0) || length == this { this } else { Err(()) };
        } else if is("transfer-encoding") {
            chunked = true;
        }
    }
    if hosts > 1 || (hosts == 0 && !old) {
        return Parsed::Refused(Code::BadRequest, "an HTTP/1.1 request has one Host header");
    }
    let headers = request.headers.iter().map(|header| (header.name, header.value));
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let request = Request { keep_alive, ..read(method, target, headers, rules) };
    #[cfg(feature = "promql")]
    if method == "POST" && matches!(request.asks, Asks::Api(_)) {
        let refused = |code, why: &str| {
            let asks = Asks::Refused(code, why.to_owned());
            Parsed::Whole(Request { asks, keep_alive: false, ..request.clone() }, len)
        };
        return match length {
            _ if chunked => refused(Code::LengthRequired, "a form comes with its Content-Length"),
            Err(()) => refused(Code::BadRequest, "Content-Length is one number"),
            Ok(form) if form > MAX_HTTP_FORM_BYTES => refused(
                Code::ContentTooLarge,
                &format!("a form has {MAX_HTTP_FORM_BYTES} bytes at most"),
            ),
            Ok(form) => Parsed::Head(request, len, form),
        };
    }
    // Nothing else here takes a body. Rather than to find where it ends, answer and close.
    let keep_alive = keep_alive && !chunked && length == Ok(0);
    Parsed::Whole(Request { keep_alive, ..request }, len)
}

/// Reads a request that somebody has taken apart.
pub(super) fn read<'a>(
    method: &str,
    target: &str,
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    rules: &Rules,
) -> Request {
    let (place, query) = place(target, &rules.prefix);
    let of = |path| Request { path, asks: Asks::Index, bare: method == "HEAD", keep_alive: false };
    let refused = |path, code, why: String| Request { asks: Asks::Refused(code, why), ..of(path) };
    #[cfg(feature = "promql")]
    let endpoint = place.and_then(|path| rules.endpoint(path));
    let path = match place {
        #[cfg(feature = "promql")]
        _ if endpoint == Some(Endpoint::Aggregated) => Path::Aggregated,
        #[cfg(feature = "promql")]
        _ if matches!(endpoint, Some(Endpoint::Host(_))) => Path::Host,
        #[cfg(feature = "promql")]
        _ if endpoint.is_some() => Path::Api,
        Some("" | "/") => Path::Root,
        #[cfg(feature = "page")]
        Some(place) if rules.has_page() && Asset::at(place, &rules.prefix).is_some() => Path::Page,
        Some("/metrics") => Path::Metrics,
        Some("/health" | "/health/ready" | "/health/live") => Path::Health,
        Some("/stats") => Path::Stats,
        #[cfg(all(feature = "history", feature = "rules"))]
        Some("/api/v1/events") if rules.alerts => Path::Events,
        _ => Path::Other,
    };
    let open = path == Path::Health && !rules.auth.closed_health;
    let known = rules.auth.lets_in(first(headers.clone(), "authorization"));
    if !open && !known {
        let why = "user and password, or a token, are asked for here";
        return refused(path, Code::Unauthorized, why.to_owned());
    }
    if path == Path::Other {
        let at = &rules.prefix;
        #[cfg(feature = "page")]
        let page = if rules.has_page() { " (a page for people)" } else { "" };
        #[cfg(not(feature = "page"))]
        let page = "";
        let why = format!("there are {at}/{page}, {at}/metrics, {at}/health and {at}/stats here");
        return refused(path, Code::NotFound, why);
    }
    #[cfg(feature = "promql")]
    if let Some(endpoint) = endpoint {
        let takes_forms = endpoint.takes_forms();
        if method != "GET" && method != "HEAD" && (method != "POST" || !takes_forms) {
            let why = if takes_forms { GET_OR_POST } else { "only GET and HEAD are understood" };
            return refused(path, Code::MethodNotAllowed, why.to_owned());
        }
        let kind = first(headers, "content-type").unwrap_or_default();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let form = kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
        let has_form = form && method == "POST";
        let call = Call { endpoint, query: query.to_owned(), has_form, body: Vec::new() };
        return Request { asks: Asks::Api(call), ..of(path) };
    }
    if method != "GET" && method != "HEAD" {
        let why = "only GET and HEAD are understood".to_owned();
        return refused(path, Code::MethodNotAllowed, why);
    }
    #[cfg(feature = "page")]
    if let Some(asset) = place.and_then(|place| Asset::at(place, &rules.prefix))
        && rules.has_page()
    {
        let known = joined(headers.clone(), "if-none-match");
        let accept = joined(headers, "accept-encoding");
        let asks = match accept::coding(accept.as_deref()) {
            Some(coding) => Asks::Asset(Wanted { asset, coding, known }),
            None => Asks::Refused(Code::NotAcceptable, NO_CODING.to_owned()),
        };
        return Request { asks, ..of(path) };
    }
    let asks = match place {
        Some("/health/live") => Asks::Health(Probe::Live),
        Some("/health/ready") => Asks::Health(Probe::Ready),
        Some("/health") if known => Asks::Health(Probe::Report),
        Some("/health") => Asks::Health(Probe::Summary),
        Some("/stats") => Asks::Stats,
        #[cfg(all(feature = "history", feature = "rules"))]
        Some("/api/v1/events") => {
            let last = first(headers, "last-event-id").map(String::from_utf8_lossy);
            Asks::Events(last.filter(|id| !id.is_empty()).map(|id| id.into_owned()))
        }
        Some("/metrics") => match key(query, headers, rules) {
            Ok(key) => Asks::Page(key),
            Err((code, why)) => Asks::Refused(code, why),
        },
        _ => Asks::Index,
    };
    Request { asks, ..of(path) }
}

/// Which page is asked for.
fn key<'a>(
    query: &str,
    headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone,
    rules: &Rules,
) -> Result<Key, (Code, String)> {
    let query = query::parse(query).map_err(|why| (Code::BadRequest, why))?;
    let accept = joined(headers.clone(), "accept").unwrap_or_default();
    let format = rules.formats.choose(&accept);
    let accept = joined(headers, "accept-encoding");
    let coding = accept::coding(accept.as_deref());
    let coding = coding.ok_or_else(|| (Code::NotAcceptable, NO_CODING.to_owned()))?;
    Ok(Key { format, coding, query })
}

/// All values of a header, as the one list that they are together.
fn joined<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>, name: &str) -> Option<String> {
    let mut all: Option<String> = None;
    for (_, value) in headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)) {
        let value = String::from_utf8_lossy(value);
        match &mut all {
            Some(all) => {
                all.push(',');
                all.push_str(&value);
            }
            None => all = Some(value.into_owned()),
        }
    }
    all
}

fn first<'a>(
    mut headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    name: &str,
) -> Option<&'a [u8]> {
    headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// The path of a request's target behind `prefix` (`None` if it is not there) and its query: without `http://host` where
/// a proxy left it.
fn place<'a>(target: &'a str, prefix: &str) -> (Option<&'a str>, &'a str) {
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let behind = path.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    (behind, query)
}
