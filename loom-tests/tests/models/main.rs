//! The models, one file a protocol.
#![cfg(tachometer_loom)]

mod cut;
