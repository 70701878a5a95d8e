//! The fleet's thread: follows the configuration, records how targets and peers do, declares bundles.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use tachometer::catalogue;
use tachometer::config::Config;
use tachometer::declare::Bundle;
use tachometer::query::Settings;
use tachometer::{Engine, Snapshot};

use super::bundle::Reload;
use super::{Following, Shared, dashboard, peers, targets};

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);
/// How often it ranks peers, which takes queries.
const RANKS: Duration = Duration::from_secs(5);

/// The thread, until it is stopped.
#[derive(Debug)]
pub(super) struct Watch {
    /// Closing it ends the thread.
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(
        shared: Arc<Shared>,
        following: Following,
        engine: Arc<Engine>,
    ) -> anyhow::Result<Self> {
        let (stop, stopped) = sync_channel(1);
        let mut watcher = Watcher::new(shared, following);
        let run = move || {
            loop {
                watcher.look(&engine.snapshot());
                match stopped.recv_timeout(TICK) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("tacho-fleet".to_owned()).spawn(run);
        Ok(Self { stop, thread: thread.context("the fleet's thread cannot be started")? })
    }

    pub(super) fn stop(self) {
        drop(self.stop);
        // A panic was already shown by the panic hook.
        let _ = self.thread.join();
    }
}

struct Watcher {
    shared: Arc<Shared>,
    following: Following,
    /// The configuration as it was read last, whatever came of it.
    text: Option<Vec<u8>>,
    /// Bundles that nothing was seen of yet.
    unseen: Vec<Bundle>,
    ranked: Option<Instant>,
    /// Of the query API's defaults.
    settings: Settings,
}

impl Watcher {
    fn new(shared: Arc<Shared>, following: Following) -> Self {
        let text = following.config_file.as_ref().and_then(|file| fs::read(file).ok());
        let unseen = catalogue::declarations();
        let settings = Settings::default();
        Self { shared, following, text, unseen, ranked: None, settings }
    }

    fn look(&mut self, snapshot: &Snapshot) {
        self.reload();
        let status = self.shared.sources.status();
        self.following.own.show_targets(&status);
        let nodes = self.following.own.show_nodes(snapshot, &status);
        *self.shared.nodes.lock() = nodes;
        self.declare(snapshot);
        if self.ranked.is_none_or(|ranked| ranked.elapsed() >= RANKS) {
            self.ranked = Some(Instant::now());
            // A backend that does not answer is told to whoever asks it a question himself.
            let ranks = peers::rank(&*self.shared.source, dashboard::now_ms(), &self.settings);
            self.following.own.show_peers(&ranks.unwrap_or_default());
        }
    }

    /// Takes over the targets of the configuration if its text is another one.
    fn reload(&mut self) {
        let Some(file) = self.following.config_file.clone() else { return };
        // An editor may just be writing it: what cannot be read now is read at the next look.
        let Ok(text) = fs::read(&file) else { return };
        if self.text.as_ref() == Some(&text) {
            return;
        }
        self.text = Some(text);
        let following = &mut self.following;
        let result = Config::load(&file).map_err(anyhow::Error::from).and_then(|config| {
            let wanted = targets::wanted(&following.targets, &config, following.interval)?;
            let own = &following.own;
            let checked = |source| own.checked(source);
            targets::follow(&self.shared.sources, &mut following.now, &wanted, checked)
        });
        let reloads = following.own.reloads();
        match result {
            Ok(()) => {
                reloads.at(Reload::Applied).inc();
                eprintln!("{} changed; {} targets", file.display(), following.now.len());
            }
            Err(error) => {
                reloads.at(Reload::Refused).inc();
                eprintln!("tacho: {} changed, and is not taken over: {error:#}", file.display());
            }
        }
    }

    /// Declares the bundles that a target has series of, so that pages show their panels.
    fn declare(&mut self, snapshot: &Snapshot) {
        if self.unseen.is_empty() {
            return;
        }
        let of_targets = snapshot.series().filter(|series| series.label("instance").is_some());
        let names: BTreeSet<&str> =
            of_targets.map(|series| series.definition.name.as_str()).collect();
        let has = |name: &str| {
            // The text format has a histogram's buckets as series of their own.
            names.contains(name) || names.contains(&*format!("{name}_bucket"))
        };
        let registry = &self.shared.registry;
        self.unseen.retain(|bundle| {
            let recorded = bundle.series().iter().filter(|series| series.expression().is_none());
            let seen = recorded.clone().any(|series| has(series.full_name()));
            if seen {
                registry.declare(bundle.name(), bundle.prefix(), || bundle.clone());
            }
            !seen
        });
    }
}
