//! As much of an HTTP/1.1 client as pushing needs: one request on a connection, and its response.

pub(crate) mod response;

use super::protocol::Payload;
use super::secret::Secret;
use crate::url::Url;
use std::fmt::Write as _;

/// How an HTTP target is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `POST`: what most servers want.
    Post,
    /// `PUT`: to a Pushgateway, replaces everything in the group.
    Put,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

/// The head of a request that carries `payload`. Of two headers of the same name the target's own counts.
pub(super) fn head(
    method: Method,
    url: &Url,
    headers: &[(String, Secret)],
    payload: &Payload,
) -> Vec<u8> {
    let mut head = format!("{} {}", method.name(), url.path);
    let queries = [url.query.as_deref().unwrap_or(""), &payload.query];
    let queries = queries.into_iter().filter(|query| !query.is_empty());
    for (at, query) in queries.enumerate() {
        let _ = write!(head, "{}{query}", if at == 0 { '?' } else { '&' });
    }
    let _ = write!(
        head,
        " HTTP/1.1\r\nHost: {}\r\nUser-Agent: tachometer/{}\r\nContent-Length: {}\r\n\
         Connection: close\r\n",
        url.authority,
        env!("CARGO_PKG_VERSION"),
        payload.body.len()
    );
    let overridden = |name: &str| headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    for (name, value) in payload.headers.iter().filter(|(name, _)| !overridden(name)) {
        // A protocol's mistake must not become another request.
        if is_header(name, value) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {}\r\n", value.reveal());
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Whether a header can be sent: a token, and a value without line ends or other controls.
pub(super) fn is_header(name: &str, value: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let plain = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte) || byte >= 0x80;
    !name.is_empty() && name.bytes().all(token) && value.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head() {
        let url = Url::parse("http://h:1/write?db=x").unwrap();
        let mut payload = Payload::new(b"body".to_vec(), "text/plain");
        payload.query = "timestamp=5".to_owned();
        payload.headers.push(("X-Bad".to_owned(), "a\r\nX: y".to_owned()));
        let headers = [
            ("content-type".to_owned(), Secret::new("text/x")),
            ("Authorization".to_owned(), Secret::new("Bearer t")),
        ];
        let head = String::from_utf8(head(Method::Put, &url, &headers, &payload)).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        let wanted = format!(
            "PUT /write?db=x&timestamp=5 HTTP/1.1\r\nHost: h:1\r\nUser-Agent: tachometer/{version}\
             \r\nContent-Length: 4\r\nConnection: close\r\ncontent-type: text/x\r\n\
             Authorization: Bearer t\r\n\r\n"
        );
        assert_eq!(head, wanted);
    }

    #[test]
    fn what_can_be_a_header() {
        assert!(is_header("X-Scope-OrgID", "team a, \u{e9}"));
        for (name, value) in [("", "x"), ("a b", "x"), ("a:", "x"), ("a", "x\r\ny"), ("a", "\0")] {
            assert!(!is_header(name, value), "{name:?} {value:?}");
        }
    }
}
