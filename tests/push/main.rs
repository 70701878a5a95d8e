//! Pushing to servers that are down, slow, silent, mad or picky: nothing is lost within the spool's bound, nothing that was
//! acknowledged is sent again, and no target holds another up.
#![cfg(feature = "push")]

mod answers;
#[path = "../common/mod.rs"]
mod common;
mod delivery;
mod fake;
mod node;
mod protocols;
mod settings;
mod spool;
