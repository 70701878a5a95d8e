//! Rule files: what is taken and refused, what templates say and what alerts do, each held against a real `promtool`.
#![cfg(feature = "rules")]

#[cfg(feature = "history")]
mod alert_config;
#[path = "../common/mod.rs"]
mod common;
mod engine;
#[cfg(feature = "history")]
mod faults;
mod files;
#[cfg(feature = "history")]
mod lab;
mod life;
mod live;
#[cfg(feature = "history")]
mod manager;
#[path = "../promql/memory.rs"]
mod memory;
mod oracle;
#[path = "../prometheus/page.rs"]
mod page;
mod raft;
#[cfg(feature = "history")]
mod raft_faults;
mod recipes;
#[path = "../prometheus/server.rs"]
mod server;
#[path = "../common/servers.rs"]
mod servers;
mod templates;
