//! The health of a node (feature `health`): what rules and the host's checks say, rolled up into components, each of them
//! healthy, warning, critical or failing, with what is wrong and since when.
//!
//! [`Health`] is told of every evaluation of rules (feature `rules`: it is a `RuleObserver`, so `Arc::new(health.clone())` goes
//! wherever one is wanted; without it `health.evaluated(…)` tells it), asks the host's checks, and
//! looks at the engine. A [`HealthReport`] is made when somebody asks; `ListenerBuilder::health` (feature `http`) gives it
//! to orchestrators and people at `/health` and `/health/ready`.
//!
//! ```
//! use std::time::Duration;
//! use tachometer::health::{CheckOutcome, HealthState};
//! use tachometer::{Engine, Health, ManualClock, Registry};
//! let clock = ManualClock::at(Duration::from_secs(1_700_000_000));
//! let engine = Engine::builder().registry(&Registry::new()).manual(&clock).start()?;
//! let (interval, time_limit) = (Duration::from_secs(10), Duration::from_secs(1));
//! let mut free = vec![0.5, 0.04].into_iter(); // a real check would ask the system
//! let health = Health::builder()
//!     .component("ledger")
//!     .check("storage", "disk space", interval, time_limit, move || match free.next().unwrap_or_default() {
//!         free if free < 0.05 => CheckOutcome::critical("the disk is almost full").value(free).threshold("<", 0.05),
//!         free => CheckOutcome::healthy().value(free),
//!     })
//!     .start(&engine)?;
//! assert!(!health.report().ready, "nobody has said anything yet");
//!
//! engine.refresh();
//! health.run_checks(); // an engine with a thread has them run by themselves
//! assert_eq!(health.report().status, HealthState::Healthy);
//! clock.advance(Duration::from_secs(3));
//! engine.refresh();
//! health.run_checks();
//! let report = health.report();
//! let storage = report.component("storage").ok_or("there is one")?;
//! assert_eq!((storage.state, storage.since_ms), (HealthState::Critical, 1_700_000_003_000));
//! assert_eq!(storage.issues[0].what, "the disk is almost full");
//!
//! // Stale data are never healthy.
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(health.report().status, HealthState::Failing);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Components
//!
//! A component is a name: `consensus`, `network`, `storage` and `metrics` by convention, and any others of the host. It is
//! there when a rule's label `component` names it (from the first evaluation on, healthy if there is nothing wrong), while an
//! alert names it (one that resolved is remembered for 15 minutes), when a check is of it, or when the
//! [builder](HealthBuilder::component) says so. `metrics`, the engine itself, is always there. What has no component is of
//! `other`. The state of a component is the worst of its issues; the status of the whole is the worst of all components.
//!
//! # What counts
//!
//! | alert | counts as |
//! |---|---|
//! | firing, `severity: warning` or `warn`, or without a severity | warning |
//! | firing, `severity: critical` or `error` | critical |
//! | firing, `severity: page` or `failing` | failing |
//! | firing, any other severity | warning, and is counted ([`RulesReport::unknown_severities`]) |
//! | firing, `severity: info` or `none` (a dead man's switch, which always fires) | nothing: listed as informational |
//! | firing, and silenced | nothing: listed as silenced |
//! | pending | nothing: listed as pending |
//!
//! Severities are read in any case. A rule that cannot be evaluated is a warning of `metrics`: what it would have said is not
//! known. A check says itself what it counts as; one that panics, or does not answer within its time limit, is failing.
//!
//! # Stale data
//!
//! What is known must be fresh. These are looked at when somebody asks, by the engine's monotonic clock, so that a wall's clock
//! that steps changes nothing:
//!
//! - a generation is overdue by more than three intervals, or the engine died or was stopped: failing, whatever the rest says.
//!   An engine that is driven by hand has to be refreshed at its interval, too;
//! - rules were evaluated, and an evaluation is overdue by more than three intervals: the same;
//! - nothing is known yet (no generation, a check that has not answered, rules that are
//!   [expected](HealthBuilder::rules_every) and were not evaluated): failing, and `state` is `starting`.
//!
//! # Since when
//!
//! An issue holds since its alert's expression does, or since its check is in this state. A component is in its state since the
//! evaluation or answer that made it so; where it is time that makes it so, since somebody noticed (the listener, or the
//! engine's next generation).
//!
//! # Health as series
//!
//! If the engine records its own metrics, each generation has `tachometer_health_state{component="…"}`: 0 for healthy, 1 warning,
//! 2 critical, 3 failing, as of the evaluation before it. So a [`History`](crate::History) has the health of the past,
//! `max(tachometer_health_state)` is the whole, `max_over_time(tachometer_health_state[1h])` the worst of an hour. A generation
//! that never comes has no series; what was stale shows in the one after. Beside it,
//! `tachometer_health_check_duration_seconds`, `…_check_timeouts_total` and `…_check_panics_total` by component and check,
//! `tachometer_health_left_out` and `tachometer_health_unknown_severities`.
//!
//! # Cost
//!
//! An evaluation of rules costs a look at each alert, and an issue for each that is shown, on the thread that evaluates. A
//! question costs a lock and, if nothing changed since the last one, the numbers that change with time.
//!
//! # Limits
//!
//! See [`crate::limits`]: of components, of issues in each list (the others are counted, and count), of texts, of checks.
//!
//! # Fork
//!
//! A child has neither the engine nor the checks' threads: its health is failing, as its engine was stopped, and `metrics` is all
//! that it has.

