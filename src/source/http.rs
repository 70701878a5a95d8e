//! One GET, by `ureq`, on the source's thread: no redirects, no proxy, a connection that is kept.

use super::{PollLimits, SourceError};
use crate::Error;
use crate::limits::MAX_SOURCE_MESSAGE_BYTES;
use crate::secret::Secret;
use crate::url::{Url, base64};
use flate2::read::MultiGzDecoder;
use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::time::Instant;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Response, Uri, header};

/// What sources over HTTP have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Http {
    pub(super) url: String,
    pub(super) headers: Vec<(String, Secret)>,
    pub(super) ca: Option<PathBuf>,
}

pub(super) struct Client {
    agent: Agent,
    /// Scheme, host and port: what may be shown of the URL, whose path and query may be secret.
    origin: String,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// An answer: its type, and its body, unpacked.
pub(super) struct Answer {
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Client {
    pub(super) fn new(http: &Http) -> Result<Client, Error> {
        let invalid = |setting, reason: String| Error::InvalidSetting { setting, reason };
        let url = Url::parse(&http.url).map_err(|reason| invalid("url", reason))?;
        if url.encrypted && cfg!(not(feature = "tls")) {
            let reason = "https:// needs tachometer's feature `tls`; build with it, or read through a proxy on this machine \
                          that speaks TLS";
            return Err(invalid("url", reason.to_owned()));
        }
        if !url.encrypted && http.ca.is_some() {
            let reason = "only https:// URLs have TLS, and this one is http://";
            return Err(invalid("ca_file", reason.to_owned()));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A question that goes elsewhere may tell strangers our credentials.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("tachometer/", env!("CARGO_PKG_VERSION")));
        #[cfg(feature = "tls")]
        let config = match url.encrypted {
            true => config.tls_config(crate::tls::of_client(http.ca.as_deref())?),
            false => config,
        };
        let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
        for (name, value) in &http.headers {
            let parsed = HeaderName::try_from(name.as_str()).ok();
            let parsed = parsed.zip(HeaderValue::from_str(value.reveal()).ok());
            let fixed =
                ["content-length", "transfer-encoding", "connection", "host", "accept-encoding"];
            let reason = match parsed {
                None => "its name must be letters, digits and '-', its value one line",
                Some((name, _)) if fixed.contains(&name.as_str()) => "this one is set by itself",
                Some((name, mut value)) => {
                    value.set_sensitive(true);
                    headers.retain(|(known, _)| *known != name);
                    headers.push((name, value));
                    continue;
                }
            };
            return Err(invalid("header", format!("{name:?}: {reason}")));
        }
        let uri = Uri::try_from(url.to_string()).map_err(|_| {
            let reason = "it has a character that a URL cannot have where it stands";
            invalid("url", reason.to_owned())
        })?;
        Ok(Client { agent: config.build().into(), origin: url.origin(), uri, headers })
    }

    /// Asks, and once more if the connection was an old one that the server had closed.
    pub(super) fn get(&self, accept: &str, limits: &PollLimits) -> Result<Answer, SourceError> {
        let began = Instant::now();
        let mut again = true;
        loop {
            let left = limits.time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(SourceError::TimedOut { limit: limits.time });
            }
            let mut request = self.agent.get(self.uri.clone());
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            if !self.headers.iter().any(|(name, _)| name == header::ACCEPT) {
                request = request.header(header::ACCEPT, accept);
            }
            let request = request.header(header::ACCEPT_ENCODING, "gzip");
            match request.config().timeout_global(Some(left)).build().call() {
                Err(ureq::Error::Io(error)) if again && is_broken(error.kind()) => again = false,
                Err(error) => return Err(self.failed(&error, limits)),
                Ok(answer) => return self.read(answer, limits),
            }
        }
    }

