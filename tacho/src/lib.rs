//! `tacho` runs a real Raft or HotStuff cluster under load and shows what the `tachometer` engine sees of it.
//!
//! `run` and `compare` are the two things that the commands `raft` and `hotstuff` do, with any `system`; `raft` and `hotstuff`
//! are the clusters themselves, `load` their clients; `soak` runs a workload for long, and `artifact` shows what it left; `bench`
//! measures the engine alone; `query` asks a process that runs, `top` looks at one, and `fleet` reads many; `generate` writes files
//! for Grafana and Prometheus. `monitor` is the engine that measures a run; `report` turns its last snapshot into figures.

pub mod access;
pub mod alerts;
pub mod artifact;
pub mod bench;
pub mod cli;
pub mod clock;
pub mod compare;
pub mod fleet;
pub mod generate;
pub mod hotstuff;
pub mod listen;
pub mod live;
pub mod load;
pub mod monitor;
pub mod oversight;
pub mod query;
pub mod raft;
pub mod report;
pub mod run;
pub mod soak;
pub mod summary;
pub mod system;
pub mod text;
pub mod timeline;
pub mod top;
