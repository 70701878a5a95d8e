//! From bytes to a request: what is asked, and whether the connection may go on. A pure function.

use super::own::{Code, Path};
use crate::limits::MAX_HTTP_HEADERS;

/// A request, as far as the listener cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) path: Path,
    pub(super) method: Method,
    /// Whether the client wants to send another on this connection, and can.
    pub(super) keep_alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A beginning; more must come.
    Partial,
    /// A request, and how many bytes it has.
    Whole(Request, usize),
    /// Not a request that can be answered; the connection cannot go on.
    Refused(Code, &'static str),
}

/// Parses the request at the beginning of `bytes` (RFC 9112).
pub(super) fn parse(bytes: &[u8]) -> Parsed {
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
    let mut body = false;
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
            body |= header.value.trim_ascii() != b"0";
        } else if is("transfer-encoding") {
            body = true;
        }
    }
    if hosts > 1 || (hosts == 0 && !old) {
        return Parsed::Refused(Code::BadRequest, "an HTTP/1.1 request has one Host header");
    }
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        _ => Method::Other,
    };
    let path = path(request.path.unwrap_or_default());
    // Nothing here takes a body. Rather than to find where it ends, answer and close.
    Parsed::Whole(Request { path, method, keep_alive: keep_alive && !body }, len)
}

/// The path of a request's target: without a query, and without `http://host` where a proxy left
/// it.
fn path(target: &str) -> Path {
    let target = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find(['/', '?']).map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    match target.split('?').next() {
        Some("/" | "") => Path::Root,
        Some("/metrics") => Path::Metrics,
        _ => Path::Other,
    }
}
