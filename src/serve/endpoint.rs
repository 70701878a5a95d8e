//! Endpoints of the host's own: paths, and who answers there.

use super::api::Failure;
use super::api::form::Form;
use super::own::Code;
use super::site::Reply;
use crate::Error;
use crate::limits::{MAX_HTTP_ANSWER_BYTES, MAX_HTTP_ENDPOINTS};
use crate::query::QueryError;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A request for an endpoint of the host's own: see
/// [`ListenerBuilder::endpoint`](crate::serve::ListenerBuilder::endpoint). Feature `promql`.
#[derive(Clone, Copy, Debug)]
pub struct EndpointRequest<'a> {
    path: &'a str,
    form: &'a Form,
}

impl<'a> EndpointRequest<'a> {
    /// The path, without the listener's prefix.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// The first value of a parameter behind the `?`, decoded; nothing if there is none, or an empty one.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        self.form.first(name)
    }

    /// All values of a parameter, decoded.
    pub fn parameters(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.form.all(name)
    }
}

/// What an endpoint of the host's own answers with status 200. Feature `promql`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointAnswer {
    content_type: &'static str,
    body: String,
}

impl EndpointAnswer {
    /// An answer of this media type.
    pub fn new(content_type: &'static str, body: impl Into<String>) -> EndpointAnswer {
        EndpointAnswer { content_type, body: body.into() }
    }

    /// An answer in JSON, which `body` is.
    pub fn json(body: impl Into<String>) -> EndpointAnswer {
        EndpointAnswer::new("application/json", body)
    }
}

/// Why an endpoint of the host's own has no answer; for the client to read. Feature `promql`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointError {
    /// A parameter is wrong: 400.
    BadRequest(String),
    /// There is nothing of the name that was asked for: 404.
    NotFound(String),
    /// It is too much, or cannot be computed: 422.
    Unprocessable(String),
    /// Something is wrong here: 500.
    Internal(String),
    /// It cannot be said now: 503.
    Unavailable(String),
}

