//! Push targets, as an operator sets them: which keys there are, and which types have which.

use super::error::Problem;
use super::{Secret, Span};
use crate::limits::{
    DEFAULT_PUSH_FLUSH_LIMIT, DEFAULT_PUSH_INTERVAL, DEFAULT_PUSH_RETRY_FIRST,
    DEFAULT_PUSH_RETRY_LONGEST, DEFAULT_PUSH_SPOOL_BYTES, DEFAULT_PUSH_SPOOL_ENTRIES,
    DEFAULT_PUSH_TIME_LIMIT,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What all targets have in common: see `PusherBuilder`, feature `push`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct PushConfig {
    /// How long the last flush may take, all targets together.
    pub flush_within: Span,
}

impl Default for PushConfig {
    fn default() -> Self {
        PushConfig { flush_within: Span(DEFAULT_PUSH_FLUSH_LIMIT) }
    }
}

/// A push target: see `Target`, feature `push`. Which types have which keys: see the [`EXAMPLE`](super::EXAMPLE).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct TargetConfig {
    /// What kind of server it is; must be given.
    #[serde(rename = "type")]
    pub kind: Option<TargetType>,
    /// Where it is, for types over HTTP.
    pub url: Option<TargetUrl>,
    /// Where it is, host and port, for other types.
    pub address: Option<String>,
    /// How often a snapshot is pushed.
    pub interval: Span,
    /// How long an attempt may take.
    pub time_limit: Span,
    /// The pause after a first attempt that failed.
    pub retry_first: Span,
    /// The longest pause between attempts.
    pub retry_longest: Span,
    /// Payloads that may wait.
    pub spool_entries: usize,
    /// Bytes that may wait.
    pub spool_bytes: usize,
    /// Keeps what waits in a file as well.
    pub spool_file: Option<PathBuf>,
    /// Headers of each request.
    pub headers: BTreeMap<String, Secret>,
    /// The user of basic authentication.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A token: `Authorization: Bearer …`.
    pub bearer_token: Option<Secret>,
    /// The token of InfluxDB 2.
    pub token: Option<Secret>,
    /// A PEM file of the certificate authorities that are trusted, in the stead of the system's; needs feature `tls`.
    pub ca_file: Option<PathBuf>,
    /// A PEM file of the certificate to show to a server that asks for one.
    pub client_certificate: Option<PathBuf>,
    /// A PEM file of its key.
    pub client_key: Option<PathBuf>,
    /// Whether bodies are packed with gzip.
    pub gzip: Option<bool>,
    /// The format of pages.
    pub format: Option<TargetFormat>,
    /// The job of the group.
    pub job: Option<String>,
    /// Further labels of the group.
    pub grouping: BTreeMap<String, String>,
    /// From when on OTLP's counters and histograms count.
    pub temporality: Option<TargetTemporality>,
    /// Attributes of OTLP's resource.
    pub resource: BTreeMap<String, String>,
    /// The version of remote write.
    pub version: Option<TargetVersion>,
    /// Whether histograms go as classic ones by remote write.
    pub classic_histograms: Option<bool>,
    /// Whether remote write ends all series when the program stops.
    pub end_series: Option<bool>,
    /// The database of InfluxDB 1.
    pub database: Option<String>,
    /// The organisation of InfluxDB 2.
    pub org: Option<String>,
    /// The bucket of InfluxDB 2.
    pub bucket: Option<String>,
    /// Whether StatsD is the plain one, which has no tags.
    pub plain: Option<bool>,
    /// Bytes of a datagram.
    pub datagram_bytes: Option<usize>,
}

impl Default for TargetConfig {
    fn default() -> Self {
        TargetConfig {
            kind: None,
            url: None,
            address: None,
            interval: Span(DEFAULT_PUSH_INTERVAL),
            time_limit: Span(DEFAULT_PUSH_TIME_LIMIT),
            retry_first: Span(DEFAULT_PUSH_RETRY_FIRST),
            retry_longest: Span(DEFAULT_PUSH_RETRY_LONGEST),
            spool_entries: DEFAULT_PUSH_SPOOL_ENTRIES,
            spool_bytes: DEFAULT_PUSH_SPOOL_BYTES,
            spool_file: None,
            headers: BTreeMap::new(),
            user: None,
            password: None,
            bearer_token: None,
            token: None,
            ca_file: None,
            client_certificate: None,
            client_key: None,
            gzip: None,
            format: None,
            job: None,
            grouping: BTreeMap::new(),
            temporality: None,
            resource: BTreeMap::new(),
            version: None,
            classic_histograms: None,
            end_series: None,
            database: None,
            org: None,
            bucket: None,
            plain: None,
            datagram_bytes: None,
        }
    }
}

