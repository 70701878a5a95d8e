//! The engine: a background thread that turns what all threads recorded into a snapshot each interval, and on demand.
//!
//! One generation at a time: lock the engine's state, make it (see `generation`), publish it. Whoever asks for a fresh
//! snapshot makes the generation on the calling thread, or takes one whose cut began after the question, made by
//! somebody else: questions are coalesced.

use super::generation::{Generation, Generations};
use super::own::OwnMetrics;
use super::publish::Publisher;
use super::pulse::Pulse;
#[cfg(any(feature = "http", feature = "health"))]
use super::pulse::Vital;
#[cfg(feature = "history")]
use super::subscribe::{Subscriber, Subscribers};
use super::time::{Clock, ManualClock, Moment, SystemClock};
use crate::limits::{DEFAULT_CUT_TIMEOUT, DEFAULT_INTERVAL, MIN_INTERVAL};
use crate::record::clock;
use crate::registry::{Kind, Registry, checked_labels};
use crate::shard::fork;
use crate::sync::{Ordering, fence};
use crate::{Error, Snapshot};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Turns what all threads recorded into snapshots: each interval on a thread of its own, and on demand.
///
/// One engine runs on a registry at a time. Dropping it stops it, after a last snapshot.
///
/// ```
/// use tachometer::{Engine, Registry};
/// let registry = Registry::new();
/// let requests = registry.counter("requests_total", "Requests.")?;
/// let engine = Engine::builder().registry(&registry).start()?;
/// requests.add(2);
/// assert_eq!(engine.refresh().counter("requests_total")?, 2);
/// # Ok::<(), tachometer::Error>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    core: Arc<Core>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Settings of an [`Engine`].
#[derive(Debug)]
#[must_use = "nothing runs until `start`"]
pub struct EngineBuilder {
    registry: Registry,
    interval: Duration,
    cut_timeout: Duration,
    labels: Vec<(String, String)>,
    clock: Option<ManualClock>,
    own_metrics: Option<bool>,
}

/// What the engine's thread and its handles share.
#[derive(Debug)]
pub(crate) struct Core {
    registry: Registry,
    interval: Duration,
    clock: Arc<dyn Clock>,
    own: Option<OwnMetrics>,
    /// How the thread does; `None` for an engine that is driven by hand.
    pulse: Option<Pulse>,
    /// The fork generation that the engine belongs to.
    born: u64,
    publisher: Publisher<Snapshot>,
    #[cfg(feature = "history")]
    subscribers: Subscribers,
    making: Mutex<Making>,
    /// Generations whose cut has begun.
    begun: AtomicU64,
    /// Whether the thread is to end.
    stop: Mutex<bool>,
    stopping: Condvar,
    /// Whether the last generation was made. Set under `making`.
    closed: AtomicBool,
}

/// What making a generation needs to itself.
#[derive(Debug)]
struct Making {
    generations: Generations,
    /// The value of `begun` for the generation that was published last.
    made: u64,
}

impl Engine {
    /// Settings for a new engine.
    pub fn builder() -> EngineBuilder {
        EngineBuilder {
            registry: Registry::global().clone(),
            interval: DEFAULT_INTERVAL,
            cut_timeout: DEFAULT_CUT_TIMEOUT,
            labels: Vec::new(),
            clock: None,
            own_metrics: None,
        }
    }

    /// The latest snapshot. Never blocks; costs some nanoseconds.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.core.publisher.latest()
    }

    /// A snapshot that has every record that happened-before this call.
    ///
    /// Made on the calling thread (some microseconds to milliseconds, with the number of series and shards), unless
    /// another thread's, begun after this call, can serve. On an engine that was stopped, or that belongs to the parent
    /// of a forked process, the last snapshot.
    pub fn refresh(&self) -> Arc<Snapshot> {
        self.core.refresh()
    }

    /// The first snapshot, from the latest on, that meets `condition`. Snapshots come at the engine's interval.
    ///
    /// # Errors
    /// None did within `limit`.
    pub fn wait_for(
        &self,
        limit: Duration,
        condition: impl FnMut(&Snapshot) -> bool,
    ) -> Result<Arc<Snapshot>, Error> {
        self.core.publisher.wait(limit, condition).ok_or(Error::TimedOut(limit))
    }

    /// The registry whose series the snapshots show.
    pub fn registry(&self) -> &Registry {
        &self.core.registry
    }

    /// The interval between snapshots.
    pub fn interval(&self) -> Duration {
        self.core.interval
    }

    /// Whether the engine still makes snapshots: it was not stopped, and its thread is alive in this process.
    pub fn is_running(&self) -> bool {
        !self.core.is_stopped() && !self.core.is_foreign()
    }

    /// Stops: joins the thread, makes a last snapshot, and returns it. It has every record that happened-before this
    /// call. Stopping again returns the same snapshot.
    pub fn stop(&self) -> Arc<Snapshot> {
        if self.core.is_foreign() {
            // The thread is the parent's; joining what this process does not have would wait for ever.
            std::mem::forget(self.thread.try_lock().ok().and_then(|mut thread| thread.take()));
            return self.snapshot();
        }
        self.core.ask_to_stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread was already shown by the panic hook; the last cut is made here either way.
            let _ = thread.join();
        }
        self.core.finish()
    }

    #[cfg(any(feature = "history", feature = "http", feature = "push", feature = "health"))]
    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

