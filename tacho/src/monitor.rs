//! The engine of one run: a registry of its own, snapshots every second, and the page if one is
//! served.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tachometer::config::Config;
use tachometer::push::PusherBuilder;
use tachometer::query::Settings;
use tachometer::rules::{RuleFile, RuleManager};
use tachometer::{Engine, History, Listener, Pusher, Registry, Snapshot};

use crate::alerts::{self, Alerts};
use crate::listen::{self, Listen};
use crate::report;
use crate::summary::{Distribution, Fact};

/// The name of the engine's thread.
const AGGREGATOR: &str = "tachometer";

/// What measures a run.
#[derive(Debug)]
pub struct Monitor {
    registry: Registry,
    engine: Engine,
    history: History,
    rules: RuleManager,
    alerts: Arc<Alerts>,
    listener: Option<Listener>,
    /// Where the page is.
    page: Option<String>,
    pusher: Option<Pusher>,
    started: Instant,
}

/// What a run came to, by the engine's last snapshot.
#[derive(Debug, Default)]
pub struct Measured {
    pub distributions: Vec<Distribution>,
    pub engine: Vec<Fact>,
}

impl Monitor {
    /// Starts the engine, and serves it where `listen` says.
    pub fn start(listen: Listen) -> anyhow::Result<Self> {
        Self::configured(&Config::default(), Some(listen), alerts::rule_files(&[])?)
    }

    /// Starts the engine as `config` says, keeps its history, evaluates `rules` over that, and serves all of it where
    /// `listen` says, or else `config`.
    pub fn configured(
        config: &Config,
        listen: Option<Listen>,
        rules: Vec<RuleFile>,
    ) -> anyhow::Result<Self> {
        config.process.apply().context("[process] cannot be applied")?;
        let registry = Registry::new();
        config.recording.apply(&registry).context("[recording] cannot be applied")?;
        let mut builder = config.engine.builder().registry(&registry);
        if !config.engine.labels.contains_key("cluster") {
            builder = builder.label("cluster", "tacho");
        }
        let engine = builder.start().context("the engine cannot be started")?;
        let history = History::builder().start(&engine).context("no history can be kept")?;
        let alerts = Arc::new(Alerts::default());
        let rules = RuleManager::builder()
            .files(rules)
            .observer(alerts.clone())
            .start(&engine, &history)
            .context("the rules cannot be evaluated")?;
        let settings = listen.map(|listen| listen.instead_of(&config.listener));
        let settings = settings.as_ref().unwrap_or(&config.listener);
        let listener = listen::serve(settings, &engine, |builder| {
            builder.query(rules.source(), Settings::default())
        })?;
        let page = listener.as_ref().map(|listener| listen::page(settings, listener));
        let pusher = config.pusher(&engine)?.map(PusherBuilder::start).transpose();
        let pusher = pusher.context("metrics cannot be pushed")?;
        let started = Instant::now();
        Ok(Self { registry, engine, history, rules, alerts, listener, page, pusher, started })
    }

    /// Where nodes register what they measure.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where the page is, if it is served, as people are told.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// The address on which the page is served, if it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::local_addr)
    }

    /// What alerts became.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// The latest of the snapshots that come every second.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.engine.snapshot()
    }

    /// Stops the engine, once nobody records any more, and sums the run up.
    pub fn finish(self) -> Measured {
        let cost = Cost { processor: aggregator_time(), wall: self.started.elapsed() };
        drop(self.listener);
        // Before the engine, whose end would look to the rules as if it hung.
        self.rules.stop();
        let last = self.engine.stop();
        let mut engine = report::facts(&last, cost);
        engine.extend(report::kept(&self.history, &self.rules));
        if let Some(pusher) = self.pusher {
            // After the engine, so that the last snapshot goes out too.
            engine.extend(report::pushed(&pusher.stop()));
        }
        Measured { distributions: report::distributions(&last), engine }
    }
}

/// What the engine's thread took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Its time on a processor; `None` where the system does not say.
    pub processor: Option<Duration>,
    /// How long it ran.
    pub wall: Duration,
}

/// The time that threads of the engine's name were on a processor.
fn aggregator_time() -> Option<Duration> {
    let is_aggregator = |name: String| name.trim_end() == AGGREGATOR;
    let mut total = None;
    for thread in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let read = |file| fs::read_to_string(thread.path().join(file)).ok();
        if !read("comm").is_some_and(is_aggregator) {
            continue;
        }
        // Nanoseconds on a processor, nanoseconds of waiting for one, time slices.
        let ns: u64 = read("schedstat")?.split_whitespace().next()?.parse().ok()?;
        *total.get_or_insert(Duration::ZERO) += Duration::from_nanos(ns);
    }
    total
}
