//! The measuring side, which knows no crate: the contract a rival fulfils, the timed loop, the
//! allocator that counts, the plan of a run and its report.

pub mod allocations;
pub mod lap;
pub mod machine;
pub mod measure;
mod messages;
pub mod page;
mod processor;
pub mod report;
pub mod rival;
pub mod workload;

pub use lap::Lap;
pub use rival::{Format, Recording, Rival, Scrape};
