//! A recorder for the `metrics` crate: every crate that uses `counter!`, `gauge!` and `histogram!` records into the engine.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::{Engine, ManualClock, Registry, facade::metrics::Recorder};
//! let registry = Registry::new();
//! let recorder = Recorder::new(&registry)?;
//! metrics::with_local_recorder(&recorder, || {
//!     metrics::counter!("requests.total", "method" => "get").increment(2);
//!     metrics::histogram!("request_seconds").record(0.25);
//! });
//! let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
//! let now = engine.refresh();
//! assert_eq!(now.counter_with("requests_total", &[("method", "get")])?, 2);
//! assert_eq!(now.histogram("request_seconds")?.sum(), 250_000_000); // in nanoseconds
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! # What becomes what
//!
//! | there | here |
//! |---|---|
//! | counter | [`Counter`]; `absolute` adds what is missing to the largest value so far, so use it or `increment` on a counter, not both |
//! | gauge | [`Gauge`] |
//! | histogram described in seconds, milli-, micro- or nanoseconds, or that ends in `_seconds` | [`Histogram`] in nanoseconds, rounded to the nearest, exported in seconds |
//! | histogram described in bytes (kibibytes and so on), or that ends in `_bytes` | in bytes |
//! | any other histogram | in whole numbers: 0.4 is recorded as 0. Describe what is smaller than that |
//!
//! Names: characters that Prometheus does not know become `_` (`http.server` is `http_server`); of two names that then read
//! the same the second gets a hash of its own text behind it; a histogram with a unit ends in that unit (`latency_ms`, in
//! milliseconds, is `latency_seconds`). Labels: likewise; leading underscores become one, `le` of a histogram becomes
//! `exported_le`, of two that read the same the later wins, values and names are cut at the [limits](crate::limits). A
//! counter's or a gauge's name and value stay as they are, whatever the unit.
//!
//! A metric is described before its first use; what is said later changes nothing.
//!
//! # What cannot be recorded
//!
//! `tachometer_facade_refused_total{facade="metrics"}` counts it, by reason: `conflict`, each record of a metric that is
//! something else already (a gauge under a counter's name); `value`, each that a histogram cannot hold (below zero,
//! infinite, not a number); `limit`, each time that a series was asked for beyond a metric's [limit](Recorder::limit), which
//! then is its series `overflow="true"`.
//!
//! # Cost
//!
//! A handle that is kept: a counter's `increment` is [`Counter::add`](crate::Counter::add) behind a virtual call. A macro
//! looks the handle up in a table of the thread's own, by the address of its key where that is a `static`, else by its text,
//! without lock or allocation, and raises and lowers the handle's number of owners. A series beyond the limit takes a lock.

mod handle;
mod table;

use super::cache::Cache;
use super::names::{Measure, Names};
use crate::registry::sweep::{Generation, Sweep};
use crate::{Counter, Error, Gauge, Histogram, Kind, Registry};
use handle::{Handle, Refused};
use metrics::{Key, KeyName, Metadata, SharedString, Unit};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, TryLockError};
use std::time::Duration;
use table::Remembered;

/// Records into a [`Registry`] what the macros of the `metrics` crate are told; see the [module](self).
#[derive(Debug)]
pub struct Recorder {
    /// Tells it from all others of the process.
    id: u64,
    series: Arc<Series>,
}

/// The series of a recorder.
#[derive(Debug)]
struct Series {
    names: Arc<Names>,
    idle: OnceLock<Duration>,
    counters: Shelf<Counter>,
    gauges: Shelf<Gauge>,
    histograms: Shelf<Histogram>,
}

/// Handles of one type.
#[derive(Debug)]
struct Shelf<M> {
    cache: Cache<Key, Arc<Handle<M>>>,
    /// Locked to make a series, so that none is made twice. Has them all where they can go, else none.
    kept: Mutex<HashMap<Key, Kept<M>>>,
}

#[derive(Debug)]
struct Kept<M> {
    /// `None` only while it is looked at.
    handle: Option<Arc<Handle<M>>>,
    cached: bool,
}