#![forbid(unsafe_code)]

#[cfg(feature = "rules")]
mod alerts;
mod builder;
mod issue;
mod outcome;
mod own;
mod report;
mod rollup;
#[cfg(feature = "rules")]
mod severity;
mod shared;
mod standing;
mod state;
mod told;
mod vitals;
mod worker;

pub use builder::HealthBuilder;
pub use issue::{Issue, IssueRule, Threshold};
pub use outcome::CheckOutcome;
pub use report::{CheckReport, ComponentReport, HealthReport, RulesReport};
pub use state::HealthState;

use shared::Shared;
use std::fmt;
use std::sync::Arc;
use worker::Workers;

/// The component that the engine itself is of, and the rules that fail.
const METRICS: &str = "metrics";
/// The component of what has none.
const OTHER: &str = "other";

/// The health of a node. Clones are the same one; when the last is dropped its checks stop, a listener's and a rule manager's
/// included. See [the module](self).
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
    /// The checks' threads, which end with the last handle.
    _workers: Arc<Workers>,
}

impl Health {
    /// Settings for a new roll-up.
    pub fn builder() -> HealthBuilder {
        HealthBuilder::new()
    }

    /// The report as it is now. Waits for neither the engine nor a check.
    pub fn report(&self) -> HealthReport {
        let (summary, prepared) = self.shared.summary();
        HealthReport { components: prepared.components.clone(), ..summary }
    }

    /// The worst state of all components now.
    pub fn status(&self) -> HealthState {
        self.shared.summary().0.status
    }

    /// Asks all checks, one after the other, on the calling thread: where the engine is driven by hand, and they have no threads.
    /// With other engines it does nothing, and neither while another call of it runs.
    ///
    /// A check that never returns is not come back from; one that took longer than its time limit, on the engine's clock, is
    /// failing as ever.
    pub fn run_checks(&self) {
        self.shared.run_checks();
    }

    /// The report as it is now, as JSON in one line: what `/health` answers, for a host with an HTTP server of its own. As
    /// [`HealthReport::to_json`], but what did not change since the last question is not written again.
    pub fn to_json(&self) -> String {
        self.shared.answer(true).1
    }

    #[cfg(feature = "http")]
    pub(crate) fn answer(&self, whole: bool) -> (HealthReport, String) {
        self.shared.answer(whole)
    }

    #[cfg(feature = "http")]
    pub(crate) fn is_of(&self, engine: &crate::Engine) -> bool {
        self.shared.is_of(engine)
    }
}

/// Told of an evaluation, it takes what it needs and returns.
#[cfg(feature = "rules")]
impl crate::rules::RuleObserver for Health {
    fn evaluated(&self, now_ms: i64, _: &crate::rules::Evaluation, rules: &crate::rules::Rules) {
        self.shared.evaluated(now_ms, rules);
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("status", &self.status()).finish_non_exhaustive()
    }
}
