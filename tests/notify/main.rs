//! Notifications of alerts: to a real Alertmanager, to servers that are down, slow, silent or mad, to logs and
//! callbacks. None holds up another, what waits is bounded, and nothing is lost within the bound.
#![cfg(feature = "notify")]

#[cfg(feature = "tls")]
#[path = "../push/authority.rs"]
mod authority;
#[path = "../common/mod.rs"]
mod common;
#[path = "../push/fake.rs"]
mod fake;
#[path = "../push/real.rs"]
mod real;
#[path = "../common/servers.rs"]
mod servers;

mod alertmanager;
mod bound;
mod delivery;
mod log;
mod node;
mod prometheus;
mod settings;
#[cfg(feature = "tls")]
mod tls;
mod told;
mod webhook;