/// What kind of server a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TargetType {
    /// Any that takes a page by `POST`.
    Http,
    /// Prometheus's Pushgateway.
    Pushgateway,
    /// VictoriaMetrics.
    VictoriaMetrics,
    /// An OTLP receiver, by protobuf over HTTP.
    Otlp,
    /// An OTLP receiver, by JSON over HTTP.
    OtlpJson,
    /// An OTLP receiver, over gRPC; needs feature `grpc`.
    OtlpGrpc,
    /// What takes Prometheus remote write; needs feature `remote-write`.
    RemoteWrite,
    /// InfluxDB 1.x, or what understands its line protocol.
    Influx,
    /// InfluxDB 2.x.
    Influx2,
    /// Graphite's carbon.
    Graphite,
    /// StatsD or DogStatsD.
    Statsd,
}

use TargetType::{
    Graphite, Http, Influx, Influx2, Otlp, OtlpGrpc, OtlpJson, Pushgateway, RemoteWrite, Statsd,
    VictoriaMetrics,
};

impl TargetType {
    /// The name, as a configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Http => "http",
            Pushgateway => "pushgateway",
            VictoriaMetrics => "victoria-metrics",
            Otlp => "otlp",
            OtlpJson => "otlp-json",
            OtlpGrpc => "otlp-grpc",
            RemoteWrite => "remote-write",
            Influx => "influx",
            Influx2 => "influx2",
            Graphite => "graphite",
            Statsd => "statsd",
        }
    }
}

/// The format of pages for a target of the type `http`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum TargetFormat {
    /// The Prometheus text format.
    Text,
    /// OpenMetrics.
    Openmetrics,
    /// Prometheus protobuf.
    Protobuf,
    /// JSON; needs feature `json`.
    Json,
    /// CSV.
    Csv,
    /// The InfluxDB line protocol.
    Influx,
}

/// From when on counters and histograms of an OTLP target count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetTemporality {
    /// From when the series began.
    Cumulative,
    /// From the last request that was taken.
    Delta,
}

/// The version of remote write that a target begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetVersion {
    /// 1.0, which every receiver takes.
    #[serde(rename = "1.0")]
    V1,
    /// 2.0; a receiver that does not know it gets 1.0.
    #[serde(rename = "2.0")]
    V2,
}

const OVER_HTTP: &[TargetType] =
    &[Http, Pushgateway, VictoriaMetrics, Otlp, OtlpJson, OtlpGrpc, RemoteWrite, Influx, Influx2];
const PACKED: &[TargetType] =
    &[Http, Pushgateway, VictoriaMetrics, Otlp, OtlpJson, OtlpGrpc, Influx, Influx2];
const OTLP: &[TargetType] = &[Otlp, OtlpJson, OtlpGrpc];

/// A key that not all types have.
struct Special {
    name: &'static str,
    types: &'static [TargetType],
    /// Whether those types must have it.
    needed: bool,
}

const fn special(name: &'static str, types: &'static [TargetType]) -> Special {
    Special { name, types, needed: false }
}

const fn needed(name: &'static str, types: &'static [TargetType]) -> Special {
    Special { name, types, needed: true }
}

const SPECIAL: &[Special] = &[
    needed("url", OVER_HTTP),
    needed("address", &[Graphite, Statsd]),
    special("headers", OVER_HTTP),
    special("user", OVER_HTTP),
    special("password", OVER_HTTP),
    special("bearer_token", OVER_HTTP),
    special("token", &[Influx2]),
    special("ca_file", OVER_HTTP),
    special("client_certificate", OVER_HTTP),
    special("client_key", OVER_HTTP),
    special("gzip", PACKED),
    needed("format", &[Http]),
    needed("job", &[Pushgateway]),
    special("grouping", &[Pushgateway]),
    special("temporality", OTLP),
    special("resource", OTLP),
    special("version", &[RemoteWrite]),
    special("classic_histograms", &[RemoteWrite]),
    special("end_series", &[RemoteWrite]),
    needed("database", &[Influx]),
    needed("org", &[Influx2]),
    needed("bucket", &[Influx2]),
    special("plain", &[Statsd]),
    special("datagram_bytes", &[Statsd]),
];

impl TargetConfig {
    /// Whether a key that not all types have is set.
    fn has(&self, key: &str) -> bool {
        match key {
            "url" => self.url.is_some(),
            "address" => self.address.is_some(),
            "headers" => !self.headers.is_empty(),
            "user" => self.user.is_some(),
            "password" => self.password.is_some(),
            "bearer_token" => self.bearer_token.is_some(),
            "format" => self.format.is_some(),
            "job" => self.job.is_some(),
            "grouping" => !self.grouping.is_empty(),
            "token" => self.token.is_some(),
            "ca_file" => self.ca_file.is_some(),
            "client_certificate" => self.client_certificate.is_some(),
            "client_key" => self.client_key.is_some(),
            "gzip" => self.gzip.is_some(),
            "temporality" => self.temporality.is_some(),
            "resource" => !self.resource.is_empty(),
            "version" => self.version.is_some(),
            "classic_histograms" => self.classic_histograms.is_some(),
            "end_series" => self.end_series.is_some(),
            "database" => self.database.is_some(),
            "org" => self.org.is_some(),
            "bucket" => self.bucket.is_some(),
            "plain" => self.plain.is_some(),
            "datagram_bytes" => self.datagram_bytes.is_some(),
            other => unreachable!("{other} is in SPECIAL, and must be here too"),
        }
    }

