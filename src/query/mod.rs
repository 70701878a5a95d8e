//! PromQL over series kept in this process.

mod aggregate;
mod binary;
mod distribution;
mod error;
mod eval;
mod functions;
mod labels;
mod matcher;
mod parse;
mod plan;
mod query;
mod scan;
mod select;
mod settings;
mod source;
pub mod statistics;
mod value;

pub use distribution::{Bucket, Distribution};
pub use error::QueryError;
pub use labels::{Label, Labels, METRIC_NAME};
pub use matcher::{MatchOp, Matcher};
pub use query::{Answer, InstantSample, Query, SampleRange};
pub use settings::Settings;
pub use source::{Content, Increase, Metadata, STALE, STALE_BITS, Series, Source, is_stale};
pub use value::Sample;
