//! `tacho` runs a real Raft cluster under load and shows what the `tachometer` engine sees of it.
//!
//! `run` and `compare` are the two things the `raft` command does; `raft` is the cluster itself; `bench` measures the
//! engine alone; `query` asks a process that runs; `soak` runs a workload for long, and `artifact` shows what it left. `monitor` is the engine that measures a run; `report` turns its last snapshot into figures.

pub mod alerts;
pub mod artifact;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod listen;
pub mod live;
pub mod monitor;
pub mod oversight;
pub mod query;
pub mod raft;
pub mod report;
pub mod run;
pub mod soak;
pub mod summary;
pub mod text;
pub mod timeline;
