//! What a manager's thread, its handle and its readers share; and one evaluation, from a generation to those who are told.

use super::mailbox::{Mailbox, Word};
use super::own::OwnMetrics;
use super::state_file::{SavedState, StateFile};
use crate::aggregate::subscribe::Subscriber;
use crate::rules::evaluate::millis;
use crate::rules::recorded::Recorded;
#[cfg(feature = "http")]
use crate::rules::view::RulesView;
use crate::rules::{AlertState, Evaluation, RuleObserver, Rules};
use crate::{Clock, Error, History, Snapshot};
#[cfg(feature = "http")]
use arc_swap::ArcSwap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "http")]
use std::sync::Weak;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One evaluation, as those see it who follow.
#[cfg(feature = "http")]
pub(crate) struct Round<'a> {
    /// The generation; `None` if none came.
    pub(crate) generation: Option<u64>,
    pub(crate) now_ms: i64,
    pub(crate) evaluation: &'a Evaluation,
}

/// Who is told of evaluations for as long as he is alive. He takes what he needs, and is quick.
#[cfg(feature = "http")]
pub(crate) trait Follower: Send + Sync {
    fn followed(&self, round: &Round<'_>);
}

/// See the module.
pub(crate) struct Shared {
    history: History,
    clock: Arc<dyn Clock>,
    interval: Duration,
    by_hand: bool,
    /// Locked for as long as an evaluation takes.
    rules: Mutex<Rules>,
    recorded: Recorded,
    /// What became of the last evaluation, for readers who do not wait.
    #[cfg(feature = "http")]
    view: ArcSwap<RulesView>,
    observers: Vec<Arc<dyn RuleObserver>>,
    #[cfg(feature = "http")]
    followers: Mutex<Vec<Weak<dyn Follower>>>,
    mailbox: Mailbox,
    /// The last generation's time, and when it came on the monotonic clock.
    last: Mutex<Option<(i64, Duration)>>,
    own: OwnMetrics,
    state: Option<StateFile>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl Subscriber for Shared {
    fn published(&self, snapshot: &Snapshot) {
        // The history has it already: see `Subscribers`.
        let Some(now_ms) = self.history.now_ms() else { return };
        if self.mailbox.is_stopping() {
            return;
        }
        let elapsed = snapshot.elapsed();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now_ms, elapsed));
        if self.by_hand {
            self.evaluate(Some(snapshot.generation()), now_ms);
        } else if self.mailbox.leave(snapshot.generation(), now_ms) {
            self.own.skipped();
        }
    }
}

impl Shared {
    pub(super) fn new(
        (history, clock, interval, by_hand): (History, Arc<dyn Clock>, Duration, bool),
        rules: Rules,
        observers: Vec<Arc<dyn RuleObserver>>,
        mailbox: Mailbox,
        own: OwnMetrics,
        state: Option<StateFile>,
    ) -> Shared {
        Shared {
            history,
            clock,
            interval,
            by_hand,
            recorded: rules.recorded(),
            #[cfg(feature = "http")]
            view: ArcSwap::from_pointee(RulesView::of(&rules)),
            rules: Mutex::new(rules),
            observers,
            #[cfg(feature = "http")]
            followers: Mutex::default(),
            mailbox,
            last: Mutex::default(),
            own,
            state,
        }
    }

    pub(super) fn spawn(self: Arc<Self>) -> Result<JoinHandle<()>, Error> {
        let builder = std::thread::Builder::new().name("tachometer-rules".to_owned());
        builder.spawn(move || self.run()).map_err(|error| Error::Io {
            attempt: "start the thread that evaluates rules".to_owned(),
            kind: error.kind(),
            reason: format!("{error}; raise the limit on threads (ulimit -u)"),
        })
    }

    /// The thread.
    fn run(&self) {
        loop {
            match self.mailbox.take() {
                Word::Generation(generation, now_ms) => self.evaluate(Some(generation), now_ms),
                Word::Overdue => {
                    self.own.overdue();
                    self.evaluate(None, self.clock_ms());
                }
                Word::Stop => return self.save(),
            }
        }
    }

