//! Paths to values in JSON: `nodes[*].cpu`.

use crate::limits::MAX_MAPPING_STEPS;
use serde_json::Value;
use std::fmt::{self, Write as _};

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    /// Each element of an array, or each member of an object.
    Each,
}

/// A path from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

/// Where a step that goes everywhere is now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) key: Key<'a>,
    pub(super) value: &'a Value,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Key<'a> {
    Member(&'a str),
    Element(usize),
}

impl Path {
    /// # Errors
    /// What is wrong.
    pub(super) fn parse(text: &str) -> Result<Path, String> {
        let mut steps = Vec::new();
        // The root may be named, as in JSONPath.
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        while !rest.is_empty() {
            let at = text.len() - rest.len();
            let wrong = |what: &str| Err(format!("{text:?}, at byte {at}: {what}"));
            if let Some(inside) = rest.strip_prefix('[') {
                if let Some(quoted) = inside.strip_prefix('"') {
                    let Some((key, behind)) = quoted.split_once("\"]") else {
                        return wrong("a name in [\"…\"] has no end");
                    };
                    steps.push(Step::Key(key.to_owned()));
                    rest = behind;
                } else {
                    let Some((index, behind)) = inside.split_once(']') else {
                        return wrong("a [ has no ]");
                    };
                    steps.push(match index {
                        "*" => Step::Each,
                        index => match index.parse() {
                            Ok(index) => Step::Index(index),
                            Err(_) => {
                                return wrong("in [] there is a number, a *, or a name in quotes");
                            }
                        },
                    });
                    rest = behind;
                }
            } else {
                let named = match rest.strip_prefix('.') {
                    Some(named) => named,
                    // Only the first may go without.
                    None if steps.is_empty() => rest,
                    None => return wrong("expected '.' or '['"),
                };
                let end = named.find(['.', '[', ']']).unwrap_or(named.len());
                let (name, behind) = named.split_at(end);
                if name.is_empty() || behind.starts_with(']') {
                    return wrong("expected a name; one of other characters stands in [\"…\"]");
                }
                steps.push(if name == "*" { Step::Each } else { Step::Key(name.to_owned()) });
                rest = behind;
            }
            if steps.len() > MAX_MAPPING_STEPS {
                return Err(format!("{text:?} has more than {MAX_MAPPING_STEPS} steps"));
            }
        }
        Ok(Path(steps))
    }

    /// How many steps go everywhere.
    pub(super) fn everywheres(&self) -> usize {
        self.0.iter().filter(|step| **step == Step::Each).count()
    }

    /// The steps up to the last that goes everywhere, that one included, and those behind.
    pub(super) fn split(&self) -> (&[Step], &[Step]) {
        let last = self.0.iter().rposition(|step| *step == Step::Each);
        self.0.split_at(last.map_or(0, |at| at + 1))
    }

    /// Calls `each` with all values that are there, and the places on the way.
    pub(super) fn walk<'a, E>(
        &self,
        root: &'a Value,
        each: &mut impl FnMut(&'a Value, &[Place<'a>]) -> Result<(), E>,
    ) -> Result<(), E> {
        walk(&self.0, root, &mut Vec::new(), each)
    }

    /// This path at certain places.
    pub(super) fn at(&self, places: &[Place<'_>]) -> String {
        let mut out = String::new();
        let mut places = places.iter();
        for step in &self.0 {
            // Writing to a string does not fail.
            let _ = match (step, places.as_slice().first()) {
                (Step::Each, Some(place)) => {
                    places.next();
                    match place.key {
                        Key::Member(key) => write!(out, "{}", Step::Key(key.to_owned())),
                        Key::Element(index) => write!(out, "[{index}]"),
                    }
                }
                _ => write!(out, "{step}"),
            };
        }
        match out.strip_prefix('.') {
            Some(out) => out.to_owned(),
            None if out.is_empty() => "$".to_owned(),
            None => out,
        }
    }
}

fn walk<'a, E>(
    steps: &[Step],
    value: &'a Value,
    places: &mut Vec<Place<'a>>,
    each: &mut impl FnMut(&'a Value, &[Place<'a>]) -> Result<(), E>,
) -> Result<(), E> {
    let Some((step, rest)) = steps.split_first() else { return each(value, places) };
    if *step != Step::Each {
        return down(value, step).map_or(Ok(()), |value| walk(rest, value, places, each));
    }
    let mut visit = |key, value| {
        places.push(Place { key, value });
        let walked = walk(rest, value, places, each);
        places.pop();
        walked
    };
    match value {
        Value::Array(all) => {
            all.iter().enumerate().try_for_each(|(at, value)| visit(Key::Element(at), value))
        }
        Value::Object(all) => {
            all.iter().try_for_each(|(key, value)| visit(Key::Member(key), value))
        }
        _ => Ok(()),
    }
}

fn down<'a>(value: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Key(key) => value.as_object()?.get(key),
        Step::Index(index) => value.as_array()?.get(*index),
        Step::Each => None,
    }
}

/// The value behind `steps`, none of which goes everywhere.
pub(super) fn follow<'a>(value: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(value, down)
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Key(key) if key.contains(['.', '[', ']', '*']) || key.is_empty() => {
                write!(f, "[\"{key}\"]")
            }
            Step::Key(key) => write!(f, ".{key}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Each => write!(f, "[*]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_or_refused() {
        let key = |name: &str| Step::Key(name.to_owned());
        for (text, steps) in [
            ("", vec![]),
            ("$", vec![]),
            ("a", vec![key("a")]),
            ("$.a.b", vec![key("a"), key("b")]),
            ("nodes[*].cpu", vec![key("nodes"), Step::Each, key("cpu")]),
            ("[2][\"a.b\"].c", vec![Step::Index(2), key("a.b"), key("c")]),
            ("peers.*.rtt", vec![key("peers"), Step::Each, key("rtt")]),
        ] {
            assert_eq!(Path::parse(text), Ok(Path(steps)), "{text}");
        }
        for (text, said) in [
            ("a..b", "a name"),
            ("a.", "a name"),
            ("a[", "no ]"),
            ("a[x]", "a number"),
            ("a[\"b", "no end"),
            ("a]b", "a name"),
            ("a[0]b", "'.' or '['"),
            (&"a.".repeat(40), "steps"),
        ] {
            let error = Path::parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_walk_visits_what_is_there_and_says_where_it_is() {
        let page: Value =
            serde_json::from_str(r#"{"nodes":[{"cpu":1},{},{"cpu":3}],"by":{"a.b":{"x":4}}}"#)
                .unwrap();
        let visit = |path: &str| {
            let path = Path::parse(path).unwrap();
            let mut seen = Vec::new();
            let walked: Result<(), ()> = path.walk(&page, &mut |value, places| {
                seen.push(format!("{}={value}", path.at(places)));
                Ok(())
            });
            walked.unwrap();
            seen
        };
        assert_eq!(visit("nodes[*].cpu"), ["nodes[0].cpu=1", "nodes[2].cpu=3"]);
        assert_eq!(visit("by.*.x"), ["by[\"a.b\"].x=4"]);
        assert_eq!(visit("nodes[1]"), ["nodes[1]={}"]);
        assert!(
            visit("nodes.x").is_empty()
                && visit("by[0]").is_empty()
                && visit("nodes[7]").is_empty()
        );
    }
}
