//! Rules and alerts over HTTP: as a real Prometheus shows them that runs the same file on the same data; and the stream of
//! events, over whatever carries it.
#![cfg(all(feature = "http", feature = "history", feature = "rules"))]

#[path = "../http/client.rs"]
#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod compare;
mod events;
#[path = "../prometheus/server.rs"]
mod server;
#[path = "../common/servers.rs"]
mod servers;
#[path = "../http/tools.rs"]
mod tools;
mod ways;
