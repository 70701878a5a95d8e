//! What is read from elsewhere, as far as an operator sets it.

use super::error::Problem;
use super::{Secret, Span, TargetUrl};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
#[cfg(feature = "source")]
use {
    super::Config,
    crate::Error,
    crate::source::{
        CommandSource, HostSource, JsonSource, Mapping, MetricMapping, PageFormat, PageSource,
        PollSettings, SampleKind, Source, Sources, SourcesBuilder,
    },
};

/// A source, by its name: see `source::Sources`, feature `source`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct SourceConfig {
    /// What kind of source it is.
    #[serde(rename = "type")]
    pub kind: Option<SourceType>,
    /// Where a page is.
    pub url: Option<TargetUrl>,
    /// A program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// Where a host's procfs is mounted.
    pub root: Option<PathBuf>,
    /// A path on the file system of a host whose use is shown.
    pub disk: Option<PathBuf>,
    /// Which node a host is.
    pub node_id: Option<String>,
    /// From one poll to the next.
    pub interval: Option<Span>,
    /// How long a poll may take.
    pub time_limit: Option<Span>,
    /// After how long without a good poll the series end.
    pub stale_after: Option<Span>,
    /// The most bytes of a poll.
    pub max_bytes: Option<usize>,
    /// The most series.
    pub max_series: Option<usize>,
    /// Labels of all series.
    pub labels: BTreeMap<String, String>,
    /// Whether all series carry the label `source`.
    pub source_label: Option<bool>,
    /// Headers of each request.
    pub headers: BTreeMap<String, Secret>,
    /// For basic authentication, with `password`.
    pub user: Option<String>,
    /// For basic authentication, with `user`.
    pub password: Option<Secret>,
    /// For bearer authentication.
    pub bearer_token: Option<Secret>,
    /// Certificate authorities to trust, in the place of the system's.
    pub ca_file: Option<PathBuf>,
    /// Which fields of JSON are which metrics, by the metrics' names.
    pub metrics: BTreeMap<String, SourceMetric>,
}

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SourceType {
    /// The machine, from `/proc`.
    Host,
    /// A Prometheus page, in any format.
    Page,
    /// A JSON page.
    Json,
    /// What a program prints.
    Command,
}

/// A metric that is read from a field of JSON: see `source::MetricMapping`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a table of settings")]
pub struct SourceMetric {
    /// What kind of metric it is; a gauge, if this is not set.
    #[serde(rename = "type")]
    pub kind: SourceMetricType,
    /// The path to the numbers.
    pub path: String,
    /// What it counts or measures.
    pub help: String,
    /// The unit, after scaling.
    pub unit: String,
    /// What the numbers are multiplied by.
    pub scale: Option<f64>,
    /// Whether the field may be missing.
    pub optional: bool,
    /// Labels that are always the same.
    pub labels: BTreeMap<String, String>,
    /// Labels that are read from fields.
    pub label_paths: BTreeMap<String, String>,
}

/// A kind of metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SourceMetricType {
    /// A count that only rises.
    Counter,
    /// A value that rises and falls.
    #[default]
    Gauge,
    /// A distribution, with buckets.
    Histogram,
    /// Quantiles.
    Summary,
}

use SourceType::{Command as Program, Host, Json, Page};

impl SourceType {
    /// The name, as a configuration has it.
    pub fn name(self) -> &'static str {
        match self {
            Host => "host",
            Page => "page",
            Json => "json",
            Program => "command",
        }
    }
}

