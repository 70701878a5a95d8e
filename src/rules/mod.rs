//! Prometheus rule files inside the process (feature `rules`): recording rules and alerts, over any [`Source`], with
//! the time as an argument. So alerts work when the node is cut off from its monitoring.
//!
//! A [`RuleFile`] is Prometheus's own YAML and runs there unchanged; what `promtool check rules` refuses is refused,
//! with file, line, group and rule. [`Rules`] evaluates the groups that are due: recording rules first give series to
//! the rules that follow, alerts go from pending to firing to resolved as Prometheus has them, each failing rule is
//! counted and stops no other. Nothing is sent anywhere: [`Rules::evaluate`] gives what changed to who called it.
//! With feature `history` a `RuleManager` does so with each generation of an engine, and keeps the state in a file.
//!
//! ```
//! # use std::sync::Arc;
//! # use tachometer::query::*;
//! use tachometer::rules::{AlertState, RuleFile, RuleSettings, Rules};
//! # struct Up(Labels);
//! # impl Series for Up {
//! #     fn labels(&self) -> &Labels { &self.0 }
//! #     fn floats(&self, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
//! #         let samples = [(0, 1.0), (5_000, 0.0), (60_000, 0.0)].into_iter();
//! #         out.extend(samples.filter(|(time, _)| (from_ms..=to_ms).contains(time)));
//! #     }
//! #     fn histograms(&self, _: i64, _: i64, _: &mut Vec<(i64, Arc<Distribution>)>) {}
//! # }
//! # struct History;
//! # impl Source for History {
//! #     fn select(&self, matchers: &[Matcher], _: i64, _: i64) -> Result<Vec<Arc<dyn Series>>, QueryError> {
//! #         let series = Up(Labels::new([("__name__", "raft_has_leader"), ("group", "orders")]));
//! #         let taken = matchers.iter().all(|matcher| matcher.matches(series.labels()));
//! #         Ok(taken.then(|| Arc::new(series) as Arc<dyn Series>).into_iter().collect())
//! #     }
//! # }
//! # let history = History;
//!
//! let file = RuleFile::parse("raft.yml", "
//! groups:
//! - name: raft
//!   rules:
//!   - alert: NoLeader
//!     expr: raft_has_leader == 0
//!     for: 10s
//!     annotations: {summary: '{{ $labels.group }} has had no leader for 10 s'}
//! ")?;
//! let mut rules = Rules::new([file], RuleSettings::default());
//! let mut said = Vec::new();
//! // The leader goes at second 5.
//! for second in 0..=20 {
//!     let evaluation = rules.evaluate(second * 1_000, &history);
//!     said.extend(evaluation.transitions.into_iter().map(|change| (second, change.to, change.alert)));
//! }
//! assert!(matches!(said[0], (5, AlertState::Pending, _)));
//! assert!(matches!(said[1], (15, AlertState::Firing, _)));
//! assert_eq!(said[1].2.annotations.get("summary"), Some("orders has had no leader for 10 s"));
//! # Ok::<(), tachometer::rules::RuleErrors>(())
//! ```
//!
//! [`recipes`] makes rules for what is asked for most, and of thresholds that an operator sets; [`RuleFile::to_yaml`] writes them
//! for a Prometheus.
//!
//! # Where it differs from Prometheus 2.42
//!
//! - A group is evaluated at the caller's times, once in each of its intervals counted from 1970, without an offset of
//!   its own.
//! - A second YAML document in a file is refused; there it is ignored.
//! - Templates have no `define`, `template`, `block`, `tmpl`, `toTime`, `js` and `call`: files with them are refused.
//!   Their error texts are Prometheus's, but for those of Go's parsers of numbers and regular expressions.
//! - A pending alert's time while the process was down does not count, whatever is left of its `for`.
//! - Expressions are those of [`query`](crate::query).
//!
//! # Limits
//!
//! See [`crate::limits`]: of files, templates, alerts, recorded series, silences; and those of each query, in
//! [`RuleSettings`].
//!
//! [`Source`]: crate::query::Source

mod alert;
mod engine;
mod error;
mod evaluate;
mod file;
#[cfg(feature = "history")]
mod manager;
mod observer;
pub mod recipes;
mod recorded;
mod replace;
mod settings;
mod silence;
mod state;
mod template;
#[cfg(all(feature = "history", feature = "http"))]
pub(crate) mod view;
mod write;
mod yaml;

/// Alerts for a Raft node that records [`catalogue::raft`](crate::catalogue::raft), as a rule file: no leader, leader
/// flapping, follower lag, commit latency, stalled commits, RPC errors, stale data.
///
/// ```
/// use tachometer::rules::{RAFT_RULES, RuleFile};
/// assert_eq!(RuleFile::parse("raft.yml", RAFT_RULES)?.groups()[0].rules().len(), 12);
/// # Ok::<(), tachometer::rules::RuleErrors>(())
/// ```
pub const RAFT_RULES: &str = include_str!("raft.yml");

#[cfg(feature = "notify")]
pub(crate) use template::civil;

pub use alert::{Alert, AlertState, Transition};
pub use engine::{Evaluation, RuleStatus, Rules};
pub use error::{RuleError, RuleErrors};
pub use file::{Group, Rule, RuleFile};
#[cfg(all(feature = "history", feature = "http"))]
pub(crate) use manager::{Follower, Round, Shared};
#[cfg(feature = "history")]
pub use manager::{RuleManager, RuleManagerBuilder, SavedState};
pub use observer::RuleObserver;
pub use recorded::Overlay;
pub use settings::RuleSettings;
pub use silence::Silence;
pub use state::{Restored, RulesState};
#[cfg(all(feature = "history", feature = "http"))]
pub(crate) use template::rfc3339;