impl EndpointError {
    /// The status code of the answer.
    pub fn status(&self) -> u16 {
        match self {
            EndpointError::BadRequest(_) => 400,
            EndpointError::NotFound(_) => 404,
            EndpointError::Unprocessable(_) => 422,
            EndpointError::Internal(_) => 500,
            EndpointError::Unavailable(_) => 503,
        }
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (EndpointError::BadRequest(why)
        | EndpointError::NotFound(why)
        | EndpointError::Unprocessable(why)
        | EndpointError::Internal(why)
        | EndpointError::Unavailable(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for EndpointError {}

/// With the status that the query API has for it.
impl From<QueryError> for EndpointError {
    fn from(error: QueryError) -> EndpointError {
        let why = error.to_string();
        match error.kind() {
            "bad_data" => EndpointError::BadRequest(why),
            "execution" => EndpointError::Unprocessable(why),
            "internal" => EndpointError::Internal(why),
            _ => EndpointError::Unavailable(why),
        }
    }
}

impl From<EndpointError> for Failure {
    fn from(error: EndpointError) -> Failure {
        let kind = match error {
            EndpointError::BadRequest(_) => "bad_data",
            EndpointError::NotFound(_) => "not_found",
            EndpointError::Unprocessable(_) => "execution",
            EndpointError::Internal(_) => "internal",
            EndpointError::Unavailable(_) => "unavailable",
        };
        Failure { kind, why: error.to_string() }
    }
}

/// Who answers at a path.
type Handler = dyn Fn(&EndpointRequest<'_>) -> Result<EndpointAnswer, EndpointError> + Send + Sync;

/// All that the host answers itself, by path.
#[derive(Clone, Default)]
pub(super) struct Endpoints(Arc<BTreeMap<String, Arc<Handler>>>);

impl Endpoints {
    pub(super) fn add(&mut self, path: String, answer: Arc<Handler>) -> Result<(), Error> {
        let invalid = |reason: String| Err(Error::InvalidSetting { setting: "endpoint", reason });
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let is_path = path.starts_with('/') && path.len() > 1 && !path.contains("//");
        if !is_path || path.ends_with('/') || !path.bytes().all(fine) {
            return invalid(format!(
                "{path:?} is not a path of letters, digits, '-', '.', '_' and '~', as /api/v1/nodes is"
            ));
        }
        let own =
            ["/metrics", "/health", "/health/live", "/health/ready", "/stats", "/api/v1/events"];
        if own.contains(&&*path) || super::api::Endpoint::of(&path).is_some() {
            return invalid(format!("{path} is answered by the listener itself"));
        }
        if self.has(&path) {
            return invalid(format!("{path} was given twice"));
        }
        if self.0.len() == MAX_HTTP_ENDPOINTS {
            return Err(Error::TooMany {
                what: "endpoints".to_owned(),
                limit: MAX_HTTP_ENDPOINTS,
                advice: "let one tell by a parameter what is asked for",
            });
        }
        Arc::make_mut(&mut self.0).insert(path, answer);
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    #[cfg(feature = "axum")]
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn answer(&self, path: &str, form: &Form) -> Result<Reply, Failure> {
        let missing = || Failure::from(EndpointError::NotFound(format!("nothing is at {path}")));
        let handler = self.0.get(path).ok_or_else(missing)?;
        let answer = handler(&EndpointRequest { path, form })?;
        if answer.body.len() > MAX_HTTP_ANSWER_BYTES {
            let why =
                format!("the answer has more than {MAX_HTTP_ANSWER_BYTES} bytes; ask for less");
            return Err(EndpointError::Unprocessable(why).into());
        }
        Ok(Reply::text(Code::Ok, answer.content_type, answer.body))
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(endpoints: &mut Endpoints, path: &str) -> Result<(), Error> {
        endpoints.add(path.to_owned(), Arc::new(|_| Ok(EndpointAnswer::json("{}"))))
    }

    #[test]
    fn paths_that_cannot_be_or_are_taken_are_refused() {
        let mut endpoints = Endpoints::default();
        for path in
            ["", "/", "nodes", "/nodes/", "//nodes", "/a b", "/a?b", "/metrics", "/api/v1/query"]
        {
            assert!(add(&mut endpoints, path).is_err(), "{path}");
        }
        add(&mut endpoints, "/api/v1/nodes").unwrap();
        let error = add(&mut endpoints, "/api/v1/nodes").unwrap_err();
        assert!(error.to_string().contains("twice"), "{error}");
        for at in 1..MAX_HTTP_ENDPOINTS {
            add(&mut endpoints, &format!("/nodes/{at}")).unwrap();
        }
        let error = add(&mut endpoints, "/one/more").unwrap_err();
        assert!(matches!(error, Error::TooMany { limit: MAX_HTTP_ENDPOINTS, .. }), "{error}");
    }

    #[test]
    fn an_answer_beyond_the_limit_and_an_error_say_why() {
        let mut endpoints = Endpoints::default();
        let huge = |_: &EndpointRequest<'_>| {
            Ok(EndpointAnswer::json("x".repeat(MAX_HTTP_ANSWER_BYTES + 1)))
        };
        endpoints.add("/huge".to_owned(), Arc::new(huge)).unwrap();
        let echo = |request: &EndpointRequest<'_>| {
            let text = request.parameter("text");
            let text = text.ok_or_else(|| EndpointError::BadRequest("no text".to_owned()))?;
            Ok(EndpointAnswer::new("text/plain", text))
        };
        endpoints.add("/echo".to_owned(), Arc::new(echo)).unwrap();
        let answer = |path: &str, query: &str| {
            let form = Form::read(b"", query).unwrap();
            endpoints.answer(path, &form).map(|reply| reply.body.bytes().to_vec())
        };
        assert_eq!(answer("/echo", "text=a%20b").unwrap(), b"a b");
        assert_eq!(answer("/echo", "").unwrap_err().kind, "bad_data");
        assert_eq!(answer("/huge", "").unwrap_err().kind, "execution");
        assert_eq!(answer("/nothing", "").unwrap_err().kind, "not_found");
    }
}
