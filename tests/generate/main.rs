//! What is made of declarations for Grafana and Prometheus, held against their own judges: Grafana's published types, and
//! `promtool`.
#![cfg(feature = "generate")]

#[path = "../common/mod.rs"]
mod common;
mod promtool;
mod scenarios;
mod types;
