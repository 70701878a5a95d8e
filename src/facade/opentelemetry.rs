//! An OpenTelemetry meter provider: what is instrumented with the `opentelemetry` API records into the engine.
//!
//! ```
//! use opentelemetry::{KeyValue, metrics::MeterProvider as _};
//! use std::time::Duration;
//! use tachometer::{Engine, ManualClock, Registry, facade::opentelemetry::MeterProvider};
//! let registry = Registry::new();
//! let meter = MeterProvider::new(&registry)?.meter("orders");
//! let counter = meter.u64_counter("orders.placed").build();
//! counter.add(2, &[KeyValue::new("country", "is")]);
//! let engine = Engine::builder().registry(&registry).manual(&ManualClock::at(Duration::ZERO)).start()?;
//! assert_eq!(engine.refresh().counter_with("orders_placed", &[("country", "is")])?, 2);
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! | there | here |
//! |---|---|
//! | counter of `u64` | [`Counter`] |
//! | counter of `f64` | [`Gauge`]: the engine's counters are whole numbers |
//! | up-down counter of `i64`, of `f64` | [`UpDownCounter`], [`Gauge`] |
//! | gauge | [`Gauge`] |
//! | histogram in `s`, `ms`, `us`, `ns`, or that ends in `_seconds` | [`Histogram`] in nanoseconds, to the nearest |
//! | histogram in `By`, `KiBy`, `MiBy`, `GiBy`, or that ends in `_bytes` | in bytes |
//! | any other histogram | in whole numbers; boundaries that are asked for are not needed and not used |
//! | observable | its callbacks run before each snapshot's cut: an observed counter of `u64` adds what has been added since, all else is a [`Gauge`] |
//!
//! Attributes become labels. Names and labels are made valid as by the recorder for the `metrics` crate: `orders.placed` is
//! `orders_placed`, of two that read the same the second gets a hash. A meter's own name is no label; instruments of one
//! name are one metric. Series beyond the [limit](MeterProvider::limit) share `overflow="true"`;
//! `tachometer_facade_refused_total{facade="opentelemetry"}` counts what could not be recorded, by reason.
//!
//! Cost: the stable API hands the attributes over with each record: without attributes a record is the engine's own behind
//! a virtual call and a look-up; with them, a hash over all of them, without lock or allocation. Attributes in another
//! order are looked up by themselves, and find the same series.
//!
//! Bound instruments (`counter.bind(&attributes)`) are the engine's own behind a virtual call, without a look-up. The API
//! calls them experimental: they are there with the feature `opentelemetry-bound` of this crate. **Do not ask for them by
//! the API's own feature alone** (`opentelemetry/experimental_metrics_bound_instruments`): the API then gives handles that
//! record nothing.

#[cfg(feature = "opentelemetry-bound")]
mod bound;

use super::cache::Cache;
use super::names::{Made, Measure, Names};
use crate::{Counter, Error, Gauge, Histogram, Kind, Metric, Registry, UpDownCounter};
use opentelemetry::metrics::{
    self as api, AsyncInstrument, AsyncInstrumentBuilder, Callback, HistogramBuilder,
    InstrumentBuilder, InstrumentProvider, Meter, ObservableCounter, ObservableGauge,
    ObservableUpDownCounter, SyncInstrument,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes meters whose instruments record into a [`Registry`]; see the [module](self).
#[derive(Debug)]
pub struct MeterProvider {
    names: Arc<Names>,
    registry: Registry,
}

impl MeterProvider {
    /// A provider of meters into `registry`.
    ///
    /// # Errors
    /// The provider's own metrics cannot be registered there.
    pub fn new(registry: &Registry) -> Result<MeterProvider, Error> {
        let names = Arc::new(Names::new(registry, "opentelemetry")?);
        Ok(MeterProvider { names, registry: registry.clone() })
    }

    /// Sets how many series each metric may have;
    /// [`DEFAULT_FAMILY_LIMIT`](crate::limits::DEFAULT_FAMILY_LIMIT) unless set.
    pub fn limit(self, series: usize) -> Self {
        self.names.set_limit(series);
        self
    }
}

impl api::MeterProvider for MeterProvider {
    fn meter_with_scope(&self, _: InstrumentationScope) -> Meter {
        let (names, registry) = (self.names.clone(), self.registry.clone());
        Meter::new(Arc::new(Instruments { names, registry }))
    }
}

struct Instruments {
    names: Arc<Names>,
    registry: Registry,
}

/// The experimental part of an instrument.
macro_rules! bind {
    ($number:ty) => {
        #[cfg(feature = "opentelemetry-bound")]
        fn bind(&self, attributes: &[KeyValue]) -> bound::Boxed<$number> {
            bound::bind(self, attributes)
        }
    };
}

/// One instrument: its series by the attributes that they were recorded with.
struct Instrument<M> {
    names: Arc<Names>,
    name: String,
    series: Cache<Arc<[KeyValue]>, Arc<Made<M>>>,
    /// One new series at a time.
    making: Mutex<()>,
}

fn hash_of(attributes: &[KeyValue]) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(attributes)
}

