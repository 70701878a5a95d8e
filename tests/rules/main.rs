//! Rule files: what is taken and refused, what templates say and what alerts do, each held against a real `promtool`.
#![cfg(feature = "rules")]

#[path = "../common/mod.rs"]
mod common;
mod engine;
mod files;
mod life;
#[path = "../promql/memory.rs"]
mod memory;
mod oracle;
mod raft;
mod templates;
