//! Settings of a manager, and its start.

use super::RuleManager;
use super::mailbox::Mailbox;
use super::own::OwnMetrics;
use super::shared::Shared;
use super::state_file::{SavedState, StateFile};
use crate::aggregate::subscribe::Subscriber;
use crate::rules::evaluate::millis;
use crate::rules::{RuleFile, RuleObserver, RuleSettings, Rules};
use crate::shard::fork;
use crate::{Engine, Error, History};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

/// Settings of a [`RuleManager`].
#[derive(Default)]
#[must_use = "nothing is evaluated until `start`"]
pub struct RuleManagerBuilder {
    files: Vec<RuleFile>,
    settings: RuleSettings,
    observers: Vec<Arc<dyn RuleObserver>>,
    state_file: Option<PathBuf>,
}

impl fmt::Debug for RuleManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuleManagerBuilder")
            .field("files", &self.files)
            .field("settings", &self.settings)
            .field("observers", &self.observers.len())
            .field("state_file", &self.state_file)
            .finish()
    }
}

impl RuleManagerBuilder {
    /// Adds the rules of a file. Files are evaluated in the order in which they were added.
    pub fn file(mut self, file: RuleFile) -> Self {
        self.files.push(file);
        self
    }

    /// Adds the rules of several files.
    pub fn files(mut self, files: impl IntoIterator<Item = RuleFile>) -> Self {
        self.files.extend(files);
        self
    }

    /// How rules are evaluated, and what one may cost; the defaults of [`RuleSettings`] otherwise.
    pub fn settings(mut self, settings: RuleSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Has somebody told of each evaluation, after those who were added before. A panic of his is caught and counted in
    /// `tachometer_rule_panics_total`; the others are told all the same.
    pub fn observer(mut self, observer: Arc<dyn RuleObserver>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Keeps alerts and silences in a file, so that they survive a restart: see [`Rules::restore`] for what that means for
    /// `for`.
    ///
    /// It is written on the thread that evaluates, at most once a second, when an alert or a silence changed; every 15 seconds
    /// while any alert is pending or fires, as that tells how long the process was away; and when the manager stops. It is written to
    /// `PATH.new` first, which then takes its place. One file is for one manager. What cannot be written is tried again, and
    /// counted in `tachometer_rule_state_failures_total`; alerts go on.
    pub fn state_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.state_file = Some(path.into());
        self
    }

    /// Starts to evaluate, with the next generation of `engine`. `history` is one of that engine's.
    ///
    /// A state file that is damaged does not hinder the start: it is set aside as `PATH.damaged`, and
    /// [`RuleManager::saved_state`] says so.
    ///
    /// # Errors
    /// The engine is not running; the history is another engine's; the state file cannot be read or written, or has
    /// something that no manager wrote, or that a later version did; a name of the manager's own metrics is registered with
    /// another definition; the system gives no thread.
    pub fn start(self, engine: &Engine, history: &History) -> Result<RuleManager, Error> {
        let core = engine.core();
        if !engine.is_running() {
            return Err(Error::NotRunning(
                "rules would never be evaluated; start an engine, a history, then the rules",
            ));
        }
        if !history.is_of(core) {
            // So it also subscribed before: a rule finds the generation for which it is evaluated.
            return Err(Error::InvalidSetting {
                setting: "history",
                reason: "it keeps another engine's generations; start one on this engine"
                    .to_owned(),
            });
        }
        let own = OwnMetrics::register(engine.registry())?;
        let mut rules = Rules::new(self.files, self.settings);
        let now_ms = millis(core.clock().now().unix);
        let state = match self.state_file {
            None => None,
            Some(path) => {
                let (state, damaged) = StateFile::load(&path)?;
                if damaged.is_some() {
                    own.unsaved();
                }
                let restored = state.map(|state| rules.restore(state, now_ms)).unwrap_or_default();
                let file = StateFile::new(path, SavedState { restored, damaged });
                // A place that cannot be written to is told now, and not when it is needed.
                file.write(&rules.state(now_ms), now_ms)?;
                Some(file)
            }
        };
        let by_hand = core.is_by_hand();
        let mailbox = Mailbox::new(engine.interval());
        let clock = core.clock().clone();
        let parts = (history.clone(), clock, engine.interval(), by_hand);
        let shared = Arc::new(Shared::new(parts, rules, self.observers, mailbox, own, state));
        let thread = if by_hand { None } else { Some(shared.clone().spawn()?) };
        let weak: Weak<Shared> = Arc::downgrade(&shared);
        let subscriber: Weak<dyn Subscriber> = weak;
        core.subscribe(subscriber, |_, _| {});
        Ok(RuleManager { shared, thread: Mutex::new(thread), born: fork::generation() })
    }
}