impl<M: Metric> Instrument<M> {
    /// Records in the series of `attributes`, or counts that there can be none.
    fn with(&self, attributes: &[KeyValue], record: impl Fn(&Made<M>)) {
        if !self.find(attributes, record) {
            self.names.refused.conflict.inc();
        }
    }

    /// Does something with the series of `attributes`, once, and makes it if it is new; `false` if its name is that of
    /// something else.
    fn find(&self, attributes: &[KeyValue], found: impl Fn(&Made<M>)) -> bool {
        let hash = hash_of(attributes);
        let known = || self.series.with(hash, |key| **key == *attributes, |made| found(made));
        if known().is_some() {
            return true;
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        known().is_some() || self.make(hash, attributes, found)
    }

    #[cold]
    fn make(&self, hash: u64, attributes: &[KeyValue], found: impl Fn(&Made<M>)) -> bool {
        let values: Vec<_> = attributes.iter().map(|pair| pair.value.as_str()).collect();
        let keys = attributes.iter().map(|pair| pair.key.as_str());
        let labels = keys.zip(values.iter().map(|value| &**value));
        let Some(made) = self.names.series::<M>(&self.name, labels) else { return false };
        found(&made);
        if !made.overflow {
            self.series.insert(hash, attributes.into(), Arc::new(made));
        }
        true
    }
}

impl SyncInstrument<u64> for Instrument<Counter> {
    fn measure(&self, value: u64, attributes: &[KeyValue]) {
        self.with(attributes, |made| made.metric.add(value));
    }

    bind! { u64 }
}

impl SyncInstrument<i64> for Instrument<UpDownCounter> {
    fn measure(&self, value: i64, attributes: &[KeyValue]) {
        self.with(attributes, |made| made.metric.add(value));
    }

    bind! { i64 }
}

impl SyncInstrument<u64> for Instrument<Histogram> {
    fn measure(&self, value: u64, attributes: &[KeyValue]) {
        self.with(attributes, |made| made.metric.record(whole(value, made.measure)));
    }

    bind! { u64 }
}

impl SyncInstrument<f64> for Instrument<Histogram> {
    fn measure(&self, value: f64, attributes: &[KeyValue]) {
        self.with(attributes, |made| match made.measure.recorded(value) {
            Some(recorded) => made.metric.record(recorded),
            None => self.names.refused.value.inc(),
        });
    }

    bind! { f64 }
}

/// A whole number in recorded units, exactly.
#[inline(always)]
fn whole(value: u64, measure: Measure) -> u64 {
    match measure.scale {
        1.0 => value,
        scale => value.saturating_mul(scale as u64),
    }
}

/// A gauge that is set: of any number.
struct Set(Instrument<Gauge>);

/// A gauge that is added to: sums of floats.
struct Sum {
    gauge: Instrument<Gauge>,
    /// A counter: what is below zero is refused.
    rises: bool,
}

impl Sum {
    #[inline(always)]
    fn takes(rises: bool, value: f64) -> bool {
        value.is_finite() && !(rises && value < 0.0)
    }
}

impl SyncInstrument<f64> for Sum {
    fn measure(&self, value: f64, attributes: &[KeyValue]) {
        match Sum::takes(self.rises, value) {
            true => self.gauge.with(attributes, |made| made.metric.add(value)),
            false => self.gauge.names.refused.value.inc(),
        }
    }

