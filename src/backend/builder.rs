//! Settings of a backend.

use super::client::{Client, Place};
use super::unix::{NoNames, Socket};
use super::{Backend, BackendError};
use crate::Error;
use crate::limits::{BACKEND_IDLE_TIMEOUT, DEFAULT_QUERY_TIME_LIMIT, MAX_HTTP_ANSWER_BYTES};
use crate::secret::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Uri};

/// Settings of a [`Backend`]. Feature `backend`.
///
/// ```
/// use std::time::Duration;
/// use tachometer::Backend;
/// let backend = Backend::builder("http://thanos:9090")
///     .basic_auth("node", "password")
///     .parameter("dedup", "true")
///     .time_limit(Duration::from_secs(10));
/// assert!(!format!("{backend:?}").contains("password"));
/// // What is wrong is said at once.
/// let error = Backend::new("thanos:9090").unwrap_err();
/// assert!(error.to_string().contains("http://"), "{error}");
/// # backend.build()?;
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "there is no backend until `build`"]
pub struct BackendBuilder {
    url: Secret,
    headers: Vec<(String, Secret)>,
    parameters: Vec<(String, String)>,
    time_limit: Duration,
    max_bytes: usize,
    #[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "only TLS needs it"))]
    ca_file: Option<PathBuf>,
}

impl BackendBuilder {
    pub(super) fn new(url: String) -> BackendBuilder {
        BackendBuilder {
            url: Secret::new(url),
            headers: Vec::new(),
            parameters: Vec::new(),
            time_limit: DEFAULT_QUERY_TIME_LIMIT,
            max_bytes: MAX_HTTP_ANSWER_BYTES,
            ca_file: None,
        }
    }

    /// Adds a header to each call: a tenant (`X-Scope-OrgID`), a token. Its value appears in no message or `Debug` output. Of a
    /// name that is given twice, the last one is sent.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        let name = name.into();
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.headers.push((name, Secret::new(value)));
        self
    }

    /// Calls with user and password.
    pub fn basic_auth(self, user: &str, password: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.header("Authorization", format!("Basic {pair}"))
    }

    /// Calls with a token.
    pub fn bearer_token(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    /// Adds a parameter to each call, as `dedup` of Thanos or `extra_label` of VictoriaMetrics. Clients of the listener cannot
    /// change it: of theirs, only those of Prometheus's API are handed on.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// How long a call may take, from the look-up of the name to the end of the answer;
    /// [`DEFAULT_QUERY_TIME_LIMIT`] by default.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// The most bytes of an answer; [`MAX_HTTP_ANSWER_BYTES`] by default.
    pub fn max_bytes(mut self, most: usize) -> Self {
        self.max_bytes = most;
        self
    }

    /// The authorities that vouch for the backend: a PEM file, instead of the system's own. Feature `tls`.
    #[cfg(feature = "tls")]
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into());
        self
    }

    /// Checks everything; asks nobody yet.
    ///
    /// # Errors
    /// The URL, a header or a limit makes no sense; the file of authorities cannot be used; `https://` without feature `tls`.
    pub fn build(self) -> Result<Backend, Error> {
        let invalid = |setting, reason: String| Error::InvalidSetting { setting, reason };
        if self.time_limit.is_zero() {
            return Err(invalid("time_limit", "a call takes some time; give more than 0".into()));
        }
        if self.max_bytes == 0 {
            return Err(invalid("max_bytes", "an answer has some bytes; give more than 0".into()));
        }
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let fixed = ["content-length", "transfer-encoding", "connection", "host"];
            let parsed =
                name.parse::<HeaderName>().ok().zip(HeaderValue::from_str(value.reveal()).ok());
            let reason = match parsed {
                None => "its name must be letters, digits and '-', its value one line",
                Some((name, _)) if fixed.contains(&name.as_str()) => "this one is set by itself",
                Some((name, mut value)) => {
                    value.set_sensitive(true);
                    headers.push((name, value));
                    continue;
                }
            };
            return Err(invalid("header", format!("{name:?}: {reason}")));
        }
        let place = place(self.url.reveal()).map_err(|reason| invalid("url", reason))?;
        let agent = self.agent(&place)?;
        let Place { base, address, .. } = place;
        let (parameters, time_limit) = (self.parameters, self.time_limit);
        let client = Client {
            agent,
            base,
            address,
            headers,
            parameters,
            time_limit,
            max_bytes: self.max_bytes,
        };
        Ok(Backend { client: Arc::new(client), own: None })
    }

    fn agent(&self, place: &Place) -> Result<Agent, Error> {
        let config = Agent::config_builder()
            // Whatever it is, we read what it says.
            .http_status_as_error(false)
            // A question that goes elsewhere may tell strangers our credentials.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("tachometer/", env!("CARGO_PKG_VERSION")))
            .accept("application/json")
            .max_idle_age(BACKEND_IDLE_TIMEOUT);
        #[cfg(feature = "tls")]
        let config = match place.base.starts_with("https:") {
            true => config.tls_config(self.tls()?),
            false => config,
        };
        let config = config.build();
        Ok(match &place.socket {
            Some(path) => Agent::with_parts(config, Socket(path.clone()), NoNames),
            None => Agent::new_with_config(config),
        })
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> Result<ureq::tls::TlsConfig, Error> {
        use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
        let roots = match &self.ca_file {
            Some(path) => crate::tls::certificates(path)?,
            None => crate::tls::certificates_of_system()?,
        };
        let roots = roots.iter().map(|one| Certificate::from_der(one).to_owned());
        Ok(TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .root_certs(RootCerts::Specific(Arc::new(roots.collect())))
            .unversioned_rustls_crypto_provider(crate::tls::provider())
            .build())
    }
}

