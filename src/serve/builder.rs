//! Settings of a listener.

#[cfg(feature = "promql")]
use super::api::Api;
#[cfg(all(feature = "history", feature = "rules"))]
use super::api::rules::RulesApi;
#[cfg(feature = "promql")]
use super::endpoint::{EndpointAnswer, EndpointError, EndpointRequest};
use super::line::Socket;
use super::network::Network;
use super::request::Rules;
use super::settings::Limits;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::worker::{Door, Worker};
use super::{Address, Listener, Responder, refused, responder, unix};
#[cfg(feature = "health")]
use crate::health::Health;
#[cfg(feature = "promql")]
use crate::query::{Settings, Source};
#[cfg(all(feature = "history", feature = "rules"))]
use crate::rules::RuleManager;
use crate::shard::fork;
use crate::{Encoder, Engine, Error};
use std::fmt;
use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::path::Path;
#[cfg(feature = "tls")]
use std::path::PathBuf;
#[cfg(feature = "promql")]
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

/// Settings of a [`Listener`]. Feature `http`.
///
/// ```
/// use tachometer::{Engine, Listener, Registry};
/// let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let listener = Listener::builder()
///     .prefix("/internal")
///     .allow("127.0.0.0/8".parse()?)
///     .bearer_token("a long random text")
///     .connections(32)
///     .bind(&engine, "127.0.0.1:0")?;
/// println!("http://{}/internal/metrics", listener.local_addr());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing listens until `bind`"]
pub struct ListenerBuilder {
    pub(super) rules: Rules,
    pub(super) limits: Limits,
    #[cfg(feature = "promql")]
    pub(super) api: Option<Arc<Api>>,
    #[cfg(feature = "health")]
    pub(super) health: Option<Health>,
    /// What the live page shows beside the registry's.
    #[cfg(feature = "page")]
    pub(super) bundles: Vec<Arc<crate::declare::Bundle>>,
    allowed: Vec<Network>,
    socket_mode: u32,
    #[cfg(feature = "tls")]
    tls: Option<(PathBuf, PathBuf)>,
    /// The first setting that makes no sense; told at `bind`.
    wrong: Option<Error>,
}

impl Default for ListenerBuilder {
    fn default() -> Self {
        ListenerBuilder {
            rules: Rules::default(),
            limits: Limits::default(),
            #[cfg(feature = "promql")]
            api: None,
            #[cfg(feature = "health")]
            health: None,
            #[cfg(feature = "page")]
            bundles: Vec::new(),
            allowed: Vec::new(),
            socket_mode: 0o600,
            #[cfg(feature = "tls")]
            tls: None,
            wrong: None,
        }
    }
}