impl EngineBuilder {
    /// Serves `registry` instead of the global one.
    pub fn registry(mut self, registry: &Registry) -> Self {
        self.registry = registry.clone();
        self
    }

    /// How often the aggregator makes a snapshot; a second by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a cut waits for a thread that stopped inside a record before it publishes an incomplete snapshot; 10 ms
    /// by default.
    pub fn cut_timeout(mut self, limit: Duration) -> Self {
        self.cut_timeout = limit;
        self
    }

    /// Adds a constant label to every series, `static` handles' included: the node, the cluster. A label of the series'
    /// own with that name wins.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Drives the engine by hand: no thread, snapshots only by [`Engine::refresh`], the time from `clock`. The same
    /// records then give the same snapshots, run after run. Leaves the engine's own metrics out, which would not.
    pub fn manual(mut self, clock: &ManualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Whether the engine records its own metrics (`tachometer_…`) into the registry; by default unless driven by hand.
    pub fn own_metrics(mut self, wanted: bool) -> Self {
        self.own_metrics = Some(wanted);
        self
    }

    /// Starts the engine.
    ///
    /// # Errors
    /// A setting is out of range, the registry already has a running engine, a constant label is invalid, or the system
    /// gives no thread.
    pub fn start(self) -> Result<Engine, Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        if self.interval < MIN_INTERVAL {
            return invalid("interval", format!("{:?} is below {MIN_INTERVAL:?}", self.interval));
        }
        let constant = checked_labels(self.labels, Kind::Histogram)?;
        fork::watch();
        let base = self.registry.inner.claim_engine(fork::generation())?;
        // From here on, dropping the core gives the registry free again.
        let manual = self.clock.is_some();
        let clock: Arc<dyn Clock> = match self.clock {
            Some(clock) => Arc::new(clock),
            None => Arc::new(SystemClock::new()),
        };
        let generations = Generations {
            registry: self.registry.clone(),
            constant,
            cut_timeout: self.cut_timeout,
            started: clock.now(),
            layout: None,
            base,
        };
        let mut core = Core {
            registry: self.registry,
            interval: self.interval,
            clock,
            own: None,
            pulse: (!manual).then(Pulse::new),
            born: fork::generation(),
            publisher: Publisher::new(Arc::new(Snapshot::none(Moment::default()))),
            #[cfg(feature = "history")]
            subscribers: Subscribers::default(),
            making: Mutex::new(Making { generations, made: 0 }),
            begun: AtomicU64::new(0),
            stop: Mutex::default(),
            stopping: Condvar::new(),
            closed: AtomicBool::new(false),
        };
        if self.own_metrics.unwrap_or(!manual) {
            core.own = Some(OwnMetrics::register(&core.registry)?);
        }
        let core = Arc::new(core);
        let thread = if manual { None } else { Some(spawn(core.clone())?) };
        Ok(Engine { core, thread: Mutex::new(thread) })
    }
}

fn spawn(core: Arc<Core>) -> Result<JoinHandle<()>, Error> {
    let builder = std::thread::Builder::new().name("tachometer".to_owned());
    builder.spawn(move || core.run()).map_err(|error| Error::Io {
        attempt: "start the aggregator's thread".to_owned(),
        kind: error.kind(),
        reason: format!("{error}; raise the limit on threads (ulimit -u)"),
    })
}

impl Core {
    /// The aggregator's thread.
    fn run(&self) {
        let began = Instant::now();
        let _watch = self.pulse.as_ref().map(Pulse::watch);
        let mut tick: u32 = 1;
        loop {
            // None: further away than the clock can tell.
            let due = self.interval.checked_mul(tick).and_then(|span| began.checked_add(span));
            if self.sleep_until(due) {
                return;
            }
            let due = due.unwrap_or(began);
            self.generation();
            if let Some(pulse) = &self.pulse {
                pulse.beat();
            }
            clock::refine();
            let behind = Instant::now().saturating_duration_since(due);
            let missed = (behind.as_nanos() / self.interval.as_nanos()) as u32;
            if let (1.., Some(own)) = (missed, &self.own) {
                own.drop_ticks(missed.into());
            }
            tick = tick.saturating_add(1 + missed);
        }
    }

