//! Ready-made bundles: what consensus engines are asked about, under names that follow Prometheus practice.
//!
//! A bundle is a struct of handles; a host program records through it, whatever library it uses underneath.

pub mod raft;
