//! Settings of a roll-up, and its start.

use super::outcome::{Call, CheckOutcome};
use super::own::OwnMetrics;
use super::rollup::RollUp;
use super::standing::{Check, CheckSpec};
use super::state::HealthState;
use super::worker::Workers;
use super::{Health, METRICS, OTHER, Shared};
use crate::limits::{
    MAX_HEALTH_CHECKS, MAX_HEALTH_COMPONENTS, MAX_HEALTH_NAME_BYTES, MIN_HEALTH_INTERVAL,
};
use crate::{Engine, Error};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`Health`].
#[must_use = "nothing is rolled up until `start`"]
pub struct HealthBuilder {
    components: BTreeSet<String>,
    checks: Vec<(CheckSpec, Call)>,
    rules_every: Option<Duration>,
    pub(super) unhealthy_from: HealthState,
    pub(super) unready_from: HealthState,
}

impl HealthBuilder {
    pub(super) fn new() -> HealthBuilder {
        HealthBuilder {
            components: BTreeSet::from([METRICS.to_owned()]),
            checks: Vec::new(),
            rules_every: None,
            unhealthy_from: HealthState::Critical,
            unready_from: HealthState::Failing,
        }
    }

    /// Has a component of this name in every report, whether or not rules or checks name it.
    pub fn component(mut self, name: impl Into<String>) -> HealthBuilder {
        self.components.insert(name.into());
        self
    }

    /// Asks `check` how a part of `component` does: at once, and then `interval` after each answer.
    ///
    /// It has a thread of its own, so it may block; recording and other checks never wait for it. When it does not
    /// answer within `time_limit` the component is failing, until an answer comes in time: one that is late does not
    /// count. A panic is failing too. (With an engine that is driven by hand it has no thread: see
    /// [`Health::run_checks`].)
    pub fn check(
        mut self,
        component: impl Into<String>,
        name: impl Into<String>,
        interval: Duration,
        time_limit: Duration,
        check: impl FnMut() -> CheckOutcome + Send + 'static,
    ) -> HealthBuilder {
        let (component, name) = (component.into(), name.into());
        self.components.insert(component.clone());
        let spec = CheckSpec { component, name, interval, time_limit };
        self.checks.push((spec, Box::new(check)));
        self
    }

    /// Expects rules to be evaluated every `interval`: until they were, the node is not ready, and when they are not for
    /// more than three intervals longer, it is failing.
    ///
    /// Without it that holds from the first evaluation on, and the interval is the engine's.
    pub fn rules_every(mut self, interval: Duration) -> HealthBuilder {
        self.rules_every = Some(interval);
        self
    }

    /// From which state on `/health` says 503; [`Critical`](HealthState::Critical) by default. With
    /// [`Healthy`](HealthState::Healthy) it always does.
    pub fn unhealthy_from(mut self, state: HealthState) -> HealthBuilder {
        self.unhealthy_from = state;
        self
    }

    /// From which state on the node is not ready; [`Failing`](HealthState::Failing) by default.
    pub fn unready_from(mut self, state: HealthState) -> HealthBuilder {
        self.unready_from = state;
        self
    }

    /// Starts to roll up for `engine`, which it does not keep running.
    ///
    /// If `engine` records its own metrics, so does this, into the same registry: `tachometer_health_…`.
    ///
    /// # Errors
    /// A setting makes no sense; two checks of a component have the same name; there are too many checks or components;
    /// the engine is not running; the system gives no thread; or a name of its own metrics is registered with another
    /// definition.
    pub fn start(self, engine: &Engine) -> Result<Health, Error> {
        self.validate()?;
        if !engine.is_running() {
            let why = "there would be no data to be healthy by; start an engine first";
            return Err(Error::NotRunning(why));
        }
        let own =
            OwnMetrics::register(engine.registry(), self.checks.iter().map(|(spec, _)| spec))?;
        let (specs, calls): (Vec<_>, Vec<_>) = self.checks.into_iter().unzip();
        let checks = specs.into_iter().map(Check::new).collect();
        let rolled = RollUp::new(self.components, checks, self.rules_every);
        let ends = (self.unhealthy_from, self.unready_from);
        let shared = Arc::new(Shared::new(engine.core(), rolled, own, ends));
        let workers = match shared.is_by_hand() {
            true => {
                shared.keep_calls(calls);
                Workers::start(&shared, Vec::new())?
            }
            false => Workers::start(&shared, calls)?,
        };
        if shared.own.is_on() {
            let weak = Arc::downgrade(&shared);
            engine.registry().before_snapshots(move || {
                if let Some(shared) = weak.upgrade() {
                    shared.show();
                }
            });
        }
        Ok(Health { shared, _workers: Arc::new(workers) })
    }

    fn validate(&self) -> Result<(), Error> {
        let invalid = |setting, reason: String| Err(Error::InvalidSetting { setting, reason });
        let checks = || self.checks.iter().map(|(spec, _)| spec);
        let names = self.components.iter().map(|name| ("component", name));
        for (setting, name) in names.chain(checks().map(|spec| ("check", &spec.name))) {
            if name.is_empty() || name.len() > MAX_HEALTH_NAME_BYTES {
                let bytes = name.len();
                let reason =
                    format!("a name has 1 to {MAX_HEALTH_NAME_BYTES} bytes, this one {bytes}");
                return invalid(setting, reason);
            }
        }
        let mut known = BTreeSet::new();
        for spec in checks() {
            let (component, name) = (&spec.component, &spec.name);
            if !known.insert((component, name)) {
                let reason = format!("there are two of the name {name:?} for {component:?}");
                return invalid("check", reason);
            }
            for (what, span) in [("interval", spec.interval), ("time limit", spec.time_limit)] {
                if span < MIN_HEALTH_INTERVAL {
                    let reason = format!(
                        "the {what} of {name:?} is {span:?}, which is below {MIN_HEALTH_INTERVAL:?}"
                    );
                    return invalid("check", reason);
                }
            }
        }
        if let Some(every) = self.rules_every.filter(|every| *every < MIN_HEALTH_INTERVAL) {
            return invalid("rules_every", format!("{every:?} is below {MIN_HEALTH_INTERVAL:?}"));
        }
        let too_many = |what: &str, limit, advice| {
            Err(Error::TooMany { what: what.to_owned(), limit, advice })
        };
        if self.checks.len() > MAX_HEALTH_CHECKS {
            return too_many(
                "health checks",
                MAX_HEALTH_CHECKS,
                "have one check look at several things",
            );
        }
        // One place stays for `other`.
        let own = self.components.iter().filter(|name| *name != OTHER).count();
        if own >= MAX_HEALTH_COMPONENTS {
            return too_many("components", MAX_HEALTH_COMPONENTS, "roll some of them up into one");
        }
        Ok(())
    }
}

impl fmt::Debug for HealthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let checks: Vec<_> = self.checks.iter().map(|(spec, _)| spec).collect();
        f.debug_struct("HealthBuilder")
            .field("components", &self.components)
            .field("checks", &checks)
            .field("rules_every", &self.rules_every)
            .finish_non_exhaustive()
    }
}
