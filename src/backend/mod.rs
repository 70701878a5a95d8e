//! Series that are kept elsewhere: a server with Prometheus's query API (Prometheus, Mimir, Thanos, VictoriaMetrics), which is fed
//! by remote write, say. Features `backend`, and `tls` for `https://`.
//!
//! A process whose memory is too small for its history asks there instead. Two ways lead to a [`Backend`]:
//!
//! - [`ListenerBuilder::query_backend`](crate::ListenerBuilder::query_backend) hands the listener's `/api/v1/query` and its like on
//!   to it: the backend evaluates, with its own language and limits, and its answers come back as they are.
//! - It is a [`Source`](crate::query::Source): rules, `/metrics/aggregated` and queries of this process are evaluated here, over
//!   samples that are fetched from there.
//!
//! What the second way cannot know: a selector over a range gives no staleness markers, so a series that ended is there until the
//! look-back is over (Prometheus itself drops it at once); and of metadata there is what the backend has, which is nothing for
//! most of what came by remote write. Prefer [`Backend::instant`], which has the backend evaluate.
//!
//! The way of a call: `client` asks and bounds, `read` makes answers of JSON, `source` selects; `own` counts, `unix` connects to
//! sockets in the file system.

#![forbid(unsafe_code)]

mod builder;
mod client;
mod error;
mod own;
mod read;
mod source;
mod unix;

pub use builder::BackendBuilder;
pub use error::BackendError;
pub(crate) use read::Shape;

use crate::Error;
use crate::query::Answer;
use crate::registry::Registry;
use client::Client;
use own::Own;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An answer to `/api/v1/query` or `/api/v1/query_range`, from its JSON: for one that came another way than by a [`Backend`].
///
/// ```
/// use tachometer::query::Answer;
/// let text = r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000.25,"42"]}}"#;
/// let answer = tachometer::backend::parse_answer(text).unwrap();
/// assert_eq!(answer, Answer::Scalar { time_ms: 1_700_000_000_250, value: 42.0 });
/// assert!(tachometer::backend::parse_answer("<html>").is_err());
/// ```
///
/// # Errors
/// Why it is no such answer.
pub fn parse_answer(text: &str) -> Result<Answer, String> {
    read::answer(text)
}

/// A server with Prometheus's query API. Clones share connections. Feature `backend`.
///
/// Cost: each call is a request, and blocks the calling thread until its answer is there, at most for
/// [`Backend::time_limit`]. Connections are kept for the next call. Nothing runs in between. A call that finds its kept connection
/// closed is made once more; nothing else is repeated.
///
/// ```
/// use tachometer::{Backend, Engine, Listener, Registry};
/// let backend = Backend::builder("http://127.0.0.1:9090/prometheus")
///     .header("X-Scope-OrgID", "orders")
///     .bearer_token("secret")
///     .build()?;
/// let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let listener = Listener::builder().query_backend(backend).bind(&engine, "127.0.0.1:0")?;
/// // Its /api/v1/query is now the backend's.
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Clone)]
pub struct Backend {
    client: Arc<Client>,
    own: Option<Own>,
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl Backend {
    /// The backend at `url`, with default settings; see [`Backend::builder`].
    ///
    /// # Errors
    /// As [`BackendBuilder::build`].
    pub fn new(url: impl Into<String>) -> Result<Backend, Error> {
        Backend::builder(url).build()
    }

    /// Settings for a backend at `url`: `http://host:port`, `https://` (feature `tls`), with the path before `/api/v1` if there is
    /// one (Mimir has `/prometheus`); or `unix:` and the path of a socket.
    pub fn builder(url: impl Into<String>) -> BackendBuilder {
        BackendBuilder::new(url.into())
    }

    /// Where it is: the URL without anything secret.
    pub fn address(&self) -> &str {
        self.client.address()
    }

    /// How long a call may take.
    pub fn time_limit(&self) -> Duration {
        self.client.time_limit()
    }

    /// What the backend says to a query, at `time_ms` (milliseconds since 1970), or now.
    ///
    /// ```no_run
    /// use tachometer::Backend;
    /// use tachometer::query::Answer;
    /// let backend = Backend::new("http://127.0.0.1:9090")?;
    /// if let Answer::Vector(samples) = backend.instant("up == 0", None)? {
    ///     samples.iter().for_each(|sample| println!("{} is down", sample.labels));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The backend is not there, does not answer in time, or does not like the query.
    pub fn instant(&self, query: &str, time_ms: Option<i64>) -> Result<Answer, BackendError> {
        let time = time_ms.map(client::seconds);
        let mut form = vec![("query", query)];
        form.extend(time.as_deref().map(|time| ("time", time)));
        let body = self.post("/api/v1/query", &form, self.time_limit())?;
        self.read(read::answer(&body.text))
    }

    /// What the backend says to a query at steps from `times_ms.0` to `times_ms.1`, both of them in: an [`Answer::Matrix`].
    ///
    /// # Errors
    /// As [`Backend::instant`].
    pub fn range(
        &self,
        query: &str,
        times_ms: (i64, i64),
        step_ms: i64,
    ) -> Result<Answer, BackendError> {
        let [start, end, step] = [times_ms.0, times_ms.1, step_ms].map(client::seconds);
        let form = [("query", query), ("start", &*start), ("end", &end), ("step", &step)];
        let body = self.post("/api/v1/query_range", &form, self.time_limit())?;
        self.read(read::answer(&body.text))
    }

    /// Any other page of the server, by GET: its status and its text, whatever the status.
    ///
    /// ```no_run
    /// let backend = tachometer::Backend::new("http://127.0.0.1:9464")?;
    /// let (status, report) = backend.get("/health", &[])?;
    /// println!("{status}: {report}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The backend is not there, does not answer in time or at too great a length, or answers with what is no UTF-8.
    pub fn get(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(u16, String), BackendError> {
        let (status, body) = self.client.ask(path, parameters, false, self.time_limit())?;
        if body.len() > self.client.max_bytes {
            return Err(BackendError::TooLarge { limit: self.client.max_bytes });
        }
        self.read(String::from_utf8(body).map_err(|_| format!("{path} is no UTF-8")))
            .map(|text| (status, text))
    }

    /// As this one, counting its calls beside an engine's own metrics.
    pub(crate) fn counted_by(&self, registry: &Registry) -> Result<Backend, Error> {
        Ok(Backend { client: self.client.clone(), own: Own::register(registry)? })
    }

    fn read<T>(&self, read: Result<T, String>) -> Result<T, BackendError> {
        read.map_err(|reason| BackendError::Malformed {
            address: self.address().to_owned(),
            reason,
        })
    }
}
