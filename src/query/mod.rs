//! PromQL over series that are kept in this process (feature `promql`).
//!
//! A [`Query`] is parsed once and evaluated over a [`Source`], at one moment or at steps over a range. The language and its
//! semantics are those of Prometheus 2.42: look-back, staleness, counter resets, extrapolation, matching, which labels go.
//! `tests/promql` asks a real Prometheus and this the same 16,000 questions over the same samples and finds the same
//! answers, within a relative 1e-9 (1e-12 absolute, where sums cancel out).
//!
//! ```
//! use std::sync::Arc;
//! use tachometer::query::{Answer, Distribution, Labels, Matcher, Query, QueryError, Sample, Series, Settings, Source};
//!
//! /// A counter that rises by ten a second.
//! struct Rising(Labels);
//!
//! impl Series for Rising {
//!     fn labels(&self) -> &Labels {
//!         &self.0
//!     }
//!     fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
//!         let seconds = (from_ms.max(0) + 999) / 1_000..=to_ms / 1_000;
//!         out.extend(seconds.map(|second| (second * 1_000, second as f64 * 10.0)));
//!     }
//!     fn histograms(&self, _: i64, _: i64, _: &mut Vec<(i64, Arc<Distribution>)>) {}
//! }
//!
//! struct One(Arc<Rising>);
//!
//! impl Source for One {
//!     fn select(&self, matchers: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
//!         let taken = matchers.iter().all(|matcher| matcher.matches(self.0.labels()));
//!         Ok(taken.then(|| self.0.clone() as Arc<dyn Series>).into_iter().collect())
//!     }
//! }
//!
//! let source = One(Arc::new(Rising(Labels::new([("__name__", "commits_total"), ("node", "n1")]))));
//! let query = Query::parse("sum by (node) (rate(commits_total[1m]))")?;
//! let Answer::Vector(samples) = query.instant(&source, 600_000, &Settings::default())? else { unreachable!() };
//! assert_eq!(samples[0].labels.to_string(), r#"{node="n1"}"#);
//! assert_eq!(samples[0].value, Sample::Float(10.0));
//! # Ok::<(), QueryError>(())
//! ```
//!
//! # What is supported
//!
//! Selectors with all matchers, ranges, `offset` (negative, too), `@` with `start()` and `end()`, subqueries; arithmetic,
//! comparison with `bool`, `and or unless`, `on`, `ignoring`, `group_left`, `group_right`; all aggregations of 2.42 (`sum avg
//! min max count group stddev stdvar quantile topk bottomk count_values`) and `limitk` of Prometheus 3 (of each group the first
//! series by their labels, where theirs are any), with `by` and `without`. Functions:
//!
//! | function | numbers | histograms |
//! |---|---|---|
//! | `rate increase` | yes | yes: resets, extrapolation |
//! | `delta` | yes | yes |
//! | `irate idelta deriv predict_linear holt_winters` (also by its new name `double_exponential_smoothing`) | yes | left out |
//! | `avg_over_time sum_over_time last_over_time` | yes | yes (Prometheus: from 2.44 on) |
//! | `first_over_time ts_of_first_over_time ts_of_last_over_time` (of Prometheus 3) | yes | yes |
//! | `mad_over_time ts_of_min_over_time ts_of_max_over_time` (of Prometheus 3) | yes | left out |
//! | `count_over_time present_over_time absent_over_time` | yes | yes |
//! | `min_over_time max_over_time stddev_over_time stdvar_over_time quantile_over_time` | yes | left out |
//! | `resets changes` | yes | yes (Prometheus: from 2.44 on) |
//! | `histogram_quantile histogram_fraction` | of classic histograms, by `le` (`histogram_fraction`: Prometheus 3 only) | yes |
//! | `histogram_count histogram_sum` | left out | yes |
//! | `histogram_avg` | left out | yes (Prometheus: from 2.51 on) |
//! | `abs ceil floor exp sqrt ln log2 log10 sgn round clamp clamp_min clamp_max` | yes | left out |
//! | `deg rad pi sin cos tan asin acos atan sinh cosh tanh asinh acosh atanh` | yes | left out |
//! | `label_replace label_join` | yes | yes |
//! | `absent vector time timestamp` | yes | yes |
//! | `scalar` | yes | NaN |
//! | `sort sort_desc` | yes | left out |
//! | `sort_by_label sort_by_label_desc` (of Prometheus 3) | yes | yes |
//! | `year month day_of_month day_of_week day_of_year days_in_month hour minute` | yes, UTC | left out |
//! | `histogram_stddev histogram_stdvar histogram_quantiles info start end step range min_of max_of integral start_timestamp` | not supported | not supported |
//! | the aggregation `limit_ratio`; the modifiers `fill*`, `smoothed`, `anchored`; arithmetic in durations; `or` between matchers | not supported | not supported |
//!
//! What is not supported is a [`QueryError`] that names it. Histograms can be added and subtracted, multiplied with and divided
//! by numbers, negated, summed, averaged, counted and grouped; anything else leaves them out of the result, as Prometheus 3 does.
//!
//! # Where it differs from Prometheus 2.42
//!
//! Of these the tests know that they differ (`tests/promql/different.rs`):
//!
//! - `predict_linear` of a range with `@` in a range query looks at that range at each step; theirs moves on with the steps.
//! - `ln` and `log10` of subnormal numbers are right.
//! - `stddev` and `stdvar` of a single NaN or infinity are NaN, not 0.
//! - Functions of the calendar give NaN for NaN, infinity and times beyond 100,000 years.
//! - `atan2` takes the metric's name away, as all other arithmetic does.
//! - Functions of numbers leave histograms out, where theirs take them for the number 0; `avg` averages them.
//! - Adding histograms of different layout makes only those buckets coarser that overlap others.
//! - Texts may be in parentheses; a duration without a unit is seconds.
//!
//! Settled by version: [`Settings::left_open`] has windows as Prometheus 3 has them. `histogram_quantile` of native histograms
//! goes by straight lines within buckets, as 2.x has it; HDR buckets are so narrow that it makes no difference.
//!
//! Sums are made with compensation for rounding errors, as Prometheus 3 does: the last digits are better, and do not depend on
//! the order of series. In an instant query without `sort`, `topk` or `bottomk`, the order of series is any, as theirs is.
//!
//! The parser is `promql-parser`, for the language of Prometheus 3.8. Its gaps: its errors do not say where in the query; regular
//! expressions are those of the `regex` crate (as RE2's, with `\d` and `\w` for all of Unicode); hexadecimal floats, octal and
//! hexadecimal escapes above `\x7f` are not as in Go; of numbers with a leading zero and no 8 or 9, octal is read, as in Go. Backslashes in backticks, which
//! it refuses, are given to it in quotes.
//!
//! # Limits
//!
//! See [`crate::limits`]: of texts, nesting, regular expressions, steps; and by [`Settings`] of time, samples and points. At each of
//! them a query ends with an error that says what to ask instead. There is no counter here: the error goes to who asked.

mod aggregate;
mod answer;
mod binary;
mod distribution;
#[cfg(any(feature = "http", feature = "rules"))]
pub(crate) mod duration;
mod error;
mod eval;
mod functions;
mod labels;
mod matcher;
mod parse;
mod plan;
mod scan;
mod select;
mod settings;
mod source;
pub mod statistics;
mod value;

pub use answer::{Answer, InstantSample, Query, SampleRange};
pub use distribution::{Bucket, Distribution};
pub use error::QueryError;
#[cfg(feature = "notify")]
pub(crate) use functions::number::number_text;
#[cfg(feature = "http")]
pub(crate) use functions::number::quantile;
pub use labels::{Label, Labels, METRIC_NAME};
pub use matcher::{MatchOp, Matcher};
#[cfg(feature = "rules")]
pub(crate) use parse::formatted;
pub use settings::Settings;
pub use source::{Content, Increase, Metadata, STALE, STALE_BITS, Series, Source, is_stale};
pub use value::Sample;
