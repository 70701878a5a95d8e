//! From a snapshot to what other programs read.

pub(crate) mod text;

pub use text::TextEncoder;
