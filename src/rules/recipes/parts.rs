//! What recipes' expressions are made of: each part is checked before it becomes one.

use super::error::{Wrong, wrong};
use crate::query::duration;
use crate::query::{METRIC_NAME, MatchOp, Query};
use std::time::Duration;

/// The steps that a subquery's window is looked at in: as fine as a deviation or a slope needs.
const SUBQUERY_STEPS: u32 = 60;
/// The shortest of them: the interval of evaluations, unless told otherwise.
const SHORTEST_STEP: Duration = Duration::from_secs(1);

/// What a recipe is about: a selector, or an expression that results in a vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject<'a> {
    text: &'a str,
    is_selector: bool,
    is_operand: bool,
}

impl<'a> Subject<'a> {
    /// An expression.
    pub(super) fn new(setting: &str, text: &'a str) -> Result<Subject<'a>, Wrong> {
        let text = text.trim();
        let query = match Query::parse(text) {
            Ok(query) => query,
            Err(error) => return wrong(setting, format!("{text:?}: {error}")),
        };
        if !query.is_vector() {
            let reason = format!(
                "{text:?} results in no instant vector, which alerts need: a selector, or a function of one, was expected"
            );
            return wrong(setting, reason);
        }
        // What stands behind it in a rule would belong to the comment.
        if Query::parse(&format!("({text})")).is_err() {
            return wrong(setting, format!("{text:?} ends with a comment: leave it out"));
        }
        let is_selector = query.matchers().is_some() && !text.starts_with('(');
        Ok(Subject { text, is_selector, is_operand: query.is_operand() })
    }

    /// An expression that must be a selector with a metric's name, without `offset` and `@`.
    pub(super) fn selector(setting: &str, text: &'a str) -> Result<Subject<'a>, Wrong> {
        let subject = Subject::new(setting, text)?;
        let names_metric = Query::parse(subject.text).ok().is_some_and(|query| {
            let matchers = query.matchers().unwrap_or_default();
            matchers.iter().any(|m| m.name() == METRIC_NAME && m.op() == MatchOp::Equal)
        });
        match subject.is_selector && names_metric {
            true => Ok(subject),
            false => wrong(
                setting,
                format!(
                    "{:?} is no selector of one metric: a name was expected, and labels if need be, as requests_total{{code=\"500\"}}",
                    subject.text
                ),
            ),
        }
    }

    /// As an operand.
    pub(super) fn now(&self) -> String {
        match self.is_operand {
            true => self.text.to_owned(),
            false => format!("({})", self.text),
        }
    }

    /// Its samples within a window, up to `offset` ago.
    pub(super) fn range(&self, window: Duration, offset: Duration) -> Result<String, String> {
        let window_text = duration::format(window)?;
        let offset = shift(offset)?;
        if self.is_selector {
            return Ok(format!("{}[{window_text}]{offset}", self.text));
        }
        let step = duration::format(subquery_step(window))?;
        Ok(format!("({})[{window_text}:{step}]{offset}", self.text))
    }

    /// What it was this long ago.
    pub(super) fn at(&self, offset: Duration) -> Result<String, String> {
        if self.is_selector {
            return Ok(format!("{}{}", self.text, shift(offset)?));
        }
        // A subquery of one step: an offset cannot be given to an expression.
        let step = duration::format(SHORTEST_STEP)?;
        Ok(format!("last_over_time(({})[{step}:{step}]{})", self.text, shift(offset)?))
    }

    /// As a text within a template, which it then is none of.
    pub(super) fn quoted(&self) -> String {
        literal(self.text)
    }
}

fn shift(offset: Duration) -> Result<String, String> {
    Ok(match offset.is_zero() {
        true => String::new(),
        false => format!(" offset {}", duration::format(offset)?),
    })
}

fn subquery_step(window: Duration) -> Duration {
    let step = Duration::from_millis((window / SUBQUERY_STEPS).as_millis() as u64);
    step.max(SHORTEST_STEP).min(window)
}

/// A text as a template that expands to it.
pub(super) fn literal(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}")
}

/// A window, of at least a millisecond.
pub(super) fn window(setting: &str, window: Duration) -> Result<String, Wrong> {
    if window.is_zero() {
        return wrong(
            setting,
            "a length of 0s, in which nothing can be seen: 1ms or more was expected",
        );
    }
    duration::format(window).map_err(|reason| (setting.to_owned(), reason))
}

/// A number that can stand in an expression.
pub(super) fn number(setting: &str, value: f64) -> Result<String, Wrong> {
    match value.is_finite() {
        true => Ok(value.to_string()),
        false => {
            wrong(setting, format!("{value} compares with nothing: a finite number was expected"))
        }
    }
}

/// The name of an alert, and so of what it records.
pub(super) fn name(name: &str) -> Result<(), Wrong> {
    match super::super::file::is_label_name(name) {
        true => Ok(()),
        false => wrong(
            "name",
            format!(
                "{name:?} is no name of an alert: letters, digits and _ were expected, no digit first"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn subjects_are_selectors_or_expressions() {
        let selector = Subject::selector("series", " up{job=\"a\"} ").unwrap();
        assert_eq!(selector.now(), "up{job=\"a\"}");
        assert_eq!(selector.range(MINUTE, MINUTE).unwrap(), "up{job=\"a\"}[1m] offset 1m");
        assert_eq!(selector.at(MINUTE).unwrap(), "up{job=\"a\"} offset 1m");
        let rate = Subject::new("series", "rate(x[5m])").unwrap();
        assert_eq!(rate.now(), "rate(x[5m])");
        assert_eq!(Subject::new("series", "a + b").unwrap().now(), "(a + b)");
        assert_eq!(rate.range(2 * MINUTE, Duration::ZERO).unwrap(), "(rate(x[5m]))[2m:2s]");
        for text in [rate.now(), rate.range(MINUTE, MINUTE).unwrap(), rate.at(MINUTE).unwrap()] {
            Query::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for bad in ["", "up{", "1", "\"a\"", "up[5m]", "my-metric{", "5xx_total"] {
            assert!(Subject::new("series", bad).is_err(), "{bad}");
        }
        for bad in ["rate(x[5m])", "up offset 5m", "up @ 3", "{job=\"a\"}", "(up)", "a + b"] {
            let (setting, why) = Subject::selector("series", bad).unwrap_err();
            assert!(setting == "series" && why.contains("is no selector"), "{bad}: {why}");
        }
    }
}
