//! Ways in: what a program is instrumented with already records into the engine.
//!
//! Each is a feature of its own, off by default, and each has an example under `examples/`:
//!
//! | feature | what records here |
//! |---|---|
//! | `process` | the process itself: CPU, memory, files, faults, switches, disk and network, from /proc |
//! | `metrics` | the macros of the `metrics` crate |
//! | `tracing` | spans and events of the `tracing` crate, through a `tracing_subscriber` layer |
//! | `opentelemetry`, `opentelemetry-bound` | instruments of the OpenTelemetry API, bound ones too |
//! | `tower`, `axum` | HTTP services behind a `tower` layer |
//! | `openraft` | a node of the `openraft` crate: its network, log, state machine and metrics |
//! | `tokio` | a tokio runtime's workers and tasks |

#[cfg(any(feature = "metrics", feature = "opentelemetry", feature = "tracing"))]
mod cache;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(any(feature = "metrics", feature = "opentelemetry", feature = "tracing"))]
mod names;
#[cfg(feature = "openraft")]
pub mod openraft;
#[cfg(feature = "opentelemetry")]
pub mod opentelemetry;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tower")]
pub mod tower;
#[cfg(any(feature = "tower", feature = "tracing"))]
mod trace;
#[cfg(feature = "tracing")]
pub mod tracing;

#[cfg(any(feature = "tower", feature = "tracing"))]
pub use trace::TraceContext;
