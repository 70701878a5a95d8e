//! Silences: alerts that nobody needs to be told of for a while.

use super::alert::Alert;
use crate::limits::MAX_SILENCES;
use crate::query::{Labels, MatchOp, Matcher, QueryError};

/// Alerts whose labels all matchers take are silent from one time to another. They stay what they are: only
/// [`Transition::is_silenced`](super::Transition::is_silenced) and [`Rules::is_silenced`](super::Rules::is_silenced) say so.
#[derive(Clone, Debug)]
pub struct Silence {
    /// What the alerts' labels must be.
    pub matchers: Vec<Matcher>,
    /// From when, in milliseconds since 1970.
    pub starts_ms: i64,
    /// Until when, this moment not included.
    pub ends_ms: i64,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

impl Silence {
    /// Whether it covers an alert with these labels now.
    pub fn covers(&self, labels: &Labels, now_ms: i64) -> bool {
        (self.starts_ms..self.ends_ms).contains(&now_ms)
            && self.matchers.iter().all(|matcher| matcher.matches(labels))
    }
}

/// Silences by their number.
#[derive(Debug, Default)]
pub(crate) struct Silences {
    pub(crate) all: Vec<(u64, Silence)>,
    pub(crate) next: u64,
}

impl Silences {
    pub(crate) fn add(&mut self, silence: Silence, now_ms: i64) -> Result<u64, QueryError> {
        self.all.retain(|(_, silence)| silence.ends_ms > now_ms);
        if silence.ends_ms <= silence.starts_ms {
            return Err(QueryError::invalid("a silence must end after it starts"));
        }
        // As Alertmanager has it: one that takes whatever there is was not meant so.
        if silence.matchers.iter().all(|matcher| matcher.matches_value("")) {
            return Err(QueryError::invalid(
                "a silence needs a matcher that does not take the empty text, or it would cover every alert",
            ));
        }
        if self.all.len() >= MAX_SILENCES {
            return Err(QueryError::TooMany {
                what: "silences",
                limit: MAX_SILENCES as u64,
                advice: "remove some, or use regular expressions to make some of them one",
            });
        }
        self.next += 1;
        self.all.push((self.next, silence));
        Ok(self.next)
    }

    pub(crate) fn cover(&self, alert: &Alert, now_ms: i64) -> bool {
        self.all.iter().any(|(_, silence)| silence.covers(&alert.labels, now_ms))
    }
}

/// An operator's text, as in a selector.
pub(crate) fn op_text(op: MatchOp) -> &'static str {
    match op {
        MatchOp::Equal => "=",
        MatchOp::NotEqual => "!=",
        MatchOp::Regex => "=~",
        MatchOp::NotRegex => "!~",
    }
}

/// The operator of a text.
pub(crate) fn op_of(text: &str) -> Option<MatchOp> {
    [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex]
        .into_iter()
        .find(|op| op_text(*op) == text)
}
