//! JSON with the way to each of its values, so that an error says where it is.

use crate::Error;
use crate::limits::{MAX_JSON_BYTES, MAX_JSON_COUNT};
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// A value of a page, and the way to it.
pub(crate) struct Node<'a> {
    value: &'a Value,
    parent: Option<&'a Node<'a>>,
    step: Step<'a>,
    /// What the page should be.
    what: &'static str,
}

enum Step<'a> {
    Root,
    Field(&'a str),
    Item(usize),
}

impl fmt::Display for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            Step::Root => f.write_str("$"),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// Reads JSON of up to [`MAX_JSON_BYTES`].
pub(crate) fn parse(page: &[u8], what: &'static str) -> Result<Value, Error> {
    let unreadable = |at: String, reason| Error::Unreadable { what, at, reason };
    if page.len() > MAX_JSON_BYTES {
        let reason = format!("the page has {} bytes, the limit is {MAX_JSON_BYTES}", page.len());
        return Err(unreadable("its end".to_owned(), reason));
    }
    serde_json::from_slice(page).map_err(|error| {
        let said = error.to_string();
        let reason = said.rsplit_once(" at line ").map_or(&*said, |(reason, _)| reason);
        unreadable(format!("line {} column {}", error.line(), error.column()), reason.to_owned())
    })
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value, what: &'static str) -> Node<'a> {
        Node { value, parent: None, step: Step::Root, what }
    }
}

impl Node<'_> {
    pub(crate) fn error(&self, reason: impl Into<String>) -> Error {
        Error::Unreadable { what: self.what, at: self.to_string(), reason: reason.into() }
    }

    pub(crate) fn expected(&self, what: &str) -> Error {
        let mut found = self.value.to_string();
        if let Some((end, _)) = found.char_indices().nth(40) {
            found.truncate(end);
            found.push('…');
        }
        self.error(format!("{what} was expected, not {found}"))
    }

    pub(crate) fn field<'b>(&'b self, name: &'b str) -> Result<Node<'b>, Error> {
        let object = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        let value = object.get(name).ok_or_else(|| self.error(format!("it has no {name:?}")))?;
        Ok(Node { value, parent: Some(self), step: Step::Field(name), what: self.what })
    }

    /// A field that may be absent or `null`.
    pub(crate) fn optional<'b>(&'b self, name: &'b str) -> Option<Node<'b>> {
        self.field(name).ok().filter(|node| !node.value.is_null())
    }

    pub(crate) fn each<T>(
        &self,
        read: impl Fn(Node<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let items = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let node = |(index, value)| Node {
            value,
            parent: Some(self),
            step: Step::Item(index),
            what: self.what,
        };
        items.iter().enumerate().map(|item| read(node(item))).collect()
    }

    pub(crate) fn text(&self) -> Result<&str, Error> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    pub(crate) fn truth(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// A number, or a string of its digits.
    pub(crate) fn digits<T: std::str::FromStr>(
        &self,
        number: Option<T>,
        what: &str,
    ) -> Result<T, Error> {
        let text = || self.value.as_str().and_then(|text| text.parse().ok());
        number.or_else(text).ok_or_else(|| self.expected(what))
    }

    pub(crate) fn unsigned(&self) -> Result<u64, Error> {
        self.digits(self.value.as_u64(), "an integer from 0 to 2^64-1, as a number or a string,")
    }

    pub(crate) fn signed(&self) -> Result<i64, Error> {
        self.digits(
            self.value.as_i64(),
            "an integer from -2^63 to 2^63-1, as a number or a string,",
        )
    }

    pub(crate) fn float(&self) -> Result<f64, Error> {
        match self.value.as_str() {
            Some("NaN") => Ok(f64::NAN),
            Some("+Inf") => Ok(f64::INFINITY),
            Some("-Inf") => Ok(f64::NEG_INFINITY),
            Some(_) => Err(self.expected("a number, \"NaN\", \"+Inf\" or \"-Inf\"")),
            None => self.value.as_f64().ok_or_else(|| self.expected("a number")),
        }
    }

    /// A sum of as many values as a histogram can have.
    pub(crate) fn sum(&self) -> Result<u128, Error> {
        let sum = self.digits(self.value.as_u64().map(u128::from), "an integer, as a string,")?;
        let most = u128::from(MAX_JSON_COUNT) << 64;
        if sum > most { Err(self.error(format!("it is above {most}"))) } else { Ok(sum) }
    }

    pub(crate) fn time(&self) -> Result<Duration, Error> {
        const SECOND: u128 = 1_000_000_000;
        let all = self.digits(self.value.as_u64().map(u128::from), "nanoseconds, as a string,")?;
        let seconds = u64::try_from(all / SECOND).map_err(|_| self.expected("a time"))?;
        Ok(Duration::new(seconds, (all % SECOND) as u32))
    }

    /// The values of an object, by name.
    #[cfg(feature = "testing")]
    pub(crate) fn entries<T>(
        &self,
        read: impl Fn(Node<'_>) -> Result<T, Error>,
    ) -> Result<std::collections::BTreeMap<String, T>, Error> {
        let object = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        object.keys().map(|name| Ok((name.clone(), read(self.field(name)?)?))).collect()
    }

    pub(crate) fn texts(&self) -> Result<Vec<(String, String)>, Error> {
        let object = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        let text =
            |(name, _): (&String, &Value)| Ok((name.clone(), self.field(name)?.text()?.to_owned()));
        object.iter().map(text).collect()
    }
}
