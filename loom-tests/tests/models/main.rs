//! The models, one file a protocol. Canaries weaken one ordering and must fail.
#![cfg(tachometer_loom)]

mod causality;
mod cut;
mod exemplar;
mod expiry;
mod guests;
mod hand_over;
mod idle;
mod incomplete;
mod lease;
mod octave;
mod publish;
mod register;
