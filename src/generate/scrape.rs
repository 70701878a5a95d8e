//! A configuration for Prometheus that scrapes engines and evaluates their rules.

use crate::query::duration;
use std::fmt;
use std::time::Duration;

/// What a Prometheus shall scrape, and which rules it shall evaluate.
///
/// ```
/// use tachometer::generate::Scrape;
/// let yaml = Scrape::new(["127.0.0.1:9464"]).rule_file("rules/raft.yml").to_yaml()?;
/// assert!(yaml.contains("  - targets: ['127.0.0.1:9464']\n"), "{yaml}");
/// assert!(Scrape::new(["http://host/metrics"]).to_yaml().is_err());
/// # Ok::<(), tachometer::generate::ScrapeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is written until `to_yaml`"]
pub struct Scrape {
    job: String,
    targets: Vec<String>,
    interval: Duration,
    rule_files: Vec<String>,
}

/// Why there is no such configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrapeError(String);

impl fmt::Display for ScrapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl std::error::Error for ScrapeError {}

impl Scrape {
    /// Scrapes `targets`, each `host:port`, every 5 seconds: the shipped rules for Raft want samples more often than every
    /// ten.
    pub fn new<T: Into<String>>(targets: impl IntoIterator<Item = T>) -> Scrape {
        Scrape {
            job: "tachometer".to_owned(),
            targets: targets.into_iter().map(Into::into).collect(),
            interval: Duration::from_secs(5),
            rule_files: Vec::new(),
        }
    }

    /// Sets the value of the label `job`; `tachometer` by default.
    pub fn job(mut self, job: impl Into<String>) -> Self {
        self.job = job.into();
        self
    }

    /// Sets how often is scraped, and rules are evaluated.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Adds a rule file, by its path from the configuration.
    pub fn rule_file(mut self, path: impl Into<String>) -> Self {
        self.rule_files.push(path.into());
        self
    }

    /// The configuration, as `prometheus --config.file` reads it.
    ///
    /// # Errors
    /// A target is no `host:port`, a name is empty or has a line break, the interval is shorter than a millisecond.
    pub fn to_yaml(&self) -> Result<String, ScrapeError> {
        let interval = match self.interval.as_millis() {
            0 => Err("no time at all".to_owned()),
            _ => duration::format(self.interval),
        };
        let interval = interval.map_err(|why| ScrapeError(format!("interval: {why}")))?;
        let targets = self.targets.iter().map(|target| check_target(target));
        let targets = targets.collect::<Result<Vec<_>, _>>()?.join(", ");
        let mut yaml =
            format!("global:\n  scrape_interval: {interval}\n  evaluation_interval: {interval}\n");
        if !self.rule_files.is_empty() {
            yaml += "rule_files:\n";
            for path in &self.rule_files {
                yaml += &format!("- {}\n", quoted("rule file", path)?);
            }
        }
        yaml += &format!(
            "scrape_configs:\n- job_name: {}\n  static_configs:\n  - targets: [{targets}]\n",
            quoted("job", &self.job)?
        );
        Ok(yaml)
    }
}

fn check_target(target: &str) -> Result<String, ScrapeError> {
    let is_target = target.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains(['/', ' ', '@']) && port.parse::<u16>().is_ok()
    });
    match is_target {
        true => quoted("target", target),
        false => Err(ScrapeError(format!("target {target:?} is no host:port, as 127.0.0.1:9464"))),
    }
}

/// A text in single quotes, in which only they need a second one.
fn quoted(what: &str, text: &str) -> Result<String, ScrapeError> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => Err(ScrapeError(format!("{what}: {text:?} is empty, or has a control character"))),
        false => Ok(format!("'{}'", text.replace('\'', "''"))),
    }
}