    /// The time now, on the history's axis: the wall's, but not before the last generation and what has passed since.
    pub(super) fn clock_ms(&self) -> i64 {
        let now = self.clock.now();
        let last = *self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = |(time, at): (i64, Duration)| {
            time.saturating_add(millis(now.elapsed.saturating_sub(at)))
        };
        millis(now.unix).max(last.map_or(i64::MIN, passed))
    }

    /// Evaluates what is due, and tells everybody.
    fn evaluate(&self, generation: Option<u64>, now_ms: i64) {
        let began = Instant::now();
        let mut rules = self.rules();
        let before = rules.evaluations;
        let evaluate = || rules.evaluate_each(self.interval, now_ms, &self.history);
        // The panic hook has shown it. What was not evaluated is so with the next generation.
        let evaluation = catch_unwind(AssertUnwindSafe(evaluate)).unwrap_or_else(|_| {
            self.own.panicked();
            Evaluation::default()
        });
        #[cfg(feature = "http")]
        self.view.store(Arc::new(RulesView::of(&rules)));
        for observer in &self.observers {
            let tell = || observer.evaluated(now_ms, &evaluation, &rules);
            if catch_unwind(AssertUnwindSafe(tell)).is_err() {
                self.own.panicked();
            }
        }
        #[cfg(feature = "http")]
        self.tell(&Round { generation, now_ms, evaluation: &evaluation });
        #[cfg(not(feature = "http"))]
        let _ = generation;
        self.own.evaluated(&evaluation, &rules, rules.evaluations - before, began.elapsed());
        let Some(file) = &self.state else { return };
        if !evaluation.transitions.is_empty() {
            file.changed();
        }
        let active = rules.alerts().any(|(_, _, alert)| alert.state != AlertState::Resolved);
        // By hand, whoever stopped the manager meanwhile could not write it.
        let last = self.by_hand && self.mailbox.is_stopping();
        if !last && !file.is_due(now_ms, active) {
            return;
        }
        let state = rules.state(now_ms);
        drop(rules);
        if file.write(&state, now_ms).is_err() {
            self.own.unsaved();
        }
    }

    #[cfg(feature = "http")]
    fn tell(&self, round: &Round<'_>) {
        let mut alive = Vec::new();
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).retain(|follower| {
            let follower = follower.upgrade();
            let kept = follower.is_some();
            alive.extend(follower);
            kept
        });
        alive.iter().for_each(|follower| follower.followed(round));
    }

    /// Has somebody follow from the next evaluation on.
    #[cfg(feature = "http")]
    pub(crate) fn follow(&self, follower: Weak<dyn Follower>) {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner).push(follower);
    }

    /// The rules after the last evaluation. Waits for nothing.
    #[cfg(feature = "http")]
    pub(crate) fn view(&self) -> Arc<RulesView> {
        self.view.load_full()
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody changed what the state has.
    pub(super) fn changed(&self) {
        self.state.iter().for_each(StateFile::changed);
    }

    /// Writes the state; not while rules are evaluated by hand, which then writes it at its end.
    pub(super) fn save(&self) {
        let Some(file) = &self.state else { return };
        let rules = match self.rules.try_lock() {
            Ok(rules) => rules,
            Err(TryLockError::Poisoned(rules)) => rules.into_inner(),
            Err(TryLockError::WouldBlock) if self.by_hand => return,
            Err(TryLockError::WouldBlock) => self.rules(),
        };
        let now_ms = self.clock_ms();
        let state = rules.state(now_ms);
        drop(rules);
        if file.write(&state, now_ms).is_err() {
            self.own.unsaved();
        }
    }

    /// No more evaluations; whether nobody said so before.
    pub(super) fn stop(&self) -> bool {
        self.mailbox.stop()
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    pub(super) fn saved_state(&self) -> Option<&SavedState> {
        self.state.as_ref().map(|file| &file.found)
    }
}
