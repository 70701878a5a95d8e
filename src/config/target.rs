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
    /// The format of pages.
    pub format: Option<TargetFormat>,
    /// The job of the group.
    pub job: Option<String>,
    /// Further labels of the group.
    pub grouping: BTreeMap<String, String>,
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
            format: None,
            job: None,
            grouping: BTreeMap::new(),
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
    /// Graphite's carbon.
    Graphite,
}

use TargetType::{Graphite, Http, Pushgateway, VictoriaMetrics};

impl TargetType {
    /// The name, as a configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Http => "http",
            Pushgateway => "pushgateway",
            VictoriaMetrics => "victoria-metrics",
            Graphite => "graphite",
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

const OVER_HTTP: &[TargetType] = &[Http, Pushgateway, VictoriaMetrics];
const OVER_SOCKETS: &[TargetType] = &[Graphite];

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
    needed("address", OVER_SOCKETS),
    special("headers", OVER_HTTP),
    special("user", OVER_HTTP),
    special("password", OVER_HTTP),
    special("bearer_token", OVER_HTTP),
    needed("format", &[Http]),
    needed("job", &[Pushgateway]),
    special("grouping", &[Pushgateway]),
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
        let authorized =
            self.headers.keys().any(|header| header.eq_ignore_ascii_case("authorization"));
        let ways = [self.user.is_some(), self.bearer_token.is_some(), authorized];
        if ways.iter().filter(|way| **way).count() > 1 {
            let reason = "expected one of `user` and `password`, `bearer_token`, and the header Authorization";
            return wrong("bearer_token", reason.to_owned());
        }
        #[cfg(feature = "push")]
        self.check_target(name)?;
        Ok(())
    }
}

impl TargetType {
    const ALL: &[TargetType] = &[Http, Pushgateway, VictoriaMetrics, Graphite];
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
    #[cfg(feature = "push")]
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
