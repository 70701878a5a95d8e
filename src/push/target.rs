//! What a target is: where, how often, and how patiently. Formats and their options are in `kinds`.

#[cfg(feature = "grpc")]
use super::grpc;
use super::http::{Method, is_header};
use super::https::Trust;
use super::kinds::{Endpoint, Format};
use super::plan::{Destination, Plan};
use super::protocol::{Page, Protocol};
use super::pushgateway::Group;
use super::secret::Secret;
use super::spool::Bounds;
use crate::limits::{
    DEFAULT_PUSH_DATAGRAM_BYTES, DEFAULT_PUSH_INTERVAL, DEFAULT_PUSH_RETRY_FIRST,
    DEFAULT_PUSH_RETRY_LONGEST, DEFAULT_PUSH_SPOOL_BYTES, DEFAULT_PUSH_SPOOL_ENTRIES,
    DEFAULT_PUSH_TIME_LIMIT, MAX_PUSH_SPOOL_BYTES, MIN_PUSH_INTERVAL,
};
use crate::url::{Authority, Url, base64};
use crate::{Encoder, Error, TextEncoder};
use std::path::PathBuf;
use std::time::Duration;

/// Where snapshots are pushed to, in which format, how often, and how patiently.
///
/// What counts as delivered, and how often a payload can arrive:
///
/// | kind | delivered when | arrives | and twice is |
/// |---|---|---|---|
/// | [`otlp`](Target::otlp), [`otlp_grpc`](Target::otlp_grpc), cumulative | the answer has a status of 2xx; of gRPC the status OK | at least once: an attempt whose answer was lost is made again | the same point |
/// | the same, deltas | the same | at least once; what a request that was given up had is in the next one | counted twice, unless the receiver looks at times |
/// | `remote_write` | the same; with 2.0 only if the answer says how much was written | at least once, in order; the ends of series, though their request was given up | the same sample |
/// | [`influx`](Target::influx), [`influx_v2`](Target::influx_v2), [`victoria_metrics`](Target::victoria_metrics) | the same | at least once | the same sample |
/// | [`pushgateway`](Target::pushgateway) | the same | the latest at least once | the same page |
/// | [`http`](Target::http) | the same | at least once | the same bytes |
/// | [`graphite`](Target::graphite), [`lines`](Target::lines) | the peer closed its side after all lines | at least once | the same sample |
/// | [`statsd`](Target::statsd) | the system took the datagrams | at most once; what the system did not take is in the next ones | never |
/// | [`datagrams`](Target::datagrams) | the same | at most once | never |
///
/// Nothing that was delivered in this sense is ever sent again. Where a payload arrives twice, it is the very same bytes,
/// with the same time. Of a page in several datagrams of which the system took some, the rest is sent later.
///
/// An answer of 3xx, or of 4xx but 429, ends a payload: it is dropped and counted. All other failures are tried again,
/// after a pause that doubles, or that the server asks for with `Retry-After` (on 429 and 503).
///
/// ```
/// use std::time::Duration;
/// use tachometer::{Engine, Pusher, Registry, Target, TextEncoder};
/// let engine = Engine::builder().registry(&Registry::new()).start()?;
/// let pusher = Pusher::builder(&engine)
///     .target(
///         "gateway",
///         Target::pushgateway("http://127.0.0.1:9091", "nightly").grouping("instance", "db/1"),
///     )
///     .target(
///         "store",
///         Target::victoria_metrics("http://127.0.0.1:8428")
///             .header("Authorization", "Bearer secret")
///             .every(Duration::from_secs(15))
///             .time_limit(Duration::from_secs(3))
///             .retry(Duration::from_secs(1), Duration::from_secs(60))
///             .spool(1_000, 64 << 20),
///     )
///     .target(
///         "collector",
///         Target::otlp("http://127.0.0.1:4318").resource("service.name", "orders").gzip(true),
///     )
///     .target("influx", Target::influx("http://127.0.0.1:8086", "db").basic_auth("u", "secret"))
///     .target("carbon", Target::graphite("127.0.0.1:2003"))
///     .target("agent", Target::statsd("127.0.0.1:8125"))
///     .flush_within(Duration::from_millis(10))
///     .start()?;
/// // What is wrong with a target is said at once.
/// let bad = Target::http("http://user:secret@store:8428/write", TextEncoder::new());
/// let error = Pusher::builder(&engine).target("bad", bad).start().unwrap_err();
/// assert!(error.to_string().contains("basic_auth"));
/// # Ok::<(), tachometer::Error>(())
/// ```
///
/// URLs may be `https://` with the feature `tls`: see [`ca_file`](Target::ca_file). Lines and datagrams are not encrypted:
/// across networks that are not trusted, send them to an agent on this machine.
#[derive(Debug)]
pub struct Target {
    pub(super) place: Place,
    pub(super) format: Format,
    pub(super) gzip: bool,
    headers: Vec<(String, Secret)>,
    pub(super) trust: Trust,
    every: Duration,
    time_limit: Duration,
    retry: (Duration, Duration),
    spool: Bounds,
    file: Option<PathBuf>,
    /// Whether a page says all that the pages before it said.
    replaces: bool,
    /// A setting that this kind of target does not have, and which kind has it.
    pub(super) misused: Option<(&'static str, &'static str)>,
}

