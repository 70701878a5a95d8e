//! From an alert's label `severity` to what it makes of its component.

use super::state::HealthState;

/// What an alert counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Counts(HealthState),
    /// A state that is no issue: a dead man's switch fires always, and the node is well.
    Informational,
    /// Counts as a warning: what somebody wanted to be told of is not healthy.
    Unknown,
}

impl Severity {
    /// Of the label's value; `None` if there is no such label.
    pub(super) fn of(label: Option<&str>) -> Severity {
        let Some(label) = label else { return Severity::Counts(HealthState::Warning) };
        let is = |names: &[&str]| names.iter().any(|name| label.eq_ignore_ascii_case(name));
        match () {
            () if is(&["warning", "warn"]) => Severity::Counts(HealthState::Warning),
            () if is(&["critical", "error"]) => Severity::Counts(HealthState::Critical),
            () if is(&["page", "failing"]) => Severity::Counts(HealthState::Failing),
            () if is(&["info", "none"]) => Severity::Informational,
            () => Severity::Unknown,
        }
    }

    /// What it makes of a component, or would if it counted.
    pub(super) fn state(self) -> HealthState {
        match self {
            Severity::Counts(state) => state,
            Severity::Informational => HealthState::Healthy,
            Severity::Unknown => HealthState::Warning,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_known_in_any_case() {
        let of = |label| Severity::of(Some(label));
        assert_eq!(Severity::of(None), Severity::Counts(HealthState::Warning));
        assert_eq!(of("Warning"), Severity::Counts(HealthState::Warning));
        assert_eq!(of("critical"), Severity::Counts(HealthState::Critical));
        assert_eq!(of("page"), of("FAILING"));
        assert_eq!(of("page").state(), HealthState::Failing);
        assert_eq!((of("none"), of("info")), (Severity::Informational, Severity::Informational));
        assert_eq!((of("sev1"), of("sev1").state()), (Severity::Unknown, HealthState::Warning));
        assert_eq!(of(" critical"), Severity::Unknown);
    }
}
