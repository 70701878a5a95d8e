//! The templates of rules: what Go's `text/template` is to Prometheus, as far as rules use it.
//!
//! Actions: values and pipelines, `if`, `else`, `else if`, `with`, `range` (with `break` and `continue`), variables,
//! comments, trimmed spaces. Functions: those of Go (`and or not eq ne lt le gt ge len index slice print printf println
//! html urlquery`) and of Prometheus (`query first value label strvalue sortByLabel humanize humanize1024
//! humanizeDuration humanizePercentage humanizeTimestamp title toUpper toLower match reReplaceAll stripPort stripDomain
//! parseDuration args externalURL pathPrefix graphLink tableLink safeHtml`). Not: `define`, `template`, `block`,
//! `tmpl`, `toTime`, `js`, `call`; a rule file that uses them is refused.

mod format;
mod functions;
mod parse;
mod run;
mod value;

#[cfg(feature = "notify")]
pub(crate) use functions::civil;

use crate::query::{InstantSample, Labels};
#[cfg(all(feature = "history", feature = "http"))]
pub(crate) use functions::rfc3339;
use parse::Item;

/// A template, parsed.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    text: String,
    items: Vec<Item>,
}

/// What a template speaks about.
pub(crate) struct Data<'a> {
    /// The name that errors have: `__alert_` and that of the rule.
    pub(crate) name: &'a str,
    /// `$labels`
    pub(crate) labels: &'a Labels,
    /// `$value`
    pub(crate) value: f64,
    /// `$externalLabels`
    pub(crate) external_labels: &'a Labels,
    /// `$externalURL`
    pub(crate) external_url: &'a str,
    /// What `query` asks.
    pub(crate) query: &'a dyn Fn(&str) -> Result<Vec<InstantSample>, String>,
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Template, String> {
        Ok(Template { text: text.to_owned(), items: parse::parse(text)? })
    }

    /// A text that is none: it expands to itself.
    pub(crate) fn plain(text: &str) -> Template {
        Template { text: text.to_owned(), items: vec![Item::Text(text.to_owned())] }
    }

    /// As it was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// What it says of `data`. What cannot be said is an error within the text, as Prometheus has it.
    pub(crate) fn expand(&self, data: &Data<'_>) -> String {
        match run::run(self, data) {
            Ok(text) => text,
            Err(error) => format!("<error expanding template: {error}>"),
        }
    }
}
