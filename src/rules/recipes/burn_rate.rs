//! How fast an error budget is used up, over several pairs of windows: the "multiwindow, multi-burn-rate alerts" of the
//! Site Reliability Workbook (chapter 5).

use super::Severity;
use super::draft::{AlertDraft, Draft};
use super::error::{Wrong, wrong};
use super::parts::{self, Subject};
use crate::limits::DEFAULT_HISTORY_TIERS;
use crate::rules::file::is_label_name;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// A service level objective, and how fast its error budget may burn.
///
/// The budget is what the objective leaves: of 99.9 % it is 0.1 % of all events. A burn rate of 1 uses it up exactly in
/// the objective's own period (30 days, in the workbook), one of 14.4 uses 2 % of it in an hour. There is an alert for
/// each pair of windows: it fires when the part of errors is above the burn rate times the budget in both: the long
/// window says that it matters, the short one that it still goes on, so that the alert ends soon after the errors do.
///
/// Windows that are longer than what is [kept](BurnRate::kept) would say less than they claim, so pairs with such are
/// left out: of the workbook's four pairs, the default history of a day has room for three.
///
/// ```
/// use tachometer::rules::recipes::{BurnRate, Recipe};
/// let errors = BurnRate::of(r#"requests_total{result="error"}"#, "requests_total", 0.999);
/// let rules = Recipe::burn_rate("RequestErrors", errors).rules()?;
/// let text = |at: usize| (rules[at].name(), rules[at].query().text());
/// assert_eq!(
///     text(0),
///     (
///         "request_errors:error_ratio:rate1h",
///         r#"sum(rate(requests_total{result="error"}[1h])) / sum(rate(requests_total[1h]))"#
///     )
/// );
/// let last = text(6);
/// assert_eq!(rules.len(), 9, "six ratios, three alerts");
/// assert_eq!(
///     last,
///     (
///         "RequestErrors",
///         "request_errors:error_ratio:rate1h > 0.0144 and request_errors:error_ratio:rate5m > 0.0144"
///     )
/// );
/// # Ok::<(), tachometer::rules::recipes::RecipeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct BurnRate {
    errors: String,
    total: String,
    objective: f64,
    by: Vec<String>,
    pairs: Vec<BurnWindows>,
    is_own: bool,
    kept: Duration,
}

/// Two windows, and how fast the budget may burn in both of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BurnWindows {
    /// How many times as fast as the objective allows.
    pub factor: f64,
    /// The window that says that it matters.
    pub long: Duration,
    /// The window that says that it still goes on.
    pub short: Duration,
    /// The severity of the alert.
    pub severity: Severity,
}

/// The pairs of the Site Reliability Workbook: 2 % of a month's budget in an hour, 5 % in 6 hours, 10 % in a day and 10 %
/// in 3 days. The first two are for waking somebody, the others for working hours.
pub const BURN_WINDOWS: [BurnWindows; 4] = [
    BurnWindows {
        factor: 14.4,
        long: HOUR,
        short: Duration::from_secs(5 * 60),
        severity: Severity::Critical,
    },
    BurnWindows {
        factor: 6.0,
        long: Duration::from_secs(6 * 3_600),
        short: Duration::from_secs(30 * 60),
        severity: Severity::Critical,
    },
    BurnWindows {
        factor: 3.0,
        long: Duration::from_secs(24 * 3_600),
        short: Duration::from_secs(2 * 3_600),
        severity: Severity::Warning,
    },
    BurnWindows {
        factor: 1.0,
        long: Duration::from_secs(72 * 3_600),
        short: Duration::from_secs(6 * 3_600),
        severity: Severity::Warning,
    },
];

impl BurnRate {
    /// The objective that at least this part of all events (0.999 for 99.9 %) are no errors. `errors` and `total` select
    /// counters: of the events that are errors, and of all, these among them.
    pub fn of(errors: impl Into<String>, total: impl Into<String>, objective: f64) -> BurnRate {
        BurnRate {
            errors: errors.into(),
            total: total.into(),
            objective,
            by: Vec::new(),
            pairs: BURN_WINDOWS.to_vec(),
            is_own: false,
            kept: DEFAULT_HISTORY_TIERS[DEFAULT_HISTORY_TIERS.len() - 1].1,
        }
    }

