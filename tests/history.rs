//! The history against a naive store that keeps every generation: windows, tiers, bounds, and what it says of itself.

mod common;

#[path = "history/model.rs"]
mod model;
#[path = "history/rules.rs"]
mod rules;
