//! What is unlike the time before: z-scores against a trailing window.

use super::Severity;
use super::draft::{AlertDraft, Draft};
use super::error::{Wrong, wrong};
use super::parts::{self, Subject};
use std::time::Duration;

/// What an anomaly is: so many standard deviations from the mean of a trailing window.
///
/// The window ends [`offset`](Anomaly::offset) ago, so that what is judged has no part in what it is judged by. A series
/// is only judged once it had a sample when the window began. Where it did not change at all in the window, there is no
/// deviation to measure by, and no alert, unless there is a [`floor`](Anomaly::floor).
///
/// An anomaly that lasts becomes a part of the window and ends as one; near that point noise decides from moment to moment,
/// so give the recipe some [`keep_firing`](super::Recipe::keep_firing). The way back to normal is then itself unusual,
/// to the other side.
///
/// ```
/// use std::time::Duration;
/// use tachometer::rules::recipes::{Anomaly, Recipe};
/// let queue = Anomaly::of("queue_length", Duration::from_secs(600)).above(4.0).floor(2.0);
/// let rules = Recipe::anomaly("QueueUnusual", queue).rules()?;
/// assert_eq!(
///     rules[0].query().text(),
///     "(queue_length - avg_over_time(queue_length[10m] offset 1m)) \
///      / clamp_min(stddev_over_time(queue_length[10m] offset 1m), 2) > 4 and queue_length offset 11m"
/// );
/// # Ok::<(), tachometer::rules::recipes::RecipeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    expression: String,
    window: Duration,
    offset: Duration,
    z: f64,
    direction: Direction,
    floor: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Direction {
    Either,
    Above,
    Below,
}

impl Anomaly {
    /// A value of `expression` that is more than 4 standard deviations from the mean of the `window` that ended a minute
    /// ago. The expression is a selector of a gauge, or anything that results in a vector: a counter's
    /// `rate(requests_total[1m])`, which is then evaluated at up to 60 moments of the window each time.
    pub fn of(expression: impl Into<String>, window: Duration) -> Anomaly {
        Anomaly {
            expression: expression.into(),
            window,
            offset: Duration::from_secs(60),
            z: 4.0,
            direction: Direction::Either,
            floor: None,
        }
    }

    /// More than this many standard deviations to either side.
    pub fn beyond(mut self, z: f64) -> Self {
        (self.z, self.direction) = (z, Direction::Either);
        self
    }

    /// More than this many standard deviations above the mean.
    pub fn above(mut self, z: f64) -> Self {
        (self.z, self.direction) = (z, Direction::Above);
        self
    }

    /// More than this many standard deviations below the mean.
    pub fn below(mut self, z: f64) -> Self {
        (self.z, self.direction) = (z, Direction::Below);
        self
    }

    /// How long ago the window ends; a minute by default. An anomaly that lasts longer becomes a part of it.
    pub fn offset(mut self, offset: Duration) -> Self {
        self.offset = offset;
        self
    }

    /// The least standard deviation that is reckoned with: what is nearer to the mean than so many of it is none, however
    /// quiet the window was.
    pub fn floor(mut self, floor: f64) -> Self {
        self.floor = Some(floor);
        self
    }

    pub(super) fn draft(&self) -> Result<Draft, Wrong> {
        let subject = Subject::new("expression", &self.expression)?;
        let window = parts::window("window", self.window)?;
        if !(self.z > 0.0 && self.z.is_finite()) {
            return wrong(
                "z",
                format!("{}: more than 0 standard deviations were expected", self.z),
            );
        }
        let in_window = |reason| ("window".to_owned(), reason);
        let began = self.window.checked_add(self.offset).unwrap_or(Duration::MAX);
        let range = subject.range(self.window, self.offset).map_err(in_window)?;
        let before = subject.at(began).map_err(in_window)?;
        let now = subject.now();
        let (mean, deviation) =
            (format!("avg_over_time({range})"), format!("stddev_over_time({range})"));
        let distance = match self.direction {
            Direction::Either => format!("abs({now} - {mean})"),
            Direction::Above => format!("({now} - {mean})"),
            Direction::Below => format!("({mean} - {now})"),
        };
        let deviation = match self.floor {
            None => format!("({deviation} > 0)"),
            Some(floor) if floor > 0.0 && floor.is_finite() => {
                format!("clamp_min({deviation}, {floor})")
            }
            Some(floor) => {
                return wrong("floor", format!("{floor}: a deviation of more than 0 was expected"));
            }
        };
        let side = match self.direction {
            Direction::Either => "from",
            Direction::Above => "above",
            Direction::Below => "below",
        };
        Ok(Draft::alert(AlertDraft {
            expr: format!("{distance} / {deviation} > {} and {before}", self.z),
            severity: Severity::Warning,
            labels: Vec::new(),
            summary: format!("{} is unusual", subject.quoted()),
            description: format!(
                "It is {{{{ $value | printf \"%.1f\" }}}} standard deviations {side} the mean of {window} before."
            ),
        }))
    }
}
