//! A lock-free, in-process metrics engine for programs that count in their hottest loops.
//!
//! A thread records in about a nanosecond, without a lock, an atomic read-modify-write or an allocation; a background
//! thread turns what all threads recorded into [`Snapshot`]s, each a *causally consistent cut* over all of them; pages
//! and programs see only snapshots.
//!
//! ```
//! use tachometer::{Counter, Engine, Histogram, Unit};
//!
//! static COMMITS: Counter = Counter::new("raft_commits_total", "Log entries committed.");
//! static LATENCY: Histogram =
//!     Histogram::new("raft_commit_latency_seconds", "From proposal to commit.").unit(Unit::Nanoseconds);
//!
//! let engine = Engine::builder().start()?; // one background thread, a cut every second
//! let timer = LATENCY.start();
//! // … the hot loop …
//! timer.stop();
//! COMMITS.inc();
//! let now = engine.refresh(); // a cut that has everything up to here
//! assert_eq!(now.counter("raft_commits_total")?, 1);
//! println!("p99 {:?}", now.histogram("raft_commit_latency_seconds")?.quantile_duration(0.99));
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! # Recording
//!
//! [`Counter`], [`UpDownCounter`], [`Gauge`] and [`Histogram`] stand in a `static` (registered on first use in
//! [`Registry::global`]) or come from a [`Registry`]; they can be cloned and sent anywhere, at the same cost. [`Timer`]s
//! measure spans, [`group`] makes several records one, [`EnumFamily`] and [`Family`] give labelled series, and
//! [`bundle!`] declares a struct of handles at once. [`catalogue`] has ready-made bundles.
//!
//! Recording never fails, blocks or panics, and after a thread's first record it does not allocate or call the system
//! (a thread's first touch of a page of its shard is a page fault, as with any memory). Tests: `tests/allocations.rs`;
//! instruction counts: `.ci/instructions`.
//!
//! # Consistency: what a snapshot may and may not show
//!
//! A snapshot that [is complete](Snapshot::is_complete) is a causal cut over all threads:
//!
//! 1. Each thread's records up to some point of its own program are in it, and none after.
//! 2. If one record happens-before another, in the memory model's sense and across threads, the later is never in it
//!    without the earlier: `finished` never exceeds `started`.
//! 3. The records of one [`group`] are in it whole or not at all; a histogram's sum, count and buckets are always those
//!    of the same values.
//! 4. Nothing is lost or counted twice, and counters and histograms never go backwards from one snapshot to the next.
//!
//! What it may show: one thread's records without those that another made at the same time. There is no moment of wall
//! time to which a snapshot belongs; a cut takes some microseconds. Gauges are read right after the cut and take no part
//! in its order.
//!
//! A thread that is stopped inside a record (preempted, or by a debugger) holds a cut up, for at most the
//! [time limit](EngineBuilder::cut_timeout); then the snapshot is published all the same and says that it is incomplete.
//! It may then have a part of what that thread was recording. Point 4 holds always. A record made in a signal handler
//! that interrupts another record of the same thread is outside all of this.
//!
//! How it works and why: the documentation of the `shard` module in the source, and `docs/verification.md`, which says
//! what was model-checked, what was stressed on hardware, and what neither shows.
//!
//! # Cost
//!
//! `Counter::inc`, compiled for x86-64, is: the slot from the handle, the thread's pointer, two tests for zero, a store
//! ("inside"), a load of the epoch, one `inc` to memory, a store ("outside"). No call, no `lock` prefix, and no branch
//! but the two that are never taken after the first record. `tacho bench` measures every path against its hardware
//! baseline; results stand in `benches/results/`.
//!
//! Memory: 16 bytes a counter and recording thread; a histogram 640 bytes, and in each bank about 1 KiB for an octave
//! that it has seen (at two significant figures), and 2 KiB where it was given exemplars. Shards are handed from ended threads to new ones, so memory is bounded
//! by the largest number of threads alive at once.
//!
//! # Limits
//!
//! Every limit has a name, a defined behaviour and a counter: see [`limits`].
//!
//! # Fork
//!
//! A forked child starts from zero: its records never reach the parent, and it never repeats what the parent recorded.
//! Gauges are zero too. The parent's engines do nothing there; the child may start its own.
//!
//! # Platforms
//!
//! 64-bit Linux, with `membarrier` (since 4.14). Where it is missing (another system, or a sandbox that forbids it)
//! every record passes a real fence, about 5 to 20 ns dearer; [`barrier_mode`] and the series `tachometer_info` say so.

#![deny(unsafe_code)]
#![warn(missing_docs)]
// A model compiles the recording and the aggregating core alone, without what calls it.
#![cfg_attr(tachometer_loom, allow(dead_code))]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("tachometer reserves address space for each thread and needs a 64-bit system");

