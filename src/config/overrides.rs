//! Environment variables in the place of single keys.

use super::{Config, ConfigError};
use serde::Deserialize as _;
use std::ffi::OsString;
use toml::{Table, Value};

/// What every variable begins with.
const PREFIX: &str = "TACHOMETER_";

/// Variables with the prefix that are not settings: tests and tools of this project read them.
const OTHERS: [&str; 2] = ["TACHOMETER_STRESS_SECONDS", "TACHOMETER_NO_SKIP"];

/// The configuration in `text`, which is a valid one, with what `environment` overrides; and the variables that did.
pub(super) fn apply(
    text: &str,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<(Config, Vec<String>), ConfigError> {
    let mut variables: Vec<(String, String)> = Vec::new();
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
    let mut table: Table = toml::from_str(text).map_err(|error| ConfigError::at(text, &error))?;
    for (name, value) in &variables {
        set(&mut table, name, value)?;
    }
    let names = variables.into_iter().map(|(name, _)| name).collect();
    let config = Config::deserialize(table).map_err(|error| ConfigError::at(text, &error))?;
    Ok((config, names))
}

/// Sets one key, and checks at once that the whole is still a configuration: so the error is this variable's.
fn set(table: &mut Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let path = name[PREFIX.len()..].to_lowercase();
    let Some((section, key)) = path.split_once('_') else {
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
        let section = changed.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(key.to_owned(), candidate);
        }
        match Config::deserialize(changed.clone()) {
            Ok(_) => {
                *table = changed;
                return Ok(());
            }
            Err(error) => first_error.get_or_insert(error),
        };
    }
    let error = first_error.map(|error| error.message().trim_end().to_owned()).unwrap_or_default();
    Err(ConfigError::new(format!("the variable {name} (`{key}` in [{section}]): {error}")))
}
