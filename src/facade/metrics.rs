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
//! looks the handle up by the hash that its key carries, without lock or allocation. A series beyond the limit takes a lock.

use super::cache::Cache;
use super::names::{Measure, Names};
use crate::{Counter, Error, Gauge, Histogram, Kind, Registry};
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Records into a [`Registry`] what the macros of the `metrics` crate are told; see the [module](self).
#[derive(Debug)]
pub struct Recorder {
    names: Names,
    counters: Cache<Key, metrics::Counter>,
    gauges: Cache<Key, metrics::Gauge>,
    histograms: Cache<Key, metrics::Histogram>,
    /// One new series at a time, so that none is made twice.
    making: Mutex<()>,
}

impl Recorder {
    /// A recorder into `registry`.
    ///
    /// # Errors
    /// The recorder's own metrics cannot be registered there.
    pub fn new(registry: &Registry) -> Result<Recorder, Error> {
        Ok(Recorder {
            names: Names::new(registry, "metrics")?,
            counters: Cache::new(),
            gauges: Cache::new(),
            histograms: Cache::new(),
            making: Mutex::new(()),
        })
    }

    /// Sets how many series each metric may have; [`DEFAULT_FAMILY_LIMIT`](crate::limits::DEFAULT_FAMILY_LIMIT) unless
    /// set.
    pub fn limit(mut self, series: usize) -> Self {
        self.names.set_limit(series);
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

    /// The handle of `key`, from the cache or made now.
    #[cold]
    fn make<M: crate::Metric, H: Clone>(
        &self,
        cache: &Cache<Key, H>,
        key: &Key,
        handle: impl Fn(M, Measure) -> H,
        refused: impl Fn(Counter) -> H,
    ) -> H {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = cache.with(key.get_hash(), |other| other == key, H::clone) {
            return made;
        }
        let labels = key.labels().map(|label| (label.key(), label.value()));
        match self.names.series(key.name(), labels) {
            Some(made) => {
                let found = handle(made.metric, made.measure);
                if !made.overflow {
                    cache.insert(key.get_hash(), key.to_retained(), found.clone());
                }
                found
            }
            None => refused(self.names.refused.conflict.clone()),
        }
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.names.describe(Kind::Counter, name.as_str(), &help, None);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.names.describe(Kind::Gauge, name.as_str(), &help, None);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.names.describe(Kind::Histogram, name.as_str(), &help, unit.map(measure));
    }

    #[inline]
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let known = self.counters.with(key.get_hash(), |other| other == key, Clone::clone);
        known.unwrap_or_else(|| {
            let handle = |counter, _| {
                let counted = Counted { counter, absolute: AtomicU64::new(0) };
                metrics::Counter::from_arc(Arc::new(counted))
            };
            let refused = |counter| metrics::Counter::from_arc(Arc::new(Refused(counter)));
            self.make(&self.counters, key, handle, refused)
        })
    }

    #[inline]
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let known = self.gauges.with(key.get_hash(), |other| other == key, Clone::clone);
        known.unwrap_or_else(|| {
            let handle = |gauge, _| metrics::Gauge::from_arc(Arc::new(Level(gauge)));
            let refused = |counter| metrics::Gauge::from_arc(Arc::new(Refused(counter)));
            self.make(&self.gauges, key, handle, refused)
        })
    }

    #[inline]
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let known = self.histograms.with(key.get_hash(), |other| other == key, Clone::clone);
        known.unwrap_or_else(|| {
            let handle = |histogram, measure| {
                let refused = self.names.refused.value.clone();
                metrics::Histogram::from_arc(Arc::new(Spread { histogram, measure, refused }))
            };
            let refused = |counter| metrics::Histogram::from_arc(Arc::new(Refused(counter)));
            self.make(&self.histograms, key, handle, refused)
        })
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

struct Counted {
    counter: Counter,
    /// The largest value that `absolute` was given.
    absolute: AtomicU64,
}

impl CounterFn for Counted {
    fn increment(&self, value: u64) {
        self.counter.add(value);
    }

    fn absolute(&self, value: u64) {
        // Relaxed: one word, and each step of it is added by the thread that made the step.
        let before = self.absolute.fetch_max(value, Ordering::Relaxed);
        self.counter.add(value.saturating_sub(before));
    }
}

struct Level(Gauge);

impl GaugeFn for Level {
    fn increment(&self, value: f64) {
        self.0.add(value);
    }

    fn decrement(&self, value: f64) {
        self.0.add(-value);
    }

    fn set(&self, value: f64) {
        self.0.set(value);
    }
}

struct Spread {
    histogram: Histogram,
    measure: Measure,
    refused: Counter,
}

impl HistogramFn for Spread {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        match self.measure.recorded(value) {
            Some(recorded) => self.histogram.record_n(recorded, count as u64),
            None => self.refused.add(count as u64),
        }
    }
}

/// Counts what is recorded through a handle that could not be had.
struct Refused(Counter);

impl CounterFn for Refused {
    fn increment(&self, _: u64) {
        self.0.inc();
    }

    fn absolute(&self, _: u64) {
        self.0.inc();
    }
}

impl GaugeFn for Refused {
    fn increment(&self, _: f64) {
        self.0.inc();
    }

    fn decrement(&self, _: f64) {
        self.0.inc();
    }

    fn set(&self, _: f64) {
        self.0.inc();
    }
}

impl HistogramFn for Refused {
    fn record(&self, _: f64) {
        self.0.inc();
    }
}
