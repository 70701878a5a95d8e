//! `tacho fleet`: one process that reads many engines, and any other Prometheus page, and answers for all of them.
//!
//! `targets` says who is read and follows the configuration; the engine, its history, rules and listener are those of any
//! process (`oversight`, `listen`), only that its series come from sources. A thread of the fleet's own (`watch`) looks every second
//! whether the configuration changed and how the targets do (`own`, `peers`), and declares the bundles whose series it sees.
//! `dashboard` answers about event stores.

pub mod args;
pub mod bundle;
pub mod dashboard;
pub mod known;
mod own;
pub mod peers;
mod serve;
pub mod targets;
mod watch;

pub use args::FleetArgs;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use parking_lot::Mutex;
use tachometer::catalogue;
use tachometer::config::{Config, EngineConfig, Span, TargetUrl};
use tachometer::facade::process;
use tachometer::push::PusherBuilder;
use tachometer::query::Source;
use tachometer::rules::RuleFile;
use tachometer::source::Sources;
use tachometer::{Engine, Listener, Pusher, Registry};

use crate::alerts;
use crate::listen;
use crate::oversight::Oversight;
use bundle::FleetMetrics;
use dashboard::{Dashboard, Node};
use own::Own;
use targets::{Target, Wanted};
use watch::Watch;

/// Reads targets until the process is asked to end.
pub fn run(args: &FleetArgs) -> anyhow::Result<()> {
    let fleet = Fleet::start(args)?;
    match fleet.page() {
        Some(page) => eprintln!("{} targets; metrics at {page}", fleet.sources().names().len()),
        None => eprintln!("{} targets; nothing is served", fleet.sources().names().len()),
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("signals cannot be waited for")?;
    runtime.block_on(crate::run::ended(None))?;
    fleet.stop();
    Ok(())
}

/// A fleet that runs.
#[derive(Debug)]
pub struct Fleet {
    watch: Watch,
    listener: Option<Listener>,
    page: Option<String>,
    oversight: Oversight,
    pusher: Option<Pusher>,
    sources: Sources,
    engine: Arc<Engine>,
}

/// What the watching thread and the endpoints look at together.
struct Shared {
    sources: Sources,
    registry: Registry,
    /// Event stores, as of the last look.
    nodes: Mutex<Vec<Node>>,
    /// What peers are ranked from.
    source: Arc<dyn Source>,
}

/// What the watching thread needs beside.
struct Following {
    config_file: Option<PathBuf>,
    targets: Vec<Target>,
    interval: Duration,
    now: Wanted,
    own: Own,
}

impl Fleet {
    /// Starts reading and serving.
    pub fn start(args: &FleetArgs) -> anyhow::Result<Self> {
        let config = configured(args)?;
        let wanted = targets::wanted(&args.targets, &config, args.interval)?;
        anyhow::ensure!(
            !wanted.is_empty() || args.config.is_some(),
            "there is nobody to read; give --target URL, or a --config with [sources.NAME]"
        );
        let rules = alerts::rule_files(&args.rules)?;
        config.process.apply().context("[process] cannot be applied")?;
        let registry = Registry::new();
        config.recording.apply(&registry).context("[recording] cannot be applied")?;
        process::register(&registry).context("the process's metrics cannot be registered")?;
        let engine = config.engine.builder().registry(&registry).start();
        let engine = Arc::new(engine.context("the engine cannot be started")?);
        // The fleet has sources of its own, which follow the configuration.
        let fixed = Config { sources: Wanted::new(), ..config };
        let oversight = Oversight::start(&fixed, rules, shipped, &engine)?;
        let source: Arc<dyn Source> = match (fixed.history.backend()?, oversight.source()) {
            (Some(backend), _) => Arc::new(backend),
            (None, Some(source)) => source,
            (None, None) => {
                anyhow::bail!(
                    "a fleet answers from a history, or with --backend URL; neither is there"
                )
            }
        };
        let own = Own::register(&registry, &args.event_store_prefix)?;
        let sources = Sources::builder().start(&engine)?;
        let mut now = Wanted::new();
        targets::follow(&sources, &mut now, &wanted, |source| own.checked(source))?;
        let shared = Arc::new(Shared {
            sources: sources.clone(),
            registry: registry.clone(),
            nodes: Mutex::default(),
            source: source.clone(),
        });
        let dashboard = Dashboard::new(source, &args.event_store_prefix, args.interval);
        let settings = args.listen.map(|listen| listen.instead_of(&fixed.listener));
        let settings = settings.as_ref().unwrap_or(&fixed.listener);
        let control_plane = own.control_plane();
        let listener = listen::serve(settings, &engine, |builder| {
            let builder = oversight.serve(&fixed, builder)?;
            Ok(serve::add(builder, dashboard, shared.clone(), control_plane))
        })?;
        let page = listener.as_ref().map(|listener| listen::place(settings, listener, "/"));
        let pusher = fixed.pusher(&engine)?.map(PusherBuilder::start).transpose();
        let pusher = pusher.context("metrics cannot be pushed")?;
        let (config_file, targets) = (args.config.clone(), args.targets.clone());
        let following = Following { config_file, targets, interval: args.interval, now, own };
        let watch = Watch::start(shared, following, engine.clone())?;
        Ok(Self { watch, listener, page, oversight, pusher, sources, engine })
    }

    /// Where the page is, as people are told.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }

    /// The address on which all is served.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.as_ref().map(Listener::local_addr)
    }

    /// The engine that all series are in.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The targets.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Stops everything, the listener first.
    pub fn stop(self) {
        drop(self.listener);
        self.watch.stop();
        self.oversight.stop();
        drop(self.sources);
        drop(self.engine.stop());
        if let Some(pusher) = self.pusher {
            pusher.stop();
        }
    }
}

/// The configuration, with what the command line says in its place.
fn configured(args: &FleetArgs) -> anyhow::Result<Config> {
    let mut config = match &args.config {
        Some(file) => Config::load(file)?,
        None => Config::parse_with("", std::env::vars_os())?.0,
    };
    if config.engine.interval == EngineConfig::default().interval {
        // Snapshots between two polls would show nothing new.
        config.engine.interval = Span(args.interval);
    }
    if let Some(url) = &args.backend {
        config.history.enabled = false;
        config.history.backend = Some(TargetUrl::new(url.clone()));
    }
    Ok(config)
}

/// The rules of all bundles, and of the fleet.
fn shipped() -> anyhow::Result<Vec<RuleFile>> {
    let mut bundles = vec![FleetMetrics::declaration()];
    bundles.extend(catalogue::declarations());
    Ok(tachometer::generate::rules(&bundles)?)
}
