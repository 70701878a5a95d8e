//! What is said of a configuration that is wrong: which key, which line, what was expected; and never a secret.

use super::keys::{self, Node};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What is wrong with a configuration, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, if it came from one.
    pub file: Option<PathBuf>,
    /// Line and column, from 1.
    pub place: Option<(usize, usize)>,
    /// What is wrong, and what was expected.
    pub reason: String,
}

/// What is wrong with the value of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) path: Vec<String>,
    pub(super) reason: String,
}

impl Problem {
    pub(super) fn at(path: &[&str], reason: impl Into<String>) -> Problem {
        Problem { path: path.iter().map(|&key| key.to_owned()).collect(), reason: reason.into() }
    }

    /// As an error without a place, for a configuration that did not come from a text.
    pub(super) fn anywhere(&self) -> ConfigError {
        ConfigError::new(format!("`{}`: {}", self.path.join("."), self.reason))
    }

    /// As an error with the place of the key in `text`, or of as much of its path as stands there.
    pub(super) fn in_text(&self, text: &str) -> ConfigError {
        let span = DeTable::parse(text).ok().and_then(|table| span_of(table.get_ref(), &self.path));
        ConfigError { place: span.map(|span| line_and_column(text, span.start)), ..self.anywhere() }
    }
}

impl ConfigError {
    pub(super) fn new(reason: String) -> Self {
        ConfigError { file: None, place: None, reason }
    }

    /// What the reader of TOML says of `text`. Its own words never show more than the one value that is wrong, which may
    /// be a secret.
    pub(super) fn at(text: &str, error: &toml::de::Error) -> Self {
        let place = error.span().map(|span| line_and_column(text, span.start));
        let path = error.span().and_then(|span| path_at(text, &span));
        let message = match &path {
            Some(path) => hidden(path, error.message()),
            None => error.message().trim_end().to_owned(),
        };
        let key = match &path {
            Some(path) => path.last().map(String::as_str),
            None => error.span().and_then(|span| key_at(text, span.start)),
        };
        let reason = match key {
            Some(key) if !message.contains(&format!("`{key}`")) => format!("`{key}`: {message}"),
            _ => message,
        };
        ConfigError { file: None, place, reason }
    }

    pub(super) fn in_file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }
}

/// `message`, without the value that it quotes if there may be a secret at `path`, or seems to have been meant for one.
pub(super) fn hidden(path: &[String], message: &str) -> String {
    let message = message.trim_end();
    let schema = keys::schema();
    // By its name too: one may have been written under the wrong table, where any key may stand.
    let secret = schema.at(path).is_some_and(Node::holds_secrets)
        || path.iter().any(|key| schema.names_secrets(key));
    if !message.starts_with("invalid ") || !secret {
        return message.to_owned();
    }
    match message.rfind(", expected ") {
        Some(end) => format!("a value of the wrong type (not shown){}", &message[end..]),
        None => "a value that cannot be (not shown)".to_owned(),
    }
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Where the key at `path` stands; the nearest one around it, if it is missing.
fn span_of(table: &DeTable<'_>, path: &[String]) -> Option<Range<usize>> {
    let (first, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    let inner = match value.get_ref() {
        DeValue::Table(table) => span_of(table, rest),
        _ => None,
    };
    Some(inner.unwrap_or(key.span()))
}

/// The keys that lead to what stands at `span`, in a text that is TOML.
fn path_at(text: &str, span: &Range<usize>) -> Option<Vec<String>> {
    let table = DeTable::parse(text).ok()?;
    let mut path = Vec::new();
    descend(table.get_ref(), span, &mut path);
    (!path.is_empty()).then_some(path)
}

fn descend(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> bool {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        // A table's parts may stand anywhere in the text, so all of them are looked at.
        let inside = match value.get_ref() {
            DeValue::Table(table) => descend(table, span, path),
            _ => false,
        };
        if inside || within(key.span()) || within(value.span()) {
            return true;
        }
        path.pop();
    }
    false
}

/// The key of the line that `at` is in, in a text that is not TOML: only one that there is, since the line may be in the
/// middle of a secret.
fn key_at(text: &str, at: usize) -> Option<&str> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?;
    let key = line.split_once('=')?.0.trim();
    key.split('.').all(|part| keys::schema().has(part)).then_some(key)
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}", file.display())?,
            None => write!(f, "configuration")?,
        }
        if let Some((line, column)) = self.place {
            write!(f, ", line {line}, column {column}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for ConfigError {}
