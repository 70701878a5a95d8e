//! Ways in: what a program is instrumented with already records into the engine.
//!
//! Each is a feature of its own, off by default, and each has an example under `examples/`:
//!
//! | feature | what records here |
//! |---|---|
//! | `process` | the process itself: CPU, memory, files, faults, switches, disk and network, from /proc |

#[cfg(feature = "process")]
pub mod process;
