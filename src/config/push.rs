//! From a configuration to push targets. Feature `push`.

use super::error::Problem;
use super::{Config, Secret, TargetConfig, TargetFormat, TargetTemporality, TargetType};
use crate::push::{Pusher, PusherBuilder};
use crate::{
    CsvEncoder, Engine, Error, InfluxEncoder, OpenMetricsEncoder, ProtobufEncoder, Target,
    Temporality, TextEncoder,
};
use std::path::PathBuf;

/// With feature `push`.
impl Config {
    /// A pusher of `engine`'s snapshots to all targets, still to be started; `None` if there is no target. Secrets are
    /// looked up now.
    ///
    /// ```
    /// use tachometer::config::Config;
    /// use tachometer::{Engine, Registry};
    /// let config = Config::parse(
    ///     r#"
    ///     [targets.gateway]
    ///     type = "pushgateway"
    ///     url = "http://127.0.0.1:9091"
    ///     job = "nightly"
    ///     "#,
    /// )?;
    /// let engine = Engine::builder().registry(&Registry::new()).start()?;
    /// let pusher = config.pusher(&engine)?.expect("there is a target").start()?;
    /// assert_eq!(pusher.status()[0].name, "gateway");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A secret is not where it should be; a target's setting is wrong.
    pub fn pusher(&self, engine: &Engine) -> Result<Option<PusherBuilder>, Error> {
        if self.targets.is_empty() {
            return Ok(None);
        }
        let mut builder = Pusher::builder(engine).flush_within(self.push.flush_within.0);
        for (name, target) in &self.targets {
            builder = builder.target(name, target.target(name)?);
        }
        Ok(Some(builder))
    }
}

/// With feature `push`.
impl TargetConfig {
    /// The target, which messages call `name`. Secrets are looked up now.
    ///
    /// # Errors
    /// A key is missing, or has a value that cannot be; a secret is not where it should be.
    pub fn target(&self, name: &str) -> Result<Target, Error> {
        let target = self.check(name).and_then(|()| self.assemble(name, |secret| secret.reveal()));
        target.map_err(|problem| Error::InvalidSetting {
            setting: "targets",
            reason: problem.anywhere().reason,
        })
    }

    /// Whether the pusher takes all of it, without a look at any secret.
    pub(super) fn check_target(&self, name: &str) -> Result<(), Problem> {
        let target = self.assemble(name, |_| Ok("-".to_owned()))?;
        target.check(name, false).map_err(|error| self.blamed(name, error))
    }

    /// Whether secrets and files are where they should be, and can be what they are for.
    pub(super) fn check_outside(&self, name: &str) -> Result<(), Problem> {
        let target = self.assemble(name, |secret| secret.reveal())?;
        target.check(name, true).map_err(|error| self.blamed(name, error))
    }

    fn assemble(
        &self,
        name: &str,
        reveal: impl Fn(&Secret) -> Result<String, String>,
    ) -> Result<Target, Problem> {
        let reveal = |key: &str, secret: &Secret| {
            reveal(secret).map_err(|reason| Problem::at(&["targets", name, key], reason))
        };
        let mut target = self.bare(name)?;
        target = target
            .every(self.interval.0)
            .time_limit(self.time_limit.0)
            .retry(self.retry_first.0, self.retry_longest.0)
            .spool(self.spool_entries, self.spool_bytes);
        if let Some(file) = &self.spool_file {
            target = target.spool_file(file);
        }
        for (header, value) in &self.headers {
            target = target.header(header, reveal("headers", value)?);
        }
        if let (Some(user), Some(password)) = (&self.user, &self.password) {
            target = target.basic_auth(user, &reveal("password", password)?);
        }
        if let Some(token) = &self.bearer_token {
            let token = reveal("bearer_token", token)?;
            target = target.header("Authorization", format!("Bearer {token}"));
        }
        if let Some(token) = &self.token {
            target = target.token(&reveal("token", token)?);
        }
        if let Some(file) = &self.ca_file {
            target = target.ca_file(file);
        }
        if let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) {
            target = target.client_certificate(certificate, key);
        }
        if let Some(gzip) = self.gzip {
            target = target.gzip(gzip);
        }
        if let Some(bytes) = self.datagram_bytes {
            target = target.datagram_bytes(bytes);
        }
        if self.plain == Some(true) {
            target = target.plain();
        }
        match self.temporality {
            None => {}
            Some(TargetTemporality::Cumulative) => {
                target = target.temporality(Temporality::Cumulative);
            }
            Some(TargetTemporality::Delta) => target = target.temporality(Temporality::Delta),
        }
        let resource = self.resource.iter();
        let target = resource.fold(target, |target, (key, value)| target.resource(key, value));
        let grouping = self.grouping.iter();
        Ok(grouping.fold(target, |target, (name, value)| target.grouping(name, value)))
    }

    /// The target without what all have in common. What its type needs was checked before.
    fn bare(&self, name: &str) -> Result<Target, Problem> {
        let url = self.url.as_ref().map_or("", |url| url.reveal());
        let address = self.address.as_deref().unwrap_or_default();
        match self.kind {
            None => Err(Problem::at(&["targets", name], "has no `type`")),
            Some(TargetType::Http) => self.page(name, url),
            Some(TargetType::Pushgateway) => {
                Ok(Target::pushgateway(url, self.job.as_deref().unwrap_or_default()))
            }
            Some(TargetType::VictoriaMetrics) => Ok(Target::victoria_metrics(url)),
            Some(TargetType::Otlp) => Ok(Target::otlp(url)),
            Some(TargetType::OtlpJson) => Ok(Target::otlp(url).json(true)),
            Some(TargetType::OtlpGrpc) => otlp_grpc(name, url),
            Some(TargetType::RemoteWrite) => self.remote_write(name, url),
            Some(TargetType::Influx) => {
                Ok(Target::influx(url, self.database.as_deref().unwrap_or_default()))
            }
            Some(TargetType::Influx2) => {
                let [org, bucket] = [&self.org, &self.bucket];
                let given = |key: &Option<String>| key.clone().unwrap_or_default();
                Ok(Target::influx_v2(url, &given(org), &given(bucket)))
            }
            Some(TargetType::Graphite) => Ok(Target::graphite(address)),
            Some(TargetType::Statsd) => Ok(Target::statsd(address)),
        }
    }

    fn page(&self, name: &str, url: &str) -> Result<Target, Problem> {
        Ok(match self.format {
            None => return Err(Problem::at(&["targets", name], "has no `format`")),
            Some(TargetFormat::Text) => Target::http(url, TextEncoder::new()),
            Some(TargetFormat::Openmetrics) => Target::http(url, OpenMetricsEncoder::new()),
            Some(TargetFormat::Protobuf) => Target::http(url, ProtobufEncoder::new()),
            Some(TargetFormat::Csv) => Target::http(url, CsvEncoder::new()),
            Some(TargetFormat::Influx) => Target::http(url, InfluxEncoder::new()),
            #[cfg(feature = "json")]
            Some(TargetFormat::Json) => Target::http(url, crate::JsonEncoder::new()),
            #[cfg(not(feature = "json"))]
            Some(TargetFormat::Json) => {
                let reason = "this program was built without it: build it with the feature `json` of tachometer";
                return Err(Problem::at(&["targets", name, "format"], reason));
            }
        })
    }
}

