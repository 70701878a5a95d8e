//! A set of sources, and who polls them: a thread for each, one more that looks after those which hang, or the caller.

use super::entry::{Entry, Found};
use super::own::{OwnMetrics, RECEIVER};
use super::{PollSettings, Polled, Receiver, Source, SourceError, SourceStatus};
use crate::aggregate::engine::Core;
use crate::limits::{MAX_SOURCE_NAME_BYTES, MAX_SOURCES};
use crate::registry::Registry;
use crate::shard::fork;
use crate::{Clock, Engine, Error, Moment};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Sources that are polled side by side. Clones are the same set; when the last is dropped polling stops, and the sources'
/// series end. See [the module](super).
#[derive(Clone)]
pub struct Sources {
    shared: Arc<Shared>,
    /// Ends the threads with the last handle.
    _end: Arc<End>,
}

/// Settings of a set of [`Sources`].
#[must_use = "nothing is polled until `start`"]
#[derive(Default)]
pub struct SourcesBuilder {
    sources: Vec<(Box<dyn Source>, PollSettings)>,
    receivers: Vec<Arc<dyn Receiver>>,
}

pub(super) struct Shared {
    /// Weak: sources must not keep an engine that everybody else has let go.
    core: Weak<Core>,
    clock: Arc<dyn Clock>,
    registry: Registry,
    /// Whether there are no threads.
    by_hand: bool,
    entries: Mutex<Vec<Arc<Entry>>>,
    receivers: Vec<Arc<dyn Receiver>>,
    own: OwnMetrics,
    /// For the thread that looks after the others.
    watch: (Mutex<Watch>, Condvar),
    /// The fork generation that all of this belongs to.
    born: u64,
}

/// What the watching thread is told.
#[derive(Debug, Default)]
struct Watch {
    ended: bool,
    /// Until when it sleeps, on the engine's clock; `None` while it looks.
    until: Option<Duration>,
    /// Something that it may not have seen began while it looked, or ends before it would look again.
    again: bool,
}

/// The threads.
struct End {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread>>,
}

/// A thread, and the source that it polls, if it polls one.
type Thread = (Option<Arc<Entry>>, JoinHandle<()>);

impl SourcesBuilder {
    /// Polls `source`.
    pub fn source(mut self, source: impl Source + 'static, settings: PollSettings) -> Self {
        self.sources.push((Box::new(source), settings));
        self
    }

    /// Gives `receiver` what sources read.
    pub fn receiver(mut self, receiver: impl Receiver + 'static) -> Self {
        self.receivers.push(Arc::new(receiver));
        self
    }

    /// Starts polling for `engine`, which it does not keep running. Each source is polled at once, and then at its interval.
    ///
    /// If `engine` records its own metrics, so does this, into the same registry: `tachometer_source_…`.
    ///
    /// # Errors
    /// As [`Sources::add`]; or the engine is not running, or a name of its own metrics is registered with another definition.
    pub fn start(self, engine: &Engine) -> Result<Sources, Error> {
        if !engine.is_running() {
            let why = "nobody would show what sources give; start an engine first";
            return Err(Error::NotRunning(why));
        }
        let core = engine.core();
        let shared = Arc::new(Shared {
            core: Arc::downgrade(core),
            clock: core.clock().clone(),
            registry: engine.registry().clone(),
            by_hand: core.is_by_hand(),
            entries: Mutex::default(),
            receivers: self.receivers,
            own: OwnMetrics::register(engine.registry())?,
            watch: Default::default(),
            born: fork::generation(),
        });
        let end = Arc::new(End { shared: shared.clone(), threads: Mutex::default() });
        let sources = Sources { shared: shared.clone(), _end: end };
        if !shared.by_hand {
            let of_thread = shared.clone();
            sources.spawn("tachometer-sources", None, move || of_thread.watch())?;
        }
        for (source, settings) in self.sources {
            sources.add(source, settings)?;
        }
        let weak = Arc::downgrade(&shared);
        engine.registry().before_snapshots(move || {
            if let Some(shared) = weak.upgrade() {
                shared.show();
            }
        });
        Ok(sources)
    }
}

impl Sources {
    /// A set without sources yet.
    pub fn builder() -> SourcesBuilder {
        SourcesBuilder::default()
    }

