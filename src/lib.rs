//! A lock-free, in-process metrics engine for programs that count in their hottest loops.
//!
//! (chapters follow)

#![deny(unsafe_code)]
#![warn(missing_docs)]
// A model compiles the recording and the aggregating core alone, without what calls it.
#![cfg_attr(tachometer_loom, allow(dead_code))]

mod aggregate;
pub mod limits;
#[cfg(tachometer_loom)]
pub mod model;
#[allow(unsafe_code)]
mod shard;
#[allow(unsafe_code)]
mod sync;

#[cfg(not(tachometer_loom))]
pub mod catalogue;
#[cfg(not(tachometer_loom))]
mod error;
#[cfg(not(tachometer_loom))]
mod export;
#[cfg(not(tachometer_loom))]
mod process;
#[cfg(not(tachometer_loom))]
#[allow(unsafe_code)]
mod record;
#[cfg(not(tachometer_loom))]
mod registry;
#[cfg(all(feature = "http", not(tachometer_loom)))]
mod serve;
#[cfg(not(tachometer_loom))]
mod snapshot;

#[cfg(all(feature = "http", not(tachometer_loom)))]
pub use crate::serve::Listener;
#[cfg(not(tachometer_loom))]
pub use crate::{
    aggregate::engine::{Engine, EngineBuilder},
    aggregate::time::{Clock, ManualClock, Moment},
    error::Error,
    export::TextEncoder,
    process::{ProcessSettings, barrier_mode},
    record::builder::MetricBuilder,
    record::bundle::BundleField,
    record::clock::Stamp,
    record::counter::{Counter, CounterRef},
    record::family::Metric,
    record::family::dynamic::{Family, Lookup},
    record::family::enums::{EnumFamily, EnumLabels, LabelEnum},
    record::gauge::{Gauge, GaugeRef},
    record::group::{Group, group},
    record::histogram::{Histogram, HistogramRef},
    record::timer::{SampledTimer, Timer},
    record::updown::{UpDownCounter, UpDownCounterRef},
    registry::{Buckets, Definition, Kind, Precision, Registry, Rejected, Unit},
    snapshot::{Delta, HistogramSnapshot, SeriesView, Snapshot, Value},
    sync::barrier::Mode,
};
