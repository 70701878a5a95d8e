//! `tacho soak`: a workload for a long time, with a seed, and limits that fail it.
//!
//! ```text
//! args ─► run ─► workload (record, raft, …) ─► operations ─► engine ─► judge ─► report, artifact, progress
//!                    ▲ seed: load and faults       every one is counted and timed
//! ```
//!
//! A [`workload::Workload`] starts, says when it is broken, and stops; what it does it tells to [`operations::Operations`]. `run` is
//! the same for all of them; [`judge`] has the limits; [`faults`] the kills and isolations of a seed.

pub mod args;
pub mod faults;
pub mod hotstuff;
pub mod judge;
pub mod operations;
pub mod pace;
pub mod progress;
pub mod raft;
pub mod record;
pub mod report;
pub mod run;
pub mod workload;

pub use args::SoakArgs;
pub use run::run;