    #[cfg(feature = "opentelemetry-bound")]
    fn bind(&self, attributes: &[KeyValue]) -> bound::Boxed<f64> {
        bound::sum(&self.gauge, self.rises, attributes)
    }
}

macro_rules! set {
    ($($number:ty)*) => { $(
        impl SyncInstrument<$number> for Set {
            fn measure(&self, value: $number, attributes: &[KeyValue]) {
                self.0.with(attributes, |made| made.metric.set(value as f64));
            }

            #[cfg(feature = "opentelemetry-bound")]
            fn bind(&self, attributes: &[KeyValue]) -> bound::Boxed<$number> {
                bound::bind(&self.0, attributes)
            }
        }
        impl AsyncInstrument<$number> for Set {
            fn observe(&self, value: $number, attributes: &[KeyValue]) {
                self.measure(value, attributes);
            }
        }
    )* };
}
set! { u64 i64 f64 }

/// A counter that is observed: the whole each time.
struct Whole {
    counter: Instrument<Counter>,
    /// What was observed last, by attributes.
    last: Cache<Arc<[KeyValue]>, Arc<AtomicU64>>,
}

impl AsyncInstrument<u64> for Whole {
    fn observe(&self, value: u64, attributes: &[KeyValue]) {
        self.counter.with(attributes, |made| {
            // One snapshot is made at a time, and callbacks run there alone.
            let (hash, is) = (hash_of(attributes), |key: &Arc<[KeyValue]>| **key == *attributes);
            let step = |last: &Arc<AtomicU64>| last.fetch_max(value, Ordering::Relaxed);
            let known = self.last.with(hash, is, step);
            if known.is_none() && !made.overflow {
                self.last.insert(hash, attributes.into(), Arc::new(AtomicU64::new(value)));
            }
            // What the overflow series stands for cannot be told apart: nothing is added there.
            let new = if made.overflow { 0 } else { value };
            made.metric.add(known.map_or(new, |last| value.saturating_sub(last)));
        });
    }
}

impl Instruments {
    fn instrument<M: Metric>(
        &self,
        kind: Kind,
        name: &str,
        help: Option<&str>,
        unit: Option<&str>,
    ) -> Instrument<M> {
        self.names.describe(kind, name, help.unwrap_or_default(), unit.and_then(measure));
        let (names, name) = (self.names.clone(), name.to_owned());
        Instrument { names, name, series: Cache::new(), making: Mutex::new(()) }
    }

    fn of<M: Metric, T>(&self, kind: Kind, builder: &InstrumentBuilder<'_, T>) -> Instrument<M> {
        let InstrumentBuilder { name, description, unit, .. } = builder;
        self.instrument(kind, name, description.as_deref(), unit.as_deref())
    }

    fn spread<T>(&self, builder: &HistogramBuilder<'_, T>) -> Instrument<Histogram> {
        let HistogramBuilder { name, description, unit, .. } = builder;
        self.instrument(Kind::Histogram, name, description.as_deref(), unit.as_deref())
    }

    fn sum<T>(&self, builder: &InstrumentBuilder<'_, T>, rises: bool) -> Arc<Sum> {
        Arc::new(Sum { gauge: self.of(Kind::Gauge, builder), rises })
    }

    fn set<T>(&self, builder: &InstrumentBuilder<'_, T>) -> Arc<Set> {
        Arc::new(Set(self.of(Kind::Gauge, builder)))
    }

    fn run<T: 'static>(
        &self,
        callbacks: Vec<Callback<T>>,
        instrument: impl AsyncInstrument<T> + 'static,
    ) {
        self.registry.before_snapshots(move || callbacks.iter().for_each(|call| call(&instrument)));
    }

    fn observe<I, T: 'static>(&self, builder: AsyncInstrumentBuilder<'_, I, T>)
    where
        Set: AsyncInstrument<T>,
    {
        let AsyncInstrumentBuilder { name, description, unit, callbacks, .. } = builder;
        let (help, unit) = (description.as_deref(), unit.as_deref());
        self.run(callbacks, Set(self.instrument(Kind::Gauge, &name, help, unit)));
    }
}

