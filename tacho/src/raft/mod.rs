//! A real openraft cluster in one process: what the `raft` catalogue is driven by.
//!
//! The way of one write:
//!
//! ```text
//! client ─► proposals ─► openraft ─► log ──► network ─► openraft ─► log
//! (retries)  (batches)    (leader)   (disk)  (router)   (follower)  (disk)
//!                            └─► state_machine ─► answer to the client
//! ```
//!
//! `load` writes as fast as the cluster takes it, `kills` takes leaders down meanwhile.
//! `cluster` starts, kills, restarts and isolates nodes; `node` puts one node together; `probe` is
//! the only file that knows how events become metrics, and everything above calls it; it records
//! through the handles that `handles` registers.

pub mod client;
pub mod cluster;
pub mod config;
pub mod elections;
pub mod handles;
pub mod isolation;
pub mod kills;
pub mod load;
pub mod log;
pub mod network;
pub mod node;
pub mod observer;
pub mod probe;
pub mod proposals;
pub mod router;
pub mod snapshots;
pub mod state_machine;
pub mod system;
pub mod types;
pub mod vocabulary;
