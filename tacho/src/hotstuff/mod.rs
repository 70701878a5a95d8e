//! A real hotstuff_rs cluster in one process: what the `hotstuff2` catalogue is driven by.
//!
//! The way of one transaction:
//!
//! ```text
//! client ─► mempool of each replica ─► app ──► hotstuff_rs ──► network ─► hotstuff_rs ─► app ─► store
//!   ▲                                 (leader)                (switch)    (all)
//!   └──── receipts, from two replicas ◄── ledger ◄── events ◄──┘
//! ```
//!
//! `system` is what the command runs: `cluster` starts, stops and disturbs replicas, `replica` puts one together, `trouble`
//! does so at an interval. `probe` is the only file that knows how events become metrics, and everything above calls it; it
//! records through the handles that `handles` registers, with the constant label `replica`.
//!
//! # What cannot be driven honestly
//!
//! Everything of section 2 of the catalogue that a hotstuff_rs cluster can show is recorded from what it does. The rest is on
//! the page with the value that is true, mostly 0, and is left to the bundle's own tests:
//!
//! - `hotstuff_contracts`: the application has accounts only.
//! - `hotstuff_bandwidth_limit_bytes` and the ratio made of it: a network in memory has no bandwidth that anybody knows.
//! - `hotstuff_storage_errors_total` and operations that failed: the store is memory, and does not fail.
//! - `hotstuff_safety_violations_total`: all commits are compared with each other (`ledger`), and with at most one replica that
//!   lies none can contradict another. The certificates and locks of others are not compared.
//! - `hotstuff_byzantine_behaviors_total`: votes for what was not proposed (`--byzantine-replica`) are seen. Signatures and
//!   certificates are checked inside hotstuff_rs, which tells nobody of those that it refuses.
//! - `hotstuff_view_changes_total{reason="byzantine"}`: a leader that proposes what cannot be is one that does not propose.
//! - Votes of other phases than `generic`, and nudges: hotstuff_rs has them while the set of validators changes, which it
//!   does not here. For the same reason peers come and go only when somebody calls the network's `update_validator_set`.
//! - `hotstuff_message_processing_duration_seconds` has the kinds whose beginning and end hotstuff_rs tells of: proposals (until
//!   the vote), votes and timeout votes (those that complete a certificate), messages that advance the view, requests for blocks.
//!
//! # hotstuff_rs 0.4
//!
//! What its use here has to live with: time limits are whole seconds (`config::VIEW_TIME`); four equal replicas commit nothing
//! while one is down (`config::POWERS`); time limits of an epoch add up (`config::EPOCH_VIEWS`); two threads of each replica
//! never rest (`priority`), and a third would not (`network`); blocks read from the store have lost their data (`store`); a
//! timeout vote can kill a replica that comes back (`network`).

pub mod app;
pub mod client;
pub mod cluster;
pub mod config;
pub mod events;
pub mod handles;
pub mod ledger;
pub mod mempool;
pub mod network;
pub mod priority;
pub mod probe;
pub mod replica;
pub mod store;
pub mod system;
pub mod transaction;
pub mod trouble;
