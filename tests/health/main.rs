//! Health: what rules and checks say, rolled up, with time moved by hand; checks that hang and panic, and the answers over HTTP.
#![cfg(all(feature = "health", feature = "http", feature = "rules"))]

mod checks;
#[path = "../http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod http;
mod limits;
#[path = "../promql/memory.rs"]
mod memory;
mod rules;
mod stale;
mod stand;
