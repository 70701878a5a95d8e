//! Environment variables in the place of single keys.
//!
//! A variable's name has nothing between keys but the `_` that keys have inside too, so it is read in every way in which
//! the structures have such keys, and the way that is most to the point is taken.

use super::error::{Problem, hidden};
use super::keys::{self, Node};
use super::{Config, ConfigError};
use serde::Deserialize as _;
use std::ffi::OsString;
use toml::{Table, Value};

/// What every variable begins with.
const PREFIX: &str = "TACHOMETER_";

/// Variables with the prefix that are not settings: tests and tools of this project read them.
const OTHERS: [&str; 2] = ["TACHOMETER_STRESS_SECONDS", "TACHOMETER_NO_SKIP"];

/// A variable that was taken, and the key that it set.
#[derive(Debug)]
struct Override {
    name: String,
    path: Vec<String>,
}

/// The configuration in `text` with what `environment` overrides; and the variables that did.
pub(super) fn apply(
    text: &str,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Config, Vec<String>), ConfigError> {
    let mut table: Table = toml::from_str(text).map_err(|error| ConfigError::at(text, &error))?;
    let mut overrides = Vec::new();
    for (name, value) in variables(environment)? {
        let path = set(&mut table, &name, &value)?;
        overrides.push(Override { name, path });
    }
    let config = Config::deserialize(table).map_err(|error| ConfigError::at(text, &error))?;
    config.check_all().map_err(|problem| blamed(&problem, &overrides, text))?;
    Ok((config, overrides.into_iter().map(|o| o.name).collect()))
}

/// Those that are settings, in the order of their names: what sets a whole section comes before what sets a key in it.
fn variables(
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(PREFIX) || OTHERS.contains(&name.as_str()) {
            continue;
        }
        let value = value
            .into_string()
            .map_err(|_| ConfigError::new(format!("the variable {name} is not UTF-8")))?;
        variables.push((name, value));
    }
    variables.sort();
    Ok(variables)
}

/// An error of the variable that set the key, or of the text.
fn blamed(problem: &Problem, overrides: &[Override], text: &str) -> ConfigError {
    let to_blame = |o: &&Override| {
        let (short, long) = if o.path.len() < problem.path.len() {
            (&o.path, &problem.path)
        } else {
            (&problem.path, &o.path)
        };
        long.starts_with(short)
    };
    let in_text = problem.in_text(text);
    // What the variable set exactly is its fault alone; a section may be the text's too, and then has a line.
    let exact = overrides.iter().find(|o| problem.path.starts_with(&o.path));
    let related = overrides.iter().find(to_blame).filter(|_| in_text.place.is_none());
    match exact.or(related) {
        Some(found) => ConfigError::new(format!("the variable {}: {}", found.name, in_text.reason)),
        None => in_text,
    }
}

/// Sets one key, and checks at once that the whole still has the right types: so the error is this variable's.
fn set(table: &mut Table, name: &str, value: &str) -> Result<Vec<String>, ConfigError> {
    let rest = name[PREFIX.len()..].to_lowercase();
    let Some(path) = path_of(&rest, table) else {
        return Err(ConfigError::new(format!(
            "the variable {name} names no key; write {PREFIX}SECTION_KEY, as in {PREFIX}ENGINE_INTERVAL"
        )));
    };
    let literal = toml::from_str::<Table>(&format!("value = {value}"));
    let literal = literal.ok().and_then(|mut table| table.remove("value"));
    let text = Value::String(value.to_owned());
    let tried = literal.into_iter().chain([text]);
    let mut first_error = None;
    for candidate in tried {
        let mut changed = table.clone();
        insert(&mut changed, &path, candidate);
        match Config::deserialize(changed.clone()) {
            Ok(_) => {
                *table = changed;
                return Ok(path);
            }
            Err(error) => first_error.get_or_insert(error),
        };
    }
    let error = first_error.map(|error| hidden(&path, error.message())).unwrap_or_default();
    let (section, key) = match path.split_last() {
        Some((key, section)) => (section.join("."), key.as_str()),
        None => (String::new(), ""),
    };
    Err(ConfigError::new(format!("the variable {name} (`{key}` in [{section}]): {error}")))
}

fn insert(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [key, rest @ ..] => {
            let inner = table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// The path that `name` means: that of a key there is, else the section and what follows, whose error says what there is.
fn path_of(name: &str, table: &Table) -> Option<Vec<String>> {
    let mut ways = Vec::new();
    ways_of(keys::schema(), name, Some(table), &mut Vec::new(), 0, &mut ways);
    // Rather through what the text names already, rather one key than a whole section.
    let best = ways.into_iter().max_by_key(|(path, known)| (*known, path.len()));
    let section = || {
        let (section, key) = name.split_once('_')?;
        Some(vec![section.to_owned(), key.to_owned()])
    };
    best.map(|(path, _)| path).or_else(section)
}

/// Every way to read `rest` as keys below `node`, each with the number of chosen keys in it that the text has.
fn ways_of(
    node: &Node,
    rest: &str,
    table: Option<&Table>,
    path: &mut Vec<String>,
    known: usize,
    ways: &mut Vec<(Vec<String>, usize)>,
) {
    if rest.is_empty() {
        return ways.push((path.clone(), known));
    }
    let mut follow = |key: &str, inner: &Node, rest: &str, known: usize| {
        path.push(key.to_owned());
        let table = table.and_then(|table| table.get(key)?.as_table());
        ways_of(inner, rest, table, path, known, ways);
        path.pop();
    };
    match node {
        Node::Table(keys) => {
            for (key, inner) in keys {
                if let Some(rest) = after(rest, key) {
                    follow(key, inner, rest, known);
                }
            }
        }
        Node::Map(inner) => {
            let chosen = table.into_iter().flat_map(|table| table.keys());
            for key in chosen {
                // As a variable's name would have it.
                let written = key.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
                if let Some(rest) = after(rest, &written) {
                    follow(key, inner, rest, known + 1);
                }
            }
            if !matches!(**inner, Node::Table(_)) {
                return follow(rest, inner, "", known);
            }
            let ends = rest.match_indices('_').map(|(at, _)| at).filter(|at| *at > 0);
            ends.for_each(|end| follow(&rest[..end], inner, &rest[end + 1..], known));
            follow(rest, inner, "", known);
        }
        Node::List(_) | Node::Secret | Node::Value => {}
    }
}

/// What follows `key` in `name`, and the `_` between them.
fn after<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(key)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix('_').filter(|rest| !rest.is_empty())
    }
}
