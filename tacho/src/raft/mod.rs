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
//! `cluster` starts, kills, restarts and isolates nodes; `node` puts one node together and wraps its
//! log, state machine, network and `Raft` with the library's adapter for openraft, which records what
//! happens in them; `probe` tells the adapter what it cannot know of this cluster's entries.

pub mod client;
pub mod cluster;
pub mod compaction;
pub mod config;
pub mod isolation;
pub mod kills;
pub mod load;
pub mod log;
pub mod network;
pub mod node;
pub mod probe;
pub mod proposals;
pub mod router;
pub mod snapshots;
pub mod state_machine;
pub mod system;
pub mod types;
