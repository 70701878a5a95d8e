//! Recipes of one comparison each.

use super::draft::{AlertDraft, Draft};
use super::error::Wrong;
use super::parts::{self, Subject};
use super::{Bound, Severity};
use std::time::Duration;

pub(super) fn threshold(expression: &str, bound: Bound) -> Result<Draft, Wrong> {
    let subject = Subject::new("expression", expression)?;
    let bound_text = bound.text()?;
    Ok(Draft::alert(AlertDraft {
        expr: format!("{} {bound_text}", subject.now()),
        severity: Severity::Warning,
        labels: Vec::new(),
        summary: format!("{} is {}", subject.quoted(), bound.words()),
        description: format!("{{{{ $value | humanize }}}} is {} {}.", bound.words(), bound.value()),
    }))
}

pub(super) fn condition(expression: &str) -> Result<Draft, Wrong> {
    let subject = Subject::new("expression", expression)?;
    Ok(Draft::alert(AlertDraft {
        expr: expression.trim().to_owned(),
        severity: Severity::Warning,
        labels: Vec::new(),
        summary: format!("{} holds", subject.quoted()),
        description: "Its value is {{ $value | humanize }}.".to_owned(),
    }))
}

pub(super) fn rate_of_change(
    series: &str,
    window: Duration,
    bound: Bound,
    is_counter: bool,
) -> Result<Draft, Wrong> {
    let subject = match is_counter {
        // A rate of rates would take each fall for a restart.
        true => Subject::selector("series", series)?,
        false => Subject::new("series", series)?,
    };
    let window_text = parts::window("window", window)?;
    let range = subject.range(window, Duration::ZERO).map_err(in_window)?;
    let bound_text = bound.text()?;
    let expr = match is_counter {
        true => format!("rate({range}) {bound_text}"),
        false => format!("deriv({range}) {bound_text}"),
    };
    let falls = matches!(bound, Bound::Below(_) | Bound::AtMost(_));
    let expr = match is_counter && !falls {
        true => expr,
        // The slope of the first few samples says nothing, and a rate over a window that is not full is too low.
        false => format!("{expr} and {}", subject.at(window).map_err(in_window)?),
    };
    Ok(Draft::alert(AlertDraft {
        expr,
        severity: Severity::Warning,
        labels: Vec::new(),
        summary: format!("{} changes too fast or too slowly", subject.quoted()),
        description: format!(
            "It changed by {{{{ $value | humanize }}}} a second over {window_text}, which is {} {}.",
            bound.words(),
            bound.value()
        ),
    }))
}

pub(super) fn absence(series: &str, window: Duration) -> Result<Draft, Wrong> {
    let subject = Subject::selector("series", series)?;
    let window_text = parts::window("window", window)?;
    let range = subject.range(window, Duration::ZERO).map_err(in_window)?;
    Ok(Draft::alert(AlertDraft {
        expr: format!("absent_over_time({range})"),
        severity: Severity::Critical,
        labels: Vec::new(),
        summary: format!("{} is absent", subject.quoted()),
        description: format!("There was no sample of it for {window_text}."),
    }))
}

pub(super) fn vanished(series: &str, window: Duration) -> Result<Draft, Wrong> {
    let subject = Subject::selector("series", series)?;
    let window_text = parts::window("window", window)?;
    let range = subject.range(window, Duration::ZERO).map_err(in_window)?;
    Ok(Draft::alert(AlertDraft {
        expr: format!("present_over_time({range}) unless {}", subject.now()),
        severity: Severity::Warning,
        labels: Vec::new(),
        summary: format!("A series of {} is gone", subject.quoted()),
        description: format!("It had samples within the last {window_text}, and has none now."),
    }))
}

pub(super) fn dead_mans_switch() -> Draft {
    Draft::alert(AlertDraft {
        expr: "vector(1)".to_owned(),
        severity: Severity::None,
        labels: Vec::new(),
        summary: "Alerts are evaluated and sent".to_owned(),
        description: "This alert always fires. Where it stops to arrive, no other would."
            .to_owned(),
    })
}

pub(super) fn stale_data(series: &str, age: Duration) -> Result<Draft, Wrong> {
    let subject = Subject::selector("series", series)?;
    let age_text = parts::window("age", age)?;
    let range = subject.range(age, Duration::ZERO).map_err(in_window)?;
    Ok(Draft::alert(AlertDraft {
        expr: format!("absent_over_time({range})"),
        severity: Severity::Critical,
        labels: Vec::new(),
        summary: "The metrics are stale".to_owned(),
        description: format!(
            "{} has had no new sample for {age_text}; what other alerts say is about then.",
            subject.quoted()
        ),
    }))
}

fn in_window(reason: String) -> Wrong {
    ("window".to_owned(), reason)
}

impl Bound {
    /// As the right side of a comparison.
    fn text(self) -> Result<String, Wrong> {
        Ok(format!("{} {}", self.operator(), parts::number("bound", self.value())?))
    }

    fn words(self) -> &'static str {
        match self {
            Bound::Above(_) => "above",
            Bound::AtLeast(_) => "at or above",
            Bound::Below(_) => "below",
            Bound::AtMost(_) => "at or below",
        }
    }
}
