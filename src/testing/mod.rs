//! For tests: what was recorded, and load, networks and whole runs that can be repeated. Feature `testing`.
//!
//! - [`Collector`]: a registry and an engine of one test's own, driven by hand; it sees what this test recorded and nothing else,
//!   beside any number of others.
//! - [`Recorded`]: assertions on what was recorded between two cuts, whose messages show the difference and the series that there
//!   are. [`wait_until`] and [`Collector::wait_until`] wait for something, and say what it was all along if it does not come.
//! - [`OpenLoop`], [`ClosedLoop`], [`Network`]: load and network conditions with a seed, from [`Random`].
//! - [`Workload`]: a workload whose every quantile is known, to check what measures it; [`overhead`]: what measuring costs.
//! - [`artifact`] (with feature `json`): what a run came to, in a file that is there and parses whatever becomes of
//!   the process.
//!
//! ```
//! use tachometer::testing::Collector;
//! let test = Collector::new();
//! let requests = test.registry().counter("requests_total", "Requests.")?;
//! requests.add(2); // what is tested does this, through the same registry
//! let recorded = test.cut();
//! recorded.assert_counter("requests_total", &[], 2);
//! recorded.assert_only_changed(&[("requests_total", &[])]);
//! test.cut().assert_counter("requests_total", &[], 0); // since the cut before
//! # Ok::<(), tachometer::Error>(())
//! ```
//!
//! Assertions panic, at the line of the test that makes them; everything else returns errors.

mod accuracy;
#[cfg(feature = "json")]
pub mod artifact;
mod collector;
mod differ;
mod histogram;
mod load;
mod memory;
mod network;
mod overhead;
mod random;
mod recorded;
mod waiting;

pub use accuracy::{Accuracy, QuantileError, Workload};
pub use collector::Collector;
pub use histogram::RecordedHistogram;
pub use load::{Arrivals, ClosedLoop, LoopClient, OpenLoop, Operation, Step, Values};
pub use memory::ProcessMemory;
pub use network::{Fate, Link, Network, NetworkBuilder, Partition};
pub use overhead::{Overhead, overhead};
pub use random::Random;
pub use recorded::{Labels, Recorded};
pub use waiting::{Waited, try_wait_until, wait_until};