/// What a unit of UCUM means for a histogram.
fn measure(unit: &str) -> Option<Measure> {
    Some(match unit {
        "s" => Measure::time(1e9),
        "ms" => Measure::time(1e6),
        "us" | "µs" => Measure::time(1e3),
        "ns" => Measure::time(1.0),
        "By" => Measure::size(1.0),
        "KiBy" => Measure::size(1024.0),
        "MiBy" => Measure::size((1_u64 << 20) as f64),
        "GiBy" => Measure::size((1_u64 << 30) as f64),
        _ => return None,
    })
}

impl InstrumentProvider for Instruments {
    fn u64_counter(&self, builder: InstrumentBuilder<'_, api::Counter<u64>>) -> api::Counter<u64> {
        api::Counter::new(Arc::new(self.of::<Counter, _>(Kind::Counter, &builder)))
    }

    fn f64_counter(&self, builder: InstrumentBuilder<'_, api::Counter<f64>>) -> api::Counter<f64> {
        api::Counter::new(self.sum(&builder, true))
    }

    fn u64_observable_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableCounter<u64>, u64>,
    ) -> ObservableCounter<u64> {
        let AsyncInstrumentBuilder { name, description, unit, callbacks, .. } = builder;
        let (help, unit) = (description.as_deref(), unit.as_deref());
        let counter = self.instrument(Kind::Counter, &name, help, unit);
        self.run(callbacks, Whole { counter, last: Cache::new() });
        ObservableCounter::new()
    }

    fn f64_observable_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableCounter<f64>, f64>,
    ) -> ObservableCounter<f64> {
        self.observe(builder);
        ObservableCounter::new()
    }

    fn i64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, api::UpDownCounter<i64>>,
    ) -> api::UpDownCounter<i64> {
        api::UpDownCounter::new(Arc::new(
            self.of::<UpDownCounter, _>(Kind::UpDownCounter, &builder),
        ))
    }

    fn f64_up_down_counter(
        &self,
        builder: InstrumentBuilder<'_, api::UpDownCounter<f64>>,
    ) -> api::UpDownCounter<f64> {
        api::UpDownCounter::new(self.sum(&builder, false))
    }

    fn i64_observable_up_down_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableUpDownCounter<i64>, i64>,
    ) -> ObservableUpDownCounter<i64> {
        self.observe(builder);
        ObservableUpDownCounter::new()
    }

    fn f64_observable_up_down_counter(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableUpDownCounter<f64>, f64>,
    ) -> ObservableUpDownCounter<f64> {
        self.observe(builder);
        ObservableUpDownCounter::new()
    }

    fn u64_gauge(&self, builder: InstrumentBuilder<'_, api::Gauge<u64>>) -> api::Gauge<u64> {
        api::Gauge::new(self.set(&builder))
    }

    fn f64_gauge(&self, builder: InstrumentBuilder<'_, api::Gauge<f64>>) -> api::Gauge<f64> {
        api::Gauge::new(self.set(&builder))
    }

    fn i64_gauge(&self, builder: InstrumentBuilder<'_, api::Gauge<i64>>) -> api::Gauge<i64> {
        api::Gauge::new(self.set(&builder))
    }

    fn u64_observable_gauge(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableGauge<u64>, u64>,
    ) -> ObservableGauge<u64> {
        self.observe(builder);
        ObservableGauge::new()
    }

    fn i64_observable_gauge(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableGauge<i64>, i64>,
    ) -> ObservableGauge<i64> {
        self.observe(builder);
        ObservableGauge::new()
    }

    fn f64_observable_gauge(
        &self,
        builder: AsyncInstrumentBuilder<'_, ObservableGauge<f64>, f64>,
    ) -> ObservableGauge<f64> {
        self.observe(builder);
        ObservableGauge::new()
    }

    fn f64_histogram(
        &self,
        builder: HistogramBuilder<'_, api::Histogram<f64>>,
    ) -> api::Histogram<f64> {
        api::Histogram::new(Arc::new(self.spread(&builder)))
    }

    fn u64_histogram(
        &self,
        builder: HistogramBuilder<'_, api::Histogram<u64>>,
    ) -> api::Histogram<u64> {
        api::Histogram::new(Arc::new(self.spread(&builder)))
    }
}
