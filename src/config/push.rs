//! From a configuration to push targets. Feature `push`.

use super::error::Problem;
use super::{Config, Secret, TargetConfig, TargetFormat, TargetType};
use crate::push::{Pusher, PusherBuilder};
use crate::{
    CsvEncoder, Engine, Error, GraphiteEncoder, InfluxEncoder, OpenMetricsEncoder, ProtobufEncoder,
    Target, TextEncoder,
};

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
        target.check(name).map_err(|error| blamed(name, error))
    }

    /// Whether secrets are where they should be, and can be what they are for.
    pub(super) fn check_outside(&self, name: &str) -> Result<(), Problem> {
        let target = self.assemble(name, |secret| secret.reveal())?;
        target.check(name).map_err(|error| blamed(name, error))
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
        Ok(self.grouping.iter().fold(target, |target, (name, value)| target.grouping(name, value)))
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
            Some(TargetType::Graphite) => Ok(Target::lines(address, GraphiteEncoder::new())),
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

/// The pusher's error as one of a key.
fn blamed(name: &str, error: Error) -> Problem {
    let Error::InvalidSetting { setting, reason } = error else {
        return Problem::at(&["targets", name], error.to_string());
    };
    let key = match setting {
        "every" => "interval",
        "retry" => "retry_first",
        "spool" => "spool_entries",
        "header" => "headers",
        other => other,
    };
    let said = format!("push target {name:?}: ");
    let reason = reason.strip_prefix(&said).unwrap_or(&reason);
    Problem::at(&["targets", name, key], reason)
}
