//! What looks at the numbers of a run over time: its history, the rules, who is told of alerts, and
//! health; and what is read beside them from elsewhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tachometer::config::Config;
use tachometer::health::Health;
use tachometer::notify::{Notifier, NotifierBuilder};
use tachometer::query::{Settings, Source};
use tachometer::rules::{RuleFile, RuleManager};
use tachometer::source::{Sources, SourcesBuilder};
use tachometer::{Engine, History, ListenerBuilder};

use crate::alerts::Alerts;
use crate::report;
use crate::summary::Fact;

/// How long handlers may take for what is left when a run ends.
const FLUSH: Duration = Duration::from_secs(5);

/// The rules of a system that come with tachometer.
pub type Shipped = fn() -> anyhow::Result<Vec<RuleFile>>;

/// All that looks at an engine.
#[derive(Debug)]
pub struct Oversight {
    health: Health,
    alerts: Arc<Alerts>,
    past: Option<Past>,
    /// Polled for as long as it is kept.
    _sources: Option<Sources>,
}

/// What needs a history.
#[derive(Debug)]
struct Past {
    history: History,
    rules: RuleManager,
    notifier: Option<Arc<Notifier>>,
}

impl Oversight {
    /// Starts what `config` says. `rules` are those of the command line; without them those of `config` are evaluated, and
    /// without these the `shipped` ones.
    pub fn start(
        config: &Config,
        rules: Option<Vec<RuleFile>>,
        shipped: Shipped,
        engine: &Engine,
    ) -> anyhow::Result<Self> {
        let health = config.health.builder().start(engine).context("[health] cannot be applied")?;
        let alerts = Arc::new(Alerts::default());
        let sources = config.sources()?.map(|builder: SourcesBuilder| builder.start(engine));
        let sources = sources.transpose().context("[sources] cannot be polled")?;
        let history = config.history.start(engine).context("no history can be kept")?;
        let Some(history) = history else {
            return Ok(Self { health, alerts, past: None, _sources: sources });
        };
        let rules = match (rules, config.rule_manager()?) {
            (Some(files), _) => RuleManager::builder().files(files),
            (None, Some(builder)) => builder,
            (None, None) => RuleManager::builder().files(shipped()?),
        };
        let notifier = config.notifier(engine)?.map(NotifierBuilder::start).transpose();
        let notifier = notifier.context("nobody can be told of alerts")?.map(Arc::new);
        let mut rules = rules.observer(alerts.clone()).observer(Arc::new(health.clone()));
        if let Some(notifier) = &notifier {
            rules = rules.observer(notifier.clone());
        }
        let rules = rules.start(engine, &history).context("the rules cannot be evaluated")?;
        let past = Some(Past { history, rules, notifier });
        Ok(Self { health, alerts, past, _sources: sources })
    }

    /// What alerts became.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// Whether there is something for the live page to show.
    pub fn is_shown(&self) -> bool {
        self.past.is_some()
    }

    /// The history with what rules record; `None` if none is kept.
    pub fn source(&self) -> Option<Arc<dyn Source>> {
        self.past.as_ref().map(|past| past.rules.source())
    }

    /// Adds to what is served.
    pub fn serve(
        &self,
        config: &Config,
        builder: ListenerBuilder,
    ) -> anyhow::Result<ListenerBuilder> {
        let mut builder = builder.health(&self.health);
        if let Some(Past { rules, .. }) = &self.past {
            builder = builder.query(rules.source(), Settings::default()).rules(rules);
        }
        Ok(match config.history.backend()? {
            Some(backend) => builder.query_backend(backend),
            None => builder,
        })
    }

    /// Stops the rules, whom an engine that ends would look to as if it hung, and tells who is still to be told.
    pub fn stop(&self) {
        let Some(past) = &self.past else { return };
        past.rules.stop();
        if let Some(notifier) = &past.notifier {
            notifier.shutdown(FLUSH);
        }
    }

    /// What it came to.
    pub fn facts(&self) -> Vec<Fact> {
        let Some(Past { history, rules, notifier }) = &self.past else { return Vec::new() };
        let told = notifier.iter().flat_map(|notifier| notifier.status());
        let facts = report::kept(history, rules).into_iter();
        facts.chain(told.map(|handler| report::told(&handler))).collect()
    }
}
