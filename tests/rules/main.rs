//! Rule files: what is taken and refused, what templates say and what alerts do, each held against a real `promtool`.
#![cfg(feature = "rules")]

#[path = "../common/mod.rs"]
mod common;
mod engine;
mod files;
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
#[path = "../prometheus/server.rs"]
mod server;
#[path = "../common/servers.rs"]
mod servers;
mod templates;
