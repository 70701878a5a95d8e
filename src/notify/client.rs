//! One POST of JSON to one URL, by `ureq`, on the endpoint's thread: a connection for each, no redirects, no proxy.

use super::http::Http;
use super::own::Failure;
use super::worker::Outcome;
use crate::Error;
use crate::limits::MAX_NOTIFY_MESSAGE_BYTES;
use crate::retry::retry_after;
use crate::url::{Url, base64};
use std::fmt;
use std::io::{ErrorKind, Read as _};
use std::time::{Duration, SystemTime};
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Uri, header};

pub(super) struct Client {
    agent: Agent,
    /// Scheme, host and port: what may be shown of the URL, whose path and query may be secret.
    origin: String,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Without headers, path and query, which may be secret.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of `url`, with the settings of `http`. Files are read.
    pub(super) fn new(url: Url, http: &Http) -> Result<Client, Error> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // What another address is to do with it, nobody knows; and a redirected POST may become a GET.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .max_idle_connections(0)
            .max_idle_connections_per_host(0)
            .user_agent(concat!("tachometer/", env!("CARGO_PKG_VERSION")));
        #[cfg(feature = "tls")]
        let config = match url.encrypted {
            true => config.tls_config(super::tls::config(http.ca.as_deref())?),
            false => config,
        };
        let invalid =
            |setting, reason: &str| Error::InvalidSetting { setting, reason: reason.to_owned() };
        if url.encrypted && cfg!(not(feature = "tls")) {
            let reason = "https:// needs tachometer's feature `tls`; build with it, or send to a proxy on this machine \
                          that speaks TLS";
            return Err(invalid("url", reason));
        }
        if !url.encrypted && http.ca.is_some() {
            let reason = "only https:// URLs have TLS, and this one is http://";
            return Err(invalid("ca_file", reason));
        }
        let mut headers =
            vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        for (name, value) in &http.headers {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| {
                let reason = "its name has other characters than a header's name can have";
                invalid("header", reason)
            })?;
            let value = HeaderValue::from_str(value.reveal()).map_err(|_| {
                let reason =
                    format!("the value of {name} has a character that a header cannot have");
                invalid("header", &reason)
            })?;
            headers.retain(|(other, _)| *other != name);
            headers.push((name, value));
        }
        for (_, value) in &mut headers {
            value.set_sensitive(true);
        }
        let uri = Uri::try_from(url.to_string()).map_err(|_| {
            let reason = "it has a character that a URL cannot have where it stands";
            invalid("url", reason)
        })?;
        Ok(Client { agent: config.build().into(), origin: url.origin(), uri, headers })
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends `body` and waits for the answer, at most for `limit`.
    pub(super) fn post(&self, body: &[u8], limit: Duration) -> Outcome {
        let mut request = self.agent.post(self.uri.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.config().timeout_global(Some(limit)).build();
        let mut answer = match request.send(body) {
            Ok(answer) => answer,
            Err(error) => return self.failed(&error, limit),
        };
        let status = answer.status();
        if status.is_success() {
            return Outcome::Arrived;
        }
        let asked = answer.headers().get(header::RETRY_AFTER);
        let asked = asked.and_then(|value| retry_after(value.to_str().ok()?, unix_now()));
        let mut said = Vec::new();
        // What it says is a courtesy: the status decides.
        let most = MAX_NOTIFY_MESSAGE_BYTES as u64;
        let _ = answer.body_mut().as_reader().take(most).read_to_end(&mut said);
        let said = String::from_utf8_lossy(&said);
        let said = said.trim().escape_debug();
        let code = status.as_u16();
        let origin = &self.origin;
        if matches!(code, 408 | 429 | 500..=599) {
            let said = format!("{origin} answers {code}: {said}");
            return Outcome::Failed { why: Failure::Status, said, asked };
        }
        let advice = match code {
            300..=399 => "it wants another URL; give it that one",
            401 | 403 => "give it other credentials",
            404 | 405 => "the path of the URL is not the right one",
            _ => "it does not take what it was sent",
        };
        let said = format!("{origin} answers {code} ({advice}): {said}");
        Outcome::Refused { said, apart: matches!(code, 400 | 413 | 422) }
    }

    /// In words of our own where `ureq`'s would show the URL.
    fn failed(&self, error: &ureq::Error, limit: Duration) -> Outcome {
        let (why, said) = match error {
            ureq::Error::Timeout(_) => {
                (Failure::Timeout, format!("it did not answer within {limit:?}"))
            }
            ureq::Error::HostNotFound => (Failure::Resolve, "its name has no address".to_owned()),
            ureq::Error::ConnectionFailed => {
                (Failure::Connect, "no address took the connection".to_owned())
            }
            ureq::Error::Io(error) => (of_io(error), error.to_string()),
            ureq::Error::Tls(why) => (Failure::Tls, (*why).to_owned()),
            #[cfg(feature = "tls")]
            ureq::Error::Rustls(error) => (Failure::Tls, error.to_string()),
            ureq::Error::Protocol(error) => {
                (Failure::Malformed, format!("its answer is not HTTP: {error}"))
            }
            _ => (Failure::Malformed, "its answer cannot be read".to_owned()),
        };
        let said: String = said.chars().take(MAX_NOTIFY_MESSAGE_BYTES).collect();
        let said = format!("{}: {}", self.origin, said.escape_debug());
        Outcome::Failed { why, said, asked: None }
    }
}

fn of_io(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable
        | ErrorKind::PermissionDenied => Failure::Connect,
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::Timeout,
        // Of what a socket says, nothing; of TLS, that it is none.
        ErrorKind::InvalidData => Failure::Tls,
        // The look-up of a name has errors that are not the system's own.
        _ if error.to_string().contains("lookup address") => Failure::Resolve,
        _ => Failure::Closed,
    }
}

/// The value of `Authorization` for a name and a password.
pub(super) fn basic(user: &str, password: &str) -> String {
    let mut value = "Basic ".to_owned();
    base64(format!("{user}:{password}").as_bytes(), false, &mut value);
    value
}

fn unix_now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