    /// Polls one source more, from now on.
    ///
    /// # Errors
    /// Its name is empty, too long, or that of another one; a setting makes no sense; there are
    /// [`MAX_SOURCES`](crate::limits::MAX_SOURCES); or the system gives no thread.
    pub fn add(&self, source: impl Source + 'static, settings: PollSettings) -> Result<(), Error> {
        let shared = &self.shared;
        if shared.is_foreign() {
            return Err(Error::NotRunning("these sources are those of the parent of this process"));
        }
        let name = source.name().to_owned();
        let invalid = |reason: String| Err(Error::InvalidSetting { setting: "source", reason });
        if name.is_empty() || name.len() > MAX_SOURCE_NAME_BYTES {
            let bytes = name.len();
            let limit = MAX_SOURCE_NAME_BYTES;
            return invalid(format!("a name has 1 to {limit} bytes, this one {bytes}"));
        }
        settings.check(&name)?;
        let now = shared.clock.now();
        let entry = {
            let mut entries = shared.lock();
            if entries.iter().any(|entry| entry.name == name) {
                return invalid(format!("there are two of the name {name:?}"));
            }
            if entries.len() >= MAX_SOURCES {
                return Err(Error::TooMany {
                    what: "sources".to_owned(),
                    limit: MAX_SOURCES,
                    advice: "let one source read several pages, or another process poll some of them",
                });
            }
            let source = Box::new(source);
            let entry = Arc::new(Entry::new(source, settings, &shared.registry, &shared.own, now));
            entries.push(entry.clone());
            entry
        };
        if shared.by_hand {
            return Ok(());
        }
        let (of_thread, polled) = (shared.clone(), entry.clone());
        let spawned =
            self.spawn("tachometer-source", Some(entry), move || of_thread.poll_on(&polled));
        if spawned.is_err() {
            shared.lock().retain(|entry| entry.name != name);
        }
        spawned
    }

    /// Polls a source no more, and ends its series; `false` if there is none of that name. A poll that is under way counts for
    /// nothing.
    pub fn remove(&self, name: &str) -> bool {
        if self.shared.is_foreign() {
            return false;
        }
        let removed = {
            let mut entries = self.shared.lock();
            let at = entries.iter().position(|entry| entry.name == name);
            at.map(|at| entries.remove(at))
        };
        if let Some(entry) = &removed
            && entry.remove()
        {
            self.shared.ended(entry, self.shared.clock.now());
        }
        removed.is_some()
    }

    /// The names of all sources, in the order in which they were added.
    pub fn names(&self) -> Vec<String> {
        self.shared.entries().iter().map(|entry| entry.name.clone()).collect()
    }

    /// How each source does, in the order in which they were added.
    pub fn status(&self) -> Vec<SourceStatus> {
        let now = self.shared.clock.now().elapsed;
        self.shared.entries().iter().map(|entry| entry.status(now)).collect()
    }

    /// Polls what is due by the engine's clock, one after the other, on the calling thread: where the engine is driven by hand,
    /// and sources have no threads. With other engines it does nothing.
    ///
    /// A source that never returns is not come back from; one that took longer than its time limit, on the engine's clock, has
    /// failed as ever.
    pub fn poll_due(&self) {
        if self.shared.by_hand && !self.shared.is_foreign() {
            let now = self.shared.clock.now().elapsed;
            let entries = self.shared.entries();
            let due = entries.iter().filter(|entry| entry.due() <= now);
            due.for_each(|entry| self.shared.poll(entry));
            self.shared.check();
        }
    }

    /// Polls all sources now, one after the other, on the calling thread; but those that are being polled already.
    pub fn poll_all(&self) {
        if !self.shared.is_foreign() {
            self.shared.entries().iter().for_each(|entry| self.shared.poll(entry));
            self.shared.check();
        }
    }

