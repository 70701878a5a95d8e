//! Which keys there are: asked of the structures themselves, so that no list has to be kept in step with them.
//!
//! A structure is deserialized by a deserializer that has no values: it only notes the type that it is asked for, and the
//! names of its fields, and then gives up. Once for each key this finds all of them. Environment variables are matched to
//! keys by it, errors know by it where secrets may stand, and a test compares it with the example.

use super::Config;
use once_cell::sync::Lazy;
use serde::de::{
    DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor, value::StrDeserializer,
};
use serde::{Deserialize as _, forward_to_deserialize_any};
use std::cell::Cell;
use std::fmt;

/// By what name a [`Secret`](super::Secret) asks for itself.
pub(super) const SECRET: &str = "tachometer::config::Secret";

/// What stands at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A table with these keys.
    Table(Vec<(&'static str, Node)>),
    /// A table with keys of the operator's choice.
    Map(Box<Node>),
    List(Box<Node>),
    Secret,
    Value,
}

static SCHEMA: Lazy<Node> = Lazy::new(|| explore(&mut Vec::new()));

/// The whole configuration.
pub(super) fn schema() -> &'static Node {
    &SCHEMA
}

impl Node {
    /// What stands at `path`.
    pub(super) fn at(&self, path: &[String]) -> Option<&Node> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match self {
            Node::Table(keys) => keys.iter().find(|(key, _)| key == first)?.1.at(rest),
            Node::Map(inner) => inner.at(rest),
            // What is wrong inside of a value is that value's matter.
            Node::List(_) | Node::Secret | Node::Value => Some(self),
        }
    }

    pub(super) fn holds_secrets(&self) -> bool {
        match self {
            Node::Table(keys) => keys.iter().any(|(_, inner)| inner.holds_secrets()),
            Node::Map(inner) | Node::List(inner) => inner.holds_secrets(),
            Node::Secret => true,
            Node::Value => false,
        }
    }

    /// Whether there is a key of this name anywhere.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Node::Table(keys) => keys.iter().any(|(key, inner)| *key == name || inner.has(name)),
            Node::Map(inner) | Node::List(inner) => inner.has(name),
            Node::Secret | Node::Value => false,
        }
    }

    /// Whether secrets stand somewhere at a key of this name.
    pub(super) fn names_secrets(&self, name: &str) -> bool {
        match self {
            Node::Table(keys) => keys.iter().any(|(key, inner)| {
                (*key == name && inner.holds_secrets()) || inner.names_secrets(name)
            }),
            Node::Map(inner) | Node::List(inner) => inner.names_secrets(name),
            Node::Secret | Node::Value => false,
        }
    }

    /// Every key, with those around it: `engine.interval`; `*` for one of the operator's choice.
    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<String> {
        let below = |key: &str, inner: &Node| -> Vec<String> {
            let inner = inner.paths().into_iter().map(|path| format!("{key}.{path}"));
            std::iter::once(key.to_owned()).chain(inner).collect()
        };
        match self {
            Node::Table(keys) => keys.iter().flat_map(|(key, inner)| below(key, inner)).collect(),
            Node::Map(inner) => below("*", inner),
            Node::List(_) | Node::Secret | Node::Value => Vec::new(),
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    Key(&'static str),
    AnyKey,
    Element,
}

#[derive(Clone, Copy, Default)]
enum Found {
    Table(&'static [&'static str]),
    Map,
    List,
    Secret,
    #[default]
    Value,
}

fn explore(path: &mut Vec<Step>) -> Node {
    let found = Cell::default();
    // Always an error: there are no values.
    let _ = Config::deserialize(Probe { path, found: &found });
    let mut inner = |step: Step| {
        path.push(step);
        let inner = explore(path);
        path.pop();
        inner
    };
    match found.get() {
        Found::Table(keys) => {
            Node::Table(keys.iter().map(|&key| (key, inner(Step::Key(key)))).collect())
        }
        Found::Map => Node::Map(Box::new(inner(Step::AnyKey))),
        Found::List => Node::List(Box::new(inner(Step::Element))),
        Found::Secret => Node::Secret,
        Found::Value => Node::Value,
    }
}

/// Follows `path`, and notes what is asked for at its end.
#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [Step],
    found: &'a Cell<Found>,
}

/// That nothing more is to be found out.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no values here")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Stop
    }
}

impl Probe<'_> {
    /// The step to go, and what follows; the end of the path, after `found` was noted.
    fn step(self, found: Found) -> Result<(Step, Self), Stop> {
        match self.path.split_first() {
            Some((step, path)) => Ok((*step, Probe { path, ..self })),
            None => {
                self.found.set(found);
                Err(Stop)
            }
        }
    }
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        self.step(Found::Value)?;
        Err(Stop)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        let (step, inner) = self.step(Found::Table(keys))?;
        visitor.visit_map(One(step, Some(inner)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (step, inner) = self.step(Found::Map)?;
        visitor.visit_map(One(step, Some(inner)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        let (step, inner) = self.step(Found::List)?;
        visitor.visit_seq(One(step, Some(inner)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if name == SECRET {
            self.step(Found::Secret)?;
        }
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

/// A table or list with one element.
struct One<'a>(Step, Option<Probe<'a>>);

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        let key = match self.0 {
            Step::Key(key) => key,
            Step::AnyKey | Step::Element => "*",
        };
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(self.1.take().ok_or(Stop)?)
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Stop> {
        seed.deserialize(self.1.take().ok_or(Stop)?).map(Some)
    }
}