    /// An objective for each value of these labels; without any, one for all events together.
    pub fn by<S: Into<String>>(mut self, labels: impl IntoIterator<Item = S>) -> Self {
        self.by = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Other pairs of windows than [`BURN_WINDOWS`].
    pub fn windows(mut self, pairs: impl IntoIterator<Item = BurnWindows>) -> Self {
        (self.pairs, self.is_own) = (pairs.into_iter().collect(), true);
        self
    }

    /// How far back the samples reach where the rules are evaluated; a day by default, as the history does by default. The
    /// workbook's pairs with longer windows are left out; an own pair with one is an error.
    pub fn kept(mut self, kept: Duration) -> Self {
        self.kept = kept;
        self
    }

    pub(super) fn draft(&self, name: &str) -> Result<Draft, Wrong> {
        let errors = Subject::selector("errors", &self.errors)?;
        let total = Subject::selector("total", &self.total)?;
        if !(0.0..1.0).contains(&self.objective) || self.objective == 0.0 {
            let reason = format!(
                "{}: a part of all events was expected, more than 0 and less than 1, as 0.999 for 99.9 %",
                self.objective
            );
            return wrong("objective", reason);
        }
        for label in &self.by {
            if !is_label_name(label) {
                return wrong("by", format!("{label:?} is no label's name"));
            }
        }
        let budget = 1.0 - self.objective;
        let sum = match self.by.is_empty() {
            true => "sum".to_owned(),
            false => format!("sum by ({}) ", self.by.join(", ")),
        };
        let prefix = snake(name);
        let mut draft = Draft::default();
        let mut record = |window: Duration| -> Result<String, Wrong> {
            let text = parts::window("windows", window)?;
            let name = format!("{prefix}:error_ratio:rate{text}");
            if !draft.records.iter().any(|(known, _)| *known == name) {
                let part = |subject: &Subject<'_>| -> Result<String, Wrong> {
                    let range = subject.range(window, Duration::ZERO);
                    let range = range.map_err(|reason| ("windows".to_owned(), reason))?;
                    Ok(format!("{sum}(rate({range}))"))
                };
                draft
                    .records
                    .push((name.clone(), format!("{} / {}", part(&errors)?, part(&total)?)));
            }
            Ok(name)
        };
        let mut alerts = Vec::new();
        for pair in self.pairs()? {
            let (long, short) = (record(pair.long)?, record(pair.short)?);
            let most = parts::number("windows", rounded(pair.factor * budget))?;
            let window = parts::window("windows", pair.long)?;
            alerts.push(AlertDraft {
                expr: format!("{long} > {most} and {short} > {most}"),
                severity: pair.severity,
                labels: vec![("burn_rate", pair.factor.to_string()), ("window", window.clone())],
                summary: "The error budget burns too fast".to_owned(),
                description: format!(
                    "{{{{ $value | humanizePercentage }}}} of the last {window} were errors; the objective of {} % allows {}.",
                    rounded(self.objective * 100.0),
                    percent(budget)
                ),
            });
        }
        draft.alerts = alerts;
        Ok(draft)
    }

    /// The pairs that there is room for.
    fn pairs(&self) -> Result<Vec<BurnWindows>, Wrong> {
        let mut fitting = Vec::new();
        for pair in &self.pairs {
            if !(pair.factor > 0.0 && pair.factor.is_finite()) {
                return wrong(
                    "windows",
                    format!("a burn rate of {}: more than 0 was expected", pair.factor),
                );
            }
            if pair.factor * (1.0 - self.objective) >= 1.0 {
                if !self.is_own {
                    continue;
                }
                let reason = format!(
                    "a burn rate of {} is never met: {} is all that the objective leaves",
                    pair.factor,
                    percent(1.0 - self.objective)
                );
                return wrong("windows", reason);
            }
            if pair.short >= pair.long {
                let reason =
                    format!("the short one, {:?}, is not shorter than {:?}", pair.short, pair.long);
                return wrong("windows", reason);
            }
            match pair.long <= self.kept {
                true => fitting.push(*pair),
                false if !self.is_own => {}
                false => {
                    let reason = format!(
                        "{:?} reaches further back than what is kept, {:?}: take a shorter one, or say how much is kept",
                        pair.long, self.kept
                    );
                    return wrong("windows", reason);
                }
            }
        }
        match fitting.is_empty() {
            true => wrong(
                "windows",
                format!(
                    "there is none for the objective {} within the {:?} that are kept",
                    self.objective, self.kept
                ),
            ),
            false => Ok(fitting),
        }
    }
}

/// To twelve digits: what is left of `14.4 * (1 - 0.999)` without the errors of binary fractions.
fn rounded(value: f64) -> f64 {
    format!("{value:.11e}").parse().unwrap_or(value)
}

fn percent(ratio: f64) -> String {
    format!("{} %", rounded(ratio * 100.0))
}

/// `RequestErrors` as `request_errors`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = '_';
    for c in name.chars() {
        if c.is_ascii_uppercase() && (before.is_ascii_lowercase() || before.is_ascii_digit()) {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
        before = c;
    }
    out
}