    fn read(
        &self,
        mut answer: Response<ureq::Body>,
        limits: &PollLimits,
    ) -> Result<Answer, SourceError> {
        let status = answer.status().as_u16();
        if status != 200 {
            let denied = |advice| Err(SourceError::Denied { status, advice });
            return match status {
                300..=399 => denied("it wants another URL; give it that one"),
                401 | 403 => denied("the credentials that it is given do not open it"),
                404 | 405 | 410 => denied("there is nothing at this path; look at the URL"),
                406 => denied("it has none of the formats that are asked for"),
                429 => denied("it is asked too often"),
                502..=504 => {
                    denied("it is starting or overloaded, or a proxy before it does not reach it")
                }
                500.. => denied("it has a fault of its own"),
                _ => denied("it gives no page"),
            };
        }
        let text = |name| {
            let value = answer.headers().get(name);
            value.and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let content_type = text(header::CONTENT_TYPE);
        let packed = match &*text(header::CONTENT_ENCODING).to_ascii_lowercase() {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            other => {
                let shown: String = other.chars().take(40).collect();
                return Err(SourceError::malformed(format!(
                    "it is packed with {shown:?}, not with gzip"
                )));
            }
        };
        let reader = answer.body_mut().as_reader();
        let read = match packed {
            true => read_at_most(MultiGzDecoder::new(reader), limits.bytes),
            false => read_at_most(reader, limits.bytes),
        };
        let body = read.map_err(|error| match error.kind() {
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
                if packed =>
            {
                SourceError::malformed("its gzip cannot be unpacked, or was cut off")
            }
            _ => self.failed(&ureq::Error::from(error), limits),
        })?;
        match body {
            Some(body) => Ok(Answer { content_type, body }),
            None => Err(SourceError::TooLarge { limit: limits.bytes }),
        }
    }

    /// In words of our own where `ureq`'s would show the URL.
    fn failed(&self, error: &ureq::Error, limits: &PollLimits) -> SourceError {
        let limit = limits.time;
        let said = match error {
            ureq::Error::Timeout(_) => return SourceError::TimedOut { limit },
            ureq::Error::Io(error) if error.kind() == ErrorKind::TimedOut => {
                return SourceError::TimedOut { limit };
            }
            ureq::Error::Protocol(error) => {
                let error = shown(&error.to_string());
                return SourceError::malformed(format!(
                    "{}: its answer is not HTTP: {error}",
                    self.origin
                ));
            }
            ureq::Error::LargeResponseHeader(..) | ureq::Error::Http(_) => {
                return SourceError::malformed(format!("{}: its answer is not HTTP", self.origin));
            }
            ureq::Error::HostNotFound => "its name has no address".to_owned(),
            ureq::Error::ConnectionFailed => "no address took the connection".to_owned(),
            ureq::Error::Io(error) => shown(&error.to_string()),
            ureq::Error::Tls(why) => (*why).to_owned(),
            #[cfg(feature = "tls")]
            ureq::Error::Rustls(error) => shown(&error.to_string()),
            _ => "its answer cannot be read".to_owned(),
        };
        SourceError::Unreachable { reason: format!("{}: {said}", self.origin) }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// All of it; `None` if there is more than `limit`.
fn read_at_most(reader: impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(most).read_to_end(&mut body)?;
    Ok((body.len() <= limit).then_some(body))
}

/// Whether a connection that was kept may have been closed meanwhile.
fn is_broken(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Somebody else's words, short enough and on one line.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.trim().chars().take(MAX_SOURCE_MESSAGE_BYTES).collect();
    short.escape_debug().to_string()
}

/// The value of `Authorization` for a name and a password.
pub(super) fn basic(user: &str, password: &str) -> String {
    let mut value = "Basic ".to_owned();
    base64(format!("{user}:{password}").as_bytes(), false, &mut value);
    value
}

/// The settings, on a builder with a field `http`.
macro_rules! http_settings {
    ($builder:ident) => {
        impl $builder {
            /// Sends a name and a password with each request.
            pub fn basic_auth(self, user: &str, password: &str) -> Self {
                self.header("Authorization", $crate::source::http::basic(user, password))
            }

            /// Sends a token with each request: `Authorization: Bearer …`.
            pub fn bearer_token(self, token: &str) -> Self {
                self.header("Authorization", format!("Bearer {token}"))
            }

            /// Sends a header with each request, in the place of another one of that name. Its value is shown nowhere.
            pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.http.headers.push((name.into(), $crate::secret::Secret::new(value)));
                self
            }

            /// Trusts the certificate authorities in a PEM file, and no others; those of the system if it is not called. For
            /// `https://`, with feature `tls`. The file is read once, by `build`.
            pub fn ca_file(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.http.ca = Some(path.into());
                self
            }
        }
    };
}

pub(super) use http_settings;