    /// Sleeps, for ever if there is no moment to wait for; `true` if the engine is to stop.
    fn sleep_until(&self, due: Option<Instant>) -> bool {
        const LONG: Duration = Duration::from_secs(86_400);
        let mut stop = self.stop.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = due.map_or(LONG, |due| due.saturating_duration_since(Instant::now()));
            if *stop || left.is_zero() {
                return *stop;
            }
            stop = self.stopping.wait_timeout(stop, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn ask_to_stop(&self) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stopping.notify_all();
    }

    /// The last generation, once; the thread has ended.
    fn finish(&self) -> Arc<Snapshot> {
        let making = self.lock();
        if self.is_stopped() {
            return self.publisher.latest();
        }
        // Still under the lock: a refresh that comes in between must not publish after the last.
        // Relaxed: read under the lock wherever it matters.
        self.closed.store(true, Ordering::Relaxed);
        let last = self.make(making);
        self.leave();
        last
    }

    /// Gives the registry free, and the next engine what it goes on from.
    fn leave(&self) {
        let base = self.lock().generations.base.take();
        self.registry.inner.release_engine(self.born, base);
    }

    fn is_stopped(&self) -> bool {
        // Relaxed: see `finish`.
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether the engine belongs to the parent of this process.
    fn is_foreign(&self) -> bool {
        self.born != fork::generation()
    }

    /// Shows `subscriber` each generation that begins from now on. `meet` is called before the first of them: with the
    /// latest one, if there is one, or else with whether series that are new in the first began with this engine.
    #[cfg(feature = "history")]
    pub(crate) fn subscribe(
        &self,
        subscriber: std::sync::Weak<dyn Subscriber>,
        meet: impl FnOnce(Option<&Snapshot>, bool),
    ) {
        let making = self.lock();
        let latest = self.publisher.latest();
        let known = (latest.generation > 0).then_some(&*latest);
        meet(known, making.generations.base.is_none());
        self.subscribers.add(subscriber);
    }

    /// Whether `subscriber` is shown the generations.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(crate) fn shows(&self, subscriber: *const ()) -> bool {
        self.subscribers.has(subscriber)
    }

    /// Where it takes the time from.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Whether it has no thread: generations are made by those who ask for them.
    #[cfg(all(feature = "history", feature = "rules"))]
    pub(crate) fn is_by_hand(&self) -> bool {
        self.pulse.is_none()
    }

    #[cfg(feature = "page")]
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    #[cfg(any(feature = "http", feature = "push", feature = "health"))]
    pub(crate) fn latest(&self) -> Arc<Snapshot> {
        self.publisher.latest()
    }

    #[cfg(any(feature = "http", feature = "health"))]
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// How long ago the cut of `snapshot` was made, on the engine's clock.
    #[cfg(feature = "http")]
    pub(crate) fn age(&self, snapshot: &Snapshot) -> Duration {
        self.clock.now().elapsed.saturating_sub(snapshot.elapsed())
    }

    /// Now, on the engine's clock.
    #[cfg(feature = "health")]
    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// How the engine does. Waits for nothing.
    #[cfg(any(feature = "http", feature = "health"))]
    pub(crate) fn vital(&self) -> Vital {
        match &self.pulse {
            _ if self.is_stopped() || self.is_foreign() => Vital::Stopped,
            None => Vital::ByHand,
            Some(pulse) => pulse.vital(self.interval),
        }
    }

    pub(crate) fn refresh(&self) -> Arc<Snapshot> {
        if self.is_foreign() {
            return self.publisher.latest();
        }
        // SeqCst, partner `barrier::heavy` in a cut that begins later: either we see that it has begun, or it sees what
        // was recorded before this call.
        fence(Ordering::SeqCst);
        // Relaxed: ordered by the fence.
        let asked = self.begun.load(Ordering::Relaxed);
        let making = self.lock();
        if making.made > asked || self.is_stopped() {
            return self.publisher.latest();
        }
        self.make(making)
    }

    /// A generation at its time; none after the last, which `stop` may have made on another thread meanwhile.
    fn generation(&self) {
        let making = self.lock();
        if !self.is_stopped() {
            self.make(making);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Making> {
        self.making.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes and publishes one generation.
    fn make(&self, mut making: MutexGuard<'_, Making>) -> Arc<Snapshot> {
        let began = Instant::now();
        // Relaxed: the cut's heavy barrier orders it before the cut's reads; partner `refresh`.
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let last = self.publisher.latest();
        let Generation { snapshot, cut, panics } = making.generations.next(&*self.clock, &last);
        self.publisher.publish(snapshot.clone());
        #[cfg(feature = "history")]
        let panics = panics + self.subscribers.show(&snapshot);
        making.made = number;
        if let Some(own) = &self.own {
            own.record(&cut, began.elapsed(), snapshot.len(), snapshot.rejected.len());
            own.panicked(panics);
        }
        snapshot
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Only an engine that failed to start gets here without `finish`.
        if !self.is_stopped() && !self.is_foreign() {
            self.leave();
        }
    }
}
