//! Rules that run by themselves: evaluated with each generation, kept over a restart, exchanged while they run.
//!
//! The way of an evaluation: the engine publishes a generation and shows it to the history, then to the manager
//! ([`shared`], in the order in which they subscribed). An engine's own thread only leaves word in a mailbox ([`mailbox`]) and
//! goes on; the thread `tachometer-rules` finds it, evaluates, tells the observers, and writes the state ([`state_file`]). Word
//! that was not taken when the next came is counted: the rules skipped a generation. Of an engine that is driven by
//! hand, `Engine::refresh` itself does all of this before it returns.

mod builder;
mod mailbox;
mod own;
mod shared;
mod state_file;

pub use builder::RuleManagerBuilder;
pub(crate) use shared::Shared;
#[cfg(feature = "http")]
pub(crate) use shared::{Follower, Round};
pub use state_file::SavedState;

use super::recorded::OwnedOverlay;
use super::{RuleFile, Rules, Silence};
use crate::query::{QueryError, Source};
use crate::shard::fork;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread::JoinHandle;

/// Evaluates rules with each generation of an engine, over its history. Features `rules` and `history`.
///
/// Groups without an interval of their own, and those whose interval is not longer than the engine's, are evaluated with every
/// generation, at its time in the history; others once in each of their intervals.
/// [Observers](super::RuleObserver) are told at once: nothing waits in between. Dropping it stops it.
///
/// # Threads
///
/// One thread, `tachometer-rules`, evaluates. It takes nothing from recording threads, and the aggregator only leaves word; of
/// the generations that come during one evaluation the last is evaluated next, and the others are counted in
/// `tachometer_rule_skipped_generations_total`. When no generation has come for
/// [`RULE_OVERDUE_INTERVALS`](crate::limits::RULE_OVERDUE_INTERVALS) intervals, be it that the engine's thread hangs, died or was
/// stopped, rules are evaluated at the clock's time each interval, so that those about stale data
/// fire: stop the manager before the engine.
///
/// An engine that is driven by hand has no such thread: [`Engine::refresh`](crate::Engine::refresh) evaluates before it
/// returns, so that the same records and times give the same alerts, run after run. Observers must not ask for
/// a fresh snapshot there.
///
/// # What rules record
///
/// It is kept for an hour unless [`RuleSettings`](super::RuleSettings) say otherwise, beside the history and not in it, in
/// memory; [`RuleManager::source`] shows both as one.
///
/// # Own metrics
///
/// `tachometer_rule_…`, if the engine records its own: evaluations, failures, their duration, skipped and overdue ones, alerts by
/// state, panics of observers, samples that were dropped, writes of the state that failed.
///
/// ```
/// use std::time::Duration;
/// use tachometer::rules::{AlertState, RuleFile, RuleManager};
/// use tachometer::{Engine, History, ManualClock, Registry};
/// let registry = Registry::new();
/// let leaders = registry.gauge("raft_has_leader", "1 while there is a leader.")?;
/// let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
/// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
/// let history = History::builder().start(&engine)?;
/// let file = RuleFile::parse("raft.yml", "
/// groups:
/// - name: raft
///   rules:
///   - {alert: NoLeader, expr: raft_has_leader == 0, for: 10s}
/// ")?;
/// let manager = RuleManager::builder().file(file).start(&engine, &history)?;
/// leaders.set(0.0);
/// for _ in 0..=10 {
///     clock.advance(Duration::from_secs(1));
///     engine.refresh();
/// }
/// assert_eq!(manager.read(|rules| rules.count(AlertState::Firing)), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RuleManager {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The fork generation that the thread belongs to.
    born: u64,
}

impl RuleManager {
    /// Settings for a new manager.
    pub fn builder() -> RuleManagerBuilder {
        RuleManagerBuilder::default()
    }

    /// Reads rules, alerts and silences. Waits for an evaluation that is under way, and holds up the next one.
    ///
    /// Not to be called by an observer, who is given the rules anyway.
    pub fn read<R>(&self, read: impl FnOnce(&Rules) -> R) -> R {
        read(&self.shared.rules())
    }

    /// Silences alerts from now on; gives the silence's number. Waits as [`RuleManager::read`].
    ///
    /// # Errors
    /// Those of [`Rules::silence`].
    pub fn silence(&self, silence: Silence) -> Result<u64, QueryError> {
        let now_ms = self.shared.clock_ms();
        let number = self.shared.rules().silence(silence, now_ms)?;
        self.shared.changed();
        Ok(number)
    }

    /// Takes a silence away; whether there was one of this number. Waits as [`RuleManager::read`].
    pub fn unsilence(&self, number: u64) -> bool {
        let was_there = self.shared.rules().unsilence(number);
        self.shared.changed();
        was_there
    }

    /// Evaluates the rules of these files from now on: see [`Rules::replace`]. Waits as [`RuleManager::read`].
    pub fn replace(&self, files: impl IntoIterator<Item = RuleFile>) {
        // Outside of the lock: the iterator may read files.
        let files: Vec<_> = files.into_iter().collect();
        self.shared.rules().replace(files);
        self.shared.changed();
    }

    /// The history with what rules recorded, `ALERTS` and `ALERTS_FOR_STATE` among it: for queries, as those of
    /// `ListenerBuilder::query`. It waits for no evaluation, and stays when the manager goes.
    ///
    /// What rules record is not in the history: it is kept for
    /// [`RuleSettings::recorded_retention`](super::RuleSettings::recorded_retention), an hour, and not over a restart.
    pub fn source(&self) -> Arc<dyn Source> {
        let base: Arc<dyn Source> = Arc::new(self.shared.history().clone());
        Arc::new(OwnedOverlay { recorded: self.shared.recorded().clone(), base })
    }

    /// What became of the state file when the manager started; `None` if it has none.
    pub fn saved_state(&self) -> Option<&SavedState> {
        self.shared.saved_state()
    }

    /// Stops: waits for an evaluation that is under way, writes the state, and joins the thread. Stopping again does nothing. In
    /// the child of a fork it does nothing at all.
    pub fn stop(&self) {
        if self.born != fork::generation() {
            // Joining a thread that this process does not have would wait for ever, and so may its lock.
            let thread = match self.thread.try_lock() {
                Ok(mut thread) => thread.take(),
                Err(TryLockError::Poisoned(thread)) => thread.into_inner().take(),
                Err(TryLockError::WouldBlock) => None,
            };
            return mem::forget(thread);
        }
        if !self.shared.stop() {
            return;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return self.shared.save() };
        // An observer that stops the manager runs on this very thread, which ends, and writes the state, when he is done.
        if thread.thread().id() != std::thread::current().id() {
            // A panic was already shown by the panic hook.
            let _ = thread.join();
        }
    }

    #[cfg(feature = "http")]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for RuleManager {
    fn drop(&mut self) {
        self.stop();
    }
}
