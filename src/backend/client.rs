//! Calls: a question over HTTP, and an answer that is one of Prometheus's API, or an error.

use super::{Backend, BackendError, read};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use ureq::http::{HeaderName, HeaderValue};
use ureq::{Agent, Error};

/// Characters of what a backend says that an error shows.
const SHOWN: usize = 200;

/// Where a backend is.
#[derive(Debug)]
pub(super) struct Place {
    /// What stands before `/api/v1`.
    pub(super) base: String,
    /// What messages say.
    pub(super) address: String,
    pub(super) socket: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) struct Client {
    pub(super) agent: Agent,
    pub(super) base: String,
    pub(super) address: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Those of each call.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) time_limit: Duration,
    pub(super) max_bytes: usize,
}

/// An answer of the API: a success. Its text is not yet known to be JSON.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) text: String,
}

/// An error of the API, as the backend has written it.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) error: BackendError,
    /// Its JSON, where it is of the API's shape.
    pub(crate) text: Option<String>,
}

impl From<BackendError> for Said {
    fn from(error: BackendError) -> Said {
        Said { error, text: None }
    }
}

impl Client {
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn time_limit(&self) -> Duration {
        self.time_limit
    }

    /// Asks, and once more if the connection was an old one that the backend had closed.
    pub(super) fn ask(
        &self,
        path: &str,
        form: &[(&str, &str)],
        is_post: bool,
        limit: Duration,
    ) -> Result<(u16, Vec<u8>), BackendError> {
        let began = Instant::now();
        let mut again = true;
        loop {
            let left = limit.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(self.failed(Error::Timeout(ureq::Timeout::Global), limit));
            }
            match self.ask_once(path, form, is_post, left) {
                Err(Error::Io(error)) if again && is_broken(error.kind()) => again = false,
                asked => return asked.map_err(|error| self.failed(error, limit)),
            }
        }
    }

    fn ask_once(
        &self,
        path: &str,
        form: &[(&str, &str)],
        is_post: bool,
        limit: Duration,
    ) -> Result<(u16, Vec<u8>), Error> {
        let url = format!("{}{path}", self.base);
        let own = self.parameters.iter().map(|(name, value)| (&**name, &**value));
        let form: Vec<(&str, &str)> = own.chain(form.iter().copied()).collect();
        let mut answer = if is_post {
            let mut request = self.agent.post(url);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            request.config().timeout_global(Some(limit)).build().send_form(form)?
        } else {
            let mut request = self.agent.get(url).query_pairs(form);
            for (name, value) in &self.headers {
                request = request.header(name, value);
            }
            request.config().timeout_global(Some(limit)).build().call()?
        };
        // The limit is met by an answer that has as many bytes; one more shows that there are.
        let most = self.max_bytes as u64;
        let body = answer.body_mut().with_config().limit(most.saturating_add(1)).read_to_vec()?;
        Ok((answer.status().as_u16(), body))
    }

    fn failed(&self, error: Error, limit: Duration) -> BackendError {
        let address = self.address.clone();
        match error {
            Error::Timeout(_) => BackendError::TimedOut { address, limit },
            Error::BodyExceedsLimit(_) => BackendError::TooLarge { limit: self.max_bytes },
            Error::Io(error) if error.kind() == ErrorKind::TimedOut => {
                BackendError::TimedOut { address, limit }
            }
            Error::Protocol(_) | Error::LargeResponseHeader(..) | Error::Http(_) => {
                BackendError::Malformed { address, reason: shown(&error.to_string()) }
            }
            Error::HostNotFound => {
                BackendError::Unreachable { address, reason: "there is no such host".to_owned() }
            }
            error => BackendError::Unreachable { address, reason: shown(&error.to_string()) },
        }
    }

    /// What an answer comes to.
    fn judge(&self, status: u16, body: Vec<u8>) -> Result<Body, Said> {
        if body.len() > self.max_bytes {
            return Err(BackendError::TooLarge { limit: self.max_bytes }.into());
        }
        let address = || self.address.clone();
        let text = String::from_utf8(body);
        if status == 200 {
            let text = text.map_err(|_| BackendError::Malformed {
                address: address(),
                reason: "the answer is not UTF-8".to_owned(),
            })?;
            return Ok(Body { text });
        }
        let text = text.unwrap_or_default();
        let denied = |advice| BackendError::Denied { address: address(), status, advice };
        let error = match (status, read::error(&text)) {
            // Not the client's credentials, but ours.
            (401 | 403, _) => {
                denied("the credentials that it is given do not open it; look at its settings here")
            }
            (300..=399, _) => denied("it sends us elsewhere; give the URL that it is at"),
            (_, Some((kind, reason))) => {
                let error = BackendError::Answered { status, kind, reason };
                return Err(Said { error, text: Some(text) });
            }
            (404 | 405, None) => denied(
                "there is no such endpoint; look at the URL's path, which stands before /api/v1",
            ),
            (429, None) => denied("it is asked too often"),
            (502..=504, None) => denied("a proxy before it does not reach it, or it is starting"),
            (_, None) => BackendError::Malformed {
                address: address(),
                reason: format!("status {status}, {}", beginning(&text)),
            },
        };
        Err(error.into())
    }
}

impl Backend {
    /// Asks with a form.
    pub(super) fn post(
        &self,
        path: &str,
        form: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Body, BackendError> {
        self.call(path, form, true, limit, |_| Ok(())).map_err(|said| said.error)
    }

    /// Asks, by GET or with a form; `check` looks at the text of a success. Counts how it went.
    pub(crate) fn call(
        &self,
        path: &str,
        form: &[(&str, &str)],
        is_post: bool,
        limit: Duration,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Result<Body, Said> {
        let began = Instant::now();
        let limit = limit.min(self.client.time_limit);
        let asked = self.client.ask(path, form, is_post, limit);
        let answer = asked.map_err(Said::from).and_then(|(status, body)| {
            let body = self.client.judge(status, body)?;
            let checked = check(&body.text).map_err(|why| BackendError::Malformed {
                address: self.address().to_owned(),
                reason: format!("{why}: {}", beginning(&body.text)),
            });
            checked.map(|()| body).map_err(Said::from)
        });
        if let Some(own) = &self.own {
            own.called(answer.as_ref().err().map(|said| &said.error), began.elapsed());
        }
        answer
    }
}

/// Whether a connection that was kept may have been closed meanwhile.
fn is_broken(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Somebody else's words, short enough and on one line.
fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect::<String>().escape_debug().to_string()
}

fn beginning(text: &str) -> String {
    match text.trim() {
        "" => "without a word".to_owned(),
        text => format!("which begins: {}", shown(text)),
    }
}

/// Milliseconds as the API has times.
pub(super) fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    format!("{sign}{}.{:03}", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}