impl SourceConfig {
    pub(super) fn check(&self, name: &str) -> Result<(), Problem> {
        let wrong = |key: &str, reason: String| Err(Problem::at(&["sources", name, key], reason));
        let Some(kind) = self.kind else {
            let reason = "has no `type`; expected one of \"host\", \"page\", \"json\", \"command\"";
            return Err(Problem::at(&["sources", name], reason));
        };
        let over_http: &[SourceType] = &[Page, Json];
        let keys: [(&str, bool, &[SourceType]); 11] = [
            ("url", self.url.is_some(), over_http),
            ("command", !self.command.is_empty(), &[Program]),
            ("root", self.root.is_some(), &[Host]),
            ("disk", self.disk.is_some(), &[Host]),
            ("node_id", self.node_id.is_some(), &[Host]),
            ("headers", !self.headers.is_empty(), over_http),
            ("user", self.user.is_some(), over_http),
            ("password", self.password.is_some(), over_http),
            ("bearer_token", self.bearer_token.is_some(), over_http),
            ("ca_file", self.ca_file.is_some(), over_http),
            ("metrics", !self.metrics.is_empty(), &[Json, Program]),
        ];
        if let Some((key, ..)) = keys.iter().find(|(_, set, of)| *set && !of.contains(&kind)) {
            return wrong(key, format!("a source of type {:?} does not have it", kind.name()));
        }
        let needs = |key: &str| {
            let reason = format!("has no `{key}`, which type {:?} needs", kind.name());
            Err(Problem::at(&["sources", name], reason))
        };
        match kind {
            Page | Json if self.url.is_none() => return needs("url"),
            Json if self.metrics.is_empty() => return needs("metrics"),
            Program if self.command.is_empty() => return needs("command"),
            _ => {}
        }
        if self.user.is_some() != self.password.is_some() {
            return wrong("user", "expected both `user` and `password`, or neither".to_owned());
        }
        let authorized =
            self.headers.keys().any(|header| header.eq_ignore_ascii_case("authorization"));
        let ways = [self.user.is_some(), self.bearer_token.is_some(), authorized];
        if ways.iter().filter(|way| **way).count() > 1 {
            let reason = "expected one of `user` with `password`, `bearer_token`, and the header Authorization";
            return wrong("bearer_token", reason.to_owned());
        }
        #[cfg(feature = "source")]
        {
            // Files of authorities are looked at when the source is made.
            let without = SourceConfig { ca_file: None, ..self.clone() };
            without.assemble(name, |_| Ok("-".to_owned()))?;
            self.settings().check(name).map_err(|error| blamed(name, error))?;
        }
        Ok(())
    }

    pub(super) fn line(&self, name: &str) -> String {
        let kind = self.kind.map_or("none", SourceType::name);
        let place = match (&self.url, self.command.first()) {
            (Some(url), _) => {
                // Paths and queries may hold tokens.
                let shown = url.to_string();
                let origin = shown.split('/').take(3).collect::<Vec<_>>().join("/");
                format!(" at {}", origin.split('?').next().unwrap_or_default())
            }
            (None, Some(program)) => format!(" {program}"),
            (None, None) => String::new(),
        };
        let interval = self.interval.unwrap_or(Span(crate::limits::DEFAULT_SOURCE_INTERVAL));
        format!("source {name}: {kind}{place}, every {interval}")
    }
}

#[cfg(feature = "source")]
fn blamed(name: &str, error: Error) -> Problem {
    match error {
        Error::InvalidSetting { setting: "mapping", reason } => {
            Problem::at(&["sources", name, "metrics"], reason)
        }
        Error::InvalidSetting { setting: "header", reason } => {
            Problem::at(&["sources", name, "headers"], reason)
        }
        Error::InvalidSetting { setting, reason } => {
            Problem::at(&["sources", name, setting], reason)
        }
        other => Problem::at(&["sources", name], other.to_string()),
    }
}

/// With feature `source`.
#[cfg(feature = "source")]
impl SourceConfig {
    /// Whether secrets and files are where they should be.
    pub(super) fn check_outside(&self, name: &str) -> Result<(), Problem> {
        self.assemble(name, |secret| secret.reveal()).map(drop)
    }

    /// The source and how it is polled, for whoever keeps a set of [`Sources`] himself. Secrets are looked up now.
    ///
    /// ```
    /// use tachometer::config::Config;
    /// use tachometer::source::Source;
    /// let config = Config::parse("[sources.host]\ntype = \"host\"\nnode_id = \"n1\"")?;
    /// let (source, _settings) = config.sources["host"].source("host")?;
    /// assert_eq!(source.name(), "host");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A secret is not where it should be; a setting is wrong.
    pub fn source(&self, name: &str) -> Result<(Box<dyn Source>, PollSettings), Error> {
        let made = self.check(name).and_then(|()| self.assemble(name, |secret| secret.reveal()));
        let made = made.map_err(|problem| Error::InvalidSetting {
            setting: "sources",
            reason: problem.anywhere().reason,
        })?;
        Ok((made, self.settings()))
    }

    fn settings(&self) -> PollSettings {
        let mut settings = PollSettings::new();
        if let Some(interval) = self.interval {
            settings = settings.interval(interval.0);
        }
        if let Some(limit) = self.time_limit {
            settings = settings.time_limit(limit.0);
        }
        if let Some(span) = self.stale_after {
            settings = settings.stale_after(span.0);
        }
        if let Some(bytes) = self.max_bytes {
            settings = settings.max_bytes(bytes);
        }
        if let Some(series) = self.max_series {
            settings = settings.max_series(series);
        }
        if let Some(wanted) = self.source_label {
            settings = settings.source_label(wanted);
        }
        self.labels.iter().fold(settings, |settings, (name, value)| settings.label(name, value))
    }