#[derive(Debug)]
pub(super) enum Place {
    Http {
        url: Secret,
        method: Method,
    },
    #[cfg(feature = "grpc")]
    Grpc {
        url: Secret,
    },
    /// `POST`ed to an endpoint of the server at the URL.
    Under {
        url: Secret,
        endpoint: Endpoint,
    },
    Pushgateway {
        url: Secret,
        group: Group,
        method: Method,
    },
    Lines(String),
    Datagrams(String, usize),
}

impl Place {
    pub(super) fn is_http(&self) -> bool {
        match self {
            Place::Http { .. } | Place::Under { .. } | Place::Pushgateway { .. } => true,
            #[cfg(feature = "grpc")]
            Place::Grpc { .. } => true,
            Place::Lines(_) | Place::Datagrams(..) => false,
        }
    }
}

impl Target {
    fn new(place: Place, protocol: Box<dyn Protocol>) -> Target {
        Self::of(place, Format::Given(protocol))
    }

    pub(super) fn of(place: Place, format: Format) -> Target {
        Target {
            place,
            format,
            gzip: false,
            headers: Vec::new(),
            trust: Trust::default(),
            every: DEFAULT_PUSH_INTERVAL,
            time_limit: DEFAULT_PUSH_TIME_LIMIT,
            retry: (DEFAULT_PUSH_RETRY_FIRST, DEFAULT_PUSH_RETRY_LONGEST),
            spool: Bounds { entries: DEFAULT_PUSH_SPOOL_ENTRIES, bytes: DEFAULT_PUSH_SPOOL_BYTES },
            file: None,
            replaces: false,
            misused: None,
        }
    }

    /// `POST`s `encoder`'s page to `url`, as `http://host:port/path`, or `https://`.
    pub fn http(url: impl Into<String>, encoder: impl Encoder + 'static) -> Target {
        Self::http_with(url, Page::new(encoder))
    }

    /// `POST`s what `protocol` makes of snapshots to `url`.
    pub fn http_with(url: impl Into<String>, protocol: impl Protocol + 'static) -> Target {
        let place = Place::Http { url: Secret::new(url), method: Method::Post };
        Self::new(place, Box::new(protocol))
    }

    /// `POST`s Prometheus text to VictoriaMetrics at `url` (`http://host:8428`), which stores it with the time of the
    /// snapshot, however long it waited.
    pub fn victoria_metrics(url: impl Into<String>) -> Target {
        let mut url = url.into();
        url.truncate(url.trim_end_matches('/').len());
        url.push_str("/api/v1/import/prometheus");
        Self::http_with(url, Page::new(TextEncoder::new()).time_in_query("timestamp"))
    }

    /// Pushes Prometheus text to the Pushgateway at `url` (`http://host:9091`), to the group of `job`, and there replaces
    /// what was pushed before (`PUT`).
    ///
    /// Only the latest page is kept while the gateway is away, whatever the [spool](Target::spool): an older one says
    /// nothing that it does not.
    pub fn pushgateway(url: impl Into<String>, job: impl Into<String>) -> Target {
        let url = Secret::new(url);
        let place = Place::Pushgateway { url, group: Group::of(job.into()), method: Method::Put };
        let mut target = Self::new(place, Box::new(Page::new(TextEncoder::new())));
        target.replaces = true;
        target
    }

    /// Sends `encoder`'s page over a TCP connection to `address` (`host:port`), and closes it: Graphite's plaintext.
    ///
    /// The peer confirms by closing its side once it has read everything, as carbon does. One that keeps its side open
    /// gets the page again and again.
    pub fn lines(address: impl Into<String>, encoder: impl Encoder + 'static) -> Target {
        Self::lines_with(address, Page::new(encoder))
    }

    /// As [`Target::lines`], what `protocol` makes of snapshots.
    pub fn lines_with(address: impl Into<String>, protocol: impl Protocol + 'static) -> Target {
        Self::new(Place::Lines(address.into()), Box::new(protocol))
    }

