//! Instruments that are bound to their attributes: the series is looked up once, and its handle is kept.

use super::{Instrument, Sum, whole};
use crate::facade::names::{Made, Measure, Names};
use crate::{Counter, Gauge, Histogram, Metric, UpDownCounter};
use opentelemetry::KeyValue;
use opentelemetry::metrics::BoundSyncInstrument;
use std::sync::{Arc, OnceLock};

pub(super) type Boxed<T> = Box<dyn BoundSyncInstrument<T> + Send + Sync>;

/// A series by its handle.
pub(super) struct Bound<M> {
    metric: M,
    measure: Measure,
    names: Arc<Names>,
}

/// Of an instrument whose name is something else's: each record is refused.
struct Refused(Arc<Names>);

impl<T> BoundSyncInstrument<T> for Refused {
    fn measure(&self, _: T) {
        self.0.refused.conflict.inc();
    }
}

fn found<M: Metric + Clone>(
    instrument: &Instrument<M>,
    attributes: &[KeyValue],
) -> Option<Bound<M>> {
    let found = OnceLock::new();
    let names = instrument.names.clone();
    instrument.find(attributes, |made: &Made<M>| {
        let (metric, measure, names) = (made.metric.clone(), made.measure, names.clone());
        // Called once for the series that was found or made.
        let _ = found.set(Bound { metric, measure, names });
    });
    found.into_inner()
}

/// The series of `attributes`, with its handle.
pub(super) fn bind<M: Metric + Clone, T>(
    instrument: &Instrument<M>,
    attributes: &[KeyValue],
) -> Boxed<T>
where
    Bound<M>: BoundSyncInstrument<T>,
{
    match found(instrument, attributes) {
        Some(bound) => Box::new(bound),
        None => Box::new(Refused(instrument.names.clone())),
    }
}

/// As [`bind`], for a sum of floats.
pub(super) fn sum(
    instrument: &Instrument<Gauge>,
    rises: bool,
    attributes: &[KeyValue],
) -> Boxed<f64> {
    match found(instrument, attributes) {
        Some(bound) => Box::new(BoundSum { bound, rises }),
        None => Box::new(Refused(instrument.names.clone())),
    }
}

impl BoundSyncInstrument<u64> for Bound<Counter> {
    fn measure(&self, value: u64) {
        self.metric.add(value);
    }
}

impl BoundSyncInstrument<i64> for Bound<UpDownCounter> {
    fn measure(&self, value: i64) {
        self.metric.add(value);
    }
}

impl BoundSyncInstrument<u64> for Bound<Histogram> {
    fn measure(&self, value: u64) {
        self.metric.record(whole(value, self.measure));
    }
}

impl BoundSyncInstrument<f64> for Bound<Histogram> {
    fn measure(&self, value: f64) {
        match self.measure.recorded(value) {
            Some(recorded) => self.metric.record(recorded),
            None => self.names.refused.value.inc(),
        }
    }
}

macro_rules! set {
    ($($number:ty)*) => { $(
        impl BoundSyncInstrument<$number> for Bound<Gauge> {
            fn measure(&self, value: $number) {
                self.metric.set(value as f64);
            }
        }
    )* };
}
set! { u64 i64 f64 }

struct BoundSum {
    bound: Bound<Gauge>,
    rises: bool,
}

impl BoundSyncInstrument<f64> for BoundSum {
    fn measure(&self, value: f64) {
        match Sum::takes(self.rises, value) {
            true => self.bound.metric.add(value),
            false => self.bound.names.refused.value.inc(),
        }
    }
}