mod aggregate;
#[cfg(all(feature = "backend", not(tachometer_loom)))]
pub mod backend;
pub mod limits;
#[cfg(tachometer_loom)]
pub mod model;
#[allow(unsafe_code)]
mod shard;
#[allow(unsafe_code)]
mod sync;

#[cfg(all(any(feature = "config", feature = "rules"), not(tachometer_loom)))]
mod alerts;
#[cfg(not(tachometer_loom))]
pub mod catalogue;
#[cfg(all(feature = "config", not(tachometer_loom)))]
pub mod config;
#[cfg(not(tachometer_loom))]
pub mod declare;
#[cfg(not(tachometer_loom))]
mod error;
#[cfg(not(tachometer_loom))]
mod export;
#[cfg(not(tachometer_loom))]
pub mod facade;
#[cfg(all(feature = "generate", not(tachometer_loom)))]
pub mod generate;
#[cfg(all(feature = "health", not(tachometer_loom)))]
pub mod health;
#[cfg(all(feature = "history", not(tachometer_loom)))]
pub mod history;
#[cfg(all(feature = "notify", not(tachometer_loom)))]
pub mod notify;
#[cfg(not(tachometer_loom))]
mod process;
#[cfg(all(any(feature = "process", feature = "source"), not(tachometer_loom)))]
mod procfs;
#[cfg(all(feature = "push", not(tachometer_loom)))]
pub mod push;
#[cfg(all(feature = "promql", not(tachometer_loom)))]
pub mod query;
#[cfg(not(tachometer_loom))]
#[allow(unsafe_code)]
mod record;
#[cfg(not(tachometer_loom))]
mod registry;
#[cfg(all(any(feature = "notify", feature = "push", feature = "source"), not(tachometer_loom)))]
mod retry;
#[cfg(all(feature = "rules", not(tachometer_loom)))]
pub mod rules;
#[cfg(all(
    any(
        feature = "config",
        feature = "http",
        feature = "notify",
        feature = "push",
        feature = "source"
    ),
    not(tachometer_loom)
))]
mod secret;
#[cfg(all(feature = "http", not(tachometer_loom)))]
pub mod serve;
#[cfg(not(tachometer_loom))]
mod snapshot;
#[cfg(all(feature = "source", not(tachometer_loom)))]
pub mod source;
#[cfg(all(any(feature = "config", feature = "rules"), not(tachometer_loom)))]
mod span;
#[cfg(all(feature = "testing", not(tachometer_loom)))]
pub mod testing;
#[cfg(all(
    feature = "tls",
    any(feature = "http", feature = "notify", feature = "push", feature = "source"),
    not(tachometer_loom)
))]
mod tls;
#[cfg(all(any(feature = "notify", feature = "push", feature = "source"), not(tachometer_loom)))]
mod url;

#[cfg(all(feature = "backend", not(tachometer_loom)))]
pub use crate::backend::Backend;
#[cfg(all(feature = "remote-write", not(tachometer_loom)))]
pub use crate::export::remote_write::{
    RemoteWriteAnswer, RemoteWriteEncoder, RemoteWriteRequests, RemoteWriteVersion,
};
#[cfg(all(feature = "json", not(tachometer_loom)))]
pub use crate::export::{JsonEncoder, JsonFamily, JsonSeries, JsonSnapshot, JsonValue};
#[cfg(all(feature = "health", not(tachometer_loom)))]
pub use crate::health::Health;
#[cfg(all(feature = "history", not(tachometer_loom)))]
pub use crate::history::History;
#[cfg(all(feature = "push", not(tachometer_loom)))]
pub use crate::push::{Pusher, Target};
#[cfg(all(feature = "http", not(tachometer_loom)))]
pub use crate::serve::{Listener, ListenerBuilder};
#[cfg(not(tachometer_loom))]
pub use crate::{
    aggregate::engine::{Engine, EngineBuilder},
    aggregate::exemplars::Exemplar,
    aggregate::time::{Clock, ManualClock, Moment},
    error::Error,
    export::Temporality,
    export::{CsvEncoder, Datagrams, GraphiteEncoder, InfluxEncoder, StatsdEncoder},
    export::{Encoder, OpenMetricsEncoder, OtlpEncoder, ProtobufEncoder, Sink, TextEncoder},
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
    record::sampler::Sampler,
    record::state_set::StateSet,
    record::timer::{SampledTimer, Timer},
    record::updown::{UpDownCounter, UpDownCounterRef},
    registry::{Buckets, Definition, Kind, Precision, Registry, RegistrySettings, Rejected, Unit},
    snapshot::{Delta, HistogramSnapshot, SeriesView, Snapshot, Value},
    sync::barrier::Mode,
};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
