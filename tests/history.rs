//! The history against a naive store that keeps every generation: windows, tiers, bounds, and what it says of itself.

#![cfg(feature = "history")]

mod common;

#[path = "history/coming.rs"]
mod coming;
#[path = "history/model.rs"]
mod model;
#[path = "history/rules.rs"]
mod rules;
