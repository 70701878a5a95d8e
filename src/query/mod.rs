//! PromQL over series kept in this process.

mod distribution;
mod error;
mod labels;
mod matcher;
mod source;

pub use distribution::{Bucket, Distribution};
pub use error::QueryError;
pub use labels::{Label, Labels, METRIC_NAME};
pub use matcher::{MatchOp, Matcher};
pub use source::{Content, Increase, Metadata, STALE, STALE_BITS, Series, Source, is_stale};