/// Where a URL leads.
fn place(url: &str) -> Result<Place, String> {
    if let Some(path) = url.strip_prefix("unix:") {
        if path.is_empty() {
            return Err("expected the path of a socket behind unix:".to_owned());
        }
        let base = "http://localhost".to_owned();
        return Ok(Place { base, address: url.to_owned(), socket: Some(path.into()) });
    }
    // Nothing of the URL is shown: who gets it wrong may have written a password into it.
    let expected = "expected http://host:port or https://host:port, with a path if the API is not at its root, or unix: and \
                    the path of a socket";
    let parsed: Uri = url.parse().map_err(|_| expected.to_owned())?;
    let authority = parsed.authority().filter(|authority| !authority.host().is_empty());
    let (Some(scheme), Some(authority)) = (parsed.scheme_str(), authority) else {
        return Err(expected.to_owned());
    };
    match scheme {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => {
            return Err("this program was built without encryption: build it with the feature `tls` of tachometer, or use \
                        http://"
                .to_owned());
        }
        _ => return Err(expected.to_owned()),
    }
    if authority.as_str().contains('@') {
        return Err("user and password do not belong into the URL: use `basic_auth`".to_owned());
    }
    if parsed.query().is_some() || url.contains('#') {
        return Err("there is a ? or # in it: parameters are set with `parameter`".to_owned());
    }
    let path = parsed.path().trim_end_matches('/');
    if path.ends_with("/api/v1") {
        return Err("leave /api/v1 out: calls add it".to_owned());
    }
    let base = format!("{scheme}://{authority}{path}");
    Ok(Place { address: base.clone(), base, socket: None })
}

/// An error of the backend as one of the engine's, for who has no other.
impl From<BackendError> for Error {
    fn from(error: BackendError) -> Error {
        let kind = match &error {
            BackendError::TimedOut { .. } => std::io::ErrorKind::TimedOut,
            BackendError::Unreachable { .. } => std::io::ErrorKind::NotConnected,
            _ => std::io::ErrorKind::InvalidData,
        };
        Error::Io { attempt: "ask the query backend".to_owned(), kind, reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_somewhere_or_say_why_not() {
        for (url, base) in [
            ("http://a:9090", "http://a:9090"),
            ("http://a:9090/", "http://a:9090"),
            ("http://[::1]:9090/prometheus/", "http://[::1]:9090/prometheus"),
            ("unix:/run/a b.sock", "http://localhost"),
        ] {
            assert_eq!(place(url).unwrap().base, base, "{url}");
        }
        for (url, word) in [
            ("", "expected"),
            ("a:9090", "expected"),
            ("ftp://a", "expected"),
            ("http://", "expected"),
            ("/path", "expected"),
            ("http://user:secret@a", "basic_auth"),
            ("http://a?dedup=true", "parameter"),
            ("http://a/#x", "parameter"),
            ("http://a/api/v1/", "/api/v1"),
            ("unix:", "socket"),
        ] {
            let error = Backend::new(url).unwrap_err().to_string();
            assert!(error.contains(word) && !error.contains("secret"), "{url}: {error}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        let new = || Backend::builder("http://a");
        for (builder, word) in [
            (new().time_limit(Duration::ZERO), "time_limit"),
            (new().max_bytes(0), "max_bytes"),
            (new().header("a b", "c"), "a b"),
            (new().header("a", "c\nd"), "one line"),
            (new().bearer_token("c\r\nd"), "one line"),
            (new().header("Host", "c"), "by itself"),
        ] {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
