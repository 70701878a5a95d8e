//! What a selector asks of a label.

use super::error::QueryError;
use super::labels::Labels;
use crate::limits::MAX_QUERY_REGEX_BYTES;
use regex::{Regex, RegexBuilder};
use std::fmt;

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`: the whole value matches a regular expression.
    Regex,
    /// `!~`
    NotRegex,
}

/// What a selector asks of one label. A label that is not there has the empty value.
///
/// ```
/// use tachometer::query::{Labels, MatchOp, Matcher};
/// let matcher = Matcher::new("path", MatchOp::Regex, "/api/.*")?;
/// assert!(matcher.matches(&Labels::new([("path", "/api/query")])));
/// assert!(!matcher.matches(&Labels::new([("path", "/old/api/query")])), "it is anchored");
/// # Ok::<(), tachometer::query::QueryError>(())
/// ```
#[derive(Clone)]
pub struct Matcher {
    name: String,
    op: MatchOp,
    value: String,
    regex: Option<Regex>,
}

impl Matcher {
    /// A matcher; for regular expressions in the syntax of the `regex` crate, anchored at both ends.
    ///
    /// # Errors
    /// The regular expression cannot be read, or is too large.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Matcher, QueryError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(anchored(value)?),
        };
        Ok(Matcher { name: name.to_owned(), op, value: value.to_owned(), regex })
    }

    /// As the parser has read it: `pattern` is the regular expression, anchored.
    pub(crate) fn parsed(
        name: &str,
        op: MatchOp,
        value: &str,
        pattern: Option<&str>,
    ) -> Result<Matcher, QueryError> {
        let regex = pattern.map(compiled).transpose();
        let regex = regex.map_err(|error| refused(value, error))?;
        Ok(Matcher { name: name.to_owned(), op, value: value.to_owned(), regex })
    }

    /// The label's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    pub fn op(&self) -> MatchOp {
        self.op
    }

    /// What it is compared with.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value is taken; the empty value is that of no label.
    pub fn matches_value(&self, value: &str) -> bool {
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => self.regex.as_ref().is_some_and(|regex| regex.is_match(value)),
            MatchOp::NotRegex => self.regex.as_ref().is_some_and(|regex| !regex.is_match(value)),
        }
    }

    /// Whether a series with these labels is taken.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or_default())
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let op = match self.op {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        };
        write!(f, "{}{op}{:?}", self.name, self.value)
    }
}

/// A regular expression that takes the whole text or nothing.
pub(crate) fn anchored(pattern: &str) -> Result<Regex, QueryError> {
    // The pattern by itself first: `a)(b` is none, though it would be one within the anchors' parentheses.
    let regex = compiled(pattern).and_then(|_| compiled(&format!("^(?:{pattern})$")));
    regex.map_err(|error| refused(pattern, error))
}

fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(MAX_QUERY_REGEX_BYTES).dfa_size_limit(MAX_QUERY_REGEX_BYTES).build()
}

fn refused(pattern: &str, error: regex::Error) -> QueryError {
    match error {
        regex::Error::CompiledTooBig(_) => QueryError::TooMany {
            what: "bytes of a compiled regular expression",
            limit: MAX_QUERY_REGEX_BYTES as u64,
            advice: "use a simpler one, with smaller repetitions",
        },
        error => QueryError::invalid(format!("regular expression {pattern:?}: {error}")),
    }
}
