//! A run that goes on.
//!
//! Whoever adds something changes the state and wakes the writer, a thread of its own: so disks hold up nobody whose latency is
//! measured, and what was added last goes out though nothing follows it. The verdict and panics are written by who brings them.
//!
//! Two locks: `state`, held for moments; `place`, held while a file is written. `place` is taken first, so that an older state
//! never takes the place of a later one.

use super::state::{Fact, State, Status};
use super::{file, panics};
use crate::aggregate::time::SystemClock;
use crate::limits::ARTIFACT_PERIOD;
use crate::testing::ProcessMemory;
use crate::{Clock, Error, Snapshot};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, ThreadId};
use std::time::{Duration, Instant};

/// A run that goes on, and its file. See [the module](super) for an example.
///
/// Adding something waits for no disk and never fails; it is in the file within [`ARTIFACT_PERIOD`], or at once with
/// [`Artifact::flush`]. A write that fails is counted, and made again; [`Artifact::last_error`] has what the system said.
///
/// Without a verdict ([`pass`](Artifact::pass), [`fail`](Artifact::fail), [`stop`](Artifact::stop)) the run fails when this is
/// dropped. A panic of the thread that made it, caught or not, fails it at once, with the panic's message; see
/// [`ArtifactBuilder::watch_process`] for those of others.
#[derive(Debug)]
pub struct Artifact {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

/// What a run is called and knows of itself, before it begins.
#[derive(Clone, Debug)]
#[must_use = "there is no file until `create`"]
pub struct ArtifactBuilder {
    name: String,
    run_id: Option<String>,
    seed: Option<u64>,
    facts: Vec<(String, Fact)>,
    clock: Option<Arc<dyn Clock>>,
    whole_process: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// Whose panic is the run's own.
    owner: ThreadId,
    /// Whether panics of other threads are told too.
    whole_process: bool,
    state: Mutex<State>,
    /// Whether the file is behind the state, and whether the writer is to end.
    work: Mutex<Work>,
    bell: Condvar,
    place: Mutex<()>,
    last_error: Mutex<Option<Error>>,
}

#[derive(Debug, Default)]
struct Work {
    changed: bool,
    over: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ArtifactBuilder {
    /// The seed that everything random in the run is drawn from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// What tells this run from all others; drawn at random unless given.
    pub fn run_id(mut self, id: impl Into<String>) -> Self {
        self.run_id = Some(id.into());
        self
    }

    /// A setting of the run.
    pub fn fact(mut self, name: impl Into<String>, fact: impl Into<Fact>) -> Self {
        self.facts.push((name.into(), fact.into()));
        self
    }

    /// Takes the times from another clock than the system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Tells of panics of all threads of the process: they are counted, and events. For a program that is one run; among tests it
    /// would be told of those of others.
    pub fn watch_process(mut self) -> Self {
        self.whole_process = true;
        self
    }

    /// Begins the run, and writes its file: it is there when this returns. The artifact of an earlier run makes way.
    ///
    /// # Errors
    /// The file cannot be written, there is something else than an artifact in its place, or the system gives no thread.
    pub fn create(self, path: impl AsRef<Path>) -> Result<Artifact, Error> {
        let path = path.as_ref().to_owned();
        file::check(&path)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let run_id = self.run_id.unwrap_or_else(random_id);
        let mut state = State::new(self.name, run_id, self.seed, clock.now());
        self.facts.into_iter().for_each(|(name, fact)| state.fact(name, fact));
        let shared = Arc::new(Shared {
            path,
            clock,
            owner: std::thread::current().id(),
            whole_process: self.whole_process,
            state: Mutex::new(state),
            work: Mutex::default(),
            bell: Condvar::new(),
            place: Mutex::default(),
            last_error: Mutex::default(),
        });
        shared.write()?;
        panics::watch(&shared);
        let for_writer = shared.clone();
        let builder = std::thread::Builder::new().name("tachometer-artifact".to_owned());
        let writer = builder.spawn(move || for_writer.run()).map_err(|error| Error::Io {
            attempt: "start the thread that writes an artifact".to_owned(),
            kind: error.kind(),
            reason: format!("{error}; raise the limit on threads (ulimit -u)"),
        })?;
        Ok(Artifact { shared, writer: Some(writer) })
    }
}

/// 128 bits, in hexadecimal digits.
fn random_id() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    let half = || RandomState::new().hash_one((std::process::id(), Instant::now()));
    format!("{:016x}{:016x}", half(), half())
}

impl Artifact {
    /// A run of this name.
    pub fn builder(name: impl Into<String>) -> ArtifactBuilder {
        ArtifactBuilder {
            name: name.into(),
            run_id: None,
            seed: None,
            facts: Vec::new(),
            clock: None,
            whole_process: false,
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Sets a figure that the run came to, or a setting. Of one name the last stands.
    pub fn fact(&self, name: impl Into<String>, fact: impl Into<Fact>) {
        self.shared.change(|state, _| state.fact(name.into(), fact.into()));
    }

    /// Adds something that happened, now.
    pub fn event(&self, name: impl Into<String>, text: impl Into<String>) {
        self.shared.change(|state, at| state.event(at, name.into(), text.into()));
    }

    /// Adds a reading of the process's memory, now.
    pub fn memory(&self, memory: ProcessMemory) {
        self.shared.change(|state, at| state.memory(at, memory));
    }

    /// Sets the metrics: the latest snapshot takes the place of the one before.
    pub fn metrics(&self, snapshot: &Arc<Snapshot>) {
        self.shared.change(|state, _| state.metrics(snapshot.clone()));
    }

    /// How often its thread has panicked since the run began, caught or not; with [`ArtifactBuilder::watch_process`], any thread.
    pub fn panics(&self) -> u64 {
        lock(&self.shared.state).panics
    }

    /// How long the run has gone on.
    pub fn elapsed(&self) -> Duration {
        let started = lock(&self.shared.state).started.elapsed;
        self.shared.clock.now().elapsed.saturating_sub(started)
    }

    /// What the system said to the last write, if it failed.
    pub fn last_error(&self) -> Option<Error> {
        lock(&self.shared.last_error).clone()
    }

    /// Writes everything now.
    ///
    /// # Errors
    /// The system refuses. What was there is there still.
    pub fn flush(&self) -> Result<(), Error> {
        self.shared.write()
    }

    /// The run ends, and everything held; unless the thread that made this had panicked.
    ///
    /// # Errors
    /// The file cannot be written: what was there, with another status, is there still.
    pub fn pass(self) -> Result<(), Error> {
        self.end(Status::Passed, None)
    }

    /// The run ends with an error.
    ///
    /// # Errors
    /// As [`Artifact::pass`].
    pub fn fail(self, error: impl Into<String>) -> Result<(), Error> {
        self.end(Status::Failed, Some(error.into()))
    }

    /// The run ends before its time because somebody asked for it; until then everything held.
    ///
    /// # Errors
    /// As [`Artifact::pass`].
    pub fn stop(self) -> Result<(), Error> {
        self.end(Status::Stopped, None)
    }

    fn end(mut self, status: Status, error: Option<String>) -> Result<(), Error> {
        self.join();
        self.shared.change(|state, _| match error {
            Some(error) => state.fail(error),
            None if state.status == Status::Running => state.status = status,
            None => {}
        });
        self.shared.write()
    }

    fn join(&mut self) {
        lock(&self.shared.work).over = true;
        self.shared.bell.notify_all();
        if let Some(writer) = self.writer.take() {
            // It has told of its own panic, if any, through the hook.
            let _ = writer.join();
        }
    }
}

impl Drop for Artifact {
    fn drop(&mut self) {
        if self.writer.is_none() {
            return;
        }
        self.join();
        {
            let mut state = lock(&self.shared.state);
            if state.status == Status::Running {
                let why = match std::thread::panicking() {
                    true => "the thread that had it panicked",
                    false => "it was dropped without a verdict",
                };
                state.fail(why.to_owned());
            }
        }
        // There is nobody to tell; `last_error` was for that.
        let _ = self.shared.write();
    }
}

impl Shared {
    /// Changes what the file is to say. `change` gets the time since the run began.
    fn change(&self, change: impl FnOnce(&mut State, Duration)) {
        let now = self.clock.now();
        {
            let mut state = lock(&self.state);
            let at = now.elapsed.saturating_sub(state.started.elapsed);
            change(&mut state, at);
        }
        lock(&self.work).changed = true;
        self.bell.notify_all();
    }

    /// The writer's thread.
    fn run(&self) {
        let mut last: Option<Instant> = None;
        loop {
            let mut work = lock(&self.work);
            loop {
                let since = last.map_or(ARTIFACT_PERIOD, |last| last.elapsed());
                let pause = ARTIFACT_PERIOD.saturating_sub(since);
                if work.over {
                    return;
                }
                if work.changed && pause.is_zero() {
                    break;
                }
                work = if work.changed {
                    self.bell.wait_timeout(work, pause).unwrap_or_else(PoisonError::into_inner).0
                } else {
                    self.bell.wait(work).unwrap_or_else(PoisonError::into_inner)
                };
            }
            work.changed = false;
            drop(work);
            if self.write().is_err() {
                lock(&self.work).changed = true;
            }
            last = Some(Instant::now());
        }
    }

    fn write(&self) -> Result<(), Error> {
        let place = lock(&self.place);
        let page = lock(&self.state).render(self.clock.now());
        self.put(&page, place)
    }

    fn put(&self, page: &[u8], _place: MutexGuard<'_, ()>) -> Result<(), Error> {
        let written = file::replace(&self.path, page);
        let written =
            written.map_err(|error| file::failed("write the artifact", &self.path, &error));
        *lock(&self.last_error) = written.clone().err();
        if written.is_err() {
            lock(&self.state).failed_writes += 1;
        }
        written
    }

    /// A thread of the process panicked. It may be one that holds a lock here, so none is waited for without end.
    pub(super) fn panicked(&self, thread: ThreadId, text: &str) {
        if thread != self.owner && !self.whole_process {
            return;
        }
        let place = panics::patiently(&self.place);
        let Some(mut state) = panics::patiently(&self.state) else { return };
        let now = self.clock.now();
        let at = now.elapsed.saturating_sub(state.started.elapsed);
        state.panics += 1;
        state.event(at, "panic".to_owned(), text.to_owned());
        if thread == self.owner && state.status == Status::Running {
            state.fail(text.to_owned());
        }
        // Without its place the writer's next write, or `Drop`, has it.
        let Some(place) = place else { return };
        let page = state.render(now);
        drop(state);
        let _ = self.put(&page, place);
    }
}