impl ListenerBuilder {
    /// What stands before every path: with `"/internal"` the page is at `/internal/metrics`. Nothing by default.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        let prefix = prefix.strip_suffix('/').unwrap_or(&prefix);
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
        let segments = prefix.is_empty() || (prefix.starts_with('/') && !prefix.contains("//"));
        if !segments || !prefix.bytes().all(fine) {
            let reason = format!(
                "{prefix:?} is not a path of letters, digits, '-', '.', '_' and '~' that begins with a slash, as \
                 /internal does"
            );
            self.wrong.get_or_insert(Error::InvalidSetting { setting: "prefix", reason });
        }
        self.rules.prefix = prefix.to_owned();
        self
    }

    /// Adds a format of the host's own, for clients who `Accept` its media type; one that is there already is replaced.
    /// Parameters of the media type tell versions apart: a client who names another value does not get the format.
    pub fn format(
        mut self,
        media_type: &str,
        encoder: impl Fn() -> Box<dyn Encoder> + Send + Sync + 'static,
    ) -> Self {
        if let Err(error) = self.rules.formats.add(media_type, encoder) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Answers PromQL over `source` as Prometheus does: `/api/v1/query` and its like, for Grafana, `promtool query` and
    /// scripts, and `/metrics/aggregated`; to whoever may read `/metrics`. Feature `promql`.
    ///
    /// Each query may take what `settings` say; a client can ask for less. They run on
    /// [`HTTP_QUERY_THREADS`](crate::limits::HTTP_QUERY_THREADS) threads, so that scrapes never wait for them, and
    /// [`MAX_HTTP_QUERIES`](crate::limits::MAX_HTTP_QUERIES) of them at once, for each listener. When the listener stops, a query
    /// that runs ends at its next look at the clock, and then lets `source` go.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::sync::Arc;
    /// use tachometer::query::{Matcher, QueryError, Series, Settings, Source};
    /// use tachometer::{Engine, Listener, Registry};
    ///
    /// struct Nothing;
    /// impl Source for Nothing {
    ///     fn select(&self, _: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
    ///         Ok(Vec::new())
    ///     }
    /// }
    ///
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let listener =
    ///     Listener::builder().query(Arc::new(Nothing), Settings::default()).bind(&engine, "127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(listener.local_addr())?;
    /// client.write_all(b"GET /api/v1/query?query=1%2B1&time=5 HTTP/1.0\r\n\r\n")?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with(r#"{"status":"success","data":{"resultType":"scalar","result":[5,"2"]}}"#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "promql")]
    pub fn query(mut self, source: Arc<dyn Source>, settings: Settings) -> Self {
        let api = Api::new(source, settings).keeping_rules_of(self.api.as_deref());
        self.api = Some(Arc::new(api));
        self.rules.api = true;
        self
    }

    /// Answers `GET` and `HEAD` at `path` (behind the [prefix](ListenerBuilder::prefix)) by `answer`, to whoever may read
    /// `/metrics`: for what a program wants to show beside its metrics. Feature `promql`.
    ///
    /// It runs on the threads that evaluate queries, never on the one that serves; so one that takes long holds up queries and
    /// other endpoints, but neither scrapes nor probes. [`MAX_HTTP_QUERIES`](crate::limits::MAX_HTTP_QUERIES) calls of both
    /// wait or are answered at once; a client waits no longer than for a query. A panic in it is answered with 500. An answer has
    /// [`MAX_HTTP_ANSWER_BYTES`](crate::limits::MAX_HTTP_ANSWER_BYTES) at most, else it is 422. Errors are JSON, as those of
    /// Prometheus's API. All are counted under the path `host` in `tachometer_http_requests_total`. With a
    /// [`router`](crate::serve) or a [`Responder`], it is answered as queries are.
    ///
    /// A path of the listener's own (`/metrics`, `/health`, what is below `/api/v1/` and is answered there) is refused at `bind`,
    /// and so are a path that was given before and more than [`MAX_HTTP_ENDPOINTS`](crate::limits::MAX_HTTP_ENDPOINTS).
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use tachometer::serve::{EndpointAnswer, EndpointError};
    /// use tachometer::{Engine, Listener, Registry};
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let listener = Listener::builder()
    ///     .endpoint("/api/v1/double", |request| {
    ///         let number = request.parameter("number").and_then(|text| text.parse::<i32>().ok());
    ///         let number = number.ok_or_else(|| EndpointError::BadRequest("`number` is no number".to_owned()))?;
    ///         Ok(EndpointAnswer::json(format!("{}", i64::from(number) * 2)))
    ///     })
    ///     .bind(&engine, "127.0.0.1:0")?;
    /// let mut client = std::net::TcpStream::connect(listener.local_addr())?;
    /// client.write_all(b"GET /api/v1/double?number=21 HTTP/1.0\r\n\r\n")?;
    /// let mut answer = String::new();
    /// client.read_to_string(&mut answer)?;
    /// assert!(answer.ends_with("\r\n\r\n42"), "{answer}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "promql")]
    pub fn endpoint(
        mut self,
        path: impl Into<String>,
        answer: impl Fn(&EndpointRequest<'_>) -> Result<EndpointAnswer, EndpointError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        if let Err(error) = self.rules.hosts.add(path.into(), Arc::new(answer)) {
            self.wrong.get_or_insert(error);
        }
        self
    }

    /// Shows rules and their alerts as Prometheus does, at `/api/v1/rules` and `/api/v1/alerts`, and what alerts do as a stream of
    /// server-sent events at `/api/v1/events`; to whoever may read `/metrics`. Features `rules` and `history`.
    ///
    /// The answers are those of the last evaluation: nobody waits for one. For queries that see what rules record, give
    /// [`RuleManager::source`](crate::rules::RuleManager::source) to [`ListenerBuilder::query`] as well.
    ///
    /// # Events
    ///
    /// | event | id | data |
    /// |---|---|---|
    /// | `alert` | yes | a change: `at`, `group`, `rule`, `from` and `to` (`inactive`, `pending`, `firing`, `resolved`), `silenced`, and the alert's `labels`, `annotations`, `activeAt`, `keepFiringSince` and `value` |
    /// | `generation` | no | `generation` and `at`, after the rules were evaluated for it; of several that a client has not taken yet, the last |
    /// | `missed` | no | `missed`: how many changes the client will not get; `null` if nobody knows, as after a restart |
    ///
    /// A client that comes back with `Last-Event-ID` is given the changes since, of the last
    /// [`MAX_RULE_EVENTS`](crate::limits::MAX_RULE_EVENTS). One that comes without is given those from now on: it connects
    /// first, and then asks for `/api/v1/alerts`. After
    /// [`HTTP_EVENT_HEARTBEAT`](crate::limits::HTTP_EVENT_HEARTBEAT) without an event there is a comment. There are
    /// [`MAX_HTTP_EVENT_STREAMS`](crate::limits::MAX_HTTP_EVENT_STREAMS) streams at once. A client that takes nothing for
    /// [`HTTP_WRITE_TIMEOUT`](crate::limits::HTTP_WRITE_TIMEOUT), or that is further behind than changes are kept, is closed, and
    /// counted; none ever holds up an evaluation or the listener's thread. A router's streams have no comments.
    ///
    /// ```
    /// use std::io::{BufRead, BufReader, Write};
    /// use tachometer::rules::{RuleFile, RuleManager};
    /// use tachometer::{Engine, History, Listener, ManualClock, Registry};
    /// let clock = ManualClock::at(std::time::Duration::from_secs(1_700_000_000));
    /// let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start()?;
    /// let history = History::builder().start(&engine)?;
    /// let file = RuleFile::parse("a.yml", "groups: [{name: g, rules: [{alert: Always, expr: vector(1)}]}]")?;
    /// let manager = RuleManager::builder().file(file).start(&engine, &history)?;
    /// let listener = Listener::builder().rules(&manager).bind(&engine, "127.0.0.1:0")?;
    ///
    /// let mut client = std::net::TcpStream::connect(listener.local_addr())?;
    /// client.write_all(b"GET /api/v1/events HTTP/1.0\r\n\r\n")?;
    /// let mut lines = BufReader::new(client).lines();
    /// while !lines.next().unwrap()?.starts_with("retry: ") {} // it listens now
    /// engine.refresh();
    /// let data = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("data: "))).unwrap()?;
    /// assert!(data.contains(r#""from":"inactive","to":"pending""#), "{data}");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(all(feature = "history", feature = "rules"))]
    pub fn rules(mut self, manager: &RuleManager) -> Self {
        let mut api = match self.api.take() {
            Some(api) => Api::clone(&api),
            None => Api::new(manager.source(), Settings::default()),
        };
        api.rules = Some(Arc::new(RulesApi::new(manager.shared().clone())));
        self.api = Some(Arc::new(api));
        self.rules.alerts = true;
        self
    }

    /// Answers `/health` and `/health/ready` by the components' health, as [`Health`] has it; `/health/live` stays about the
    /// aggregator alone. Feature `health`.
    ///
    /// `/health` has the whole report, with status 200 or, from [`unhealthy_from`](crate::health::HealthBuilder::unhealthy_from)
    /// on, 503; `/health/ready` has a summary, with 503 unless [ready](crate::health::HealthReport::ready). Where credentials are
    /// asked for and [health is not protected](ListenerBuilder::protect_health), `/health` has a summary for whoever brings
    /// none: what alerts say is for those who may read `/metrics`. An answer waits for nothing: reports are prepared
    /// when rules or checks say something.
    #[cfg(feature = "health")]
    pub fn health(mut self, health: &Health) -> Self {
        self.health = Some(health.clone());
        self
    }

    /// Answers PromQL as [`ListenerBuilder::query`] does, by asking `backend`: where the memory of one process is not enough for its
    /// history, a server that gets the same series by remote write answers, and nobody who asks here notices the difference.
    /// Whichever of the two was called last counts. Feature `backend`.
    ///
    /// Parameters are checked as always, what the backend answers is handed on: its data, its errors, its version in
    /// `status/buildinfo`. One that is down, slow, or answers anything else gives an error of the API: `unavailable`, `timeout`,
    /// `internal`. Up to [`HTTP_BACKEND_THREADS`](crate::limits::HTTP_BACKEND_THREADS) calls wait for it at once, and nothing else
    /// waits for them. A call whose client has gone goes on until its answer or the backend's time limit.
    /// `/metrics/aggregated` is computed here, of samples that are fetched. Calls are counted in
    /// `tachometer_backend_calls_total`.
    #[cfg(feature = "backend")]
    pub fn query_backend(mut self, backend: crate::Backend) -> Self {
        let api = Api::of_backend(backend).keeping_rules_of(self.api.as_deref());
        self.api = Some(Arc::new(api));
        self.rules.api = true;
        self
    }

    /// Whether the live page is at `/`, for people: it is, where queries are answered or rules are shown
    /// ([`query`](ListenerBuilder::query), [`query_backend`](ListenerBuilder::query_backend), [`rules`](ListenerBuilder::rules)).
    /// Without it there is a plain index. Feature `page`.
    ///
    /// It shows health, alerts that fire, and the panels that the bundles of the engine's registry declare
    /// ([`declare`](crate::declare)): latencies as heat maps of their HDR buckets, roles and terms as timelines, the rest as lines with
    /// the thresholds of their alerts; any other metric by name, and what a PromQL expression finds. A browser needs nothing
    /// from anywhere else; whoever may read `/metrics` may read it. It works on the HTTP API alone: `/api/v1/bundles`,
    /// `/api/v1/heatmap` and `/api/v1/live` are there for it beside Prometheus's.
    ///
    /// Cost: 92 kB on the wire once; then, for each viewer and generation, the evaluation of the expressions in view, on a thread
    /// of its own, and their values in one event. Two viewers of the same panels cost one evaluation. There are
    /// [`MAX_HTTP_LIVE_STREAMS`](crate::limits::MAX_HTTP_LIVE_STREAMS) viewers at once; further ones are told so. In a
    /// [`Responder`] and a router the page asks each second instead of being sent a stream.
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use tachometer::catalogue::raft::RaftMetrics;
    /// use tachometer::rules::{RAFT_RULES, RuleFile, RuleManager};
    /// use tachometer::{Engine, History, Listener, Registry};
    /// let registry = Registry::new();
    /// RaftMetrics::register(&registry)?; // its panels are on the page
    /// let engine = Engine::builder().registry(&registry).start()?;
    /// let history = History::builder().start(&engine)?;
    /// let manager = RuleManager::builder().file(RuleFile::parse("raft.yml", RAFT_RULES)?).start(&engine, &history)?;
    /// let listener = Listener::builder()
    ///     .query(manager.source(), Default::default())
    ///     .rules(&manager)
    ///     .bind(&engine, "127.0.0.1:0")?;
    /// println!("look at http://{}/", listener.local_addr());
    ///
    /// let mut browser = std::net::TcpStream::connect(listener.local_addr())?;
    /// browser.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    /// let mut page = String::new();
    /// browser.read_to_string(&mut page)?;
    /// assert!(page.contains("Content-Security-Policy: default-src 'none'"));
    /// assert!(page.contains("<script type=\"module\" src=\"./page/app.js\">"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "page")]
    pub fn page(mut self, wanted: bool) -> Self {
        self.rules.no_page = !wanted;
        self
    }

    /// Has the live page show the panels of these bundles as well: of series that are not of the engine's own registry,
    /// such as those of other processes that [`query`](ListenerBuilder::query) finds. Feature `page`.
    ///
    /// ```
    /// use tachometer::{Listener, catalogue};
    /// let builder = Listener::builder().bundles(catalogue::declarations());
    /// ```
    #[cfg(feature = "page")]
    pub fn bundles(mut self, bundles: impl IntoIterator<Item = crate::declare::Bundle>) -> Self {
        self.bundles.extend(bundles.into_iter().map(Arc::new));
        self
    }

    /// Connections served at once; [`MAX_HTTP_CONNECTIONS`](crate::limits::MAX_HTTP_CONNECTIONS) by default.
    pub fn connections(mut self, most: usize) -> Self {
        self.limits.connections = most;
        self
    }

    /// Bytes of a request's head; [`MAX_HTTP_HEADER_BYTES`](crate::limits::MAX_HTTP_HEADER_BYTES) by default.
    pub fn header_bytes(mut self, most: usize) -> Self {
        self.limits.header_bytes = most;
        self
    }

    /// How long a request may take from its first byte to its last, encryption's greetings included;
    /// [`HTTP_HEADER_TIMEOUT`](crate::limits::HTTP_HEADER_TIMEOUT) by default.
    pub fn request_time(mut self, most: Duration) -> Self {
        self.limits.request_time = most;
        self
    }

    /// Different pages (format, coding, filter) made at once; whoever wants another one waits his turn.
    /// [`MAX_HTTP_RENDERS`](crate::limits::MAX_HTTP_RENDERS) by default, at most
    /// [`MAX_HTTP_PAGES`](crate::limits::MAX_HTTP_PAGES).
    pub fn concurrent_renders(mut self, most: usize) -> Self {
        self.limits.renders = most;
        self
    }

    /// Lets clients of `network` in; may be repeated. Without it everybody is let in. Connections from elsewhere are closed
    /// before anything is read, and counted. Clients of a Unix socket have no address; its file's mode says who they are.
    pub fn allow(mut self, network: Network) -> Self {
        self.allowed.push(network);
        self
    }

    /// Lets whoever knows user and password read; may be repeated, and mixed with tokens. Send it over TLS, or not beyond
    /// this machine. The health endpoints stay open: see [`ListenerBuilder::protect_health`].
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        if user.contains(':') || password.is_empty() {
            let reason = "a user has no colon in it, and a password is not empty".to_owned();
            self.wrong.get_or_insert(Error::InvalidSetting { setting: "basic_auth", reason });
        }
        self.rules.auth.add_basic(user, password);
        self
    }

    /// Lets whoever knows `token` read (`Authorization: Bearer …`); as [`ListenerBuilder::basic_auth`].
    pub fn bearer_token(mut self, token: &str) -> Self {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            let reason = "a token is of visible ASCII characters, and not empty".to_owned();
            self.wrong.get_or_insert(Error::InvalidSetting { setting: "bearer_token", reason });
        }
        self.rules.auth.add_bearer(token.trim());
        self
    }

    /// Asks for credentials at `/health` and below as well. By default those are open to everybody who is let in: probes
    /// seldom have credentials, and learn nothing there but whether the engine works.
    pub fn protect_health(mut self, wanted: bool) -> Self {
        self.rules.auth.closed_health = wanted;
        self
    }

    /// The mode of a Unix socket's file: `0o600`, for this user alone, by default. Who may open the file may read the page.
    /// The mode is set right after the file is made; where that moment counts, put it in a directory that is closed.
    pub fn socket_mode(mut self, mode: u32) -> Self {
        self.socket_mode = mode & 0o777;
        self
    }

    /// Encrypts (TLS 1.2 and 1.3) with the certificate, and those that vouch for it behind it, and the key of two PEM
    /// files. They are read at `bind`. Feature `tls`.
    #[cfg(feature = "tls")]
    pub fn tls_pem_files(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.tls = Some((certificate.as_ref().to_owned(), key.as_ref().to_owned()));
        self
    }

    /// Listens on `address`, IPv4 or IPv6, and serves `engine`'s snapshots; see [`Listener::bind`].
    ///
    /// # Errors
    /// Those of [`Listener::bind`]; a setting that makes no sense; a certificate or key that cannot be used.
    pub fn bind(
        self,
        engine: &Engine,
        address: impl ToSocketAddrs + fmt::Debug,
    ) -> Result<Listener, Error> {
        self.check(engine)?;
        let socket = TcpListener::bind(&address).map_err(|error| refused(&address, error))?;
        let failed = |error| not_started(&format!("{address:?}"), error);
        socket.set_nonblocking(true).map_err(failed)?;
        let at = Address::Tcp(socket.local_addr().map_err(failed)?);
        let socket = Socket::Tcp(mio::net::TcpListener::from_std(socket));
        self.start(engine, socket, at)
    }

    /// Listens on a Unix socket at `path`. A socket that an earlier process left there is replaced; anything else is not.
    /// The file is removed when the listener stops.
    ///
    /// # Errors
    /// As [`ListenerBuilder::bind`]: somebody listens there, there is another file, or the directory cannot be written to.
    pub fn bind_unix(self, engine: &Engine, path: impl AsRef<Path>) -> Result<Listener, Error> {
        self.check(engine)?;
        let path = path.as_ref();
        let (socket, file) = unix::bind(path, self.socket_mode)?;
        let failed = |error| not_started(&path.display().to_string(), error);
        socket.set_nonblocking(true).map_err(failed)?;
        let socket = Socket::Unix(mio::net::UnixListener::from_std(socket), file);
        self.start(engine, socket, Address::Unix(path.to_owned()))
    }

    /// Answers requests without listening, for a host's own HTTP server; see [`Responder`].
    ///
    /// # Errors
    /// Those of [`Responder::new`]; a setting that makes no sense.
    pub fn responder(self, engine: &Engine) -> Result<Responder, Error> {
        self.check(engine)?;
        Ok(Responder::of(responder::site(engine, self)?))
    }

    /// Whether all settings make sense, as far as that shows without an engine or a file.
    pub(crate) fn check_settings(&self) -> Result<(), Error> {
        match &self.wrong {
            Some(wrong) => Err(wrong.clone()),
            None => self.limits.check(),
        }
    }

    /// Whether certificate and key can be used, if they are given.
    #[cfg(feature = "config")]
    pub(crate) fn check_files(&self) -> Result<(), Error> {
        #[cfg(feature = "tls")]
        if let Some((certificate, key)) = &self.tls {
            Tls::load(certificate, key)?;
        }
        Ok(())
    }

    fn check(&self, engine: &Engine) -> Result<(), Error> {
        self.check_settings()?;
        if !engine.is_running() {
            return Err(Error::NotRunning(
                "a listener would have nothing to serve; start an engine, then bind the listener",
            ));
        }
        #[cfg(feature = "health")]
        if self.health.as_ref().is_some_and(|health| !health.is_of(engine)) {
            let reason = "it is the health of another engine than the listener's".to_owned();
            return Err(Error::InvalidSetting { setting: "health", reason });
        }
        Ok(())
    }

    fn start(
        mut self,
        engine: &Engine,
        socket: Socket,
        address: Address,
    ) -> Result<Listener, Error> {
        #[cfg(feature = "tls")]
        let tls = match &self.tls {
            Some((certificate, key)) => Some(Tls::load(certificate, key)?),
            None => None,
        };
        let door = Door {
            socket,
            allowed: std::mem::take(&mut self.allowed),
            #[cfg(feature = "tls")]
            tls,
        };
        let limits = self.limits;
        let site = responder::site(engine, self)?;
        let set_up = || {
            let (worker, waker, stopping) = Worker::new(door, site, limits)?;
            let thread = std::thread::Builder::new().name("tachometer-http".to_owned());
            let thread = Mutex::new(Some(thread.spawn(move || worker.run())?));
            Ok((waker, stopping, thread))
        };
        let (waker, stopping, thread) =
            set_up().map_err(|error| not_started(&address.to_string(), error))?;
        Ok(Listener { address, waker, stopping, thread, born: fork::generation() })
    }
}

fn not_started(address: &str, error: io::Error) -> Error {
    Error::Io {
        attempt: format!("start the listener on {address}"),
        kind: error.kind(),
        reason: format!("{error}; raise the limit on descriptors (ulimit -n) or threads (-u)"),
    }
}
