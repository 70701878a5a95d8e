//! What a check of the host says, and how it is asked.

use super::issue::{Threshold, cut};
use super::state::HealthState;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a check of the host found.
///
/// ```
/// use tachometer::health::{CheckOutcome, HealthState};
/// let used = 0.97;
/// let outcome = match used {
///     0.95.. => CheckOutcome::critical("the disk is almost full").value(used).threshold(">=", 0.95),
///     _ => CheckOutcome::healthy().value(used),
/// };
/// assert_eq!(outcome.state(), HealthState::Critical);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct CheckOutcome {
    pub(super) state: HealthState,
    pub(super) what: String,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<Threshold>,
}

impl CheckOutcome {
    fn new(state: HealthState, what: &str) -> CheckOutcome {
        CheckOutcome { state, what: cut(what), value: None, threshold: None }
    }

    /// All is well.
    pub fn healthy() -> CheckOutcome {
        CheckOutcome::new(HealthState::Healthy, "")
    }

    /// Somebody should look at it; `what` says at what. Past
    /// [`MAX_HEALTH_TEXT_BYTES`](crate::limits::MAX_HEALTH_TEXT_BYTES) the text is cut, as in all of the following.
    pub fn warning(what: impl AsRef<str>) -> CheckOutcome {
        CheckOutcome::new(HealthState::Warning, what.as_ref())
    }

    /// It does not do all that it should; `what` says why.
    pub fn critical(what: impl AsRef<str>) -> CheckOutcome {
        CheckOutcome::new(HealthState::Critical, what.as_ref())
    }

    /// It does not work; `what` says why.
    pub fn failing(what: impl AsRef<str>) -> CheckOutcome {
        CheckOutcome::new(HealthState::Failing, what.as_ref())
    }

    /// With what was measured, in the check's own unit.
    pub fn value(mut self, value: f64) -> CheckOutcome {
        self.value = Some(value);
        self
    }

    /// With what the value was compared with, and how: `">"`, say.
    pub fn threshold(mut self, operator: &'static str, value: f64) -> CheckOutcome {
        self.threshold = Some(Threshold { operator, value });
        self
    }

    /// What it makes of the component.
    pub fn state(&self) -> HealthState {
        self.state
    }
}

/// A check, as the host gave it.
pub(super) type Call = Box<dyn FnMut() -> CheckOutcome + Send>;

/// Asks a check; whether it panicked. A panic is an outcome as any other: the panic hook has shown it.
pub(super) fn ask(call: &mut Call) -> (CheckOutcome, bool) {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(outcome) => (outcome, false),
        Err(panic) => {
            let what = format!("the check panicked: {}", message(&*panic));
            (CheckOutcome::failing(what), true)
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why")
}
