//! The listener as its clients see it: raw sockets against the real thread, on loopback.
//!
//! Time limits that are longer than a test should wait, and the limit on requests, are tested on
//! connections without sockets, in `src/serve/tests.rs`.
#![cfg(feature = "http")]

#[allow(dead_code, reason = "each test binary uses some of it")]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod crowds;
mod lifecycle;
mod pages;
mod requests;
mod stand;