    pub(super) fn check(&self, name: &str) -> Result<(), Problem> {
        let wrong = |key: &str, reason: String| Err(Problem::at(&["targets", name, key], reason));
        let Some(kind) = self.kind else {
            let names = names(TargetType::ALL);
            let reason = format!("has no `type`; expected one of {names}");
            return Err(Problem::at(&["targets", name], reason));
        };
        // First what is too much: a wrong type explains what then seems to be missing.
        let superfluous =
            SPECIAL.iter().find(|key| self.has(key.name) && !key.types.contains(&kind));
        if let Some(key) = superfluous {
            let (kind, others) = (kind.name(), names(key.types));
            let reason = format!("{kind} targets do not have it; it is for {others}");
            return wrong(key.name, reason);
        }
        let missing = SPECIAL
            .iter()
            .find(|key| key.needed && key.types.contains(&kind) && !self.has(key.name));
        if let Some(Special { name: key, .. }) = missing {
            let reason = format!("has no `{key}`, which a target of type {:?} needs", kind.name());
            return Err(Problem::at(&["targets", name], reason));
        }
        if self.user.is_some() != self.password.is_some() {
            return wrong("user", "expected both `user` and `password`, or neither".to_owned());
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            let reason = "expected both `client_certificate` and `client_key`, or neither";
            return wrong("client_certificate", reason.to_owned());
        }
        let authorized =
            self.headers.keys().any(|header| header.eq_ignore_ascii_case("authorization"));
        let tokens = [self.bearer_token.is_some(), self.token.is_some()];
        let ways = [self.user.is_some(), tokens[0], tokens[1], authorized];
        if ways.iter().filter(|way| **way).count() > 1 {
            let reason = "expected one of `user` with `password`, `bearer_token`, `token`, and the header Authorization";
            return wrong("bearer_token", reason.to_owned());
        }
        #[cfg(feature = "push")]
        self.check_target(name)?;
        Ok(())
    }
}

impl TargetType {
    const ALL: &[TargetType] = &[
        Http,
        Pushgateway,
        VictoriaMetrics,
        Otlp,
        OtlpJson,
        OtlpGrpc,
        RemoteWrite,
        Influx,
        Influx2,
        Graphite,
        Statsd,
    ];
}

fn names(kinds: &[TargetType]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| format!("{:?}", kind.name())).collect();
    names.join(", ")
}

/// Where a target is. Shown without what may be secret in it: credentials, and the query.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl(String);

impl TargetUrl {
    /// The URL in `text`.
    pub fn new(text: impl Into<String>) -> Self {
        TargetUrl(text.into())
    }

    /// All of it: not to be shown.
    #[cfg(any(feature = "backend", feature = "notify", feature = "push"))]
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rest, query) = match self.0.split_once(['?', '#']) {
            Some((rest, _)) => (rest, "?********"),
            None => (&*self.0, ""),
        };
        let (scheme, rest) = match rest.split_once("://") {
            Some((scheme, rest)) if scheme.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
                (scheme, rest)
            }
            // What is no URL may be anything.
            _ => return f.write_str("********"),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let shown = authority.rfind('@').map_or(rest, |at| &rest[at + 1..]);
        write!(f, "{scheme}://{shown}{query}")
    }
}

impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl<'de> Deserialize<'de> for TargetUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(TargetUrl)
    }
}

impl Serialize for TargetUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_may_be_secret() {
        for (url, shown) in [
            ("http://h:1/p", "http://h:1/p"),
            ("http://h:1/p?token=hunter2", "http://h:1/p?********"),
            ("http://me:hunter2@h/p", "http://h/p"),
            ("http://me:hunt@er2@h", "http://h"),
            ("http://h/p@q", "http://h/p@q"),
            ("hunter2", "********"),
            ("hunter2@h/x://y", "********"),
        ] {
            let url = TargetUrl::new(url);
            assert_eq!(url.to_string(), shown);
            assert_eq!(
                TargetUrl::new(shown).to_string(),
                shown,
                "no more is lost when it is read again"
            );
            assert!(!format!("{url:?}").contains("hunt"));
        }
    }

    #[test]
    fn every_special_key_is_one_and_is_looked_at() {
        for key in SPECIAL {
            assert!(!TargetConfig::default().has(key.name));
            assert!(key.types.iter().all(|kind| TargetType::ALL.contains(kind)));
        }
    }
}