/// What is said of a type whose feature is off.
#[cfg(not(all(feature = "grpc", feature = "remote-write")))]
fn not_built(name: &str, feature: &str) -> Problem {
    let reason = format!(
        "this program was built without it: build it with the feature `{feature}` of tachometer"
    );
    Problem::at(&["targets", name, "type"], reason)
}

#[cfg(feature = "grpc")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
fn otlp_grpc(_: &str, url: &str) -> Result<Target, Problem> {
    Ok(Target::otlp_grpc(url))
}

#[cfg(not(feature = "grpc"))]
fn otlp_grpc(name: &str, _: &str) -> Result<Target, Problem> {
    Err(not_built(name, "grpc"))
}

impl TargetConfig {
    #[cfg(feature = "remote-write")]
    #[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
    fn remote_write(&self, _: &str, url: &str) -> Result<Target, Problem> {
        use super::TargetVersion;
        use crate::RemoteWriteVersion;
        let mut target = Target::remote_write(url);
        match self.version {
            None => {}
            Some(TargetVersion::V1) => target = target.version(RemoteWriteVersion::V1),
            Some(TargetVersion::V2) => target = target.version(RemoteWriteVersion::V2),
        }
        if let Some(classic) = self.classic_histograms {
            target = target.classic_histograms(classic);
        }
        if let Some(end) = self.end_series {
            target = target.end_series(end);
        }
        Ok(target)
    }

    #[cfg(not(feature = "remote-write"))]
    fn remote_write(&self, name: &str, _: &str) -> Result<Target, Problem> {
        Err(not_built(name, "remote-write"))
    }

    /// The key of the certificate's file that `text` is about.
    fn file_in(&self, text: &str) -> &'static str {
        let files = [
            ("client_key", &self.client_key),
            ("client_certificate", &self.client_certificate),
            ("ca_file", &self.ca_file),
        ];
        let is_in = |file: &Option<PathBuf>| {
            file.as_ref().is_some_and(|file| text.contains(&*file.to_string_lossy()))
        };
        files.iter().find(|(_, file)| is_in(file)).map_or("url", |(key, _)| key)
    }

    /// The pusher's error as one of a key.
    fn blamed(&self, name: &str, error: Error) -> Problem {
        let Error::InvalidSetting { setting, reason } = error else {
            let text = error.to_string();
            return Problem::at(&["targets", name, self.file_in(&text)], text);
        };
        let key = match setting {
            "every" => "interval",
            "retry" => "retry_first",
            "spool" => "spool_entries",
            "header" => "headers",
            "tls" => self.file_in(&reason),
            other => other,
        };
        let said = format!("push target {name:?}: ");
        let reason = reason.strip_prefix(&said).unwrap_or(&reason);
        Problem::at(&["targets", name, key], reason)
    }
}
