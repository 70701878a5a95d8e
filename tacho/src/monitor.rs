//! The engine of one run: a registry of its own, snapshots every second, and the page if one is
//! served.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tachometer::config::Config;
use tachometer::push::PusherBuilder;
use tachometer::rules::RuleFile;
use tachometer::{Engine, Listener, Pusher, Registry, Snapshot};

use crate::alerts::Alerts;
use crate::listen::{self, Listen};
use crate::oversight::Oversight;
use crate::report;
use crate::summary::{Distribution, Fact};

/// The name of the engine's thread.
const AGGREGATOR: &str = "tachometer";

/// What measures a run.
#[derive(Debug)]
pub struct Monitor {
    registry: Registry,
    engine: Engine,
    oversight: Oversight,
    listener: Option<Listener>,
    /// Where metrics are, and the live page if there is one.
    metrics: Option<String>,
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
        Self::configured(&Config::default(), Some(listen), None)
    }

    /// Starts the engine and what looks at it as `config` says, and serves it where `listen` says, or
    /// else `config`. `rules` are evaluated in the place of those of `config`.
    pub fn configured(
        config: &Config,
        listen: Option<Listen>,
        rules: Option<Vec<RuleFile>>,
    ) -> anyhow::Result<Self> {
        config.process.apply().context("[process] cannot be applied")?;
        let registry = Registry::new();
        config.recording.apply(&registry).context("[recording] cannot be applied")?;
        let mut builder = config.engine.builder().registry(&registry);
        if !config.engine.labels.contains_key("cluster") {
            builder = builder.label("cluster", "tacho");
        }
        let engine = builder.start().context("the engine cannot be started")?;
        let oversight = Oversight::start(config, rules, &engine)?;
        let settings = listen.map(|listen| listen.instead_of(&config.listener));
        let settings = settings.as_ref().unwrap_or(&config.listener);
        let listener =
            listen::serve(settings, &engine, |builder| oversight.serve(config, builder))?;
        let place =
            |path| listener.as_ref().map(|listener| listen::place(settings, listener, path));
        let metrics = place("/metrics");
        let page = place("/").filter(|_| settings.page && oversight.is_shown());
        let pusher = config.pusher(&engine)?.map(PusherBuilder::start).transpose();
        let pusher = pusher.context("metrics cannot be pushed")?;
        let started = Instant::now();
        Ok(Self { registry, engine, oversight, listener, metrics, page, pusher, started })
    }

    /// Where nodes register what they measure.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where metrics are, if they are served, as people are told.
    pub fn metrics(&self) -> Option<&str> {
        self.metrics.as_deref()
    }

    /// Where the live page is, if there is one, as people are told.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// The address on which the page is served, if it is.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::local_addr)
    }

    /// What alerts became.
    pub fn alerts(&self) -> &Alerts {
        self.oversight.alerts()
    }

    /// The latest of the snapshots that come every second.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.engine.snapshot()
    }

    /// Stops the engine, once nobody records any more, and sums the run up.
    pub fn finish(self) -> Measured {
        let cost = Cost { processor: aggregator_time(), wall: self.started.elapsed() };
        drop(self.listener);
        self.oversight.stop();
        let last = self.engine.stop();
        let mut engine = report::facts(&last, cost);
        engine.extend(self.oversight.facts());
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