impl Recorder {
    /// A recorder into `registry`.
    ///
    /// # Errors
    /// The recorder's own metrics cannot be registered there.
    pub fn new(registry: &Registry) -> Result<Recorder, Error> {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let series = Series {
            names: Arc::new(Names::new(registry, "metrics")?),
            idle: OnceLock::new(),
            counters: Shelf::new(),
            gauges: Shelf::new(),
            histograms: Shelf::new(),
        };
        // Relaxed: only unique.
        Ok(Recorder { id: IDS.fetch_add(1, Ordering::Relaxed), series: Arc::new(series) })
    }

    /// Sets how many series each metric may have; [`DEFAULT_FAMILY_LIMIT`](crate::limits::DEFAULT_FAMILY_LIMIT) unless
    /// set.
    pub fn limit(self, series: usize) -> Self {
        self.series.names.set_limit(series);
        self
    }

    /// Lets series go from the pages that nothing was recorded in for this long, by the engine's clock. To be called before
    /// the first metric is recorded, and once.
    ///
    /// The next record brings the series back, from zero, also through a handle that somebody kept all the while: no record
    /// is lost. A series that is gone makes room under the [limit](Recorder::limit). It goes between two and three
    /// generations after its time, so the timeout should be several intervals of the engine. One that has a handle of the
    /// program's own too ([`Registry::counter`]), or that is written in two ways (`a.b` and `a_b` as labels), stays.
    ///
    /// Cost: none for counters and histograms that are in use; a gauge is written inside an entry, which takes about as long
    /// as a counter's record. Each generation looks at each series.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tachometer::{Engine, ManualClock, Registry, facade::metrics::Recorder};
    /// let (registry, clock) = (Registry::new(), ManualClock::at(Duration::ZERO));
    /// let recorder = Recorder::new(&registry)?.idle_timeout(Duration::from_secs(60));
    /// let engine = Engine::builder().registry(&registry).manual(&clock).start()?;
    /// let kept = metrics::with_local_recorder(&recorder, || metrics::counter!("jobs_total"));
    /// kept.increment(5);
    /// for _ in 0..5 {
    ///     engine.refresh();
    ///     clock.advance(Duration::from_secs(60));
    /// }
    /// assert!(engine.refresh().counter("jobs_total").is_err(), "gone");
    /// kept.increment(1);
    /// assert_eq!(engine.refresh().counter("jobs_total")?, 1);
    /// # Ok::<(), tachometer::Error>(())
    /// ```
    pub fn idle_timeout(self, idle: Duration) -> Self {
        if self.series.idle.set(idle).is_ok() {
            let series: Arc<dyn Sweep> = self.series.clone();
            self.series.names.registry.sweep_by(Arc::downgrade(&series));
        }
        self
    }

    /// Makes this the recorder of the whole process, for good.
    ///
    /// # Errors
    /// The process has one already.
    pub fn install(self) -> Result<(), Error> {
        metrics::set_global_recorder(self).map_err(|_| Error::InvalidSetting {
            setting: "recorder",
            reason: "the process has a recorder already; install one, and first thing in main()"
                .to_owned(),
        })
    }

    /// The handle of `key`; `None` if its name is that of something else.
    #[inline(always)]
    fn handle<M: Remembered>(&self, shelf: &Shelf<M>, key: &Key) -> Option<Arc<Handle<M>>> {
        table::find(self.id, key).or_else(|| self.learn(shelf, key))
    }

    /// As `handle`, for a key that the thread does not remember.
    #[cold]
    #[inline(never)]
    fn learn<M: Remembered>(&self, shelf: &Shelf<M>, key: &Key) -> Option<Arc<Handle<M>>> {
        let known = shelf.cache.with(key.get_hash(), |other| other == key, Arc::clone);
        let (handle, overflow) = match known {
            Some(handle) => (handle, false),
            None => self.series.make(shelf, key)?,
        };
        if !overflow {
            table::remember(self.id, &handle);
        }
        Some(handle)
    }

    fn refused(&self) -> Arc<Refused> {
        Arc::new(Refused(self.series.names.refused.conflict.clone()))
    }
}