    fn spawn(
        &self,
        name: &str,
        entry: Option<Arc<Entry>>,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| Error::Io {
            attempt: "start a source's thread".to_owned(),
            kind: error.kind(),
            reason: format!("{error}; raise the limit on threads (ulimit -u)"),
        })?;
        let mut threads = self._end.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|(_, thread)| !thread.is_finished());
        threads.push((entry, thread));
        Ok(())
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> Vec<Arc<Entry>> {
        match self.is_foreign() {
            // A thread that the child does not have may hold the lock.
            true => Vec::new(),
            false => self.lock().clone(),
        }
    }

    fn is_foreign(&self) -> bool {
        self.born != fork::generation()
    }

    /// Whether the engine is still there.
    fn is_wanted(&self) -> bool {
        self.core.strong_count() > 0
    }

    /// Polls one source, unless that is being done.
    fn poll(&self, entry: &Entry) {
        let Ok(mut call) = entry.call.try_lock() else { return };
        if !entry.begin(self.clock.now()) {
            return;
        }
        self.wake_watch(entry);
        let limits = entry.settings.limits;
        let result = catch_unwind(AssertUnwindSafe(|| call.poll(&limits)));
        let result = result.unwrap_or(Err(SourceError::Panicked));
        let ended = entry.end(self.clock.now(), result, self.by_hand);
        self.wake_watch(entry);
        if let Some((time, took, result)) = ended {
            let source = &entry.name;
            self.tell(entry, &Polled { source, time, took, outcome: result.as_ref() });
        }
    }

    /// Looks for polls and series whose time is over; returns when there is something to see again.
    fn check(&self) -> Option<Duration> {
        let now = self.clock.now();
        let mut next: Option<Duration> = None;
        for entry in self.entries() {
            let found = entry.check(now.elapsed);
            next = next.into_iter().chain(found.next).min();
            self.tell_found(&entry, found, now);
        }
        next
    }

    fn tell_found(&self, entry: &Entry, found: Found, now: Moment) {
        if let Some((time, took, error)) = found.hangs {
            let (source, outcome) = (&entry.name, Err(&error));
            self.tell(entry, &Polled { source, time, took, outcome });
        }
        if found.ended {
            self.ended(entry, now);
        }
    }

    fn tell(&self, entry: &Entry, polled: &Polled<'_>) {
        self.each_receiver(entry, |receiver| receiver.polled(polled));
    }

    fn ended(&self, entry: &Entry, now: Moment) {
        self.each_receiver(entry, |receiver| receiver.ended(&entry.name, now));
    }

    fn each_receiver(&self, entry: &Entry, call: impl Fn(&dyn Receiver)) {
        for receiver in &self.receivers {
            if catch_unwind(AssertUnwindSafe(|| call(&**receiver))).is_err() {
                entry.own.failed(RECEIVER);
            }
        }
    }

    /// Before a generation.
    fn show(&self) {
        if self.is_foreign() {
            // Nobody polls them here. A lock that a thread of the parent's held stays locked.
            if let Ok(entries) = self.entries.try_lock() {
                entries.iter().for_each(|entry| entry.end_in_child());
            }
            return;
        }
        if self.by_hand {
            self.check();
        }
        let now = self.clock.now().elapsed;
        self.entries().iter().for_each(|entry| entry.show(now));
    }

    /// A source's thread.
    fn poll_on(&self, entry: &Entry) {
        let (wake, changed) = &entry.wake;
        loop {
            let mut told = wake.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if told.ended || !self.is_wanted() {
                    return;
                }
                let left = entry.due().saturating_sub(self.clock.now().elapsed);
                if left.is_zero() {
                    break;
                }
                told = changed
                    .wait_timeout(told, left.min(LONG))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            drop(told);
            self.poll(entry);
            // Somebody else may be polling it: then it is due until that is over.
            if entry.is_asked() {
                thread::sleep(BUSY);
            }
        }
    }

    /// The thread that looks after the others.
    fn watch(&self) {
        let (watch, changed) = &self.watch;
        let lock = || watch.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut told = lock();
            (told.until, told.again) = (None, false);
            drop(told);
            let next = self.check();
            let mut told = lock();
            told.until = Some(next.unwrap_or(Duration::MAX));
            while !(told.again || told.ended) && self.is_wanted() {
                let now = self.clock.now().elapsed;
                // What ends at a moment is over only after it.
                let end = next.map_or(LONG, |at| at.saturating_sub(now) + Duration::from_millis(1));
                let waited = changed.wait_timeout(told, end.min(LONG));
                let (guard, out) = waited.unwrap_or_else(PoisonError::into_inner);
                told = guard;
                told.again |= out.timed_out();
            }
            if told.ended || !self.is_wanted() {
                return;
            }
        }
    }

    /// Has the watching thread look again if it sleeps for longer than `entry` allows.
    fn wake_watch(&self, entry: &Entry) {
        if self.by_hand {
            return;
        }
        let settings = &entry.settings;
        let within = settings.limits.time.min(settings.stale());
        let (watch, changed) = &self.watch;
        let mut told = watch.lock().unwrap_or_else(PoisonError::into_inner);
        let end = self.clock.now().elapsed.saturating_add(within);
        if told.until.is_none_or(|until| until > end) {
            told.again = true;
            changed.notify_all();
        }
    }
}

/// Longer than anybody waits.
const LONG: Duration = Duration::from_secs(3_600);
/// How long a thread waits for another one that polls its source.
const BUSY: Duration = Duration::from_millis(5);

impl Drop for End {
    fn drop(&mut self) {
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        let threads = std::mem::take(threads);
        if self.shared.is_foreign() {
            // They are the parent's; joining what this process does not have would wait for ever.
            return std::mem::forget(threads);
        }
        let now = self.shared.clock.now();
        for entry in self.shared.entries() {
            if entry.remove() {
                self.shared.ended(&entry, now);
            }
        }
        let (watch, changed) = &self.shared.watch;
        watch.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        changed.notify_all();
        for (entry, thread) in threads {
            // A poll under way may take long, and what it gives counts for nothing. The last handle may go on a thread of
            // its own sources, with a receiver.
            let asks = entry.is_some_and(|entry| entry.is_asked());
            if !asks && thread.thread().id() != thread::current().id() {
                // A panic was already shown by the panic hook.
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("names", &self.names()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SourcesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.sources.iter().map(|(source, _)| source.name()).collect();
        f.debug_struct("SourcesBuilder").field("sources", &names).finish_non_exhaustive()
    }
}