    fn assemble(
        &self,
        name: &str,
        reveal: impl Fn(&Secret) -> Result<String, String>,
    ) -> Result<Box<dyn Source>, Problem> {
        let reveal = |key: &str, secret: &Secret| {
            reveal(secret).map_err(|reason| Problem::at(&["sources", name, key], reason))
        };
        let blamed = |error| blamed(name, error);
        // Sources over HTTP have these settings in common, but no trait.
        macro_rules! over_http {
            ($builder:expr) => {{
                let mut builder = $builder;
                for (header, value) in &self.headers {
                    builder = builder.header(header, reveal("headers", value)?);
                }
                if let (Some(user), Some(password)) = (&self.user, &self.password) {
                    builder = builder.basic_auth(user, &reveal("password", password)?);
                }
                if let Some(token) = &self.bearer_token {
                    builder = builder.bearer_token(&reveal("bearer_token", token)?);
                }
                if let Some(file) = &self.ca_file {
                    builder = builder.ca_file(file);
                }
                builder.build().map_err(blamed)?
            }};
        }
        let url = self.url.as_ref().map(|url| url.reveal()).unwrap_or_default();
        Ok(match self.kind {
            None => return Err(Problem::at(&["sources", name], "has no `type`")),
            Some(Host) => {
                let mut host = HostSource::new(name);
                if let Some(root) = &self.root {
                    host = host.root(root);
                }
                if let Some(disk) = &self.disk {
                    host = host.disk(disk);
                }
                if let Some(node) = &self.node_id {
                    host = host.node_id(node);
                }
                Box::new(host)
            }
            Some(Page) => Box::new(over_http!(PageSource::builder(name, url))),
            Some(Json) => {
                let mapping = self.mapping().map_err(blamed)?;
                Box::new(over_http!(JsonSource::builder(name, url, mapping)))
            }
            Some(Program) => {
                let (program, arguments) = self.command.split_first().ok_or_else(|| {
                    Problem::at(
                        &["sources", name],
                        "has no `command`, which type \"command\" needs",
                    )
                })?;
                let command = CommandSource::new(name, program, arguments).map_err(blamed)?;
                match self.metrics.is_empty() {
                    true => Box::new(command.format(PageFormat::Text)),
                    false => Box::new(command.mapping(self.mapping().map_err(blamed)?)),
                }
            }
        })
    }

    fn mapping(&self) -> Result<Mapping, Error> {
        Mapping::new(self.metrics.iter().map(|(name, metric)| {
            let kind = match metric.kind {
                SourceMetricType::Counter => SampleKind::Counter,
                SourceMetricType::Gauge => SampleKind::Gauge,
                SourceMetricType::Histogram => SampleKind::Histogram,
                SourceMetricType::Summary => SampleKind::Summary,
            };
            let mapped = MetricMapping::new(name, kind, &metric.path)
                .help(&metric.help)
                .unit(&metric.unit)
                .scale(metric.scale.unwrap_or(1.0))
                .optional(metric.optional);
            let mapped =
                metric.labels.iter().fold(mapped, |mapped, (name, text)| mapped.label(name, text));
            metric
                .label_paths
                .iter()
                .fold(mapped, |mapped, (name, path)| mapped.label_path(name, path))
        }))
    }
}

/// With feature `source`.
#[cfg(feature = "source")]
impl Config {
    /// All sources in `[sources]`, still to be started; `None` if there is none. Secrets are looked up now.
    ///
    /// ```
    /// use tachometer::{Engine, Registry, config::Config};
    /// let config = Config::parse("[sources.host]\ntype = \"host\"\nnode_id = \"n1\"")?;
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let sources = config.sources()?.expect("there is a source").start(&engine)?;
    /// assert_eq!(sources.names(), ["host"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A secret is not where it should be; a setting is wrong.
    pub fn sources(&self) -> Result<Option<SourcesBuilder>, Error> {
        if self.sources.is_empty() {
            return Ok(None);
        }
        let mut builder = Sources::builder();
        for (name, source) in &self.sources {
            let (made, settings) = source.source(name)?;
            builder = builder.source(made, settings);
        }
        Ok(Some(builder))
    }
}