    /// Sends `encoder`'s page as UDP datagrams of whole lines to `address` (`host:port`): StatsD.
    pub fn datagrams(address: impl Into<String>, encoder: impl Encoder + 'static) -> Target {
        Self::datagrams_with(address, Page::new(encoder))
    }

    /// As [`Target::datagrams`], what `protocol` makes of snapshots.
    pub fn datagrams_with(address: impl Into<String>, protocol: impl Protocol + 'static) -> Target {
        let place = Place::Datagrams(address.into(), DEFAULT_PUSH_DATAGRAM_BYTES);
        Self::new(place, Box::new(protocol))
    }

    /// Adds a header to each request: a token, a tenant. Its value appears in no message, metric or `Debug` output. One
    /// that the payload has too is replaced.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Target {
        self.headers.push((name.into(), Secret::new(value)));
        self
    }

    /// Adds an `Authorization` header of the basic kind.
    pub fn basic_auth(self, user: &str, password: &str) -> Target {
        let mut value = "Basic ".to_owned();
        base64(format!("{user}:{password}").as_bytes(), false, &mut value);
        self.header("Authorization", value)
    }

    /// Adds a label to the group of a [Pushgateway](Target::pushgateway): `instance`.
    pub fn grouping(mut self, name: impl Into<String>, value: impl Into<String>) -> Target {
        match &mut self.place {
            Place::Pushgateway { group, .. } => group.add(name.into(), value.into()),
            _ => self.misused = Some(("grouping", "only a Pushgateway has groups")),
        }
        self
    }

    /// Asks with `method`. `POST` to a Pushgateway leaves metrics of other names in the group as they are.
    pub fn method(mut self, wanted: Method) -> Target {
        match &mut self.place {
            Place::Http { method, .. } | Place::Pushgateway { method, .. } => *method = wanted,
            _ => self.misused = Some(("method", "only HTTP has methods")),
        }
        self
    }

    /// How often a snapshot is pushed; 10 s by default. It is the engine's latest: an interval shorter than the
    /// engine's pushes each snapshot once.
    pub fn every(mut self, interval: Duration) -> Target {
        self.every = interval;
        self
    }

    /// How long an attempt may take, from the look-up of the name to the end of the answer; 10 s by default.
    pub fn time_limit(mut self, limit: Duration) -> Target {
        self.time_limit = limit;
        self
    }

    /// The pause after a first attempt that failed, and the longest one; half a second and 30 s by default. Up to half of
    /// a pause is taken off at random.
    pub fn retry(mut self, first: Duration, longest: Duration) -> Target {
        self.retry = (first, longest);
        self
    }

    /// How much may wait, beside what is being sent: payloads, and bytes. 360 and 16 MiB by default. Then the oldest is
    /// dropped.
    pub fn spool(mut self, entries: usize, bytes: usize) -> Target {
        self.spool = Bounds { entries, bytes };
        self
    }

    /// Keeps what waits in a file as well, readable by its owner alone, so that it survives a restart. It holds at most
    /// about twice the spool's bytes and a mebibyte.
    ///
    /// What was written survives the end of the process, however it ends; the file is synced to the disk only when the
    /// pusher stops, so a machine that loses power may lose the last payloads, or send some again. A payload whose
    /// acknowledgement was written down is never sent again. Records carry checksums; reading ends at the first that is
    /// damaged, and what follows is cut off and counted. Headers given with [`Target::header`] are not in it. If the disk
    /// is full or the file cannot be written, payloads wait in memory alone
    /// (`tachometer_push_failures_total{reason="spool"}`).
    ///
    /// Writing to it can block the pusher's thread, and so all targets, for as long as the file system takes: name a local
    /// disk.
    pub fn spool_file(mut self, path: impl Into<PathBuf>) -> Target {
        self.file = Some(path.into());
        self
    }

    /// Bytes of a datagram, unless one line is longer; 1,432 by default, which fits an Ethernet frame.
    pub fn datagram_bytes(mut self, most: usize) -> Target {
        match &mut self.place {
            Place::Datagrams(_, bytes) => *bytes = most,
            _ => self.misused = Some(("datagram_bytes", "this target has no datagrams")),
        }
        self
    }

    /// Whether the target called `name` can be pushed to, as far as that shows without asking it; with or without a look
    /// at files of certificates.
    #[cfg(feature = "config")]
    pub(crate) fn check(mut self, name: &str, read_files: bool) -> Result<(), Error> {
        self.trust.unread = !read_files;
        self.plan(name).map(drop)
    }

    /// Checks everything.
    pub(super) fn plan(self, name: &str) -> Result<Plan, Error> {
        let invalid = |setting, reason: String| Error::InvalidSetting {
            setting,
            reason: format!("push target {name:?}: {reason}"),
        };
        if let Some((setting, reason)) = self.misused {
            return Err(invalid(setting, reason.to_owned()));
        }
        for (setting, span) in [("every", self.every), ("time_limit", self.time_limit)] {
            if span < MIN_PUSH_INTERVAL {
                return Err(invalid(setting, format!("{span:?} is below {MIN_PUSH_INTERVAL:?}")));
            }
        }
        if self.retry.0.is_zero() || self.retry.0 > self.retry.1 {
            let reason = format!(
                "the first pause ({:?}) must not be zero, nor longer than the longest ({:?})",
                self.retry.0, self.retry.1
            );
            return Err(invalid("retry", reason));
        }
        let Bounds { entries, bytes } = self.spool;
        if entries == 0 || bytes == 0 || bytes > MAX_PUSH_SPOOL_BYTES {
            let reason = format!(
                "{entries} payloads and {bytes} bytes; there must be room for one payload, and at \
                 most {MAX_PUSH_SPOOL_BYTES} bytes"
            );
            return Err(invalid("spool", reason));
        }
        let http = self.place.is_http();
        for (header, value) in &self.headers {
            let fixed = ["content-length", "transfer-encoding", "connection", "host"];
            let reason = if !http {
                "only HTTP has headers"
            } else if !is_header(header, value.reveal()) {
                "its name must be letters, digits and '-', its value one line"
            } else if fixed.iter().any(|fixed| header.eq_ignore_ascii_case(fixed)) {
                "the pusher sets this one itself"
            } else {
                #[cfg(feature = "grpc")]
                if matches!(self.place, Place::Grpc { .. })
                    && let Some(reason) = grpc::refuses(header, value.reveal())
                {
                    return Err(invalid("header", format!("{header:?}: {reason}")));
                }
                continue;
            };
            return Err(invalid("header", format!("{header:?}: {reason}")));
        }
        let spool = if self.replaces { Bounds { entries: 1, bytes } } else { self.spool };
        let url = |url: &Secret| {
            Url::parse(url.reveal()).map_err(|reason| invalid("url", format!("bad URL: {reason}")))
        };
        let address = |address: &str| {
            let refused = |reason| invalid("address", format!("bad address {address:?}: {reason}"));
            Authority::parse(address).map_err(refused)
        };
        let tls = |url: &Url, protocol: &[u8]| {
            self.trust.plan(url, protocol).map_err(|error| error.of_target(name))
        };
        if !http && let Some(setting) = self.trust.misused() {
            return Err(invalid(setting, "only HTTP has TLS here".to_owned()));
        }
        let destination = match &self.place {
            Place::Http { url: text, method } => {
                let url = url(text)?;
                Destination::Http { tls: tls(&url, b"http/1.1")?, url, method: *method }
            }
            #[cfg(feature = "grpc")]
            Place::Grpc { url: text } => {
                let url = url(text)?;
                let uri = grpc::uri(&url);
                let uri = uri.map_err(|reason| invalid("url", format!("bad URL: {reason}")))?;
                Destination::Grpc { tls: tls(&url, b"h2")?, authority: url.authority, uri }
            }
            Place::Under { url: text, endpoint } => {
                let url = endpoint.at(url(text)?).map_err(|reason| invalid("url", reason))?;
                Destination::Http { tls: tls(&url, b"http/1.1")?, url, method: Method::Post }
            }
            Place::Pushgateway { url: text, group, method } => {
                let url = group.at(url(text)?).map_err(|reason| invalid("grouping", reason))?;
                Destination::Http { tls: tls(&url, b"http/1.1")?, url, method: *method }
            }
            Place::Lines(text) => Destination::Lines(address(text)?),
            Place::Datagrams(_, 0) => {
                return Err(invalid("datagram_bytes", "a datagram of no bytes".to_owned()));
            }
            Place::Datagrams(text, most) => Destination::Datagrams(address(text)?, *most),
        };
        let protocol = self.format.protocol(self.gzip, &self.place);
        Ok(Plan {
            name: name.to_owned(),
            destination,
            protocol: protocol.map_err(|(setting, reason)| invalid(setting, reason))?,
            headers: self.headers,
            every: self.every,
            time_limit: self.time_limit,
            retry_first: self.retry.0,
            retry_longest: self.retry.1,
            spool,
            file: self.file,
            replaces: self.replaces,
        })
    }
}