impl Series {
    /// The handle of `key`, from those that there are or made now, and whether it is the overflow series.
    fn make<M: Remembered>(&self, shelf: &Shelf<M>, key: &Key) -> Option<(Arc<Handle<M>>, bool)> {
        let mut kept = shelf.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = shelf.cache.with(key.get_hash(), |other| other == key, Arc::clone) {
            return Some((made, false));
        }
        if let Some((known, handle)) = kept.get_mut(key).and_then(|known| {
            let handle = known.handle.clone()?;
            Some((known, handle))
        }) {
            known.cached = true;
            shelf.cache.insert(key.get_hash(), handle.key.clone(), handle.clone());
            return Some((handle, false));
        }
        let labels = key.labels().map(|label| (label.key(), label.value()));
        let made = self.names.bound(M::KIND, key.name(), labels)?;
        let overflow = made.overflow;
        let expires = self.idle.get().is_some() && !overflow;
        let key = key.to_retained();
        let handle = Arc::new(Handle::new(key.clone(), made, self.names.clone(), expires));
        if !overflow {
            shelf.cache.insert(key.get_hash(), key.clone(), handle.clone());
        }
        if expires {
            kept.insert(key, Kept { handle: Some(handle.clone()), cached: true });
        }
        Some((handle, overflow))
    }
}

impl<M: Remembered> Shelf<M> {
    fn new() -> Self {
        Shelf { cache: Cache::new(), kept: Mutex::default() }
    }

    /// Lets idle series go, and forgets those that have gone and that nobody has a handle of.
    fn sweep(&self, idle: Duration, generation: &Generation<'_>) {
        let mut kept = match self.kept.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Somebody makes a series, and may be waiting for the cutter to do so. The next generation will do.
            Err(TryLockError::WouldBlock) => return,
        };
        kept.retain(|key, known| {
            let Some(handle) = known.handle.take() else { return false };
            if !handle.step(idle, generation) {
                known.handle = Some(handle);
            } else if std::mem::take(&mut known.cached) {
                self.cache.remove(key.get_hash(), key);
                known.handle = Some(handle);
            } else {
                // From here on no thread's table gives it out again.
                known.handle = match Arc::try_unwrap(handle) {
                    Ok(last) => (!last.is_gone()).then(|| Arc::new(last)),
                    Err(handle) => Some(handle),
                };
            }
            known.handle.is_some()
        });
    }
}

impl Sweep for Series {
    fn sweep(&self, generation: &Generation<'_>) {
        let Some(&idle) = self.idle.get() else { return };
        self.counters.sweep(idle, generation);
        self.gauges.sweep(idle, generation);
        self.histograms.sweep(idle, generation);
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.series.names.describe(Kind::Counter, name.as_str(), &help, None);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.series.names.describe(Kind::Gauge, name.as_str(), &help, None);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.series.names.describe(Kind::Histogram, name.as_str(), &help, unit.map(measure));
    }

    #[inline]
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        match self.handle(&self.series.counters, key) {
            Some(handle) => metrics::Counter::from_arc(handle),
            None => metrics::Counter::from_arc(self.refused()),
        }
    }

    #[inline]
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        match self.handle(&self.series.gauges, key) {
            Some(handle) => metrics::Gauge::from_arc(handle),
            None => metrics::Gauge::from_arc(self.refused()),
        }
    }

    #[inline]
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        match self.handle(&self.series.histograms, key) {
            Some(handle) => metrics::Histogram::from_arc(handle),
            None => metrics::Histogram::from_arc(self.refused()),
        }
    }
}

fn measure(unit: Unit) -> Measure {
    match unit {
        Unit::Seconds => Measure::time(1e9),
        Unit::Milliseconds => Measure::time(1e6),
        Unit::Microseconds => Measure::time(1e3),
        Unit::Nanoseconds => Measure::time(1.0),
        Unit::Tebibytes => Measure::size((1_u64 << 40) as f64),
        Unit::Gibibytes => Measure::size((1_u64 << 30) as f64),
        Unit::Mebibytes => Measure::size((1_u64 << 20) as f64),
        Unit::Kibibytes => Measure::size(1024.0),
        Unit::Bytes => Measure::size(1.0),
        _ => Measure::PLAIN,
    }
}
